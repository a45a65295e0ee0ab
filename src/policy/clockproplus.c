/* CLOCK-Pro+: CLOCK-Pro whose share of cold pages adapts by what cold pages and demoted hot ones are worth, as CAR adapts.
 *
 * C. Li, "CLOCK-Pro+: improving CLOCK-Pro cache replacement with utility-driven adaptation", SYSTOR 2019; CLOCK-Pro:
 * S. Jiang, F. Chen and X. Zhang, USENIX 2005. A miss on a ghost (a cold page that left during its test period) says that
 * there should be more cold pages, a reference to a page that was hot and has been demoted that there should be fewer:
 *
 *     miss on a ghost           target += max(1, demoted pages / ghosts)
 *     demoted page referenced   target -= max(1, ghosts / demoted pages)
 *
 * What the papers leave open is as in Caffeine's ClockProPlusPolicy (C. Park, B. Manes), whose settings are the presets:
 * the target is between 1 % of the frames, at least two, and half of them; there are as many ghosts as frames;
 * while memory fills up, new pages are hot as long as hot pages have room; references to one page that follow each other
 * without any between count as one.
 *
 *     hand_cold   evicts the first cold page that was not referenced; one in its test period stays as a ghost. Others
 *                 become hot, if they are in their test period, or begin one
 *     hand_hot    turns a hot page that was not referenced to a cold one, which is demoted, and ends the test periods of
 *                 the cold pages that it passes
 *     hand_test   ends test periods, to bound the ghosts
 *
 * The clock is a list: pages come in at its front, hands move from the back to the front. Each hand is on the last page of
 * its kind: there are lists of cold pages and of pages in their test period, in the order of the clock.
 *
 * In a live task, where a page that is mapped counts as referenced, new pages are watched as soon as they are not among
 * the newest. Its frames come by and by, so that the first pages are cold there, and not the last, while memory fills up.
 * It evicts pages in advance: hot pages have the frames that are there on average, or each time some of them would have
 * to go, too. */
#include "policy/ahead.h"
#include "policy/recent.h"
#include "policy/registry.h"
#include "policy/share.h"

#include <selfpage/page_list.h>

/* What a page is: bits of its byte; 0 for one that is not on the clock. */
enum {
    ON_CLOCK = 1,
    IS_RESIDENT = 2,
    IS_HOT = 4,
    IN_TEST = 8,
    IS_DEMOTED =
        16, /* cold, was hot, and has not been referenced since, for all that hands have seen */
    IS_SEEN = 32,    /* counts as referenced, whatever its bit says */
    IS_AWAY = 64,    /* pinned or skipped; hot with IS_HOT, in its test period with IN_TEST */
    IS_DOOMED = 128, /* cold, and not worth keeping for all that the program knows */
};

/* The fewest cold pages, if there are frames for them. */
#define COLD_LEAST 2u

enum { PLUS_COLD, PLUS_MOST, PLUS_GHOST };

struct clockproplus {
    struct sp_policy_env *env;
    const double *params;
    uint32_t frames;
    uint32_t target, target_least, target_most; /* frames for cold pages */
    uint32_t ghosts_most;
    uint32_t hot, ghosts, demoted; /* pages */
    bool filling;                  /* no page has left yet */
    sp_page coming;                /* a ghost that is being inserted, or SP_NO_PAGE */
    sp_page fresh;                 /* the newest page, if no other has been referenced since */
    sp_page hand_hot,
        hand_test; /* on the clock, or SP_NO_PAGE; nothing behind them is of their kind */
    struct sp_list clock, cold; /* cold: resident cold pages, in the order of the clock */
    struct sp_link *clock_links, *cold_links;
    struct recent recent;
    bool tells; /* the engine wants to know what is forgotten */
    uint8_t *is;
    struct sp_link memory[];
};

static const struct sp_policy_param clockproplus_params[] = {
    [PLUS_COLD] = {"cold", 0.01, 0.0, 1.0, "least share of the frames for cold pages"},
    [PLUS_MOST] = {"most", 0.5, 0.0, 1.0, "largest share of the frames for cold pages"},
    [PLUS_GHOST] = {"ghost", 1.0, 0.0, 16.0, "ghosts remembered, as a share of the frames"},
    {NULL},
};

static size_t clockproplus_size(const struct sp_policy_config *config)
{
    return sizeof(struct clockproplus) + (size_t)config->pages * (2 * sizeof(struct sp_link) + 1);
}

