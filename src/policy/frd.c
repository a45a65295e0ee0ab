/* FRD: new pages pass through a filter, an LRU list; a page that is wanted again while its history lasts goes to the
 * main list, whose order is that of reuse distances.
 *
 * S. Park and C. Park, "FRD: a filtering based buffer cache algorithm that considers both frequency and reuse distance",
 * MSST 2017, section 3. The main list has nine tenths of the frames, the filter the others:
 *
 *     filter   resident pages that were referenced once, or in one burst; the oldest leaves
 *     main     resident pages and, between them, the history of pages of the filter, resident or not, in order of last
 *              reference. What is older than the oldest resident main page says nothing, and is forgotten.
 *
 * A miss on a page with history makes it a main page, and the oldest main page leaves. The first pages fill main, then
 * the filter, without history.
 *
 * A page of the filter has one place for both: on the main list, where a hand finds the oldest of them, or, once its history
 * is forgotten, on a list of its own, whose pages are older than those. */
#include "policy/registry.h"
#include "policy/share.h"

#include <selfpage/page_list.h>

enum { FRD_MAIN };

/* What a page is: bits of its byte. */
enum {
    IN_FILTER = 1,   /* resident */
    IN_MAIN = 2,     /* resident */
    HAS_HISTORY = 4, /* on the main list, not resident there */
    IS_AWAY = 8,     /* to be inserted as the main page that it was, or has earned to be */
    IS_LISTED = 16,  /* on the main list */
};

struct frd {
    struct sp_policy_env *env;
    const double *params;
    uint32_t main_most;
    uint32_t mains;              /* pages with IN_MAIN */
    uint32_t filtered;           /* pages with IN_FILTER */
    uint32_t up_plus1;           /* behind this page of `main` none is IN_FILTER; 0: none is */
    bool tells;                  /* the engine wants to know what is forgotten */
    bool full;                   /* a page has left */
    struct sp_list filter, main; /* the newest is at the front; see above */
    uint8_t *is;
    struct sp_link memory[];
};

static const struct sp_policy_param frd_params[] = {
    [FRD_MAIN] = {"main", 0.9, 0.0, 1.0, "share of the frames for the main list"},
    {NULL},
};

static size_t frd_size(const struct sp_policy_config *config)
{
    return sizeof(struct frd) + (size_t)config->pages * (sizeof(struct sp_link) + 1);
}

static void frd_resize(void *self, uint32_t frames)
{
    struct frd *frd = self;

    frd->main_most = share_of(frd->params[FRD_MAIN], frames);
    if (frd->main_most == frames)
        frd->main_most--;
}

static void frd_init(void *self, const struct sp_policy_config *config)
{
    struct frd *frd = self;

    frd->env = config->env;
    frd->tells = config->env->forgotten != NULL;
    frd->params = config->params;
    frd->is = (uint8_t *)(frd->memory + config->pages);
    frd_resize(self, config->frames);
}

/* ---- The two lists ---- */

/* A page is about to leave its place on the main list. */
static void hand_leave(struct frd *frd, sp_page page)
{
    if (frd->up_plus1 == page + 1)
        frd->up_plus1 = frd->memory[page].prev_plus1;
}

static void main_leave(struct frd *frd, sp_page page)
{
    hand_leave(frd, page);
    sp_list_remove(&frd->main, frd->memory, page);
    frd->mains -= (frd->is[page] & IN_MAIN) != 0;
    frd->is[page] &= (uint8_t) ~(IN_MAIN | HAS_HISTORY | IS_LISTED);
}

static void leave(struct frd *frd, sp_page page)
{
    if (frd->is[page] & IS_LISTED)
        main_leave(frd, page);
    else if (frd->is[page] & IN_FILTER)
        sp_list_remove(&frd->filter, frd->memory, page);
}

/* A page that is on no list comes to the top of main, as what it `becomes`. */
static void main_push(struct frd *frd, sp_page page, unsigned becomes)
{
    sp_list_push_front(&frd->main, frd->memory, page);
    frd->is[page] |= (uint8_t)(becomes | IS_LISTED);
    frd->mains += becomes == IN_MAIN;
    if (frd->is[page] & IN_FILTER && frd->up_plus1 == 0)
        frd->up_plus1 = page + 1;
}

static void main_enter(struct frd *frd, sp_page page, unsigned becomes)
{
    leave(frd, page);
    main_push(frd, page, becomes);
}

/* The oldest page of the filter; there is one. The hand passes a page once for each time that it came to the top. */
static sp_page filter_oldest(struct frd *frd)
{
    if (frd->filter.count > 0)
        return sp_list_back(&frd->filter);
    while (!(frd->is[frd->up_plus1 - 1] & IN_FILTER))
        frd->up_plus1 = frd->memory[frd->up_plus1 - 1].prev_plus1;
    return frd->up_plus1 - 1;
}

