/* Multi-Queue: eight LRU queues for pages referenced once, twice, four times and so on; a page that
 * is not referenced for its life time falls by a queue.
 *
 * Y. Zhou, J. F. Philbin and K. Li, "The Multi-Queue replacement algorithm for second level buffer
 * caches", USENIX 2001, figure 5. Qout remembers the counts of pages that left, four for each
 * frame. The paper takes as life time the peak of the distribution of distances between references,
 * which depends on the trace: here it is a parameter, in references a frame. */
#include "policy/queues.h"
#include "policy/registry.h"
#include "policy/share.h"

#define LEVELS 8u

/* Queue number of the lowest level; those of the others follow. */
#define LOWEST QUEUE_FIRST

enum { QOUT = LOWEST + LEVELS };

enum { MQ_LIFE, MQ_OUT };

struct mq_cell {
    uint32_t count;  /* of references; kept in Qout */
    uint32_t expiry; /* when it falls: low bits of the time */
};

struct mq {
    const double *params;
    uint32_t now; /* references so far, low bits */
    uint32_t life;
    uint32_t out_most;
    struct mq_cell *cells;
    struct queues queues;
    struct sp_link memory[];
};

static const struct sp_policy_param mq_params[] = {
    [MQ_LIFE] = {"life", 4.0, 0.0, 256.0, "references a frame after which an idle page falls"},
    [MQ_OUT] = {"out", 4.0, 0.0, 16.0, "ghosts remembered, as a share of the frames (Qout)"},
    {NULL},
};

static size_t mq_size(const struct sp_policy_config *config)
{
    return sizeof(struct mq) + queues_size(config->pages) +
           (size_t)config->pages * sizeof(struct mq_cell);
}

/* Times are compared over half their range. */
static void mq_resize(void *self, uint32_t frames)
{
    struct mq *mq = self;
    double life = mq->params[MQ_LIFE] * frames;

    mq->life = life < INT32_MAX / 2 ? (uint32_t)life : INT32_MAX / 2;
    mq->out_most = share_of(mq->params[MQ_OUT], frames);
}

static void mq_init(void *self, const struct sp_policy_config *config)
{
    struct mq *mq = self;

    mq->params = config->params;
    mq->cells = (struct mq_cell *)mq->memory;
    queues_init(&mq->queues, mq->memory + config->pages, config);
    mq_resize(self, config->frames);
}

/* The queue for pages with this count of references: its logarithm to base 2. */
static unsigned mq_level(uint32_t count)
{
    unsigned level = 31 - (unsigned)__builtin_clz(count);

    return LOWEST + (level < LEVELS ? level : LEVELS - 1);
}

/* A reference has passed: in each queue, the page that has been idle for longest may fall. */
static void mq_adjust(struct mq *mq)
{
    struct queues *queues = &mq->queues;

    mq->now++;
    for (unsigned queue = LOWEST + 1; queue < LOWEST + LEVELS; queue++) {
        sp_page page = queue_back(queues, queue);

        if (page == SP_NO_PAGE || (int32_t)(mq->now - mq->cells[page].expiry) <= 0)
            continue;
        queue_move(queues, page, queue - 1);
        mq->cells[page].expiry = mq->now + mq->life;
    }
}

static void mq_insert(void *self, sp_page page, enum sp_access access)
{
    struct mq *mq = self;
    struct queues *queues = &mq->queues;
    struct mq_cell *cell = &mq->cells[page];
    unsigned home = queue_home(queues, page), queue = queue_of(queues, page);

    (void)access;
    if (queue == QOUT)
        queue_clear(queues, page);
    if (queue == QOUT || home == QOUT)
        cell->count++;
    else if (home == QUEUE_NONE)
        cell->count = 1;
    cell->expiry = mq->now + mq->life;
    queue_push(queues, page, home == QUEUE_NONE || home == QOUT ? mq_level(cell->count) : home);
    mq_adjust(mq);
}

static void mq_hit(void *self, sp_page page, enum sp_access access)
{
    struct mq *mq = self;
    struct mq_cell *cell = &mq->cells[page];

    (void)access;
    if (cell->count < UINT32_MAX)
        cell->count++;
    cell->expiry = mq->now + mq->life;
    queue_move(&mq->queues, page, mq_level(cell->count));
    mq_adjust(mq);
}

static sp_page mq_victim(void *self, sp_page incoming)
{
    struct queues *queues = &((struct mq *)self)->queues;
    unsigned queue = QUEUE_DOOMED;

    /* The victim must not push the page that comes out of Qout. */
    if (incoming != SP_NO_PAGE && queue_of(queues, incoming) == QOUT)
        queue_away(queues, incoming, QOUT);
    while (queue_count(queues, queue) == 0)
        queue++;
    return queue_back(queues, queue);
}

static void mq_remove(void *self, sp_page page, enum sp_removal why)
{
    struct mq *mq = self;
    struct queues *queues = &mq->queues;

    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && queue_of(queues, page) != QUEUE_DOOMED) {
        queue_move(queues, page, QOUT);
        queue_trim(queues, QOUT, mq->out_most);
    } else {
        queue_forget(queues, page);
    }
}

static void mq_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct mq *mq = self;
    unsigned queue = queue_of(&mq->queues, page);

    if (hint != SP_HINT_WILL_NEED) {
        queue_move(&mq->queues, page, QUEUE_DOOMED);
        return;
    }
    mq->cells[page].expiry = mq->now + mq->life;
    queue_move(&mq->queues, page, queue == QUEUE_DOOMED ? LOWEST : queue);
}

const struct sp_policy policy_mq = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "mq",
    .summary = "LRU queues by frequency, down which idle pages fall",
    .source = "Zhou et al. 2001",
    .params = mq_params,
    .size = mq_size,
    .init = mq_init,
    .insert = mq_insert,
    .hit = mq_hit,
    .victim = mq_victim,
    .remove = mq_remove,
    .resize = mq_resize,
    .hint = mq_hint,
    .live_form = "gclock",
};
