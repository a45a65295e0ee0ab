/* Least recently used: the page whose last reference lies longest ago leaves.
 *
 * R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger, "Evaluation techniques for storage
 * hierarchies", IBM Systems Journal 9(2), 1970. Where every reference is seen, as in a replay, this
 * is exactly that.
 *
 * A live task sees no reference to a mapped page. There the list is split, as in
 * R. Turner and H. Levy, "Segmented FIFO page replacement", SIGMETRICS 1981 (the page caching of
 * VAX/VMS: H. M. Levy and P. H. Lipman, IEEE Computer 15(3), 1982):
 *
 *      insert, hit --> front [ open: mapped, order of arrival ] back
 *                                    | watched, so that the next reference is a soft fault
 *                                    v
 *                      front [ watched: order of last reference ] back --> victim
 *
 * A page referenced while watched comes back to the front as a hit. With a share of 0 this is FIFO,
 * with 1 nearly LRU, at nearly a soft fault a reference. Three quarters are within a point of LRU but
 * where its curve has a cliff, and a quarter within three, for a third of the soft faults.
 * The two lists end to end are always one list in LRU order of what was seen, so that the split
 * changes nothing where everything is seen. */
#include "policy/registry.h"

#include "base/assert.h"

#include <selfpage/page_list.h>

/* Pages that one call may start to watch: more than one leave at a time, so that the watched list
 * fills up, and few, so that no fault has to pay for all of them. */
#define LRU_WATCH_STEP 2

/* Pages that stay open, whatever the share: one instruction may refer to several (a copy between
 * unaligned places: four), and would never end if the soft fault on one closed another. */
#define LRU_OPEN_LEAST 8

struct lru {
    struct sp_policy_env *env;
    double share; /* of all pages, to be watched */
    struct sp_list open;
    struct sp_list watched;
    uint32_t pages;
    struct sp_link links[]; /* followed by one byte a page: nonzero for watched pages */
};

enum { LRU_WATCHED };

static const struct sp_policy_param lru_params[] = {
    [LRU_WATCHED] = {"watched", 0.75, 0.0, 1.0,
                     "live: share of the pages, at the cold end, that are watched for references"},
    {NULL},
};

static size_t lru_size(const struct sp_policy_config *config)
{
    return sizeof(struct lru) + (size_t)config->pages * (sizeof(struct sp_link) + 1);
}

static void lru_init(void *self, const struct sp_policy_config *config)
{
    struct lru *lru = self;

    lru->env = config->env;
    lru->share = config->env->sees_all ? 0 : config->params[LRU_WATCHED];
    lru->pages = config->pages;
}

static uint8_t *lru_mark(struct lru *lru, sp_page page)
{
    return (uint8_t *)(lru->links + lru->pages) + page;
}

static struct sp_list *lru_list(struct lru *lru, sp_page page)
{
    return lru->watched.count > 0 && *lru_mark(lru, page) ? &lru->watched : &lru->open;
}

/* Keep the watched list at its share, a few pages at a time. */
static void lru_watch_more(struct lru *lru)
{
    uint32_t wanted = (uint32_t)(lru->share * (lru->open.count + lru->watched.count));

    for (int i = 0; i < LRU_WATCH_STEP; i++) {
        sp_page page = sp_list_back(&lru->open);

        if (lru->watched.count >= wanted || lru->open.count <= LRU_OPEN_LEAST)
            break;
        sp_list_remove(&lru->open, lru->links, page);
        sp_list_push_front(&lru->watched, lru->links, page);
        *lru_mark(lru, page) = 1;
        lru->env->watch(lru->env, page);
    }
}

static void lru_insert(void *self, sp_page page, enum sp_access access)
{
    struct lru *lru = self;

    (void)access;
    sp_list_push_front(&lru->open, lru->links, page);
}

static void lru_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lru *lru = self;
    struct sp_list *list = lru_list(lru, page);

    (void)why;
    sp_list_remove(list, lru->links, page);
    if (list == &lru->watched)
        *lru_mark(lru, page) = 0;
}

static void lru_hit(void *self, sp_page page, enum sp_access access)
{
    struct lru *lru = self;

    (void)access;
    if (lru->watched.count == 0 || !*lru_mark(lru, page)) {
        sp_list_to_front(&lru->open, lru->links, page);
        return;
    }
    lru_remove(lru, page, SP_SKIPPED);
    lru_watch_more(lru); /* while this page cannot be among them: its reference is still to end */
    sp_list_push_front(&lru->open, lru->links, page);
}

static sp_page lru_victim(void *self, sp_page incoming)
{
    struct lru *lru = self;

    (void)incoming;
    if (lru->share > 0)
        lru_watch_more(lru);
    return sp_list_back(lru->watched.count > 0 ? &lru->watched : &lru->open);
}

sp_page lru_turn(void *self)
{
    struct lru *lru = self;
    sp_page page = sp_list_back(&lru->open);

    check(lru->watched.count == 0);
    sp_list_to_front(&lru->open, lru->links, page);
    return page;
}

static void lru_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lru *lru = self;

    lru_remove(lru, page, SP_SKIPPED);
    if (hint == SP_HINT_WILL_NEED) {
        sp_list_push_front(&lru->open, lru->links, page);
    } else if (lru->watched.count > 0) {
        sp_list_push_back(&lru->watched, lru->links, page);
        *lru_mark(lru, page) = 1;
        lru->env->watch(lru->env, page);
    } else {
        sp_list_push_back(&lru->open, lru->links, page);
    }
}

const struct sp_policy policy_lru = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_FORGETS,
    .name = "lru",
    .summary = "least recently used; live: segmented FIFO",
    .source = "Mattson et al. 1970; live: Turner and Levy 1981",
    .params = lru_params,
    .size = lru_size,
    .pages_at = offsetof(struct lru, links),
    .page_bytes = sizeof(struct sp_link),
    .init = lru_init,
    .insert = lru_insert,
    .hit = lru_hit,
    .victim = lru_victim,
    .remove = lru_remove,
    .hint = lru_hint,
};
