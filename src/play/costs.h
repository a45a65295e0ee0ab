/* How long things take in virtual time, in nanoseconds. */
#ifndef PLAY_COSTS_H
#define PLAY_COSTS_H

#include <stdint.h>

/* X(name, default, what takes so long). The defaults were measured on a virtual machine with two cores. */
#define PLAY_COSTS(X)                                                                              \
    X(start, 0, "a process: until its first request, and its end")                                 \
    X(reference, 100, "a reference to a page that is mapped")                                      \
    X(fault, 4000, "a page fault")                                                                 \
    X(frame, 4000, "what a fault takes beyond that, if the page needs a frame")                    \
    X(watch, 2000, "having the next reference to a page noted")                                    \
    X(round_trip, 45000, "a request and its reply, half of it each way")                           \
    X(refill, 2000, "a call of a refill callback")                                                 \
    X(message, 10000, "sending pages to swap without waiting for it")                              \
    X(write_start, 10000, "a write to the swap device")                                            \
    X(write_page, 2000, "each page of it")                                                         \
    X(read_start, 10000, "a read from the swap device")                                            \
    X(read_page, 2000, "each page of it")                                                          \
    X(piece, 2500, "each further run of neighbours that is mapped, written or read with it")

struct costs {
#define COSTS_FIELD(name, value, meaning) uint64_t name;
    PLAY_COSTS(COSTS_FIELD)
#undef COSTS_FIELD
    uint32_t depth; /* reads and writes that the device does at once; at most COSTS_DEPTH_MAX */
};

#define COSTS_DEPTH     4u /* default */
#define COSTS_DEPTH_MAX 64u

static inline struct costs costs_default(void)
{
    return (struct costs){
#define COSTS_DEFAULT(name, value, meaning) .name = value,
        PLAY_COSTS(COSTS_DEFAULT)
#undef COSTS_DEFAULT
            .depth = COSTS_DEPTH};
}

#endif
