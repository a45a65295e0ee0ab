/* Segmented LRU: a page starts in the lowest segment, and each hit takes it one segment up; what
 * a full segment pushes out falls to the one below, and what the lowest pushes out leaves.
 *
 * R. Karedla, J. S. Love and B. G. Wherry, "Caching strategies to improve disk system performance",
 * IEEE Computer 27(3), 1994, has two segments, probationary and protected; more of them, of equal
 * sizes, are S4LRU (Q. Huang et al., "An analysis of Facebook photo caching", SOSP 2013), which is
 * what SLRU means in most comparisons, and the preset here. `slru:segments=2,protected=0.8` is the
 * paper's with a common choice of size, which the paper leaves open. As long as there are free
 * frames a new page comes to the lowest segment that has room. */
#include "policy/queues.h"
#include "policy/registry.h"
#include "policy/share.h"

/* Queue number of the lowest segment. */
#define LOWEST QUEUE_FIRST

#define SEGMENTS_MOST 8

enum { SLRU_SEGMENTS, SLRU_PROTECTED };

struct slru {
    const double *params;
    unsigned highest;      /* queue number of the highest segment */
    uint32_t most[QUEUES]; /* pages, by queue */
    struct queues queues;
    struct sp_link memory[];
};

static const struct sp_policy_param slru_params[] = {
    [SLRU_SEGMENTS] = {"segments", 4.0, 2.0, SEGMENTS_MOST, "how many segments there are"},
    [SLRU_PROTECTED] = {"protected", 0.0, 0.0, 1.0,
                        "share of the frames for all but the lowest segment; 0: all are equal"},
    {NULL},
};

static size_t slru_size(const struct sp_policy_config *config)
{
    return sizeof(struct slru) + queues_size(config->pages);
}

/* The remainder of the division goes to the lowest segment. */
static void slru_resize(void *self, uint32_t frames)
{
    struct slru *slru = self;
    uint32_t uppers = slru->highest - LOWEST;
    uint32_t each = frames / (uppers + 1);

    if (slru->params[SLRU_PROTECTED] > 0)
        each = share_of(slru->params[SLRU_PROTECTED], frames) / uppers;
    for (unsigned queue = LOWEST + 1; queue <= slru->highest; queue++)
        slru->most[queue] = each;
    slru->most[LOWEST] = frames - each * uppers;
}

static void slru_init(void *self, const struct sp_policy_config *config)
{
    struct slru *slru = self;

    slru->params = config->params;
    slru->highest = LOWEST + (unsigned)config->params[SLRU_SEGMENTS] - 1;
    queues_init(&slru->queues, slru->memory, config);
    slru_resize(self, config->frames);
}

/* Let the surplus of a segment fall. A page rises alone, so that this moves one page for each
 * segment, except after a resize. */
static void slru_settle(struct slru *slru, unsigned queue)
{
    struct queues *queues = &slru->queues;

    for (; queue > LOWEST; queue--)
        while (queue_count(queues, queue) > slru->most[queue])
            queue_move(queues, queue_back(queues, queue), queue - 1);
}

static void slru_insert(void *self, sp_page page, enum sp_access access)
{
    struct slru *slru = self;
    struct queues *queues = &slru->queues;
    unsigned queue = queue_home(queues, page);

    (void)access;
    if (queue == QUEUE_NONE) {
        queue = LOWEST;
        while (queue <= slru->highest && queue_count(queues, queue) >= slru->most[queue])
            queue++;
        if (queue > slru->highest)
            queue = LOWEST;
    }
    queue_push(queues, page, queue);
    slru_settle(slru, queue);
}

static void slru_hit(void *self, sp_page page, enum sp_access access)
{
    struct slru *slru = self;
    unsigned queue = queue_of(&slru->queues, page);

    (void)access;
    if (queue == slru->highest) {
        queue_move(&slru->queues, page, queue);
        return;
    }
    queue_move(&slru->queues, page, queue + 1); /* from the doomed ones to the lowest segment */
    slru_settle(slru, queue + 1);
}

static sp_page slru_victim(void *self, sp_page incoming)
{
    struct queues *queues = &((struct slru *)self)->queues;
    unsigned queue = QUEUE_DOOMED;

    (void)incoming;
    while (queue_count(queues, queue) == 0)
        queue++;
    return queue_back(queues, queue);
}

static void slru_remove(void *self, sp_page page, enum sp_removal why)
{
    struct queues *queues = &((struct slru *)self)->queues;

    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(queues, page);
    else
        queue_forget(queues, page);
}

static void slru_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct queues *queues = &((struct slru *)self)->queues;
    unsigned queue = queue_of(queues, page);

    if (hint != SP_HINT_WILL_NEED)
        queue_move(queues, page, QUEUE_DOOMED);
    else
        queue_move(queues, page, queue == QUEUE_DOOMED ? LOWEST : queue);
}

const struct sp_policy policy_slru = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "slru",
    .summary = "LRU in segments; each hit takes a page one up",
    .source = "Karedla et al. 1994",
    .params = slru_params,
    .size = slru_size,
    .pages_at = offsetof(struct slru, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = slru_init,
    .insert = slru_insert,
    .hit = slru_hit,
    .victim = slru_victim,
    .remove = slru_remove,
    .resize = slru_resize,
    .hint = slru_hint,
    .live_form = "lru",
};
