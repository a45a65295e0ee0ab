/* See outside.h: what is beyond the pager's shell: effects that are looked at, physmem and swap. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "outside.h"

/* What a frame holds that comes from another task, or that nobody may read any more. */
#define POISON UINT64_C(0xdeadbeef00000000)

void outside_fail(const struct outside *outside, const char *what)
{
    fail_msg("%s (seed %llu, step %u: %u pages, %u slots, G %u, E %u, policy %s)", what,
             (unsigned long long)outside->options.seed, outside->step, outside->options.pages,
             outside->options.slots, outside->pager.guaranteed, outside->pager.extra,
             outside->options.policy->name);
    abort();
}

static void carry_out_all(struct outside *outside);

static bool chance(struct outside *outside, uint32_t one_in)
{
    return outside_random(outside, one_in) == 0;
}

uint64_t outside_fresh_value(const struct outside *outside, sp_page page)
{
    return pager_regions_of(&outside->pager, page)->refill ? ~(uint64_t)page : 0;
}

void outside_forget(struct outside *outside, sp_page page)
{
    outside->page[page].value = outside_fresh_value(outside, page);
    outside->page[page].undefined = pager_regions_of(&outside->pager, page)->undefined;
}

/* ---- The kernel, where it does more than a shell ---- */

/* Whether the page is mapped, and will be so when what is under way has ended. */
static bool stays_mapped(const struct outside *outside, sp_page page)
{
    return pager_shell_is_mapped(&outside->shell, page) && !outside->pager.page[page].going;
}

/* True if the kernel has one area for the page's address and the one before. */
static bool one_area(const struct outside *outside, uint32_t page)
{
    const struct pager_shell *shell = &outside->shell;
    uint32_t pages = outside->options.pages;
    bool before_is_mapped = page > 0 && stays_mapped(outside, page - 1);
    bool is_mapped = page < pages && stays_mapped(outside, page);

    if (!before_is_mapped || !is_mapped)
        return before_is_mapped == is_mapped;
    return ((*pager_shell_bits(shell, page - 1) ^ *pager_shell_bits(shell, page)) &
            ~PAGER_SHELL_REFERENCED) == 0 &&
           outside->page[page - 1].place + 1 == outside->page[page].place &&
           outside->page[page - 1].place / outside->options.extent_pages ==
               outside->page[page].place / outside->options.extent_pages;
}

/* Areas of all addresses, less one. */
static uint32_t count_areas(const struct outside *outside)
{
    uint32_t areas = 0;

    for (uint32_t page = 0; page <= outside->options.pages; page++)
        areas += !one_area(outside, page);
    return areas;
}

/* Addresses that map a slot. */
static uint32_t count_mapped(const struct outside *outside, uint32_t slot)
{
    const struct pager_shell *shell = &outside->shell;
    uint32_t mapped = 0;

    for (sp_page page = 0; page < outside->options.pages; page++)
        mapped += pager_shell_is_mapped(shell, page) && outside->page[page].place == slot;
    return mapped;
}

/* A page is mapped now, which may be one area too many. */
static void kernel_mapped(struct outside *outside, const struct pager_effect *effect)
{
    outside->page[effect->page].place = effect->slot;
    outside_require(outside, count_mapped(outside, effect->slot) == 1, "two pages map one frame");
    outside->page[effect->page].touched = false;
    if (outside->options.kernel_limit == 0 || count_areas(outside) <= outside->options.kernel_limit)
        return;
    pager_shell_refuse(&outside->shell, effect->page);
    outside->map_failed = true;
    pager_mapping_failed(&outside->pager, effect->page);
}

/* A page comes back to the page table. Where areas are not registered, the kernel brings back neighbours, too. */
void outside_kernel_refer(struct outside *outside, sp_page page)
{
    struct pager_shell *shell = &outside->shell;

    pager_shell_refer(shell, page);
    outside->page[page].touched = true;
    if ((*pager_shell_bits(shell, page) & PAGER_SHELL_WATCHED) != 0 || !stays_mapped(outside, page))
        return;
    for (sp_page next = page + 1; next < outside->options.pages && one_area(outside, next); next++)
        pager_shell_refer(shell, next);
    for (sp_page next = page; next > 0 && one_area(outside, next); next--)
        pager_shell_refer(shell, next - 1);
}

