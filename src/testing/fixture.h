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

/* Words that were collected. */
struct sp_testing_words {
    char text[32768];
    size_t length;
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
    struct sp_testing_words heard; /* of tasks that were waited for */
    struct sp_testing_words said;  /* that sp_testing_said has put together */
    bool trouble;                  /* a server ended badly, as the error said */
    struct sp_error trouble_error;
};

/* Copy a log's last bytes; returns how many, without the NUL. */
size_t parts_log_tail(const struct launched_log *log, char *buffer, size_t size);

/* Append a text to words, as much of it as there is room for. */
void parts_words_text(struct sp_testing_words *words, const char *text);

/* Append to words what somebody has said, under a name and a state; silence is told, too. What there is no room for is
 * left out. */
void parts_words_add(struct sp_testing_words *words, const char *name, const char *state,
                     const char *said);

/* Keep what a task has said that was waited for; the oldest words go. */
void parts_words_note(struct sp_testing_words *heard, const char *name,
                      const struct sp_testing_result *result);

/* Call `function` for each task that was not waited for, with its name and its log. */
void task_each_log(const struct sp_testing *fixture, struct sp_testing_words *words,
                   void (*function)(struct sp_testing_words *words, const char *name,
                                    const char *state, const struct launched_log *log));

/* Kill and free all tasks that are left. */
void task_end_all(struct sp_testing *fixture);

#endif
