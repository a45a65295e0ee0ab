#include "core/leases/pages.h"

#include "base/assert.h"

#define WORD_BITS 64u

_Static_assert(EXTENT_PAGES % WORD_BITS == 0, "whole words");

bool pages_has(const uint64_t *words, uint32_t page)
{
    check(page < EXTENT_PAGES);
    return (words[page / WORD_BITS] >> page % WORD_BITS & 1) != 0;
}

void pages_add(uint64_t *words, uint32_t first, uint32_t count)
{
    ensure(first <= EXTENT_PAGES && count <= EXTENT_PAGES - first);
    for (uint32_t page = first; page < first + count; page++)
        words[page / WORD_BITS] |= UINT64_C(1) << page % WORD_BITS;
}

void pages_remove(uint64_t *words, uint32_t first, uint32_t count)
{
    ensure(first <= EXTENT_PAGES && count <= EXTENT_PAGES - first);
    for (uint32_t page = first; page < first + count; page++)
        words[page / WORD_BITS] &= ~(UINT64_C(1) << page % WORD_BITS);
}

uint32_t pages_count(const uint64_t *words)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < PAGES_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(words[i]);
    return count;
}

uint32_t pages_run(const uint64_t *words, uint32_t pages, uint32_t most, uint32_t *firstp)
{
    uint32_t page = 0, count = 0;

    ensure(pages <= EXTENT_PAGES);
    while (page < pages && !pages_has(words, page))
        page++;
    *firstp = page;
    while (page + count < pages && count < most && pages_has(words, page + count))
        count++;
    check(page + count <= pages);
    return count;
}

bool pages_any(const uint64_t *words)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < PAGES_WORDS; i++)
        all |= words[i];
    return all != 0;
}
