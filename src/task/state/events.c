#include "task/state/events.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"

void events_signal(struct sp_task *task)
{
    __atomic_add_fetch(&task->events, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&task->sleepers, __ATOMIC_SEQ_CST) > 0)
        futex_wake(&task->events, INT32_MAX);
}

void events_wait(struct sp_task *task, uint32_t events, int64_t timeout_ns)
{
    __atomic_add_fetch(&task->sleepers, 1, __ATOMIC_SEQ_CST);
    check(__atomic_load_n(&task->sleepers, __ATOMIC_SEQ_CST) > 0);
    futex_wait(&task->events, events, timeout_ns);
    __atomic_sub_fetch(&task->sleepers, 1, __ATOMIC_SEQ_CST);
}

void events_poke(struct sp_task *task)
{
    uint64_t one = 1;
    ssize_t written;

    check(task->wake_fd >= 0);
    do /* not write: a fault handler is no point of cancellation */
        written = syscall(SYS_write, task->wake_fd, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the thread will wake anyway. */
}
