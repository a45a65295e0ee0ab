/* Starting a child: a program, or a function in a fork.
 *
 * The child dies (SIGKILL) when the thread that started it ends, joins a given process group, has
 * the default signal dispositions and an empty signal mask. A program gets the standard descriptors
 * and one more that is passed on purpose; whatever else is open here is closed there, unless it says
 * that it inherits. */
#ifndef LAUNCH_SPAWN_H
#define LAUNCH_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include <selfpage/error.h>

/* The number under which a program finds the descriptor that is passed to it. */
#define SPAWN_PASSED_FD 3

struct spawn {
    const char *program;   /* path */
    char *const *argv;     /* NULL-terminated */
    char *const *envp;     /* NULL-terminated; NULL: this process's */
    const char *directory; /* to run in; NULL: this process's */
    int input;             /* standard input; -1: /dev/null */
    int output;            /* standard output; -1: this process's */
    int error;             /* standard error; -1: this process's */
    int passed;            /* open in the program as SPAWN_PASSED_FD; -1: none */
    bool inherits;         /* the program keeps what is not close-on-exec here */
    int closed;            /* spawn_function: closed in the child; -1: none */
    pid_t group;           /* process group to join; 0: this process's */
};

/* A struct spawn that shares everything and passes nothing. */
#define SPAWN_DEFAULTS .input = -1, .output = -1, .error = -1, .passed = -1, .closed = -1

/* Start a program. Returns 0 when it has been executed, or a negative errno and an error that names
 * the program and what could not be done. Nothing is left to reap then. */
int spawn_program(const struct spawn *spawn, pid_t *pidp, struct sp_error *error);

/* Fork, and in the child call `function`; the child exits with what it returns, after flushing
 * stdio. `program` and `argv` are not used, and `passed` keeps its number; other descriptors stay
 * open. `closed` is closed. Flush stdio before. */
int spawn_function(const struct spawn *spawn, int (*function)(void *arg), void *arg, pid_t *pidp,
                   struct sp_error *error);

#endif
