/* LIRS: pages are ranked by how many others were referenced between their last two references
 * (inter-reference recency, IRR), not by how many since the last.
 *
 * S. Jiang and X. Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to
 * improve buffer cache performance", SIGMETRICS 2002, section 3. Pages of low IRR (LIR) have nearly
 * all frames; the others (HIR) share the rest, 1 %:
 *
 *     stack S   LIR pages, and HIR pages referenced since the last reference to the LIR page at its
 *               bottom, also if they are no longer resident (ghosts); in order of last reference
 *     queue Q   resident HIR pages; they leave from its front
 *
 * A HIR page that is referenced while on S has a lower IRR than the LIR page at the bottom of S has
 * recency, and trades places with it.
 *
 * What the paper leaves open is as in S. Jiang's simulator (lirs.c of 15 November 2002): at least two
 * frames are for HIR pages; references to one page that follow each other without any between count
 * as one; S holds `stack` pages a frame at most, and of those beyond, the lowest HIR page leaves S:
 * that is the oldest ghost, since pages leave Q in the order in which they came to the top of S.
 * `lirs:ghost=2500` has the miss counts of that program. The preset of `ghost`, as many ghosts as
 * frames, is what other simulators and caches do. */
#include "policy/registry.h"
#include "policy/share.h"

#include <selfpage/page_list.h>

/* The fewest HIR pages; with very few frames, one. */
#define HIR_LEAST      2u
#define HIR_LEAST_FROM 5u

enum { LIRS_HIR, LIRS_STACK, LIRS_GHOST };

/* What a page is: bits of its byte. */
enum {
    IS_LIR = 1,   /* resident, on S */
    ON_STACK = 2, /* on S */
    ON_QUEUE = 4, /* resident and HIR: on Q */
    IS_GHOST = 8, /* HIR, on S and among the ghosts */
    IS_AWAY = 16, /* not resident, or pinned or skipped: to be inserted as the LIR page it was, or
                     has earned to be */
};

struct lirs {
    struct sp_policy_env *env;
    const double *params;
    uint32_t lir_most;
    uint32_t stack_most;
    uint32_t ghosts_most;
    uint32_t lirs;         /* pages with IS_LIR that are not away */
    struct sp_list stack;  /* its top is the front */
    struct sp_list queue;  /* the next to leave is the back */
    struct sp_list ghosts; /* the oldest is the back */
    struct sp_link *stack_links;
    struct sp_link *queue_links; /* of the queue and of the ghosts: no page is on both */
    uint8_t *is;
    struct sp_link memory[];
};

static const struct sp_policy_param lirs_params[] = {
    [LIRS_HIR] = {"hir", 0.01, 0.0, 1.0, "share of the frames for HIR pages"},
    [LIRS_STACK] = {"stack", 2500.0, 1.0, 1e9, "pages on the stack S, as a share of the frames"},
    [LIRS_GHOST] = {"ghost", 1.0, 0.0, 1e9, "ghosts remembered, as a share of the frames"},
    {NULL},
};

static size_t lirs_size(const struct sp_policy_config *config)
{
    return sizeof(struct lirs) + (size_t)config->pages * (2 * sizeof(struct sp_link) + 1);
}

static void stack_pop(struct lirs *lirs, sp_page page)
{
    sp_list_remove(&lirs->stack, lirs->stack_links, page);
    lirs->is[page] &= (uint8_t)~ON_STACK;
}

static void stack_to_top(struct lirs *lirs, sp_page page)
{
    if (lirs->is[page] & ON_STACK) {
        sp_list_to_front(&lirs->stack, lirs->stack_links, page);
        return;
    }
    sp_list_push_front(&lirs->stack, lirs->stack_links, page);
    lirs->is[page] |= ON_STACK;
}

static void ghost_return(struct lirs *lirs, sp_page page)
{
    sp_list_remove(&lirs->ghosts, lirs->queue_links, page);
    lirs->is[page] &= (uint8_t)~IS_GHOST;
}

static void tell_forgotten(struct lirs *lirs, sp_page page)
{
    if (lirs->env->forgotten != NULL)
        lirs->env->forgotten(lirs->env, page);
}

/* A ghost that is on S no more is nothing. */
static void ghost_forget(struct lirs *lirs, sp_page page)
{
    ghost_return(lirs, page);
    tell_forgotten(lirs, page);
}

static void queue_leave(struct lirs *lirs, sp_page page)
{
    sp_list_remove(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] &= (uint8_t)~ON_QUEUE;
}

static void queue_join(struct lirs *lirs, sp_page page)
{
    sp_list_push_front(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] |= ON_QUEUE;
}

/* The bottom of S is a LIR page, or S is empty: what is below the last one says nothing. */
static void stack_prune(struct lirs *lirs)
{
    sp_page page;

    while ((page = sp_list_back(&lirs->stack)) != SP_NO_PAGE && !(lirs->is[page] & IS_LIR)) {
        stack_pop(lirs, page);
        if (lirs->is[page] & IS_GHOST)
            ghost_forget(lirs, page);
    }
}

static bool ghosts_too_many(const struct lirs *lirs)
{
    return lirs->ghosts.count > lirs->ghosts_most ||
           (lirs->stack.count > lirs->stack_most && lirs->ghosts.count > 0);
}

/* Forget the oldest ghosts beyond the bounds: each has been added once. */
static void ghosts_trim(struct lirs *lirs)
{
    while (ghosts_too_many(lirs)) {
        sp_page page = sp_list_back(&lirs->ghosts);

        stack_pop(lirs, page);
        ghost_forget(lirs, page);
    }
}

