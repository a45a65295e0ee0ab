/* LIRS2: LIRS that looks at the last two inter-reference recencies (IRR) of a page instead of one.
 *
 * C. Zhong, X. Zhao and S. Jiang, "LIRS2: an improved LIRS replacement algorithm", SYSTOR 2021. The stack S has the last
 * two references of each page, the later one above the earlier one. Pages of low IRR (LIR) have nearly all frames; the
 * others (HIR) share the rest, 1 %, on the queue Q, from whose end they leave. The bottom of S is the earlier reference of
 * a LIR page. A HIR page that is referenced while its earlier reference is on S trades places with that page: its two
 * last IRRs together are shorter than what the other one's will be. A page that was referenced once has a second
 * reference on S that does not count.
 *
 * What the paper leaves open is as in the authors' program (replace_lirs2.cc): at least four frames are for HIR pages;
 * references to one page that follow each other without any between count as one; S holds `stack` references a frame,
 * and of those beyond, the lowest of a HIR page leaves S. */
#include "policy/heap.h"
#include "policy/registry.h"
#include "policy/share.h"

#include <selfpage/page_list.h>

/* The fewest HIR pages; with few frames, all but one. */
#define HIR_LEAST 4u

enum { LIRS2_HIR, LIRS2_STACK };

/* What a page is: bits of its byte. */
enum {
    IS_RESIDENT = 1,
    IS_LIR = 2,        /* resident */
    ON_QUEUE = 4,      /* resident and HIR */
    IS_KNOWN = 8,      /* referenced since it was last forgotten */
    EARLIER_IS_1 = 16, /* which of its two entries is its earlier reference */
    EARLIER_FAKE = 32, /* it has been referenced once */
    ON_STACK_0 = 64,   /* its entry 0 is on S */
    ON_STACK_1 = 128,
};

/* An entry of S: the page times two, plus 0 or 1. */
typedef sp_page reference;

struct lirs2 {
    const double *params;
    uint32_t lir_most;
    uint32_t stack_most;
    uint32_t lirs;         /* pages with IS_LIR */
    sp_page last;          /* referenced, plus one */
    uint64_t now;          /* entries put on the top of S */
    struct sp_list stack;  /* of entries; its top is the front */
    struct sp_list queue;  /* of pages; the next to leave is the back */
    struct heap strangers; /* entries of HIR pages on S, the lowest first */
    struct sp_link *stack_links;
    struct sp_link *queue_links;
    uint64_t *times; /* by entry: when it was put on the top */
    uint8_t *is;
    struct sp_link memory[];
};

static const struct sp_policy_param lirs2_params[] = {
    [LIRS2_HIR] = {"hir", 0.01, 0.0, 1.0, "share of the frames for HIR pages"},
    [LIRS2_STACK] = {"stack", 8.0, 2.0, 1e9, "references on the stack S, as a share of the frames"},
    {NULL},
};

static size_t lirs2_size(const struct sp_policy_config *config)
{
    return sizeof(struct lirs2) +
           config->pages * (3 * sizeof(struct sp_link) + 2 * sizeof(uint64_t) + 1) +
           2 * heap_size(config->pages);
}

/* ---- Entries of S ---- */

static sp_page page_of(reference entry)
{
    return entry / 2;
}

static uint8_t bit_of(reference entry)
{
    return entry % 2 == 0 ? ON_STACK_0 : ON_STACK_1;
}

static bool on_stack(const struct lirs2 *lirs, reference entry)
{
    return (lirs->is[page_of(entry)] & bit_of(entry)) != 0;
}

static reference earlier_of(const struct lirs2 *lirs, sp_page page)
{
    return 2 * page + ((lirs->is[page] & EARLIER_IS_1) != 0);
}

static bool is_lir(const struct lirs2 *lirs, sp_page page)
{
    return (lirs->is[page] & IS_LIR) != 0;
}

/* The heap has the largest key on top. */
static void stranger_add(struct lirs2 *lirs, reference entry)
{
    heap_add(&lirs->strangers, entry, UINT64_MAX - lirs->times[entry]);
}

