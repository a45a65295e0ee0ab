#include "watcher.h"

#include <selfpage/page_list.h>

struct watcher {
    struct sp_policy_env *env;
    struct sp_list list;
    struct sp_link links[];
};

static size_t watcher_size(const struct sp_policy_config *config)
{
    return sizeof(struct watcher) + (size_t)config->pages * sizeof(struct sp_link);
}

static void watcher_init(void *self, const struct sp_policy_config *config)
{
    struct watcher *watcher = self;

    watcher->env = config->env;
}

static void watcher_insert(void *self, sp_page page, enum sp_access access)
{
    struct watcher *watcher = self;

    (void)access;
    sp_list_push_front(&watcher->list, watcher->links, page);
}

static void watcher_hit(void *self, sp_page page, enum sp_access access)
{
    struct watcher *watcher = self;

    (void)access;
    sp_list_to_front(&watcher->list, watcher->links, page);
}

static sp_page watcher_victim(void *self, sp_page incoming)
{
    struct watcher *watcher = self;

    (void)incoming;
    return sp_list_back(&watcher->list);
}

static void watcher_remove(void *self, sp_page page, enum sp_removal why)
{
    struct watcher *watcher = self;

    (void)why;
    sp_list_remove(&watcher->list, watcher->links, page);
}

static void watcher_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct watcher *watcher = self;

    (void)hint;
    watcher->env->watch(watcher->env, page);
}

const struct sp_policy watcher_policy = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE,
    .name = "watcher",
    .size = watcher_size,
    .init = watcher_init,
    .insert = watcher_insert,
    .hit = watcher_hit,
    .victim = watcher_victim,
    .remove = watcher_remove,
    .hint = watcher_hint,
};
