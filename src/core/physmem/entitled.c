/* What the policy server's table decides. All that it says is read once, and is only a wish: what
 * comes of it is at most what tasks can give and what was asked for. */
#include "core/physmem/control.h"
#include "core/physmem/internal.h"

bool control_decides(const struct physmem *physmem)
{
    const struct control_table *table = physmem->control.table;

    return physmem->control.state != PHYSMEM_UNCONTROLLED && table != NULL &&
           atomic_load_explicit(&table->decides, memory_order_relaxed) != 0;
}

/* What a task counts as having: at least what its contracts promise. */
static uint32_t base_of(const struct sp_arbiter_task *task)
{
    uint32_t commitment = task->guaranteed + task->leased;
    uint32_t has = task->held - task->owed;

    return has > commitment ? has : commitment;
}

/* Read what the table says of each candidate. */
static void entitlements_read(struct physmem *physmem, uint32_t count)
{
    const struct control *control = &physmem->control;

    bool lives = control->state == PHYSMEM_CONTROLLED;

    for (uint32_t i = 0; i < count; i++) {
        const struct sp_arbiter_task *task = &physmem->candidate[i];
        struct control_entitlement *says = &control->entitlement[i];
        uint32_t row = physmem->candidate_task[i]->row;
        bool said =
            row != NO_ROW && control_row_entitlement(&control->table->row[row], task->id, says);

        if (!said || (lives && says->basis != control_basis(task))) {
            memset(says, 0, sizeof(*says));
            says->entitled = lives ? base_of(task) : 0;
        }
        says->entitled = smaller(says->entitled, physmem->config.frames);
        if (says->entitled < task->guaranteed + task->leased)
            says->entitled = task->guaranteed + task->leased;
    }
}

/* Take up to `frames` frames more, in proportion to what each can give still (most[]), fractions in
 * order of id. Returns how many were not to be had. */
static uint32_t divide(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    const uint32_t *most = physmem->control.most;
    uint64_t sum = 0;
    uint32_t wanted = frames;

    for (uint32_t i = 0; i < count; i++)
        sum += most[i];
    for (uint32_t i = 0; i < count && sum > 0; i++) {
        uint32_t take = sum <= wanted ? most[i] : (uint32_t)((uint64_t)wanted * most[i] / sum);

        physmem->take[i] += take;
        frames -= take;
    }
    if (sum <= wanted)
        return frames;
    for (uint32_t i = 0; i < count && frames > 0; i++) {
        if (most[i] > (uint64_t)wanted * most[i] / sum) {
            physmem->take[i]++;
            frames--;
        }
    }
    return frames;
}

/* Take from those who have more than they are entitled to. */
static uint32_t take_beyond(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t base = base_of(&physmem->candidate[i]);
        uint32_t entitled = physmem->control.entitlement[i].entitled;

        physmem->control.most[i] =
            base > entitled ? smaller(base - entitled, physmem->candidate[i].recallable) : 0;
    }
    return divide(physmem, count, frames);
}

/* Take what was laid down for a shortage, step by step. */
static void take_laid_down(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    for (unsigned step = 0; step < CONTROL_STEPS && frames > 0; step++) {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t gives = smaller(physmem->control.entitlement[i].gives[step],
                                     physmem->candidate[i].recallable);

            physmem->control.most[i] = gives > physmem->take[i] ? gives - physmem->take[i] : 0;
        }
        frames = divide(physmem, count, frames);
    }
}

/* Of `frames` more, those that a candidate is entitled to. */
static uint32_t within_entitlement(const struct physmem *physmem, uint32_t i, uint32_t frames)
{
    uint32_t base = base_of(&physmem->candidate[i]);
    uint32_t entitled = physmem->control.entitlement[i].entitled;

    return entitled > base ? smaller(frames, entitled - base) : 0;
}

static bool others_want(const struct physmem *physmem, uint32_t count, uint32_t who)
{
    for (uint32_t i = 0; i < count; i++)
        if (i != who && physmem->candidate[i].wanted > 0)
            return true;
    return false;
}

uint32_t control_decide(struct physmem *physmem, uint32_t count,
                        const struct sp_arbiter_request *request)
{
    int64_t missing = -(int64_t)request->spare - request->coming;
    uint32_t grant = 0;
    uint32_t left;

    entitlements_read(physmem, count);
    if (request->event == SP_ARBITER_SHORT) {
        left = take_beyond(physmem, count, request->frames);
        take_laid_down(physmem, count, left);
        return 0;
    }
    if (request->event == SP_ARBITER_EXTRA) {
        grant = within_entitlement(physmem, request->task, request->frames);
        missing += grant;
    } else {
        for (uint32_t i = 0; i < count; i++)
            missing += within_entitlement(physmem, i, physmem->candidate[i].wanted);
    }
    /* Frames are recalled only if somebody wants them who is entitled to them. */
    if (missing > 0 && (grant > 0 || request->event == SP_ARBITER_TICK))
        take_beyond(physmem, count, missing > UINT32_MAX ? UINT32_MAX : (uint32_t)missing);
    /* What nobody else wants is not left lying about. */
    if (request->event == SP_ARBITER_EXTRA && !others_want(physmem, count, request->task))
        return request->frames;
    return grant;
}

uint32_t control_available(struct physmem *physmem, uint32_t count,
                           const struct sp_arbiter_request *request)
{
    uint32_t i = request->task;
    uint32_t spare = request->spare > 0 ? (uint32_t)request->spare : 0;
    uint64_t there = (uint64_t)spare + request->coming;
    uint32_t grant;

    entitlements_read(physmem, count);
    grant = within_entitlement(physmem, i, request->frames);
    if (grant > there) {
        there += grant - take_beyond(physmem, count, grant);
        grant = there < grant ? (uint32_t)there : grant;
    }
    if (spare > grant && !others_want(physmem, count, i))
        grant = smaller(spare, request->frames);
    return base_of(&physmem->candidate[i]) + grant;
}

/* Tell those who were refused extra frames, and are entitled to some now that are there: if they get
 * all they asked for, or if they were not told of so many before. (Otherwise who asks for more than
 * there is, and takes no less, would ask again and again.) */
static void tell_entitled(struct physmem *physmem, uint32_t count)
{
    int32_t spare = arbiter_spare(physmem, 0);

    if (physmem->pending_first != NULL)
        return;
    for (uint32_t i = 0; i < count && spare > 0; i++) {
        struct physmem_task *task = physmem->candidate_task[i];
        uint32_t entitled = physmem->control.entitlement[i].entitled;
        uint32_t more = within_entitlement(physmem, i, physmem->candidate[i].wanted);

        if (!task->wants_extra || more == 0)
            continue;
        task->told = smaller(task->told, entitled);
        if (entitled == task->told &&
            (more < physmem->candidate[i].wanted || (uint32_t)spare < more))
            continue;
        task->told = entitled;
        spare -= (int32_t)smaller(more, (uint32_t)spare);
        extra_tell(physmem, task);
    }
}

void physmem_control_entitled(struct physmem *physmem, uint64_t now)
{
    physmem_advance(physmem, now);
    physmem->control.rung = false;
    physmem->control.entitlements++;
    availability_changed(physmem);
    if (control_decides(physmem)) {
        arbiter_tick(physmem);
        tell_entitled(physmem, physmem->tasks_there);
    }
    physmem_settle(physmem);
}