/* ---- The clock ---- */

static bool is_any(const struct clockproplus *clock, sp_page page, unsigned bits)
{
    return (clock->is[page] & bits) != 0;
}

static bool is_cold(const struct clockproplus *clock, sp_page page)
{
    return (clock->is[page] & (IS_RESIDENT | IS_HOT)) == IS_RESIDENT;
}

static bool is_ghost(const struct clockproplus *clock, sp_page page)
{
    return (clock->is[page] & (ON_CLOCK | IS_RESIDENT)) == ON_CLOCK;
}

/* The answer counts once. A page that is one of the newest has not shown anything, in a live task. */
static bool is_referenced(struct clockproplus *clock, sp_page page)
{
    bool seen = is_any(clock, page, IS_SEEN);

    clock->is[page] &= (uint8_t)~IS_SEEN;
    if (recent_hides(&clock->recent, clock->env, page))
        return seen;
    return clock->env->referenced(clock->env, page) || seen;
}

/* One step of a hand: towards the front, and from there to the back. */
static sp_page clock_step(const struct clockproplus *clock, sp_page page)
{
    sp_page next = sp_list_prev(clock->clock_links, page);

    return next != SP_NO_PAGE ? next : sp_list_back(&clock->clock);
}

/* A page leaves the clock, and all that was noted of it is forgotten. */
static void clock_forget(struct clockproplus *clock, sp_page page)
{
    sp_page next = clock->clock.count > 1 ? clock_step(clock, page) : SP_NO_PAGE;

    if (clock->hand_hot == page)
        clock->hand_hot = next;
    if (clock->hand_test == page)
        clock->hand_test = next;
    clock->hot -= is_any(clock, page, IS_HOT);
    clock->ghosts -= is_ghost(clock, page);
    clock->demoted -= is_any(clock, page, IS_DEMOTED);
    if (is_cold(clock, page))
        sp_list_remove(&clock->cold, clock->cold_links, page);
    sp_list_remove(&clock->clock, clock->clock_links, page);
    clock->is[page] = 0;
}

/* A resident page comes to the front. */
static void clock_enter(struct clockproplus *clock, sp_page page, unsigned is)
{
    if (is_any(clock, page, ON_CLOCK))
        clock_forget(clock, page);
    clock->is[page] = (uint8_t)(ON_CLOCK | IS_RESIDENT | is);
    clock->hot += (is & IS_HOT) != 0;
    clock->demoted += (is & IS_DEMOTED) != 0;
    sp_list_push_front(&clock->clock, clock->clock_links, page);
    if (!(is & IS_HOT))
        sp_list_push_front(&clock->cold, clock->cold_links, page);
}

static void demoted_end(struct clockproplus *clock, sp_page page)
{
    clock->is[page] &= (uint8_t)~IS_DEMOTED;
    clock->demoted--;
}

static __attribute__((noinline)) void tell_forgotten(struct clockproplus *clock, sp_page page)
{
    clock->env->forgotten(clock->env, page);
}

static void test_end(struct clockproplus *clock, sp_page page)
{
    if (!is_ghost(clock, page)) {
        clock->is[page] &= (uint8_t)~IN_TEST;
        return;
    }
    clock_forget(clock, page);
    if (__builtin_expect(clock->tells, 0) && page != clock->coming)
        tell_forgotten(clock, page);
}

/* ---- The target ---- */

/* The larger of 1 and the quotient, rounded down. */
static uint32_t worth(uint32_t of, uint32_t by)
{
    return by != 0 && of / by > 1 ? of / by : 1;
}

static void target_rise(struct clockproplus *clock)
{
    uint32_t by = worth(clock->demoted, clock->ghosts);
    uint32_t room = clock->target_most - clock->target;

    clock->target += by < room ? by : room;
}

static void target_fall(struct clockproplus *clock)
{
    uint32_t by = worth(clock->ghosts, clock->demoted);
    uint32_t room = clock->target - clock->target_least;

    clock->target -= by < room ? by : room;
}

/* ---- Hands ---- */

