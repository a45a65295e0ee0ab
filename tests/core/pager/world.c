/* See pager_world.h: effects, kernel, physmem and swap. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* What a frame holds that comes from another task, or that nobody may read any more. */
#define POISON UINT64_C(0xdeadbeef00000000)

void world_fail(const struct world *world, const char *what)
{
    fail_msg("%s (seed %llu, step %u: %u pages, %u slots, G %u, E %u, policy %s)", what,
             (unsigned long long)world->options.seed, world->step, world->options.pages,
             world->options.slots, world->pager.guaranteed, world->pager.extra,
             world->options.policy->name);
    abort();
}

static void carry_out_all(struct world *world);

static bool chance(struct world *world, uint32_t one_in)
{
    return world_random(world, one_in) == 0;
}

uint64_t world_fresh_value(const struct world *world, sp_page page)
{
    return pager_regions_of(&world->pager, page)->refill ? ~(uint64_t)page : 0;
}

void world_forget(struct world *world, sp_page page)
{
    world->page[page].value = world_fresh_value(world, page);
    world->page[page].undefined = pager_regions_of(&world->pager, page)->undefined;
}

/* ---- The kernel ---- */

/* True if the kernel has one area for the page's address and the one before. */
static bool one_area(const struct world *world, uint32_t page)
{
    const struct world_page *after = &world->page[page];
    uint32_t before_slot = page > 0 ? after[-1].kernel_slot : PAGER_NONE;

    if (before_slot == PAGER_NONE || after->kernel_slot == PAGER_NONE)
        return before_slot == after->kernel_slot;
    return after[-1].kernel_protection == after->kernel_protection &&
           before_slot + 1 == after->kernel_slot &&
           before_slot / world->options.extent_pages ==
               after->kernel_slot / world->options.extent_pages;
}

/* Areas of all addresses, less one. */
static uint32_t count_areas(const struct world *world)
{
    uint32_t areas = 0;

    for (uint32_t page = 0; page <= world->options.pages; page++)
        areas += !one_area(world, page);
    return areas;
}

static void kernel_set(struct world *world, sp_page page, uint32_t slot, uint8_t protection)
{
    struct world_page *p = &world->page[page];

    if (p->kernel_slot != PAGER_NONE)
        world->slot[p->kernel_slot].mapped--;
    p->kernel_slot = slot;
    p->kernel_protection = protection;
    if (slot != PAGER_NONE)
        world->slot[slot].mapped++;
}

static void kernel_map(struct world *world, const struct pager_effect *effect)
{
    struct world_page *p = &world->page[effect->page];

    world_require(world, p->kernel_slot == PAGER_NONE, "a page is mapped that was mapped");
    world_require(world, world->slot[effect->slot].mapped == 0, "two pages map one frame");
    kernel_set(world, effect->page, effect->slot, effect->protection);
    if (world->options.kernel_limit == 0 || count_areas(world) <= world->options.kernel_limit)
        return;
    kernel_set(world, effect->page, PAGER_NONE, 0);
    world->map_failed = true;
    pager_mapping_failed(&world->pager, effect->page);
}

/* ---- Effects ---- */

static void swap_free(struct world *world, uint32_t swap)
{
    world_require(world, swap < world->swap_slots && world->swap_used[swap],
                  "a swap slot is freed that is not in use");
    world->swap_used[swap] = false;
    world->swap[swap] = POISON | swap;
}

static bool frame_in_transit(const struct world *world, uint32_t slot)
{
    for (uint32_t i = 0; i < world->ops; i++) {
        enum pager_effect_kind kind = world->op[i].effect.kind;

        if ((kind == EFFECT_STORE || kind == EFFECT_LOAD || kind == EFFECT_REFILL) &&
            world->op[i].effect.slot == slot)
            return true;
    }
    return false;
}

/* A frame goes to others. */
static void leave_slot(struct world *world, uint32_t slot)
{
    struct world_slot *s = &world->slot[slot];

    world_require(world, s->mapped == 0, "a frame is given up that is mapped");
    world_require(world, !frame_in_transit(world, slot), "a frame is given up in transit");
    world->allocated--;
    s->allocated = false;
    s->rights = 0;
    s->frame = POISON | slot;
}

