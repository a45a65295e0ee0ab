/* CACHEUS: LeCaR with a scan-resistant LRU and a churn-resistant LFU for experts, and a learning rate that
 * adapts itself.
 *
 * L. V. Rodriguez, F. Yusuf, S. Lyons, E. Paz, R. Rangaswami, J. Liu, M. Zhao and G. Narasimhan, "Learning
 * cache replacement with CACHEUS", FAST 2021. What the paper leaves open is as in the authors' program
 * (sylab/cacheus, cacheus.py): histories of half as many ghosts as frames, 1 % of the frames for new pages
 * at first, a period of as many references as frames, ratios rounded to a thousandth, and a page that
 * comes back from a history keeps its count and goes to S.
 *
 *   S  pages referenced again, by their last reference; what S has too much is demoted to Q
 *   Q  new and demoted pages; its oldest is what SR-LRU would evict
 *   CR-LFU evicts the page with the fewest references, of equals the one referenced last
 *
 * A hit only counts. The heap of pages has counts that may be too low, and is put right from its top when
 * CR-LFU is asked, which gives the same answer. */
#include "policy/exponential.h"
#include "policy/heap.h"
#include "policy/queues.h"
#include "policy/registry.h"

enum { IN_S = QUEUE_FIRST, IN_Q, LRU_GHOSTS, LFU_GHOSTS };

/* Notes of a page. */
enum { IS_NEW = 1, IS_DEMOTED = 2 };

/* Neither expert is ever given up, and learning never ends. */
#define WEIGHT_MOST 0.99
#define RATE_LEAST  0.001

/* Periods without success after which the rate begins anew. */
#define PATIENCE 10u

#define LN_2 0.69314718055994530942

struct learning {
    double rate, first;       /* now, and where it begins anew */
    double current, previous; /* in the last two periods */
    double hit_ratio;         /* in the last period */
    uint32_t hits;            /* in this one */
    uint32_t bad, worse;      /* periods without a hit, or with fewer */
};

struct cacheus {
    struct sp_policy_env *env;
    uint32_t frames;
    uint32_t s_most, q_most;
    uint32_t demoted, fresh; /* demoted pages in Q; new pages among the ghosts of LRU */
    uint64_t ticked;         /* the time of the last reference that was noted */
    double lru_weight;       /* probability of asking LRU */
    struct learning learning;
    sp_page named; /* by victim, and by whom: a queue of ghosts, or QUEUE_NONE for both */
    unsigned expert;
    uint32_t *counts; /* by page: references to a page that is resident, away or a ghost */
    uint64_t *last;   /* by page: its last reference */
    struct queues queues;
    struct heap heap; /* resident pages; the one that LFU evicts is on top */
    _Alignas(8) char memory[];
};

static size_t cacheus_size(const struct sp_policy_config *config)
{
    return sizeof(struct cacheus) +
           (size_t)config->pages * (sizeof(uint64_t) + 2 * sizeof(uint32_t)) +
           heap_size(config->pages) + queues_size(config->pages);
}

/* ---- The learning rate ---- */

static double rounded(double x)
{
    return (double)(int64_t)(x * 1000 + (x < 0 ? -0.5 : 0.5)) / 1000;
}

/* The square root, by Newton's method. */
static double root(double x)
{
    double y = x > 1 ? x : 1;

    for (int i = 0; i < 64; i++)
        y = (y + x / y) / 2;
    return y;
}

static void learning_begin(struct learning *learning, uint32_t frames)
{
    double rate = root(2 * LN_2 / frames);

    *learning = (struct learning){.rate = rate, .current = rate};
    learning->first = rate < RATE_LEAST ? RATE_LEAST : rate > 1 ? 1 : rate;
}

static double bounded(double rate)
{
    return rate > 1 ? 1 : rate < RATE_LEAST ? RATE_LEAST : rate;
}

