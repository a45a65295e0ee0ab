/* 2Q: new pages wait in a FIFO queue; those that are wanted again after they left it are kept in an
 * LRU list.
 *
 * T. Johnson and D. Shasha, "2Q: a low overhead high performance buffer management replacement
 * algorithm", VLDB 1994, the full version: A1in is the queue, Am the list, A1out the ghosts of
 * pages that left A1in. References to a page in A1in are correlated and move nothing; pages that
 * leave Am leave no ghost. Kin is a quarter of the frames and Kout half as many as there are
 * frames, as the paper advises. */
#include "policy/queues.h"
#include "policy/registry.h"
#include "policy/share.h"

enum { A1IN = QUEUE_FIRST, A1OUT, AM };

enum { TWOQ_IN, TWOQ_OUT };

struct twoq {
    const double *params;
    uint32_t in_most;  /* Kin */
    uint32_t out_most; /* Kout */
    struct queues queues;
    struct sp_link memory[];
};

static const struct sp_policy_param twoq_params[] = {
    [TWOQ_IN] = {"in", 0.25, 0.0, 1.0, "share of the frames for pages seen once (Kin)"},
    [TWOQ_OUT] = {"out", 0.5, 0.0, 16.0, "ghosts remembered, as a share of the frames (Kout)"},
    {NULL},
};

static size_t twoq_size(const struct sp_policy_config *config)
{
    return sizeof(struct twoq) + queues_size(config->pages);
}

static void twoq_resize(void *self, uint32_t frames)
{
    struct twoq *twoq = self;

    twoq->in_most = share_of(twoq->params[TWOQ_IN], frames);
    twoq->out_most = share_of(twoq->params[TWOQ_OUT], frames);
}

static void twoq_init(void *self, const struct sp_policy_config *config)
{
    struct twoq *twoq = self;

    twoq->params = config->params;
    queues_init(&twoq->queues, twoq->memory, config);
    twoq_resize(self, config->frames);
}

static void twoq_insert(void *self, sp_page page, enum sp_access access)
{
    struct queues *queues = &((struct twoq *)self)->queues;
    unsigned home = queue_home(queues, page);

    (void)access;
    if (queue_of(queues, page) == A1OUT) {
        queue_clear(queues, page);
        home = AM;
    }
    queue_push(queues, page, home == AM ? AM : A1IN);
}

static void twoq_hit(void *self, sp_page page, enum sp_access access)
{
    struct queues *queues = &((struct twoq *)self)->queues;
    unsigned queue = queue_of(queues, page);

    (void)access;
    if (queue == AM)
        queue_move(queues, page, AM);
    else if (queue == QUEUE_DOOMED)
        queue_move(queues, page, A1IN);
}

static sp_page twoq_victim(void *self, sp_page incoming)
{
    struct twoq *twoq = self;
    struct queues *queues = &twoq->queues;

    /* The victim must not push the page that comes out of A1out. */
    if (incoming != SP_NO_PAGE && queue_of(queues, incoming) == A1OUT)
        queue_away(queues, incoming, AM);
    if (queue_count(queues, QUEUE_DOOMED) > 0)
        return queue_back(queues, QUEUE_DOOMED);
    if (queue_count(queues, A1IN) > twoq->in_most || queue_count(queues, AM) == 0)
        return queue_back(queues, A1IN);
    return queue_back(queues, AM);
}

static void twoq_remove(void *self, sp_page page, enum sp_removal why)
{
    struct twoq *twoq = self;
    struct queues *queues = &twoq->queues;

    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && queue_of(queues, page) == A1IN) {
        queue_move(queues, page, A1OUT);
        queue_trim(queues, A1OUT, twoq->out_most);
    } else {
        queue_forget(queues, page);
    }
}

static void twoq_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct queues *queues = &((struct twoq *)self)->queues;

    if (hint == SP_HINT_WILL_NEED)
        twoq_hit(self, page, SP_READ);
    else
        queue_move(queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_2q = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "2q",
    .summary = "a queue for new pages, a list for those wanted again",
    .source = "Johnson and Shasha 1994",
    .params = twoq_params,
    .size = twoq_size,
    .pages_at = offsetof(struct twoq, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = twoq_init,
    .insert = twoq_insert,
    .hit = twoq_hit,
    .victim = twoq_victim,
    .remove = twoq_remove,
    .resize = twoq_resize,
    .hint = twoq_hint,
    .live_form = "s3fifo",
};
