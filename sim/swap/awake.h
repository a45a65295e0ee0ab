/* How long the loop stays awake for what will come soon: the end of a read, and a client's next request after an answer.
 *
 * Waking up takes as long as a fast device takes to read a page, so the loop looks again and again for a while before it
 * sleeps. Where that was in vain, it sleeps at once the next times, twice as many each time that it was in vain in a row.
 * Where it has lost the processor meanwhile, others want that, and it sleeps for many times. Pure: time comes in, in
 * nanoseconds of any clock; 0 is no time. */
#ifndef SWAP_AWAKE_H
#define SWAP_AWAKE_H

#include <stdbool.h>
#include <stdint.h>

/* For reads, since the last one began: twice the read of a page from a fast disk. For the next request. */
#define AWAKE_READ_NS UINT64_C(160000)
#define AWAKE_NEXT_NS UINT64_C(50000)

/* The processor is lost if the loop does not come to look for so long. */
#define AWAKE_LOST_NS UINT64_C(1000000)

/* Times that it is not worth while to stay awake. */
struct awake_doubt {
    uint32_t skip;   /* still to come */
    uint32_t failed; /* in a row */
};

/* All zeros: asleep. */
struct awake {
    uint64_t until_ns; /* 0: asleep */
    uint64_t looked_ns;
    struct awake_doubt read, next;
    bool ended;    /* it stays awake for the next request */
    uint32_t lost; /* how often of late */
    uint32_t calm; /* times in a row without that */
};

/* Reads have begun that are waited for. */
void awake_begin(struct awake *awake, uint64_t now);

/* The last read has ended. */
void awake_end(struct awake *awake, uint64_t now);

/* The loop looks. Returns whether it stays awake. */
bool awake_look(struct awake *awake, uint64_t now);

/* Whether it would stay awake for a read that begins now. If not, that is one time less that it is not worth while:
 * there is no awake_begin for this read. */
bool awake_would(struct awake *awake);

static inline bool awake_is(const struct awake *awake)
{
    return awake->until_ns != 0;
}

#endif