static void take_back(struct world *world, uint32_t slot)
{
    world_require(world, world->owed > 0, "a frame is returned that is not owed");
    world->owed--;
    leave_slot(world, slot);
}

uint32_t world_unnoticed(const struct world *world)
{
    return world->taken - (uint32_t)world->stats.taken;
}

void world_take(struct world *world, uint32_t frames)
{
    struct frame_walk walk;
    uint32_t slot;

    if (world->stack == NULL)
        return;
    walk = frame_stack_walk_start(world->stack, world->options.stack, world->options.stack);
    while (frames > 0 && world->allocated > world->owed &&
           (slot = frame_stack_walk_next(&walk)) != FRAME_STACK_NONE) {
        world_require(world,
                      slot < world->options.slots && (world->slot[slot].allocated || world->losing),
                      "a slot is offered that has no frame");
        if (!world->slot[slot].allocated)
            continue;         /* taken by force, and the pager is just hearing of it */
        if (chance(world, 8)) /* it may have its reasons not to */
            continue;
        world_require(world, frame_stack_walk_claim(&walk), "a claim fails without a rival");
        leave_slot(world, slot);
        world->taken++;
        frames--;
    }
    /* The news may be late. */
    if (world->generous || chance(world, 2))
        world->told = world->taken;
    frame_stack_tell(world->stack, world->told);
}

/* What is under way for a frame that is gone. */
static void op_lose(struct world *world, struct world_op *op, uint32_t slot)
{
    enum pager_effect_kind kind = op->effect.kind;

    if (kind == EFFECT_ALLOCATE && op->acted && slot - op->effect.slot < op->count)
        world->slot[slot].lost_unheard = true;
    if ((kind == EFFECT_STORE || kind == EFFECT_LOAD || kind == EFFECT_REFILL) &&
        op->effect.slot == slot && !(kind == EFFECT_STORE && op->acted))
        op->lost = true;
}

void world_lose(struct world *world, uint32_t slot, uint32_t count)
{
    bool lost[64] = {false};
    uint32_t frames = 0;

    if (count > world->options.slots - slot)
        count = world->options.slots - slot;
    for (uint32_t i = 0; i < count && i < 64; i++) {
        struct world_slot *s = &world->slot[slot + i];

        if (!s->allocated)
            continue;
        for (uint32_t j = 0; j < world->ops; j++)
            op_lose(world, &world->op[j], slot + i);
        s->allocated = false;
        s->rights = 0;
        s->frame = POISON | (slot + i);
        lost[i] = true;
        frames++;
    }
    world->allocated -= frames;
    world->losses += frames;
    world->owed -= frames < world->owed ? frames : world->owed;
    world_enter(world, -1, false);
    world->taking_rights = true;
    world->losing = true;
    pager_debts_forgive(&world->pager, frames);
    for (uint32_t i = 0; i < count && i < 64; i++) {
        if (lost[i])
            pager_lost(&world->pager, slot + i, 1);
        carry_out_all(world);
        world_require(world, !lost[i] || world->slot[slot + i].mapped == 0,
                      "a frame that is gone is mapped");
    }
    world_leave(world);
    world->taking_rights = false;
    world->losing = false;
    world->ends++;
}

/* Slots that the pager still counts as held, though it knows that they are lost. */
static uint32_t being_lost(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->options.slots; i++)
        count += world->pager.slot[i].state == SLOT_USED &&
                 (world->pager.slot[i].flags & SLOT_LOST) != 0;
    return count;
}

static void begin_op(struct world *world, const struct pager_effect *effect)
{
    world_require(world, world->ops < WORLD_OPS, "too much is under way");
    world->op[world->ops++] = (struct world_op){
        .effect = *effect, .thread = world->caller, .write = world->caller_writes};
    if (world->caller >= 0 && effect->kind != EFFECT_STORE)
        world->thread[world->caller].calls++;
}

