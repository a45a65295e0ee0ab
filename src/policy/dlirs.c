/* DLIRS: LIRS whose share for new pages adapts itself.
 *
 * C. Li, "DLIRS: improving low inter-reference recency set cache replacement policy with dynamics",
 * SYSTOR 2018. What the paper leaves open is as in the program of sylab/cacheus, dlirs.py: 1 % of the
 * frames for HIR pages at first; a hit of a ghost gives HIR pages demoted / ghosts more frames (at least
 * one), a hit of a page that was LIR and has been demoted gives as much in the other direction; pages
 * and ghosts together are twice the frames at most, of which the ghost, or HIR page, that has been in the
 * stack for longest is dropped.
 *
 *   stack  LIR pages, and HIR ones and ghosts referenced since the oldest LIR page; the newest in front
 *   queue  resident HIR pages, in the order in which they leave
 *
 * Which HIR page or ghost has been in the stack for longest is found by a hand that goes up from the oldest LIR page: no page
 * turns to HIR in the stack, so that behind the hand there never is one. */
#include "policy/registry.h"

#include <selfpage/page_list.h>

enum {
    IS_RESIDENT = 1, /* with the policy */
    IS_LIR = 2,
    IS_DEMOTED = 4, /* it was LIR */
    IN_STACK = 8,
    WAS_LIR = 16, /* it is pinned or skipped, and comes back as LIR */
};

enum { DLIRS_HIRS };

struct dlirs {
    struct sp_policy_env *env;
    const double *params;
    uint32_t frames;
    uint32_t hirs_most, lirs_most;
    uint32_t hir_count, lir_count; /* resident */
    uint32_t demoted, ghosts;
    struct sp_list stack, queue;
    uint32_t hirs;     /* HIR pages and ghosts in the stack */
    uint32_t up_plus1; /* behind this page of the stack there are none; 0: nowhere in the stack */
    struct sp_link *stack_links, *queue_links; /* by page, as is `is` */
    uint8_t *is;
    bool tells;      /* the engine wants to know what is forgotten */
    sp_page adapted; /* plus 1: the incoming ghost, for which room is made already; 0: none */
    struct sp_link memory[];
};

static const struct sp_policy_param dlirs_params[] = {
    [DLIRS_HIRS] = {"hir", 0.01, 0.0, 1.0, "share of the frames for new pages, at first"},
    {NULL},
};

static size_t dlirs_size(const struct sp_policy_config *config)
{
    return sizeof(struct dlirs) + config->pages * (2 * sizeof(struct sp_link) + 1);
}

/* The share begins anew with other frames. */
static void dlirs_resize(void *self, uint32_t frames)
{
    struct dlirs *d = self;
    uint32_t hirs = (uint32_t)(frames * d->params[DLIRS_HIRS] + 0.5);

    if (frames == d->frames)
        return; /* what it has learnt stays */
    d->frames = frames;
    d->hirs_most = hirs < 1 ? 1 : hirs > frames ? frames : hirs;
    d->lirs_most = frames - d->hirs_most;
}

static void dlirs_init(void *self, const struct sp_policy_config *config)
{
    struct dlirs *d = self;

    d->env = config->env;
    d->tells = config->env->forgotten != NULL;
    d->params = config->params;
    d->stack_links = d->memory;
    d->queue_links = d->stack_links + config->pages;
    d->is = (uint8_t *)(d->queue_links + config->pages);
    dlirs_resize(self, config->frames);
}

/* ---- The stack ---- */

static void stack_push(struct dlirs *d, sp_page page)
{
    sp_list_push_front(&d->stack, d->stack_links, page);
    if (!(d->is[page] & IS_LIR)) {
        d->hirs++;
        if (d->up_plus1 == 0)
            d->up_plus1 = page + 1;
    }
    d->is[page] |= IN_STACK;
}

/* A page is about to leave its place in the stack. */
static void hand_leave(struct dlirs *d, sp_page page)
{
    if (d->up_plus1 == page + 1)
        d->up_plus1 = d->stack_links[page].prev_plus1;
}

static void stack_remove(struct dlirs *d, sp_page page)
{
    hand_leave(d, page);
    sp_list_remove(&d->stack, d->stack_links, page);
    d->hirs -= !(d->is[page] & IS_LIR);
    d->is[page] &= (uint8_t)~IN_STACK;
}

