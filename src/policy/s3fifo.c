/* S3-FIFO: new pages pass through a small queue, those referenced there go on to a large one, and
 * those that return soon after they left go there directly.
 *
 * J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache
 * eviction", SOSP 2023, algorithm 1. Counts go up to 3; a page goes on from the small queue if it
 * has been referenced more than once there, and is counted from 0 again; the large queue gives a
 * page another turn for each reference counted; as many ghosts are remembered as the large queue
 * holds.
 *
 * While there are free frames the paper's small queue takes all new pages. libCacheSim's S3-FIFO of
 * 2025 fills the main queue as soon as the small one is full, as long as nothing has been evicted:
 * `fill=1`. It makes a large difference in loops: the part of the loop that fills main then stays.
 *
 *     insert --> [ small ] --> [ main ] --> victim
 *                   |             ^
 *                   +--> [ ghost ]+
 *
 * In a live task a page of the small queue is watched for references as soon as it is not one of
 * the newest, and again after each that was seen. References between a soft fault and the moment
 * when a hand comes to the page are seen together, in its bit, and count one more. A page that comes
 * to the end of the small queue while it is one of the newest has not shown anything, and leaves. */
#include "policy/queues.h"
#include "policy/recent.h"
#include "policy/registry.h"
#include "policy/share.h"

#define COUNT_MOST 3u

enum { SMALL = QUEUE_FIRST, MAIN, GHOST };

enum { S3FIFO_SMALL, S3FIFO_GHOST, S3FIFO_MOVE, S3FIFO_FILL };

struct s3fifo {
    struct sp_policy_env *env;
    const double *params;
    uint32_t small_frames;
    uint32_t ghosts_most;
    uint32_t move;        /* references in the small queue that make a page go on */
    bool filling;         /* nothing was evicted yet, and that makes a difference */
    struct recent recent; /* new pages, which are not yet watched */
    struct queues queues;
    struct sp_link memory[];
};

static const struct sp_policy_param s3fifo_params[] = {
    [S3FIFO_SMALL] = {"small", 0.1, 0.0, 1.0, "share of the frames for the small queue"},
    [S3FIFO_GHOST] = {"ghost", 0.9, 0.0, 16.0, "ghosts remembered, as a share of the frames"},
    [S3FIFO_MOVE] = {"move", 2.0, 1.0, 3.0, "references in the small queue to go on to the large"},
    [S3FIFO_FILL] = {"fill", 0.0, 0.0, 1.0,
                     "1: fill the large queue while no page was evicted (libCacheSim since 2025)"},
    {NULL},
};

static size_t s3fifo_size(const struct sp_policy_config *config)
{
    return sizeof(struct s3fifo) + queues_size(config->pages);
}

static void s3fifo_resize(void *self, uint32_t frames)
{
    struct s3fifo *s3fifo = self;

    s3fifo->small_frames = share_of(s3fifo->params[S3FIFO_SMALL], frames);
    if (s3fifo->small_frames == 0)
        s3fifo->small_frames = 1;
    s3fifo->ghosts_most = share_of(s3fifo->params[S3FIFO_GHOST], frames);
}

static void s3fifo_init(void *self, const struct sp_policy_config *config)
{
    struct s3fifo *s3fifo = self;

    s3fifo->env = config->env;
    s3fifo->params = config->params;
    s3fifo->move = (uint32_t)config->params[S3FIFO_MOVE];
    s3fifo->filling = config->params[S3FIFO_FILL] >= 1;
    queues_init(&s3fifo->queues, s3fifo->memory, config->pages);
    s3fifo_resize(self, config->frames);
}

/* A page of the small queue is one of the newest, or may be used in this moment: watch it later. */
static void s3fifo_note_recent(struct s3fifo *s3fifo, sp_page page)
{
    if (s3fifo->env->sees_all)
        return;
    page = recent_add(&s3fifo->recent, page);
    if (page != SP_NO_PAGE && queue_of(&s3fifo->queues, page) == SMALL)
        s3fifo->env->watch(s3fifo->env, page);
}

/* Where a page goes that comes in: for one that is away, or a ghost, what it has earned. */
static void s3fifo_insert(void *self, sp_page page, enum sp_access access)
{
    struct s3fifo *s3fifo = self;
    struct queues *queues = &s3fifo->queues;
    unsigned home = queue_home(queues, page);

    (void)access;
    if (queue_of(queues, page) == GHOST) {
        queue_forget(queues, page);
        home = MAIN;
    } else if (s3fifo->filling && queue_count(queues, SMALL) >= s3fifo->small_frames) {
        home = MAIN;
    }
    if (home == MAIN || home == SMALL) {
        queue_push(queues, page, home);
        return;
    }
    queue_push(queues, page, SMALL);
    s3fifo_note_recent(s3fifo, page);
}

