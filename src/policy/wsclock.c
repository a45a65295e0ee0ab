/* WSClock: a hand goes round the pages as in CLOCK, notes when it found a page referenced, and
 * evicts one that is clean and was not referenced for longer than the window of the working set.
 *
 * R. W. Carr and J. L. Hennessy, "WSClock: a simple and effective algorithm for virtual memory
 * management", SOSP 1981. There a dirty page outside the working set is queued for cleaning as the
 * hand passes; here the engine writes when a page leaves, so that dirty pages are passed over in
 * favour of clean ones, as long as one is found. To take constant time, the hand passes `look`
 * unreferenced pages at most, and then takes the best of them: outside the working set before
 * inside, the longest idle before others. Time is references (live: faults).
 *
 * Among so few, what comes in side by side competes with each other: a live task, which evicts pages in advance, keeps
 * their places for those that come. */
#include "policy/places.h"
#include "policy/recent.h"
#include "policy/registry.h"

#include <selfpage/page_list.h>

enum { WSCLOCK_WINDOW, WSCLOCK_LOOK };

struct wsclock {
    struct sp_policy_env *env;
    const double *params;
    uint64_t window;
    struct sp_list ring;  /* the hand points at the back */
    struct places places; /* live: of pages that were evicted in advance */
    struct recent recent; /* new pages, which are not yet watched */
    uint64_t *last;       /* by page: when the hand last found it referenced, or its insert */
    struct sp_link links[];
};

static const struct sp_policy_param wsclock_params[] = {
    [WSCLOCK_WINDOW] = {"window", 1.0, 0.0, 1e6, "references (live: faults) a frame in the window"},
    [WSCLOCK_LOOK] = {"look", 32.0, 1.0, 1024.0, "unreferenced pages that the hand may pass"},
    {NULL},
};

static size_t wsclock_size(const struct sp_policy_config *config)
{
    return sizeof(struct wsclock) + places_links(config->pages) * sizeof(struct sp_link) +
           (size_t)config->pages * sizeof(uint64_t);
}

static void wsclock_resize(void *self, uint32_t frames)
{
    struct wsclock *wsclock = self;

    wsclock->window = (uint64_t)(wsclock->params[WSCLOCK_WINDOW] * frames);
}

static void wsclock_init(void *self, const struct sp_policy_config *config)
{
    struct wsclock *wsclock = self;

    wsclock->env = config->env;
    wsclock->params = config->params;
    wsclock->places.first_number = config->pages;
    wsclock->last = (uint64_t *)(wsclock->links + places_links(config->pages));
    wsclock_resize(self, config->frames);
}

static __attribute__((noinline)) void wsclock_insert_live(struct wsclock *wsclock, sp_page page)
{
    places_take(&wsclock->places, &wsclock->ring, wsclock->links, page);
    recent_listed(&wsclock->recent, wsclock->env, &wsclock->ring, wsclock->links, page);
}

static void wsclock_insert(void *self, sp_page page, enum sp_access access)
{
    struct wsclock *wsclock = self;

    (void)access;
    wsclock->last[page] = wsclock->env->time;
    if (wsclock->env->sees_all)
        sp_list_push_front(&wsclock->ring, wsclock->links, page);
    else
        wsclock_insert_live(wsclock, page);
}

/* The page under the hand, which passes places. */
static __attribute__((noinline)) sp_page wsclock_hand(struct wsclock *wsclock)
{
    sp_page page = sp_list_back(&wsclock->ring);

    while (places_is_one(&wsclock->places, page)) {
        sp_list_to_front(&wsclock->ring, wsclock->links, page);
        page = sp_list_back(&wsclock->ring);
    }
    return page;
}

static inline __attribute__((always_inline)) sp_page wsclock_turn(struct wsclock *wsclock,
                                                                  bool places)
{
    struct sp_policy_env *env = wsclock->env;
    uint32_t look = (uint32_t)wsclock->params[WSCLOCK_LOOK];
    sp_page page = places ? wsclock_hand(wsclock) : sp_list_back(&wsclock->ring), best = SP_NO_PAGE;

    /* One turn clears every bit, a second comes to all pages that were passed. */
    for (uint64_t left = 2 * (uint64_t)wsclock->ring.count; left > 0 && look > 0; left--) {
        if (env->referenced(env, page)) {
            wsclock->last[page] = env->time;
        } else {
            if (env->time - wsclock->last[page] > wsclock->window && !env->dirty(env, page))
                return page;
            if (best == SP_NO_PAGE || wsclock->last[page] < wsclock->last[best])
                best = page;
            look--;
        }
        sp_list_to_front(&wsclock->ring, wsclock->links, page);
        page = places ? wsclock_hand(wsclock) : sp_list_back(&wsclock->ring);
    }
    return best != SP_NO_PAGE ? best : page;
}

/* What a live task needs has functions of its own, so that those of a replay are as short as without it. */
static __attribute__((noinline)) sp_page wsclock_turn_places(struct wsclock *wsclock)
{
    return wsclock_turn(wsclock, true);
}

static sp_page wsclock_victim(void *self, sp_page incoming)
{
    struct wsclock *wsclock = self;

    (void)incoming;
    if (__builtin_expect(wsclock->places.count > 0, 0))
        return wsclock_turn_places(wsclock);
    return wsclock_turn(wsclock, false);
}

static __attribute__((noinline)) void wsclock_leave_live(struct wsclock *wsclock)
{
    places_leave(&wsclock->places, &wsclock->ring, wsclock->links);
}

static void wsclock_remove(void *self, sp_page page, enum sp_removal why)
{
    struct wsclock *wsclock = self;

    sp_list_remove(&wsclock->ring, wsclock->links, page);
    if (!wsclock->env->sees_all && why == SP_EVICTED)
        wsclock_leave_live(wsclock);
}

/* A page that will not be needed goes under the hand, outside the working set. */
static void wsclock_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct wsclock *wsclock = self;

    if (hint == SP_HINT_WILL_NEED) {
        wsclock->last[page] = wsclock->env->time;
        return;
    }
    sp_list_remove(&wsclock->ring, wsclock->links, page);
    sp_list_push_back(&wsclock->ring, wsclock->links, page);
    wsclock->last[page] = 0;
    wsclock->env->referenced(wsclock->env, page);
}

const struct sp_policy policy_wsclock = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_FORGETS,
    .name = "wsclock",
    .summary = "clock with the window of the working set; clean pages first",
    .source = "Carr and Hennessy 1981",
    .params = wsclock_params,
    .size = wsclock_size,
    .init = wsclock_init,
    .insert = wsclock_insert,
    .victim = wsclock_victim,
    .remove = wsclock_remove,
    .resize = wsclock_resize,
    .hint = wsclock_hint,
};
