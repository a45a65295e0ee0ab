/* CLOCK-Pro: hot and cold pages on one clock with three hands, which come near to LIRS without
 * moving a page on a hit.
 *
 * S. Jiang, F. Chen and X. Zhang, "CLOCK-Pro: an effective improvement of the CLOCK replacement",
 * USENIX 2005, section 4, in the details that the paper leaves open as in S. Jiang's simulator
 * (clock-pro.c of 29 September 2005), to the same miss counts with its settings, which are the
 * presets here. A new page is cold and in its test period; referenced again before that is over, it
 * becomes hot. A cold page evicted during its test period stays on the clock as a ghost; there
 * are at most as many ghosts as frames. While memory fills up for the first time, new pages are hot
 * as long as hot pages have room.
 *
 *     hand_cold   evicts the first cold page that is in no test period, or was not referenced; the
 *                 others become hot
 *     hand_hot    turns a hot page that was not referenced to a cold one, and ends the test periods
 *                 of the cold pages it passes
 *     hand_test   ends test periods, to bound the ghosts; it is never behind hand_hot
 *
 * The clock is a list: pages come in at its front, and all hands move from the back to the front
 * and start again at the back. Hot pages that hand_hot passes, and cold ones that hand_cold does not
 * evict, move to the front. The resident cold pages are on a list of their own as well, in the same
 * order, so that hand_cold need not pass the many pages that are not its business.
 *
 * `cold` and `most` bound the share of the frames that is for cold pages. If they differ the share
 * adapts as in the paper: each ghost that is wanted again adds a credit, each that is forgotten takes
 * one, and a credit is redeemed when hand_cold finds a page referenced. The author's program comes
 * with a fixed share of 5 %.
 *
 * References to the newest page that come before those to any other count as one with its fault. The engine keeps the
 * bits; in a live task, where a page that is mapped counts as referenced, cold pages are watched as
 * soon as they are not among the newest. */
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
    IS_SEEN = 16,   /* counts as referenced, whatever its bit says */
    IS_AWAY = 32,   /* pinned or skipped; hot with IS_HOT, in its test period with IN_TEST */
    IS_DOOMED = 64, /* cold, and not worth keeping for all that the program knows */
};

/* The fewest cold pages; with very few frames, one. */
#define COLD_LEAST      2u
#define COLD_LEAST_FROM 5u

enum { CLOCKPRO_COLD, CLOCKPRO_MOST };

/* A list with a hand that goes round it. */
struct ring {
    struct sp_link *links;
    struct sp_list list;
};

struct clockpro {
    struct sp_policy_env *env;
    const double *params;
    uint32_t frames;
    uint32_t cold_least, cold_most; /* frames for cold pages */
    int64_t credits;                /* frames by which the cold pages should grow */
    uint32_t hot;                   /* pages */
    uint32_t ghosts;
    bool filling;   /* there have been free frames ever since the number of frames was set */
    sp_page coming; /* a ghost that is being inserted, or SP_NO_PAGE */
    sp_page fresh;  /* the newest page, if no other has been referenced since */
    struct ring clock;
    struct ring cold;            /* resident cold pages */
    sp_page hand_hot, hand_test; /* on the clock, SP_NO_PAGE if it is empty */
    sp_page hand_cold;           /* on the ring of cold pages, SP_NO_PAGE if it is empty */
    struct recent recent;
    bool tells;              /* the engine wants to know what is forgotten */
    uint8_t *is;             /* by page */
    struct sp_link memory[]; /* two by page */
};

static const struct sp_policy_param clockpro_params[] = {
    [CLOCKPRO_COLD] = {"cold", 0.05, 0.0, 1.0, "least share of the frames for cold pages"},
    [CLOCKPRO_MOST] = {"most", 0.05, 0.0, 1.0,
                       "largest share; if it is larger than `cold` the share adapts"},
    {NULL},
};

