/* W-TinyLFU: a small LRU window takes every new page; what it pushes out is admitted to the main
 * region, a segmented LRU, only if it has been referenced more often than what would leave there.
 *
 * G. Einziger, R. Friedman and B. Manes, "TinyLFU: a highly efficient cache admission policy", ACM
 * Transactions on Storage 13(4), 2017. The window has 1 % of the frames; of the main region, four
 * fifths are protected.
 *
 *     insert --> [ window ] --contest--> [ probation ] <--> [ protected ]
 *
 * As long as frames are free a page that leaves the window goes to the lowest segment with room.
 *
 * References are counted in a sketch: of `counters` counters a frame each page has six, in one
 * cache line so that counting costs one memory access; the least of them is its count, which errs
 * upwards only. All are halved whenever `sample` references a frame have been counted. A hit in the
 * window is not counted, as in libCacheSim: a burst of references counts once, which on block
 * traces takes several per cent fewer misses than counting all of it. libCacheSim ages in effect
 * never; this does as the paper says. Its size of sketch leaves some collisions, whose noise keeps
 * a main region full of pages seen twice from freezing; with `counters=64` counting is all but
 * exact. After a resize the counters are other pages' until they have aged.
 *
 * Which window is best depends on the trace: with `climb=1` its size climbs to where hits are most (climber.h), as in
 * Caffeine: a page that the window gains is the one that would leave probation, one that it loses goes there.
 *
 * Live, pages of the window and of probation are watched, so that their references arrive, and count, as in a
 * replay. Those of the protected segment are not: a page that would fall from it and was used meanwhile stays, and
 * counts once. The window has as many frames more as are evicted in advance. */
#include "policy/climber.h"
#include "policy/queues.h"
#include "policy/recent.h"
#include "policy/registry.h"
#include "policy/share.h"

enum { WINDOW = QUEUE_FIRST, PROBATION, PROTECTED };

enum { TINY_WINDOW, TINY_PROTECTED, TINY_SAMPLE, TINY_COUNTERS, TINY_CLIMB };

/* Counters that share a cache line, and those of them that count one page. */
#define BLOCK 64u
#define EACH  6

/* Pages that a live task evicts in advance, at most. */
#define AHEAD_MOST 32u

/* Pages that fall from the protected segment in one call of a live task, and are watched. */
#define WATCHED_MOST 2u

struct wtinylfu {
    const double *params;
    struct sp_policy_env *env;
    struct recent recent; /* live */
    bool live;            /* not all references are seen */
    unsigned watches; /* live: pages that the current call may still have watched as they fall */
    uint32_t window_most;
    uint32_t main_most;
    uint32_t protected_most;
    uint32_t blocks; /* of the sketch */
    uint32_t blocks_most;
    uint64_t sample;  /* references after which counters are halved */
    uint64_t counted; /* of them */
    uint32_t frames;
    bool full;              /* all of them were taken before this reference */
    double window_size;     /* what `window_most` is the whole part of */
    struct climber climber; /* with `climb` */
    struct queues queues;
    const uint32_t *numbers; /* by page: what is counted, if not the page itself */
    uint8_t *sketch;         /* 64-byte aligned, behind the links and bytes of the queues */
    struct sp_link memory[];
};

static const struct sp_policy_param wtinylfu_params[] = {
    [TINY_WINDOW] = {"window", 0.01, 0.0, 1.0, "share of the frames for the window"},
    [TINY_PROTECTED] = {"protected", 0.8, 0.0, 1.0, "share of the main region that is protected"},
    [TINY_SAMPLE] = {"sample", 10.0, 1.0, 1e6, "references a frame after which counts are halved"},
    [TINY_COUNTERS] = {"counters", 20.0, 1.0, 256.0, "counters a frame, of a byte each"},
    [TINY_CLIMB] = {"climb", 0.0, 0.0, 1.0, "1: the window's size climbs to where hits are most"},
    {NULL},
};

static uint32_t sketch_blocks(const double *params, uint32_t frames)
{
    return (uint32_t)(params[TINY_COUNTERS] * frames / BLOCK) + 1;
}

/* There is room for what more frames than there are at the start ask for, up to one for each page.
 */
static uint32_t sketch_blocks_most(const struct sp_policy_config *config)
{
    return sketch_blocks(config->params,
                         config->frames > config->pages ? config->frames : config->pages);
}

