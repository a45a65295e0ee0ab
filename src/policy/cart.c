/* CART: CAR with temporal filtering. A page has to be referenced again after it has been through T1 once,
 * or come back from B1 or B2, to count as of long-term use; references close together count as one.
 *
 * S. Bansal and D. S. Modha, "CAR: clock with adaptive replacement", FAST 2004, figure 4. T1 and T2 are
 * clocks (the back of a queue is under the hand), B1 and B2 the ghosts of pages that left them; a page's
 * note is its filter bit, S or L. p is the size that T1 ought to have, q the one of B1. Quotients are not
 * rounded, as in arc.c and car.c. History pages go as the paper says, one when a page comes in that is in
 * neither history; the paper's figure does this before the insert, which is where it is done here. */
#include "policy/queues.h"
#include "policy/registry.h"

enum { T1 = QUEUE_FIRST, T2, B1, B2 };

enum { FILTER_SHORT, FILTER_LONG };

struct cart {
    struct sp_policy_env *env;
    double p;
    int64_t q;
    uint32_t frames;      /* c */
    uint32_t filtered[2]; /* pages in T1 and T2 by filter bit: nS and nL */
    struct queues queues;
    struct sp_link memory[];
};

static size_t cart_size(const struct sp_policy_config *config)
{
    return sizeof(struct cart) + queues_size(config->pages);
}

static void cart_init(void *self, const struct sp_policy_config *config)
{
    struct cart *cart = self;

    cart->env = config->env;
    cart->frames = config->frames;
    queues_init(&cart->queues, cart->memory, config);
}

static void cart_resize(void *self, uint32_t frames)
{
    struct cart *cart = self;

    cart->frames = frames;
    if (cart->p > frames)
        cart->p = frames;
    if (cart->q > frames)
        cart->q = frames;
}

static int64_t length(const struct cart *cart, unsigned queue)
{
    return queue_count(&cart->queues, queue);
}

/* Pages of long-term use, with their ghosts, fill the cache: let B1 be longer. */
static void cart_lengthen(struct cart *cart)
{
    int64_t most = 2 * (int64_t)cart->frames - length(cart, T1);
    int64_t others = length(cart, T2) + length(cart, B2) + length(cart, T1) -
                     (int64_t)cart->filtered[FILTER_SHORT];

    if (others >= cart->frames)
        cart->q = cart->q + 1 < most ? cart->q + 1 : most;
}

/* The page is in T1 or T2 from here on, with this filter bit; or not any more. */
static void cart_count(struct cart *cart, sp_page page, unsigned filter)
{
    queue_set_note(&cart->queues, page, filter);
    cart->filtered[filter]++;
}

static void cart_uncount(struct cart *cart, sp_page page)
{
    cart->filtered[queue_note(&cart->queues, page)]--;
}

/* ---- Pages come ---- */

/* A page of B1 or B2 is wanted again. */
static void cart_adapt(struct cart *cart, unsigned history)
{
    double ratio;

    if (history == B1) {
        ratio = (double)cart->filtered[FILTER_SHORT] / (double)length(cart, B1);
        cart->p += ratio > 1 ? ratio : 1;
        cart->p = cart->p > cart->frames ? cart->frames : cart->p;
    } else {
        ratio = (double)cart->filtered[FILTER_LONG] / (double)length(cart, B2);
        cart->p -= ratio > 1 ? ratio : 1;
        cart->p = cart->p < 0 ? 0 : cart->p;
    }
}

/* A page that is in no history comes in: the histories have c pages together at most. */
static void cart_forget(struct cart *cart)
{
    while (length(cart, B1) + length(cart, B2) > cart->frames) {
        bool first = length(cart, B1) > (cart->q > 0 ? cart->q : 0) || length(cart, B2) == 0;

        queue_forget(&cart->queues, queue_back(&cart->queues, first ? B1 : B2));
    }
}

