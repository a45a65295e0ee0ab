#include "replay/stack_distance.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/assert.h"
#include "trace/reserve.h"

/* Times in a block: eight words of bits, one cache line. */
#define BLOCK_SHIFT 9u
#define BLOCK       (1u << BLOCK_SHIFT)

/* Words of a block, blocks of a group, groups of a larger one. */
#define FAN_SHIFT 3u
#define FAN       (1u << FAN_SHIFT)

/* The first number of times; it stays a power of two. */
#define TIMES_FIRST (64u << 10)

/* References ahead of which what is known of a page is fetched, and the bits of the time found there. */
#define FETCH_AHEAD      24u
#define FETCH_BITS_AHEAD 8u

/* References after which a distance is counted. */
#define COUNT_LATER 16u

/* For each member of a group, how many bits are set in those before it: vectors of the machine. */
typedef uint16_t word_sums __attribute__((vector_size(FAN * sizeof(uint16_t))));
typedef uint32_t group_sums __attribute__((vector_size(FAN * sizeof(uint32_t))));

/* What a bit in the i-th member counts for in those behind it. */
#define BEHIND                                                                                     \
    {                                                                                              \
        {0, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 1, 1, 1, 1, 1},              \
            {0, 0, 0, 0, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 1, 1, 1}, {0, 0, 0, 0, 0, 0, 1, 1},          \
            {0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0},                                    \
    }
static const word_sums behind_word[FAN] = BEHIND;
static const group_sums behind[FAN] = BEHIND;

/* The members before the i-th. */
static const word_sums before_word = {0, 1, 2, 3, 4, 5, 6, 7};
static const group_sums before = {0, 1, 2, 3, 4, 5, 6, 7};

/* ---- Times ---- */

/* Groups of the level: eight blocks each in level 0, eight groups of the level below in each other. */
static size_t groups(uint32_t times, unsigned level)
{
    size_t count = times >> (BLOCK_SHIFT + FAN_SHIFT * (level + 1));

    return count > 0 ? count : 1;
}

/* Levels until one has one group. */
static unsigned levels_of(uint32_t times)
{
    unsigned count = 1;

    while (groups(times, count - 1) > 1)
        count++;
    check(count <= STACK_LEVELS_MOST);
    return count;
}

static void release_times(struct stack_distance *s)
{
    reserve_free(s->bits, s->times / 8);
    reserve_free(s->words, s->times / BLOCK * sizeof(word_sums));
    for (unsigned i = 0; i < s->level_count; i++)
        reserve_free(s->levels[i], groups(s->times, i) * sizeof(group_sums));
    s->bits = NULL;
    s->words = NULL;
    s->level_count = 0;
}

/* Every time has its bit. */
static void fill_times(struct stack_distance *s)
{
    word_sums *words = s->words;

    memset(s->bits, 0xff, s->times / 8);
    for (size_t i = 0; i < s->times / BLOCK; i++)
        words[i] = before_word * 64;
    for (unsigned level = 0; level < s->level_count; level++) {
        group_sums *sums = s->levels[level];

        for (size_t i = 0; i < groups(s->times, level); i++)
            sums[i] = before * (BLOCK << FAN_SHIFT * level);
    }
}

static int allocate_times(struct stack_distance *s, uint32_t times)
{
    bool all;

    s->times = times;
    s->bits = reserve(times / 8);
    s->words = reserve(times / BLOCK * sizeof(word_sums));
    all = s->bits != NULL && s->words != NULL;
    s->level_count = levels_of(times);
    for (unsigned i = 0; i < s->level_count; i++) {
        s->levels[i] = reserve(groups(times, i) * sizeof(group_sums));
        all = all && s->levels[i] != NULL;
    }
    if (!all)
        return -ENOMEM;
    fill_times(s);
    return 0;
}

