#include "selfpage/run/state.h"

#include "launch/child.h"
#include "os/clock.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef RUNNING_ON_VALGRIND
#define RUNNING_ON_VALGRIND 0
#endif

uint64_t state_ns(const struct run *run)
{
    return clock_now_ns() - run->started_ns;
}

double state_seconds(const struct run *run)
{
    return (double)state_ns(run) / 1e9;
}

unsigned state_patience_ms(const struct run *run)
{
    uint64_t passed_ms, all_ms = run->scenario->timeout_ns / 1000000, left_ms = 0;

    if (run->started_ns == 0 || RUNNING_ON_VALGRIND)
        return RUN_PATIENCE_MS;
    passed_ms = (clock_now_ns() - run->started_ns) / 1000000;
    if (!run->timed_out && !run->interrupted && passed_ms < all_ms)
        left_ms = all_ms - passed_ms;
    if (left_ms < RUN_LAST_PATIENCE_MS)
        return RUN_LAST_PATIENCE_MS;
    return left_ms < RUN_PATIENCE_MS ? (unsigned)left_ms : RUN_PATIENCE_MS;
}

uint64_t state_ms(uint64_t ns)
{
    return (ns + 999999) / 1000000;
}

const char *state_socket(const struct run *run, uint32_t which)
{
    if (which >= SCENARIO_STACKED)
        return run->stacked[which - SCENARIO_STACKED];
    if (which == SCENARIO_FILESERVER)
        return run->directory.files;
    return which == SCENARIO_SWAP ? run->directory.swap : run->directory.physmem;
}
