#include "task/state/end.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "task/state/hold.h"
#include "task/state/say.h"

/* How long a dying thread waits for the control thread to hear from physmem why: 10 s in all, for
 * the slowest machine; a wait may end early. */
#define LAST_WORDS_TRIES    100
#define LAST_WORDS_PAUSE_NS INT64_C(100000000)

/* Wait, for some seconds, until the control thread has heard that the task was revoked. */
static void end_await(struct sp_task *task)
{
    check(!hold_is_ours());
    for (int i = 0;
         i < LAST_WORDS_TRIES && __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) == TASK_LIVES; i++)
        futex_wait(&task->end, TASK_LIVES, LAST_WORDS_PAUSE_NS);
}

void end_revoked(struct sp_task *task)
{
    /* The control thread prints the reason before it sets `end`; give it time to, and the lock,
     * should this thread have died while it cleared a frame. */
    if (hold_is_ours()) {
        task->pager.effects_next = task->pager.effects_end =
            0; /* there is nothing to carry out on */
        hold_ours = false;
        futex_lock_release(&task->lock);
    }
    check(!hold_is_ours());
    end_await(task);
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_REVOKED)
        say(task, "an extent was truncated: its memory is gone");
    say_end(task);
    signal(SIGBUS, SIG_DFL);
    raise(SIGBUS);
    _exit(128 + SIGBUS);
}

void end_closed(struct sp_task *task)
{
    say_and_die(task,
                "a descriptor of the library has been closed: does the program call closefrom or "
                "close_range, or close a number that is not its own? It must leave alone what it "
                "has not opened");
}

/* The number of a channel's socket may be closed by now, or may belong to another file. */
static void die_if_closed(struct sp_task *task, const struct channel *channel)
{
    struct stat info;

    check(channel->link.fd >= 0);
    if (fstat(channel->link.fd, &info) != 0 || !S_ISSOCK(info.st_mode))
        end_closed(task);
}

/* The server may still be there: then say what is true. */
static void die_unless_closed(struct sp_task *task, const char *server,
                              const struct channel *channel)
{
    int end = channel_end(channel);

    check(channel->link.fd >= 0);
    if (end != 0 && end != -EPIPE)
        say_and_die(task, "the connection to %s cannot be used any more: %s", server,
                    channel_problem(channel));
}

/* One of the connections to physmem cannot be used any more, and physmem has not said why. */
static _Noreturn void end_without_physmem(struct sp_task *task, const struct channel *channel)
{
    check(!hold_is_ours());
    die_unless_closed(task, "physmem", channel);
    say_and_die(task, "physmem is gone, and with it all contracts and frames");
}

void end_physmem_gone(struct sp_task *task)
{
    die_if_closed(task, &task->physmem);
    die_if_closed(task, &task->control); /* physmem ends both when one is closed */
    die_unless_closed(task, "physmem", &task->physmem);
    end_await(task);
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) == TASK_REVOKED)
        end_revoked(task);
    check(!hold_is_ours());
    end_without_physmem(task, &task->physmem);
}

void end_control_gone(struct sp_task *task)
{
    die_if_closed(task, &task->control);
    die_if_closed(task, &task->physmem);
    check(__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_REVOKED);
    end_without_physmem(task, &task->control);
}

void end_swap_gone(struct sp_task *task)
{
    die_if_closed(task, &task->swap);
    check(!hold_is_ours());
    die_unless_closed(task, "swap", &task->swap);
    die_unless_closed(task, "swap", &task->cleaner);
    say_and_die(task, "the swap server is gone, and with it the pages that it kept");
}
