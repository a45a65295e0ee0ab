#include "play/life.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/containers/container.h"
#include "play/deal.h"
#include "play/errands.h"
#include "play/letting.h"
#include "play/pages.h"
#include "play/parting.h"
#include "play/reading.h"
#include "play/thread.h"
#include "play/waiting.h"

#define ALIGNMENT 64u

/* As in a live task: slots of the container, places of the frame stack, mappings that the kernel allows. */
#define SLOTS_PER_FRAME 8u
#define SLOTS_LEAST     4096u
#define SLOTS_MOST      (1u << 20)
#define PLACES_LEAST    ((4096 - sizeof(struct frame_stack)) / sizeof(uint32_t))
#define MAP_LIMIT       65000u

/* Steps of coming; from COMES_DEALS on one for each contract, and then for each part of one. */
enum { COMES_CONTAINER, COMES_STACK, COMES_DEALS };

#define EXIT_CANNOT 2

/* The purpose of a random stream. */
#define LATE_STREAM 0x5700u

void life_init(struct actor *actor, struct scene *scene, const struct actor_config *config,
               uint32_t number)
{
    *actor = (struct actor){.scene = scene,
                            .physmem = &scene->physmem[config->physmem],
                            .config = config,
                            .number = number,
                            .all = actor - number,
                            .exit_status = -1,
                            .control_due = UINT64_MAX,
                            .late = random_stream(config->seed, LATE_STREAM)};
}

const char *life_contracts_wrong(const struct wanted_contract *wanted, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct sp_terms *terms = &wanted[i].terms;

        if (terms->order > LIFE_ORDER_MAX)
            return "a task's pages are 2^order base pages, and order is at most 6";
        if (terms->order != wanted[0].terms.order)
            return "all pages of a task have one size: say the same order in each contract";
        if (terms->frames % (1u << terms->order) != 0)
            return "the frames of a contract are a whole number of pages of its order";
    }
    return NULL;
}

static uint64_t frames_wanted(const struct actor *actor)
{
    uint64_t frames = 0;

    for (uint32_t i = 0; i < actor->config->contracts; i++)
        frames += actor->config->wanted[i].terms.frames;
    return frames;
}

static uint32_t slots_wanted(const struct actor *actor)
{
    uint64_t frames = frames_wanted(actor);
    uint64_t slots =
        frames * SLOTS_PER_FRAME < SLOTS_LEAST ? SLOTS_LEAST : frames * SLOTS_PER_FRAME;

    if (slots > SLOTS_MOST)
        slots = frames > SLOTS_MOST ? frames : SLOTS_MOST;
    return actor_base(actor, actor_units(actor, (uint32_t)slots));
}

static struct letter *next_request(struct actor *actor, enum letter_kind kind)
{
    struct letter *letter = errands_letter(actor, kind);

    if (letter != NULL)
        letter->request.seq = actor->asked = ++actor->scene->seq;
    return letter;
}

static size_t extents_size(const struct actor *actor)
{
    return ((actor->slots + EXTENT_PAGES - 1) / EXTENT_PAGES) * sizeof(*actor->extent);
}

/* Pages that one message to swap carries. */
static uint32_t batch_of(const struct actor *actor)
{
    return actor_units(actor, PAGER_BATCH);
}

/* Memory for `count` numbers of `size` bytes, all zeros. */
static void *fresh_numbers(const struct actor *actor, uint32_t count, size_t size)
{
    const struct allocator *fresh = actor->scene->fresh;

    return fresh->resize(fresh->context, NULL, 0, count * size);
}