static size_t clockpro_size(const struct sp_policy_config *config)
{
    return sizeof(struct clockpro) + (size_t)config->pages * (2 * sizeof(struct sp_link) + 1);
}

/* ---- Rings ---- */

/* One step of a hand: towards the front, and from there to the back. */
static sp_page ring_step(const struct ring *ring, sp_page hand)
{
    sp_page page = sp_list_prev(ring->links, hand);

    return page != SP_NO_PAGE ? page : sp_list_back(&ring->list);
}

/* The page that a hand was on before it came to `hand`. */
static sp_page ring_behind(const struct ring *ring, sp_page hand)
{
    sp_page page = sp_list_next(ring->links, hand);

    return page != SP_NO_PAGE ? page : sp_list_front(&ring->list);
}

static void ring_add(struct ring *ring, sp_page page)
{
    sp_list_push_front(&ring->list, ring->links, page);
}

/* Add a page that a hand comes to just before `at`. */
static void ring_add_behind(struct ring *ring, sp_page page, sp_page at)
{
    struct sp_link *link = &ring->links[page];

    if (sp_list_back(&ring->list) == at) {
        sp_list_push_back(&ring->list, ring->links, page);
        return;
    }
    link->prev_plus1 = at + 1;
    link->next_plus1 = ring->links[at].next_plus1;
    ring->links[link->next_plus1 - 1].prev_plus1 = page + 1;
    ring->links[at].next_plus1 = page + 1;
    ring->list.count++;
}

/* A page is taken off, or goes to the front: a hand that is on it makes a step. */
static inline void hand_leave(sp_page *hand, const struct ring *ring, sp_page page)
{
    if (*hand == page)
        *hand = ring_step(ring, page);
}

/* ---- The clock ---- */

static bool is_cold(const struct clockpro *clock, sp_page page)
{
    return (clock->is[page] & (IS_RESIDENT | IS_HOT)) == IS_RESIDENT;
}

static bool is_ghost(const struct clockpro *clock, sp_page page)
{
    return (clock->is[page] & (ON_CLOCK | IS_RESIDENT)) == ON_CLOCK;
}

/* The answer counts once. A cold page that is one of the newest has not shown anything, in a live
 * task. */
static bool is_referenced(struct clockpro *clock, sp_page page)
{
    unsigned is = clock->is[page];

    if (is & IS_SEEN)
        clock->is[page] = (uint8_t)(is & ~(unsigned)IS_SEEN);
    if (!clock->env->sees_all && is_cold(clock, page) &&
        recent_hides(&clock->recent, clock->env, page))
        return is & IS_SEEN;
    return clock->env->referenced(clock->env, page) || is & IS_SEEN;
}

static void cold_remove(struct clockpro *clock, sp_page page)
{
    hand_leave(&clock->hand_cold, &clock->cold, page);
    sp_list_remove(&clock->cold.list, clock->cold.links, page);
    if (clock->cold.list.count == 0)
        clock->hand_cold = SP_NO_PAGE;
}

/* A page that is counted no longer leaves the clock. */
static inline void clock_remove(struct clockpro *clock, sp_page page)
{
    hand_leave(&clock->hand_hot, &clock->clock, page);
    hand_leave(&clock->hand_test, &clock->clock, page);
    sp_list_remove(&clock->clock.list, clock->clock.links, page);
    if (clock->clock.list.count == 0)
        clock->hand_hot = clock->hand_test = SP_NO_PAGE;
    clock->is[page] = 0;
}

/* A page that stays on the clock comes to its front. */
static void clock_to_front(struct clockpro *clock, sp_page page)
{
    hand_leave(&clock->hand_hot, &clock->clock, page);
    hand_leave(&clock->hand_test, &clock->clock, page);
    sp_list_to_front(&clock->clock.list, clock->clock.links, page);
}

static void ghost_remove(struct clockpro *clock, sp_page page)
{
    clock->ghosts--;
    clock_remove(clock, page);
}