/* What the pager asks about. */
static bool is_referenced(void *arg, sp_page page)
{
    struct outside *outside = arg;
    bool referenced;

    outside_require(outside,
                    (*pager_shell_bits(&outside->shell, page) & PAGER_SHELL_WATCHED) != 0 ||
                        (!one_area(outside, page) && !one_area(outside, page + 1)),
                    "a bit is asked for that the kernel does not keep");
    referenced = pager_shell_referenced(&outside->shell, page);
    outside_require(outside, referenced == outside->page[page].touched,
                    "a present bit is not the page's own");
    return referenced;
}

/* ---- Effects ---- */

static void swap_free(struct outside *outside, uint32_t swap)
{
    outside_require(outside, swap < outside->swap_slots && outside->swap_used[swap],
                    "a swap slot is freed that is not in use");
    outside->swap_used[swap] = false;
    outside->swap[swap] = POISON | swap;
}

static bool frame_in_transit(const struct outside *outside, uint32_t slot)
{
    for (uint32_t i = 0; i < outside->ops; i++) {
        enum pager_effect_kind kind = outside->op[i].effect.kind;

        if ((kind == EFFECT_STORE || kind == EFFECT_LOAD || kind == EFFECT_REFILL) &&
            outside->op[i].effect.slot == slot)
            return true;
    }
    return false;
}

/* Physmem is not answered, nor believed, before all pages are unmapped that are to be. */
static void unmap_all(struct outside *outside)
{
    for (uint32_t i = outside->ops; i-- > 0;)
        while (i < outside->ops && outside->op[i].effect.kind == EFFECT_UNMAP)
            outside_op_progress(outside, i);
}

/* A frame goes to others. */
static void leave_slot(struct outside *outside, uint32_t slot)
{
    struct outside_slot *s = &outside->slot[slot];

    outside_require(outside, count_mapped(outside, slot) == 0,
                    "a frame is given up that is mapped");
    outside_require(outside, !frame_in_transit(outside, slot), "a frame is given up in transit");
    outside->allocated--;
    s->allocated = false;
    s->rights = 0;
    s->frame = POISON | slot;
}

static void take_back(struct outside *outside, uint32_t slot)
{
    outside_require(outside, outside->owed > 0, "a frame is returned that is not owed");
    outside->owed--;
    leave_slot(outside, slot);
}

uint32_t outside_unnoticed(const struct outside *outside)
{
    return outside->taken - (uint32_t)outside->stats.taken;
}

void outside_take(struct outside *outside, uint32_t frames)
{
    struct frame_walk walk;
    uint32_t slot;

    if (outside->stack == NULL)
        return;
    walk = frame_stack_walk_start(outside->stack, outside->options.stack, outside->options.stack);
    while (frames > 0 && outside->allocated > outside->owed &&
           (slot = frame_stack_walk_next(&walk)) != FRAME_STACK_NONE) {
        outside_require(outside,
                        slot < outside->options.slots &&
                            (outside->slot[slot].allocated || outside->losing),
                        "a slot is offered that has no frame");
        if (!outside->slot[slot].allocated)
            continue;           /* taken by force, and the pager is just hearing of it */
        if (chance(outside, 8)) /* it may have its reasons not to */
            continue;
        outside_require(outside, frame_stack_walk_claim(&walk), "a claim fails without a rival");
        leave_slot(outside, slot);
        outside->taken++;
        frames--;
    }
    /* The news may be late. */
    if (outside->generous || chance(outside, 2))
        outside->told = outside->taken;
    frame_stack_tell(outside->stack, outside->told);
}

/* What is under way for a frame that is gone. */
static void op_lose(struct outside *outside, struct outside_op *op, uint32_t slot)
{
    enum pager_effect_kind kind = op->effect.kind;

    if (kind == EFFECT_ALLOCATE && op->acted && slot - op->effect.slot < op->count)
        outside->slot[slot].lost_unheard = true;
    if ((kind == EFFECT_STORE || kind == EFFECT_LOAD || kind == EFFECT_REFILL) &&
        op->effect.slot == slot && !(kind == EFFECT_STORE && op->acted))
        op->lost = true;
}

