#include "task/entry/room.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "task/state/say.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

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

void room_check(const struct sp_task *task)
{
    unsigned char *here = __builtin_frame_address(0);
    stack_t stack = {0};
    size_t room;

    check(!room_was_checked);
    room_was_checked = true;
    if (RUNNING_ON_VALGRIND || sigaltstack(NULL, &stack) != 0)
        return;
    if ((stack.ss_flags & SS_ONSTACK) == 0) {
        room = ordinary_room(here);
        if (room < SP_FAULT_STACK)
            say_and_die(task,
                        "a page fault needs %u bytes of stack, and this thread has about %zu left: "
                        "make its stack larger, or call sp_thread_begin in it",
                        SP_FAULT_STACK, room);
        return;
    }
    room = (size_t)(here - (unsigned char *)stack.ss_sp);
    if (room < SP_FAULT_STACK)
        say_and_die(task,
                    "a page fault needs %u bytes of stack, and %zu are left on the signal stack of "
                    "%zu that this thread has set up (sigaltstack): make it larger by %zu, or set "
                    "none up and call sp_thread_begin",
                    SP_FAULT_STACK, room, stack.ss_size, SP_FAULT_STACK - room);
}
