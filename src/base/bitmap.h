/* A set of small numbers that finds its smallest member in constant time: a bitmap with summaries,
 * one bit for each 64 of the level below. Pure; the caller provides the words. */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_LEVELS 5u         /* enough for 2^30 bits */
#define BITMAP_NONE   UINT32_MAX /* bitmap_first of an empty set */

struct bitmap {
    uint64_t *level[BITMAP_LEVELS]; /* level[0] holds the members */
    uint32_t bits;
    uint32_t levels;
};

/* Words of memory that bitmap_init needs for the numbers 0 to bits - 1. */
size_t bitmap_words(uint32_t bits);

/* An empty set in `words`, which are zeros, and outlive the set. */
void bitmap_init(struct bitmap *bitmap, uint32_t bits, uint64_t *words);

/* Membership of a number below bits. Adding a member again does nothing, nor does removing a number that is not a member. */
bool bitmap_test(const struct bitmap *bitmap, uint32_t bit);
void bitmap_set(struct bitmap *bitmap, uint32_t bit);
void bitmap_clear(struct bitmap *bitmap, uint32_t bit);

/* The smallest member, or BITMAP_NONE. */
uint32_t bitmap_first(const struct bitmap *bitmap);

/* The smallest member that is `from` or above, or BITMAP_NONE. */
uint32_t bitmap_next(const struct bitmap *bitmap, uint32_t from);

/* How many of the `bits` numbers from `first` on are members. `bits` is a power of two, and `first` a
 * multiple of it. Takes one step for each 64 numbers. */
uint32_t bitmap_count(const struct bitmap *bitmap, uint32_t first, uint32_t bits);

#endif
