#include "core/physmem/entitled.h"

bool entitled_decides(const struct physmem *physmem)
{
    const struct control_table *table = physmem->policyserver.table;

    return physmem->policyserver.state != PHYSMEM_UNCONTROLLED && table != NULL &&
           atomic_load_explicit(&table->decides, memory_order_relaxed) != 0;
}

bool entitled_or_arbiter_grants(const struct physmem *physmem)
{
    return entitled_decides(physmem) || (physmem->config.arbiter->flags & SP_ARBITER_GRANTS) != 0;
}

/* What a task counts as having: at least what its contracts promise. */
static uint32_t base_of(const struct sp_arbiter_task *task)
{
    uint32_t commitment = task->guaranteed + task->leased;
    uint32_t has = task->held - task->owed;

    check(task->owed <= task->held);
    return has > commitment ? has : commitment;
}

/* Read what the table says of each candidate. */
static void entitlements_read(struct physmem *physmem, uint32_t count)
{
    const struct policyserver_state *server = &physmem->policyserver;
    bool lives = server->state == PHYSMEM_CONTROLLED;

    ensure(count <= server->entitlement_capacity);
    for (uint32_t i = 0; i < count; i++) {
        const struct sp_arbiter_task *task = &physmem->candidate[i];
        struct control_entitlement *says = &server->entitlement[i];
        uint32_t row = physmem->candidate_task[i]->row;
        bool said =
            row != NO_ROW && control_table_entitlement(&server->table->row[row], task->id, says);

        if (!said || (lives && says->basis != control_table_basis(task))) {
            memset(says, 0, sizeof(*says));
            says->entitled = lives ? base_of(task) : 0;
        }
        says->entitled = smaller(says->entitled, physmem->config.frames);
        if (says->entitled < task->guaranteed + task->leased)
            says->entitled = task->guaranteed + task->leased;
    }
}

/* Take up to `frames` frames more, in proportion to what each can still give (most[]); fractions go in
 * order of id. Returns how many are missing. */
static uint32_t divide(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    const uint32_t *most = physmem->policyserver.most;
    uint64_t sum = 0;
    uint32_t wanted = frames;

    ensure(count <= physmem->policyserver.most_capacity);
    for (uint32_t i = 0; i < count; i++)
        sum += most[i];
    for (uint32_t i = 0; i < count && sum > 0; i++) {
        uint32_t take = sum <= wanted ? most[i] : (uint32_t)((uint64_t)wanted * most[i] / sum);

        check(take <= frames);
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

/* Take from the tasks that have more than they are entitled to. */
static uint32_t take_beyond(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    check(count <= physmem->policyserver.entitlement_capacity);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t base = base_of(&physmem->candidate[i]);
        uint32_t entitled = physmem->policyserver.entitlement[i].entitled;

        physmem->policyserver.most[i] =
            base > entitled ? smaller(base - entitled, physmem->candidate[i].recallable) : 0;
    }
    return divide(physmem, count, frames);
}

/* Take what was laid down for a shortage, step by step. */
static void take_laid_down(struct physmem *physmem, uint32_t count, uint32_t frames)
{
    check(count <= physmem->policyserver.entitlement_capacity);
    for (unsigned step = 0; step < CONTROL_STEPS && frames > 0; step++) {
        for (uint32_t i = 0; i < count; i++) {
            uint32_t gives = smaller(physmem->policyserver.entitlement[i].gives[step],
                                     physmem->candidate[i].recallable);

            physmem->policyserver.most[i] = gives > physmem->take[i] ? gives - physmem->take[i] : 0;
        }
        frames = divide(physmem, count, frames);
    }
}

uint32_t entitled_more(const struct physmem *physmem, uint32_t i, uint32_t frames)
{
    uint32_t base = base_of(&physmem->candidate[i]);
    uint32_t entitled = physmem->policyserver.entitlement[i].entitled;

    check(i < physmem->policyserver.entitlement_capacity);
    return entitled > base ? smaller(frames, entitled - base) : 0;
}

static bool others_want(const struct physmem *physmem, uint32_t count, uint32_t asking)
{
    check(asking < count && count <= physmem->tasks_there);
    for (uint32_t i = 0; i < count; i++)
        if (i != asking && physmem->candidate[i].wanted > 0)
            return true;
    return false;
}

/* The table's decision on a shortage. */
static void decide_short(struct physmem *physmem, uint32_t count,
                         const struct sp_arbiter_request *request)
{
    uint32_t left = take_beyond(physmem, count, request->frames);

    check(request->event == SP_ARBITER_SHORT);
    take_laid_down(physmem, count, left);
}

uint32_t entitled_decide(struct physmem *physmem, uint32_t count,
                         const struct sp_arbiter_request *request)
{
    int64_t missing = -(int64_t)request->spare - request->coming;
    uint32_t grant = 0;

    entitlements_read(physmem, count);
    if (request->event == SP_ARBITER_SHORT) {
        decide_short(physmem, count, request);
        return 0;
    }
    if (request->event == SP_ARBITER_EXTRA) {
        ensure(request->task < count);
        grant = entitled_more(physmem, request->task, request->frames);
        missing += grant;
    } else {
        for (uint32_t i = 0; i < count; i++)
            missing += entitled_more(physmem, i, physmem->candidate[i].wanted);
    }
    /* Frames are recalled only if a task wants them that is entitled to them. */
    if (missing > 0 && (grant > 0 || request->event == SP_ARBITER_TICK))
        take_beyond(physmem, count, missing > UINT32_MAX ? UINT32_MAX : (uint32_t)missing);
    check(grant <= request->frames);
    /* What nobody else wants does not stay unused. */
    if (request->event == SP_ARBITER_EXTRA && !others_want(physmem, count, request->task))
        return request->frames;
    return grant;
}

uint32_t entitled_available(struct physmem *physmem, uint32_t count,
                            const struct sp_arbiter_request *request)
{
    uint32_t i = request->task;
    uint32_t spare = request->spare > 0 ? (uint32_t)request->spare : 0;
    uint64_t there = (uint64_t)spare + request->coming;
    uint32_t grant;

    ensure(i < count);
    entitlements_read(physmem, count);
    grant = entitled_more(physmem, i, request->frames);
    if (grant > there) {
        there += grant - take_beyond(physmem, count, grant);
        grant = there < grant ? (uint32_t)there : grant;
    }
    if (spare > grant && !others_want(physmem, count, i))
        grant = smaller(spare, request->frames);
    check(grant <= request->frames && grant <= there);
    return base_of(&physmem->candidate[i]) + grant;
}
