/* The processes that drive the tasks of one measurement: this one, or some that are forked from it
 * before it has connected to anything. Each has a loop and a share of the tasks; what they measure
 * is put together. */
#ifndef SELFPAGE_BENCH_CREW_H
#define SELFPAGE_BENCH_CREW_H

#include <sys/types.h>

#include "selfpage/bench/load.h"

struct crew_worker;

struct crew {
    const struct bench_options *options;
    struct bench_result *result;
    struct bench_load *own;     /* this process drives the tasks; NULL: workers do */
    struct crew_worker *worker; /* in memory that all share */
    size_t worker_size;
    struct bench_use *use; /* of all tasks, as in struct bench_result; shared, too */
    size_t use_size;
    unsigned workers;
};

/* Fork the workers, which join the process group, each pinned to its core. `path` is physmem's
 * socket. crew_end in either case. */
int crew_start(struct crew *crew, const struct bench_options *options, const char *path,
               pid_t group, struct bench_result *result, struct sp_error *error);

/* Watch the processes that drive tasks. */
void crew_watch(const struct crew *crew, struct machine *machine);

/* Have `count` tasks in all connected. */
int crew_open(struct crew *crew, uint32_t count, struct sp_error *error);

/* Run the load; `between` is called before the measurement, and after it. The result is then
 * complete. */
int crew_run(struct crew *crew, void (*between)(void *arg), void *arg, struct sp_error *error);

/* Disconnect all tasks, end the workers, and free everything. */
void crew_end(struct crew *crew);

#endif
