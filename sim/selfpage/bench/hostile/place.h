/* The servers that are attacked: a physmem and a swap of their own, in a directory of their own. */
#ifndef SELFPAGE_BENCH_HOSTILE_PLACE_H
#define SELFPAGE_BENCH_HOSTILE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "launch/launched.h"

struct place {
    struct directory directory;
    struct guardian guardian;
    struct launched physmem;
    struct launched swap;
    struct launched_log log;
    char mount[DIRECTORY_SOCKET_MAX + 1];
};

/* Nothing is started. */
void place_init(struct place *place);

/* Start both servers; others may connect if `open`. Returns 0 or a negative errno with a text. */
int place_start(struct place *place, bool open, struct sp_error *error);

/* Bytes of private memory, and open descriptors, of a server. Negative: unknown. */
int64_t place_memory(const struct launched *server);
int64_t place_descriptors(const struct launched *server);

/* End both servers. Returns whether both ended by themselves, with status 0. */
bool place_end(struct place *place);

#endif
