/* What the parts of the fixture share. */
#ifndef TESTING_FIXTURE_H
#define TESTING_FIXTURE_H

#include <limits.h>
#include <stdbool.h>

#include <selfpage/task.h>
#include <selfpage/testing.h>
#include <selfpage/world.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "client/observer/observer.h"
#include "launch/launched.h"
#include "launch/strings.h"

/* One of the two servers. */
struct fixture_server {
    struct launched server;
    struct launched_log log;
    struct strings arguments; /* those it is always given; empty: the fixture has no such server */
    struct observer observer;
};

/* A task that was waited for. */
struct remembered {
    struct remembered *next;
    char name[SP_NAME_MAX];
    int exit_status;
    struct sp_stats stats;
};

struct sp_testing_task {
    struct sp_testing *fixture;
    struct sp_testing_task *next;
    char name[SP_NAME_MAX]; /* as physmem knows it */
    int number;             /* in the world */
    pid_t pid;              /* 0: in a world */
    int stats_fd;
    struct launched_log log;
};

struct sp_testing {
    struct sp_world *world; /* NULL: live; otherwise what is about servers is not used */
    struct directory directory;
    struct guardian guardian;
    struct fixture_server servers[SP_TESTING_SERVERS];
    char bindir[PATH_MAX];
    unsigned timeout_ms;
    uint64_t seed;
    unsigned tasks_begun;          /* for their names */
    struct sp_testing_task *tasks; /* those not waited for */
    struct remembered *ended;      /* those that were; live */
    bool trouble;                  /* a server ended badly, as the error said */
    struct sp_error trouble_error;
};

/* Copy a log's last bytes; returns how many, without the NUL. */
size_t parts_log_tail(const struct launched_log *log, char *buffer, size_t size);

/* Kill and free all tasks that are left. */
void task_end_all(struct sp_testing *fixture);

#endif
