/* LeCaR: of two experts, LRU and LFU, one is asked at random for each victim; whoever evicted a
 * page that is wanted again soon is asked less often from then on.
 *
 * G. Vietri, L. V. Rodriguez, W. A. Martinez, S. Lyons, J. Liu, R. Rangaswami, M. Zhao and
 * G. Narasimhan, "Driving cache replacement with ML-based LeCaR", HotStorage 2018, algorithms 1 and
 * 2: two histories of as many ghosts as frames; a ghost wanted again after t faults makes the other
 * expert's weight grow by exp(rate * d^t), where d = 0.005^(1/frames); rate 0.45. A page that both
 * would evict teaches nothing and leaves no ghost. A ghost keeps its count of references, which
 * goes up to 255. */
#include "policy/buckets.h"
#include "policy/queues.h"
#include "policy/registry.h"

enum { RECENT = QUEUE_FIRST, LRU_GHOSTS, LFU_GHOSTS };

enum { LECAR_RATE, LECAR_DISCOUNT };

struct lecar {
    struct sp_policy_env *env;
    const double *params;
    uint32_t frames;
    double discount;   /* d */
    double lru_weight; /* probability of asking LRU */
    uint64_t faults;
    sp_page named; /* by victim, and by whom: a queue of ghosts, or QUEUE_NONE for both */
    unsigned expert;
    uint64_t *left; /* by page: fault at which a ghost left */
    struct queues queues;
    struct buckets buckets; /* of resident pages */
    uint64_t memory[];
};

static const struct sp_policy_param lecar_params[] = {
    [LECAR_RATE] = {"rate", 0.45, 0.0, 10.0, "learning rate"},
    [LECAR_DISCOUNT] = {"discount", 0.005, 1e-9, 1.0, "regret left after as many faults as frames"},
    {NULL},
};

static size_t lecar_size(const struct sp_policy_config *config)
{
    return sizeof(struct lecar) + (size_t)config->pages * sizeof(uint64_t) +
           buckets_size(config->pages) + queues_size(config->pages);
}

/* e^x by its series, of x / 64 and then squared six times: the same on every machine. For x from
 * -64 to 64. */
static double exponential(double x)
{
    double term = 1, sum = 1;

    x /= 64;
    for (int i = 1; i < 20; i++) {
        term *= x / i;
        sum += term;
    }
    for (int i = 0; i < 6; i++)
        sum *= sum;
    return sum;
}

/* base^n, base from 0 to 1. */
static double power(double base, uint64_t n)
{
    double result = 1;

    for (; n > 0; n >>= 1, base *= base)
        if (n & 1)
            result *= base;
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

    lecar->frames = frames;
    lecar->discount = exponential(logarithm(lecar->params[LECAR_DISCOUNT]) / frames);
}

static void lecar_init(void *self, const struct sp_policy_config *config)
{
    struct lecar *lecar = self;
    uint64_t *memory = lecar->memory;

    lecar->env = config->env;
    lecar->params = config->params;
    lecar->lru_weight = 0.5;
    lecar->named = SP_NO_PAGE;
    lecar->left = memory;
    memory += config->pages;
    buckets_init(&lecar->buckets, memory, config->pages);
    memory += buckets_size(config->pages) / sizeof(*memory);
    queues_init(&lecar->queues, memory, config->pages);
    lecar_resize(self, config->frames);
}

/* A ghost of one expert is wanted again: the other grows. */
static void lecar_learn(struct lecar *lecar, sp_page page)
{
    double lru = lecar->lru_weight, lfu = 1 - lru;
    double regret = power(lecar->discount, lecar->faults - lecar->left[page]);
    double factor = exponential(lecar->params[LECAR_RATE] * regret);

    if (queue_of(&lecar->queues, page) == LRU_GHOSTS)
        lfu *= factor;
    else
        lru *= factor;
    lecar->lru_weight = lru / (lru + lfu);
    queue_away(&lecar->queues, page, RECENT);
}

static bool is_ghost(const struct lecar *lecar, sp_page page)
{
    unsigned queue = queue_of(&lecar->queues, page);

    return queue == LRU_GHOSTS || queue == LFU_GHOSTS;
}

/* What bucket_count says of a page that is away, or was a ghost, is the count that it had. */
static void lecar_insert(void *self, sp_page page, enum sp_access access)
{
    struct lecar *lecar = self;
    uint32_t count = 1;

    (void)access;
    lecar->faults++;
    if (is_ghost(lecar, page))
        lecar_learn(lecar, page);
    if (queue_home(&lecar->queues, page) != QUEUE_NONE)
        count += bucket_count(&lecar->buckets, page);
    queue_push(&lecar->queues, page, RECENT);
    bucket_add(&lecar->buckets, page, count);
}

static void lecar_hit(void *self, sp_page page, enum sp_access access)
{
    struct lecar *lecar = self;

    (void)access;
    queue_move(&lecar->queues, page, RECENT);
    bucket_change(&lecar->buckets, page, bucket_count(&lecar->buckets, page) + 1);
}

static sp_page lecar_victim(void *self, sp_page incoming)
{
    struct lecar *lecar = self;
    sp_page lru = queue_back(&lecar->queues, RECENT), lfu = bucket_least(&lecar->buckets);
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

    bucket_remove(&lecar->buckets, page);
    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && page == lecar->named && lecar->expert != QUEUE_NONE) {
        lecar->left[page] = lecar->faults;
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
    .source = "Vietri et al. 2018",
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
