/* SIGSEGV and SIGBUS: page faults on managed memory.
 *
 * The handler runs on the faulting thread, on its alternate stack if it has one, with all signals
 * but SIGSEGV and SIGBUS blocked. It touches only wired memory, takes only the library's own locks,
 * allocates nothing, and keeps errno. What it calls is bound by the same rules, up to the policy and
 * the refill callback. A fault inside all that is a bug of the callback's or ours, and is said so
 * instead of hanging. */
#include "task/entry/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#include "base/error.h"
#include "task/effects/lost.h"
#include "task/effects/memory.h"
#include "task/entry/crash.h"
#include "task/entry/pager_thread.h"
#include "task/entry/probe.h"
#include "task/entry/serve.h"
#include "task/state/attached.h"
#include "task/state/end.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* Set while this thread is inside the handler. Initial-exec: reading it must not allocate. */
static __thread int inside __attribute__((tls_model("initial-exec")));

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
    sp_page page = units_page_at(task, info->si_addr);
    bool known;
    bool write;

    if (info->si_signo == SIGBUS) {
        if (page == SP_NO_PAGE && !memory_is_window(task, info->si_addr))
            return false;
        if (!lost_possible(task))
            end_revoked(task);
        if (page == SP_NO_PAGE)
            lost_window(task, info->si_addr);
        else
            lost_wait(task, page);
        return true;
    }
    if (page == SP_NO_PAGE || pager_regions_of(&task->pager, page) == NULL)
        return false;
    if (inside > 0 || hold_is_ours())
        say_and_die(task,
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
        serve_fault(task, page, write);
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
    struct sp_task *task = attached_task();
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
