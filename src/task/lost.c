/* Frames that physmem takes by force (breach=repossess, or penalty in the end), and those it is asked
 * to spare. The extent is cut to nothing at once; the message that says so comes a moment later. In
 * between, an access to one of its pages is a SIGBUS, and waits for the message; the library's own
 * writes to its window go nowhere. */
#include "task/units.h"

#include <string.h>
#include <sys/mman.h>

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
    struct work work;
    uint64_t before;
    uint64_t lost;

    if (message->repossessed.container != task->container)
        return;
    task_enter(task, &work, NULL);
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
    task_leave(task, NULL);
    task_say(task, "physmem took %u frames, since a recall was missed; %llu of them were in use",
             message->repossessed.frames, (unsigned long long)lost);
    task_signal_event(task);
}

void lost_warned(struct sp_task *task, const struct wire_message *message)
{
    task_say(task, "warned by physmem: %u frames are overdue; it will forbear %u times more",
             message->warned.missing, message->warned.left);
}

bool lost_possible(const struct sp_task *task)
{
    return __atomic_load_n(&task->may_lose, __ATOMIC_ACQUIRE);
}

void lost_window(struct sp_task *task, void *address)
{
    void *page = (void *)((uintptr_t)address & ~(uintptr_t)(SP_PAGE_SIZE - 1));

    if (mmap(page, SP_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
             -1, 0) == MAP_FAILED)
        task_die_revoked(task);
}

void lost_wait(struct sp_task *task, sp_page page)
{
    uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
    uint64_t losses = __atomic_load_n(&task->stats->frames_lost, __ATOMIC_ACQUIRE);

    if (bus.page != page || bus.losses != losses)
        bus.tries = 0;
    bus.page = page;
    bus.losses = losses;
    if (__atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_LIVES || ++bus.tries > LOST_TRIES)
        task_die_revoked(task);
    task_wait_event(task, events, LOST_PAUSE_NS);
}

bool lost_in_the_end(struct sp_task *task, sp_page page)
{
    for (uint32_t i = 0; i < LOST_TRIES; i++) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);
        bool lost;

        futex_lock_take(&task->lock);
        lost = pager_lost_has(&task->pager, page);
        futex_lock_release(&task->lock);
        if (lost || __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_LIVES)
            return lost;
        task_wait_event(task, events, LOST_PAUSE_NS);
    }
    return false;
}

/* Whether the task has no frame in the slots of an extent. */
static bool is_empty(struct sp_task *task, uint32_t index)
{
    uint32_t first = units_in(task, index * task->extent_pages);
    uint32_t end = units_in(task, (index + 1) * task->extent_pages);
    uint32_t slots = task->pager.config.slots;
    bool empty = true;

    futex_lock_take(&task->lock);
    for (uint32_t i = first; i < end && i < slots; i++)
        empty = empty && task->pager.slot[i].state == SLOT_HOLE;
    futex_lock_release(&task->lock);
    return empty;
}

bool lost_extent_is_gone(struct sp_task *task, uint32_t index)
{
    for (uint32_t i = 0; i < LOST_TRIES; i++) {
        uint32_t events = __atomic_load_n(&task->events, __ATOMIC_ACQUIRE);

        if (is_empty(task, index))
            return true;
        task_wait_event(task, events, LOST_PAUSE_NS);
    }
    return false;
}

/* ---- What physmem is asked to spare ---- */

static uint32_t find(const struct sp_task *task, sp_page page)
{
    uint32_t i = 0;

    while (i < task->vitals && task->vital[i] != page)
        i++;
    return i;
}

void vital_pinned(struct sp_task *task, sp_page page)
{
    if (find(task, page) == task->vitals && task->vitals < TASK_VITALS)
        task->vital[task->vitals++] = page;
}

void vital_unpinned(struct sp_task *task, sp_page page)
{
    uint32_t i = find(task, page);

    if (i < task->vitals && task->pager.page[page].pins == 0)
        task->vital[i] = task->vital[--task->vitals];
}

void vital_announce(struct sp_task *task)
{
    struct wire_message message = {.type = WIRE_VITAL};
    struct channel_batch batch;
    struct work work;
    sigset_t saved;
    uint32_t count = 0;

    if (!lost_possible(task))
        return;
    message.vital.container = task->container;
    task_enter(task, &work, &saved);
    for (uint32_t i = 0; i < task->vitals; i++) {
        const struct pager_page *page = &task->pager.page[task->vital[i]];

        if (page->state == PAGE_RESIDENT)
            message.vital.ranges[count++] =
                (struct wire_range){.start = units_base(task, page->slot), .count = 1};
    }
    message.vital.ranges_count = (uint16_t)count;
    task_leave(task, NULL);
    batch.size = 0;
    channel_add(&batch, &message);
    /* Should physmem be gone, that is seen elsewhere. */
    (void)channel_send(&task->physmem, &batch, -1);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
}