static size_t wtinylfu_size(const struct sp_policy_config *config)
{
    return sizeof(struct wtinylfu) + queues_size(config->pages) + BLOCK +
           (size_t)sketch_blocks_most(config) * BLOCK;
}

/* A live task evicts so many pages before others come in: the window is so much larger there, or it would be empty
 * by then, and pages of the main region would leave without a contest. */
static uint32_t ahead_of(uint32_t frames)
{
    return frames / 8 < AHEAD_MOST ? frames / 8 : AHEAD_MOST;
}

/* The window has a frame at least, and so has the main region if there is another. */
static void wtinylfu_resize(void *self, uint32_t frames)
{
    struct wtinylfu *tiny = self;

    tiny->window_most = share_of(tiny->params[TINY_WINDOW], frames);
    if (tiny->live)
        tiny->window_most += ahead_of(frames);
    if (tiny->window_most == 0)
        tiny->window_most = 1;
    tiny->frames = frames;
    tiny->window_size = tiny->window_most;
    climber_init(&tiny->climber, frames);
    tiny->main_most = frames - tiny->window_most;
    tiny->protected_most = share_of(tiny->params[TINY_PROTECTED], tiny->main_most);
    tiny->sample = (uint64_t)(tiny->params[TINY_SAMPLE] * frames);
    tiny->blocks = sketch_blocks(tiny->params, frames);
    if (tiny->blocks > tiny->blocks_most)
        tiny->blocks = tiny->blocks_most;
}

static void wtinylfu_init(void *self, const struct sp_policy_config *config)
{
    struct wtinylfu *tiny = self;
    uintptr_t behind;

    tiny->params = config->params;
    tiny->env = config->env;
    tiny->numbers = config->env->numbers;
    tiny->live = !config->env->sees_all;
    tiny->blocks_most = sketch_blocks_most(config);
    queues_init(&tiny->queues, tiny->memory, config);
    behind = (uintptr_t)(tiny->queues.bytes + config->pages);
    tiny->sketch = (uint8_t *)((behind + BLOCK - 1) / BLOCK * BLOCK);
    wtinylfu_resize(self, config->frames);
}

/* What is counted for a page. */
static inline uint32_t number_of(const struct wtinylfu *tiny, sp_page page)
{
    return __builtin_expect(tiny->numbers != NULL, 0) ? tiny->numbers[page] : page;
}