static void stack_leave(struct lirs2 *lirs, reference entry)
{
    sp_list_remove(&lirs->stack, lirs->stack_links, entry);
    lirs->is[page_of(entry)] &= (uint8_t)~bit_of(entry);
    if (!is_lir(lirs, page_of(entry)))
        heap_remove(&lirs->strangers, entry);
}

static void stack_push(struct lirs2 *lirs, reference entry)
{
    if (on_stack(lirs, entry))
        stack_leave(lirs, entry);
    sp_list_push_front(&lirs->stack, lirs->stack_links, entry);
    lirs->is[page_of(entry)] |= bit_of(entry);
    lirs->times[entry] = ++lirs->now;
    if (!is_lir(lirs, page_of(entry)))
        stranger_add(lirs, entry);
}

/* The bottom of S is the earlier reference of a LIR page, or S is empty: what is below says nothing. */
static void stack_prune(struct lirs2 *lirs)
{
    reference bottom;

    while ((bottom = sp_list_back(&lirs->stack)) != SP_NO_PAGE &&
           (!is_lir(lirs, page_of(bottom)) || bottom != earlier_of(lirs, page_of(bottom))))
        stack_leave(lirs, bottom);
}

static void stack_trim(struct lirs2 *lirs)
{
    while (lirs->stack.count > lirs->stack_most && lirs->strangers.count > 0)
        stack_leave(lirs, heap_top(&lirs->strangers));
}

/* ---- Low and high ---- */

static void queue_join(struct lirs2 *lirs, sp_page page)
{
    sp_list_push_front(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] |= ON_QUEUE;
}

static void queue_leave(struct lirs2 *lirs, sp_page page)
{
    sp_list_remove(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] &= (uint8_t)~ON_QUEUE;
}

static void lir_become(struct lirs2 *lirs, sp_page page)
{
    for (reference entry = 2 * page; entry <= 2 * page + 1; entry++)
        if (on_stack(lirs, entry))
            heap_remove(&lirs->strangers, entry);
    lirs->is[page] |= IS_LIR;
    lirs->lirs++;
}

static void lir_cease(struct lirs2 *lirs, sp_page page)
{
    lirs->is[page] &= (uint8_t)~IS_LIR;
    lirs->lirs--;
    for (reference entry = 2 * page; entry <= 2 * page + 1; entry++)
        if (on_stack(lirs, entry))
            stranger_add(lirs, entry);
}

/* LIR pages at the bottom of S turn to HIR until there are not too many. */
static void lir_settle(struct lirs2 *lirs)
{
    while (lirs->lirs > lirs->lir_most) {
        sp_page page = page_of(sp_list_back(&lirs->stack));

        lir_cease(lirs, page);
        queue_join(lirs, page);
        stack_prune(lirs);
    }
}

/* ---- References ---- */

static void refer_first(struct lirs2 *lirs, sp_page page)
{
    lirs->is[page] |= IS_KNOWN | EARLIER_IS_1 | EARLIER_FAKE;
    stack_push(lirs, 2 * page + 1);
    stack_push(lirs, 2 * page);
}

/* The earlier of its references becomes the later one. True if the page has earned to be LIR. */
static bool refer_again(struct lirs2 *lirs, sp_page page)
{
    reference earlier = earlier_of(lirs, page);
    bool earned = on_stack(lirs, earlier) && !(lirs->is[page] & EARLIER_FAKE);

    lirs->is[page] ^= EARLIER_IS_1;
    lirs->is[page] &= (uint8_t)~EARLIER_FAKE;
    stack_push(lirs, earlier);
    /* Only what was put there before there were too few LIR pages is missing. */
    if (is_lir(lirs, page) && !on_stack(lirs, earlier ^ 1)) {
        stack_push(lirs, earlier ^ 1);
        stack_push(lirs, earlier);
    }
    return earned;
}

/* A resident page that is on no queue is referenced, not for the second time in a row. */
static void refer(struct lirs2 *lirs, sp_page page)
{
    bool earned = false;

    lirs->last = page + 1;
    if (lirs->is[page] & IS_KNOWN)
        earned = refer_again(lirs, page);
    else
        refer_first(lirs, page);
    stack_prune(lirs);
    if (!is_lir(lirs, page) && earned && lirs->lir_most > 0) {
        lir_become(lirs, page);
        lir_settle(lirs);
    } else if (!is_lir(lirs, page)) {
        queue_join(lirs, page);
    }
    stack_trim(lirs);
}

