/* How much a test plays that repeats something. Under Valgrind and in an emulator everything takes ten times as long or
 * more; there it plays less of the same. */
#ifndef TEST_SCALE_H
#define TEST_SCALE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <valgrind/valgrind.h>

/* Instructions are not the processor's own: under Valgrind, or in the emulator of tests/arm64. */
static inline bool scale_is_slow(void)
{
    return RUNNING_ON_VALGRIND || getenv("SELFPAGE_EMULATED") != NULL;
}

/* `steps`, or a tenth of them. */
static inline unsigned scaled(unsigned steps)
{
    return scale_is_slow() ? (steps + 9) / 10 : steps;
}

/* The seed of a random test: its own, or, if SELFPAGE_TEST_SEED has a number, another one. */
static inline uint64_t scale_seed(uint64_t own)
{
    const char *other = getenv("SELFPAGE_TEST_SEED");

    return other != NULL ? own + 1000003 * strtoull(other, NULL, 10) : own;
}

/* Where there is a run a policy, which ones: all, or every fourth, beginning at another one in each test, so that all
 * have their turn. */
static inline bool scale_has_turn(size_t policy, unsigned test)
{
    return !scale_is_slow() || policy % 4 == test % 4;
}

#endif
