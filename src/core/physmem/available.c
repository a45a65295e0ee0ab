/* How much a task could have: asked for, or told when it changes.
 *
 * The figure is what the task would end up with if it asked now, for all that its contracts allow,
 * and nobody else asked for anything or gave anything up unasked: within its commitment, all; beyond
 * it, what is there above the watermark, or what the arbiter would grant it, frames recalled in its
 * favour included.
 *
 * Watchers are looked at when frames have changed hands, contracts have changed, or frames run
 * short; a few at each input, and the rest a moment later, so that no input costs more for there
 * being many of them. A watcher that has not yet said that it heard the last message is not told
 * another: physmem neither waits for it nor piles messages up. */
#include "core/physmem/internal.h"

/* Watchers looked at in one go, and how long after it the next go comes. */
#define LOOK_BATCH 8u
#define LOOK_NS    UINT64_C(1000000)

int availability_start(struct physmem *physmem)
{
    physmem->look.purpose = PURPOSE_LOOK;
    return deadlines_reserve(&physmem->deadlines, 1);
}

void availability_end(struct physmem *physmem)
{
    deadline_stop(&physmem->deadlines, &physmem->look);
}

/* Frames that would have to come back for those who wait, and to fill up to the watermark. */
static uint32_t frames_short(const struct physmem *physmem)
{
    uint64_t wanted = (uint64_t)physmem->watermark + physmem->waiting;
    uint32_t there = frame_table_available(&physmem->frames);

    return wanted > there ? smaller((uint32_t)(wanted - there), physmem->config.frames) : 0;
}

/* What the task could have beyond `base`, which it has or is promised. */
static uint32_t could_grow(struct physmem *physmem, struct physmem_task *task, uint32_t base)
{
    uint32_t commitment = task_commitment(task);
    uint32_t within = commitment > task->held ? commitment - task->held : 0;
    uint32_t beyond = base > commitment ? base - commitment : 0;
    uint32_t most = smaller(task->extra, task->limit.extra);
    uint32_t allowance = most > beyond ? most - beyond : 0;
    uint32_t available = frame_table_available(&physmem->frames);
    uint32_t kept = physmem->watermark + within;
    uint32_t spare = available > kept ? available - kept : 0;
    uint32_t figure;

    if (allowance == 0 || task->owed > 0 || physmem->pending_first != NULL)
        return 0;
    if (!arbiter_grants(physmem) || (spare >= allowance && physmem->now >= physmem->wanted_until))
        return smaller(spare, allowance);
    figure = arbiter_available(physmem, task, within, allowance);
    return figure > base ? smaller(figure - base, allowance) : 0;
}

/* The figures, but for what it could have beyond what it keeps and is promised. */
static struct physmem_availability availability_base(const struct physmem *physmem,
                                                     const struct physmem_task *task)
{
    uint32_t commitment = task_commitment(task);
    uint32_t kept = task->held - task->owed;

    return (struct physmem_availability){
        .available = kept > commitment ? kept : commitment,
        .held = task->held,
        .promised = commitment,
        .pressure = frames_short(physmem),
    };
}

void physmem_get_availability(struct physmem *physmem, struct physmem_task *task,
                              struct physmem_availability *availability)
{
    *availability = availability_base(physmem, task);
    availability->available += could_grow(physmem, task, availability->available);
}

/* ---- Watchers ---- */

static void watch_begin(struct physmem *physmem, struct physmem_task *task)
{
    if (task->watches)
        return;
    task->watches = true;
    task->unheard = false;
    task->prev_watching = NULL;
    task->next_watching = physmem->watching;
    if (physmem->watching != NULL)
        physmem->watching->prev_watching = task;
    physmem->watching = task;
}

void availability_unwatch(struct physmem *physmem, struct physmem_task *task)
{
    if (!task->watches)
        return;
    if (physmem->look_next == task)
        physmem->look_next = task->next_watching;
    if (task->next_watching != NULL)
        task->next_watching->prev_watching = task->prev_watching;
    if (task->prev_watching != NULL)
        task->prev_watching->next_watching = task->next_watching;
    else
        physmem->watching = task->next_watching;
    task->watches = false;
}

static void tell(struct physmem *physmem, struct physmem_task *task,
                 const struct physmem_availability *availability)
{
    task->heard = *availability;
    task->unheard = true;
    physmem_emit(physmem, PHYSMEM_SEND_AVAILABILITY, task)->availability = *availability;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a < b ? b - a : a - b;
}