/* The rate at an end of its range comes back; else it goes up or down. */
static void learning_wander(struct cacheus *c)
{
    struct learning *l = &c->learning;

    if (l->rate >= 1)
        l->rate = 0.9;
    else if (l->rate <= RATE_LEAST)
        l->rate = 0.005;
    else
        l->rate = bounded(l->rate * (c->env->random(c->env, 2) == 0 ? 1.25 : 0.75));
}

/* Nothing can be said of the last change, and there are no more hits than before. */
static void learning_stagnate(struct cacheus *c, double ratio, double more)
{
    struct learning *l = &c->learning;

    l->bad += (ratio <= 0 && more == 0) || more < 0;
    l->worse += more < 0;
    if (l->bad >= PATIENCE) {
        l->rate = l->first;
        l->bad = 0;
    } else if (more < 0 && l->worse >= PATIENCE) {
        l->rate = l->first;
        l->worse = 0;
    } else if (more < 0) {
        learning_wander(c);
    }
}

/* A period ends. */
static void learning_update(struct cacheus *c)
{
    struct learning *l = &c->learning;
    double ratio = rounded((double)l->hits / c->frames);
    double more = rounded(ratio - l->hit_ratio);
    double change = rounded(l->current) - rounded(l->previous);
    double step = l->rate * (change < 0 ? -change : change);

    if (change * more != 0) { /* go on in the direction that was good */
        l->rate = bounded(change * more > 0 ? l->rate + step : l->rate - step);
        l->bad = l->worse = 0;
    } else if (more <= 0) {
        learning_stagnate(c, ratio, more);
    }
    l->previous = l->current;
    l->current = l->rate;
    l->hit_ratio = ratio;
    l->hits = 0;
}

/* Once for each reference, before anything else. */
static void tick(struct cacheus *c)
{
    if (c->env->time == c->ticked)
        return;
    c->ticked = c->env->time;
    if (c->ticked % c->frames == 0)
        learning_update(c);
}

/* An expert has evicted what is wanted again. */
static void punish(struct cacheus *c, unsigned expert)
{
    double factor = exponential(-c->learning.rate);
    double lru = c->lru_weight * (expert == LRU_GHOSTS ? factor : 1);
    double lfu = (1 - c->lru_weight) * (expert == LFU_GHOSTS ? factor : 1);

    c->lru_weight = lru / (lru + lfu);
    if (c->lru_weight >= WEIGHT_MOST)
        c->lru_weight = WEIGHT_MOST;
    if (c->lru_weight <= 1 - WEIGHT_MOST)
        c->lru_weight = 1 - WEIGHT_MOST;
}

/* ---- S and Q ---- */

static void cacheus_resize(void *self, uint32_t frames)
{
    struct cacheus *c = self;
    uint32_t hirs = (uint32_t)(0.01 * frames + 0.5);

    if (frames == c->frames)
        return; /* what it has learnt stays */
    c->frames = frames;
    c->q_most = hirs > 0 ? hirs : 1;
    c->s_most = frames - c->q_most;
    learning_begin(&c->learning, frames);
}

static void cacheus_init(void *self, const struct sp_policy_config *config)
{
    struct cacheus *c = self;
    char *memory = c->memory;

    c->env = config->env;
    c->lru_weight = 0.5;
    c->named = SP_NO_PAGE;
    c->last = (uint64_t *)(void *)memory;
    memory += config->pages * sizeof(uint64_t);
    heap_init(&c->heap, memory);
    memory += heap_size(config->pages);
    c->counts = (uint32_t *)(void *)memory;
    memory += 2 * config->pages * sizeof(uint32_t);
    queues_init(&c->queues, memory, config);
    cacheus_resize(self, config->frames);
}

