#include "core/physmem/availability.h"

#include "core/physmem/answer.h"
#include "core/physmem/candidates.h"
#include "core/physmem/emit.h"
#include "core/physmem/entitled.h"
#include "core/physmem/input.h"

/* Watchers looked at in one go, and how long after it the next go comes. */
#define LOOK_BATCH 8u
#define LOOK_NS    UINT64_C(1000000)

int availability_start(struct physmem *physmem)
{
    check(!deadline_is_running(&physmem->look));
    physmem->look.purpose = PURPOSE_LOOK;
    return deadlines_reserve(&physmem->deadlines, 1);
}

void availability_end(struct physmem *physmem)
{
    ensure(physmem->watching == NULL);
    deadlines_stop(&physmem->deadlines, &physmem->look);
}

/* ---- The figure ---- */

/* Frames that would have to come back for requests that wait, and to fill up to the watermark. */
static uint32_t frames_short(const struct physmem *physmem)
{
    uint64_t wanted = (uint64_t)physmem->watermark + physmem->waiting + physmem->upstream.due;
    uint32_t there = frames_available(physmem);

    /* A request that is planned again is in the queue, and waits for nothing at that moment. */
    check(physmem->waiting == 0 || physmem->pending_first != NULL);
    return wanted > there ? smaller((uint32_t)(wanted - there), physmem->config.frames) : 0;
}

/* What the table or the arbiter would let the task have in all, if it asked for `frames` beyond its
 * commitment; it has yet to claim `within` frames of that commitment. */
static uint32_t would_get(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                          uint32_t frames)
{
    const struct sp_arbiter *arbiter = physmem->config.arbiter;
    struct sp_arbiter_request request = {
        .event = SP_ARBITER_EXTRA,
        .frames = frames,
        .spare = candidates_spare(physmem, within),
        .coming = frames_coming(physmem),
    };
    uint32_t count = candidates_list(physmem, task, &request.task);
    struct sp_arbiter_task *asking = &physmem->candidate[request.task];

    check(asking->id == task->id);
    /* As if it had what it is promised. */
    asking->held += within;
    asking->wanted = frames;
    if (entitled_decides(physmem))
        return entitled_available(physmem, count, &request);
    if (arbiter->available != NULL)
        return arbiter->available(physmem->arbiter_self, physmem->now, physmem->candidate, count,
                                  &request);
    return asking->held - asking->owed + (request.spare > 0 ? (uint32_t)request.spare : 0);
}

/* Frames that the task could have beyond `base`, which it has or is promised. */
static uint32_t could_grow(struct physmem *physmem, struct physmem_task *task, uint32_t base)
{
    uint32_t commitment = task_commitment(task);
    uint32_t within = commitment > task->held ? commitment - task->held : 0;
    uint32_t beyond = base > commitment ? base - commitment : 0;
    uint32_t most = smaller(task->extra, task->limit.extra);
    uint32_t allowance = most > beyond ? most - beyond : 0;
    uint32_t available = frames_available(physmem);
    uint32_t kept = physmem->watermark + within;
    uint32_t spare = available > kept ? available - kept : 0;
    uint32_t figure;

    check(base >= task_commitment(task));
    if (allowance == 0 || task->owed > 0 || physmem->pending_first != NULL ||
        physmem->upstream.due > 0)
        return 0;
    if (!entitled_or_arbiter_grants(physmem) ||
        (spare >= allowance && physmem->now >= physmem->wanted_until))
        return smaller(spare, allowance);
    figure = would_get(physmem, task, within, allowance);
    return figure > base ? smaller(figure - base, allowance) : 0;
}

/* The figures, but for what it could have beyond what it keeps and is promised. */
static struct physmem_availability base_figures(const struct physmem *physmem,
                                                const struct physmem_task *task)
{
    uint32_t commitment = task_commitment(task);
    uint32_t kept = task->held - task->owed;

    check(task->owed <= task->held);
    return (struct physmem_availability){
        .available = kept > commitment ? kept : commitment,
        .held = task->held,
        .promised = commitment,
        .pressure = frames_short(physmem),
    };
}

