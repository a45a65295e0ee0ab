#include "play/metering.h"

#include <stddef.h>

#include "base/assert.h"
#include "play/server.h"
#include "play/waiting.h"

/* Pages of a turn of one share: as of a live server (sim/swap/fair.h). */
#define TURN_PAGES 64u

/* How long swap waits until slots that are given up come free. */
#define METERING_AGAIN_NS 1000u

static struct actor *actor_of(struct rota_client *turns)
{
    check(turns != NULL);
    return (struct actor *)(void *)((char *)turns - offsetof(struct actor, turns));
}

/* Whether the device has nothing to do in one of its lanes. */
static bool has_time(const struct scene *scene)
{
    return device_free_at(&scene->device) <= scene->now;
}

/* Let the first letters of an actor begin, as far as its turn goes. *brokenp: the device had no time for the rest of it.
 * Returns whether any has begun. */
static bool have_turn(struct scene *scene, struct actor *actor, bool *brokenp)
{
    bool any = false;

    check(!actor->turns.has_turn);
    *brokenp = false;
    while (actor->waiting != NULL && actor->turns.deficit >= waiting_cost(actor->waiting) &&
           rota_may(&scene->turns, &actor->turns, scene->now)) {
        uint32_t cost = waiting_cost(actor->waiting);

        if (!has_time(scene)) {
            *brokenp = true;
            break;
        }
        if (!server_begin(actor, actor->waiting))
            break; /* its slots are leaving */
        (void)waiting_take(actor);
        bandwidth_spend(&actor->turns.bandwidth, scene->now, cost);
        actor->turns.deficit -= cost;
        any = true;
    }
    return any;
}

/* When there may be something to do again. */
static void look_again(struct scene *scene)
{
    uint64_t due = rota_due(&scene->turns, scene->now);
    uint64_t free_at = device_free_at(&scene->device);

    check(due > scene->now);
    if (scene->turns.count > scene->turns.early)
        due = free_at > scene->now ? free_at : scene->now + METERING_AGAIN_NS;
    if (scene->turns.count > 0)
        waiting_look(scene, due);
}

void metering_look(struct scene *scene)
{
    struct actor *holder = NULL;
    uint32_t idle = 0;

    if (scene->now != scene->turns_at) /* it was to be later, and has been earlier */
        return;
    scene->turns_at = UINT64_MAX;
    if (scene->server[SCENE_SWAP].away || scene->server[SCENE_SWAP].hangs)
        return;
    (void)rota_due(&scene->turns, scene->now);
    while (idle < scene->turns.count && has_time(scene)) {
        struct actor *actor = actor_of(rota_take(&scene->turns, TURN_PAGES));
        uint32_t before = scene->turns.count;
        bool broken, any = have_turn(scene, actor, &broken);

        if (broken && holder == NULL)
            holder = actor;
        else
            (void)rota_return(&scene->turns, &actor->turns, actor->waiting != NULL);
        if (any)
            idle = 0;
        else if (scene->turns.count > before)
            idle++;
    }
    if (holder != NULL)
        rota_hold(&scene->turns, &holder->turns);
    look_again(scene);
}