/* A page's block, and in *places where in it its counters are, six bits each. */
static uint8_t *sketch_block(const struct wtinylfu *tiny, uint32_t number, uint64_t *places)
{
    uint64_t hash = (number + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

    hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    *places = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return tiny->sketch + (((hash >> 32) * tiny->blocks) >> 32) * BLOCK;
}

static uint32_t count_of(const struct wtinylfu *tiny, uint32_t number)
{
    uint64_t places;
    const uint8_t *block = sketch_block(tiny, number, &places);
    uint32_t least = UINT8_MAX;

    for (int i = 0; i < EACH; i++, places >>= 6)
        if (block[places % BLOCK] < least)
            least = block[places % BLOCK];
    return least;
}

static void count_reference(struct wtinylfu *tiny, sp_page page)
{
    uint64_t places;
    uint8_t *block = sketch_block(tiny, number_of(tiny, page), &places);

    for (int i = 0; i < EACH; i++, places >>= 6)
        if (block[places % BLOCK] < UINT8_MAX)
            block[places % BLOCK]++;
    if (++tiny->counted < tiny->sample)
        return;
    tiny->counted = 0;
    for (size_t i = 0; i < (size_t)tiny->blocks * BLOCK; i++)
        tiny->sketch[i] >>= 1;
}

/* Where a page enters the main region while that has room. */
static unsigned main_entry(const struct wtinylfu *tiny)
{
    uint32_t probation_most = tiny->main_most - tiny->protected_most;

    return queue_count(&tiny->queues, PROBATION) < probation_most ? PROBATION : PROTECTED;
}

/* The surplus of the window goes to the main region as long as that has room. */
static void window_settle(struct wtinylfu *tiny)
{
    struct queues *queues = &tiny->queues;

    while (queue_count(queues, WINDOW) > tiny->window_most &&
           queue_count(queues, PROBATION) + queue_count(queues, PROTECTED) < tiny->main_most)
        queue_move(queues, queue_back(queues, WINDOW), main_entry(tiny));
}

/* Live: a page is one of the newest, or may be used in this moment: watch it later. */
static __attribute__((noinline)) void note_recent(struct wtinylfu *tiny, sp_page page)
{
    unsigned queue;

    page = recent_add(&tiny->recent, page);
    queue = page != SP_NO_PAGE ? queue_of(&tiny->queues, page) : QUEUE_NONE;
    if (queue == WINDOW || queue == PROBATION)
        tiny->env->watch(tiny->env, page);
}

/* Live: whether a protected page that nobody watches was used, as far as can be known. */
static bool was_used(struct wtinylfu *tiny, sp_page page)
{
    return tiny->env->referenced(tiny->env, page) && !recent_hides(&tiny->recent, tiny->env, page);
}

/* Live: only here it is seen which of these pages were used. They fall one by one, but after a resize. */
static __attribute__((noinline)) void protected_settle_live(struct wtinylfu *tiny)
{
    struct queues *queues = &tiny->queues;
    uint32_t turns = queue_count(queues, PROTECTED);

    for (unsigned most = WATCHED_MOST;
         queue_count(queues, PROTECTED) > tiny->protected_most && most > 0;) {
        sp_page page = queue_back(queues, PROTECTED);

        if (turns > 0 && was_used(tiny, page)) {
            turns--;
            count_reference(tiny, page);
            queue_move(queues, page, PROTECTED);
            continue;
        }
        most--;
        queue_move(queues, page, PROBATION);
        if (tiny->watches > 0 && !recent_hides(&tiny->recent, tiny->env, page)) {
            tiny->watches--;
            tiny->env->watch(tiny->env, page);
        }
    }
}

/* What protected has too much falls to probation. */
static void protected_settle(struct wtinylfu *tiny)
{
    struct queues *queues = &tiny->queues;

    if (tiny->live) {
        protected_settle_live(tiny);
        return;
    }
    while (queue_count(queues, PROTECTED) > tiny->protected_most)
        queue_move(queues, queue_back(queues, PROTECTED), PROBATION);
}

/* ---- Climbing ---- */

static void window_grow(struct wtinylfu *tiny, double by)
{
    struct queues *queues = &tiny->queues;

    tiny->window_size += by < tiny->protected_most ? by : tiny->protected_most;
    while (tiny->window_most < (uint32_t)tiny->window_size) {
        tiny->window_most++;
        tiny->main_most--;
        tiny->protected_most--;
        protected_settle(tiny);
        if (queue_count(queues, PROBATION) > 0)
            queue_move(queues, queue_back(queues, PROBATION), WINDOW);
    }
}

static void window_shrink(struct wtinylfu *tiny, double by)
{
    struct queues *queues = &tiny->queues;
    double most = tiny->window_size - 1;

    tiny->window_size -= by < most ? by : most;
    while (tiny->window_most > (uint32_t)tiny->window_size) {
        sp_page page = queue_back(queues, WINDOW);

        tiny->window_most--;
        tiny->main_most++;
        tiny->protected_most++;
        if (queue_count(queues, WINDOW) > tiny->window_most) {
            queue_away(queues, page, PROBATION);
            queue_push_back(queues, page, PROBATION);
        }
    }
}

/* A reference is over: a sample may be, too. */
static void climb(struct wtinylfu *tiny, bool hit)
{
    const struct queues *queues = &tiny->queues;

    if (tiny->params[TINY_CLIMB] < 1)
        return;
    if (tiny->full && climber_count(&tiny->climber, hit)) {
        double by = climber_step(&tiny->climber);

        if (by > 0)
            window_grow(tiny, by);
        else
            window_shrink(tiny, -by);
    }
    tiny->full = queue_count(queues, WINDOW) + queue_count(queues, PROBATION) +
                     queue_count(queues, PROTECTED) + queue_count(queues, QUEUE_DOOMED) >=
                 tiny->frames;
}

/* ---- Pages come and go ---- */

static void wtinylfu_insert(void *self, sp_page page, enum sp_access access)
{
    struct wtinylfu *tiny = self;
    unsigned home = queue_home(&tiny->queues, page);

    (void)access;
    tiny->watches = WATCHED_MOST;
    queue_push(&tiny->queues, page, home != QUEUE_NONE ? home : WINDOW);
    if (tiny->live)
        note_recent(tiny, page);
    count_reference(tiny, page);
    window_settle(tiny);
    protected_settle(tiny);
    climb(tiny, false);
}

/* A page was referenced, or is expected to be soon. */
static void wtinylfu_refresh(struct wtinylfu *tiny, sp_page page)
{
    unsigned queue = queue_of(&tiny->queues, page);

    if (queue == QUEUE_DOOMED) {
        queue_move(&tiny->queues, page, WINDOW);
        window_settle(tiny);
    } else if (queue == PROBATION) {
        queue_move(&tiny->queues, page, PROTECTED);
        protected_settle(tiny);
    } else {
        queue_move(&tiny->queues, page, queue);
    }
}

static void wtinylfu_hit(void *self, sp_page page, enum sp_access access)
{
    (void)access;
    ((struct wtinylfu *)self)->watches = WATCHED_MOST;
    if (queue_of(&((struct wtinylfu *)self)->queues, page) >= PROBATION)
        count_reference(self, page);
    wtinylfu_refresh(self, page);
    if (((struct wtinylfu *)self)->live)
        note_recent(self, page);
    climb(self, true);
}

/* Frames that pages are still to come to, in a live task. */
static uint32_t frames_free(const struct wtinylfu *tiny)
{
    const struct queues *queues = &tiny->queues;
    uint32_t taken = queue_count(queues, WINDOW) + queue_count(queues, PROBATION) +
                     queue_count(queues, PROTECTED) + queue_count(queues, QUEUE_DOOMED);

    return taken < tiny->frames ? tiny->frames - taken : 0;
}

static inline bool is_worth_more(const struct wtinylfu *tiny, sp_page candidate, sp_page defender)
{
    if (__builtin_expect(tiny->numbers != NULL, 0)) {
        candidate = tiny->numbers[candidate];
        defender = tiny->numbers[defender];
    }
    return count_of(tiny, candidate) > count_of(tiny, defender);
}

static sp_page wtinylfu_victim(void *self, sp_page incoming)
{
    struct wtinylfu *tiny = self;
    struct queues *queues = &tiny->queues;
    sp_page candidate = queue_back(queues, WINDOW);
    sp_page defender = queue_back(queues, PROBATION);

    (void)incoming;
    if (queue_count(queues, QUEUE_DOOMED) > 0)
        return queue_back(queues, QUEUE_DOOMED);
    if (defender == SP_NO_PAGE)
        defender = queue_back(queues, PROTECTED);
    if (candidate == SP_NO_PAGE)
        return defender;
    if (defender == SP_NO_PAGE)
        return candidate;
    /* The page that comes in will push the candidate out of the window, if that is full. */
    if (queue_count(queues, WINDOW) + (tiny->live ? frames_free(tiny) : 0) < tiny->window_most)
        return defender;
    if (queue_count(queues, PROBATION) + queue_count(queues, PROTECTED) < tiny->main_most) {
        queue_move(queues, candidate, PROBATION);
        candidate = queue_back(queues, WINDOW);
        if (candidate == SP_NO_PAGE)
            return defender;
    }
    if (!is_worth_more(tiny, candidate, defender))
        return candidate;
    queue_move(queues, candidate, PROBATION);
    return defender;
}

static void wtinylfu_remove(void *self, sp_page page, enum sp_removal why)
{
    struct wtinylfu *tiny = self;

    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(&tiny->queues, page);
    else
        queue_forget(&tiny->queues, page);
}

static void wtinylfu_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct wtinylfu *tiny = self;

    if (hint == SP_HINT_WILL_NEED)
        wtinylfu_refresh(tiny, page);
    else
        queue_move(&tiny->queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_wtinylfu = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "wtinylfu",
    .summary = "a window, and admission by frequency to what lies behind it",
    .source = "Einziger et al. 2017; climbing: Einziger et al. 2018",
    .params = wtinylfu_params,
    .size = wtinylfu_size,
    .pages_at = offsetof(struct wtinylfu, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = wtinylfu_init,
    .insert = wtinylfu_insert,
    .hit = wtinylfu_hit,
    .victim = wtinylfu_victim,
    .remove = wtinylfu_remove,
    .resize = wtinylfu_resize,
    .hint = wtinylfu_hint,
};