static void check_request(struct world *world, const struct pager_effect *effect)
{
    const struct pager *pager = &world->pager;

    world_require(world, effect->count > 0 && effect->count <= world->options.slots - effect->slot,
                  "a request reaches beyond the container");
    for (uint32_t i = 0; i < effect->count; i++)
        world_require(world,
                      world->slot[effect->slot + i].allocated == (effect->kind == EFFECT_GRANT) ||
                          (i > 0 && world_unnoticed(world) > 0 &&
                           pager->slot[effect->slot + i].state == SLOT_FREE),
                      "a request for a wrong slot");
    if (effect->kind == EFFECT_GRANT)
        return;
    for (uint32_t i = 0; i < world->ops; i++)
        world_require(world, world->op[i].effect.kind != EFFECT_ALLOCATE,
                      "two allocations at a time");
    if (effect->extra)
        world_require(world, pager->owed == 0 && pager->held >= pager->guaranteed,
                      "extra frames are asked for while others would do, or are owed");
    world_require(world,
                  pager->held + effect->count <=
                      pager->guaranteed + (effect->extra ? pager->extra : 0),
                  "more frames are asked for than the contracts allow");
}

static void check_effect(struct world *world, const struct pager_effect *effect)
{
    bool about_slot = effect->kind == EFFECT_MAP || effect->kind == EFFECT_CLEAR ||
                      effect->kind == EFFECT_STORE || effect->kind == EFFECT_LOAD ||
                      effect->kind == EFFECT_REFILL || effect->kind == EFFECT_RETURN;
    bool about_page = effect->kind != EFFECT_CLEAR && effect->kind != EFFECT_ALLOCATE &&
                      effect->kind != EFFECT_GRANT && effect->kind != EFFECT_RETURN;

    world->emitted[effect->kind]++;
    if (about_slot && !(effect->kind == EFFECT_RETURN && world->slot[effect->slot].lost_unheard))
        world_require(world,
                      effect->slot < world->options.slots && world->slot[effect->slot].allocated,
                      "an effect on a slot without a frame");
    if (about_page)
        world_require(world, effect->page < world->options.pages, "an effect on no page");
    if (effect->kind == EFFECT_UNMAP || effect->kind == EFFECT_PROTECT) {
        const struct world_page *p = &world->page[effect->page];

        world_require(world, p->kernel_slot != PAGER_NONE, "a mapping is changed that is not");
        world_require(world,
                      p->pins == 0 || world->taking_rights ||
                          (effect->protection & ~p->kernel_protection) != 0,
                      "a pinned page loses its mapping");
    }
    if (effect->kind == EFFECT_STORE)
        world_require(world, (world->page[effect->page].kernel_protection & PAGE_WRITE) == 0,
                      "a page is stored while it can be written");
    if (effect->kind == EFFECT_LOAD)
        world_require(world, world->swap_used[effect->swap], "a load of what swap does not have");
    if (effect->kind == EFFECT_ALLOCATE || effect->kind == EFFECT_GRANT)
        check_request(world, effect);
}

static void carry_out(struct world *world, const struct pager_effect *effect)
{
    /* Physmem is another process: it may act in the midst of a call. */
    if (world->stack != NULL && !world->generous && chance(world, 8))
        world_take(world, 1 + world_random(world, 4));
    check_effect(world, effect);
    switch (effect->kind) {
    case EFFECT_MAP:
        kernel_map(world, effect);
        break;
    case EFFECT_PROTECT:
        kernel_set(world, effect->page, world->page[effect->page].kernel_slot, effect->protection);
        break;
    case EFFECT_UNMAP:
        kernel_set(world, effect->page, PAGER_NONE, 0);
        break;
    case EFFECT_CLEAR:
        world->slot[effect->slot].frame = 0;
        break;
    case EFFECT_FREE_SWAP:
        swap_free(world, effect->swap);
        break;
    case EFFECT_RETURN:
        if (world->slot[effect->slot].lost_unheard)
            world->emitted[EFFECT_RETURN]--; /* physmem passes over holes */
        else
            take_back(world, effect->slot);
        break;
    case EFFECT_STORE:
        if (effect->swap != PAGER_NONE)
            swap_free(world, effect->swap);
        begin_op(world, effect);
        break;
    default:
        begin_op(world, effect);
        break;
    }
}

