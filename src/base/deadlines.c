#include "base/deadlines.h"

#include "base/memory.h"

void deadlines_init(struct deadlines *deadlines, const struct allocator *allocator)
{
    *deadlines = (struct deadlines){.allocator = allocator};
}

void deadlines_fini(struct deadlines *deadlines)
{
    memory_free(deadlines->allocator, deadlines->heap,
                deadlines->capacity * sizeof(*deadlines->heap));
    deadlines->heap = NULL;
    deadlines->capacity = 0;
}

int deadlines_reserve(struct deadlines *deadlines, uint32_t count)
{
    int rc = memory_reserve(deadlines->allocator, &deadlines->heap, &deadlines->capacity,
                            sizeof(*deadlines->heap), deadlines->reserved + count);

    if (rc == 0)
        deadlines->reserved += count;
    return rc;
}

void deadlines_unreserve(struct deadlines *deadlines, uint32_t count)
{
    deadlines->reserved -= count;
}

static void put(struct deadlines *deadlines, uint32_t place, struct deadline *deadline)
{
    deadlines->heap[place] = deadline;
    deadline->place = place + 1;
}

/* Let a deadline find its place from `place`, which is free. */
static void settle(struct deadlines *deadlines, uint32_t place, struct deadline *deadline)
{
    while (place > 0 && deadlines->heap[(place - 1) / 2]->when > deadline->when) {
        put(deadlines, place, deadlines->heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child + 1 < deadlines->running &&
            deadlines->heap[child + 1]->when < deadlines->heap[child]->when)
            child++;
        if (child >= deadlines->running || deadlines->heap[child]->when >= deadline->when)
            break;
        put(deadlines, place, deadlines->heap[child]);
        place = child;
    }
    put(deadlines, place, deadline);
}

void deadlines_start(struct deadlines *deadlines, struct deadline *deadline, uint64_t when)
{
    if (when == DEADLINE_NEVER) {
        deadlines_stop(deadlines, deadline);
        return;
    }
    deadline->when = when;
    if (!deadline_is_running(deadline))
        deadline->place = ++deadlines->running;
    settle(deadlines, deadline->place - 1, deadline);
}

void deadlines_stop(struct deadlines *deadlines, struct deadline *deadline)
{
    uint32_t place = deadline->place;
    struct deadline *last;

    if (place == 0)
        return;
    deadline->place = 0;
    last = deadlines->heap[--deadlines->running];
    if (last != deadline)
        settle(deadlines, place - 1, last);
}

bool deadlines_are_in_order(const struct deadlines *deadlines)
{
    for (uint32_t i = 0; i < deadlines->running; i++)
        if (deadlines->heap[i]->place != i + 1 ||
            deadlines->heap[i]->when < deadlines->heap[i > 0 ? (i - 1) / 2 : 0]->when)
            return false;
    return true;
}

struct deadline *deadlines_first(const struct deadlines *deadlines)
{
    return deadlines->running > 0 ? deadlines->heap[0] : NULL;
}
