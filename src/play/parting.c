#include "play/parting.h"

#include "base/assert.h"
#include "play/deal.h"
#include "play/errands.h"

/* How often an actor that comes again looks whether there is another part for it. */
#define AGAIN_NS UINT64_C(5000000)

/* A request that the program's thread waits for. */
static struct letter *request(struct actor *actor, enum letter_kind kind)
{
    struct letter *letter = errands_letter(actor, kind);

    if (letter != NULL)
        letter->request.seq = actor->asked = ++actor->scene->seq;
    return letter;
}

static void post_split(struct actor *actor, struct letter *letter, const struct actor_part *part)
{
    letter->request.contract = deal_first(actor, (enum sp_contract_kind)part->kind);
    letter->request.count = part->frames;
    errands_post(actor, letter, LANE_PHYSMEM);
}

static struct actor *claimer(const struct actor *actor, uint32_t number)
{
    return &actor->all[actor->config->part[number].to];
}

void parting_ask(struct actor *actor, uint32_t number)
{
    const struct actor_part *part = &actor->config->part[number];
    struct letter *letter;

    check(number < actor->config->parts);
    letter = request(actor, LETTER_SPLIT);
    if (letter != NULL)
        post_split(actor, letter, part);
}

void parting_claim(struct actor *actor)
{
    struct letter *letter = request(actor, LETTER_CLAIM);

    if (letter == NULL)
        return;
    letter->request.number = actor->token;
    errands_post(actor, letter, LANE_PHYSMEM);
}

/* ---- When an actor that lives from a part starts ---- */

static void launch(struct actor *actor)
{
    struct scene *scene = actor->scene;

    actor->launched = true;
    actor->waits_for_part = false;
    scene_at(scene, scene->now + scene->costs.start, SCENE_START, actor->number, 0, 0);
    if (actor->life == 0 && actor->stop_ns > 0)
        scene_at(scene, scene->now + actor->stop_ns, SCENE_STOP, actor->number, 0, 0);
}

/* Have the actor above split the part off once more, if it can now. */
static void ask_again(struct actor *above, const struct actor *below)
{
    struct letter *letter;

    if (!actor_is_there(above) || above->revoked || above->split != 0)
        return;
    letter = errands_letter(above, LETTER_SPLIT);
    if (letter == NULL)
        return;
    while (above->config->part[above->split_part].to != below->number)
        above->split_part = (above->split_part + 1) % above->config->parts;
    letter->request.seq = above->split = ++above->scene->seq;
    post_split(above, letter, &above->config->part[above->split_part]);
}

/* Wait for a part: the first one is heard of. */
static void await(struct actor *actor, struct actor *above)
{
    struct scene *scene = actor->scene;

    actor->waits_for_part = actor->life == 0;
    if (actor->life == 0)
        return;
    ask_again(above, actor);
    scene_at(scene, scene->now + AGAIN_NS, SCENE_START, actor->number, 0, 0);
}

bool parting_starts(struct actor *actor)
{
    struct actor *above;

    if (actor->config->part_of == 0)
        return true;
    if (actor->launched) {
        actor->launched = false;
        return true;
    }
    above = &actor->all[actor->config->part_of - 1];
    if (actor->token == 0 && !above->over)
        await(actor, above);
    else
        launch(actor);
    return false;
}

void parting_heard(struct actor *actor, uint32_t number, const struct physmem_effect *effect)
{
    struct actor *below = claimer(actor, number);

    check(below->config->part_of == actor->number + 1 && effect->part.part.token != 0);
    deal_split(actor, effect);
    below->token = effect->part.part.token;
    if (below->waits_for_part)
        launch(below);
}

void parting_heard_again(struct actor *actor, const struct physmem_effect *effect)
{
    check(effect->kind <= PHYSMEM_REPLY_OFFER);
    if (actor->split == 0 || effect->seq != actor->split)
        return;
    actor->split = 0;
    if (effect->error == 0)
        parting_heard(actor, actor->split_part, effect);
}

void parting_end(struct actor *actor, bool for_good)
{
    actor->over = for_good;
    actor->split = 0;
    for (uint32_t i = 0; i < actor->config->parts; i++) {
        struct actor *below = claimer(actor, i);

        below->token = 0;
        if (for_good && below->waits_for_part)
            launch(below);
    }
}
