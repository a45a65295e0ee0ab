/* Alternate signal stacks: faults are handled on them, so that a thread whose own stack is short can
 * touch managed memory. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <selfpage/task.h>

#include "base/assert.h"
#include "task/effects/own_ring.h"
#include "task/entry/fault.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* Twice what the library, a policy and a refill callback may use together; sanitizers need more. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(SANITIZED)
#define STACK_SIZE ((size_t)512 * 1024)
#else
#define STACK_SIZE ((size_t)64 * 1024)
#endif

/* The alternate stack that this thread had before, if `own` belongs to this library. */
static __thread stack_t before;
static __thread void *own;

/* Have Valgrind extend the main thread's stack, the only one that grows, beyond what the program has
 * used of it. Valgrind cannot do that while it delivers a signal, and would have to where a function
 * with a large frame faults before it has written to the frame. */
static __attribute__((noinline)) void extend_stack(void)
{
    volatile unsigned char room[STACK_SIZE];

    for (size_t at = sizeof(room); at >= SP_PAGE_SIZE; at -= SP_PAGE_SIZE)
        room[at - SP_PAGE_SIZE] = 0;
}

int sp_thread_begin(struct sp_task *task)
{
    stack_t stack = {.ss_size = STACK_SIZE};

    (void)task;
    fault_unblock();
    /* Valgrind 3.19 loses track of a thread's stack if it switches threads inside a handler that runs
     * on another one, and then takes the thread's next frame for unaddressable. */
    if (RUNNING_ON_VALGRIND && gettid() == getpid())
        extend_stack();
    if (own != NULL || RUNNING_ON_VALGRIND)
        return 0;
    if (sigaltstack(NULL, &before) == 0 && (before.ss_flags & SS_DISABLE) == 0 &&
        before.ss_size >= STACK_SIZE)
        return 0;
    check(own == NULL && stack.ss_size >= SP_FAULT_STACK);
    stack.ss_sp = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return -ENOMEM;
    if (sigaltstack(&stack, NULL) != 0) {
        munmap(stack.ss_sp, STACK_SIZE);
        return -ENOMEM;
    }
    own = stack.ss_sp;
    return 0;
}

void sp_thread_end(struct sp_task *task)
{
    (void)task;
    own_ring_leave();
    if (own == NULL)
        return;
    check((before.ss_flags & SS_ONSTACK) == 0);
    sigaltstack(&before, NULL);
    munmap(own, STACK_SIZE);
    own = NULL;
}
