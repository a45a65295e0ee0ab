#include "task/units.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct sp_task *attached;

/* How long a dying thread waits for the control thread to hear from physmem why: 10 s in all, for
 * the slowest machine; a wait may end early. */
#define LAST_WORDS_TRIES    100
#define LAST_WORDS_PAUSE_NS INT64_C(100000000)

/* Set while this thread holds the lock of the task. Initial-exec: a fault handler reads it, and must
 * not allocate. */
static __thread bool holding __attribute__((tls_model("initial-exec")));

struct sp_task *task_attached(void)
{
    return __atomic_load_n(&attached, __ATOMIC_ACQUIRE);
}

void task_set_attached(struct sp_task *task)
{
    __atomic_store_n(&attached, task, __ATOMIC_RELEASE);
}

void task_block_signals(sigset_t *saved)
{
    sigset_t all;

    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, saved);
}

void task_enter(struct sp_task *task, struct work *work, sigset_t *saved)
{
    if (saved != NULL)
        task_block_signals(saved);
    work->stores = work->loads = work->frees = work->returns = 0;
    work->refill = work->allocate = work->grant = false;
    futex_lock_take(&task->lock);
    holding = true;
    task->work = work;
}

void task_leave(struct sp_task *task, const sigset_t *saved)
{
    memory_carry_out(task, task->work);
    task->work = NULL;
    if (task->recalls_open > 0 && task->pager.owed == 0) {
        task->stats->recalls_answered += task->recalls_open;
        task->recalls_open = 0;
    }
    units_show_stats(task);
    holding = false;
    futex_lock_release(&task->lock);
    if (saved != NULL)
        pthread_sigmask(SIG_SETMASK, saved, NULL);
}

bool task_is_held(void)
{
    return holding;
}

sp_page task_page_of(const struct sp_task *task, const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)task->arena;

    if (offset >= (uintptr_t)task->arena_pages * SP_PAGE_SIZE)
        return SP_NO_PAGE;
    return (sp_page)(offset / unit_bytes(task));
}

void task_signal_event(struct sp_task *task)
{
    __atomic_add_fetch(&task->events, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&task->sleepers, __ATOMIC_SEQ_CST) > 0)
        futex_wake(&task->events, INT32_MAX);
}

void task_wait_event(struct sp_task *task, uint32_t events, int64_t timeout_ns)
{
    __atomic_add_fetch(&task->sleepers, 1, __ATOMIC_SEQ_CST);
    futex_wait(&task->events, events, timeout_ns);
    __atomic_sub_fetch(&task->sleepers, 1, __ATOMIC_SEQ_CST);
}

void task_poke(struct sp_task *task)
{
    uint64_t one = 1;
    ssize_t written;

    do
        written = write(task->wake_fd, &one, sizeof(one));
    while (written < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the thread will wake anyway. */
}

static SP_PRINTF(2, 0) void say(const struct sp_task *task, const char *format, va_list arguments)
{
    char line[512];
    int length =
        snprintf(line, sizeof(line), "selfpage: task '%s' (pid %d): ", task->name, (int)getpid());
    ssize_t written;

    if (length < 0)
        return;
    length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
    if (length > (int)sizeof(line) - 2)
        length = (int)sizeof(line) - 2;
    line[length++] = '\n';
    do
        written = write(STDERR_FILENO, line, (size_t)length);
    while (written < 0 && errno == EINTR);
}

void task_say(const struct sp_task *task, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(task, format, arguments);
    va_end(arguments);
}

void task_die(const struct sp_task *task, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(task, format, arguments);
    va_end(arguments);
    _exit(2);
}

void task_die_revoked(struct sp_task *task)
{
    /* The control thread prints the reason before it sets `end`; give it time to, and the lock,
     * should this thread have died while it cleared a frame. */
    if (holding)
        futex_lock_release(&task->lock);
    task_await_end(task);
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_REVOKED)
        task_say(task, "an extent was truncated: its memory is gone");
    signal(SIGBUS, SIG_DFL);
    raise(SIGBUS);
    _exit(128 + SIGBUS);
}

void task_await_end(struct sp_task *task)
{
    for (int i = 0;
         i < LAST_WORDS_TRIES && __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) == TASK_LIVES; i++)
        futex_wait(&task->end, TASK_LIVES, LAST_WORDS_PAUSE_NS);
}