static void s3fifo_hit(void *self, sp_page page, enum sp_access access)
{
    struct s3fifo *s3fifo = self;
    struct queues *queues = &s3fifo->queues;

    (void)access;
    if (queue_note(queues, page) < COUNT_MOST)
        queues->bytes[page] += 1u << NOTE_SHIFT;
    if (queue_of(queues, page) == SMALL)
        s3fifo_note_recent(s3fifo, page);
}

/* References to a page that count, with those that only its bit tells of. */
static unsigned s3fifo_count(struct s3fifo *s3fifo, sp_page page)
{
    unsigned count = queue_note(&s3fifo->queues, page);
    bool hidden = recent_hides(&s3fifo->recent, s3fifo->env, page);

    if (s3fifo->env->referenced(s3fifo->env, page) && !s3fifo->env->sees_all && !hidden)
        count += count < COUNT_MOST;
    return count;
}

/* The page that the small queue gives up; SP_NO_PAGE if all of it went on to the large one. */
static sp_page small_victim(struct s3fifo *s3fifo)
{
    struct queues *queues = &s3fifo->queues;

    for (;;) {
        sp_page page = queue_back(queues, SMALL);

        if (page == SP_NO_PAGE || s3fifo_count(s3fifo, page) < s3fifo->move)
            return page;
        queue_set_note(queues, page, 0);
        queue_move(queues, page, MAIN);
    }
}

static sp_page main_victim(struct s3fifo *s3fifo)
{
    struct queues *queues = &s3fifo->queues;
    uint64_t left = (COUNT_MOST + 1) * (uint64_t)queue_count(queues, MAIN);
    sp_page page = queue_back(queues, MAIN);

    for (; left > 0; left--) { /* other threads may set bits meanwhile, but not keep us */
        unsigned count = s3fifo_count(s3fifo, page);

        if (count == 0)
            break;
        queue_set_note(queues, page, count - 1);
        queue_move(queues, page, MAIN);
        page = queue_back(queues, MAIN);
    }
    return page;
}

static sp_page s3fifo_victim(void *self, sp_page incoming)
{
    struct s3fifo *s3fifo = self;
    struct queues *queues = &s3fifo->queues;
    sp_page page;

    s3fifo->filling = false;
    /* The victim must not push the page that comes out of the ghosts. */
    if (incoming != SP_NO_PAGE && queue_of(queues, incoming) == GHOST)
        queue_away(queues, incoming, MAIN);
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!s3fifo->env->referenced(s3fifo->env, page))
            return page;
        queue_move(queues, page, SMALL); /* it is needed, after all */
    }
    if (queue_count(queues, SMALL) >= s3fifo->small_frames || queue_count(queues, MAIN) == 0)
        page = small_victim(s3fifo);
    return page != SP_NO_PAGE ? page : main_victim(s3fifo);
}

static void s3fifo_remove(void *self, sp_page page, enum sp_removal why)
{
    struct s3fifo *s3fifo = self;
    struct queues *queues = &s3fifo->queues;

    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && queue_of(queues, page) == SMALL) {
        queue_set_note(queues, page, 0);
        queue_move(queues, page, GHOST);
        queue_trim(queues, GHOST, s3fifo->ghosts_most);
    } else {
        queue_forget(queues, page);
    }
}

static void s3fifo_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct s3fifo *s3fifo = self;

    if (hint == SP_HINT_WILL_NEED) {
        s3fifo_hit(self, page, SP_READ);
        return;
    }
    s3fifo->env->referenced(s3fifo->env, page);
    queue_set_note(&s3fifo->queues, page, 0);
    queue_move(&s3fifo->queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_s3fifo = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE,
    .name = "s3fifo",
    .summary = "small queue on probation, large queue, and ghosts",
    .source = "Yang et al. 2023",
    .params = s3fifo_params,
    .size = s3fifo_size,
    .pages_at = offsetof(struct s3fifo, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = s3fifo_init,
    .insert = s3fifo_insert,
    .hit = s3fifo_hit,
    .victim = s3fifo_victim,
    .remove = s3fifo_remove,
    .resize = s3fifo_resize,
    .hint = s3fifo_hint,
};
