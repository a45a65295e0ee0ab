/* What physmem says, and what tasks make of it at once. */
#include "arena/effects.h"

static void take_recall(struct arena *arena, struct member *member,
                        const struct physmem_effect *effect)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        if (member->asked[i].missing > 0)
            continue;
        member->asked[i] = (struct asked){effect->recall.frames, arena->now + effect->recall.grace};
        break;
    }
    member->struck = true;
    arena->outcome->recalls += state_counts(arena);
}

static void end_wait(struct arena *arena, struct member *member)
{
    struct arena_side *side = state_side_of(arena, member);
    uint64_t waited = arena->now - member->waits_since;

    member->waiting = false;
    if (state_counts(arena) && waited > side->wait_ns)
        side->wait_ns = waited;
}

/* A reply to `allocate`. */
static void take_reply(struct arena *arena, struct member *member,
                       const struct physmem_effect *effect)
{
    if (member->waiting)
        end_wait(arena, member);
    member->asking = 0;
    if (effect->kind == PHYSMEM_REPLY_ALLOCATED)
        member->held += effect->allocated.count;
}

static void take_offer(struct arena *arena, struct member *member,
                       const struct physmem_effect *effect)
{
    const struct sp_offer *offer = &effect->offer.offer;

    if (offer->answer != SP_ACCEPTED)
        state_side_of(arena, member)->countered++;
    member->countered = offer->answer == SP_COUNTERED ? offer->contract : 0;
    member->contract = offer->contract;
}

/* Rights to a slot are taken: answered at once; if it is used, the task asks for them again. */
static void take_unmap(struct arena *arena, struct member *member,
                       const struct physmem_effect *effect)
{
    for (uint32_t i = 0; i < effect->unmap.range.count && member->samples < MEMBER_SAMPLED_MAX; i++)
        member->sampled[member->samples++] = effect->unmap.range.start + i;
    physmem_unmap_answered(arena->physmem, arena->now, effect->task, effect->unmap.id);
}

/* Physmem gives a frame stack up: its task writes to it no more. */
static void forget_stack(struct arena *arena, const struct frame_stack *stack)
{
    for (unsigned m = 0; m < arena->members; m++)
        if (arena->member[m].stack == stack)
            arena->member[m].stack = NULL;
}

void effects_take(struct arena *arena)
{
    struct physmem_effect effect;

    while (physmem_next_effect(arena->physmem, &effect)) {
        struct member *member =
            effect.task == NULL ? NULL : physmem_task_identity(effect.task)->peer;

        if (effect.kind == PHYSMEM_STACK_DESTROY)
            forget_stack(arena, effect.stack.stack);
        physmem_shell_carry_out(&arena->shell, arena->now, &effect);
        if (member == NULL)
            continue;
        if (effect.seq == member->asking && effect.kind <= PHYSMEM_REPLY_OFFER)
            take_reply(arena, member, &effect);
        else if (effect.kind == PHYSMEM_REPLY_CONTAINER)
            member->container = effect.container.container;
        else if (effect.kind == PHYSMEM_REPLY_STACK)
            member->stack = effect.stack.stack;
        else if (effect.kind == PHYSMEM_REPLY_OFFER)
            take_offer(arena, member, &effect);
        else if (effect.kind == PHYSMEM_SEND_UNMAP)
            take_unmap(arena, member, &effect);
        else if (effect.kind == PHYSMEM_SEND_RECALL)
            take_recall(arena, member, &effect);
        else if (effect.kind == PHYSMEM_SEND_NOTICE)
            member->told = true;
        else if (effect.kind == PHYSMEM_SEND_REVOKED)
            member->revoked = true;
    }
}