static void lirs2_resize(void *self, uint32_t frames)
{
    struct lirs2 *lirs = self;
    uint32_t hir = share_of(lirs->params[LIRS2_HIR], frames);

    hir = hir > HIR_LEAST ? hir : HIR_LEAST;
    lirs->lir_most = frames > hir ? frames - hir : frames > 1;
    lirs->stack_most = share_of(lirs->params[LIRS2_STACK], frames);
    lir_settle(lirs);
    stack_trim(lirs);
}

static void lirs2_init(void *self, const struct sp_policy_config *config)
{
    struct lirs2 *lirs = self;
    uint8_t *behind = (uint8_t *)(lirs->memory + 3 * (size_t)config->pages);

    lirs->params = config->params;
    lirs->stack_links = lirs->memory;
    lirs->queue_links = lirs->memory + 2 * (size_t)config->pages;
    lirs->times = (uint64_t *)(void *)behind;
    heap_init(&lirs->strangers, lirs->times + 2 * (size_t)config->pages);
    lirs->is = behind + 2 * config->pages * sizeof(uint64_t) + 2 * heap_size(config->pages);
    lirs2_resize(self, config->frames);
}

static void lirs2_insert(void *self, sp_page page, enum sp_access access)
{
    struct lirs2 *lirs = self;

    (void)access;
    lirs->is[page] |= IS_RESIDENT;
    if (lirs->lirs < lirs->lir_most)
        lir_become(lirs, page);
    refer(lirs, page);
}

static void lirs2_hit(void *self, sp_page page, enum sp_access access)
{
    struct lirs2 *lirs = self;

    (void)access;
    if (lirs->last == page + 1)
        return;
    if (lirs->is[page] & ON_QUEUE)
        queue_leave(lirs, page);
    refer(lirs, page);
}

static sp_page lirs2_victim(void *self, sp_page incoming)
{
    struct lirs2 *lirs = self;

    (void)incoming;
    if (lirs->queue.count > 0)
        return sp_list_back(&lirs->queue);
    return page_of(sp_list_back(&lirs->stack));
}

/* A page that leaves to come back keeps its references; it comes back as a HIR page, or where there is room. */
static void lirs2_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lirs2 *lirs = self;

    if (lirs->is[page] & ON_QUEUE)
        queue_leave(lirs, page);
    if (is_lir(lirs, page))
        lir_cease(lirs, page);
    lirs->is[page] &= (uint8_t)~IS_RESIDENT;
    if (why == SP_DISCARDED) {
        for (reference entry = 2 * page; entry <= 2 * page + 1; entry++)
            if (on_stack(lirs, entry))
                stack_leave(lirs, entry);
        lirs->is[page] = 0;
    }
    stack_prune(lirs);
}

/* A page that will not be needed becomes the HIR page that leaves next, and is forgotten. */
static void lirs2_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lirs2 *lirs = self;

    if (hint == SP_HINT_WILL_NEED) {
        lirs2_hit(self, page, SP_READ);
        return;
    }
    lirs2_remove(self, page, SP_DISCARDED);
    sp_list_push_back(&lirs->queue, lirs->queue_links, page);
    lirs->is[page] = IS_RESIDENT | ON_QUEUE;
}

const struct sp_policy policy_lirs2 = {
    .abi = SP_POLICY_ABI,
    .name = "lirs2",
    .summary = "LIRS by the last two distances between references",
    .source = "Zhong, Zhao and Jiang 2021; the authors' replace_lirs2.cc",
    .params = lirs2_params,
    .size = lirs2_size,
    .init = lirs2_init,
    .insert = lirs2_insert,
    .hit = lirs2_hit,
    .victim = lirs2_victim,
    .remove = lirs2_remove,
    .resize = lirs2_resize,
    .hint = lirs2_hint,
    .live_form = "clockpro",
};