/* Turn LIR pages at the bottom of S to HIR until there are not too many. */
static void lir_settle(struct lirs *lirs)
{
    while (lirs->lirs > lirs->lir_most) {
        sp_page page = sp_list_back(&lirs->stack);

        lirs->is[page] &= (uint8_t)~IS_LIR;
        lirs->lirs--;
        stack_pop(lirs, page);
        queue_join(lirs, page);
        stack_prune(lirs);
    }
}

/* A page, not on Q, comes to the top of S as a LIR page. */
static void lir_promote(struct lirs *lirs, sp_page page)
{
    lirs->is[page] |= IS_LIR;
    lirs->lirs++;
    stack_to_top(lirs, page);
    stack_prune(lirs);
    lir_settle(lirs);
}

static void lirs_resize(void *self, uint32_t frames)
{
    struct lirs *lirs = self;
    uint32_t hir = share_of(lirs->params[LIRS_HIR], frames);
    uint32_t least = frames >= HIR_LEAST_FROM ? HIR_LEAST : 1;

    lirs->lir_most = frames - (hir > least ? hir : least);
    lirs->stack_most = share_of(lirs->params[LIRS_STACK], frames);
    lirs->ghosts_most = share_of(lirs->params[LIRS_GHOST], frames);
    lir_settle(lirs);
}

static void lirs_init(void *self, const struct sp_policy_config *config)
{
    struct lirs *lirs = self;

    lirs->env = config->env;
    lirs->params = config->params;
    lirs->stack_links = lirs->memory;
    lirs->queue_links = lirs->memory + config->pages;
    lirs->is = (uint8_t *)(lirs->queue_links + config->pages);
    lirs_resize(self, config->frames);
}

static void lirs_insert(void *self, sp_page page, enum sp_access access)
{
    struct lirs *lirs = self;
    unsigned was = lirs->is[page];

    (void)access;
    lirs->is[page] = was & ON_STACK;
    if (was & IS_GHOST)
        sp_list_remove(&lirs->ghosts, lirs->queue_links, page);
    /* The first pages are all LIR, and so are those that fill the places of discarded ones. */
    if ((was & (IS_GHOST | IS_AWAY)) != 0 || lirs->lirs < lirs->lir_most) {
        lir_promote(lirs, page);
        return;
    }
    stack_to_top(lirs, page);
    queue_join(lirs, page);
    stack_prune(lirs);
    ghosts_trim(lirs);
}

/* The page referenced last is on the top of S. */
static void lirs_hit(void *self, sp_page page, enum sp_access access)
{
    struct lirs *lirs = self;
    unsigned is = lirs->is[page];

    (void)access;
    if (is & IS_LIR) {
        bool bottom = sp_list_back(&lirs->stack) == page;

        stack_to_top(lirs, page);
        if (bottom)
            stack_prune(lirs);
    } else if (is & ON_STACK) {
        if (sp_list_front(&lirs->stack) == page)
            return;
        queue_leave(lirs, page);
        lir_promote(lirs, page);
    } else {
        sp_list_to_front(&lirs->queue, lirs->queue_links, page);
        stack_to_top(lirs, page);
        stack_prune(lirs);
        ghosts_trim(lirs);
    }
}

static sp_page lirs_victim(void *self, sp_page incoming)
{
    struct lirs *lirs = self;

    /* The victim must not push the page that comes out of the ghosts. */
    if (incoming != SP_NO_PAGE && lirs->is[incoming] & IS_GHOST) {
        ghost_return(lirs, incoming);
        lirs->is[incoming] |= IS_AWAY;
    }
    return sp_list_back(lirs->queue.count > 0 ? &lirs->queue : &lirs->stack);
}

/* Returns whether nothing is known of the page any more. */
static bool take_off(struct lirs *lirs, sp_page page, enum sp_removal why)
{
    unsigned is = lirs->is[page];

    if (is & ON_QUEUE)
        queue_leave(lirs, page);
    if (is & IS_LIR)
        lirs->lirs--;
    if (why == SP_EVICTED && (is & (ON_STACK | IS_LIR)) == ON_STACK) {
        sp_list_push_front(&lirs->ghosts, lirs->queue_links, page);
        lirs->is[page] |= IS_GHOST;
        ghosts_trim(lirs);
        return false;
    }
    if (is & ON_STACK)
        stack_pop(lirs, page);
    lirs->is[page] = is & IS_LIR && (why == SP_PINNED || why == SP_SKIPPED) ? IS_AWAY : 0;
    stack_prune(lirs);
    return why == SP_EVICTED || why == SP_DISCARDED;
}

static void lirs_remove(void *self, sp_page page, enum sp_removal why)
{
    if (take_off(self, page, why))
        tell_forgotten(self, page);
}

/* A page that will not be needed becomes the HIR page that leaves next, and will leave no ghost. */
static void lirs_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lirs *lirs = self;

    if (hint == SP_HINT_WILL_NEED) {
        if (lirs->is[page] & ON_QUEUE)
            sp_list_to_front(&lirs->queue, lirs->queue_links, page);
        else
            stack_to_top(lirs, page);
        stack_prune(lirs);
        return;
    }
    take_off(lirs, page, SP_DISCARDED);
    sp_list_push_back(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] = ON_QUEUE;
}

const struct sp_policy policy_lirs = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "lirs",
    .summary = "keeps the pages whose references lie closest together",
    .source = "Jiang and Zhang 2002; S. Jiang's lirs.c",
    .params = lirs_params,
    .size = lirs_size,
    .pages_at = offsetof(struct lirs, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = lirs_init,
    .insert = lirs_insert,
    .hit = lirs_hit,
    .victim = lirs_victim,
    .remove = lirs_remove,
    .resize = lirs_resize,
    .hint = lirs_hint,
    .live_form = "clockpro",
};
