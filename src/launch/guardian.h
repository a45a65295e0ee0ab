/* The guardian: a tiny process that cleans up after its starter, however that process ends.
 *
 * It holds the read end of a pipe whose write end only the starter has. When the pipe closes, since
 * the starter is done or dead, the guardian kills the process group of the starter's children, and
 * each process that has the guardian's mark in its environment, removes the private directory, and
 * ends. A task gets the mark from its starter: what it started has it, too, in any session.
 *
 * The group is led by a second process that only waits, so that its number cannot be given to
 * anyone else while the guardian needs it. */
#ifndef LAUNCH_GUARDIAN_H
#define LAUNCH_GUARDIAN_H

#include <stdbool.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "launch/directory.h"

/* The variable for `mark`. */
#define GUARDIAN_VARIABLE "SELFPAGE_GUARDIAN"

struct guardian {
    pid_t pid;     /* 0: none */
    pid_t group;   /* process group for all children */
    int pipe;      /* write end: closed by the end of this process, or by guardian_stop */
    char mark[48]; /* unlike that of any other guardian */
};

/* Make the directory of directory_make(`chosen`), whose swap file stays if `keep_swap`, and fork its guardian. A signal
 * that ends this process comes before the one or after the other: it leaves no directory behind. Nor does a
 * failure. To be called before any child is started. */
int guardian_start(struct guardian *guardian, struct directory *directory, const char *chosen,
                   bool keep_swap, struct sp_error *error);

/* Have it clean up, and wait until it has. Returns how many processes (255: or more) it found by its
 * mark, outside of the group. */
unsigned guardian_stop(struct guardian *guardian);

#endif