int stack_distance_init(struct stack_distance *s, uint32_t pages_most)
{
    *s = (struct stack_distance){.pages_most = pages_most};
    s->hits = reserve(pages_most * sizeof(uint64_t));
    s->time_of = reserve(pages_most * sizeof(uint32_t));
    if (s->hits == NULL || s->time_of == NULL)
        return -ENOMEM;
    reserve_large_pages(s->hits, pages_most * sizeof(uint64_t));
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

/* ---- Bits ---- */

/* Bits set in a word, on machines without an instruction for it, too. */
static inline uint32_t ones_in(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

/* Clear the bit of `time`. Returns how many are set before it. */
static inline uint32_t take_bit(struct stack_distance *s, uint32_t time)
{
    uint64_t *word = &s->bits[time / 64], bit = UINT64_C(1) << time % 64;
    word_sums *words = (word_sums *)s->words + (time >> BLOCK_SHIFT);
    uint32_t sum = ones_in(*word & (bit - 1)) + (*words)[time / 64 % FAN];
    uint32_t at = time >> BLOCK_SHIFT;

    *word &= ~bit;
    *words -= behind_word[time / 64 % FAN];
    for (unsigned level = 0; level < s->level_count; level++, at >>= FAN_SHIFT) {
        group_sums *sums = (group_sums *)s->levels[level] + (at >> FAN_SHIFT);

        sum += (*sums)[at % FAN];
        *sums -= behind[at % FAN];
    }
    return sum;
}

/* Bits set before `time`. */
static uint32_t bits_before(const struct stack_distance *s, uint32_t time)
{
    uint64_t below = (UINT64_C(1) << time % 64) - 1;
    uint32_t sum = ones_in(s->bits[time / 64] & below);
    uint32_t at = time >> BLOCK_SHIFT;

    sum += ((const word_sums *)s->words)[at][time / 64 % FAN];
    for (unsigned level = 0; level < s->level_count; level++, at >>= FAN_SHIFT)
        sum += ((const group_sums *)s->levels[level])[at >> FAN_SHIFT][at % FAN];
    return sum;
}

/* Times ran out: number the pages anew in the order of their last reference, with room for three times as many
 * references as there are pages, at least. */
static int renumber(struct stack_distance *s)
{
    struct stack_distance old = *s;
    uint64_t wanted = TIMES_FIRST;

    while (wanted < 4 * (uint64_t)s->set)
        wanted *= 2;
    if (wanted > UINT32_MAX / 2 + 1u || allocate_times(s, (uint32_t)wanted) != 0) {
        if (s->bits != old.bits)
            release_times(s);
        *s = old;
        return -ENOMEM;
    }
    for (uint32_t page = 0; page < s->pages_seen; page++)
        if (s->time_of[page] != 0)
            s->time_of[page] = bits_before(&old, s->time_of[page] - 1) + 1;
    release_times(&old);
    s->now = s->set;
    return 0;
}

/* ---- References ---- */

/* A page is referenced. Returns how many others were since it was last; if it never was, UINT32_MAX. */
static inline uint32_t reference(struct stack_distance *s, uint32_t page)
{
    uint32_t before_plus1 = s->time_of[page], distance = UINT32_MAX;

    if (before_plus1 == 0) {
        s->cold++;
        s->set++;
        s->pages_seen = page < s->pages_seen ? s->pages_seen : page + 1;
    } else {
        /* All pages but those up to it in the order of last references. */
        distance = s->set - take_bit(s, before_plus1 - 1) - 1;
    }
    s->time_of[page] = ++s->now;
    return distance;
}

/* Distances lie anywhere: each is counted when its place has been fetched. */
void stack_distance_run(struct stack_distance *s, const uint32_t *references, size_t count)
{
    uint32_t late[COUNT_LATER];

    for (size_t i = 0; i < COUNT_LATER; i++)
        late[i] = UINT32_MAX;
    for (size_t i = 0; i < count && s->failed == 0; i++) {
        uint32_t *distance = &late[i % COUNT_LATER];

        if (i + FETCH_AHEAD < count) {
            uint32_t time = s->time_of[references[i + FETCH_BITS_AHEAD] >> 1];

            __builtin_prefetch(&s->time_of[references[i + FETCH_AHEAD] >> 1]);
            __builtin_prefetch(&s->bits[time / 64]);
            __builtin_prefetch((const word_sums *)s->words + (time >> BLOCK_SHIFT));
        }
        if (s->now == s->times)
            s->failed = renumber(s);
        if (s->failed != 0)
            break;
        if (*distance != UINT32_MAX)
            s->hits[*distance]++;
        *distance = reference(s, references[i] >> 1);
        __builtin_prefetch(&s->hits[*distance], 1);
        s->references++;
    }
    for (size_t i = 0; i < COUNT_LATER; i++)
        if (late[i] != UINT32_MAX)
            s->hits[late[i]]++;
}
