#include "task/entry/serve.h"

#include "base/assert.h"
#include "task/effects/perform.h"
#include "task/effects/sites.h"
#include "task/entry/supply.h"
#include "task/state/doing.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/say.h"

/* How long a fault may wait for physmem to have a frame before the task says what it waits for. */
#define GROWTH_PAUSE_NS   INT64_C(5000000)
#define GROWTH_WARN_AFTER 1000u

#define STORE_PAUSE_NS INT64_C(1000000)

static void wait_for_store(struct sp_task *task, uint32_t events, uint32_t progress)
{
    bool ours = false;

    check(!hold_is_ours());
    futex_lock_take(&task->lock);
    for (uint32_t i = 0; i < TASK_STORE_BATCHES; i++)
        ours |= task->batch[i].channel == &task->swap;
    futex_lock_release(&task->lock);
    if (!ours)
        /* The control thread reads the answers to its own stores; another thread may not have sent
         * its stores yet, and will not read the answers: look again soon. */
        events_wait(task, events, STORE_PAUSE_NS);
    else if (channel_wait_progress(&task->swap, progress) != 0)
        end_swap_gone(task);
}

static void wait_for_growth(struct sp_task *task, uint32_t events, uint32_t *pauses)
{
    check(!hold_is_ours());
    if (++*pauses == GROWTH_WARN_AFTER)
        say(task, "waiting for frames: it holds none that could be evicted, and physmem has "
                  "no extra frames to give");
    events_wait(task, events, GROWTH_PAUSE_NS);
    hold_take(task);
    pager_growth_possible(&task->pager);
    hold_release(task);
}

/* Ask the pager, and note what that took for the instruction. */
static __attribute__((noinline)) enum pager_verdict ask_watched(struct sp_task *task,
                                                                const struct fault *fault)
{
    struct sites_moment before;
    enum pager_verdict verdict;

    check(hold_is_ours() && task->sites != NULL);
    sites_before(task, fault->page, &before);
    verdict = pager_fault(&task->pager, fault->page, fault->write);
    sites_after(task, fault->page, fault->code, &before);
    return verdict;
}

/* Ask the pager once; `work` then holds what the task must do with messages. */
static enum pager_verdict ask(struct sp_task *task, const struct fault *fault, struct work *work)
{
    enum pager_verdict verdict;

    work_clear(work);
    hold_take(task);
    if (fault->kept > 0)
        pager_evict_keep(&task->pager, fault->keep, fault->kept);
    check(fault->kept <= PAGER_KEPT_MOST);
    verdict = __builtin_expect(task->sites == NULL, 1)
                  ? pager_fault(&task->pager, fault->page, fault->write)
                  : ask_watched(task, fault);
    if (verdict == PAGER_DONE && task->pager.effects_end == 0)
        verdict = PAGER_NO_PAGE; /* nothing to do */
    work_collect(task, work);
    hold_release(task);
    return verdict;
}

/* Go on after the pager has asked for something, or for patience. A function of its own: most soft faults do without
 * its registers. */
static __attribute__((noinline)) void serve_on(struct sp_task *task, const struct fault *fault,
                                               struct work *work, enum pager_verdict verdict,
                                               uint32_t events, uint32_t progress)
{
    uint32_t pauses = 0;
    bool waited = false;

    check(!hold_is_ours());
    for (;;) {
        bool brought_in = work->loads > 0 || work->refill;

        if (verdict == PAGER_WAIT_STORE && !waited) {
            __atomic_add_fetch(&task->stats->waits, 1, __ATOMIC_RELAXED);
            waited = true;
        }
        perform_work(task, work, &task->swap, true, fault->write);
        switch (verdict) {
        case PAGER_CALL:
            if (!brought_in)
                break;
            /* Mapped; should rights have been short, the access faults again. */
            /* fall through */
        case PAGER_DONE:
        case PAGER_NO_PAGE:
            return;
        case PAGER_WAIT:
            events_wait(task, events, -1);
            break;
        case PAGER_WAIT_STORE:
            wait_for_store(task, events, progress);
            break;
        case PAGER_WAIT_GROWTH:
            wait_for_growth(task, events, &pauses);
            break;
        case PAGER_STUCK:
            if (supply_yield(task))
                break;
            say_and_die(task, "no frame can be freed for a page fault: %s",
                        pager_fault_stuck_reason(&task->pager));
        case PAGER_DEAD:
            say_and_die(task,
                        "a page was touched whose only copy physmem has taken, since a recall was "
                        "missed: page %u",
                        fault->page);
        }
        events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        progress = channel_progress(&task->swap);
        verdict = ask(task, fault, work);
    }
}

bool serve_fault(struct sp_task *task, const struct fault *fault)
{
    uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
    uint32_t progress = channel_progress(&task->swap);
    enum pager_verdict verdict;
    struct work work;

    check(!hold_is_ours() && doing_serving() == SP_NO_PAGE);
    doing_serve(fault->page);
    verdict = ask(task, fault, &work);
    if ((verdict != PAGER_DONE && verdict != PAGER_NO_PAGE) || !work_is_empty(&work)) {
        /* From here on there are cancellation points. */
        int cancel = guard_forbid_cancel();

        serve_on(task, fault, &work, verdict, events, progress);
        doing_serve(SP_NO_PAGE);
        guard_permit_cancel(cancel);
        return false;
    }
    doing_serve(SP_NO_PAGE);
    return verdict == PAGER_NO_PAGE;
}
