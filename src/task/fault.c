/* SIGSEGV and SIGBUS: page faults on managed memory.
 *
 * The handler runs on the faulting thread, on its alternate stack if it has one, with all signals
 * but SIGSEGV and SIGBUS blocked. It touches only wired memory, takes only the library's own locks,
 * allocates nothing, and keeps errno. What it calls is bound by the same rules, up to the policy and
 * the refill callback. A fault inside all that is a bug of the callback's or ours, and is said so
 * instead of hanging. */
#include "task/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "base/error.h"

/* How long a fault may wait for physmem to have a frame before the task says what it waits for. */
#define GROWTH_PAUSE_NS   INT64_C(5000000)
#define GROWTH_WARN_AFTER 1000u

#define STORE_PAUSE_NS INT64_C(1000000)

/* Set while this thread is inside the handler. Initial-exec: reading it must not allocate. */
static __thread int inside __attribute__((tls_model("initial-exec")));

static void wait_for_store(struct sp_task *task, uint32_t events, uint32_t progress)
{
    bool ours = false;

    futex_lock_take(&task->lock);
    for (uint32_t i = 0; i < TASK_STORE_BATCHES; i++)
        ours |= task->batch[i].channel == &task->swap;
    futex_lock_release(&task->lock);
    if (!ours)
        /* The control thread reads the answers to its own stores; another thread may not have sent
         * its stores yet, and will not read the answers: look again soon. */
        task_wait_event(task, events, STORE_PAUSE_NS);
    else if (channel_wait_progress(&task->swap, progress) != 0)
        task_die(task, "the swap server is gone, and with it the pages that it kept");
}

static void wait_for_growth(struct sp_task *task, uint32_t events, uint32_t *pauses)
{
    struct work work;

    if (++*pauses == GROWTH_WARN_AFTER)
        task_say(task, "waiting for frames: it holds none that could be evicted, and physmem has "
                       "no extra frames to give");
    task_wait_event(task, events, GROWTH_PAUSE_NS);
    task_enter(task, &work, NULL);
    pager_growth_possible(&task->pager);
    task_leave(task, NULL);
}

void task_fault(struct sp_task *task, sp_page page, bool write)
{
    struct work work;
    uint32_t pauses = 0;
    bool waited = false;

    crash_serving(page);
    for (;;) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        uint32_t progress = channel_progress(&task->swap);
        bool brought_in;
        enum pager_verdict verdict;

        task_enter(task, &work, NULL);
        verdict = pager_fault(&task->pager, page, write);
        if (verdict == PAGER_WAIT_STORE && !waited) {
            task->stats->waits++;
            waited = true;
        }
        task_leave(task, NULL);
        brought_in = work.loads > 0 || work.refill;
        work_perform(task, &work, &task->swap, true, write);
        switch (verdict) {
        case PAGER_CALL:
            if (!brought_in)
                break;
            /* Mapped; should rights have been short, the access faults again. */
            /* fall through */
        case PAGER_DONE:
        case PAGER_NO_PAGE:
            crash_serving(SP_NO_PAGE);
            return;
        case PAGER_WAIT:
            task_wait_event(task, events, -1);
            break;
        case PAGER_WAIT_STORE:
            wait_for_store(task, events, progress);
            break;
        case PAGER_WAIT_GROWTH:
            wait_for_growth(task, events, &pauses);
            break;
        case PAGER_STUCK:
            task_die(task, "no frame can be freed for a page fault: %s",
                     pager_fault_stuck_reason(&task->pager));
        case PAGER_DEAD:
            task_die(task,
                     "a page was touched whose only copy physmem has taken, since a recall was "
                     "missed: page %u",
                     page);
        }
    }
}

/* True if the access that faulted was a write; *known is false where the machine does not say. */
static bool was_write(const ucontext_t *context, bool *known)
{
    *known = true;
#if defined(__x86_64__) || defined(__i386__)
    return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
    (void)context;
    *known = false;
    return false;
#endif
}

static bool handle(struct sp_task *task, const siginfo_t *info, const ucontext_t *context)
{
    sp_page page = task_page_of(task, info->si_addr);
    bool known;
    bool write;

    if (info->si_signo == SIGBUS) {
        if (page == SP_NO_PAGE && !memory_is_window(task, info->si_addr))
            return false;
        if (!lost_possible(task))
            task_die_revoked(task);
        if (page == SP_NO_PAGE)
            lost_window(task, info->si_addr);
        else
            lost_wait(task, page);
        return true;
    }
    if (page == SP_NO_PAGE || pager_regions_of(&task->pager, page) == NULL)
        return false;
    if (inside > 0 || task_is_held())
        task_die(task,
                 "managed memory was touched inside the fault handler (by a refill callback "
                 "or a policy), at page %u",
                 page);
    write = was_write(context, &known);
    if (!known)
        write = task->pager.page[page].protection == PAGE_READ;
    inside++;
    if (task->pager_thread_wanted)
        pager_thread_fault(task, page, write);
    else
        task_fault(task, page, write);
    inside--;
    return true;
}

/* Not our fault: do what would have been done without us. */
static void pass_on(const struct sigaction *old, int number, siginfo_t *info, void *context)
{
    if ((old->sa_flags & SA_SIGINFO) != 0) {
        old->sa_sigaction(number, info, context);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(number);
    } else {
        /* An access is retried on return, and then ends the process as it should. */
        signal(number, SIG_DFL);
        if (info->si_code <= 0)
            raise(number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    struct sp_task *task = task_attached();
    int saved = errno;

    if (task == NULL) {
        signal(number, SIG_DFL);
    } else if (info->si_code > 0 && probe_fault(info)) {
        ; /* it goes on */
    } else if (info->si_code <= 0 || !handle(task, info, context)) {
        if (info->si_code > 0)
            crash_explain(task, info, context);
        pass_on(number == SIGSEGV ? &task->old_segv : &task->old_bus, number, info, context);
    }
    errno = saved;
}

int fault_install(struct sp_task *task, struct sp_error *error)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    if (sigaction(SIGSEGV, &action, &task->old_segv) != 0)
        return error_set(error, errno, "cannot handle SIGSEGV: %s", strerror(errno));
    if (sigaction(SIGBUS, &action, &task->old_bus) != 0) {
        int code = errno;

        sigaction(SIGSEGV, &task->old_segv, NULL);
        return error_set(error, code, "cannot handle SIGBUS: %s", strerror(code));
    }
    return 0;
}

void fault_uninstall(struct sp_task *task)
{
    sigaction(SIGSEGV, &task->old_segv, NULL);
    sigaction(SIGBUS, &task->old_bus, NULL);
}
