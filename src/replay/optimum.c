#include "replay/optimum.h"

#include <errno.h>

#include "base/assert.h"
#include "trace/reserve.h"

/* The first position at which all are numbered anew. */
#define ROOM_FIRST (64u << 10)

/* References ahead of which what is known of a page is fetched. What is known of positions is small. */
#define FETCH_AHEAD 24u

/* Pages from which the machine's large pages pay. */
#define LARGE_FROM (64u << 10)

#define DIRTY 1u

/* ---- Positions ---- */

static size_t words_of(uint32_t positions)
{
    return (size_t)positions / 64 + 1;
}

/* Bytes of such an array of words. */
static size_t bits_bytes(const struct optimum *o)
{
    return words_of(o->positions) * sizeof(uint64_t);
}

static size_t numbers_bytes(const struct optimum *o)
{
    return words_of(o->positions) * sizeof(uint32_t);
}

/* Words that will come are empty. */
static void words_begin(struct optimum *o, size_t from)
{
    for (size_t i = from; i < words_of(o->room); i++)
        o->down[i] = (uint32_t)i - 1;
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
    o->slots = reserve(bits_bytes(o));
    o->down = reserve(numbers_bytes(o));
    o->kept = reserve(bits_bytes(o));
    o->before = reserve(numbers_bytes(o));
    if (o->last_of == NULL || o->slots == NULL || o->down == NULL || o->kept == NULL ||
        o->before == NULL)
        return -ENOMEM;
    words_begin(o, 1);
    return 0;
}

void optimum_fini(struct optimum *o)
{
    reserve_free(o->last_of, o->pages_most * sizeof(*o->last_of));
    reserve_free(o->slots, bits_bytes(o));
    reserve_free(o->down, numbers_bytes(o));
    reserve_free(o->kept, bits_bytes(o));
    reserve_free(o->before, numbers_bytes(o));
    o->last_of = o->down = o->before = NULL;
    o->slots = o->kept = NULL;
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
    for (size_t i = 0; slots && i <= o->position / 64; i++)
        o->kept[i] |= o->slots[i];
    for (size_t i = 0; i <= o->position / 64; i++) {
        o->before[i] = count;
        count += (uint32_t)__builtin_popcountll(o->kept[i]);
    }
    return count;
}

/* Slots become free at the new numbers of their positions, which are not above the old ones. */
static void slots_renumber(struct optimum *o)
{
    for (uint32_t i = 0; i <= o->position / 64; i++) {
        uint64_t word = o->slots[i];

        for (o->slots[i] = 0; word != 0; word &= word - 1) {
            uint32_t position = renumbered(o, i * 64 + (uint32_t)__builtin_ctzll(word));

            o->slots[position / 64] |= UINT64_C(1) << position % 64;
        }
    }
    for (uint32_t i = 1; i <= o->position / 64; i++)
        o->down[i] = o->slots[i] != 0 ? i : o->down[i - 1];
}

/* The numbers of positions are used up: those that still mean something close up. */
static __attribute__((noinline)) void close_up(struct optimum *o)
{
    uint32_t count = choose_kept(o, true);

    slots_renumber(o);
    for (uint32_t page = 0; page < o->pages; page++)
        o->last_of[page] = renumbered(o, o->last_of[page] >> 1) << 1 | (o->last_of[page] & DIRTY);
    o->position = count - 1;
    o->room = 2 * count > ROOM_FIRST ? 2 * count : ROOM_FIRST;
    if (o->room > o->positions - 1)
        o->room = o->positions - 1;
    words_begin(o, o->position / 64 + 1);
    check(o->position < o->room);
}

/* ---- References ---- */

/* A slot is free from the last position but one on: no word behind it has been passed yet. */
static inline void slot_free(struct optimum *o, uint32_t position)
{
    o->slots[position / 64] |= UINT64_C(1) << position % 64;
    o->down[position / 64] = position / 64;
}

/* The last word up to this one that is not empty, or the first one. */
static inline uint32_t find(uint32_t *down, uint32_t word)
{
    while (down[word] != word) {
        uint32_t further = down[down[word]];

        down[word] = further;
        word = further;
    }
    return word;
}

/* An interval that began at a position ends. Returns whether it fits. */
static inline bool fit(struct optimum *o, uint32_t begin)
{
    uint64_t *slots = o->slots;
    uint32_t *down = o->down, at = begin / 64;
    uint64_t bits = slots[at] & UINT64_MAX >> (~begin % 64);

    if (bits == 0 && at > 0) {
        at = find(down, at - 1);
        bits = slots[at];
    }
    if (bits == 0) {
        if (o->spare == 0)
            return false;
        o->spare--;
        return true;
    }
    bits = slots[at] ^ UINT64_C(1) << (63 - __builtin_clzll(bits));
    slots[at] = bits;
    if (bits == 0 && at > 0)
        down[at] = down[at - 1];
    return true;
}

/* Returns whether the reference, which is not to the page referenced last, is a hit. */
static inline bool refer(struct optimum *o, uint32_t page, bool write)
{
    uint32_t last = o->last_of[page], position;
    bool hit = last != 0 && fit(o, last >> 1);

    if (__builtin_expect(o->position == o->room, 0)) {
        close_up(o);
        last = o->last_of[page];
    }
    position = ++o->position;
    if (hit) { /* the slot is free for an interval that begins with the reference before this one */
        slot_free(o, position - 1);
        o->last_of[page] = position << 1 | (last & DIRTY) | write;
        return true;
    }
    o->last_of[page] = position << 1 | write;
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
}

void optimum_run(struct optimum *o, const uint32_t *references, const uint32_t *sizes, size_t count)
{
    if (!o->large_pages && o->pages > LARGE_FROM)
        use_large_pages(o);
    for (size_t i = 0; i < count; i++) {
        uint32_t page = references[i] >> 1;
        bool write = references[i] & 1;

        if (i + FETCH_AHEAD < count)
            __builtin_prefetch(&o->last_of[references[i + FETCH_AHEAD] >> 1]);
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