/* The HIR page or ghost that has been in the stack for longest; there is one. The hand passes a page once for each time that
 * it came to the front. */
static sp_page hirs_oldest(struct dlirs *d)
{
    while (d->is[d->up_plus1 - 1] & IS_LIR)
        d->up_plus1 = d->stack_links[d->up_plus1 - 1].prev_plus1;
    return d->up_plus1 - 1;
}

static __attribute__((noinline)) void tell_forgotten(struct dlirs *d, sp_page page)
{
    d->env->forgotten(d->env, page);
}

static void ghost_drop(struct dlirs *d, sp_page page)
{
    stack_remove(d, page);
    d->ghosts--;
    d->is[page] = 0;
}

/* A HIR page or ghost is in the stack no longer; a ghost is then forgotten, which the engine `wants` to know or not. */
static inline void stack_drop(struct dlirs *d, sp_page page, bool wants)
{
    if (d->is[page] & IS_RESIDENT) {
        stack_remove(d, page);
        return;
    }
    ghost_drop(d, page);
    if (wants)
        tell_forgotten(d, page);
}

/* At the end of the stack is a LIR page. */
static inline void prune(struct dlirs *d, bool wants)
{
    sp_page page;

    while ((page = sp_list_back(&d->stack)) != SP_NO_PAGE && !(d->is[page] & IS_LIR))
        stack_drop(d, page, wants);
}

static __attribute__((noinline)) void prune_and_tell(struct dlirs *d)
{
    prune(d, true);
}

static void stack_prune(struct dlirs *d)
{
    if (__builtin_expect(d->tells, 0))
        prune_and_tell(d);
    else
        prune(d, false);
}

static void stack_limit(struct dlirs *d)
{
    while ((uint64_t)d->hir_count + d->lir_count + d->ghosts > 2 * (uint64_t)d->frames &&
           d->hirs > 0)
        stack_drop(d, hirs_oldest(d), d->tells);
}

/* ---- Turning from one to the other ---- */

static void queue_add(struct dlirs *d, sp_page page)
{
    sp_list_push_front(&d->queue, d->queue_links, page);
    d->hir_count++;
}

static void queue_take(struct dlirs *d, sp_page page)
{
    sp_list_remove(&d->queue, d->queue_links, page);
    d->hir_count--;
    if (d->is[page] & IS_DEMOTED) {
        d->is[page] &= (uint8_t)~IS_DEMOTED;
        d->demoted--;
    }
}

/* The oldest LIR page becomes HIR. */
static void lir_demote(struct dlirs *d)
{
    sp_page page = sp_list_back(&d->stack);

    stack_remove(d, page);
    d->lir_count--;
    d->is[page] = IS_RESIDENT | IS_DEMOTED;
    d->demoted++;
    queue_add(d, page);
    stack_prune(d);
}

static void lir_add(struct dlirs *d, sp_page page)
{
    d->is[page] = IS_RESIDENT | IS_LIR;
    stack_push(d, page);
    if (d->lir_count++ == 0)
        stack_prune(d); /* what lies behind was not, for want of a LIR page */
}

static uint32_t step_of(uint32_t part, uint32_t of)
{
    uint32_t step = of > 0 ? (uint32_t)((double)part / of + 0.5) : 0;

    return step > 1 ? step : 1;
}

/* `limit` grows by `step`, and leaves the other one a frame. */
static void limit_raise(const struct dlirs *d, uint32_t *limit, uint32_t *other, uint32_t step)
{
    uint32_t most = d->frames - 1;

    *limit = step < most && *limit < most - step ? *limit + step : most;
    *other = d->frames - *limit;
}

static void lirs_make_room(struct dlirs *d)
{
    while (d->lir_count > 0 && d->lir_count >= d->lirs_most)
        lir_demote(d);
}

/* A ghost is wanted again: HIR pages get more frames, and there is room for one more LIR page. */
static void ghost_adapt(struct dlirs *d, sp_page page)
{
    uint32_t step = step_of(d->demoted, d->ghosts);

    ghost_drop(d, page);
    limit_raise(d, &d->hirs_most, &d->lirs_most, step);
    lirs_make_room(d);
    d->adapted = page + 1;
}