static void carry_out_all(struct world *world)
{
    struct pager_effect effect;

    while (pager_next_effect(&world->pager, &effect))
        carry_out(world, &effect);
}

void world_enter(struct world *world, int thread, bool write)
{
    world->caller = thread;
    world->caller_writes = write;
    world->map_failed = false;
    memset(world->emitted, 0, sizeof(world->emitted));
}

void world_leave(struct world *world)
{
    carry_out_all(world);
    world->caller = -1;
    world_require(world, world->emitted[EFFECT_STORE] <= world->pager.config.batch,
                  "too many stores in a call");
    world_require(world, world->emitted[EFFECT_RETURN] <= world->pager.config.batch,
                  "too many returns in a call");
    world_require(world,
                  world->emitted[EFFECT_LOAD] + world->emitted[EFFECT_REFILL] <=
                      1 + world->options.read_ahead,
                  "too many loads in a call");
    strict_policy_call_ended(world->pager.policy_state);
}

/* ---- Physmem ---- */

static void physmem_allocate(struct world *world, struct world_op *op)
{
    uint32_t most = op->effect.count;

    if (!op->effect.extra) {
        uint32_t left = world->pager.guaranteed > world->allocated
                            ? world->pager.guaranteed - world->allocated
                            : 0;

        most = left < most ? left : most;
    } else if (world->owed > 0) {
        most = 0;
    } else if (!world->generous) {
        most = world->pool < most ? world->pool : most;
        world->pool -= most;
    }
    op->count = world->generous || most == 0 ? most : 1 + world_random(world, most);
    op->zero = chance(world, 2);
    for (uint32_t i = 0; i < op->count; i++) {
        struct world_slot *slot = &world->slot[op->effect.slot + i];

        slot->allocated = true;
        slot->rights = PAGE_READ | PAGE_WRITE;
        slot->frame = op->zero ? 0 : POISON | (op->effect.slot + i);
    }
    world->allocated += op->count;
}

static void physmem_grant(struct world *world, struct world_op *op)
{
    for (uint32_t i = 0; i < op->effect.count; i++) {
        struct world_slot *slot = &world->slot[op->effect.slot + i];

        op->rights[i] = slot->allocated ? PAGE_READ | PAGE_WRITE : 0;
        slot->rights |= op->rights[i];
    }
}

/* Physmem takes rights of some slots; the message is on its way. */
void world_unmap_send(struct world *world)
{
    struct world_unmap *unmap;

    if (world->unmaps == WORLD_UNMAPS)
        return;
    unmap = &world->unmap[world->unmaps++];
    unmap->slot = world_random(world, world->options.slots);
    unmap->count = 1 + world_random(world, chance(world, 4) ? world->options.slots : 4);
    if (unmap->count > world->options.slots - unmap->slot)
        unmap->count = world->options.slots - unmap->slot;
    unmap->rights = chance(world, 3) ? PAGE_WRITE : PAGE_READ | PAGE_WRITE;
    for (uint32_t i = 0; i < unmap->count; i++) {
        world->slot[unmap->slot + i].rights &= (uint8_t)~unmap->rights;
        world->slot[unmap->slot + i].unmaps++;
    }
}

/* The oldest of these messages arrives. */
void world_unmap_deliver(struct world *world)
{
    struct world_unmap unmap = world->unmap[0];
    uint32_t referenced = 0;
    uint32_t dirty = 0;

    if (world->unmaps == 0)
        return;
    memmove(&world->unmap[0], &world->unmap[1], --world->unmaps * sizeof(unmap));
    world_enter(world, -1, false);
    world->taking_rights = true;
    pager_rights_taken(&world->pager, unmap.slot, unmap.count, unmap.rights, &referenced, &dirty);
    world_leave(world);
    world->taking_rights = false;
    world_require(world, referenced <= unmap.count && dirty <= referenced,
                  "more pages are reported than were unmapped");
    for (uint32_t i = 0; i < unmap.count; i++)
        world->slot[unmap.slot + i].unmaps--;
}

