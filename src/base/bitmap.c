#include "base/bitmap.h"

static size_t words_for(uint32_t bits)
{
    return ((size_t)bits + 63) / 64;
}

size_t bitmap_words(uint32_t bits)
{
    size_t total = 0;
    size_t words = words_for(bits);

    for (;;) {
        total += words;
        if (words <= 1)
            return total;
        words = words_for((uint32_t)words);
    }
}

void bitmap_init(struct bitmap *bitmap, uint32_t bits, uint64_t *words)
{
    size_t count = words_for(bits);

    *bitmap = (struct bitmap){.bits = bits};
    for (;;) {
        bitmap->level[bitmap->levels++] = words;
        words += count;
        if (count <= 1)
            return;
        count = words_for((uint32_t)count);
    }
}

bool bitmap_test(const struct bitmap *bitmap, uint32_t bit)
{
    return (bitmap->level[0][bit / 64] >> (bit % 64)) & 1;
}

void bitmap_set(struct bitmap *bitmap, uint32_t bit)
{
    for (uint32_t i = 0; i < bitmap->levels; i++) {
        uint64_t *word = &bitmap->level[i][bit / 64];
        uint64_t before = *word;

        *word |= UINT64_C(1) << (bit % 64);
        if (before != 0)
            return;
        bit /= 64;
    }
}

void bitmap_clear(struct bitmap *bitmap, uint32_t bit)
{
    for (uint32_t i = 0; i < bitmap->levels; i++) {
        uint64_t *word = &bitmap->level[i][bit / 64];

        *word &= ~(UINT64_C(1) << (bit % 64));
        if (*word != 0)
            return;
        bit /= 64;
    }
}

uint32_t bitmap_first(const struct bitmap *bitmap)
{
    uint32_t index = 0;

    if (bitmap->bits == 0 || bitmap->level[bitmap->levels - 1][0] == 0)
        return BITMAP_NONE;
    for (uint32_t i = bitmap->levels; i-- > 0;)
        index = index * 64 + (uint32_t)__builtin_ctzll(bitmap->level[i][index]);
    return index;
}

uint32_t bitmap_next(const struct bitmap *bitmap, uint32_t from)
{
    size_t bits = bitmap->bits;

    for (uint32_t i = 0; i < bitmap->levels && from < bits; i++) {
        uint64_t word = bitmap->level[i][from / 64] & UINT64_MAX << from % 64;

        if (word != 0) {
            uint32_t index = from / 64 * 64 + (uint32_t)__builtin_ctzll(word);

            while (i-- > 0)
                index = index * 64 + (uint32_t)__builtin_ctzll(bitmap->level[i][index]);
            return index;
        }
        from = from / 64 + 1;
        bits = words_for((uint32_t)bits);
    }
    return BITMAP_NONE;
}

/* The number of bits that are set. Written out, because where the processor has no instruction for it the compiler
 * calls a function of its runtime, which pure code must not do. */
static uint32_t members(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (uint32_t)(word * UINT64_C(0x0101010101010101) >> 56);
}

uint32_t bitmap_count(const struct bitmap *bitmap, uint32_t first, uint32_t bits)
{
    const uint64_t *words = bitmap->level[0] + first / 64;
    uint32_t count = 0;

    if (bits < 64)
        return members(words[0] >> first % 64 & ((UINT64_C(1) << bits) - 1));
    for (uint32_t i = 0; i < bits / 64; i++)
        count += members(words[i]);
    return count;
}
