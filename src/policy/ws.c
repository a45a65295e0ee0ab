/* Working set: a page that was not referenced for longer than the window leaves.
 *
 * P. J. Denning, "The working set model for program behavior", CACM 11(5), 1968. There the pages
 * outside the window leave at once and the number of frames follows; here the contract says how
 * many frames there are, and pages leave when one is needed. Time is virtual: references (live:
 * faults), and the window is `window` of them a frame.
 *
 * Pages are in the order of the last reference that is known. The oldest is asked whether it has
 * been referenced since, if it may be outside the window for all that is known; inside it, it is in
 * the working set without asking, which spares a live task the soft fault. If all of the working
 * set is known to be inside the window the contract is too small for it, and the page leaves whose
 * known reference is the oldest. */
#include "policy/registry.h"

#include <selfpage/page_list.h>

enum { WS_WINDOW };

struct ws {
    struct sp_policy_env *env;
    const double *params;
    uint64_t window;
    struct sp_list order; /* the page with the oldest known reference is at the back */
    uint64_t *last;       /* by page: time of the last known reference */
    struct sp_link links[];
};

static const struct sp_policy_param ws_params[] = {
    [WS_WINDOW] = {"window", 1.0, 0.0, 1e6, "references (live: faults) a frame in the window"},
    {NULL},
};

static size_t ws_size(const struct sp_policy_config *config)
{
    return sizeof(struct ws) + (size_t)config->pages * (sizeof(struct sp_link) + sizeof(uint64_t));
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
    ws_resize(self, config->frames);
}

static void ws_insert(void *self, sp_page page, enum sp_access access)
{
    struct ws *ws = self;

    (void)access;
    ws->last[page] = ws->env->time;
    sp_list_push_front(&ws->order, ws->links, page);
}

static void ws_hit(void *self, sp_page page, enum sp_access access)
{
    struct ws *ws = self;

    (void)access;
    ws->last[page] = ws->env->time;
    sp_list_to_front(&ws->order, ws->links, page);
}

static sp_page ws_victim(void *self, sp_page incoming)
{
    struct ws *ws = self;
    sp_page page = sp_list_back(&ws->order);

    (void)incoming;
    /* One turn clears every bit; other threads may set some again meanwhile, but not keep us. */
    for (uint32_t left = ws->order.count; left > 0; left--) {
        if (ws->env->time - ws->last[page] <= ws->window || !ws->env->referenced(ws->env, page))
            break;
        ws_hit(ws, page, SP_READ);
        page = sp_list_back(&ws->order);
    }
    return page;
}

static void ws_remove(void *self, sp_page page, enum sp_removal why)
{
    struct ws *ws = self;

    (void)why;
    sp_list_remove(&ws->order, ws->links, page);
}

/* A page that will not be needed has left the working set. */
static void ws_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct ws *ws = self;

    if (hint == SP_HINT_WILL_NEED) {
        ws_hit(ws, page, SP_READ);
        return;
    }
    sp_list_remove(&ws->order, ws->links, page);
    sp_list_push_back(&ws->order, ws->links, page);
    ws->last[page] = 0;
    ws->env->referenced(ws->env, page);
}

const struct sp_policy policy_ws = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE,
    .name = "ws",
    .summary = "working set: pages idle for longer than a window leave",
    .source = "Denning 1968",
    .params = ws_params,
    .size = ws_size,
    .init = ws_init,
    .insert = ws_insert,
    .hit = ws_hit,
    .victim = ws_victim,
    .remove = ws_remove,
    .resize = ws_resize,
    .hint = ws_hint,
};