/* hand_hot comes to rest on a hot page, and ends the test periods that it passes. */
static void hand_hot_rest(struct clockproplus *clock)
{
    if (clock->hot == 0) {
        clock->hand_hot = SP_NO_PAGE;
        return;
    }
    if (clock->hand_hot == SP_NO_PAGE)
        clock->hand_hot = sp_list_back(&clock->clock);
    while (!is_any(clock, clock->hand_hot, IS_HOT)) {
        sp_page page = clock->hand_hot;

        clock->hand_hot = clock_step(clock, page);
        test_end(clock, page);
    }
}

/* hand_hot passes a cold page. */
static void hand_hot_pass(struct clockproplus *clock, sp_page page)
{
    if (is_any(clock, page, IS_DEMOTED) && is_referenced(clock, page)) {
        clock->is[page] |= IS_SEEN;
        target_fall(clock);
        demoted_end(clock, page);
    }
    clock->hand_hot = clock_step(clock, page);
    test_end(clock, page);
}

/* Demote a hot page that was not referenced, if hand_hot finds one before it comes to `trigger`. */
static bool hand_hot_run(struct clockproplus *clock, sp_page trigger)
{
    /* One turn clears every bit; other threads may set some meanwhile, but not keep us. */
    uint64_t left = 2 * (uint64_t)clock->clock.count;
    bool demoted = false;

    if (clock->hand_hot == SP_NO_PAGE)
        clock->hand_hot = sp_list_back(&clock->clock);
    while (!demoted && clock->hot > 0 && clock->hand_hot != trigger) {
        sp_page page = clock->hand_hot;

        left -= left > 0;
        if (!is_any(clock, page, IS_HOT)) {
            hand_hot_pass(clock, page);
        } else if (left > 0 && is_referenced(clock, page)) {
            clock_enter(clock, page, IS_HOT);
        } else {
            clock_enter(clock, page, IS_DEMOTED);
            demoted = true;
        }
        if (clock->hand_hot == SP_NO_PAGE)
            clock->hand_hot = sp_list_back(&clock->clock);
    }
    hand_hot_rest(clock);
    return demoted;
}

/* A page on the clock that was referenced may become hot if it is in its test period, and stays so while room is made. */
static bool may_promote(struct clockproplus *clock, sp_page page)
{
    if (!is_any(clock, page, IN_TEST))
        return false;
    if (is_ghost(clock, page))
        target_rise(clock);
    while (clock->hot > 0 && clock->hot + clock->target >= clock->frames)
        if (!is_any(clock, page, IN_TEST) || !hand_hot_run(clock, page))
            return false;
    return true;
}

static void ghosts_trim(struct clockproplus *clock)
{
    while (clock->ghosts > clock->ghosts_most) {
        if (clock->hand_test == SP_NO_PAGE)
            clock->hand_test = sp_list_back(&clock->clock);
        while (!is_any(clock, clock->hand_test, IN_TEST))
            clock->hand_test = clock_step(clock, clock->hand_test);
        test_end(clock, clock->hand_test);
    }
}

/* The page under hand_cold was referenced. */
static void cold_referenced(struct clockproplus *clock, sp_page page)
{
    unsigned as = IN_TEST;

    if (is_any(clock, page, IS_DEMOTED)) {
        target_fall(clock);
        demoted_end(clock, page);
    } else if (!is_any(clock, page, IS_DOOMED) && may_promote(clock, page)) {
        as = IS_HOT;
    }
    clock_enter(clock, page, as);
}

static sp_page clockproplus_victim(void *self, sp_page incoming)
{
    struct clockproplus *clock = self;
    uint64_t left = 4 * (uint64_t)clock->clock.count;

    (void)incoming;
    clock->filling = false;
    for (;; left--) { /* each page may turn hot and cold, and be tested again */
        sp_page page;

        if (clock->cold.count == 0)
            hand_hot_run(clock, SP_NO_PAGE);
        page = sp_list_back(&clock->cold);
        if (left == 0 || !is_referenced(clock, page))
            return page;
        cold_referenced(clock, page);
    }
}

/* ---- Pages come and go ---- */

static void clockproplus_resize(void *self, uint32_t frames)
{
    struct clockproplus *clock = self;
    uint32_t least, most;

    if (!clock->env->sees_all)
        frames -= ahead_mean(frames);
    least = share_of(clock->params[PLUS_COLD], frames);
    most = share_of(clock->params[PLUS_MOST], frames);
    least = least > COLD_LEAST ? least : COLD_LEAST;
    least = least <= frames / 2 ? least : frames / 2;
    most = most < frames - least ? most : frames - least;
    clock->frames = frames;
    clock->target_least = least;
    clock->target_most = most > least ? most : least;
    if (clock->target < clock->target_least)
        clock->target = clock->target_least;
    if (clock->target > clock->target_most)
        clock->target = clock->target_most;
    clock->ghosts_most = share_of(clock->params[PLUS_GHOST], frames);
    ghosts_trim(clock);
}

