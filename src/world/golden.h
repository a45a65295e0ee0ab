/* A trace of messages as text, one a line, that can be kept and read in a diff:
 *
 *   [ 2.500] t > physmem allocate 20 extra
 *   [ 2.500] physmem > t allocated 20
 *   [ 3.000] physmem > t recall 20 within 3.000 s
 *
 * The time is in seconds. What physmem does to memory (extents, frame stacks) is not in the trace: a
 * task cannot see it. Numbers that only say which message answers which are left out, too. */
#ifndef WORLD_GOLDEN_H
#define WORLD_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "shm/frame_stack.h"

struct golden {
    const struct allocator *allocator;
    char *text;
    uint32_t length;
    uint32_t capacity;
    bool failed; /* there was no memory for a line */
};

/* An empty trace with memory from `allocator`, which outlives it. */
void golden_init(struct golden *golden, const struct allocator *allocator);
void golden_fini(struct golden *golden);

/* The trace so far, which ends with a newline unless it is empty; NULL if there was no memory for all
 * of it. Valid until the next line. */
const char *golden_text(const struct golden *golden);

/* Add a line: `from` says to `to` what `format` makes of the other arguments. */
void golden_say(struct golden *golden, uint64_t now, const char *from, const char *to,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Add a line without a receiver: something happens. */
void golden_note(struct golden *golden, uint64_t now, const char *what);

/* Add a line for an effect, if it is a message. */
void golden_effect(struct golden *golden, uint64_t now, const struct physmem_effect *effect);

#endif
