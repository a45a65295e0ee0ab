/* Passing on what children write, line by line, with a name before each line. */
#ifndef SELFPAGE_RUN_RELAY_H
#define SELFPAGE_RUN_RELAY_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "selfpage/scenario/report.h"

/* Longest line that stays in one piece, in bytes. */
enum { RELAY_LINE = 2048 };

struct relay {
    uv_poll_t poll;
    struct report *report;
    const char *name; /* not copied */
    int fd;           /* read end, non-blocking; -1: closed */
    uint64_t lines;   /* passed on */
    size_t length;    /* of the line so far */
    char line[RELAY_LINE];
};

/* Watch the non-blocking descriptor `consume_fd` until its writers have closed it. Returns 0 or a
 * negative errno. relay_fini closes the descriptor in any case. */
int relay_start(struct relay *relay, uv_loop_t *loop, struct report *report, const char *name,
                int consume_fd);

/* Pass on what there is now, and an unfinished line as a line. */
void relay_drain(struct relay *relay);

/* Close the descriptor; to be called when the loop is closed. */
void relay_fini(struct relay *relay);

#endif