static bool is_ghost(const struct dlirs *d, sp_page page)
{
    return (d->is[page] & (IN_STACK | IS_RESIDENT)) == IN_STACK;
}

/* ---- The policy ---- */

static void dlirs_insert(void *self, sp_page page, enum sp_access access)
{
    struct dlirs *d = self;
    bool was_lir = (d->is[page] & WAS_LIR) != 0;

    (void)access;
    if (is_ghost(d, page))
        ghost_adapt(d, page);
    if (d->adapted == page + 1 || was_lir || (d->lir_count < d->lirs_most && d->hir_count == 0)) {
        lir_add(d, page);
    } else {
        d->is[page] = IS_RESIDENT;
        stack_push(d, page);
        queue_add(d, page);
        stack_limit(d);
    }
    d->adapted = 0;
}

static void lir_hit(struct dlirs *d, sp_page page)
{
    bool oldest = sp_list_back(&d->stack) == page;

    if (sp_list_front(&d->stack) == page)
        return;
    hand_leave(d, page);
    sp_list_to_front(&d->stack, d->stack_links, page);
    if (oldest)
        stack_prune(d);
}

static void dlirs_hit(void *self, sp_page page, enum sp_access access)
{
    struct dlirs *d = self;

    (void)access;
    if (d->is[page] & IS_LIR) {
        lir_hit(d, page);
    } else if (d->is[page] & IN_STACK) {
        stack_remove(d, page);
        queue_take(d, page);
        lirs_make_room(d);
        lir_add(d, page);
    } else {
        if (d->is[page] & IS_DEMOTED)
            limit_raise(d, &d->lirs_most, &d->hirs_most, step_of(d->ghosts, d->demoted));
        queue_take(d, page);
        queue_add(d, page);
        stack_push(d, page);
        stack_limit(d);
    }
}

static sp_page dlirs_victim(void *self, sp_page incoming)
{
    struct dlirs *d = self;

    if (incoming != SP_NO_PAGE && d->adapted != incoming + 1 && is_ghost(d, incoming))
        ghost_adapt(d, incoming);
    while (d->lir_count > d->lirs_most || d->queue.count == 0)
        lir_demote(d);
    return sp_list_back(&d->queue);
}

/* Returns whether nothing is known of the page any more. */
static __attribute__((always_inline)) inline bool take_off(struct dlirs *d, sp_page page,
                                                           enum sp_removal why)
{
    uint8_t was = d->is[page];

    if (was & IS_LIR)
        d->lir_count--;
    else
        queue_take(d, page);
    if (why == SP_EVICTED && (was & (IS_LIR | IN_STACK)) == IN_STACK) {
        d->is[page] = IN_STACK;
        d->ghosts++;
        return false;
    }
    if (was & IN_STACK)
        stack_remove(d, page);
    d->is[page] = (why == SP_PINNED || why == SP_SKIPPED) && was & IS_LIR ? WAS_LIR : 0;
    stack_prune(d);
    return d->tells && (why == SP_EVICTED || why == SP_DISCARDED);
}

static void dlirs_remove(void *self, sp_page page, enum sp_removal why)
{
    if (take_off(self, page, why))
        tell_forgotten(self, page);
}

/* A page that will not be needed is a HIR page, out of the stack, and the next to leave. */
static void dlirs_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct dlirs *d = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    take_off(d, page, SP_DISCARDED);
    d->is[page] = IS_RESIDENT;
    sp_list_push_back(&d->queue, d->queue_links, page);
    d->hir_count++;
}

const struct sp_policy policy_dlirs = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "dlirs",
    .summary = "LIRS with a share for new pages that adapts itself",
    .source = "Li 2018; sylab/cacheus, dlirs.py",
    .params = dlirs_params,
    .live_form = "clockpro",
    .size = dlirs_size,
    .init = dlirs_init,
    .insert = dlirs_insert,
    .hit = dlirs_hit,
    .victim = dlirs_victim,
    .remove = dlirs_remove,
    .resize = dlirs_resize,
    .hint = dlirs_hint,
    .pages_at = offsetof(struct dlirs, memory),
    .page_bytes = sizeof(struct sp_link),
};