/* A resident page is no longer counted as what it is. */
static inline void resident_uncount(struct clockpro *clock, sp_page page)
{
    if (clock->is[page] & IS_HOT)
        clock->hot--;
    else
        cold_remove(clock, page);
}

static void resident_remove(struct clockpro *clock, sp_page page)
{
    resident_uncount(clock, page);
    clock_remove(clock, page);
}

static inline void resident_count(struct clockpro *clock, sp_page page, unsigned is)
{
    clock->is[page] = (uint8_t)(ON_CLOCK | IS_RESIDENT | is);
    if (is & IS_HOT) {
        clock->hot++;
        return;
    }
    ring_add(&clock->cold, page);
    if (clock->hand_cold == SP_NO_PAGE)
        clock->hand_cold = page;
}

/* A resident page comes to the front. */
static inline void clock_enter(struct clockpro *clock, sp_page page, unsigned is)
{
    resident_count(clock, page, is);
    ring_add(&clock->clock, page);
    if (clock->hand_hot == SP_NO_PAGE)
        clock->hand_hot = clock->hand_test = page;
}

/* A resident page becomes `is`, and comes to the front. */
static void clock_move(struct clockpro *clock, sp_page page, unsigned is)
{
    resident_uncount(clock, page);
    clock_to_front(clock, page);
    resident_count(clock, page, is);
}

/* A hot page comes to the front as what it is. */
static void hot_renew(struct clockpro *clock, sp_page page)
{
    clock->is[page] = ON_CLOCK | IS_RESIDENT | IS_HOT;
    clock_to_front(clock, page);
}

static uint32_t room(uint32_t all, uint32_t used)
{
    return all > used ? all - used : 0;
}

/* Frames that are for cold pages now, free ones among them. */
static uint32_t cold_frames(const struct clockpro *clock)
{
    return room(clock->frames, clock->hot);
}

static void give_credit(struct clockpro *clock, int64_t credit)
{
    if (clock->cold_most > clock->cold_least)
        clock->credits += credit;
}

/* ---- hand_test ---- */

static void test_end(struct clockpro *clock, sp_page page)
{
    if (!is_cold(clock, page))
        return;
    is_referenced(clock, page);
    clock->is[page] &= (uint8_t)~IN_TEST;
}

static __attribute__((noinline)) void tell_forgotten(struct clockpro *clock, sp_page page)
{
    clock->env->forgotten(clock->env, page);
}

static void ghost_forget(struct clockpro *clock, sp_page page)
{
    give_credit(clock, -1);
    ghost_remove(clock, page);
    if (clock->tells && page != clock->coming)
        tell_forgotten(clock, page);
}

/* hand_hot pushes it on by a page. */
static void hand_test_step(struct clockpro *clock)
{
    sp_page page = clock->hand_test;

    if (is_ghost(clock, page)) {
        ghost_forget(clock, page);
        return;
    }
    test_end(clock, page);
    clock->hand_test = ring_step(&clock->clock, page);
}

static void hand_test_run(struct clockpro *clock)
{
    while (clock->ghosts > clock->frames) {
        while (!is_ghost(clock, clock->hand_test)) {
            test_end(clock, clock->hand_test);
            clock->hand_test = ring_step(&clock->clock, clock->hand_test);
        }
        ghost_forget(clock, clock->hand_test);
    }
}

/* ---- hand_hot ---- */

/* What hand_hot did: it turned a hot page cold, and it passed the page in question. */
enum { DEMOTED = 1, PASSED = 2 };

/* Turn a hot page that was not referenced to a cold one, and come to rest on a hot one. If the hand
 * comes to `tested`, the page for which this is done, first, that may do instead. */
