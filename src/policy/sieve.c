/* SIEVE: a hand goes over a queue from the oldest page to the newest, evicts the first page that
 * was not referenced since it last came by, and lets the others keep their places.
 *
 * Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson and K. V. Rashmi, "SIEVE is simpler than LRU: an
 * efficient turn-key eviction algorithm for web caches", NSDI 2024, algorithm 1. Unlike CLOCK,
 * whose hand pushes survivors back among the new pages, SIEVE leaves them where they are: the hand
 * sifts the new pages, and the old ones accumulate behind it.
 *
 * The engine keeps the visited bits, which makes hits free. In a live task, where a page that is
 * mapped counts as visited, new pages are watched as soon as they are not among the newest, or the
 * hand would sift nothing. */
#include "policy/recent.h"
#include "policy/registry.h"

#include "base/assert.h"

#include <selfpage/page_list.h>

struct sieve {
    struct sp_policy_env *env;
    struct sp_list queue; /* the newest page is at the front */
    uint32_t hand_plus1;  /* the page under the hand; 0: it starts at the back */
    struct recent recent; /* new pages, which are not yet watched */
    struct sp_link links[];
};

static size_t sieve_size(const struct sp_policy_config *config)
{
    return sizeof(struct sieve) + (size_t)config->pages * sizeof(struct sp_link);
}

static void sieve_init(void *self, const struct sp_policy_config *config)
{
    struct sieve *sieve = self;

    sieve->env = config->env;
}

static void sieve_insert(void *self, sp_page page, enum sp_access access)
{
    struct sieve *sieve = self;

    (void)access;
    sp_list_push_front(&sieve->queue, sieve->links, page);
    recent_listed(&sieve->recent, sieve->env, &sieve->queue, sieve->links, page);
}

static sp_page sieve_victim(void *self, sp_page incoming)
{
    struct sieve *sieve = self;
    sp_page page = sieve->hand_plus1 != 0 ? sieve->hand_plus1 - 1 : sp_list_back(&sieve->queue);

    (void)incoming;
    /* One turn clears every bit. Other threads may set some again in between, so the number of turns is bounded. */
    for (uint32_t left = sieve->queue.count; left > 0; left--) {
        if (!sieve->env->referenced(sieve->env, page))
            break;
        page = sp_list_prev(sieve->links, page);
        if (page == SP_NO_PAGE)
            page = sp_list_back(&sieve->queue);
    }
    sieve->hand_plus1 = page + 1;
    return page;
}

static void sieve_remove(void *self, sp_page page, enum sp_removal why)
{
    struct sieve *sieve = self;

    (void)why;
    if (sieve->hand_plus1 == page + 1)
        sieve->hand_plus1 = sieve->links[page].prev_plus1;
    sp_list_remove(&sieve->queue, sieve->links, page);
}

sp_page sieve_turn(void *self)
{
    struct sieve *sieve = self;
    sp_page page = sieve_victim(self, SP_NO_PAGE);

    check(sieve->env->sees_all);
    sieve->hand_plus1 = sieve->links[page].prev_plus1;
    sp_list_to_front(&sieve->queue, sieve->links, page);
    return page;
}

/* A page that will not be needed goes under the hand with its bit clear. */
static void sieve_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct sieve *sieve = self;
    struct sp_link *link = &sieve->links[page];

    if (hint == SP_HINT_WILL_NEED)
        return;
    sieve->env->referenced(sieve->env, page);
    if (sieve->hand_plus1 == page + 1)
        return;
    sieve_remove(sieve, page, SP_SKIPPED);
    if (sieve->hand_plus1 == 0 || sieve->links[sieve->hand_plus1 - 1].next_plus1 == 0) {
        sp_list_push_back(&sieve->queue, sieve->links, page);
    } else { /* between the page under the hand and the one behind it */
        link->prev_plus1 = sieve->hand_plus1;
        link->next_plus1 = sieve->links[sieve->hand_plus1 - 1].next_plus1;
        sieve->links[link->next_plus1 - 1].prev_plus1 = page + 1;
        sieve->links[sieve->hand_plus1 - 1].next_plus1 = page + 1;
        sieve->queue.count++;
    }
    sieve->hand_plus1 = page + 1;
}

const struct sp_policy policy_sieve = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_FORGETS,
    .name = "sieve",
    .summary = "a hand sifts new pages; survivors keep their places",
    .source = "Zhang et al. 2024",
    .size = sieve_size,
    .pages_at = offsetof(struct sieve, links),
    .page_bytes = sizeof(struct sp_link),
    .init = sieve_init,
    .insert = sieve_insert,
    .victim = sieve_victim,
    .remove = sieve_remove,
    .hint = sieve_hint,
};