void outside_lose(struct outside *outside, uint32_t slot, uint32_t count)
{
    bool lost[64] = {false};
    uint32_t frames = 0;

    unmap_all(outside);
    if (count > outside->options.slots - slot)
        count = outside->options.slots - slot;
    for (uint32_t i = 0; i < count && i < 64; i++) {
        struct outside_slot *s = &outside->slot[slot + i];

        if (!s->allocated)
            continue;
        for (uint32_t j = 0; j < outside->ops; j++)
            op_lose(outside, &outside->op[j], slot + i);
        s->allocated = false;
        s->rights = 0;
        s->frame = POISON | (slot + i);
        lost[i] = true;
        frames++;
    }
    outside->allocated -= frames;
    outside->losses += frames;
    outside->owed -= frames < outside->owed ? frames : outside->owed;
    outside_enter(outside, -1, false);
    outside->taking_rights = true;
    outside->losing = true;
    pager_debts_forgive(&outside->pager, frames);
    for (uint32_t i = 0; i < count && i < 64; i++) {
        if (lost[i])
            pager_lost(&outside->pager, slot + i, 1);
        carry_out_all(outside);
        outside_require(outside, !lost[i] || count_mapped(outside, slot + i) == 0,
                        "a frame that is gone is mapped");
    }
    outside_leave(outside);
    outside->taking_rights = false;
    outside->losing = false;
    outside->ends++;
}

/* Slots that the pager still counts as held, though it knows that they are lost. */
static uint32_t being_lost(const struct outside *outside)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < outside->options.slots; i++)
        count += outside->pager.slot[i].state == SLOT_USED &&
                 (outside->pager.slot[i].flags & SLOT_LOST) != 0;
    return count;
}

static void begin_op(struct outside *outside, const struct pager_effect *effect)
{
    outside_require(outside, outside->ops < OUTSIDE_OPS, "too much is under way");
    outside->op[outside->ops++] = (struct outside_op){
        .effect = *effect, .thread = outside->caller, .write = outside->caller_writes};
    if (outside->caller >= 0 && effect->kind != EFFECT_STORE)
        outside->thread[outside->caller].calls++;
}

static void check_request(struct outside *outside, const struct pager_effect *effect)
{
    const struct pager *pager = &outside->pager;

    outside_require(outside,
                    effect->count > 0 && effect->count <= outside->options.slots - effect->slot,
                    "a request reaches beyond the container");
    for (uint32_t i = 0; i < effect->count; i++)
        outside_require(outside,
                        outside->slot[effect->slot + i].allocated ==
                                (effect->kind == EFFECT_GRANT) ||
                            (i > 0 && outside_unnoticed(outside) > 0 &&
                             pager->slot[effect->slot + i].state == SLOT_FREE),
                        "a request for a wrong slot");
    if (effect->kind == EFFECT_GRANT)
        return;
    for (uint32_t i = 0; i < outside->ops; i++)
        outside_require(outside, outside->op[i].effect.kind != EFFECT_ALLOCATE,
                        "two allocations at a time");
    if (effect->extra)
        outside_require(outside, pager->owed == 0 && pager->held >= pager->guaranteed,
                        "extra frames are asked for while others would do, or are owed");
    outside_require(outside,
                    pager->held + effect->count <=
                        pager->guaranteed + (effect->extra ? pager->extra : 0),
                    "more frames are asked for than the contracts allow");
}

/* What the shell would take for granted, and what it cannot know. */
static void check_mapping(struct outside *outside, const struct pager_effect *effect)
{
    const struct outside_page *p = &outside->page[effect->page];
    uint8_t bits = *pager_shell_bits(&outside->shell, effect->page);

    if (effect->kind == EFFECT_MAP)
        outside_require(outside, bits == 0, "a page is mapped that was mapped");
    if (effect->kind == EFFECT_ARM) {
        outside_require(outside, (bits & (PAGE_READ | PAGE_WRITE)) != 0,
                        "a page is armed that cannot be accessed");
        outside_require(outside, effect->watched || (bits & PAGER_SHELL_WATCHED) == 0,
                        "an area is registered twice");
        outside_require(outside, p->pins == 0, "a pinned page is armed");
    }
    if (effect->kind == EFFECT_UNMAP || effect->kind == EFFECT_PROTECT) {
        outside_require(outside, bits != 0, "a mapping is changed that is not");
        outside_require(outside,
                        p->pins == 0 || outside->taking_rights ||
                            (effect->protection & ~bits & (PAGE_READ | PAGE_WRITE)) != 0,
                        "a pinned page loses its mapping");
    }
    if (effect->kind == EFFECT_STORE && !outside->pager.page[effect->page].going)
        outside_require(outside, (bits & PAGE_WRITE) == 0,
                        "a page is stored while it can be written");
}

