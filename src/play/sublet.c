#include "play/sublet.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "core/physmem/upstream.h"
#include "play/lessee.h"
#include "play/letting.h"
#include "play/server.h"

/* A request to the physmem above, and its number. */
static struct physmem_request request_of(struct scene *scene, const struct scene_lessee *lessee)
{
    return (struct physmem_request){lessee->task, ++scene->seq, false};
}

/* The answer to it; NULL: there is none at once, or an error. */
static const struct physmem_effect *answer_to(struct scene *scene, struct scene_lessee *lessee,
                                              const struct physmem_request *request)
{
    server_effects(scene);
    return lessee->reply.seq == request->seq && lessee->reply.error == 0 ? &lessee->reply : NULL;
}

/* Returns NULL, or why there is no contract. */
static const char *conclude(struct scene *scene, struct scene_physmem *physmem,
                            const struct wanted_contract *wanted, char why[SCENE_TEXT])
{
    struct scene_lessee *lessee = &physmem->lessee;
    const struct sp_terms *terms = &wanted->terms;
    struct physmem_request request = request_of(scene, lessee);
    const struct physmem_effect *reply;

    physmem_contract_propose(lessee->above->core, scene->now, &request, terms);
    reply = answer_to(scene, lessee, &request);
    if (reply != NULL && reply->offer.offer.answer == SP_COUNTERED &&
        reply->offer.offer.terms.frames >= terms->min) {
        uint32_t number = reply->offer.offer.contract;

        request = request_of(scene, lessee);
        physmem_contract_accept(lessee->above->core, scene->now, &request, number);
        reply = answer_to(scene, lessee, &request);
    }
    if (reply == NULL || reply->offer.offer.answer != SP_ACCEPTED) {
        snprintf(why, SCENE_TEXT, "%s %s it a contract for %u %s frames", lessee->above->name,
                 reply != NULL && reply->offer.offer.answer == SP_COUNTERED ? "countered"
                                                                            : "refused",
                 terms->frames, terms_text_kind(terms->kind));
        return why;
    }
    tenancy_concluded(&lessee->tenancy, wanted, &reply->offer.offer, reply->offer.state,
                      reply->offer.change, scene->now);
    return NULL;
}

/* The container above, with all that is promised in it. False: it does not come at once. */
static bool fill_stock(struct scene *scene, struct scene_physmem *physmem, uint32_t frames)
{
    struct scene_lessee *lessee = &physmem->lessee;
    struct physmem *above = lessee->above->core;
    struct physmem_request request = request_of(scene, lessee);
    struct physmem_allocation allocation = {.container = 0};
    const struct physmem_effect *reply;

    physmem_container_create(above, scene->now, &request, lease_book_slots(lessee->tenancy.frames));
    reply = answer_to(scene, lessee, &request);
    if (reply == NULL)
        return false;
    allocation.container = reply->container.container;
    for (; allocation.start < frames; allocation.start += allocation.count) {
        allocation.count = frames - allocation.start < PHYSMEM_ALLOCATE_MAX
                               ? frames - allocation.start
                               : PHYSMEM_ALLOCATE_MAX;
        request = request_of(scene, lessee);
        physmem_allocate(above, scene->now, &request, &allocation);
        if (answer_to(scene, lessee, &request) == NULL)
            return false;
    }
    if (lessee_init(&lessee->machine, scene->allocator, lessee->tenancy.frames,
                    allocation.container, frames) != 0)
        scene->failed = true;
    return !scene->failed;
}

static bool make_core(struct scene *scene, struct scene_physmem *physmem,
                      const struct sublet_config *config)
{
    const struct tenancy *tenancy = &physmem->lessee.tenancy;
    uint64_t grace_ns = physmem_upstream_grace(tenancy_grace(tenancy, PHYSMEM_MAX_GRACE_NS));
    struct physmem_config core = {.allocator = scene->allocator,
                                  .arbiter = config->arbiter,
                                  .frames = tenancy->frames,
                                  .reserve = config->reserve,
                                  .max_order = SUBLET_MAX_ORDER,
                                  .max_grace_ns = grace_ns,
                                  .silence_ns = grace_ns,
                                  .stacked = true};

    memcpy(core.arbiter_params, config->arbiter_params, sizeof(core.arbiter_params));
    if (physmem_new(&physmem->core, &core) != 0)
        return false;
    physmem_shell_init(&physmem->shell, physmem->core, scene->allocator);
    return true;
}

/* The frames that it asks for first are held already. */
static void begin(struct scene *scene, struct scene_physmem *physmem)
{
    struct physmem_effect effect;

    physmem_upstream_promised(physmem->core, scene->now, physmem->lessee.tenancy.promised,
                              physmem->lessee.tenancy.until);
    while (physmem_next_effect(physmem->core, &effect))
        if (effect.kind == PHYSMEM_UPSTREAM_ASK)
            physmem_upstream_granted(physmem->core, scene->now, effect.upstream.frames);
    physmem->lessee.opens = false;
    lessee_start(&physmem->lessee.machine);
    server_effects(scene);
}

const char *sublet_open(struct scene *scene, struct scene_physmem *physmem,
                        const struct sublet_config *config, char why[SCENE_TEXT])
{
    struct scene_lessee *lessee = &physmem->lessee;
    const char *wrong = NULL;
    uint32_t frames = 0;

    check(lessee->above->core != NULL && physmem->core == NULL && lessee->task == NULL);
    letting_forget(scene, &lessee->holds);
    *lessee = (struct scene_lessee){
        .above = lessee->above, .opens = true, .holds.life = lessee->holds.life};
    if (!server_enter(scene, physmem)) {
        scene->failed = true;
        return "there is no memory";
    }
    for (uint32_t i = 0; i < config->contracts && wrong == NULL; i++)
        wrong = conclude(scene, physmem, &config->wanted[i], why);
    if (wrong == NULL) {
        (void)tenancy_promise(&lessee->tenancy);
        frames = lessee->tenancy.promised;
        if (config->reserve > 0 && config->reserve >= frames)
            wrong = "its reserve leaves none of the frames that its contract promises";
        else if (!fill_stock(scene, physmem, frames))
            wrong = "the frames that were promised to it do not come at once";
        else if (!make_core(scene, physmem, config))
            wrong = "there is no memory";
    }
    if (wrong == NULL)
        begin(scene, physmem);
    else
        server_leave(scene, physmem);
    return wrong;
}

void sublet_fini(struct scene *scene)
{
    for (uint32_t i = 1; i < scene->physmems; i++)
        lessee_end_all(scene, &scene->physmem[i]);
}