/* ---- Round trips ---- */

static void act(struct world *world, struct world_op *op)
{
    op->acted = true;
    switch (op->effect.kind) {
    case EFFECT_STORE:
        op->content = world->slot[op->effect.slot].frame;
        break;
    case EFFECT_LOAD:
        op->content = world->swap[op->effect.swap];
        break;
    case EFFECT_REFILL:
        op->content = world_fresh_value(world, op->effect.page);
        break;
    case EFFECT_ALLOCATE:
        physmem_allocate(world, op);
        break;
    default:
        physmem_grant(world, op);
        break;
    }
}

static void finish_store(struct world *world, const struct world_op *op)
{
    uint32_t swap;

    if (op->lost || (world->options.failures && !world->generous && chance(world, 8))) {
        pager_evict_stored(&world->pager, op->effect.page, PAGER_NONE, EIO);
        return;
    }
    do
        swap = world_random(world, world->swap_slots);
    while (world->swap_used[swap]);
    world->swap_used[swap] = true;
    world->swap[swap] = op->content;
    pager_evict_stored(&world->pager, op->effect.page, swap, 0);
}

static void finish_load(struct world *world, const struct world_op *op)
{
    bool ok = !world->options.failures || world->generous || !chance(world, 8);

    ok = ok && !op->lost;
    if (ok)
        world->slot[op->effect.slot].frame = op->content;
    pager_fault_loaded(&world->pager, op->effect.page, ok, op->thread >= 0,
                       op->write && !world->pager.page[op->effect.page].ahead);
}

static void finish(struct world *world, const struct world_op *op)
{
    world_enter(world, -1, false);
    switch (op->effect.kind) {
    case EFFECT_STORE:
        finish_store(world, op);
        break;
    case EFFECT_LOAD:
    case EFFECT_REFILL:
        finish_load(world, op);
        break;
    case EFFECT_ALLOCATE:
        pager_growth_allocated(&world->pager, op->effect.slot, op->count, PAGE_READ | PAGE_WRITE,
                               op->zero);
        carry_out_all(world);
        for (uint32_t i = 0; i < op->effect.count; i++)
            world->slot[op->effect.slot + i].lost_unheard = false;
        break;
    default:
        for (uint32_t i = 0; i < op->effect.count; i++)
            pager_rights_granted(&world->pager, op->effect.slot + i, op->rights[i]);
        break;
    }
    world_leave(world);
    world->ends++;
    if (op->thread >= 0 && op->effect.kind != EFFECT_STORE &&
        --world->thread[op->thread].calls == 0)
        world->thread[op->thread].state = THREAD_ACCESS;
}

static bool to_physmem(const struct world_op *op)
{
    return op->effect.kind == EFFECT_ALLOCATE || op->effect.kind == EFFECT_GRANT;
}

/* Let the other side act, or its answer arrive. Physmem acts upon requests in their order, and the
 * answer to an allocation comes after those to older requests. */
void world_op_progress(struct world *world, uint32_t index)
{
    struct world_op op = world->op[index];

    for (uint32_t i = 0; to_physmem(&op) && i < index; i++)
        if (to_physmem(&world->op[i]) && (!world->op[i].acted || op.effect.kind == EFFECT_ALLOCATE))
            return;
    if (!op.acted)
        act(world, &world->op[index]);
    if (!op.acted && chance(world, 2))
        return;
    op = world->op[index];
    world->ops--;
    memmove(&world->op[index], &world->op[index + 1], (world->ops - index) * sizeof(op));
    finish(world, &op);
}

void world_drain(struct world *world)
{
    while (world->unmaps > 0)
        world_unmap_deliver(world);
    while (world->ops > 0)
        world_op_progress(world, world_random(world, world->ops));
}

/* ---- The check ---- */

