#include "play/storm.h"

#include <signal.h>

#include "base/assert.h"
#include "core/physmem/task.h"
#include "play/thread.h"

/* Between two faults of one kind for one actor there is a mean of the length of the storm, or so many times half as much,
 * but no less than this: once in a storm, or a hundred times. What ends a task, or has it hang, comes less often: tasks
 * that get nowhere meet nothing else. */
#define INTERVALS      8u /* powers of two */
#define INTERVALS_LONG 4u
#define INTERVAL_NS    UINT64_C(200000)

/* The longest that a fault lasts, and that a message is late. A task with graces of a second or more keeps its
 * contracts in spite of messages that are late. A seed draws how much shorter they are: a message that is ten times as
 * late as usual overtakes others, where one that is a thousand times as late comes to nothing that it could meet. */
#define LASTS_NS     UINT64_C(50000000)
#define LATE_MOST_NS UINT64_C(40000000)
#define LATE_SHORTER 2u /* if the seed draws nothing */
#define HANGS_NS     UINT64_C(8000000000)
#define SHORTER      6u /* powers of two */

/* Of so many seeds, one has fewer kinds: each is there for a quarter of these. The others have a pace of their own. */
#define FEWER 4u

/* A pace is up to 2^FASTER times faster or 2^SLOWER times slower. Where things are in step they take whole multiples of
 * STEP_NS. */
#define FASTER  3u
#define SLOWER  5u
#define STEP_NS UINT64_C(10000)

#define EXIT_CUT_OFF 2

uint32_t storm_swarm(uint64_t seed)
{
    struct random_source random = random_stream(seed, 0x5701);
    uint32_t kinds = (uint32_t)random_bits(&random) & STORM_ALL;

    return random_below(&random, FEWER) == 0 ? kinds & (uint32_t)random_bits(&random)
                                             : kinds | UINT32_C(1) << STORM_PACE;
}

/* How faults of a kind are in a storm whose seed draws that. */
struct storm_draw {
    uint64_t every;
    uint8_t shorter; /* by powers of two */
    bool some; /* they strike some actors only: one that lives on meets what befalls the others */
};

static struct storm_draw draw_kind(uint64_t seed, unsigned kind, uint64_t until)
{
    struct random_source random = random_stream(seed, 0x5702 + kind);
    bool is_end = kind == STORM_DIE || kind == STORM_DROP || kind == STORM_HANG;
    struct storm_draw drawn = {.every = until >>
                                        random_below(&random, is_end ? INTERVALS_LONG : INTERVALS)};

    if (drawn.every < INTERVAL_NS)
        drawn.every = INTERVAL_NS;
    drawn.shorter = (uint8_t)random_below(&random, SHORTER);
    drawn.some = random_below(&random, 2) == 0;
    return drawn;
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

/* Kinds that are there from the beginning, and strike nobody at a time. */
static bool is_lasting(unsigned kind)
{
    return kind == STORM_HURRY || kind == STORM_PACE || kind == STORM_TIES;
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
        struct storm_draw drawn = draw_kind(seed, kind, until);
        uint32_t struck = is_about_swap(kind)     ? scene->has_swap
                          : kind == STORM_REPLACE ? scene->tables > 0
                                                  : count;

        for (uint32_t i = 0; i < struck && (kinds >> kind & 1) != 0; i++) {
            struct random_source *random = &actors[i].faults[kind];

            *random = random_stream(actors[i].config->seed, 0x5703 + kind);
            actors[i].fault_every[kind] = every > 0 ? every : drawn.every;
            actors[i].fault_shorter[kind] = every == 0            ? drawn.shorter
                                            : kind == STORM_DELAY ? LATE_SHORTER
                                                                  : 0;
            if (every == 0 && drawn.some && struck > 1 && random_below(random, 2) == 0)
                continue;
            if (kind == STORM_HURRY)
                actors[i].grace_ns = LASTS_NS >> drawn.shorter;
            else if (!is_lasting(kind))
                next_strike(scene, &actors[i], kind, until);
        }
    }
}

struct costs storm_pace(uint64_t seed, const struct costs *costs)
{
    struct random_source random = random_stream(seed, 0x5702 + STORM_PACE);
    struct costs paced = *costs;
    uint64_t *const together[3][6] = {
        {&paced.round_trip, &paced.message},
        {&paced.reference, &paced.fault, &paced.frame, &paced.watch, &paced.refill},
        {&paced.write_start, &paced.write_page, &paced.read_start, &paced.read_page, &paced.piece}};
    bool in_step = random_below(&random, 2) == 0;

    for (unsigned i = 0; i < 3; i++) {
        unsigned pace = random_below(&random, FASTER + SLOWER + 1);

        for (unsigned j = 0; j < 6 && together[i][j] != NULL; j++) {
            uint64_t *cost = together[i][j];

            *cost = (*cost << pace) >> FASTER;
            if (in_step)
                *cost -= *cost % (*cost < STEP_NS ? 1 : STEP_NS);
        }
    }
    paced.depth = 1 + random_below(&random, COSTS_DEPTH);
    return paced;
}

/* A fault of swap ends after a while. */
static void lasts(struct scene *scene, struct actor *actor, unsigned kind)
{
    uint64_t most = LASTS_NS >> actor->fault_shorter[kind];

    scene_at(scene, scene->now + draw(&actor->faults[kind], most), SCENE_RELIEF, actor->number, 0,
             kind);
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
        actor->late_lanes = random_below(random, 2) == 0
                                ? UINT8_MAX
                                : (uint8_t)(UINT32_C(1) << random_below(random, 2 * LANES));
        actor->late_ns = draw(random, LATE_MOST_NS >> actor->fault_shorter[kind]);
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
