/* Most recently used: the page referenced last leaves. Best where a program goes round through more
 * pages than there are frames.
 *
 * H.-T. Chou and D. J. DeWitt, "An evaluation of buffer management strategies for relational
 * database systems", VLDB 1985, for such loops. Not for a live task: an instruction that needs two
 * pages would have each evict the other for ever. */
#include "policy/registry.h"

#include <selfpage/page_list.h>

struct mru {
    struct sp_list order; /* the page referenced last is at the front */
    sp_page skipped_plus1;
    struct sp_link links[];
};

static size_t mru_size(const struct sp_policy_config *config)
{
    return sizeof(struct mru) + (size_t)config->pages * sizeof(struct sp_link);
}

/* The page skipped last is not to be named again at once. */
static void mru_insert(void *self, sp_page page, enum sp_access access)
{
    struct mru *mru = self;

    (void)access;
    if (mru->skipped_plus1 == page + 1)
        sp_list_push_back(&mru->order, mru->links, page);
    else
        sp_list_push_front(&mru->order, mru->links, page);
    mru->skipped_plus1 = 0;
}

static void mru_hit(void *self, sp_page page, enum sp_access access)
{
    struct mru *mru = self;

    (void)access;
    sp_list_to_front(&mru->order, mru->links, page);
}

static sp_page mru_victim(void *self, sp_page incoming)
{
    (void)incoming;
    return sp_list_front(&((struct mru *)self)->order);
}

static void mru_remove(void *self, sp_page page, enum sp_removal why)
{
    struct mru *mru = self;

    sp_list_remove(&mru->order, mru->links, page);
    if (why == SP_SKIPPED)
        mru->skipped_plus1 = page + 1;
}

static void mru_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct mru *mru = self;

    sp_list_remove(&mru->order, mru->links, page);
    if (hint == SP_HINT_WILL_NEED)
        sp_list_push_back(&mru->order, mru->links, page);
    else
        sp_list_push_front(&mru->order, mru->links, page);
}

const struct sp_policy policy_mru = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "mru",
    .summary = "most recently used leaves: for loops that do not fit",
    .source = "Chou and DeWitt 1985",
    .size = mru_size,
    .insert = mru_insert,
    .hit = mru_hit,
    .victim = mru_victim,
    .remove = mru_remove,
    .hint = mru_hint,
    .live_form = "random",
};