static unsigned hand_hot_run(struct clockpro *clock, sp_page tested)
{
    /* One turn clears every bit; other threads may set some meanwhile, but not keep us. */
    uint64_t left = 2 * (uint64_t)clock->clock.list.count;
    unsigned done = 0;

    while (clock->hot > 0 && (done == 0 || !(clock->is[clock->hand_hot] & IS_HOT))) {
        sp_page page = clock->hand_hot;

        left -= left > 0;
        if (clock->is[page] & IS_HOT) {
            bool stays = left > 0 && is_referenced(clock, page);

            done |= stays ? 0 : DEMOTED;
            if (stays)
                hot_renew(clock, page);
            else
                clock_move(clock, page, 0);
        } else {
            done |= page == tested ? PASSED : 0;
            clock->hand_hot = ring_step(&clock->clock, page);
        }
        if (ring_behind(&clock->clock, clock->hand_hot) == clock->hand_test)
            hand_test_step(clock);
    }
    return done;
}

/* Make room for a page to become hot, if it has earned it. False: its test period was over. */
static bool hot_make_room(struct clockpro *clock, sp_page tested)
{
    unsigned done;

    if (cold_frames(clock) > clock->cold_most) /* hot pages went some other way */
        return true;
    done = hand_hot_run(clock, tested);
    return !(done & PASSED) || done & DEMOTED;
}

/* ---- hand_cold ---- */

static void credits_bound(struct clockpro *clock)
{
    uint32_t cold = cold_frames(clock);

    if ((clock->credits > 0 && cold >= clock->cold_most) ||
        (clock->credits < 0 && cold <= clock->cold_least))
        clock->credits = 0;
}

/* A hot page makes room for cold ones, and the cold page under hand_cold is tested again. In the
 * author's program its bit goes over to the page that follows on the clock. */
static void cold_grow(struct clockpro *clock, sp_page page)
{
    unsigned done = hand_hot_run(clock, page);

    if (!(done & PASSED)) {
        clock->is[ring_step(&clock->clock, page)] |= IS_SEEN;
        clock_move(clock, page, IN_TEST);
    }
    if (done != PASSED)
        clock->credits--;
}

/* The page under hand_cold was referenced in its test period. */
static void cold_referenced(struct clockpro *clock, sp_page page)
{
    credits_bound(clock);
    if (clock->credits > 0) {
        cold_grow(clock, page);
    } else if (clock->credits < 0) {
        clock_move(clock, page, IS_HOT);
        clock->credits++;
    } else if (hot_make_room(clock, page)) {
        clock_move(clock, page, IS_HOT);
    }
}

static sp_page clockpro_victim(void *self, sp_page incoming)
{
    struct clockpro *clock = self;
    uint64_t left = 4 * (uint64_t)clock->clock.list.count;

    (void)incoming;
    clock->filling = false;
    for (;; left--) { /* each page may turn hot and cold, and be tested again */
        sp_page page;

        if (clock->cold.list.count == 0)
            hand_hot_run(clock, SP_NO_PAGE);
        page = clock->hand_cold;
        if (left == 0 || !(clock->is[page] & (IN_TEST | IS_DOOMED)) || !is_referenced(clock, page))
            return page;
        if (clock->is[page] & IS_DOOMED)
            clock_move(clock, page, IN_TEST); /* it is needed, after all */
        else
            cold_referenced(clock, page);
    }
}

/* ---- Pages come and go ---- */

static void clockpro_resize(void *self, uint32_t frames)
{
    struct clockpro *clock = self;
    uint32_t least = frames >= COLD_LEAST_FROM ? COLD_LEAST : 1;

    clock->filling = clock->filling || frames > clock->frames;
    clock->frames = frames;
    clock->cold_least = share_of(clock->params[CLOCKPRO_COLD], frames);
    clock->cold_most = share_of(clock->params[CLOCKPRO_MOST], frames);
    if (clock->cold_least < least)
        clock->cold_least = least;
    if (clock->cold_most < clock->cold_least)
        clock->cold_most = clock->cold_least;
    while (clock->hot > room(frames, clock->cold_least))
        hand_hot_run(clock, SP_NO_PAGE);
}

