/* LeCaR: of two experts, LRU and LFU, one is asked at random for each victim; an expert that evicted
 * a page that is wanted again soon is asked less often from then on.
 *
 * G. Vietri, L. V. Rodriguez, W. A. Martinez, S. Lyons, J. Liu, R. Rangaswami, M. Zhao and
 * G. Narasimhan, "Driving cache replacement with ML-based LeCaR", HotStorage 2018, algorithms 1 and
 * 2: two histories of as many ghosts as frames; a ghost wanted again t references after it left
 * makes the other expert's weight grow by exp(rate * d^t), where d = 0.005^(1/frames); rate 0.45. A
 * page that both would evict teaches nothing and leaves no ghost. A ghost keeps its count of
 * references. What the paper leaves open is as in the authors' program (sylab/LeCaR, lecar.py):
 * weights stay from 0.01 to 0.99, and of the pages with the least count LFU evicts the one with the
 * lowest number.
 *
 * A hit only counts. Pages are sorted by counts that may be too low, and are put right from the least when LFU is asked,
 * which gives the same answer: those with a small count, as nearly all pages have that leave, in a set for each count, the
 * others in a heap. */
#include "base/bitmap.h"
#include "policy/exponential.h"
#include "policy/heap.h"
#include "policy/queues.h"
#include "policy/registry.h"

enum { RECENT = QUEUE_FIRST, LRU_GHOSTS, LFU_GHOSTS };

enum { LECAR_RATE, LECAR_DISCOUNT };

/* Neither expert is ever given up. */
#define WEIGHT_MOST 0.99

/* Pages sorted by a count from here on are in the heap. */
#define COUNT_HEAPED 8u

/* Bits of a time. */
#define TIME_BITS 64u

struct lecar_page {
    uint64_t left;   /* a ghost: the time at which it left */
    uint32_t count;  /* references to a page that is resident, away or a ghost */
    uint32_t sorted; /* resident: the count by which it is sorted, at most `count` */
};

struct lecar {
    struct sp_policy_env *env;
    const double *params;
    uint32_t frames;
    double discounts[TIME_BITS]; /* d, d^2, d^4 ... */
    double lru_weight;           /* probability of asking LRU */
    sp_page named; /* by victim, and by whom: a queue of ghosts, or QUEUE_NONE for both */
    unsigned expert;
    struct lecar_page *pages; /* by page */
    struct queues queues;
    uint32_t least; /* no page is sorted by a count below it; COUNT_HEAPED: all are in the heap */
    struct bitmap
        counted[COUNT_HEAPED]; /* resident pages, by the count they are sorted by; not 0 */
    struct heap heap;          /* the other ones; the one that LFU evicts is on top */
    struct sp_link memory[];
};

static const struct sp_policy_param lecar_params[] = {
    [LECAR_RATE] = {"rate", 0.45, 0.0, 10.0, "learning rate"},
    [LECAR_DISCOUNT] = {"discount", 0.005, 1e-9, 1.0,
                        "regret left after as many references as frames"},
    {NULL},
};

static size_t lecar_size(const struct sp_policy_config *config)
{
    return sizeof(struct lecar) + config->pages * sizeof(struct lecar_page) +
           heap_size(config->pages) +
           (COUNT_HEAPED - 1) * bitmap_words(config->pages) * sizeof(uint64_t) +
           queues_size(config->pages);
}

/* d^n. */
static double discount(const struct lecar *lecar, uint64_t n)
{
    double result = 1;

    for (; n > 0; n &= n - 1)
        result *= lecar->discounts[__builtin_ctzll(n)];
    return result;
}

/* ln x, x from 1e-9 to 1, by Newton's method on the exponential. */
static double logarithm(double x)
{
    double y = x - 1;

    for (int i = 0; i < 64; i++)
        y += 2 * (x - exponential(y)) / (x + exponential(y));
    return y;
}

static void lecar_resize(void *self, uint32_t frames)
{
    struct lecar *lecar = self;
    double power = exponential(logarithm(lecar->params[LECAR_DISCOUNT]) / frames);

    lecar->frames = frames;
    for (unsigned i = 0; i < TIME_BITS; i++, power *= power)
        lecar->discounts[i] = power;
}

static void lecar_init(void *self, const struct sp_policy_config *config)
{
    struct lecar *lecar = self;
    char *memory = (char *)lecar->memory;

    lecar->env = config->env;
    lecar->params = config->params;
    lecar->lru_weight = 0.5;
    lecar->named = SP_NO_PAGE;
    lecar->least = COUNT_HEAPED;
    lecar->pages = (struct lecar_page *)memory;
    memory += config->pages * sizeof(struct lecar_page);
    heap_init(&lecar->heap, memory);
    memory += heap_size(config->pages);
    for (unsigned i = 1; i < COUNT_HEAPED; i++) {
        bitmap_init(&lecar->counted[i], config->pages, (uint64_t *)memory);
        memory += bitmap_words(config->pages) * sizeof(uint64_t);
    }
    queues_init(&lecar->queues, memory, config);
    lecar_resize(self, config->frames);
}

