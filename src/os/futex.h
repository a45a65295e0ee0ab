/* A lock and a wait for code that runs in signal handlers, where those of pthread must not be used.
 *
 * All functions are async-signal-safe and private to the process; errno may change. A thread that
 * takes a lock both in a handler and outside must block that signal outside, as with any lock. */
#ifndef OS_FUTEX_H
#define OS_FUTEX_H

#include <stdbool.h>
#include <stdint.h>

/* Sleep while *word is `value`, for at most `timeout_ns` (negative: no limit). Returns
 *   0           woken, perhaps for nothing: look at the word again
 *   -EAGAIN     *word was another value already
 *   -ETIMEDOUT  time is up
 *   -EINTR      a signal was handled */
int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns);

/* Wake at most `count` threads that sleep on `word`. Returns how many were woken. */
int futex_wake(uint32_t *word, unsigned count);

enum futex_lock_state {
    FUTEX_LOCK_FREE = 0,
    FUTEX_LOCK_HELD = 1,
    FUTEX_LOCK_CONTENDED = 2, /* held, and there may be sleepers */
};

/* A lock; all zeros is a free one. Not recursive, not fair, no cleanup needed. */
struct futex_lock {
    uint32_t state; /* enum futex_lock_state */
};

/* The slow path of futex_lock_take: sleeps. */
void futex_lock_wait(struct futex_lock *lock);

/* Take the lock if it is free. */
static inline bool futex_lock_try(struct futex_lock *lock)
{
    uint32_t expected = FUTEX_LOCK_FREE;

    return __atomic_compare_exchange_n(&lock->state, &expected, FUTEX_LOCK_HELD, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Take the lock, waiting as long as it needs. */
static inline void futex_lock_take(struct futex_lock *lock)
{
    if (!futex_lock_try(lock))
        futex_lock_wait(lock);
}

/* Let go of the lock, which the calling thread holds. */
static inline void futex_lock_release(struct futex_lock *lock)
{
    if (__atomic_exchange_n(&lock->state, FUTEX_LOCK_FREE, __ATOMIC_RELEASE) ==
        FUTEX_LOCK_CONTENDED)
        futex_wake(&lock->state, 1);
}

#endif