static void check_effect(struct outside *outside, const struct pager_effect *effect)
{
    bool about_slot = effect->kind == EFFECT_MAP || effect->kind == EFFECT_CLEAR ||
                      effect->kind == EFFECT_STORE || effect->kind == EFFECT_LOAD ||
                      effect->kind == EFFECT_REFILL || effect->kind == EFFECT_RETURN;
    bool about_page = effect->kind != EFFECT_CLEAR && effect->kind != EFFECT_ALLOCATE &&
                      effect->kind != EFFECT_GRANT && effect->kind != EFFECT_RETURN;

    outside->emitted[effect->kind]++;
    if (about_slot && !(effect->kind == EFFECT_RETURN && outside->slot[effect->slot].lost_unheard))
        outside_require(
            outside, effect->slot < outside->options.slots && outside->slot[effect->slot].allocated,
            "an effect on a slot without a frame");
    if (about_page) {
        outside_require(outside, effect->page < outside->options.pages, "an effect on no page");
        check_mapping(outside, effect);
    }
    if (effect->kind == EFFECT_LOAD)
        outside_require(outside, outside->swap_used[effect->swap],
                        "a load of what swap does not have");
    if (effect->kind == EFFECT_ALLOCATE || effect->kind == EFFECT_GRANT)
        check_request(outside, effect);
}

/* Physmem and swap have their share: at once where nothing is answered, otherwise when their turn comes. */
static void carry_out_beyond(struct outside *outside, const struct pager_effect *effect)
{
    if (effect->kind == EFFECT_FREE_SWAP ||
        (effect->kind == EFFECT_STORE && effect->swap != PAGER_NONE))
        swap_free(outside, effect->swap);
    if (effect->kind == EFFECT_RETURN && outside->slot[effect->slot].lost_unheard)
        outside->emitted[EFFECT_RETURN]--; /* physmem passes over holes */
    else if (effect->kind == EFFECT_RETURN)
        take_back(outside, effect->slot);
    else if (effect->kind != EFFECT_FREE_SWAP)
        begin_op(outside, effect);
}

static void carry_out(struct outside *outside, const struct pager_effect *effect)
{
    /* Physmem is another process: it may act in the midst of a call. */
    if (outside->stack != NULL && !outside->generous && chance(outside, 8))
        outside_take(outside, 1 + outside_random(outside, 4));
    check_effect(outside, effect);
    if (effect->kind == EFFECT_UNMAP && effect->apart)
        begin_op(outside, effect);
    else if (!pager_shell_carry_out(&outside->shell, effect))
        carry_out_beyond(outside, effect);
    else if (effect->kind == EFFECT_MAP)
        kernel_mapped(outside, effect);
    else if (effect->kind == EFFECT_ARM)
        outside->page[effect->page].touched = false;
}

static void carry_out_all(struct outside *outside)
{
    struct pager_effect effect;

    while (pager_next_effect(&outside->pager, &effect))
        carry_out(outside, &effect);
}

void outside_enter(struct outside *outside, int thread, bool write)
{
    outside->caller = thread;
    outside->caller_writes = write;
    outside->map_failed = false;
    memset(outside->emitted, 0, sizeof(outside->emitted));
}

void outside_leave(struct outside *outside)
{
    carry_out_all(outside);
    outside->caller = -1;
    outside_require(outside, outside->emitted[EFFECT_STORE] <= outside->pager.config.batch,
                    "too many stores in a call");
    outside_require(outside, outside->emitted[EFFECT_RETURN] <= outside->pager.config.batch,
                    "too many returns in a call");
    outside_require(outside,
                    outside->emitted[EFFECT_LOAD] + outside->emitted[EFFECT_REFILL] <=
                        1 + outside->options.read_ahead,
                    "too many loads in a call");
    strict_policy_call_ended(outside->pager.policy_state);
}

/* ---- Physmem ---- */