/* A ghost of one expert is wanted again: the other grows. */
static void lecar_learn(struct lecar *lecar, sp_page page)
{
    double lru = lecar->lru_weight, lfu = 1 - lru;
    double regret = discount(lecar, lecar->env->time - lecar->pages[page].left);
    double factor = exponential(lecar->params[LECAR_RATE] * regret);

    if (queue_of(&lecar->queues, page) == LRU_GHOSTS)
        lfu *= factor;
    else
        lru *= factor;
    lecar->lru_weight = lru / (lru + lfu);
    if (lecar->lru_weight > WEIGHT_MOST)
        lecar->lru_weight = WEIGHT_MOST;
    if (lecar->lru_weight < 1 - WEIGHT_MOST)
        lecar->lru_weight = 1 - WEIGHT_MOST;
    queue_away(&lecar->queues, page, RECENT);
}

static bool is_ghost(const struct lecar *lecar, sp_page page)
{
    unsigned queue = queue_of(&lecar->queues, page);

    return queue == LRU_GHOSTS || queue == LFU_GHOSTS;
}

/* ---- What LFU sees ---- */

/* The page with the least count, and of those the lowest number, has the largest key. */
static uint64_t lfu_key(const struct lecar *lecar, sp_page page)
{
    return ~((uint64_t)lecar->pages[page].count << 32 | page);
}

/* Sort a page by its count. */
static void lfu_sort(struct lecar *lecar, sp_page page)
{
    uint32_t count = lecar->pages[page].count;

    lecar->pages[page].sorted = count;
    if (count >= COUNT_HEAPED) {
        heap_add(&lecar->heap, page, lfu_key(lecar, page));
        return;
    }
    bitmap_set(&lecar->counted[count], page);
    if (count < lecar->least)
        lecar->least = count;
}

static void lfu_forget(struct lecar *lecar, sp_page page)
{
    uint32_t sorted = lecar->pages[page].sorted;

    if (sorted < COUNT_HEAPED)
        bitmap_clear(&lecar->counted[sorted], page);
    else
        heap_remove(&lecar->heap, page);
}

static sp_page heaped_least(struct lecar *lecar)
{
    for (;;) {
        sp_page page = heap_top(&lecar->heap);
        uint64_t key = lfu_key(lecar, page);

        if (heap_key(&lecar->heap, page) == key)
            return page;
        heap_change(&lecar->heap, page, key);
    }
}

/* The page that LFU evicts. Pages whose count has grown since they were sorted sink. */
static sp_page lfu_page(struct lecar *lecar)
{
    while (lecar->least < COUNT_HEAPED) {
        sp_page page = bitmap_first(&lecar->counted[lecar->least]);

        if (page == BITMAP_NONE) {
            lecar->least++;
            continue;
        }
        if (lecar->pages[page].count == lecar->least)
            return page;
        lfu_forget(lecar, page);
        lfu_sort(lecar, page);
    }
    return heaped_least(lecar);
}

/* ---- */

static void lecar_insert(void *self, sp_page page, enum sp_access access)
{
    struct lecar *lecar = self;

    (void)access;
    if (is_ghost(lecar, page))
        lecar_learn(lecar, page);
    if (queue_home(&lecar->queues, page) == QUEUE_NONE)
        lecar->pages[page].count = 0;
    lecar->pages[page].count++;
    queue_push(&lecar->queues, page, RECENT);
    lfu_sort(lecar, page);
}

static void lecar_hit(void *self, sp_page page, enum sp_access access)
{
    struct lecar *lecar = self;

    (void)access;
    queue_move(&lecar->queues, page, RECENT);
    lecar->pages[page].count++;
}

static sp_page lecar_victim(void *self, sp_page incoming)
{
    struct lecar *lecar = self;
    sp_page lru = queue_back(&lecar->queues, RECENT), lfu = lfu_page(lecar);
    bool ask_lru;

    if (incoming != SP_NO_PAGE && is_ghost(lecar, incoming))
        lecar_learn(lecar, incoming);
    if (queue_count(&lecar->queues, QUEUE_DOOMED) > 0)
        return queue_back(&lecar->queues, QUEUE_DOOMED);
    ask_lru = lecar->env->random(lecar->env, 1u << 30) < lecar->lru_weight * (1u << 30);
    lecar->named = ask_lru ? lru : lfu;
    lecar->expert = lru == lfu ? QUEUE_NONE : ask_lru ? LRU_GHOSTS : LFU_GHOSTS;
    return lecar->named;
}

static void lecar_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lecar *lecar = self;
    struct queues *queues = &lecar->queues;

    lfu_forget(lecar, page);
    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && page == lecar->named && lecar->expert != QUEUE_NONE) {
        lecar->pages[page].left = lecar->env->time;
        queue_move(queues, page, lecar->expert);
        queue_trim(queues, lecar->expert, lecar->frames);
    } else {
        queue_forget(queues, page);
    }
    lecar->named = SP_NO_PAGE;
}

static void lecar_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lecar *lecar = self;

    queue_move(&lecar->queues, page, hint == SP_HINT_WILL_NEED ? RECENT : QUEUE_DOOMED);
}

const struct sp_policy policy_lecar = {
    .abi = SP_POLICY_ABI,
    .name = "lecar",
    .summary = "LRU and LFU, asked as often as they have been right",
    .source = "Vietri et al. 2018; the authors' lecar.py",
    .params = lecar_params,
    .size = lecar_size,
    .init = lecar_init,
    .insert = lecar_insert,
    .hit = lecar_hit,
    .victim = lecar_victim,
    .remove = lecar_remove,
    .resize = lecar_resize,
    .hint = lecar_hint,
    .live_form = "car",
};
