/* Clients of a live server in this process: the loop is run in steps, and sockets deliver at once.
 *
 * An input is a list of records: a byte that says which client sends and what descriptor comes
 * along, a byte and a half that say how many bytes are sent, and these bytes, messages or not. */
#ifndef TESTS_FUZZ_LIVE_H
#define TESTS_FUZZ_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

/* A path for the server's socket, in a directory of this process' own. */
const char *live_path(void);

/* A path for another file of the server there. */
const char *live_file(void);

/* Play an input against the server that listens there. */
void live_play(uv_loop_t *loop, const uint8_t *data, size_t size);

#endif
