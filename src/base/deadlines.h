/* Deadlines: a binary heap whose members know their place in it, so that any of them can be
 * withdrawn in O(log n) and nothing is ever scanned. Members are embedded in what they belong to.
 */
#ifndef BASE_DEADLINES_H
#define BASE_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"

#define DEADLINE_NEVER UINT64_MAX

/* One deadline; all zeros is one that is not running. */
struct deadline {
    uint64_t when;    /* while running; in the owner's unit of time */
    uint32_t place;   /* in the heap, plus 1; 0: not running */
    uint32_t purpose; /* for the owner, which finds itself by it */
};

struct deadlines {
    struct deadline **heap;
    uint32_t running;
    uint32_t capacity;
    uint32_t reserved; /* how many may run at once */
    const struct allocator *allocator;
};

void deadlines_init(struct deadlines *deadlines, const struct allocator *allocator);

/* Free the heap. No deadline may be running. */
void deadlines_fini(struct deadlines *deadlines);

/* Make room for `count` more deadlines that run at once, which makes starting them safe from failure.
 * Returns 0 or -ENOMEM. */
int deadlines_reserve(struct deadlines *deadlines, uint32_t count);
void deadlines_unreserve(struct deadlines *deadlines, uint32_t count);

/* Start a deadline, or move one that is running. DEADLINE_NEVER: stop it. It must not move in
 * memory while it runs. */
void deadlines_start(struct deadlines *deadlines, struct deadline *deadline, uint64_t when);

/* Stop a deadline; it need not be running. */
void deadlines_stop(struct deadlines *deadlines, struct deadline *deadline);

static inline bool deadline_is_running(const struct deadline *deadline)
{
    return deadline->place != 0;
}

/* Whether the heap is one, and each member knows its place; O(n). */
bool deadlines_are_in_order(const struct deadlines *deadlines);

/* The earliest deadline, or NULL. Equal ones come in an order that depends on nothing but the
 * operations so far. */
struct deadline *deadlines_first(const struct deadlines *deadlines);

#endif
