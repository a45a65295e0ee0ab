#include "core/physmem/detail.h"

#include "core/physmem/state.h"

/* How long it is until `when`. */
static uint64_t left_until(uint64_t when, uint64_t now)
{
    if (when == DEADLINE_NEVER)
        return SP_FOREVER;
    return when > now ? when - now : 0;
}

static uint32_t count_parts(const struct contract *contract)
{
    uint32_t count = 0;

    for (const struct part *part = contract->parts; part != NULL; part = part->next)
        count++;
    ensure(count <= PARTS_PER_TASK);
    return count;
}

static void describe_contracts(const struct physmem_task *task, uint64_t now,
                               struct physmem_task_detail *detail)
{
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        ensure(detail->contracts < CONTRACTS_PER_TASK);
        detail->contract[detail->contracts++] = (struct physmem_contract_detail){
            .terms = c->terms,
            .number = c->number,
            .state = c->state,
            .left_ns = c->state == SP_CONTRACT_ACTIVE ? left_until(c->ends, now) : 0,
            .kept = c->kept,
            .recalling = c->recalling,
            .parts = count_parts(c)};
    }
}

static void describe_recalls(const struct physmem_task *task, uint64_t now,
                             struct physmem_task_detail *detail)
{
    uint32_t owed = 0;

    for (uint32_t i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        const struct recall *recall = &task->recalls[i];

        if (recall->missing == 0)
            continue;
        owed += recall->missing;
        detail->recall[detail->recalls++] =
            (struct physmem_recall_detail){.id = recall->id,
                                           .asked = recall->asked,
                                           .missing = recall->missing,
                                           .left_ns = left_until(recall->deadline.when, now),
                                           .overdue = recall->overdue};
    }
    check(owed == task->owed);
}

static void describe_containers(const struct physmem_task *task, struct physmem_task_detail *detail)
{
    const struct container *c = task->container_list;

    detail->containers = task->containers;
    for (; c != NULL && detail->containers_seen < PHYSMEM_DETAIL_CONTAINERS; c = c->next)
        detail->container[detail->containers_seen++] = (struct physmem_container_detail){
            .number = c->handle,
            .slots = c->slots,
            .allocated = c->allocated,
            .soft = c->soft,
            .shares = c->sharing != NULL ? c->sharing->shares : 0,
            .locked = c->sharing != NULL && c->sharing->locker != NULL,
            .version = c->version};
    check(detail->containers_seen <= detail->containers);
}

/* Regions are known to the task alone: what it says of them is shown, and believed by nobody. */
static void repeat_regions(const struct physmem_task *task, struct physmem_task_detail *detail)
{
    if (task->stack == NULL)
        return;
    detail->regions = frame_stack_regions(task->stack);
    for (uint32_t i = 0; i < FRAME_STACK_REGIONS; i++) {
        struct frame_stack_region_said said = frame_stack_region_said(task->stack, i);

        if (said.pages > 0)
            detail->region[detail->regions_seen++] =
                (struct physmem_region_detail){.address = said.address,
                                               .pages = said.pages,
                                               .resident = said.resident,
                                               .kind = said.kind};
    }
    check(detail->regions_seen <= FRAME_STACK_REGIONS);
}

void physmem_detail_get(const struct physmem *physmem, uint64_t now,
                        const struct physmem_task *task, struct physmem_task_detail *detail)
{
    if (now < physmem->now)
        now = physmem->now;
    *detail = (struct physmem_task_detail){.contracts = 0};
    if (task->state != STANDING_THERE)
        return;
    describe_contracts(task, now, detail);
    describe_recalls(task, now, detail);
    describe_containers(task, detail);
    repeat_regions(task, detail);
    ensure(detail->recalls <= PHYSMEM_RECALLS_MAX);
}
