/* ARC: one list for pages seen once lately and one for pages seen at least twice; ghosts of both
 * say which of them should have been longer.
 *
 * N. Megiddo and D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003,
 * figure 4. T1 and T2 hold resident pages, B1 and B2 the ghosts of those that left T1 and T2; p is
 * the size that T1 ought to have:
 *
 *     p grows on a hit in B1, shrinks on one in B2
 *     |T1| + |B1| <= frames,  |T1| + |B1| + |T2| + |B2| <= 2 * frames
 *
 * The paper deletes a ghost before it replaces a page; here that comes with the insert, which is
 * the same, since no decision lies in between. */
#include "policy/queues.h"
#include "policy/registry.h"

enum { T1 = QUEUE_FIRST, T2, B1, B2 };

struct arc {
    double target;   /* p */
    uint32_t frames; /* c */
    struct queues queues;
    struct sp_link memory[];
};

static size_t arc_size(const struct sp_policy_config *config)
{
    return sizeof(struct arc) + queues_size(config->pages);
}

static void arc_init(void *self, const struct sp_policy_config *config)
{
    struct arc *arc = self;

    arc->frames = config->frames;
    queues_init(&arc->queues, arc->memory, config);
}

static void arc_resize(void *self, uint32_t frames)
{
    struct arc *arc = self;

    arc->frames = frames;
    if (arc->target > frames)
        arc->target = frames;
}

/* A ghost of `queue`, B1 or B2, is wanted again: learn from it, and let it come back to T2. */
static void arc_adapt(struct arc *arc, sp_page page, unsigned queue)
{
    struct queues *queues = &arc->queues;
    double b1 = queue_count(queues, B1), b2 = queue_count(queues, B2);

    if (queue == B1) {
        arc->target += b2 > b1 ? b2 / b1 : 1;
        if (arc->target > arc->frames)
            arc->target = arc->frames;
    } else {
        arc->target -= b1 > b2 ? b1 / b2 : 1;
        if (arc->target < 0)
            arc->target = 0;
    }
    queue_away(queues, page, T2);
}

static uint32_t room(uint32_t all, uint32_t used)
{
    return all > used ? all - used : 0;
}

static void arc_insert(void *self, sp_page page, enum sp_access access)
{
    struct arc *arc = self;
    struct queues *queues = &arc->queues;
    unsigned queue = queue_of(queues, page);

    (void)access;
    if (queue != QUEUE_NONE)
        arc_adapt(arc, page, queue);
    queue_push(queues, page, queue_home(queues, page) == T2 ? T2 : T1);
    queue_trim(queues, B1, room(arc->frames, queue_count(queues, T1)));
    queue_trim(queues, B2,
               room(2 * arc->frames,
                    queue_count(queues, T1) + queue_count(queues, T2) + queue_count(queues, B1)));
}

static void arc_hit(void *self, sp_page page, enum sp_access access)
{
    struct queues *queues = &((struct arc *)self)->queues;

    (void)access;
    queue_move(queues, page, T2);
}

static sp_page arc_victim(void *self, sp_page incoming)
{
    struct arc *arc = self;
    struct queues *queues = &arc->queues;
    unsigned from = incoming == SP_NO_PAGE ? QUEUE_NONE : queue_of(queues, incoming);
    uint32_t t1 = queue_count(queues, T1);

    if (from != QUEUE_NONE)
        arc_adapt(arc, incoming, from);
    if (queue_count(queues, QUEUE_DOOMED) > 0)
        return queue_back(queues, QUEUE_DOOMED);
    if (t1 > 0 && (t1 > arc->target || (from == B2 && t1 == arc->target)))
        return queue_back(queues, T1);
    return queue_back(queues, queue_count(queues, T2) > 0 ? T2 : T1);
}

static void arc_remove(void *self, sp_page page, enum sp_removal why)
{
    struct queues *queues = &((struct arc *)self)->queues;
    unsigned queue = queue_of(queues, page);

    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(queues, page);
    else if (why == SP_EVICTED && queue != QUEUE_DOOMED)
        queue_move(queues, page, queue == T1 ? B1 : B2);
    else
        queue_forget(queues, page);
}

static void arc_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct queues *queues = &((struct arc *)self)->queues;

    if (hint == SP_HINT_WILL_NEED)
        queue_move(queues, page, queue_of(queues, page) == T2 ? T2 : T1);
    else
        queue_move(queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_arc = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "arc",
    .summary = "recency and frequency lists, balanced by their ghosts",
    .source = "Megiddo and Modha 2003",
    .size = arc_size,
    .pages_at = offsetof(struct arc, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = arc_init,
    .insert = arc_insert,
    .hit = arc_hit,
    .victim = arc_victim,
    .remove = arc_remove,
    .resize = arc_resize,
    .hint = arc_hint,
    .live_form = "car",
};