static void physmem_allocate(struct outside *outside, struct outside_op *op)
{
    uint32_t most = op->effect.count;

    if (!op->effect.extra) {
        uint32_t left = outside->pager.guaranteed > outside->allocated
                            ? outside->pager.guaranteed - outside->allocated
                            : 0;

        most = left < most ? left : most;
    } else if (outside->owed > 0) {
        most = 0;
    } else if (!outside->generous) {
        most = outside->pool < most ? outside->pool : most;
        outside->pool -= most;
    }
    op->count = outside->generous || most == 0 ? most : 1 + outside_random(outside, most);
    op->zero = chance(outside, 2);
    for (uint32_t i = 0; i < op->count; i++) {
        struct outside_slot *slot = &outside->slot[op->effect.slot + i];

        slot->allocated = true;
        slot->rights = PAGE_READ | PAGE_WRITE;
        slot->frame = op->zero ? 0 : POISON | (op->effect.slot + i);
    }
    outside->allocated += op->count;
}

static void physmem_grant(struct outside *outside, struct outside_op *op)
{
    for (uint32_t i = 0; i < op->effect.count; i++) {
        struct outside_slot *slot = &outside->slot[op->effect.slot + i];

        op->rights[i] = slot->allocated ? PAGE_READ | PAGE_WRITE : 0;
        slot->rights |= op->rights[i];
    }
}

/* Physmem takes rights of some slots; the message is on its way. */
void outside_unmap_send(struct outside *outside)
{
    struct outside_unmap *unmap;

    if (outside->unmaps == OUTSIDE_UNMAPS)
        return;
    unmap = &outside->unmap[outside->unmaps++];
    unmap->slot = outside_random(outside, outside->options.slots);
    unmap->count = 1 + outside_random(outside, chance(outside, 4) ? outside->options.slots : 4);
    if (unmap->count > outside->options.slots - unmap->slot)
        unmap->count = outside->options.slots - unmap->slot;
    unmap->rights = chance(outside, 3) ? PAGE_WRITE : PAGE_READ | PAGE_WRITE;
    for (uint32_t i = 0; i < unmap->count; i++) {
        outside->slot[unmap->slot + i].rights &= (uint8_t)~unmap->rights;
        outside->slot[unmap->slot + i].unmaps++;
    }
}

/* The oldest of these messages arrives. */
void outside_unmap_deliver(struct outside *outside)
{
    struct outside_unmap unmap = outside->unmap[0];
    uint32_t referenced = 0;
    uint32_t dirty = 0;

    if (outside->unmaps == 0)
        return;
    unmap_all(outside);
    memmove(&outside->unmap[0], &outside->unmap[1], --outside->unmaps * sizeof(unmap));
    outside_enter(outside, -1, false);
    outside->taking_rights = true;
    pager_rights_taken(&outside->pager, unmap.slot, unmap.count, unmap.rights, &referenced, &dirty);
    outside_leave(outside);
    outside->taking_rights = false;
    outside_require(outside, referenced <= unmap.count && dirty <= referenced,
                    "more pages are reported than were unmapped");
    for (uint32_t i = 0; i < unmap.count; i++)
        outside->slot[unmap.slot + i].unmaps--;
}

/* ---- Round trips ---- */

static void act(struct outside *outside, struct outside_op *op)
{
    op->acted = true;
    switch (op->effect.kind) {
    case EFFECT_STORE:
        op->content = outside->slot[op->effect.slot].frame;
        break;
    case EFFECT_LOAD:
        op->content = outside->swap[op->effect.swap];
        break;
    case EFFECT_REFILL:
        op->content = outside_fresh_value(outside, op->effect.page);
        break;
    case EFFECT_ALLOCATE:
        physmem_allocate(outside, op);
        break;
    case EFFECT_UNMAP:
        pager_shell_carry_out(&outside->shell, &op->effect);
        break;
    default:
        physmem_grant(outside, op);
        break;
    }
}

static void finish_store(struct outside *outside, const struct outside_op *op)
{
    uint32_t swap;

    if (op->lost || (outside->options.failures && !outside->generous && chance(outside, 8))) {
        pager_evict_stored(&outside->pager, op->effect.page, PAGER_NONE, EIO);
        return;
    }
    do
        swap = outside_random(outside, outside->swap_slots);
    while (outside->swap_used[swap]);
    outside->swap_used[swap] = true;
    outside->swap[swap] = op->content;
    pager_evict_stored(&outside->pager, op->effect.page, swap, 0);
}

