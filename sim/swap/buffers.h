/* Where the pages of jobs lie on their way: so much memory, shared out by the service. */
#ifndef SWAP_BUFFERS_H
#define SWAP_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "os/shared.h"

/* Buffers of WIRE_BATCH pages, and of so many. */
#define BUFFERS_LARGE       16u
#define BUFFERS_SMALL       32u
#define BUFFERS_SMALL_PAGES 16u

struct buffers {
    struct shared memory;
    uint8_t *large[BUFFERS_LARGE]; /* those that nobody uses */
    uint8_t *small[BUFFERS_SMALL];
    uint32_t large_free, small_free;
};

/* Memory for so many large buffers, and for the small ones too or not. Returns 0, or a negative errno and a text. */
int buffers_open(struct buffers *buffers, uint32_t large, bool small, struct sp_error *error);

void buffers_close(struct buffers *buffers);

/* Take a buffer. NULL: there is none; one will be given back later. */
uint8_t *buffers_take(struct buffers *buffers, bool small);

bool buffers_is_small(const struct buffers *buffers, const uint8_t *buffer);

void buffers_give(struct buffers *buffers, uint8_t *buffer);

#endif
