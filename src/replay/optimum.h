/* The misses of Belady's MIN at one size, without its victims, and without the future.
 *
 * A page that MIN keeps from one reference to the next occupies a frame in between, besides the one that holds the page
 * referenced at each moment. So MIN's hits are the most intervals between references to one page of which no moment has
 * more than frames - 1. Taking intervals in the order of their ends, and each that still fits, finds as many (U. Faigle
 * and W. Nawijn, "Note on scheduling intervals on-line", Discrete Applied Mathematics 58, 1995; M. Carlisle and E. Lloyd,
 * "On the k-coloring of intervals", same journal 59, 1995), and that needs nothing of the future: each of frames - 1 slots
 * is free from the reference before the end of its last interval on; an interval goes to the slot that has been free for the
 * shortest time of those that are free at its beginning, and does not fit if there is none. Positions in the trace from which a
 * slot is free are bits: this one is the last that is not behind the beginning. Words without any are passed by union and find. After each reference the number of misses is MIN's for the references so far, so that each
 * reference hits or misses as in MIN.
 *
 * Which pages leave follows but for pages that are not referenced again, which are all the same to MIN. Here those leave in
 * the order of their last references. */
#ifndef REPLAY_OPTIMUM_H
#define REPLAY_OPTIMUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct optimum_counts {
    uint64_t misses;
    uint64_t evictions;
    uint64_t dirty_evictions; /* complete after optimum_end */
    uint64_t missed_bytes;
};

struct optimum {
    struct optimum_counts counts;
    /* Private. */
    uint32_t frames, resident;
    uint32_t spare;    /* slots that have had no interval yet */
    uint32_t previous; /* page referenced last */
    uint32_t pages, pages_most;
    uint32_t *
        last_of; /* by page: position of its last reference, times 2, plus 1 if it is dirty; 0: none */
    uint32_t position;  /* of the last reference; the first is 1 */
    uint32_t room;      /* at this position they are numbered anew */
    uint32_t positions; /* that are reserved */
    uint64_t *slots;    /* a bit for each position: a slot is free from there on; not at 0 */
    uint32_t *
        down; /* by word of `slots`: itself if it is not empty, or one below with none in between that is */
    uint64_t *kept;   /* used while positions are numbered anew: a bit for each */
    uint32_t *before; /* the same: bits in the words before */
    bool large_pages;
};

/* No references yet; `frames` from 1, pages below `pages_most`, from 1 to 2^27. Release with optimum_fini in any case.
 * -ENOMEM. */
int optimum_init(struct optimum *optimum, uint32_t frames, uint32_t pages_most);

void optimum_fini(struct optimum *optimum);

/* References, as for engine_run, and their sizes, which may be NULL. */
void optimum_run(struct optimum *optimum, const uint32_t *references, const uint32_t *sizes,
                 size_t count);

/* There are no more references: count the pages that were not referenced again, and left. */
void optimum_end(struct optimum *optimum);

#endif
