/* The miss-ratio curve of LRU, exact for every size, in one pass: Mattson's stack distances.
 *
 * A reference hits in LRU with F frames exactly if, since the last one to its page, at most F - 1
 * other pages were referenced. So: give every page a bit at the time of its last reference, and
 * count bits behind it. Bits are in words, words in blocks; a Fenwick tree sums the blocks. Before
 * times run out, bits are moved together. A reference costs a logarithmic number of steps of the
 * tree, and it is small: it stays in the cache.
 *
 * R. L. Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2),
 * 1970; with a tree: B. T. Bennett and V. J. Kruskal, "LRU stack processing", IBM Journal of
 * Research and Development 19(4), 1975. */
#ifndef REPLAY_STACK_DISTANCE_H
#define REPLAY_STACK_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

struct stack_distance {
    uint64_t references;
    uint64_t cold;  /* first references to a page */
    uint64_t *hits; /* [d]: references that hit from d + 1 frames on; by distance, below `room` */
    int failed;     /* -ENOMEM: memory ran out, the rest was not counted */
    /* Private. */
    uint32_t pages_most, pages_seen;
    uint32_t now;      /* the time of the next reference */
    uint32_t times;    /* there are */
    uint32_t set;      /* bits set: pages referenced */
    uint64_t *bits;    /* by time */
    uint32_t *tree;    /* Fenwick, by block, from 1: bits set */
    uint32_t *page_of; /* by time */
    uint32_t *time_of; /* by page, plus one; 0: never referenced */
};

/* For pages below `pages_most`. Release with stack_distance_fini in any case. -ENOMEM. */
int stack_distance_init(struct stack_distance *distances, uint32_t pages_most);

void stack_distance_fini(struct stack_distance *distances);

/* References as engine_run takes them. */
void stack_distance_run(struct stack_distance *distances, const uint32_t *references, size_t count);

#endif
