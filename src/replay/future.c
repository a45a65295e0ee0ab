#include "replay/future.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/error.h"
#include "trace/reserve.h"

/* The first room for distances, in references. */
#define ROOM_FIRST ((size_t)1 << 20)

int future_init(struct future *future, bool carried, uint32_t pages_most, struct sp_error *error)
{
    *future = (struct future){.carried = carried, .pages_most = pages_most};
    future->last = reserve(pages_most * sizeof(uint64_t));
    if (!carried) {
        future->distance = reserve(ROOM_FIRST * sizeof(uint32_t));
        future->distance_room = ROOM_FIRST;
    }
    if (future->last == NULL || (!carried && future->distance == NULL))
        return error_set(error, ENOMEM, "no memory for the trace's future");
    return 0;
}

void future_noted(struct future *future)
{
    reserve_free(future->last, future->pages_most * sizeof(uint64_t));
    future->last = NULL;
}

void future_fini(struct future *future)
{
    future_noted(future);
    reserve_free(future->distance, future->distance_room * sizeof(uint32_t));
    future->distance = NULL;
}

static int make_room(struct future *future, struct sp_error *error)
{
    size_t bytes = future->distance_room * sizeof(uint32_t);
    void *grown = mremap(future->distance, bytes, 2 * bytes, MREMAP_MAYMOVE);

    if (grown == MAP_FAILED)
        return error_set(error, ENOMEM, "no memory for the future of %zu references",
                         2 * future->distance_room);
    future->distance = grown;
    future->distance_room *= 2;
    return 0;
}

int future_note(struct future *future, const uint32_t *references, size_t count,
                struct sp_error *error)
{
    if (future->count + count >= UINT32_MAX)
        return error_set(error, EFBIG, "the future is known for at most %u references", UINT32_MAX);
    while (future->count + count > future->distance_room) {
        int result = make_room(future, error);

        if (result != 0)
            return result;
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t *last = &future->last[references[i] >> 1];
        uint64_t index = future->count++;

        if (*last != 0)
            future->distance[*last - 1] = (uint32_t)(index - (*last - 1));
        *last = index + 1;
    }
    return 0;
}

void future_tell(const struct future *future, uint64_t index, size_t count, uint64_t *next)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t distance = index + i < future->count ? future->distance[index + i] : 0;

        next[i] = distance == 0 ? TRACE_NEVER : index + i + distance;
    }
}

int future_check(struct future *future, const struct trace *trace, const uint32_t *references,
                 const struct trace_reference *carried, size_t count, uint64_t *next,
                 struct sp_error *error)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t *promised = &future->last[references[i] >> 1];
        uint64_t index = future->count++;

        /* A page seen before was promised for now; the first such tells from where indices count.
         */
        if (*promised != 0 && !future->base_known &&
            (*promised - 1 == index || *promised - 1 == index + 1)) {
            future->base = *promised - 1 - index;
            future->base_known = true;
        }
        if (*promised != 0 && *promised - 1 != index + future->base)
            return error_set(error, EILSEQ,
                             "%s: record %llu: the trace's own indices of next references are "
                             "wrong here",
                             trace->source.name, (unsigned long long)index + 1);
        *promised = carried[i].next == TRACE_NEVER ? UINT64_MAX : carried[i].next + 1;
        next[i] = carried[i].next;
    }
    return 0;
}
