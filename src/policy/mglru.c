/* The Linux kernel's generations (multi-gen LRU): pages are in up to four generations, by when they were referenced
 * last; pages of the oldest one leave.
 *
 * As mm/vmscan.c of Linux 6.1 (Y. Zhao, "mm: multi-gen LRU", Linux 6.1, 2022; Documentation/mm/multigen_lru.rst) treats
 * mapped pages of one kind in one group:
 *
 *   - A page that comes in joins the youngest generation.
 *   - Ageing looks at the reference bits of all pages, and clears them: pages that were referenced belong to what is the
 *     youngest generation until now. Then a new youngest one begins. It happens when there are two generations left, and
 *     with three when more than half of the pages are in the youngest, or less than a quarter in the oldest.
 *   - The oldest page of the oldest generation leaves, unless ageing has found it younger: then it moves to the generation
 *     where it belongs; or unless its bit is set: then it joins the youngest. An oldest generation that is empty ends, as
 *     long as two are left.
 *
 * Tiers, which count uses by read and write, and the balance of files and anonymous memory, say nothing about mapped
 * pages of one kind, and are not here; nor are the looks at the neighbours of a page that leaves, since pages of a trace
 * have none. The kernel may age without a look at all pages (lru_gen/enabled without 0x2): here it does that when less
 * than `walk` times as many pages as are resident have come in since the last look, so that a look costs constant time
 * for each. */
#include "policy/queues.h"
#include "policy/recent.h"
#include "policy/registry.h"

/* The least and the greatest number of generations when pages leave. */
#define GENERATIONS_LEAST 2u
#define GENERATIONS       4u

enum { MGLRU_WALK };

struct mglru {
    struct sp_policy_env *env;
    const double *params;
    uint64_t youngest, oldest;   /* generations count up */
    uint32_t sizes[GENERATIONS]; /* pages that belong to each, wherever they still lie */
    uint32_t since_look;         /* pages that came in */
    struct recent recent;
    struct queues queues; /* a list each; a page's note is where it belongs */
    struct sp_link memory[];
};

static const struct sp_policy_param mglru_params[] = {
    [MGLRU_WALK] = {"walk", 0.0625, 0.0, 1e9,
                    "pages that come in before ageing looks at all again, as a share of them"},
    {NULL},
};

static size_t mglru_size(const struct sp_policy_config *config)
{
    return sizeof(struct mglru) + queues_size(config->pages);
}

static void mglru_init(void *self, const struct sp_policy_config *config)
{
    struct mglru *mglru = self;

    mglru->env = config->env;
    mglru->params = config->params;
    mglru->youngest = GENERATIONS - 1;
    queues_init(&mglru->queues, mglru->memory, config);
}

static unsigned slot_of(uint64_t generation)
{
    return (unsigned)(generation % GENERATIONS);
}

static unsigned list_of(unsigned slot)
{
    return QUEUE_FIRST + slot;
}

/* A page belongs to a generation from now on. It lies where it did. */
static void belong(struct mglru *mglru, sp_page page, unsigned slot)
{
    mglru->sizes[queue_note(&mglru->queues, page)]--;
    mglru->sizes[slot]++;
    queue_set_note(&mglru->queues, page, slot);
}

static uint32_t mglru_pages(const struct mglru *mglru)
{
    uint32_t pages = 0;

    for (unsigned slot = 0; slot < GENERATIONS; slot++)
        pages += mglru->sizes[slot];
    return pages;
}

/* The answer counts once. Of a page that is one of the newest the bit says nothing, in a live task. */
static bool is_referenced(struct mglru *mglru, sp_page page)
{
    return !recent_hides(&mglru->recent, mglru->env, page) &&
           mglru->env->referenced(mglru->env, page);
}

/* ---- Ageing ---- */

static void look_at_all(struct mglru *mglru)
{
    struct queues *queues = &mglru->queues;
    unsigned young = slot_of(mglru->youngest);

    for (unsigned slot = 0; slot < GENERATIONS; slot++)
        for (sp_page page = queue_back(queues, list_of(slot)); page != SP_NO_PAGE;
             page = sp_list_prev(queues->links, page))
            if (is_referenced(mglru, page))
                belong(mglru, page, young);
    mglru->since_look = 0;
}

static void age(struct mglru *mglru)
{
    if (mglru->since_look >= mglru->params[MGLRU_WALK] * mglru_pages(mglru))
        look_at_all(mglru);
    mglru->youngest++;
}

