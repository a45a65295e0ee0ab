#include "task/effects/lost.h"

#include <string.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "task/effects/apart.h"
#include "task/effects/work.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* How long a SIGBUS waits for physmem to say what it means: some seconds in all. */
#define LOST_PAUSE_NS INT64_C(10000000)
#define LOST_TRIES    1000u

/* The SIGBUS that this thread is about. Initial-exec: reading it must not allocate. */
static __thread struct {
    sp_page page;
    uint64_t losses;
    uint32_t tries;
} bus __attribute__((tls_model("initial-exec")));

void lost_note(struct sp_task *task, const struct wire_message *message)
{
    uint64_t before;
    uint64_t lost;

    if (message->repossessed.container != task->container)
        return;
    apart_forbid(task);
    hold_take(task);
    check(message->repossessed.ranges_count <= WIRE_RANGES);
    check(message->type == WIRE_REPOSSESSED);
    before = task->stats->frames_lost;
    pager_debts_forgive(&task->pager, units_in(task, message->repossessed.frames));
    for (uint32_t i = 0; i < message->repossessed.ranges_count; i++) {
        const struct wire_range *range = &message->repossessed.ranges[i];
        uint32_t first = units_in(task, range->start);

        /* Of a page with a part gone, nothing is of use. */
        pager_lost(&task->pager, first,
                   units_in(task, range->start + range->count - 1) - first + 1);
    }
    lost = task->stats->frames_lost - before;
    work_carry_out(task);
    hold_release(task);
    apart_leave(task);
    check(lost <= task->stats->frames_lost);
    say(task, "physmem took %u frames, since a recall was missed; %llu of them were in use",
        message->repossessed.frames, (unsigned long long)lost);
    events_signal(task);
}

void lost_warned(struct sp_task *task, const struct wire_message *message)
{
    check(message->type == WIRE_WARNED);
    say(task,
        "warned by physmem: %u frames are overdue; physmem will extend the deadline %u more times",
        message->warned.missing, message->warned.left);
}

bool lost_possible(const struct sp_task *task)
{
    check(!__atomic_load_n(&task->may_lose, __ATOMIC_ACQUIRE) || task->container != 0);
    return __atomic_load_n(&task->may_lose, __ATOMIC_ACQUIRE);
}

void lost_window(struct sp_task *task, void *address)
{
    void *page = (void *)((uintptr_t)address & ~(uintptr_t)(SP_PAGE_SIZE - 1));

    check(units_page_at(task, address) == SP_NO_PAGE);
    if (mmap(page, SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        end_revoked(task);
}

void lost_wait(struct sp_task *task, sp_page page)
{
    uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
    uint64_t losses = __atomic_load_n(&task->stats->frames_lost, __ATOMIC_ACQUIRE);

    check(page < task->pager.config.pages && !hold_is_ours());
    if (bus.page != page || bus.losses != losses)
        bus.tries = 0;
    bus.page = page;
    bus.losses = losses;
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_LIVES || ++bus.tries > LOST_TRIES)
        end_revoked(task);
    events_wait(task, events, LOST_PAUSE_NS);
}

bool lost_in_the_end(struct sp_task *task, sp_page page)
{
    check(!hold_is_ours());
    for (uint32_t i = 0; i < LOST_TRIES; i++) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        bool lost;

        futex_lock_take(&task->lock);
        lost = pager_lost_has(&task->pager, page);
        futex_lock_release(&task->lock);
        if (lost || __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_LIVES)
            return lost;
        events_wait(task, events, LOST_PAUSE_NS);
    }
    return false;
}

/* Whether the task has no frame in the slots of an extent. */
static bool is_empty(struct sp_task *task, uint32_t index)
{
    uint32_t first = units_in(task, index * task->extent_pages);
    uint32_t end = units_in(task, (index + 1) * task->extent_pages);
    bool empty;

    check(index < task->extents_max && first <= end);
    futex_lock_take(&task->lock);
    empty = pager_slots_are_empty(&task->pager, first, end - first);
    futex_lock_release(&task->lock);
    return empty;
}

bool lost_extent_is_gone(struct sp_task *task, uint32_t index)
{
    check(index < task->extents_max);
    for (uint32_t i = 0; i < LOST_TRIES; i++) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);

        if (is_empty(task, index))
            return true;
        /* Contents may be on their way out of it, by stores of this thread. */
        if (task->has_swap && channel_poll(&task->swap) != 0)
            end_swap_gone(task);
        events_wait(task, events, LOST_PAUSE_NS);
    }
    return false;
}
