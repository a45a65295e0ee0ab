/* The Linux kernel's two lists, active and inactive, with refault distance (not its generations).
 *
 * As mm/vmscan.c and mm/workingset.c of Linux 6 treat the mapped pages of one kind in one group:
 *
 *   - A page that comes in goes to the inactive list. The reference bit that its fault has set says
 *     nothing: when the page comes to the end of the list for the first time, it is marked, its bit is
 *     cleared, and it gets another trip. At the end of that one it becomes active if it has been referenced
 *     since, and is evicted otherwise.
 *   - The active list gives its oldest pages to the inactive one, referenced or not, while it is longer than
 *     the inactive one times a ratio: 1, from one gibibyte on the root of ten times the gibibytes. Such a
 *     page has its mark taken, as one that comes in.
 *   - A page that was evicted is remembered with the clock of that moment, which evictions and
 *     activations advance. If it comes back before the clock has advanced by more than the length of the
 *     active list, it would have been a hit had that list been the inactive one's: it becomes active at
 *     once. (J. Weiner, "mm: thrash detection-based file cache sizing", Linux 3.15, 2014.)
 *
 * The kernel works on batches of 32 pages, and moves pages in proportion to what it scans; here the lists
 * are put right page by page, whenever one has to leave. */
#include "policy/queues.h"
#include "policy/registry.h"

enum {
    INACTIVE = QUEUE_FIRST,
    ACTIVE,
    SHADOWS, /* pages that were evicted, if the engine wants to know which are forgotten */
};

/* Pages of a gibibyte. */
#define GIBIBYTE_SHIFT 18u

struct linux_lists {
    struct sp_policy_env *env;
    uint32_t frames;
    uint64_t clock;    /* "nonresident age" */
    uint64_t *shadows; /* by page: the clock when it was evicted, plus one; 0: it was not */
    struct queues queues;
    struct sp_link memory[];
};

static size_t linux_size(const struct sp_policy_config *config)
{
    return sizeof(struct linux_lists) + config->pages * sizeof(uint64_t) +
           queues_size(config->pages);
}

static void linux_resize(void *self, uint32_t frames)
{
    ((struct linux_lists *)self)->frames = frames;
}

static void linux_init(void *self, const struct sp_policy_config *config)
{
    struct linux_lists *lists = self;

    lists->env = config->env;
    lists->frames = config->frames;
    lists->shadows = (uint64_t *)(void *)lists->memory;
    queues_init(&lists->queues, lists->shadows + config->pages, config);
}

/* ---- Pages come ---- */

static bool is_refault(const struct linux_lists *lists, sp_page page)
{
    uint64_t shadow = lists->shadows[page];

    return shadow != 0 && lists->clock - (shadow - 1) <= queue_count(&lists->queues, ACTIVE);
}

/* The active list grows by no more pages than the clock advances, so that what lies too long ago for a refault now does so
 * for ever. The engine is told, if it wants to be. */
static void shadows_trim(struct linux_lists *lists)
{
    sp_page page;

    while ((page = queue_back(&lists->queues, SHADOWS)) != SP_NO_PAGE && !is_refault(lists, page)) {
        lists->shadows[page] = 0;
        queue_forget(&lists->queues, page);
    }
}

static __attribute__((noinline)) void shadow_end(struct linux_lists *lists, sp_page page)
{
    if (queue_of(&lists->queues, page) == SHADOWS)
        queue_clear(&lists->queues, page);
}

static __attribute__((noinline)) void shadow_keep(struct linux_lists *lists, sp_page page)
{
    queue_set_note(&lists->queues, page, 0);
    queue_move(&lists->queues, page, SHADOWS);
    shadows_trim(lists);
}

static void linux_insert(void *self, sp_page page, enum sp_access access)
{
    struct linux_lists *lists = self;
    unsigned home = queue_home(&lists->queues, page);

    (void)access;
    if (home != INACTIVE && home != ACTIVE) {
        home = is_refault(lists, page) ? ACTIVE : INACTIVE;
        lists->clock += home == ACTIVE;
    }
    lists->shadows[page] = 0;
    if (__builtin_expect(lists->env->forgotten != NULL, 0))
        shadow_end(lists, page);
    queue_push(&lists->queues, page, home);
}

