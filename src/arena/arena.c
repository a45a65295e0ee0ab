#include "arena/arena.h"

#include <string.h>

#include "arena/effects.h"
#include "arena/state.h"
#include "arena/turns.h"
#include "base/memory.h"

/* What a player needs is divided among its parts. */
static void assign_needs(struct arena *arena)
{
    uint32_t needs[ARENA_PLAYERS];

    for (unsigned player = 0; player < ARENA_PLAYERS; player++)
        needs[player] = need_at(&arena->need[player], arena->now);
    for (unsigned i = 0; i < arena->members; i++) {
        struct member *member = &arena->member[i];
        uint32_t parts = member->behaviour->parts;
        uint32_t need = needs[member->player];

        member->need = need / parts + (member->part < need % parts);
    }
}

static void score(struct arena *arena)
{
    for (unsigned i = 0; i < arena->members; i++) {
        const struct member *member = &arena->member[i];
        struct arena_side *side = state_side_of(arena, member);
        uint32_t useful = member->held < member->need ? member->held : member->need;
        uint64_t waited = arena->now - member->waits_since;

        side->needed += member->need * (double)ARENA_STEP_NS / 1e9;
        side->useful += useful * (double)ARENA_STEP_NS / 1e9;
        if (member->waiting && waited > side->wait_ns)
            side->wait_ns = waited;
    }
}

static void step(struct arena *arena)
{
    if (physmem_deadline(arena->physmem) <= arena->now)
        physmem_tick(arena->physmem, arena->now);
    effects_take(arena);
    if (arena->sampled && arena->now % SECOND == 0) {
        physmem_sample(arena->physmem, arena->now, &arena->sampling);
        effects_take(arena);
    }
    assign_needs(arena);
    turns_take(arena);
    if (state_counts(arena))
        score(arena);
}

static void begin(struct arena *arena, const struct arena_setup *setup)
{
    arena->honest = attack_of_honest(setup->attack);
    arena->attacker = setup->honest ? arena->honest : attack_of_attacker(setup->attack);
    arena->random = random_seeded(setup->seed);
    arena->sampling = random_seeded(setup->seed + 1);
    arena->sampled =
        arena->honest.sampled && (setup->arbiter->arbiter->flags & SP_ARBITER_IDLE) != 0;
    for (unsigned player = 0; player < ARENA_PLAYERS; player++) {
        const struct attack_behaviour *behaviour = player == 0 ? &arena->attacker : &arena->honest;

        arena->need[player] = need_begin(setup->seed * ARENA_PLAYERS + player);
        for (unsigned part = 0; part < behaviour->parts; part++)
            arena->member[arena->members++] = (struct member){
                .behaviour = behaviour,
                .player = player,
                .part = part,
                .comes =
                    player > 0 && attack_of_attacker(setup->attack).first ? ATTACK_LATE_MS * MS : 0,
            };
    }
}

int arena_play(const struct arena_setup *setup, struct arena_outcome *outcome)
{
    struct physmem_config config = {
        .allocator = setup->allocator,
        .arbiter = setup->arbiter->arbiter,
        .frames = ARENA_FRAMES,
    };
    struct arena *arena = memory_new(setup->allocator, sizeof(*arena));
    struct physmem_status status;
    int rc;

    *outcome = (struct arena_outcome){.wrong = NULL};
    if (arena == NULL)
        return -ENOMEM;
    arena->setup = setup;
    arena->outcome = outcome;
    memcpy(config.arbiter_params, setup->arbiter->params, sizeof(config.arbiter_params));
    rc = physmem_new(&arena->physmem, &config);
    physmem_shell_init(&arena->shell, arena->physmem, setup->allocator);
    if (rc == 0) {
        begin(arena, setup);
        for (; arena->now < PLAYED_NS && !arena->failed; arena->now += ARENA_STEP_NS)
            step(arena);
        physmem_get_status(arena->physmem, &status);
        outcome->overruled = status.overruled;
        outcome->wrong = physmem_check(arena->physmem);
        if (arena->failed || physmem_has_failed(arena->physmem))
            rc = -ENOMEM;
    }
    physmem_free(&arena->physmem);
    physmem_shell_fini(&arena->shell);
    memory_free(setup->allocator, arena, sizeof(*arena));
    return rc;
}
