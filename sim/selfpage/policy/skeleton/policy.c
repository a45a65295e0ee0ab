/* @NAME@: an eviction policy for Selfpage.
 *
 * What it does now, as a start to change: first in, first out, but a page that was
 * referenced since it was looked at last gets another chance (at most `chances` in a row). Its rules,
 * and the whole story of which call comes when, stand in <selfpage/policy.h>.
 *
 * Built, it is a shared object that runs
 *   over a trace:       selfpage replay --policy ./@NAME@.so --policy lru --frames 1%,10% TRACE
 *   in a live task:     SELFPAGE_POLICY=./@NAME@.so, or `policy: ./@NAME@.so` in a scenario
 *   through a check:    selfpage check-policy ./@NAME@.so
 * with parameters behind a colon: ./@NAME@.so:chances=2 */
#include <selfpage/page_list.h>

/* All state lies here, and starts as zeros. Pages are numbers below config->pages, so that an array
 * indexed by page is all the looking up there is. */
struct @IDENT@ {
    struct sp_policy_env *env; /* what the engine offers: referenced, watch, dirty, random, time */
    uint32_t chances;
    uint32_t pages;
    struct sp_list queue;   /* front: newest; back: next to be looked at */
    struct sp_link links[]; /* by page; followed by one byte a page: chances it had */
};

enum { @IDENT@_CHANCES };

/* Parameters: name, preset, least, most, a line of help. */
static const struct sp_policy_param @IDENT@_params[] = {
    [@IDENT@_CHANCES] = {"chances", 1, 0, 255, "times in a row that a referenced page stays"},
    {.name = NULL},
};

/* How many bytes of state this configuration needs. Called before init, and with env == NULL. */
static size_t @IDENT@_size(const struct sp_policy_config *config)
{
    return sizeof(struct @IDENT@) + (size_t)config->pages * (sizeof(struct sp_link) + 1);
}

/* Do not write to all of a large state: what is never touched costs a live task nothing. */
static void @IDENT@_init(void *self, const struct sp_policy_config *config)
{
    struct @IDENT@ *p = self;

    p->env = config->env;
    p->chances = (uint32_t)config->params[@IDENT@_CHANCES];
    p->pages = config->pages;
}

static uint8_t *chances_had(struct @IDENT@ *p, sp_page page)
{
    return (uint8_t *)(p->links + p->pages) + page;
}

/* The page was not resident, has been given a frame, and is referenced. */
static void @IDENT@_insert(void *self, sp_page page, enum sp_access access)
{
    struct @IDENT@ *p = self;

    (void)access;
    sp_list_push_front(&p->queue, p->links, page);
    *chances_had(p, page) = 0;
}

/* A policy that wants to know of every reference has a function `hit`. In a live task a hit comes
 * only for pages whose bit was asked for, or that are watched (env->watch). This policy asks for the
 * bit when it needs it, and does without. */

/* Name a resident page to evict. `incoming` needs the frame; SP_NO_PAGE: none in particular. */
static sp_page @IDENT@_victim(void *self, sp_page incoming)
{
    struct @IDENT@ *p = self;
    sp_page page = sp_list_back(&p->queue);

    (void)incoming;
    /* Once round the queue at most: in a live task, bits may be set again while we look. */
    for (uint32_t left = p->queue.count; left > 0; left--) {
        if (*chances_had(p, page) >= p->chances || !p->env->referenced(p->env, page))
            break;
        ++*chances_had(p, page);
        sp_list_to_front(&p->queue, p->links, page);
        page = sp_list_back(&p->queue);
    }
    return page;
}

/* The page is no longer resident, or not yours to name: evicted (a ghost list would note it),
 * discarded (forget it), pinned or skipped (it will be inserted again). */
static void @IDENT@_remove(void *self, sp_page page, enum sp_removal why)
{
    struct @IDENT@ *p = self;

    (void)why;
    sp_list_remove(&p->queue, p->links, page);
}

/* The program said something about a page. To ignore it, leave the function out; a policy that
 * divides its frames up has a function `resize` too, since contracts change them. */
static void @IDENT@_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct @IDENT@ *p = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    sp_list_remove(&p->queue, p->links, page);
    sp_list_push_back(&p->queue, p->links, page);
    *chances_had(p, page) = 255;
}

/* Without SP_POLICY_LIVE the policy runs over traces only: one that must see every reference. */
__attribute__((visibility("default"))) const struct sp_policy sp_policy_plugin = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE,
    .name = "@NAME@",
    .summary = "first in, first out, with chances for referenced pages",
    .params = @IDENT@_params,
    .size = @IDENT@_size,
    .init = @IDENT@_init,
    .insert = @IDENT@_insert,
    .victim = @IDENT@_victim,
    .remove = @IDENT@_remove,
    .hint = @IDENT@_hint,
};