/* `limit` grows by part / of, at least by one, and leaves the other a frame. */
static void grow(const struct cacheus *c, uint32_t *limit, uint32_t *other, uint32_t part,
                 uint32_t of)
{
    uint32_t step = (uint32_t)((double)part / (of > 0 ? of : 1) + 0.5), most = c->frames - 1;

    step = step > 0 ? step : 1;
    *limit = step < most && *limit < most - step ? *limit + step : most;
    *other = c->frames - *limit;
}

/* A page is no longer demoted, or no longer on Q. */
static void undemote(struct cacheus *c, sp_page page)
{
    unsigned note = queue_note(&c->queues, page);

    if (note & IS_DEMOTED) {
        c->demoted--;
        queue_set_note(&c->queues, page, note & ~(unsigned)IS_DEMOTED);
    }
}

static void demote(struct cacheus *c)
{
    sp_page page = queue_back(&c->queues, IN_S);

    queue_set_note(&c->queues, page, queue_note(&c->queues, page) | IS_DEMOTED);
    c->demoted++;
    queue_move(&c->queues, page, IN_Q);
}

/* S is below its limit. */
static void limit_s(struct cacheus *c)
{
    while (queue_count(&c->queues, IN_S) > 0 && queue_count(&c->queues, IN_S) >= c->s_most)
        demote(c);
}

/* ---- The experts ---- */

/* The page with the fewest references, and of those the one referenced last, has the largest key. There is
 * room for 2^26 references to a page, 2^38 in all. */
static uint64_t count_key(const struct cacheus *c, sp_page page)
{
    const uint64_t count_most = (UINT64_C(1) << 26) - 1, last_most = (UINT64_C(1) << 38) - 1;
    uint64_t count = c->counts[page] < count_most ? c->counts[page] : count_most;

    return ~(count << 38 | (last_most - (c->last[page] & last_most)));
}

static sp_page least_counted(struct cacheus *c)
{
    for (;;) {
        sp_page page = heap_top(&c->heap);
        uint64_t key = count_key(c, page);

        if (heap_key(&c->heap, page) == key)
            return page;
        heap_change(&c->heap, page, key);
    }
}

static bool is_ghost(const struct cacheus *c, sp_page page)
{
    unsigned queue = queue_of(&c->queues, page);

    return queue == LRU_GHOSTS || queue == LFU_GHOSTS;
}

/* A ghost is wanted again: learn from it, and let it come back to S. */
static void learn(struct cacheus *c, sp_page page)
{
    unsigned expert = queue_of(&c->queues, page);

    if (expert == LRU_GHOSTS && queue_note(&c->queues, page) & IS_NEW) {
        c->fresh--;
        grow(c, &c->q_most, &c->s_most, c->demoted, c->fresh);
    }
    punish(c, expert);
    queue_set_note(&c->queues, page, 0);
    queue_away(&c->queues, page, IN_S);
}

static void forget_ghost(struct cacheus *c, unsigned expert)
{
    sp_page page = queue_back(&c->queues, expert);

    if (expert == LRU_GHOSTS && queue_note(&c->queues, page) & IS_NEW)
        c->fresh--;
    queue_forget(&c->queues, page);
    c->counts[page] = 0;
}

/* ---- The policy ---- */

static void add(struct cacheus *c, sp_page page, unsigned queue, unsigned note)
{
    queue_push(&c->queues, page, queue);
    queue_set_note(&c->queues, page, note);
    c->last[page] = c->env->time;
    heap_add(&c->heap, page, count_key(c, page));
}

/* A page that nobody remembers. */
static void add_unknown(struct cacheus *c, sp_page page)
{
    uint32_t s = queue_count(&c->queues, IN_S), q = queue_count(&c->queues, IN_Q);

    c->counts[page] = 1;
    if (s < c->s_most && q == 0) {
        add(c, page, IN_S, 0);
    } else if (s + q < c->frames && q < c->q_most && c->named == SP_NO_PAGE) {
        add(c, page, IN_Q, 0);
    } else {
        add(c, page, IN_Q, IS_NEW);
        limit_s(c);
    }
}

