#include "core/physmem/books.h"

void books_ring(struct physmem *physmem, uint8_t what)
{
    check(what < PHYSMEM_RINGS);
    if (physmem->policyserver.state == PHYSMEM_CONTROLLED)
        physmem->policyserver.ring |= what;
}

void books_availability_changed(struct physmem *physmem)
{
    check(physmem->watching != NULL || physmem->look_next == NULL);
    physmem->moved = UINT32_MAX;
}

uint64_t books_ghost_hits(struct physmem_task *task)
{
    uint64_t hits = task->stack != NULL ? frame_stack_ghost_hits(task->stack) : 0;

    check(task->stack == NULL || (task->stack_container != 0 && task->stack_places > 0));
    if (hits > task->ghost_hits)
        task->ghost_hits = hits;
    return task->ghost_hits;
}

struct frame_stack_said books_said(const struct physmem_task *task)
{
    check(task->stack == NULL || (task->stack_container != 0 && task->stack_places > 0));
    return task->stack != NULL ? frame_stack_said(task->stack)
                               : (struct frame_stack_said){.faults = 0};
}

uint32_t books_demand(const struct physmem_task *task)
{
    check(task->stack == NULL || (task->stack_container != 0 && task->stack_places > 0));
    return task->stack != NULL ? frame_stack_demand(task->stack) : 0;
}