static void clockpro_init(void *self, const struct sp_policy_config *config)
{
    struct clockpro *clock = self;

    clock->env = config->env;
    clock->tells = config->env->forgotten != NULL;
    clock->params = config->params;
    clock->clock.links = clock->memory;
    clock->cold.links = clock->memory + config->pages;
    clock->is = (uint8_t *)(clock->cold.links + config->pages);
    clock->hand_hot = clock->hand_test = clock->hand_cold = clock->fresh = clock->coming =
        SP_NO_PAGE;
    clockpro_resize(self, config->frames);
}

/* The kind of a page that comes in. A ghost has been referenced again in its test period. */
static unsigned clock_admit(struct clockpro *clock, sp_page page)
{
    unsigned was = clock->is[page];

    if (was & IS_AWAY)
        return was & (IS_HOT | IN_TEST);
    if (is_ghost(clock, page)) {
        bool passed;

        clock->coming = page;
        passed = hot_make_room(clock, page);
        clock->coming = SP_NO_PAGE;
        if (is_ghost(clock, page)) /* if hand_test did not come by */
            ghost_remove(clock, page);
        if (passed)
            give_credit(clock, 1);
        return passed ? IS_HOT : IN_TEST;
    }
    if (clock->filling && room(cold_frames(clock), clock->cold.list.count) > clock->cold_least)
        return IS_HOT;
    return IN_TEST;
}

static void clockpro_insert(void *self, sp_page page, enum sp_access access)
{
    struct clockpro *clock = self;

    (void)access;
    clock_enter(clock, page, clock_admit(clock, page));
    clock->fresh = page;
    if (clock->env->sees_all)
        return;
    page = recent_add(&clock->recent, page);
    if (page != SP_NO_PAGE && is_cold(clock, page))
        clock->env->watch(clock->env, page);
}

/* The engine has set the bit; a reference that is one with the fault does not count. */
static void clockpro_hit(void *self, sp_page page, enum sp_access access)
{
    struct clockpro *clock = self;

    (void)access;
    if (page != clock->fresh)
        clock->fresh = SP_NO_PAGE;
    else if (clock->env->sees_all)
        clock->env->referenced(clock->env, page);
}

static void clockpro_remove(void *self, sp_page page, enum sp_removal why)
{
    struct clockpro *clock = self;
    unsigned is = clock->is[page];

    if (why == SP_EVICTED && is & IN_TEST) {
        cold_remove(clock, page);
        clock->is[page] = ON_CLOCK | IN_TEST;
        clock->ghosts++;
        hand_test_run(clock);
        return;
    }
    resident_remove(clock, page);
    if (why == SP_PINNED || why == SP_SKIPPED)
        clock->is[page] = (uint8_t)(IS_AWAY | (is & (IS_HOT | IN_TEST)));
    else if (clock->tells)
        tell_forgotten(clock, page);
}

/* A page that will not be needed goes under hand_cold, cold and with its bit clear; it is in no
 * test period, so that it leaves at once and as no ghost. */
static void clockpro_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct clockpro *clock = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    resident_remove(clock, page);
    if (clock->hand_cold == SP_NO_PAGE) {
        clock_enter(clock, page, IS_DOOMED);
    } else {
        clock->is[page] = ON_CLOCK | IS_RESIDENT | IS_DOOMED;
        ring_add_behind(&clock->clock, page, clock->hand_cold);
        ring_add_behind(&clock->cold, page, clock->hand_cold);
    }
    clock->hand_cold = page;
    clock->env->referenced(clock->env, page);
}

const struct sp_policy policy_clockpro = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "clockpro",
    .summary = "hot and cold pages on one clock: LIRS without lists",
    .source = "Jiang, Chen and Zhang 2005; S. Jiang's clock-pro.c",
    .params = clockpro_params,
    .size = clockpro_size,
    .init = clockpro_init,
    .insert = clockpro_insert,
    .hit = clockpro_hit,
    .victim = clockpro_victim,
    .remove = clockpro_remove,
    .resize = clockpro_resize,
    .hint = clockpro_hint,
};
