#include "replay/optimum.h"

#include <errno.h>

#include "base/assert.h"
#include "trace/reserve.h"

/* The first position at which all are numbered anew. */
#define ROOM_FIRST (64u << 10)

/* References ahead of which what is known of a page is fetched, and of the position found there. */
#define FETCH_AHEAD          24u
#define FETCH_POSITION_AHEAD 10u

/* Pages from which the machine's large pages pay. */
#define LARGE_FROM (64u << 10)

#define DIRTY 1u

/* ---- Positions ---- */

static size_t words_of(uint32_t positions)
{
    return (size_t)positions / 64 + 1;
}

int optimum_init(struct optimum *o, uint32_t frames, uint32_t pages_most)
{
    uint64_t slots = frames - 1 < pages_most ? frames - 1 : pages_most;

    check(frames > 0 && pages_most > 0);
    *o = (struct optimum){.frames = frames,
                          .spare = frames - 1,
                          .previous = UINT32_MAX,
                          .pages_most = pages_most,
                          .room = ROOM_FIRST,
                          .positions = (uint32_t)(2 * (pages_most + slots) + ROOM_FIRST + 1)};
    o->last_of = reserve(pages_most * sizeof(*o->last_of));
    o->down = reserve(o->positions * sizeof(*o->down));
    o->kept = reserve(words_of(o->positions) * sizeof(*o->kept));
    o->before = reserve(words_of(o->positions) * sizeof(*o->before));
    return o->last_of != NULL && o->down != NULL && o->kept != NULL && o->before != NULL ? 0
                                                                                         : -ENOMEM;
}

void optimum_fini(struct optimum *o)
{
    reserve_free(o->last_of, o->pages_most * sizeof(*o->last_of));
    reserve_free(o->down, o->positions * sizeof(*o->down));
    reserve_free(o->kept, words_of(o->positions) * sizeof(*o->kept));
    reserve_free(o->before, words_of(o->positions) * sizeof(*o->before));
    o->last_of = o->down = o->before = NULL;
    o->kept = NULL;
}

/* The position that is the given one after numbering anew: how many are kept below it. */
static uint32_t renumbered(const struct optimum *o, uint32_t position)
{
    uint64_t below = o->kept[position / 64] & ((UINT64_C(1) << position % 64) - 1);

    return o->before[position / 64] + (uint32_t)__builtin_popcountll(below);
}

/* Keep position 0, the last references of pages and, with `slots`, where slots become free. Returns how many. */
static uint32_t choose_kept(struct optimum *o, bool slots)
{
    uint32_t count = 0;

    for (size_t i = 0; i <= o->position / 64; i++)
        o->kept[i] = 0;
    o->kept[0] = 1;
    for (uint32_t page = 0; page < o->pages; page++) {
        uint32_t position = o->last_of[page] >> 1;

        o->kept[position / 64] |= UINT64_C(1) << position % 64;
    }
    for (uint32_t i = 1; slots && i <= o->position; i++)
        if (o->down[i] == i)
            o->kept[i / 64] |= UINT64_C(1) << i % 64;
    for (size_t i = 0; i <= o->position / 64; i++) {
        o->before[i] = count;
        count += (uint32_t)__builtin_popcountll(o->kept[i]);
    }
    return count;
}

/* The numbers of positions are used up: those that still mean something close up. */
static void close_up(struct optimum *o)
{
    uint32_t count = choose_kept(o, true), next = 0, free_from = 0;

    for (uint32_t i = 0; i <= o->position; i++) {
        if ((o->kept[i / 64] >> i % 64 & 1) == 0)
            continue;
        if (o->down[i] == i)
            free_from = next;
        o->down[next++] = free_from;
    }
    for (uint32_t page = 0; page < o->pages; page++)
        o->last_of[page] = renumbered(o, o->last_of[page] >> 1) << 1 | (o->last_of[page] & DIRTY);
    o->position = count - 1;
    o->room = 2 * count > ROOM_FIRST ? 2 * count : ROOM_FIRST;
    if (o->room > o->positions - 1)
        o->room = o->positions - 1;
    check(next == count && o->position < o->room);
}

/* The last position up to this one from which a slot is free; 0: there is none. */
static inline uint32_t find(uint32_t *down, uint32_t position)
{
    while (down[position] != position) {
        uint32_t further = down[down[position]];

        down[position] = further;
        position = further;
    }
    return position;
}

/* ---- References ---- */

/* An interval that began at a position ends. Returns whether it fits. */
static inline bool fit(struct optimum *o, uint32_t begin)
{
    uint32_t slot = find(o->down, begin);

    if (slot == 0) {
        if (o->spare == 0)
            return false;
        o->spare--;
        return true;
    }
    o->down[slot] = o->down[slot - 1];
    return true;
}

/* Returns whether the reference, which is not to the page referenced last, is a hit. */
static inline bool refer(struct optimum *o, uint32_t page, bool write)
{
    uint32_t last = o->last_of[page], position;
    bool hit = last != 0 && fit(o, last >> 1);

    if (o->position == o->room) {
        close_up(o);
        last = o->last_of[page];
    }
    position = ++o->position;
    if (hit) /* the slot is free for an interval that begins with the reference before this one */
        o->down[position - 1] = position - 1;
    o->down[position] = o->down[position - 1];
    o->last_of[page] = position << 1 | (hit ? last & DIRTY : 0) | write;
    if (hit)
        return true;
    if (page >= o->pages)
        o->pages = page + 1;
    if (o->resident < o->frames) {
        o->resident++;
    } else {
        o->counts.evictions++;
        o->counts.dirty_evictions += last & DIRTY; /* it had left some time before */
    }
    o->counts.misses++;
    return false;
}

static void use_large_pages(struct optimum *o)
{
    o->large_pages = true;
    reserve_large_pages(o->last_of, o->pages_most * sizeof(*o->last_of));
    reserve_large_pages(o->down, o->positions * sizeof(*o->down));
}

void optimum_run(struct optimum *o, const uint32_t *references, const uint32_t *sizes, size_t count)
{
    if (!o->large_pages && o->pages > LARGE_FROM)
        use_large_pages(o);
    for (size_t i = 0; i < count; i++) {
        uint32_t page = references[i] >> 1;
        bool write = references[i] & 1;

        if (i + FETCH_AHEAD < count) {
            uint32_t soon = o->last_of[references[i + FETCH_POSITION_AHEAD] >> 1] >> 1;

            __builtin_prefetch(&o->last_of[references[i + FETCH_AHEAD] >> 1]);
            __builtin_prefetch(&o->down[soon]);
        }
        if (page == o->previous) {
            o->last_of[page] |= write;
            continue;
        }
        o->previous = page;
        if (!refer(o, page, write) && sizes != NULL)
            o->counts.missed_bytes += sizes[i];
    }
}

void optimum_end(struct optimum *o)
{
    uint32_t gone = o->pages > o->frames ? o->pages - o->frames : 0;

    choose_kept(o, false);
    for (uint32_t page = 0; page < o->pages && gone > 0; page++)
        if (renumbered(o, o->last_of[page] >> 1) <= gone)
            o->counts.dirty_evictions += o->last_of[page] & DIRTY;
}