/* Uses physmem's tables of candidates, but changes nothing. */
static struct physmem_availability figures(struct physmem *physmem, struct physmem_task *task)
{
    struct physmem_availability availability = base_figures(physmem, task);

    ensure(task->state == STANDING_THERE);
    availability.available += could_grow(physmem, task, availability.available);
    check(availability.available >= availability.promised);
    return availability;
}

/* ---- Watchers ---- */

static void watch_begin(struct physmem *physmem, struct physmem_task *task)
{
    check(task->hysteresis > 0);
    if (task->watches)
        return;
    check(task->state == STANDING_THERE);
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
    check(physmem->look_next != task && physmem->watching != task);
}

static void tell(struct physmem *physmem, struct physmem_task *task,
                 const struct physmem_availability *availability)
{
    ensure(!task->unheard && task->control);
    task->heard = *availability;
    task->unheard = true;
    emit_effect(physmem, PHYSMEM_SEND_AVAILABILITY, task)->availability = *availability;
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
    check(task->hysteresis > 0);
    now = figures(physmem, task);
    changed = distance(now.available, task->heard.available);
    left = task->hysteresis - smaller(changed, task->hysteresis);
    check(left <= task->hysteresis);
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

        check(task->watches);
        physmem->look_next = task->next_watching;
        look_at(physmem, task);
    }
}

void availability_settle(struct physmem *physmem)
{
    uint32_t there = frames_available(physmem);
    uint32_t moved = distance(there, physmem->available);
    bool pressed = physmem->pressed;

    check(physmem->watching != NULL || physmem->look_next == NULL);
    /* There is pressure from the first frame below the watermark until twice as many are there. */
    if (there < physmem->watermark + physmem->waiting + physmem->upstream.due)
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
    bool running = deadline_is_running(&physmem->look);
    bool more = physmem->watching != NULL &&
                (physmem->look_next != NULL || physmem->moved >= physmem->watch_step);

    if (running && !more)
        deadlines_stop(&physmem->deadlines, &physmem->look);
    else if (!running && more)
        deadlines_start(&physmem->deadlines, &physmem->look, physmem->now + LOOK_NS);
    check(deadline_is_running(&physmem->look) == more);
}

void availability_before_recall(struct physmem *physmem, struct physmem_task *task, uint32_t frames)
{
    struct physmem_availability now = base_figures(physmem, task);

    check(frames > 0);
    if (!task->watches || task->unheard || !task->control || task->heard.pressure > 0)
        return;
    check(now.available >= now.promised);
    now.available -= smaller(frames, now.available - now.promised); /* what it keeps */
    if (now.pressure < frames)
        now.pressure = frames;
    tell(physmem, task, &now);
}

/* ---- Requests ---- */

static void reply(struct physmem *physmem, const struct physmem_request *request,
                  const struct physmem_availability *availability)
{
    check(availability->available >= availability->promised);
    emit_reply(physmem, PHYSMEM_REPLY_AVAILABILITY, request, 0, NULL)->availability = *availability;
}

void physmem_availability_ask(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request)
{
    struct physmem_availability availability;

    if (!input_begin(physmem, now, request))
        return;
    availability = figures(physmem, request->task);
    reply(physmem, request, &availability);
}

void physmem_availability_watch(struct physmem *physmem, uint64_t now,
                                const struct physmem_request *request, bool on, uint32_t hysteresis)
{
    struct physmem_task *task = request->task;
    uint32_t least = physmem->config.frames / PHYSMEM_HYSTERESIS_SHARE;

    if (!input_begin(physmem, now, request))
        return;
    if (on) {
        task->hysteresis = hysteresis > least ? hysteresis : least > 0 ? least : 1;
        watch_begin(physmem, task);
        physmem->watch_step = smaller(physmem->watch_step, task->hysteresis);
    } else {
        availability_unwatch(physmem, task);
    }
    check(task->watches == on);
    task->heard = figures(physmem, task);
    reply(physmem, request, &task->heard);
}

void physmem_availability_heard(struct physmem *physmem, uint64_t now, struct physmem_task *task)
{
    input_advance(physmem, now);
    check(!task->watches || task->hysteresis > 0);
    if (!task->watches || !task->unheard)
        return;
    task->unheard = false;
    look_at(physmem, task);
}