static void check_page(struct world *world, sp_page page)
{
    const struct pager_page *p = &world->pager.page[page];
    struct world_page *w = &world->page[page];

    world_require(world, ((p->flags & PAGE_MAPPED) != 0) == (w->kernel_slot != PAGER_NONE),
                  "the kernel and the pager disagree about what is mapped");
    if (w->kernel_slot != PAGER_NONE) {
        const struct world_slot *slot = &world->slot[w->kernel_slot];

        world_require(world, w->kernel_slot == p->slot && w->kernel_protection == p->protection,
                      "the kernel and the pager disagree about a mapping");
        world_require(world, slot->unmaps > 0 || (w->kernel_protection & ~slot->rights) == 0,
                      "a page is mapped beyond the rights that physmem gave");
    }
    world_require(world, w->pins == p->pins, "pins are miscounted");
    world_require(world,
                  strict_policy_has(world->pager.policy_state, page) ==
                      (p->state == PAGE_RESIDENT && p->pins == 0),
                  "the policy and the pager disagree about a page");
    /* Contents that are not precious go as their page does. */
    if (p->state == PAGE_ABSENT && w->state == PAGE_RESIDENT && p->region != 0 &&
        pager_regions_of(&world->pager, page)->kind != SP_PRECIOUS) {
        world_forget(world, page);
        w->lost = true;
    }
    w->state = p->state;
}

void world_check(struct world *world)
{
    const struct pager *pager = &world->pager;
    const char *wrong = pager_check(pager);
    uint32_t with_swap = 0;
    uint32_t swap_used = 0;

    if (wrong != NULL)
        world_fail(world, wrong);
    for (sp_page page = 0; page < world->options.pages; page++) {
        check_page(world, page);
        with_swap += (pager->page[page].flags & PAGE_HAS_SWAP) != 0;
    }
    for (uint32_t i = 0; i < world->swap_slots; i++)
        swap_used += world->swap_used[i];
    world_require(world, with_swap == swap_used, "a swap slot has leaked");
    world_require(world, pager->maps == count_areas(world), "the kernel's areas are miscounted");
    world_require(world, pager->owed == world->owed, "the debt is miscounted");
    if (!world->options.pins && world->options.kernel_limit == 0)
        world_require(world, pager->maps <= pager->map_limit, "there are too many areas");
    for (uint32_t i = 0; i < world->ops; i++)
        if (world->op[i].effect.kind == EFFECT_ALLOCATE)
            return;
    world_require(world,
                  pager->held == world->allocated + world_unnoticed(world) + being_lost(world),
                  "frames are miscounted");
    world_require(world, !pager->allocating, "an allocation has ended and is waited for");
}

/* ---- Beginning ---- */

void world_init(struct world *world, const struct world_options *options)
{
    struct pager_config config = {.pages = options->pages,
                                  .batch = options->batch,
                                  .read_ahead = options->read_ahead,
                                  .slots = options->slots,
                                  .extent_pages = options->extent_pages,
                                  .map_limit = options->map_limit,
                                  .seed = options->seed,
                                  .policy = options->policy,
                                  .params = options->params,
                                  .stats = &world->stats};
    size_t size = (pager_size(&config) + 63) / 64 * 64;

    memset(world, 0, sizeof(*world));
    world->options = *options;
    world->random = random_seeded(options->seed);
    world->caller = -1;
    world->memory = aligned_alloc(64, size);
    world->page = calloc(options->pages + 1, sizeof(*world->page));
    world->slot = calloc(options->slots, sizeof(*world->slot));
    world->swap_slots = 2 * options->pages;
    world->swap = calloc(world->swap_slots, sizeof(*world->swap));
    world->swap_used = calloc(world->swap_slots, sizeof(*world->swap_used));
    assert_true(world->memory && world->page && world->slot && world->swap && world->swap_used);
    memset(world->memory, 0, size);
    for (sp_page page = 0; page <= options->pages; page++)
        world->page[page].kernel_slot = PAGER_NONE;
    memset(&world->pager, 0xa5, sizeof(world->pager)); /* whatever was there before */
    pager_init(&world->pager, &config, world->memory);
    pager_growth_allow(&world->pager, options->guaranteed, options->extra);
    world->pool = options->extra;
    if (options->stack == 0)
        return;
    world->stack = calloc(1, frame_stack_size(options->stack));
    assert_non_null(world->stack);
    pager_slots_publish(&world->pager, world->stack, options->stack);
}