static void clockproplus_init(void *self, const struct sp_policy_config *config)
{
    struct clockproplus *clock = self;

    clock->env = config->env;
    clock->tells = config->env->forgotten != NULL;
    clock->params = config->params;
    clock->clock_links = clock->memory;
    clock->cold_links = clock->memory + config->pages;
    clock->is = (uint8_t *)(clock->cold_links + config->pages);
    clock->hand_hot = clock->hand_test = clock->fresh = clock->coming = SP_NO_PAGE;
    clock->filling = true;
    clockproplus_resize(self, config->frames);
}

/* What a page that comes in is. */
static unsigned clock_admit(struct clockproplus *clock, sp_page page)
{
    bool room;

    if (is_any(clock, page, IS_AWAY))
        return clock->is[page] & (IS_HOT | IN_TEST);
    if (is_ghost(clock, page)) {
        bool earned;

        clock->coming = page;
        earned = may_promote(clock, page);
        clock->coming = SP_NO_PAGE;
        return earned ? IS_HOT : IN_TEST;
    }
    room = clock->env->sees_all
               ? clock->hot + clock->cold.count + clock->target_least < clock->frames
               : clock->cold.count >= clock->target_least;
    return clock->filling && room ? IS_HOT : IN_TEST;
}

static void clockproplus_insert(void *self, sp_page page, enum sp_access access)
{
    struct clockproplus *clock = self;

    (void)access;
    clock_enter(clock, page, clock_admit(clock, page));
    hand_hot_rest(clock);
    clock->fresh = page;
    if (clock->env->sees_all)
        return;
    page = recent_add(&clock->recent, page);
    if (page != SP_NO_PAGE && is_any(clock, page, IS_RESIDENT))
        clock->env->watch(clock->env, page);
}

/* The engine has set the bit; a reference that is one with the fault does not count. */
static void clockproplus_hit(void *self, sp_page page, enum sp_access access)
{
    struct clockproplus *clock = self;

    (void)access;
    if (page != clock->fresh)
        clock->fresh = SP_NO_PAGE;
    else if (clock->env->sees_all)
        clock->env->referenced(clock->env, page);
}

static void clockproplus_remove(void *self, sp_page page, enum sp_removal why)
{
    struct clockproplus *clock = self;
    unsigned is = clock->is[page];

    if (why == SP_EVICTED && is & IN_TEST) {
        sp_list_remove(&clock->cold, clock->cold_links, page);
        clock->is[page] = ON_CLOCK | IN_TEST;
        clock->ghosts++;
        ghosts_trim(clock);
        return;
    }
    clock_forget(clock, page);
    if (why == SP_PINNED || why == SP_SKIPPED)
        clock->is[page] = (uint8_t)(IS_AWAY | (is & (IS_HOT | IN_TEST)));
    else if (__builtin_expect(clock->tells, 0))
        tell_forgotten(clock, page);
    hand_hot_rest(clock);
}

/* A page that will not be needed goes to the back, cold, with its bit clear and in no test period: it leaves at once,
 * and as no ghost. */
static void clockproplus_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct clockproplus *clock = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    clock_forget(clock, page);
    clock->is[page] = ON_CLOCK | IS_RESIDENT | IS_DOOMED;
    sp_list_push_back(&clock->clock, clock->clock_links, page);
    sp_list_push_back(&clock->cold, clock->cold_links, page);
    hand_hot_rest(clock);
    clock->env->referenced(clock->env, page);
}

const struct sp_policy policy_clockproplus = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "clockproplus",
    .summary = "CLOCK-Pro whose cold pages get frames by what they are worth",
    .source = "Li 2019; Caffeine's ClockProPlusPolicy",
    .params = clockproplus_params,
    .size = clockproplus_size,
    .init = clockproplus_init,
    .insert = clockproplus_insert,
    .hit = clockproplus_hit,
    .victim = clockproplus_victim,
    .remove = clockproplus_remove,
    .resize = clockproplus_resize,
    .hint = clockproplus_hint,
};
