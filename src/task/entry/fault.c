/* The handler of page faults.
 *
 * It runs on the faulting thread, on its alternate stack if it has one, with all signals but
 * SIGSEGV and SIGBUS blocked. It touches only wired memory, takes only the library's own locks,
 * allocates nothing, keeps errno, and is no point of cancellation. What it calls is bound by the
 * same rules, up to the policy and the refill callback. A fault inside all that is a bug of the
 * callback or of the library; the handler reports it instead of hanging. A fault that is not for
 * this library goes to the handler that was there before. */
#include "task/entry/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/containers/windows.h"
#include "task/effects/lost.h"
#include "task/effects/memory.h"
#include "task/entry/crash.h"
#include "task/entry/machine.h"
#include "task/entry/pager_thread.h"
#include "task/entry/probe.h"
#include "task/entry/repeat.h"
#include "task/entry/room.h"
#include "task/entry/serve.h"
#include "task/entry/supply.h"
#include "task/state/attached.h"
#include "task/state/end.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* The signal by which glibc cancels a thread that may be cancelled at any instruction. sigfillset leaves
 * it out. */
#define SIGNAL_CANCEL 32

/* Where this thread's handler of a fault is on the stack; NULL: it is in none. Initial-exec: reading it
 * must not allocate. */
static __thread void *inside __attribute__((tls_model("initial-exec")));

/* True if an access to managed memory comes from within the handling of another one. Otherwise that was
 * left without a return, by a jump. */
static bool is_nested(const ucontext_t *context)
{
    uintptr_t stack = machine_stack(context);
    stack_t alternate = {0};

    check(inside != NULL);
    if (sigaltstack(NULL, &alternate) == 0 && (alternate.ss_flags & SS_DISABLE) == 0 &&
        (uintptr_t)inside - (uintptr_t)alternate.ss_sp < alternate.ss_size)
        return stack - (uintptr_t)alternate.ss_sp < alternate.ss_size;
    return stack < (uintptr_t)inside;
}

static _Noreturn void die_inside(const struct sp_task *task, sp_page page,
                                 const ucontext_t *context)
{
    check(inside != NULL || hold_is_ours());
    if (!hold_is_ours() && !is_nested(context))
        say_and_die(task, "a refill callback was left by a jump (longjmp, an exception): it must "
                          "return");
    say_and_die(task,
                "managed memory was touched inside the fault handler (by a refill callback "
                "or a policy), at page %u",
                page);
}

/* Paging cannot repair an access: say this. Returns false: the fault is not for this library. Not
 * every machine tells an instruction fetch; then the address of the code does. */
static bool refuse(const struct sp_task *task, sp_page page, uintptr_t code)
{
    check(page < task->pager.config.pages);
    if (units_page_at(task, (const void *)code) != SP_NO_PAGE)
        say(task,
            "the program jumped to managed memory, at page %u: it can be read and written, "
            "never executed",
            page);
    else
        say(task,
            "the access at code address %#zx to page %u fails again and again although the page is "
            "mapped for it: has the program changed its mapping (mprotect, munmap, mmap, pkey)?",
            (size_t)code, page);
    return false;
}

/* False: the fault is not for this library. */
static inline bool serve(struct sp_task *task, const struct fault *fault, uintptr_t code)
{
    bool in_order;

    check(inside == NULL && !hold_is_ours());
    inside = __builtin_frame_address(0);
    in_order =
        task->pager_thread_wanted ? pager_thread_fault(task, fault) : serve_fault(task, fault);
    check(inside == __builtin_frame_address(0));
    inside = NULL;
    if (!in_order || !repeat_in_order(task, code, fault->page))
        return true;
    return refuse(task, fault->page, code);
}

/* The same instruction has faulted many times. A function of its own: most faults do without its array. */
static __attribute__((noinline)) bool serve_repeated(struct sp_task *task, struct fault *fault,
                                                     const ucontext_t *context)
{
    sp_page keep[PAGER_KEPT_MOST];

    fault->keep = keep;
    if (!repeat_is_stuck(context, keep, &fault->kept))
        fault->kept = 0;
    check(fault->kept <= PAGER_KEPT_MOST);
    return serve(task, fault, machine_instruction(context));
}

/* A fault on a page of a region. False: it is not for this library. */
static bool handle_page(struct sp_task *task, sp_page page, const ucontext_t *context)
{
    enum machine_access access = machine_access(context);
    uintptr_t code = machine_instruction(context);
    struct fault fault = {.page = page, .write = access == MACHINE_WRITE, .code = code};

    check(page < task->pager.config.pages);
    if (access == MACHINE_EXECUTE)
        return refuse(task, page, code);
    if (access == MACHINE_UNKNOWN)
        fault.write = task->pager.page[page].protection == PAGE_READ;
    if (!room_was_checked)
        room_check(task, context);
    check(room_was_checked);
    return repeat_note(code, page) ? serve_repeated(task, &fault, context)
                                   : serve(task, &fault, code);
}

/* SIGBUS at an address without memory behind it: was it cut off by physmem? */
static bool handle_bus(struct sp_task *task, sp_page page, void *address)
{
    check(page == SP_NO_PAGE || page < task->pager.config.pages);
    if (page == SP_NO_PAGE && !memory_is_window(task, address)) {
        if (inside != NULL || hold_is_ours() || !windows_cut(task, address))
            return false;
        if (!lost_possible(task))
            end_revoked(task);
        return true;
    }
    if (!lost_possible(task))
        end_revoked(task);
    if (page == SP_NO_PAGE)
        lost_window(task, address);
    else
        lost_wait(task, page);
    return true;
}