/* ---- Pages go ---- */

static uint32_t root_of(uint64_t number)
{
    uint32_t root = 0;

    while ((uint64_t)(root + 1) * (root + 1) <= number)
        root++;
    return root;
}

/* Live: frames whose pages were evicted in advance. The next pages of the inactive list get them, so they count as its. */
static uint64_t promised(const struct linux_lists *lists, uint64_t inactive, uint64_t active)
{
    uint64_t free = lists->frames > inactive + active ? lists->frames - (inactive + active) : 0;

    return free < inactive ? free : inactive;
}

static bool inactive_is_low(const struct linux_lists *lists)
{
    uint64_t inactive = queue_count(&lists->queues, INACTIVE);
    uint64_t active = queue_count(&lists->queues, ACTIVE);
    uint64_t gibibytes = (inactive + active) >> GIBIBYTE_SHIFT;

    inactive += promised(lists, inactive, active);
    return inactive * (gibibytes > 0 ? root_of(10 * gibibytes) : 1) < active;
}

/* The oldest active page becomes inactive, and has still to be marked. */
static void deactivate(struct linux_lists *lists)
{
    sp_page page = queue_back(&lists->queues, ACTIVE);

    lists->env->referenced(lists->env, page);
    queue_set_note(&lists->queues, page, 0);
    queue_move(&lists->queues, page, INACTIVE);
}

/* What becomes of the page at the end of the inactive list. True: it leaves. */
static bool reclaim(struct linux_lists *lists, sp_page page)
{
    bool referenced = lists->env->referenced(lists->env, page);

    if (queue_note(&lists->queues, page) == 0) {
        queue_set_note(&lists->queues, page, 1);
        queue_move(&lists->queues, page, INACTIVE);
        return false;
    }
    if (!referenced)
        return true;
    queue_set_note(&lists->queues, page, 0);
    queue_move(&lists->queues, page, ACTIVE);
    lists->clock++;
    return false;
}

static sp_page linux_victim(void *self, sp_page incoming)
{
    struct linux_lists *lists = self;
    struct queues *queues = &lists->queues;
    /* Each page may be marked, become active, and be marked again; other threads may set bits meanwhile,
     * but not keep us. */
    uint64_t left = 4 * ((uint64_t)queue_count(queues, ACTIVE) + queue_count(queues, INACTIVE));
    sp_page page;

    (void)incoming;
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!lists->env->referenced(lists->env, page))
            return page;
        queue_move(queues, page, INACTIVE); /* it is needed, after all */
    }
    for (;; left--) {
        while (inactive_is_low(lists))
            deactivate(lists);
        page = queue_back(queues, INACTIVE);
        if (left == 0 || reclaim(lists, page))
            return page;
    }
}

static void linux_remove(void *self, sp_page page, enum sp_removal why)
{
    struct linux_lists *lists = self;

    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(&lists->queues, page);
        return;
    }
    if (why == SP_EVICTED && queue_of(&lists->queues, page) != QUEUE_DOOMED) {
        lists->shadows[page] = ++lists->clock; /* the clock before, plus one */
        if (__builtin_expect(lists->env->forgotten != NULL, 0)) {
            shadow_keep(lists, page);
            return;
        }
    }
    queue_forget(&lists->queues, page);
}

static void linux_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct linux_lists *lists = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    lists->env->referenced(lists->env, page);
    queue_set_note(&lists->queues, page, 0);
    queue_move(&lists->queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_linux = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_TELLS,
    .name = "linux",
    .summary = "active and inactive lists, and refault distance",
    .source = "Linux 6, mm/vmscan.c and mm/workingset.c; Weiner 2014",
    .size = linux_size,
    .init = linux_init,
    .insert = linux_insert,
    .victim = linux_victim,
    .remove = linux_remove,
    .resize = linux_resize,
    .hint = linux_hint,
};
