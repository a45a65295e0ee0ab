/* CLOCK: a hand goes round the pages; it clears the reference bit of a page that has it set and
 * moves on, and evicts the first page that has it clear.
 *
 * F. J. Corbato, "A paging experiment with the Multics system", MIT Project MAC report MAC-M-384,
 * 1968. One reference bit; a new page comes in just behind the hand with its bit clear, so that it
 * is looked at last and must have been referenced again to stay.
 *
 * The ring is a list whose back is the page under the hand: moving on takes the page from the back
 * to the front, which is the place just behind the hand. The engine keeps the bits. In a live task,
 * where a page that is mapped counts as referenced, new pages are watched as soon as they are not
 * among the newest, or each would be passed over once. */
#include "policy/recent.h"
#include "policy/registry.h"

#include "base/assert.h"

#include <selfpage/page_list.h>

struct clock {
    struct sp_policy_env *env;
    struct sp_list ring;  /* the hand points at the back */
    struct recent recent; /* new pages, which are not yet watched */
    struct sp_link links[];
};

static size_t clock_size(const struct sp_policy_config *config)
{
    return sizeof(struct clock) + (size_t)config->pages * sizeof(struct sp_link);
}

static void clock_init(void *self, const struct sp_policy_config *config)
{
    struct clock *clock = self;

    clock->env = config->env;
}

static void clock_insert(void *self, sp_page page, enum sp_access access)
{
    struct clock *clock = self;

    (void)access;
    sp_list_push_front(&clock->ring, clock->links, page);
    recent_listed(&clock->recent, clock->env, &clock->ring, clock->links, page);
}

static sp_page clock_victim(void *self, sp_page incoming)
{
    struct clock *clock = self;
    sp_page page = sp_list_back(&clock->ring);

    (void)incoming;
    /* One turn clears every bit. Other threads may set some again in between, so the number of turns is bounded. */
    for (uint32_t left = clock->ring.count; left > 0; left--) {
        if (!clock->env->referenced(clock->env, page))
            break;
        sp_list_to_front(&clock->ring, clock->links, page);
        page = sp_list_back(&clock->ring);
    }
    return page;
}

static void clock_remove(void *self, sp_page page, enum sp_removal why)
{
    struct clock *clock = self;

    (void)why;
    sp_list_remove(&clock->ring, clock->links, page);
}

sp_page clock_turn(void *self)
{
    struct clock *clock = self;
    sp_page page = clock_victim(self, SP_NO_PAGE);

    check(clock->env->sees_all);
    sp_list_to_front(&clock->ring, clock->links, page);
    return page;
}

/* A page that will not be needed goes under the hand with its bit clear. */
static void clock_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct clock *clock = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    sp_list_remove(&clock->ring, clock->links, page);
    sp_list_push_back(&clock->ring, clock->links, page);
    clock->env->referenced(clock->env, page);
}

const struct sp_policy policy_clock = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_FORGETS,
    .name = "clock",
    .summary = "second chance for pages whose reference bit is set",
    .source = "Corbato 1968",
    .size = clock_size,
    .pages_at = offsetof(struct clock, links),
    .page_bytes = sizeof(struct sp_link),
    .init = clock_init,
    .insert = clock_insert,
    .victim = clock_victim,
    .remove = clock_remove,
    .hint = clock_hint,
};
