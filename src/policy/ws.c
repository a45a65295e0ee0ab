/* Working set: the page leaves that was not referenced for longest. What the working set is, the pages
 * referenced within a window, decides in a live task of which pages that has to be known.
 *
 * P. J. Denning, "The working set model for program behavior", CACM 11(5), 1968. There the pages
 * outside the window leave at once and the number of frames follows; here the contract says how
 * many frames there are, and pages leave when one is needed: one outside the working set as long as
 * there is any, and of those the oldest, so that nothing is kept that the paper would not keep. If
 * the contract is too small for the working set, the oldest of it leaves. Time is virtual:
 * references (live: faults), and the window is `window` of them a frame. Where every reference is
 * seen, as in a replay, the order is that of the last reference, whatever the window.
 *
 * A live task sees no reference to a mapped page. What was referenced lately is in the working set
 * without further evidence; pages known to have been referenced within half the window only, and
 * the older three quarters at any rate, are watched, so that their next reference is seen when it
 * happens. A page that leaves has then been idle since it was watched:
 *
 *      insert, hit --> front [ known: mapped ] back
 *                                  | half a window without a reference that was seen
 *                                  v
 *                      front [ watched ] back --> victim */
#include "policy/registry.h"

#include <selfpage/page_list.h>

/* Pages that one call may start to watch. */
#define WS_WATCH_STEP 2

/* Pages that are not watched, however old: one instruction may refer to several. */
#define WS_KNOWN_LEAST 8

enum { WS_WINDOW };

struct ws {
    struct sp_policy_env *env;
    const double *params;
    uint64_t window;
    struct sp_list known;   /* the page with the oldest known reference is at the back */
    struct sp_list watched; /* older ones; a live task only */
    uint64_t *last;         /* by page: time of the last known reference */
    uint8_t *is_watched;    /* by page */
    struct sp_link links[];
};

static const struct sp_policy_param ws_params[] = {
    [WS_WINDOW] = {"window", 1.0, 0.0, 1e6, "references (live: faults) a frame in the window"},
    {NULL},
};

static size_t ws_size(const struct sp_policy_config *config)
{
    return sizeof(struct ws) +
           (size_t)config->pages * (sizeof(struct sp_link) + sizeof(uint64_t) + 1);
}

static void ws_resize(void *self, uint32_t frames)
{
    struct ws *ws = self;

    ws->window = (uint64_t)(ws->params[WS_WINDOW] * frames);
}

static void ws_init(void *self, const struct sp_policy_config *config)
{
    struct ws *ws = self;

    ws->env = config->env;
    ws->params = config->params;
    ws->last = (uint64_t *)(ws->links + config->pages);
    ws->is_watched = (uint8_t *)(ws->last + config->pages);
    ws_resize(self, config->frames);
}

static bool ws_too_old(const struct ws *ws, sp_page page)
{
    return ws->watched.count < 3 * ws->known.count ||
           ws->env->time - ws->last[page] > ws->window / 2;
}

/* Watch what has become old, a few pages at a time. */
static void ws_watch_more(struct ws *ws)
{
    for (int i = 0; i < WS_WATCH_STEP && ws->known.count > WS_KNOWN_LEAST; i++) {
        sp_page page = sp_list_back(&ws->known);

        if (!ws_too_old(ws, page))
            return;
        sp_list_remove(&ws->known, ws->links, page);
        sp_list_push_front(&ws->watched, ws->links, page);
        ws->is_watched[page] = 1;
        ws->env->watch(ws->env, page);
    }
}

static void ws_insert(void *self, sp_page page, enum sp_access access)
{
    struct ws *ws = self;

    (void)access;
    ws->last[page] = ws->env->time;
    sp_list_push_front(&ws->known, ws->links, page);
}

static void ws_remove(void *self, sp_page page, enum sp_removal why)
{
    struct ws *ws = self;

    (void)why;
    sp_list_remove(ws->is_watched[page] ? &ws->watched : &ws->known, ws->links, page);
    ws->is_watched[page] = 0;
}

static void ws_hit(void *self, sp_page page, enum sp_access access)
{
    struct ws *ws = self;

    if (ws->watched.count > 0 && ws->is_watched[page]) {
        ws_remove(ws, page, SP_SKIPPED);
        ws_watch_more(ws); /* while this page cannot be among them: its reference is still to end */
        ws_insert(ws, page, access);
        return;
    }
    ws->last[page] = ws->env->time;
    sp_list_to_front(&ws->known, ws->links, page);
}

static sp_page ws_victim(void *self, sp_page incoming)
{
    struct ws *ws = self;

    (void)incoming;
    if (!ws->env->sees_all)
        ws_watch_more(ws);
    return sp_list_back(ws->watched.count > 0 ? &ws->watched : &ws->known);
}

/* A page that will not be needed has left the working set. */
static void ws_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct ws *ws = self;

    if (hint == SP_HINT_WILL_NEED) {
        ws_hit(ws, page, SP_READ);
        return;
    }
    ws_remove(ws, page, SP_SKIPPED);
    ws->last[page] = 0;
    if (ws->env->sees_all) {
        sp_list_push_back(&ws->known, ws->links, page);
        return;
    }
    sp_list_push_back(&ws->watched, ws->links, page);
    ws->is_watched[page] = 1;
    ws->env->watch(ws->env, page);
}

const struct sp_policy policy_ws = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_FORGETS,
    .name = "ws",
    .summary = "working set: the page leaves that was idle for longest",
    .source = "Denning 1968",
    .params = ws_params,
    .size = ws_size,
    .pages_at = offsetof(struct ws, links),
    .page_bytes = sizeof(struct sp_link),
    .init = ws_init,
    .insert = ws_insert,
    .hit = ws_hit,
    .victim = ws_victim,
    .remove = ws_remove,
    .resize = ws_resize,
    .hint = ws_hint,
};
