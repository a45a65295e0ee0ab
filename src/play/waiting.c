#include "play/waiting.h"

#include <errno.h>

#include "base/assert.h"

int waiting_contract(struct actor *actor)
{
    const struct bandwidth_terms *terms = &actor->config->bandwidth;
    struct scene *scene = actor->scene;
    int rc;

    check(!bandwidth_is_under_contract(&actor->turns.bandwidth));
    if ((terms->shares | terms->rate) == 0)
        return 0;
    if (!waiting_is_metered(scene))
        return -EOPNOTSUPP;
    rc = bandwidth_judge(terms, scene->bandwidth, scene->promised);
    if (rc != 0)
        return rc;
    scene->promised += terms->rate;
    actor->turns.bandwidth.terms = *terms;
    return 0;
}

void waiting_leave(struct actor *actor)
{
    struct scene *scene = actor->scene;

    while (actor->waiting != NULL)
        scene_drop(scene, waiting_take(actor));
    rota_leave(&scene->turns, &actor->turns);
    ensure(scene->promised >= actor->turns.bandwidth.terms.rate);
    scene->promised -= actor->turns.bandwidth.terms.rate;
    actor->turns.bandwidth = (struct bandwidth){.due_ns = 0};
}

uint32_t waiting_cost(const struct letter *letter)
{
    check((letter->swap.stores > 0) != (letter->swap.loads > 0));
    return letter->swap.stores + letter->swap.loads;
}

/* Loads stand before all stores. */
void waiting_add(struct actor *actor, struct letter *letter)
{
    struct letter **link = &actor->waiting;

    ensure(waiting_is_metered(actor->scene));
    while (*link != NULL && (letter->swap.loads == 0 || (*link)->swap.loads > 0))
        link = &(*link)->next;
    letter->next = *link;
    *link = letter;
    (void)rota_come(&actor->scene->turns, &actor->turns);
    waiting_look(actor->scene, actor->scene->now);
}

struct letter *waiting_take(struct actor *actor)
{
    struct letter *letter = actor->waiting;

    ensure(actor->waiting != NULL);
    actor->waiting = letter->next;
    letter->next = NULL;
    return letter;
}

void waiting_look(struct scene *scene, uint64_t when)
{
    if (when >= scene->turns_at)
        return;
    check(when >= scene->now);
    scene->turns_at = when;
    scene_at(scene, when, SCENE_TURNS, 0, 0, 0);
}
