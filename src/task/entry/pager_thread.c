/* Faults in a thread of their own, on request: the handler hands the fault over and sleeps. The
 * policy and the refill callbacks then run in ordinary thread context. */
#include "task/entry/pager_thread.h"

#include <string.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/state/guard.h"

struct handed_fault {
    struct handed_fault *next;
    const struct fault *fault;
    bool in_order;
    uint32_t done;
};

static void *pager_main(void *argument)
{
    struct sp_task *task = argument;

    for (;;) {
        uint32_t word = __atomic_load_n(&task->fault_queue_word, __ATOMIC_ACQUIRE);
        struct handed_fault *fault =
            __atomic_exchange_n(&task->fault_queue, NULL, __ATOMIC_ACQ_REL);

        if (fault == NULL) {
            if (__atomic_load_n(&task->stopping, __ATOMIC_ACQUIRE))
                return NULL;
            futex_wait(&task->fault_queue_word, word, -1);
        }
        while (fault != NULL) {
            struct handed_fault *next = fault->next;

            check(fault->done == 0);
            fault->in_order = serve_fault(task, fault->fault);
            __atomic_store_n(&fault->done, 1, __ATOMIC_RELEASE);
            /* The fault may be gone with its thread's stack: the address alone is used. */
            futex_wake(&fault->done, 1);
            fault = next;
        }
    }
}

bool pager_thread_fault(struct sp_task *task, const struct fault *served)
{
    struct handed_fault fault = {.fault = served};

    fault.next = __atomic_load_n(&task->fault_queue, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&task->fault_queue, &fault.next, &fault, true,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        continue;
    __atomic_add_fetch(&task->fault_queue_word, 1, __ATOMIC_SEQ_CST);
    futex_wake(&task->fault_queue_word, 1);
    while (__atomic_load_n(&fault.done, __ATOMIC_ACQUIRE) == 0)
        futex_wait(&fault.done, 0, -1);
    check(fault.done == 1);
    return fault.in_order;
}

int pager_thread_start(struct sp_task *task, struct sp_error *error)
{
    struct guard guard;
    int result;

    check(task->fault_queue == NULL);
    guard_begin(&guard);
    result = pthread_create(&task->pager_thread, NULL, pager_main, task);
    guard_end(&guard);
    if (result != 0)
        return error_set(error, result, "cannot start the pager thread: %s", strerror(result));
    return 0;
}

void pager_thread_stop(struct sp_task *task)
{
    __atomic_store_n(&task->stopping, true, __ATOMIC_RELEASE);
    __atomic_add_fetch(&task->fault_queue_word, 1, __ATOMIC_SEQ_CST);
    futex_wake(&task->fault_queue_word, 1);
    pthread_join(task->pager_thread, NULL);
    check(task->fault_queue == NULL);
}
