/* Tasks come with their contracts, and go. */
#include "arena/entry.h"

#include "arena/effects.h"

/* How long a task that lost everything takes to come back. */
#define COMES_BACK_NS SECOND

/* A contract, or what physmem offers instead. */
static void propose(struct arena *arena, struct member *member, enum sp_contract_kind kind,
                    uint32_t frames)
{
    const struct sp_terms terms = {
        .kind = (uint8_t)kind,
        .min = frames / 10 > 0 ? frames / 10 : 1,
        .frames = frames,
        .weight = member->behaviour->weight,
        .term_ns = SP_FOREVER,
        .t_clean = ARENA_GRACE_NS,
        .t_drop = ARENA_GRACE_NS,
        .bid = member->behaviour->bid,
    };
    struct physmem_request to = state_request(arena, member);

    physmem_contract_propose(arena->physmem, arena->now, &to, &terms);
    effects_take(arena);
    if (member->countered == 0)
        return;
    to = state_request(arena, member);
    physmem_contract_accept(arena->physmem, arena->now, &to, member->countered);
    effects_take(arena);
}

/* What the first part of a player splits off, and the others claim. */
static uint64_t token_of(const struct member *member, uint32_t part)
{
    return 1 + (uint64_t)member->player * ATTACK_PARTS_MAX + part;
}

static void split_off(struct arena *arena, struct member *member)
{
    const struct attack_behaviour *behaviour = member->behaviour;

    for (uint32_t part = 1; part < behaviour->parts; part++) {
        struct physmem_request to = state_request(arena, member);

        physmem_part_split(arena->physmem, arena->now, &to, member->contract,
                           behaviour->guaranteed / behaviour->parts, token_of(member, part));
        effects_take(arena);
    }
}

/* Its guaranteed frames, by a contract of its own or by a part of another contract. */
static void get_guarantee(struct arena *arena, struct member *member)
{
    const struct attack_behaviour *behaviour = member->behaviour;
    struct physmem_request to;

    if (!behaviour->splits) {
        propose(arena, member, SP_GUARANTEED, behaviour->guaranteed / behaviour->parts);
    } else if (member->part == 0) {
        propose(arena, member, SP_GUARANTEED, behaviour->guaranteed);
        split_off(arena, member);
    } else {
        to = state_request(arena, member);
        physmem_part_claim(arena->physmem, arena->now, &to, token_of(member, member->part));
        effects_take(arena);
    }
}

void entry_come(struct arena *arena, struct member *member)
{
    const struct physmem_identity identity = {.peer = member, .can_be_killed = true};
    struct physmem_task_status status;
    struct physmem_request to;

    if (physmem_task_add(arena->physmem, arena->now, &identity, &member->task) != 0) {
        arena->failed = true;
        return;
    }
    physmem_task_connected(arena->physmem, member->task);
    get_guarantee(arena, member);
    propose(arena, member, SP_EXTRA, ARENA_FRAMES);
    physmem_task_get_status(member->task, &status);
    member->guaranteed = status.guaranteed;
    to = state_request(arena, member);
    physmem_container_create(arena->physmem, arena->now, &to, ARENA_FRAMES);
    effects_take(arena);
    to = state_request(arena, member);
    physmem_stack_open(arena->physmem, arena->now, &to, member->container, 1);
    effects_take(arena);
}

void entry_leave(struct arena *arena, struct member *member)
{
    state_side_of(arena, member)->revoked++;
    physmem_task_gone(arena->physmem, arena->now, member->task);
    *member = (struct member){.behaviour = member->behaviour,
                              .player = member->player,
                              .part = member->part,
                              .comes = arena->now + COMES_BACK_NS};
    effects_take(arena);
}
