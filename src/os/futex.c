#include "os/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks at a held lock before sleeping. A holder on another core is done within some microseconds, the time of a system
 * call or two, while being woken from there costs tens of them. */
#define SPINS 400

int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000,
                               .tv_nsec = timeout_ns % 1000000000};

    if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &timeout, NULL,
                0) < 0)
        return -errno;
    return 0;
}

int futex_wake(uint32_t *word, unsigned count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);

    return woken < 0 ? -errno : (int)woken;
}

void futex_lock_wait(struct futex_lock *lock)
{
    int i;

    for (i = 0; i < SPINS; i++) {
        if (__atomic_load_n(&lock->state, __ATOMIC_RELAXED) == FUTEX_LOCK_FREE &&
            futex_lock_try(lock))
            return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    /* From here on the state says that somebody may sleep, also while this thread holds the lock:
     * it cannot know whether it was the last one. */
    while (__atomic_exchange_n(&lock->state, FUTEX_LOCK_CONTENDED, __ATOMIC_ACQUIRE) !=
           FUTEX_LOCK_FREE)
        futex_wait(&lock->state, FUTEX_LOCK_CONTENDED, -1);
}
