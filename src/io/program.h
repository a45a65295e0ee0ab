/* What the programs of all servers do alike: parse the command line, run a loop, end. */
#ifndef IO_PROGRAM_H
#define IO_PROGRAM_H

#include <uv.h>

#include <selfpage/error.h>

#include "os/options.h"

struct program {
    struct options_syntax options; /* its `program` also stands before messages */
    /* Start the service on a loop that is not running yet. Returns 0, or a negative errno with a
     * text; the loop is run in either case, so that what was begun can end. */
    int (*start)(uv_loop_t *loop, const void *options, struct sp_error *error);
    /* The loop has ended: free everything, also what a failed start has left. Returns 0, or a negative value if the
     * service failed; it has then said why. */
    int (*end)(void);
};

/* `options` holds the defaults, and lives until the end. Returns the exit status: 0, or 2 after a
 * message on standard error. */
int program_main(const struct program *program, int argc, char **argv, void *options);

#endif
