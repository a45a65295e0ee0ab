/* CLOCK-Pro: hot and cold pages on one clock with three hands, which come near to LIRS without
 * moving a page on a hit.
 *
 * S. Jiang, F. Chen and X. Zhang, "CLOCK-Pro: an effective improvement of the CLOCK replacement",
 * USENIX 2005, section 4. A new page is cold and in its test period; referenced again before that
 * is over, it becomes hot. A cold page evicted during its test period stays on the clock as a
 * ghost, of which there are as many as frames at most.
 *
 *     hand_cold   looks for the page to evict among the cold ones
 *     hand_hot    turns hot pages that were not referenced to cold ones, and ends the test periods
 *                 of the cold pages it passes; new pages come in just behind it
 *     hand_test   ends test periods, to bound the ghosts
 *
 * The resident cold pages are on a clock of their own as well, in the same order, so that hand_cold
 * need not pass the many pages that are not its business; a page that comes in where this hand
 * stands is the last that it will come to.
 *
 * The frames for cold pages grow by one whenever a test is passed, and shrink by one whenever one
 * ends without a reference. The engine keeps the bits; in a live task, where a page that is mapped
 * counts as referenced, cold pages are watched as soon as they are not among the newest. */
#include "policy/recent.h"
#include "policy/registry.h"

#include <selfpage/page_list.h>

/* What a page is: bits of its byte; 0 for one that is not on the clock. */
enum {
    ON_CLOCK = 1,
    IS_RESIDENT = 2,
    IS_HOT = 4,
    IN_TEST = 8,
    IS_AWAY = 16, /* pinned or skipped, or a ghost just called back; hot with IS_HOT */
};

struct clockpro {
    struct sp_policy_env *env;
    uint32_t frames;
    uint32_t cold_target; /* frames for cold pages */
    uint32_t hot;         /* pages, as are the next two */
    uint32_t cold;        /* resident */
    uint32_t ghosts;
    uint32_t on_clock;
    sp_page hand_hot, hand_test; /* valid if any page is on the clock */
    sp_page hand_cold;           /* on the clock of cold pages, valid if there are any, */
    sp_page cold_entry;          /* and the first of them from hand_hot on */
    struct recent recent;
    uint8_t *is;               /* by page */
    struct sp_link *cold_ring; /* by page */
    struct sp_link ring[];     /* by page */
};

static size_t clockpro_size(const struct sp_policy_config *config)
{
    return sizeof(struct clockpro) + (size_t)config->pages * (2 * sizeof(struct sp_link) + 1);
}

static void clockpro_resize(void *self, uint32_t frames)
{
    struct clockpro *clock = self;

    clock->frames = frames;
    if (clock->cold_target > frames)
        clock->cold_target = frames;
}

/* The paper starts with few cold frames; one is the least there may be. */
static void clockpro_init(void *self, const struct sp_policy_config *config)
{
    struct clockpro *clock = self;

    clock->env = config->env;
    clock->cold_ring = clock->ring + config->pages;
    clock->is = (uint8_t *)(clock->cold_ring + config->pages);
    clock->cold_target = 1;
    clockpro_resize(self, config->frames);
}

static sp_page ring_next(const struct sp_link *ring, sp_page page)
{
    return ring[page].next_plus1 - 1;
}

static void ring_start(struct sp_link *ring, sp_page page)
{
    ring[page].next_plus1 = ring[page].prev_plus1 = page + 1;
}

static void ring_add_before(struct sp_link *ring, sp_page page, sp_page at)
{
    ring[page].next_plus1 = at + 1;
    ring[page].prev_plus1 = ring[at].prev_plus1;
    ring[ring[at].prev_plus1 - 1].next_plus1 = page + 1;
    ring[at].prev_plus1 = page + 1;
}

/* Returns the page that was behind it, or itself if it was alone. */
static sp_page ring_remove(struct sp_link *ring, sp_page page)
{
    sp_page next = ring_next(ring, page);

    ring[next].prev_plus1 = ring[page].prev_plus1;
    ring[ring[page].prev_plus1 - 1].next_plus1 = next + 1;
    return next;
}

/* A page that is just behind hand_hot is resident and cold from now on. */
static void cold_add(struct clockpro *clock, sp_page page)
{
    if (clock->cold++ > 0) {
        ring_add_before(clock->cold_ring, page, clock->cold_entry);
    } else {
        ring_start(clock->cold_ring, page);
        clock->hand_cold = clock->cold_entry = page;
    }
}

static void cold_remove(struct clockpro *clock, sp_page page)
{
    sp_page next = ring_remove(clock->cold_ring, page);

    clock->cold--;
    if (clock->cold_entry == page)
        clock->cold_entry = next;
    if (clock->hand_cold == page)
        clock->hand_cold = next;
}

static void clock_forget(struct clockpro *clock, sp_page page)
{
    unsigned is = clock->is[page];
    sp_page next;

    if ((is & (IS_RESIDENT | IS_HOT)) == IS_RESIDENT)
        cold_remove(clock, page);
    next = ring_remove(clock->ring, page);
    clock->on_clock--;
    if (clock->hand_hot == page)
        clock->hand_hot = next;
    if (clock->hand_test == page)
        clock->hand_test = next;
    if (!(is & IS_RESIDENT))
        clock->ghosts--;
    else if (is & IS_HOT)
        clock->hot--;
    clock->is[page] = 0;
}

/* A resident page comes in just behind hand_hot, the last that this hand will come to. */
static void clock_enter(struct clockpro *clock, sp_page page, unsigned is)
{
    clock->is[page] = (uint8_t)(ON_CLOCK | IS_RESIDENT | is);
    if (clock->on_clock++ > 0) {
        ring_add_before(clock->ring, page, clock->hand_hot);
    } else {
        ring_start(clock->ring, page);
        clock->hand_hot = clock->hand_test = page;
    }
    if (is & IS_HOT)
        clock->hot++;
    else
        cold_add(clock, page);
}