static bool make_pager(struct actor *actor)
{
    const struct actor_config *config = actor->config;
    uint32_t pages = actor_pages(actor);
    /* One page is left free behind a region. */
    struct pager_config pager = {.pages = actor_units(actor, pages) + 1,
                                 .slots = actor_units(actor, actor->slots),
                                 .extent_pages = actor_units(actor, EXTENT_PAGES),
                                 .batch = batch_of(actor),
                                 .read_ahead = batch_of(actor) - 1,
                                 .evicts_later = true,
                                 .evicts_apart = true,
                                 .map_limit = MAP_LIMIT,
                                 .seed = config->seed,
                                 .policy = config->policy,
                                 .params = config->params,
                                 .stats = &actor->stats};
    const struct allocator *fresh = actor->scene->fresh;
    uintptr_t address;

    if (actor->scene->kernel_bits && actor->order == 0 &&
        (config->policy->flags & SP_POLICY_SAMPLES) != 0) {
        pager.referenced = pager_shell_referenced;
        pager.referenced_arg = &actor->shell;
    }
    actor->memory_size = pager_size(&pager) + ALIGNMENT;
    actor->memory = fresh->resize(fresh->context, NULL, 0, actor->memory_size);
    actor->version = fresh_numbers(actor, pages, sizeof(*actor->version));
    actor->swap_slot =
        actor->order > 0 ? fresh_numbers(actor, pages, sizeof(*actor->swap_slot)) : NULL;
    actor->extent = fresh->resize(fresh->context, NULL, 0, extents_size(actor));
    if (actor->memory == NULL || actor->version == NULL || actor->extent == NULL ||
        (actor->order > 0 && actor->swap_slot == NULL)) {
        actor->scene->failed = true;
        return false;
    }
    address = ((uintptr_t)actor->memory + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    pager_init(&actor->pager, &pager, (void *)address);
    pages_surround(actor);
    return true;
}

void life_begin(struct actor *actor)
{
    struct letter *letter;

    ensure(actor->task != NULL && actor->memory == NULL);
    actor->state = THREAD_COMES;
    actor->step_of_coming = COMES_CONTAINER;
    actor->exit_status = -1;
    actor->began = actor->scene->now - (actor->life == 1 ? actor->scene->costs.start : 0);
    actor->stats = (struct sp_stats){0};
    actor->order = actor->config->wanted[0].terms.order;
    actor->slots = slots_wanted(actor);
    actor->agreements = (struct agreements){.offered = 0};
    actor->files = (struct actor_files){.step = READING_NOTHING};
    pager_work_clear(&actor->errands);
    actor->revoked = actor->waited = actor->read = actor->has_step = actor->struck = false;
    actor->ends_with = -1;
    actor->hangs_until = 0;
    actor->stores_sent = actor->recalls_open = actor->pauses = 0;
    actor->control_due = UINT64_MAX;
    actor->steps = 0;
    actor->ahead_first = actor->ahead_end = 0;
    walk_init(&actor->walk, actor->config->tables, actor->config->seed);
    if (!make_pager(actor))
        return;
    letter = next_request(actor, LETTER_CONTAINER);
    if (letter == NULL)
        return;
    letter->request.count = actor->slots;
    errands_post(actor, letter, LANE_PHYSMEM);
}

/* The contracts are concluded: a region, and the program begins. */
static void make_region(struct actor *actor)
{
    const struct workload *workload = &actor->config->tables->workload;
    bool precious = workload->kind == SP_PRECIOUS;
    int rc = 0;

    if (precious && !actor->scene->has_swap)
        rc = -1;
    else if (actor->scene->has_swap)
        rc = device_join(&actor->scene->device, actor->number, precious ? actor_pages(actor) : 0);
    if (rc == 0)
        rc = waiting_contract(actor);
    if (rc == 0)
        actor->first =
            pager_regions_create(&actor->pager, actor_units(actor, actor_pages(actor)),
                                 workload->kind, false, workload->kind == SP_REMANUFACTURABLE);
    if (rc != 0 || actor->first == SP_NO_PAGE) {
        thread_end(actor, EXIT_CANNOT);
        return;
    }
    actor->state = THREAD_RUNS;
    /* A round trip to open each file. */
    errands_turn(actor, (precious + actor->files.open) * (uint64_t)actor->scene->costs.round_trip);
}

/* Recalls have to be met sooner: a task that is too late for that has kept what its contracts say. */
static void hurry(struct actor *actor, struct sp_terms *terms)
{
    if (terms->grace_unit != SP_GRACE_TIME)
        return;
    if (terms->t_clean == 0 || terms->t_clean > actor->grace_ns)
        terms->t_clean = actor->grace_ns;
    if (terms->t_drop == 0 || terms->t_drop > actor->grace_ns)
        terms->t_drop = actor->grace_ns;
    actor->struck = true;
}

/* All contracts are concluded. */
static void part_or_go_on(struct actor *actor, uint32_t part)
{
    if (part < actor->config->parts)
        parting_ask(actor, part);
    else if (reading_files(actor) > 0)
        reading_come(actor);
    else
        make_region(actor);
}

/* The next contract is proposed, or the last was concluded. */
static void propose(struct actor *actor)
{
    uint32_t number = actor->step_of_coming - COMES_DEALS;
    struct letter *letter;

    if (number >= actor->config->contracts) {
        part_or_go_on(actor, number - actor->config->contracts);
        return;
    }
    if (actor->config->part_of > 0) {
        parting_claim(actor);
        return;
    }
    letter = next_request(actor, LETTER_PROPOSE);
    if (letter == NULL)
        return;
    letter->request.terms = actor->config->wanted[number].terms;
    if (actor->grace_ns > 0)
        hurry(actor, &letter->request.terms);
    errands_post(actor, letter, LANE_PHYSMEM);
}

static void open_stack(struct actor *actor)
{
    uint64_t frames = frames_wanted(actor);
    struct letter *letter = next_request(actor, LETTER_STACK);

    if (letter == NULL)
        return;
    if (frames > actor->slots)
        frames = actor->slots;
    if (frames < PLACES_LEAST)
        frames = PLACES_LEAST;
    letter->request.count =
        frames < FRAME_STACK_PLACES_MAX ? (uint32_t)frames : FRAME_STACK_PLACES_MAX;
    errands_post(actor, letter, LANE_PHYSMEM);
}

/* An offer: accept it if it is a counter-offer that will do. */
static void consider(struct actor *actor, const struct physmem_effect *effect)
{
    const struct sp_terms *asked =
        &actor->config->wanted[actor->step_of_coming - COMES_DEALS].terms;
    const struct sp_offer *offer = &effect->offer.offer;
    struct letter *letter;

    if (effect->error == 0)
        deal_note(actor, effect);
    if (effect->error == 0 && offer->answer == SP_ACCEPTED) {
        actor->step_of_coming++;
        propose(actor);
        return;
    }
    if (effect->error != 0 || offer->answer != SP_COUNTERED || offer->terms.frames < asked->min ||
        offer->terms.frames == 0) {
        thread_end(actor, EXIT_CANNOT);
        return;
    }
    letter = next_request(actor, LETTER_ACCEPT);
    if (letter == NULL)
        return;
    letter->request.contract = offer->contract;
    errands_post(actor, letter, LANE_PHYSMEM);
}

void life_hear_files(struct actor *actor, enum reading_result what)
{
    check(what != READING_AGAIN);
    if (what == READING_DONE)
        make_region(actor);
    else if (what == READING_FAILED)
        thread_end(actor, EXIT_CANNOT);
}

void life_answered(struct actor *actor, const struct physmem_effect *effect)
{
    check(actor->state == THREAD_COMES);
    if (effect->seq != actor->asked)
        return;
    if (actor->config->part_of > 0 && actor->step_of_coming == COMES_DEALS)
        actor->token = 0; /* if it comes again, it needs another one */
    if (reading_waits(actor)) {
        life_hear_files(actor, reading_heard(actor, effect));
    } else if (effect->error != 0 && effect->kind != PHYSMEM_REPLY_OFFER) {
        thread_end(actor, EXIT_CANNOT);
    } else if (effect->kind == PHYSMEM_REPLY_CONTAINER) {
        actor->container = effect->container.container;
        actor->step_of_coming = actor->order == 0 ? COMES_STACK : COMES_DEALS;
        if (actor->order == 0)
            open_stack(actor);
        else
            propose(actor);
    } else if (effect->kind == PHYSMEM_REPLY_STACK) {
        pager_slots_publish(&actor->pager, effect->stack.stack, effect->stack.places);
        actor->step_of_coming = COMES_DEALS;
        propose(actor);
    } else if (effect->kind == PHYSMEM_REPLY_OFFER) {
        consider(actor, effect);
    } else if (effect->kind == PHYSMEM_REPLY_PART) {
        parting_heard(actor, actor->step_of_coming++ - COMES_DEALS - actor->config->contracts,
                      effect);
        propose(actor);
    } else {
        thread_end(actor, EXIT_CANNOT);
    }
}

/* A counter of this unit counts pages of the pager. */
static bool counts_pages(const char *unit)
{
    return strcmp(unit, "pages") == 0 || strcmp(unit, "frames") == 0;
}

struct sp_stats life_stats(const struct actor *actor)
{
    struct sp_stats stats = actor->stats;

#define IN_BASE_PAGES(type, name, unit, meaning)                                                   \
    stats.name <<= counts_pages(unit) ? actor->order : 0;
    SP_TASK_COUNTERS(IN_BASE_PAGES, IN_BASE_PAGES)
#undef IN_BASE_PAGES
    return stats;
}

static void free_memory(struct actor *actor)
{
    const struct allocator *fresh = actor->scene->fresh;

    memory_free(fresh, actor->memory, actor->memory_size);
    memory_free(fresh, actor->version, actor_pages(actor) * sizeof(*actor->version));
    if (actor->swap_slot != NULL)
        memory_free(fresh, actor->swap_slot, actor_pages(actor) * sizeof(*actor->swap_slot));
    actor->swap_slot = NULL;
    memory_free(fresh, actor->extent, extents_size(actor));
    actor->memory = NULL;
    actor->version = NULL;
    actor->extent = NULL;
    while (actor->unread != NULL) {
        struct letter *letter = actor->unread;

        actor->unread = letter->next;
        scene_drop(actor->scene, letter);
    }
    actor->unread_last = NULL;
    if (actor->held_back != NULL)
        scene_drop(actor->scene, actor->held_back);
    actor->held_back = NULL;
    if (actor->in_hand != NULL)
        scene_drop(actor->scene, actor->in_hand);
    actor->in_hand = NULL;
}

void life_leave(struct actor *actor)
{
    struct letter *letter = errands_letter(actor, LETTER_BYE);

    check(actor->state == THREAD_ENDED && actor->memory != NULL);
    waiting_leave(actor);
    reading_leave(actor);
    device_leave(&actor->scene->device, actor->number);
    if (actor->stack != NULL)
        physmem_shell_let_go(&actor->physmem->shell, actor->stack);
    actor->stack = NULL;
    free_memory(actor);
    if (letter == NULL)
        return;
    /* Behind all that was sent before. */
    if (actor->lanes.up[LANE_CONTROL] > actor->lanes.up[LANE_PHYSMEM])
        actor->lanes.up[LANE_PHYSMEM] = actor->lanes.up[LANE_CONTROL];
    errands_post(actor, letter, LANE_PHYSMEM);
}

void life_fini(struct actor *actor)
{
    waiting_leave(actor);
    letting_forget(actor->scene, &actor->holds);
    if (actor->memory != NULL)
        free_memory(actor);
}
