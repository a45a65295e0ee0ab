#include "task/entry/room.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "task/state/say.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* For the line that a process ends with, and what the program does then (sp_on_end). */
#define LAST_STACK ((size_t)256 * 1024)

__thread bool room_was_checked __attribute__((tls_model("initial-exec")));

/* Whether 8 bytes can be written there: the kernel is asked to write the blocked signals. Nothing below
 * the stack pointer is in use by anybody. */
static bool is_writable(unsigned char *address)
{
    return syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, address, 8) == 0 || errno != EFAULT;
}

/* Bytes from here down to the end of this thread's own stack, as far as they matter. */
static size_t ordinary_room(unsigned char *here)
{
    size_t room = 0;

    while (room < SP_FAULT_STACK && is_writable(here - room - SP_PAGE_SIZE))
        room += SP_PAGE_SIZE;
    check(room % SP_PAGE_SIZE == 0);
    return room;
}

/* What is said of a stack that is too small. */
static struct {
    const struct sp_task *task;
    size_t room;
    size_t signal_stack; /* its size; 0: the fault is handled on the thread's own stack */
} small;

static void say_small(void)
{
    if (small.signal_stack == 0)
        say_and_die(small.task,
                    "a page fault needs %u bytes of stack, and this thread has about %zu left: "
                    "make its stack larger, or call sp_thread_begin in it",
                    SP_FAULT_STACK, small.room);
    say_and_die(small.task,
                "a page fault needs %u bytes of stack, and %zu are left on the signal stack of "
                "%zu that this thread has set up (sigaltstack): make it larger by %zu, or set "
                "none up and call sp_thread_begin",
                SP_FAULT_STACK, small.room, small.signal_stack, SP_FAULT_STACK - small.room);
}

/* Say so on another stack: there may be no room for that either. */
static __attribute__((noinline)) void die_elsewhere(const struct sp_task *task, size_t room,
                                                    size_t signal_stack)
{
    static bool dies;
    ucontext_t *end;

    check(room < SP_FAULT_STACK);
    while (__atomic_exchange_n(&dies, true, __ATOMIC_ACQ_REL))
        pause(); /* another thread says it, and ends the process */
    small.task = task;
    small.room = room;
    small.signal_stack = signal_stack;
    end = mmap(NULL, LAST_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (end == MAP_FAILED || getcontext(end) != 0)
        say_small();
    end->uc_stack.ss_sp = end + 1;
    end->uc_stack.ss_size = LAST_STACK - sizeof(*end);
    end->uc_link = NULL;
    makecontext(end, say_small, 0);
    setcontext(end);
}

void room_check(const struct sp_task *task, const ucontext_t *context)
{
    unsigned char *here = __builtin_frame_address(0);
    const stack_t *stack = &context->uc_stack; /* where one was set up, the handler runs on it */
    bool has_own = (stack->ss_flags & SS_DISABLE) == 0 && stack->ss_size > 0;
    size_t room = 0;

    check(!room_was_checked);
    room_was_checked = true;
    if (RUNNING_ON_VALGRIND)
        return;
    if (!has_own)
        room = ordinary_room(here);
    else if (here > (unsigned char *)stack->ss_sp) /* otherwise it has been left at its end */
        room = (size_t)(here - (unsigned char *)stack->ss_sp);
    if (room < SP_FAULT_STACK)
        die_elsewhere(task, room, has_own ? stack->ss_size : 0);
}
