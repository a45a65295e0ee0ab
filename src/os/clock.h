/* The one clock of the programs: CLOCK_MONOTONIC. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S  UINT64_C(1000000000)
#define CLOCK_NS_PER_MS UINT64_C(1000000)

/* Nanoseconds since some moment before this process started; never goes back. Async-signal-safe. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;

    /* Cannot fail: the clock exists since Linux 2.6, and the pointer is good. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif
