/* Starting physmem and swap, and knowing when they listen: they are given the write end of a pipe
 * (--ready-fd), write one byte to it and close it. */
#ifndef LAUNCH_LAUNCHED_H
#define LAUNCH_LAUNCHED_H

#include <sys/types.h>

#include <selfpage/error.h>

#include "launch/spawn.h"

struct launched {
    const char *name; /* "physmem", "swap": static */
    pid_t pid;        /* 0: not running */
    int ready;        /* read end of the pipe; -1 once it is known to listen */
};

/* Where a server's standard error goes: to be read at `read`, without blocking. */
struct launched_log {
    int write;
    int read;
};

/* A log that keeps everything and needs no reader: a memory file. Returns 0 or a negative errno. */
int launched_log_memory(struct launched_log *log);

/* A log that is a pipe, for a reader while the server runs. Returns 0 or a negative errno. */
int launched_log_pipe(struct launched_log *log);

void launched_log_fini(struct launched_log *log);

/* Start `spawn` as a server; its argv must hold "--ready-fd" and "3" (SPAWN_PASSED_FD). `passed`
 * and `error` of `spawn` are set here. Returns at once. */
int launched_start(struct launched *server, const char *name, struct spawn *spawn,
                   const struct launched_log *log, struct sp_error *error);

/* Wait until it listens.
 *   -ECHILD     it ended instead: it is reaped, and `error` has its exit status and the last line
 *               that it wrote to its log
 *   -ETIMEDOUT  it neither listens nor ends: it was killed */
int launched_await(struct launched *server, const struct launched_log *log, unsigned timeout_ms,
                   struct sp_error *error);

#endif
