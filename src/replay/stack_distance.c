#include "replay/stack_distance.h"

#include <errno.h>
#include <string.h>

#include "trace/reserve.h"

/* Times in a block of the tree: 8 words of bits, one cache line. */
#define BLOCK_SHIFT 9u
#define BLOCK       (1u << BLOCK_SHIFT)
#define WORDS       (BLOCK / 64)

/* The first number of times; it stays a multiple of BLOCK. */
#define TIMES_FIRST (64u << 10)

/* References ahead of which what is known of a page is fetched. */
#define FETCH_AHEAD 16u

static size_t blocks(uint32_t times)
{
    return times / BLOCK;
}

static void release_times(struct stack_distance *s)
{
    reserve_free(s->bits, s->times / 8);
    reserve_free(s->tree, (blocks(s->times) + 1) * sizeof(uint32_t));
    reserve_free(s->page_of, s->times * sizeof(uint32_t));
    s->bits = NULL;
    s->tree = s->page_of = NULL;
}

static int allocate_times(struct stack_distance *s, uint32_t times)
{
    s->times = times;
    s->bits = reserve(times / 8);
    s->tree = reserve((blocks(times) + 1) * sizeof(uint32_t));
    s->page_of = reserve(times * sizeof(uint32_t));
    return s->bits == NULL || s->tree == NULL || s->page_of == NULL ? -ENOMEM : 0;
}

int stack_distance_init(struct stack_distance *s, uint32_t pages_most)
{
    *s = (struct stack_distance){.pages_most = pages_most};
    s->hits = reserve(pages_most * sizeof(uint64_t));
    s->time_of = reserve(pages_most * sizeof(uint32_t));
    if (s->hits == NULL || s->time_of == NULL)
        return -ENOMEM;
    reserve_large_pages(s->time_of, pages_most * sizeof(uint32_t));
    return allocate_times(s, TIMES_FIRST);
}

void stack_distance_fini(struct stack_distance *s)
{
    reserve_free(s->hits, s->pages_most * sizeof(uint64_t));
    reserve_free(s->time_of, s->pages_most * sizeof(uint32_t));
    release_times(s);
    s->hits = NULL;
    s->time_of = NULL;
}

static void tree_add(struct stack_distance *s, uint32_t time, uint32_t value)
{
    for (size_t i = (time >> BLOCK_SHIFT) + 1; i <= blocks(s->times); i += i & -i)
        s->tree[i] += value;
}

/* Bits set before `time`. */
static uint32_t bits_before(const struct stack_distance *s, uint32_t time)
{
    const uint64_t *word = &s->bits[(time >> BLOCK_SHIFT) * WORDS];
    uint32_t sum =
        (uint32_t)__builtin_popcountll(s->bits[time / 64] & ((UINT64_C(1) << time % 64) - 1));

    for (size_t i = time >> BLOCK_SHIFT; i > 0; i -= i & -i)
        sum += s->tree[i];
    for (; word < &s->bits[time / 64]; word++)
        sum += (uint32_t)__builtin_popcountll(*word);
    return sum;
}

/* Times ran out: number the pages anew in the order of their last reference, with room for as many
 * more references as there are pages, at least. */
static int renumber(struct stack_distance *s)
{
    struct stack_distance old = *s;
    uint64_t wanted = TIMES_FIRST;

    while (wanted < 4 * (uint64_t)s->set)
        wanted *= 2;
    if (wanted > UINT32_MAX / 2 + 1u || allocate_times(s, (uint32_t)wanted) != 0) {
        release_times(s);
        s->bits = old.bits;
        s->tree = old.tree;
        s->page_of = old.page_of;
        s->times = old.times;
        return -ENOMEM;
    }
    if (wanted * sizeof(uint32_t) >= RESERVE_LARGE)
        reserve_large_pages(s->page_of, wanted * sizeof(uint32_t));
    s->now = 0;
    for (uint32_t word = 0; word < old.times / 64; word++)
        for (uint64_t bits = old.bits[word]; bits != 0; bits &= bits - 1) {
            uint32_t page = old.page_of[word * 64 + (uint32_t)__builtin_ctzll(bits)];

            s->bits[s->now / 64] |= UINT64_C(1) << s->now % 64;
            s->page_of[s->now] = page;
            s->tree[(s->now >> BLOCK_SHIFT) + 1]++;
            s->time_of[page] = ++s->now;
        }
    for (size_t i = 1; i <= blocks(s->times); i++)
        if (i + (i & -i) <= blocks(s->times))
            s->tree[i + (i & -i)] += s->tree[i];
    release_times(&old);
    return 0;
}

static void reference(struct stack_distance *s, uint32_t page)
{
    uint32_t before_plus1 = s->time_of[page];

    if (before_plus1 == 0) {
        s->cold++;
        s->set++;
        tree_add(s, s->now, 1);
    } else {
        uint32_t before = before_plus1 - 1;

        /* Pages referenced since: all bits but those up to `before`. */
        s->hits[s->set - bits_before(s, before) - 1]++;
        s->bits[before / 64] &= ~(UINT64_C(1) << before % 64);
        if (before >> BLOCK_SHIFT != s->now >> BLOCK_SHIFT) {
            tree_add(s, before, UINT32_MAX); /* -1 */
            tree_add(s, s->now, 1);
        }
    }
    s->bits[s->now / 64] |= UINT64_C(1) << s->now % 64;
    s->page_of[s->now] = page;
    s->time_of[page] = ++s->now;
}

void stack_distance_run(struct stack_distance *s, const uint32_t *references, size_t count)
{
    for (size_t i = 0; i < count && s->failed == 0; i++) {
        if (i + FETCH_AHEAD < count)
            __builtin_prefetch(&s->time_of[references[i + FETCH_AHEAD] >> 1]);
        if (s->now == s->times)
            s->failed = renumber(s);
        if (s->failed == 0) {
            reference(s, references[i] >> 1);
            s->references++;
        }
    }
}