static void cacheus_insert(void *self, sp_page page, enum sp_access access)
{
    struct cacheus *c = self;
    unsigned home;

    (void)access;
    tick(c);
    if (is_ghost(c, page))
        learn(c, page);
    home = queue_home(&c->queues, page);
    if (home == IN_S) {
        add(c, page, IN_S, 0);
        limit_s(c);
    } else if (home == IN_Q) { /* it was pinned or skipped */
        add(c, page, IN_Q, queue_note(&c->queues, page));
    } else {
        add_unknown(c, page);
    }
    c->named = SP_NO_PAGE;
}

static void cacheus_hit(void *self, sp_page page, enum sp_access access)
{
    struct cacheus *c = self;

    (void)access;
    tick(c);
    c->learning.hits++;
    c->counts[page] += c->counts[page] < UINT32_MAX;
    c->last[page] = c->env->time;
    if (queue_of(&c->queues, page) == IN_S) {
        queue_move(&c->queues, page, IN_S);
        return;
    }
    if (queue_note(&c->queues, page) & IS_DEMOTED)
        grow(c, &c->s_most, &c->q_most, c->fresh, c->demoted);
    undemote(c, page);
    if (queue_count(&c->queues, IN_S) > 0 && queue_count(&c->queues, IN_S) >= c->s_most)
        demote(c);
    queue_move(&c->queues, page, IN_S);
}

static sp_page cacheus_victim(void *self, sp_page incoming)
{
    struct cacheus *c = self;
    sp_page lru, lfu;
    bool asks_lru;

    tick(c);
    if (incoming != SP_NO_PAGE && is_ghost(c, incoming))
        learn(c, incoming);
    lru = queue_back(&c->queues, QUEUE_DOOMED);
    c->expert = QUEUE_NONE;
    if (lru != SP_NO_PAGE)
        return c->named = lru;
    if (queue_count(&c->queues, IN_Q) == 0)
        demote(c);
    lru = queue_back(&c->queues, IN_Q);
    lfu = least_counted(c);
    asks_lru = (double)c->env->random(c->env, 1u << 24) * 0x1p-24 < c->lru_weight;
    if (lru != lfu)
        c->expert = asks_lru ? LRU_GHOSTS : LFU_GHOSTS;
    return c->named = asks_lru ? lru : lfu;
}

/* A page that an expert evicted becomes a ghost. */
static void become_ghost(struct cacheus *c, sp_page page)
{
    unsigned expert = c->expert;

    if (expert == LRU_GHOSTS && queue_note(&c->queues, page) & IS_NEW)
        c->fresh++;
    if (queue_count(&c->queues, expert) >= c->frames / 2 && queue_count(&c->queues, expert) > 0)
        forget_ghost(c, expert);
    queue_move(&c->queues, page, expert);
}

static void cacheus_remove(void *self, sp_page page, enum sp_removal why)
{
    struct cacheus *c = self;

    heap_remove(&c->heap, page);
    undemote(c, page);
    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(&c->queues, page);
        return;
    }
    if (why == SP_EVICTED && page == c->named && c->expert != QUEUE_NONE && c->frames > 1) {
        become_ghost(c, page);
        return;
    }
    queue_forget(&c->queues, page);
    c->counts[page] = 0;
}

static void cacheus_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct cacheus *c = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    undemote(c, page);
    queue_set_note(&c->queues, page, 0);
    queue_move(&c->queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_cacheus = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "cacheus",
    .summary = "scan-resistant LRU and churn-resistant LFU, asked as LeCaR asks",
    .source = "Rodriguez et al. 2021; the authors' cacheus.py",
    .live_form = "car",
    .size = cacheus_size,
    .init = cacheus_init,
    .insert = cacheus_insert,
    .hit = cacheus_hit,
    .victim = cacheus_victim,
    .remove = cacheus_remove,
    .resize = cacheus_resize,
    .hint = cacheus_hint,
};