/* Tell one watcher, if there is news; else note what would have to move for there to be some. Not
 * after every single frame, though: the last quarter may come on top. */
static void look_at(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_availability now;
    uint32_t changed, left;

    if (task->unheard || !task->control)
        return;
    physmem_get_availability(physmem, task, &now);
    changed = distance(now.available, task->heard.available);
    left = task->hysteresis - smaller(changed, task->hysteresis);
    if (left < task->hysteresis / 4)
        left = task->hysteresis / 4;
    physmem->watch_step = smaller(physmem->watch_step, left > 0 ? left : 1);
    if (changed >= task->hysteresis || (now.pressure > 0 && task->heard.pressure == 0) ||
        (task->heard.pressure > 0 && !physmem->pressed))
        tell(physmem, task, &now);
}

static void look_on(struct physmem *physmem)
{
    for (unsigned i = 0; i < LOOK_BATCH && physmem->look_next != NULL; i++) {
        struct physmem_task *task = physmem->look_next;

        physmem->look_next = task->next_watching;
        look_at(physmem, task);
    }
}

void availability_changed(struct physmem *physmem)
{
    physmem->moved = UINT32_MAX;
}

void availability_settle(struct physmem *physmem)
{
    uint32_t there = frame_table_available(&physmem->frames);
    uint32_t moved = distance(there, physmem->available);
    bool pressed = physmem->pressed;

    /* There is pressure from the first frame below the watermark until twice as many are there. */
    if (there < physmem->watermark + physmem->waiting)
        physmem->pressed = true;
    else if (there >= 2 * physmem->watermark + physmem->waiting)
        physmem->pressed = false;
    if (physmem->watching == NULL)
        return;
    physmem->moved = moved < UINT32_MAX - physmem->moved ? physmem->moved + moved : UINT32_MAX;
    if (physmem->moved >= physmem->watch_step || physmem->pressed != pressed) {
        physmem->moved = 0;
        physmem->watch_step = UINT32_MAX;
        physmem->look_next = physmem->watching;
    }
    look_on(physmem);
}

void availability_later(struct physmem *physmem)
{
    bool more = physmem->look_next != NULL || physmem->moved >= physmem->watch_step;

    if (physmem->watching == NULL || !more)
        deadline_stop(&physmem->deadlines, &physmem->look);
    else if (!deadline_is_running(&physmem->look))
        deadline_start(&physmem->deadlines, &physmem->look, physmem->now + LOOK_NS);
}

void availability_before_recall(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    struct physmem_availability now = availability_base(physmem, task);

    if (!task->watches || task->unheard || !task->control || task->heard.pressure > 0)
        return;
    now.available -= smaller(frames, now.available - now.promised); /* what it keeps */
    if (now.pressure < frames)
        now.pressure = frames;
    tell(physmem, task, &now);
}

/* ---- Requests ---- */

static void reply_availability(struct physmem *physmem, const struct physmem_request *request,
                               const struct physmem_availability *availability)
{
    physmem_reply(physmem, PHYSMEM_REPLY_AVAILABILITY, request, 0, NULL)->availability =
        *availability;
}

void physmem_ask_availability(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request)
{
    struct physmem_availability availability;

    if (!physmem_begin(physmem, now, request))
        return;
    physmem_get_availability(physmem, request->task, &availability);
    reply_availability(physmem, request, &availability);
}

void physmem_watch_availability(struct physmem *physmem, uint64_t now,
                                const struct physmem_request *request, bool on, uint32_t hysteresis)
{
    struct physmem_task *task = request->task;
    uint32_t least = physmem->config.frames / PHYSMEM_HYSTERESIS_SHARE;

    if (!physmem_begin(physmem, now, request))
        return;
    if (on) {
        task->hysteresis = hysteresis > least ? hysteresis : least > 0 ? least : 1;
        watch_begin(physmem, task);
        physmem->watch_step = smaller(physmem->watch_step, task->hysteresis);
    } else {
        availability_unwatch(physmem, task);
    }
    physmem_get_availability(physmem, task, &task->heard);
    reply_availability(physmem, request, &task->heard);
}

void physmem_availability_heard(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    physmem_advance(physmem, now);
    if (!task->watches || !task->unheard)
        return;
    task->unheard = false;
    look_at(physmem, task);
}