static void finish_load(struct outside *outside, const struct outside_op *op)
{
    bool ok = !outside->options.failures || outside->generous || !chance(outside, 8);

    ok = ok && !op->lost;
    if (ok)
        outside->slot[op->effect.slot].frame = op->content;
    pager_fault_loaded(&outside->pager, op->effect.page, ok, op->thread >= 0,
                       op->write && !outside->pager.page[op->effect.page].ahead);
}

static void finish_unmap(struct outside *outside, const struct outside_op *op)
{
    sp_page page = op->effect.page;
    bool ended = pager_evict_unmapped(&outside->pager, page);

    outside_require(outside, ended == (outside->pager.page[page].state != PAGE_LEAVING),
                    "a page has left, or not, and it is not said");
}

static void finish(struct outside *outside, const struct outside_op *op)
{
    outside_enter(outside, -1, false);
    switch (op->effect.kind) {
    case EFFECT_STORE:
        finish_store(outside, op);
        break;
    case EFFECT_LOAD:
    case EFFECT_REFILL:
        finish_load(outside, op);
        break;
    case EFFECT_UNMAP:
        finish_unmap(outside, op);
        break;
    case EFFECT_ALLOCATE:
        pager_growth_allocated(&outside->pager, op->effect.slot, op->count, PAGE_READ | PAGE_WRITE,
                               op->zero);
        carry_out_all(outside);
        for (uint32_t i = 0; i < op->effect.count; i++)
            outside->slot[op->effect.slot + i].lost_unheard = false;
        break;
    default:
        for (uint32_t i = 0; i < op->effect.count; i++)
            pager_rights_granted(&outside->pager, op->effect.slot + i, op->rights[i]);
        break;
    }
    outside_leave(outside);
    outside->ends++;
    if (op->thread >= 0 && op->effect.kind != EFFECT_STORE &&
        --outside->thread[op->thread].calls == 0)
        outside->thread[op->thread].state = THREAD_ACCESS;
}

static bool to_physmem(const struct outside_op *op)
{
    return op->effect.kind == EFFECT_ALLOCATE || op->effect.kind == EFFECT_GRANT;
}

/* Let the other side act, or its answer arrive. Physmem acts upon requests in their order, and the
 * answer to an allocation comes after those to older requests. */
void outside_op_progress(struct outside *outside, uint32_t index)
{
    struct outside_op op = outside->op[index];

    for (uint32_t i = 0; to_physmem(&op) && i < index; i++)
        if (to_physmem(&outside->op[i]) &&
            (!outside->op[i].acted || op.effect.kind == EFFECT_ALLOCATE))
            return;
    if (op.effect.kind == EFFECT_STORE && outside->pager.page[op.effect.page].going)
        return; /* it is sent when the page is unmapped */
    if (!op.acted)
        act(outside, &outside->op[index]);
    if (!op.acted && chance(outside, 2))
        return;
    op = outside->op[index];
    outside->ops--;
    memmove(&outside->op[index], &outside->op[index + 1], (outside->ops - index) * sizeof(op));
    finish(outside, &op);
}

void outside_drain(struct outside *outside)
{
    while (outside->unmaps > 0)
        outside_unmap_deliver(outside);
    while (outside->ops > 0)
        outside_op_progress(outside, outside_random(outside, outside->ops));
}

/* ---- The check ---- */

static void check_page(struct outside *outside, sp_page page)
{
    const struct pager_page *p = &outside->pager.page[page];
    struct outside_page *w = &outside->page[page];

    outside_require(
        outside, !p->going || !pager_shell_is_mapped(&outside->shell, page) || w->place == p->slot,
        "a page that is still mapped has lost its frame");
    if (stays_mapped(outside, page)) {
        const struct outside_slot *slot = &outside->slot[p->slot];

        outside_require(outside, w->place == p->slot,
                        "the kernel maps another frame than the pager believes");
        outside_require(outside, slot->unmaps > 0 || (p->protection & ~slot->rights) == 0,
                        "a page is mapped beyond the rights that physmem gave");
    }
    outside_require(outside, w->pins == p->pins, "pins are miscounted");
    outside_require(outside,
                    strict_policy_has(outside->pager.policy_state, page) ==
                        (p->state == PAGE_RESIDENT && p->pins == 0),
                    "the policy and the pager disagree about a page");
    /* Contents that are not precious go as their page does. */
    if (p->state == PAGE_ABSENT && (w->state == PAGE_RESIDENT || w->state == PAGE_LEAVING) &&
        p->region != 0 && pager_regions_of(&outside->pager, page)->kind != SP_PRECIOUS) {
        outside_forget(outside, page);
        w->lost = true;
    }
    w->state = p->state;
}