static bool should_age(const struct mglru *mglru)
{
    uint64_t all = mglru_pages(mglru);
    uint64_t young = mglru->sizes[slot_of(mglru->youngest)];
    uint64_t old = mglru->sizes[slot_of(mglru->oldest)];
    uint64_t generations = mglru->youngest - mglru->oldest + 1;

    if (generations != GENERATIONS_LEAST + 1)
        return generations <= GENERATIONS_LEAST;
    return young * GENERATIONS_LEAST > all || old * (GENERATIONS_LEAST + 2) < all;
}

static void end_empty(struct mglru *mglru)
{
    while (mglru->oldest + GENERATIONS_LEAST <= mglru->youngest &&
           queue_count(&mglru->queues, list_of(slot_of(mglru->oldest))) == 0)
        mglru->oldest++;
}

/* ---- Pages come and go ---- */

static void mglru_insert(void *self, sp_page page, enum sp_access access)
{
    struct mglru *mglru = self;
    unsigned home = queue_home(&mglru->queues, page);
    unsigned slot = slot_of(mglru->youngest);

    (void)access;
    if (home >= QUEUE_FIRST)
        slot = home - QUEUE_FIRST;
    queue_push(&mglru->queues, page, list_of(slot));
    queue_set_note(&mglru->queues, page, slot);
    mglru->sizes[slot]++;
    mglru->since_look += mglru->since_look < UINT32_MAX;
    page = recent_add(&mglru->recent, page);
    if (page != SP_NO_PAGE && queue_of(&mglru->queues, page) >= QUEUE_FIRST)
        mglru->env->watch(mglru->env, page);
}

/* What becomes of the oldest page of the oldest generation. True: it leaves. */
static bool reclaim(struct mglru *mglru, sp_page page)
{
    struct queues *queues = &mglru->queues;
    bool moves = queue_note(queues, page) != slot_of(mglru->oldest);

    if (!moves && is_referenced(mglru, page)) {
        belong(mglru, page, slot_of(mglru->youngest));
        moves = true;
    }
    if (moves)
        queue_move(queues, page, list_of(queue_note(queues, page)));
    return !moves;
}

static sp_page mglru_victim(void *self, sp_page incoming)
{
    struct mglru *mglru = self;
    struct queues *queues = &mglru->queues;
    /* Other threads may set bits meanwhile, but not keep us. */
    uint64_t left = 2 * GENERATIONS * ((uint64_t)mglru_pages(mglru) + 1);
    sp_page page;

    (void)incoming;
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!mglru->env->referenced(mglru->env, page))
            return page;
        queue_set_note(queues, page, slot_of(mglru->youngest)); /* it is needed, after all */
        queue_move(queues, page, list_of(slot_of(mglru->youngest)));
        mglru->sizes[slot_of(mglru->youngest)]++;
    }
    for (;; left--) {
        end_empty(mglru);
        if (should_age(mglru)) {
            age(mglru);
            continue;
        }
        page = queue_back(queues, list_of(slot_of(mglru->oldest)));
        if (page != SP_NO_PAGE && (left == 0 || reclaim(mglru, page)))
            return page;
    }
}

/* A page that is suspended comes back to where it belonged, if that generation lasts. */
static void mglru_remove(void *self, sp_page page, enum sp_removal why)
{
    struct mglru *mglru = self;
    struct queues *queues = &mglru->queues;

    if (queue_of(queues, page) != QUEUE_DOOMED)
        mglru->sizes[queue_note(queues, page)]--;
    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(queues, page);
    else
        queue_forget(queues, page);
}

static void mglru_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct mglru *mglru = self;
    struct queues *queues = &mglru->queues;

    if (hint == SP_HINT_WILL_NEED)
        return;
    mglru->env->referenced(mglru->env, page);
    if (queue_of(queues, page) != QUEUE_DOOMED)
        mglru->sizes[queue_note(queues, page)]--;
    queue_set_note(queues, page, 0);
    queue_move(queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_mglru = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_FORGETS,
    .name = "mglru",
    .summary = "generations by sampled reference bits; the oldest leaves",
    .source = "Linux 6.1, mm/vmscan.c; Zhao 2022",
    .params = mglru_params,
    .size = mglru_size,
    .init = mglru_init,
    .insert = mglru_insert,
    .victim = mglru_victim,
    .remove = mglru_remove,
    .hint = mglru_hint,
};