/* A page left a list: the engine wants to know if it was the last. */
static __attribute__((noinline)) void tell_left(const struct frd *frd, sp_page page)
{
    if (frd->is[page] == 0)
        frd->env->forgotten(frd->env, page);
}

/* The oldest of main is a resident main page, or main is empty. */
static __attribute__((always_inline)) inline void main_prune(struct frd *frd)
{
    sp_page page;

    while ((page = sp_list_back(&frd->main)) != SP_NO_PAGE && !(frd->is[page] & IN_MAIN)) {
        main_leave(frd, page);
        if (frd->is[page] & IN_FILTER)
            sp_list_push_front(&frd->filter, frd->memory, page);
        else if (__builtin_expect(frd->tells, 0))
            tell_left(frd, page);
    }
}

/* ---- Pages come and go ---- */

static void frd_insert(void *self, sp_page page, enum sp_access access)
{
    struct frd *frd = self;
    bool earned = (frd->is[page] & (HAS_HISTORY | IS_AWAY)) != 0;

    (void)access;
    frd->is[page] &= (uint8_t)~IS_AWAY;
    if (earned || frd->mains < frd->main_most) {
        main_enter(frd, page, IN_MAIN);
        main_prune(frd);
        return;
    }
    frd->is[page] |= IN_FILTER;
    frd->filtered++;
    main_push(frd, page, frd->full ? HAS_HISTORY : 0);
    if (frd->mains == 0)
        main_prune(frd); /* history without a main page would go with the next page that leaves */
}

static void frd_hit(void *self, sp_page page, enum sp_access access)
{
    struct frd *frd = self;
    bool bottom = sp_list_back(&frd->main) == page;

    (void)access;
    if (frd->is[page] & IN_FILTER) {
        main_enter(frd, page, HAS_HISTORY);
        bottom = frd->mains == 0;
    } else if (sp_list_front(&frd->main) != page) {
        hand_leave(frd, page);
        sp_list_to_front(&frd->main, frd->memory, page);
    }
    if (bottom)
        main_prune(frd);
}

static sp_page frd_victim(void *self, sp_page incoming)
{
    struct frd *frd = self;
    bool earned = incoming != SP_NO_PAGE && frd->is[incoming] & HAS_HISTORY;

    frd->full = true;
    if (earned) { /* The victim must not push it out. */
        main_leave(frd, incoming);
        frd->is[incoming] |= IS_AWAY;
    }
    if (frd->mains > 0 && (earned || frd->mains > frd->main_most || frd->filtered == 0))
        return sp_list_back(&frd->main);
    return filter_oldest(frd);
}

/* Returns whether nothing is known of the page any more, where that was not told. */
static __attribute__((always_inline)) inline bool take_off(struct frd *frd, sp_page page,
                                                           enum sp_removal why)
{
    bool was_main = (frd->is[page] & IN_MAIN) != 0;
    bool keeps = why == SP_EVICTED && frd->is[page] & HAS_HISTORY;

    frd->filtered -= (frd->is[page] & IN_FILTER) != 0;
    if (!keeps)
        leave(frd, page);
    frd->is[page] &= (uint8_t)~IN_FILTER;
    if (was_main && (why == SP_PINNED || why == SP_SKIPPED))
        frd->is[page] = IS_AWAY;
    main_prune(frd);
    return frd->tells && !keeps && (why == SP_EVICTED || why == SP_DISCARDED);
}

static void frd_remove(void *self, sp_page page, enum sp_removal why)
{
    if (take_off(self, page, why))
        tell_left(self, page);
}

/* A page that will not be needed is the next to leave the filter, and leaves no history. */
static void frd_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct frd *frd = self;

    if (hint == SP_HINT_WILL_NEED) {
        frd_hit(self, page, SP_READ);
        return;
    }
    take_off(frd, page, SP_DISCARDED);
    sp_list_push_back(&frd->filter, frd->memory, page);
    frd->is[page] = IN_FILTER;
    frd->filtered++;
}

const struct sp_policy policy_frd = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "frd",
    .summary = "a filter for new pages, and a list by reuse distance behind it",
    .source = "Park and Park 2017",
    .params = frd_params,
    .size = frd_size,
    .pages_at = offsetof(struct frd, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = frd_init,
    .insert = frd_insert,
    .hit = frd_hit,
    .victim = frd_victim,
    .remove = frd_remove,
    .resize = frd_resize,
    .hint = frd_hint,
    .live_form = "clockpro",
};
