#include "task/entry/serve.h"

#include "base/assert.h"
#include "task/effects/perform.h"
#include "task/state/doing.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"

/* How long a fault may wait for physmem to have a frame before the task says what it waits for. */
#define GROWTH_PAUSE_NS   INT64_C(5000000)
#define GROWTH_WARN_AFTER 1000u

#define STORE_PAUSE_NS INT64_C(1000000)

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
        events_wait(task, events, STORE_PAUSE_NS);
    else if (channel_wait_progress(&task->swap, progress) != 0)
        end_swap_gone(task);
}

static void wait_for_growth(struct sp_task *task, uint32_t events, uint32_t *pauses)
{
    if (++*pauses == GROWTH_WARN_AFTER)
        say(task, "waiting for frames: it holds none that could be evicted, and physmem has "
                       "no extra frames to give");
    events_wait(task, events, GROWTH_PAUSE_NS);
    hold_take(task);
    pager_growth_possible(&task->pager);
    hold_release(task);
}

void serve_fault(struct sp_task *task, sp_page page, bool write)
{
    struct work work;
    uint32_t pauses = 0;
    bool waited = false;

    ensure(!hold_is_ours());
    doing_serve(page);
    for (;;) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        uint32_t progress = channel_progress(&task->swap);
        bool brought_in;
        enum pager_verdict verdict;

        work_clear(&work);
        hold_take(task);
        verdict = pager_fault(&task->pager, page, write);
        if (verdict == PAGER_WAIT_STORE && !waited) {
            task->stats->waits++;
            waited = true;
        }
        work_collect(task, &work);
        hold_release(task);
        brought_in = work.loads > 0 || work.refill;
        perform_work(task, &work, &task->swap, true, write);
        switch (verdict) {
        case PAGER_CALL:
            if (!brought_in)
                break;
            /* Mapped; should rights have been short, the access faults again. */
            /* fall through */
        case PAGER_DONE:
        case PAGER_NO_PAGE:
            doing_serve(SP_NO_PAGE);
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
            say_and_die(task, "no frame can be freed for a page fault: %s",
                     pager_fault_stuck_reason(&task->pager));
        case PAGER_DEAD:
            say_and_die(task,
                     "a page was touched whose only copy physmem has taken, since a recall was "
                     "missed: page %u",
                     page);
        }
    }
}