static void cart_insert(void *self, sp_page page, enum sp_access access)
{
    struct cart *cart = self;
    struct queues *queues = &cart->queues;
    unsigned history = queue_of(queues, page), home = queue_home(queues, page);

    (void)access;
    if (history == B1 || history == B2) {
        cart_adapt(cart, history);
        queue_move(queues, page, T1);
        cart_count(cart, page, FILTER_LONG);
        if (history == B2)
            cart_lengthen(cart);
        return;
    }
    if (home == T1 || home == T2) { /* it was away */
        queue_push(queues, page, home);
        cart_count(cart, page, queue_note(queues, page));
        return;
    }
    cart_forget(cart);
    queue_push(queues, page, T1);
    cart_count(cart, page, FILTER_SHORT);
}

/* ---- Pages go ---- */

/* The hand of T2: pages that were referenced go to T1. */
static void cart_pass_second(struct cart *cart, uint64_t *left)
{
    sp_page page;

    while (*left > 0 && (page = queue_back(&cart->queues, T2)) != SP_NO_PAGE &&
           cart->env->referenced(cart->env, page)) {
        (*left)--;
        queue_move(&cart->queues, page, T1);
        cart_lengthen(cart);
    }
}

/* The hand of T1: pages that were referenced stay, and may turn to L; others of L go to T2. */
static void cart_pass_first(struct cart *cart, uint64_t *left)
{
    struct queues *queues = &cart->queues;
    sp_page page;

    while (*left > 0 && (page = queue_back(queues, T1)) != SP_NO_PAGE) {
        bool referenced = cart->env->referenced(cart->env, page);

        (*left)--;
        if (referenced) {
            double enough =
                cart->p + 1 < (double)length(cart, B1) ? cart->p + 1 : (double)length(cart, B1);

            queue_move(queues, page, T1);
            if ((double)length(cart, T1) >= enough && queue_note(queues, page) == FILTER_SHORT) {
                cart_uncount(cart, page);
                cart_count(cart, page, FILTER_LONG);
            }
        } else if (queue_note(queues, page) == FILTER_LONG) {
            int64_t least;

            queue_move(queues, page, T2);
            least = (int64_t)cart->frames - length(cart, T1);
            cart->q = cart->q - 1 > least ? cart->q - 1 : least;
        } else {
            return;
        }
    }
}

static sp_page cart_victim(void *self, sp_page incoming)
{
    struct cart *cart = self;
    struct queues *queues = &cart->queues;
    /* Each page may go round twice; other threads may set bits meanwhile, but not keep us. */
    uint64_t left = 3 * ((uint64_t)queue_count(queues, T1) + queue_count(queues, T2));
    sp_page page;
    bool first;

    (void)incoming;
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!cart->env->referenced(cart->env, page))
            return page;
        queue_move(queues, page, T1); /* it is needed, after all */
        cart_count(cart, page, queue_note(queues, page));
    }
    cart_pass_second(cart, &left);
    cart_pass_first(cart, &left);
    first = length(cart, T1) > 0 &&
            ((double)length(cart, T1) >= (cart->p > 1 ? cart->p : 1) || length(cart, T2) == 0);
    return queue_back(queues, first ? T1 : T2);
}

static void cart_remove(void *self, sp_page page, enum sp_removal why)
{
    struct cart *cart = self;
    struct queues *queues = &cart->queues;
    unsigned queue = queue_of(queues, page);

    if (queue == T1 || queue == T2)
        cart_uncount(cart, page);
    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(queues, page);
    else if (why == SP_EVICTED && queue != QUEUE_DOOMED)
        queue_move(queues, page, queue == T1 ? B1 : B2);
    else
        queue_forget(queues, page);
}

static void cart_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct cart *cart = self;
    struct queues *queues = &cart->queues;
    unsigned queue = queue_of(queues, page);

    if (hint == SP_HINT_WILL_NEED)
        return;
    if (queue == T1 || queue == T2)
        cart_uncount(cart, page);
    cart->env->referenced(cart->env, page);
    queue_move(queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_cart = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "cart",
    .summary = "CAR that takes references close together for one",
    .source = "Bansal and Modha 2004",
    .live_form = "car",
    .size = cart_size,
    .init = cart_init,
    .insert = cart_insert,
    .victim = cart_victim,
    .remove = cart_remove,
    .resize = cart_resize,
    .hint = cart_hint,
    .pages_at = offsetof(struct cart, memory),
    .page_bytes = sizeof(struct sp_link),
};