static void test_passed(struct clockpro *clock)
{
    if (clock->cold_target < clock->frames)
        clock->cold_target++;
}

/* The test period of a page, if it is in one, is over without a reference. */
static void test_ended(struct clockpro *clock, sp_page page)
{
    unsigned is = clock->is[page];

    if (!(is & IN_TEST))
        return;
    if (clock->cold_target > 1)
        clock->cold_target--;
    if (is & IS_RESIDENT)
        clock->is[page] = (uint8_t)(is & ~(unsigned)IN_TEST);
    else
        clock_forget(clock, page);
}

static void run_hand_test(struct clockpro *clock)
{
    while (clock->ghosts > clock->frames) {
        sp_page page = clock->hand_test;

        clock->hand_test = ring_next(clock->ring, page);
        test_ended(clock, page);
    }
}

/* Hot pages have the frames that are not for cold ones. */
static bool hot_too_many(const struct clockpro *clock)
{
    uint32_t most = clock->frames > clock->cold_target ? clock->frames - clock->cold_target : 0;

    return clock->hot > most;
}

/* Let hand_hot turn a hot page to a cold one; there is a hot page. */
static void run_hand_hot(struct clockpro *clock)
{
    /* One turn clears every bit; other threads may set some meanwhile, but not keep us. */
    for (uint64_t left = clock->on_clock;; left = left > 0 ? left - 1 : 0) {
        sp_page page = clock->hand_hot;
        unsigned is = clock->is[page];

        clock->hand_hot = ring_next(clock->ring, page);
        if (is & IS_HOT && (left == 0 || !clock->env->referenced(clock->env, page))) {
            clock->is[page] = ON_CLOCK | IS_RESIDENT;
            clock->hot--;
            cold_add(clock, page);
            return;
        }
        if ((is & (IS_RESIDENT | IS_HOT)) == IS_RESIDENT)
            clock->cold_entry = ring_next(clock->cold_ring, page);
        test_ended(clock, page);
    }
}

static void hot_settle(struct clockpro *clock)
{
    while (hot_too_many(clock))
        run_hand_hot(clock);
}

/* A ghost is wanted again: it leaves the clock and comes back hot. */
static void clock_recall(struct clockpro *clock, sp_page page)
{
    test_passed(clock);
    clock_forget(clock, page);
    clock->is[page] = IS_AWAY | IS_HOT;
}

static void clockpro_insert(void *self, sp_page page, enum sp_access access)
{
    struct clockpro *clock = self;
    unsigned is;

    (void)access;
    if (clock->is[page] & ON_CLOCK)
        clock_recall(clock, page);
    is = clock->is[page];
    if (is & IS_AWAY) {
        clock_enter(clock, page, is & IS_HOT);
        hot_settle(clock);
        return;
    }
    clock_enter(clock, page, IN_TEST);
    page = recent_add(&clock->recent, page);
    if (page != SP_NO_PAGE && (clock->is[page] & (IS_RESIDENT | IS_HOT)) == IS_RESIDENT)
        clock->env->watch(clock->env, page);
}

/* The page under hand_cold is cold and was referenced: it turns hot or is tested again. */
static void cold_referenced(struct clockpro *clock, sp_page page)
{
    bool passed = clock->is[page] & IN_TEST;

    clock_forget(clock, page);
    if (passed)
        test_passed(clock);
    clock_enter(clock, page, passed ? IS_HOT : IN_TEST);
    hot_settle(clock);
}

static sp_page clockpro_victim(void *self, sp_page incoming)
{
    struct clockpro *clock = self;
    uint64_t left;

    if (incoming != SP_NO_PAGE && clock->is[incoming] & ON_CLOCK)
        clock_recall(clock, incoming);
    if (clock->cold == 0)
        run_hand_hot(clock);
    /* Each page may be referenced, tested again, and turned hot and cold. */
    for (left = 4 * (uint64_t)clock->on_clock; left > 0; left--) {
        if (!clock->env->referenced(clock->env, clock->hand_cold))
            break;
        cold_referenced(clock, clock->hand_cold);
        if (clock->cold == 0)
            run_hand_hot(clock);
    }
    return clock->hand_cold;
}

static void clockpro_remove(void *self, sp_page page, enum sp_removal why)
{
    struct clockpro *clock = self;
    unsigned is = clock->is[page];

    if (why == SP_EVICTED && is & IN_TEST) {
        cold_remove(clock, page);
        clock->is[page] = ON_CLOCK | IN_TEST;
        clock->ghosts++;
        run_hand_test(clock);
        return;
    }
    clock_forget(clock, page);
    if (is & IS_HOT && (why == SP_PINNED || why == SP_SKIPPED))
        clock->is[page] = IS_AWAY | IS_HOT;
}

/* A page that will not be needed goes under hand_cold, cold and with its bit clear; it is in no
 * test period, so that it leaves no ghost. */
static void clockpro_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct clockpro *clock = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    clock_forget(clock, page);
    clock_enter(clock, page, 0);
    clock->hand_cold = page;
    clock->env->referenced(clock->env, page);
}

const struct sp_policy policy_clockpro = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE,
    .name = "clockpro",
    .summary = "hot and cold pages on one clock: LIRS without lists",
    .source = "Jiang, Chen and Zhang 2005",
    .size = clockpro_size,
    .init = clockpro_init,
    .insert = clockpro_insert,
    .victim = clockpro_victim,
    .remove = clockpro_remove,
    .resize = clockpro_resize,
    .hint = clockpro_hint,
};