void outside_check(struct outside *outside)
{
    const struct pager *pager = &outside->pager;
    const char *wrong = pager_check(pager);
    const char *kernel_wrong = pager_shell_check(&outside->shell);
    uint32_t with_swap = 0;
    uint32_t swap_used = 0;

    if (wrong != NULL || kernel_wrong != NULL)
        outside_fail(outside, wrong != NULL ? wrong : kernel_wrong);
    for (sp_page page = 0; page < outside->options.pages; page++) {
        check_page(outside, page);
        with_swap += (pager->page[page].flags & PAGE_HAS_SWAP) != 0;
    }
    for (uint32_t i = 0; i < outside->swap_slots; i++)
        swap_used += outside->swap_used[i];
    outside_require(outside, with_swap == swap_used, "a swap slot has leaked");
    outside_require(outside, pager->maps == count_areas(outside),
                    "the kernel's areas are miscounted");
    outside_require(outside, pager->owed == outside->owed, "the debt is miscounted");
    if (!outside->options.pins && outside->options.kernel_limit == 0)
        outside_require(outside, pager->maps <= pager->map_limit, "there are too many areas");
    for (uint32_t i = 0; i < outside->ops; i++)
        if (outside->op[i].effect.kind == EFFECT_ALLOCATE)
            return;
    outside_require(outside,
                    pager->held ==
                        outside->allocated + outside_unnoticed(outside) + being_lost(outside),
                    "frames are miscounted");
    outside_require(outside, !pager->allocating, "an allocation has ended and is waited for");
}

/* ---- Beginning ---- */

static void clear_slot(void *arg, uint32_t slot)
{
    struct outside *outside = arg;

    outside->slot[slot].frame = 0;
}

void outside_init(struct outside *outside, const struct outside_options *options)
{
    struct pager_config config = {.pages = options->pages,
                                  .batch = options->batch,
                                  .read_ahead = options->read_ahead,
                                  .evicts_later = options->evicts_later,
                                  .evicts_apart = options->evicts_apart,
                                  .slots = options->slots,
                                  .extent_pages = options->extent_pages,
                                  .map_limit = options->map_limit,
                                  .seed = options->seed,
                                  .policy = options->policy,
                                  .params = options->params,
                                  .stats = &outside->stats};
    const struct pager_shell_world world = {.clear = clear_slot, .arg = outside};
    size_t size = (pager_size(&config) + 63) / 64 * 64;

    if (options->bits) {
        config.referenced = is_referenced;
        config.referenced_arg = outside;
    }
    memset(outside, 0, sizeof(*outside));
    outside->options = *options;
    outside->random = random_seeded(options->seed);
    outside->caller = -1;
    outside->memory = aligned_alloc(64, size);
    outside->page = calloc(options->pages, sizeof(*outside->page));
    outside->slot = calloc(options->slots, sizeof(*outside->slot));
    outside->swap_slots = 2 * options->pages;
    outside->swap = calloc(outside->swap_slots, sizeof(*outside->swap));
    outside->swap_used = calloc(outside->swap_slots, sizeof(*outside->swap_used));
    assert_true(outside->memory && outside->page && outside->slot && outside->swap &&
                outside->swap_used);
    memset(outside->memory, 0, size);
    memset(&outside->pager, 0xa5, sizeof(outside->pager)); /* whatever was there before */
    pager_init(&outside->pager, &config, outside->memory);
    pager_shell_init(&outside->shell, &outside->pager, &world);
    pager_growth_allow(&outside->pager, options->guaranteed, options->extra);
    outside->pool = options->extra;
    if (options->stack == 0)
        return;
    outside->stack = calloc(1, frame_stack_size(options->stack));
    assert_non_null(outside->stack);
    pager_slots_publish(&outside->pager, outside->stack, options->stack);
}