/* A fault at an address that is in no region: is it in a mapping of a container? */
static bool handle_window(struct sp_task *task, const siginfo_t *info, const ucontext_t *context)
{
    enum machine_access access = machine_access(context);
    bool served;

    check(info->si_code > 0);
    if (inside != NULL || hold_is_ours() || access == MACHINE_EXECUTE)
        return false;
    if (!room_was_checked)
        room_check(task, context);
    inside = __builtin_frame_address(0);
    served = supply_fault(task, info->si_addr, access == MACHINE_WRITE, access == MACHINE_UNKNOWN);
    inside = NULL;
    return served;
}

static bool handle(struct sp_task *task, const siginfo_t *info, const ucontext_t *context)
{
    sp_page page = units_page_at(task, info->si_addr);

    check(info->si_code > 0);
    if (page == SP_NO_PAGE && info->si_signo == SIGSEGV)
        return handle_window(task, info, context);
    if (info->si_signo == SIGBUS) /* others are misaligned accesses, and errors of the hardware */
        return info->si_code == BUS_ADRERR && handle_bus(task, page, info->si_addr);
    if (page == SP_NO_PAGE || pager_regions_of(&task->pager, page) == NULL)
        return false;
    if (inside != NULL || hold_is_ours())
        die_inside(task, page, context);
    return handle_page(task, page, context);
}

/* Call the program's handler as the kernel would have done: with its mask and flags. That it runs on the
 * alternate stack, where there is one, cannot be helped. */
static void call_old(struct sigaction *old, int number, siginfo_t *info, void *context)
{
    const struct sigaction action = *old;
    sigset_t mask = ((const ucontext_t *)context)->uc_sigmask;
    int code = errno;

    check(old->sa_handler != SIG_DFL || (old->sa_flags & SA_SIGINFO) != 0);
    sigorset(&mask, &mask, &action.sa_mask);
    if ((action.sa_flags & SA_NODEFER) == 0)
        sigaddset(&mask, number);
    if ((action.sa_flags & (int)SA_RESETHAND) != 0)
        *old = (struct sigaction){.sa_handler = SIG_DFL};
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    errno = code;
    if ((action.sa_flags & SA_SIGINFO) != 0)
        action.sa_sigaction(number, info, context);
    else
        action.sa_handler(number);
    /* The return from our handler restores the mask of the interrupted code. */
}

/* Not our fault: do what would have been done without us. */
static void pass_on(struct sigaction *old, int number, siginfo_t *info, void *context)
{
    bool has_handler = (old->sa_flags & SA_SIGINFO) != 0 ||
                       (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN);

    check(number == SIGSEGV || number == SIGBUS);
    if (has_handler) {
        call_old(old, number, info, context);
    } else {
        /* The access is repeated on return, and then ends the process as it should. */
        signal(number, SIG_DFL);
        if (info->si_code <= 0)
            raise(number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    struct sp_task *task = attached_task();
    int saved = errno;

    check(number == SIGSEGV || number == SIGBUS);
    if (task == NULL) {
        signal(number, SIG_DFL);
    } else if (info->si_code > 0 && probe_fault(info)) {
        ; /* it goes on */
    } else if (info->si_code <= 0 || !handle(task, info, context)) {
        if (info->si_code > 0)
            crash_explain(task, info, context);
        errno = saved;
        pass_on(number == SIGSEGV ? &task->old_segv : &task->old_bus, number, info, context);
    }
    errno = saved;
}

void fault_unblock(void)
{
    sigset_t faults;

    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    ensure(pthread_sigmask(SIG_UNBLOCK, &faults, NULL) == 0);
}

int fault_install(struct sp_task *task, struct sp_error *error)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    fault_unblock();
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    /* sigaddset refuses this one. */
    ((unsigned long *)(void *)&action.sa_mask)[0] |= 1UL << (SIGNAL_CANCEL - 1);
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
    check(inside == NULL);
}

/* Where managed memory lay in the parent of this process, and what to say when it is touched here. */
static struct {
    uintptr_t start;
    size_t size;
    char line[256];
    size_t length;
} orphaned;

/* The access is repeated on return, and then ends the process as it should. */
static void on_signal_in_child(int number, siginfo_t *info, void *context)
{
    int saved = errno;

    (void)context;
    check(number == SIGSEGV);
    if (info->si_code > 0 && (uintptr_t)info->si_addr - orphaned.start < orphaned.size)
        (void)!write(STDERR_FILENO, orphaned.line, orphaned.length);
    signal(number, SIG_DFL);
    if (info->si_code <= 0)
        raise(number);
    errno = saved;
}

void fault_in_child(const struct sp_task *task, const void *managed, size_t size)
{
    struct sigaction action = {.sa_sigaction = on_signal_in_child,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    struct sigaction old;

    check(managed != NULL && size > 0);
    orphaned.start = (uintptr_t)managed;
    orphaned.size = size;
    orphaned.length = (size_t)snprintf(
        orphaned.line, sizeof(orphaned.line),
        "selfpage: task '%s': process %d, a child of it, touched managed memory: a child has none "
        "(and daemon() goes on in one): fork first, and call sp_attach then\n",
        task->name, (int)getpid());
    ensure(orphaned.length < sizeof(orphaned.line));
    if (sigaction(SIGSEGV, NULL, &old) == 0 && (old.sa_flags & SA_SIGINFO) == 0 &&
        old.sa_handler == SIG_DFL)
        (void)sigaction(SIGSEGV, &action, NULL);
}
