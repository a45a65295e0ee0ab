#include "play/storm.h"

#include <signal.h>

#include "base/assert.h"
#include "core/physmem/task.h"
#include "play/thread.h"

/* Between two faults of one kind for one actor there is a mean of so many times this. */
#define INTERVAL_NS UINT64_C(2000000)
#define INTERVALS   9u /* powers of two */

/* The longest that a fault lasts, and that a message is late. A task with graces of a second or more keeps its
 * contracts in spite of messages that are late. */
#define LASTS_NS UINT64_C(50000000)
#define LATE_NS  UINT64_C(10000000)
#define HANGS_NS UINT64_C(8000000000)

#define EXIT_CUT_OFF 2

uint32_t storm_swarm(uint64_t seed)
{
    struct random_source random = random_stream(seed, 0x5701);

    return (uint32_t)random_bits(&random) & STORM_ALL;
}

/* Up to `most`, and at least 1. */
static uint64_t draw(struct random_source *random, uint64_t most)
{
    return 1 + (uint64_t)(((unsigned __int128)random_bits(random) * most) >> 64);
}

static bool is_about_swap(unsigned kind)
{
    return kind == STORM_SLOW || kind == STORM_FAIL || kind == STORM_FULL;
}

static void next_strike(struct scene *scene, struct actor *actor, unsigned kind, uint64_t until)
{
    uint64_t when = scene->now + draw(&actor->faults[kind], 2 * actor->fault_every[kind]);

    if (when < until)
        scene_at(scene, when, SCENE_FAULT, actor->number, 0, kind);
}

void storm_begin(struct scene *scene, struct actor *actors, uint32_t count, uint32_t kinds,
                 uint64_t seed, uint64_t until, uint64_t every)
{
    for (unsigned kind = 0; kind < STORM_COUNT; kind++) {
        struct random_source rates = random_stream(seed, 0x5702 + kind);
        uint64_t drawn = INTERVAL_NS << random_below(&rates, INTERVALS);
        uint32_t struck = is_about_swap(kind)     ? scene->has_swap
                          : kind == STORM_REPLACE ? scene->tables > 0
                                                  : count;

        for (uint32_t i = 0; i < struck && (kinds >> kind & 1) != 0; i++) {
            actors[i].faults[kind] = random_stream(actors[i].config->seed, 0x5703 + kind);
            actors[i].fault_every[kind] = every > 0 ? every : drawn;
            next_strike(scene, &actors[i], kind, until);
        }
    }
}

/* A fault of swap ends after a while. */
static void lasts(struct scene *scene, struct actor *actor, unsigned kind)
{
    scene_at(scene, scene->now + draw(&actor->faults[kind], LASTS_NS), SCENE_RELIEF, actor->number,
             0, kind);
}

static void cut_off(struct scene *scene, struct actor *actor)
{
    if (actor->task != NULL)
        physmem_task_disconnected(actor->physmem->core, scene->now, actor->task);
    actor->cut_off = true;
    thread_end(actor, EXIT_CUT_OFF);
}

static void strike_actor(struct scene *scene, struct actor *actor, enum storm_kind kind)
{
    struct random_source *random = &actor->faults[kind];

    if (kind == STORM_DELAY) {
        actor->late_until = scene->now + draw(random, LASTS_NS);
        actor->late_ns = draw(random, LATE_NS);
        return;
    }
    if (actor->memory == NULL || actor->state == THREAD_ENDED)
        return;
    actor->struck = true;
    if (kind == STORM_HANG)
        actor->hangs_until = scene->now + draw(random, HANGS_NS >> random_below(random, 16));
    else if (kind == STORM_DIE)
        thread_end(actor, 128 + SIGKILL);
    else
        cut_off(scene, actor);
}

void storm_strike(struct scene *scene, struct actor *actor, enum storm_kind kind, uint64_t until)
{
    struct random_source *random = &actor->faults[kind];

    check(kind < STORM_COUNT);
    next_strike(scene, actor, kind, until);
    if (kind == STORM_REPLACE) {
        lasts(scene, actor, kind);
        return;
    }
    if (!is_about_swap(kind)) {
        strike_actor(scene, actor, kind);
        return;
    }
    lasts(scene, actor, kind);
    scene->device_struck = true;
    if (kind == STORM_SLOW)
        scene->device.slower = UINT32_C(2) << random_below(random, 6);
    else if (kind == STORM_FAIL)
        scene->device.fails = UINT64_C(1) << (24 + random_below(random, 9));
    else
        device_fill(&scene->device, !scene->server[SCENE_SWAP].away);
}

void storm_relieve(struct scene *scene, enum storm_kind kind)
{
    if (kind == STORM_SLOW)
        scene->device.slower = 1;
    else if (kind == STORM_FAIL)
        scene->device.fails = 0;
    else
        device_fill(&scene->device, false);
}

uint64_t storm_absence(struct actor *actor)
{
    return draw(&actor->faults[STORM_DIE], LASTS_NS);
}
