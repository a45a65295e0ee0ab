/* The miss-ratio curve of LRU, exact for every size, in one pass: Mattson's stack distances.
 *
 * A reference hits in LRU with F frames exactly if, since the last one to its page, at most F - 1
 * other pages were referenced. So: give every time a bit, clear it when its page is referenced again,
 * and count bits. Eight words of bits are a block, eight blocks a group, eight groups a larger one, and so on; each
 * knows, for each of its eight members, the bits of those before it. Times that are still to come have their bits
 * already, since they lie behind all that is counted. Before times run out, pages are numbered anew. A reference costs
 * a few additions of vectors and no branch that depends on it.
 *
 * R. L. Mattson et al., "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2),
 * 1970; with a tree: B. T. Bennett and V. J. Kruskal, "LRU stack processing", IBM Journal of
 * Research and Development 19(4), 1975. */
#ifndef REPLAY_STACK_DISTANCE_H
#define REPLAY_STACK_DISTANCE_H

#include <stddef.h>
#include <stdint.h>

/* Enough for 2^31 times. */
#define STACK_LEVELS_MOST 8u

struct stack_distance {
    uint64_t references;
    uint64_t cold;  /* first references to a page */
    uint64_t *hits; /* [d]: references that hit from d + 1 frames on; by distance, below `room` */
    int failed;     /* -ENOMEM: memory ran out, the rest was not counted */
    /* Private. */
    uint32_t pages_most, pages_seen;
    uint32_t now;   /* the time of the next reference */
    uint32_t times; /* there are */
    uint32_t set;   /* pages referenced */
    uint64_t *bits; /* by time: set if nothing has been referenced since that was at this time */
    void *words;    /* by block: bits set before each of its words */
    void *levels[STACK_LEVELS_MOST]; /* by group: bits set before each of its members */
    unsigned level_count;
    uint32_t *time_of; /* by page, plus one; 0: never referenced */
};

/* For pages below `pages_most`. Release with stack_distance_fini in any case. -ENOMEM. */
int stack_distance_init(struct stack_distance *distances, uint32_t pages_most);

void stack_distance_fini(struct stack_distance *distances);

/* References as engine_run takes them. */
void stack_distance_run(struct stack_distance *distances, const uint32_t *references, size_t count);

#endif
