/* CAR: ARC with two clocks in place of its LRU lists, so that a hit only sets a bit.
 *
 * S. Bansal and D. S. Modha, "CAR: clock with adaptive replacement", FAST 2004, figure 2. T1 and T2
 * are the clocks (the back of a queue is under the hand), B1 and B2 the ghosts of pages that left
 * them, p is the size that T1 ought to have. As in arc.c, ghosts are deleted with the insert.
 *
 * The engine keeps the bits. In a live task, where a page that is mapped counts as referenced,
 * new pages are watched as soon as they are not among the newest, or all of T1 would pass on to T2, and those that
 * come back from a ghost would have another turn in T2; one that is evicted sooner has not shown anything, and may come
 * back from B1. */
#include "policy/queues.h"
#include "policy/recent.h"
#include "policy/registry.h"

enum { T1 = QUEUE_FIRST, T2, B1, B2 };

struct car {
    struct sp_policy_env *env;
    double target;   /* p */
    uint32_t frames; /* c */
    struct recent recent;
    struct queues queues;
    struct sp_link memory[];
};

static size_t car_size(const struct sp_policy_config *config)
{
    return sizeof(struct car) + queues_size(config->pages);
}

static void car_init(void *self, const struct sp_policy_config *config)
{
    struct car *car = self;

    car->env = config->env;
    car->frames = config->frames;
    queues_init(&car->queues, car->memory, config);
}

static void car_resize(void *self, uint32_t frames)
{
    struct car *car = self;

    car->frames = frames;
    if (car->target > frames)
        car->target = frames;
}

/* A page of B1 or B2 is wanted again. */
static void car_adapt(struct car *car, unsigned queue)
{
    double b1 = queue_count(&car->queues, B1), b2 = queue_count(&car->queues, B2);

    if (queue == B1) {
        car->target += b2 > b1 ? b2 / b1 : 1;
        if (car->target > car->frames)
            car->target = car->frames;
    } else {
        car->target -= b1 > b2 ? b1 / b2 : 1;
        if (car->target < 0)
            car->target = 0;
    }
}

static uint32_t room(uint32_t all, uint32_t used)
{
    return all > used ? all - used : 0;
}

/* Live: watch the page that is among the newest no longer. */
static __attribute__((noinline)) void note_recent(struct car *car, sp_page page)
{
    unsigned queue;

    page = recent_add(&car->recent, page);
    queue = page != SP_NO_PAGE ? queue_of(&car->queues, page) : QUEUE_NONE;
    if (queue == T1 || queue == T2)
        car->env->watch(car->env, page);
}

static void car_insert(void *self, sp_page page, enum sp_access access)
{
    struct car *car = self;
    struct queues *queues = &car->queues;
    unsigned queue = queue_of(queues, page);

    (void)access;
    if (queue != QUEUE_NONE) {
        car_adapt(car, queue);
        queue_move(queues, page, T2);
    } else {
        queue_push(queues, page, queue_home(queues, page) == T2 ? T2 : T1);
    }
    if (!car->env->sees_all)
        note_recent(car, page);
    queue_trim(queues, B1, room(car->frames, queue_count(queues, T1)));
    queue_trim(queues, B2,
               room(2 * car->frames,
                    queue_count(queues, T1) + queue_count(queues, T2) + queue_count(queues, B1)));
}

/* A page that is one of the newest has not shown anything, in a live task. */
static bool car_referenced(struct car *car, sp_page page)
{
    if (recent_hides(&car->recent, car->env, page))
        return false;
    return car->env->referenced(car->env, page);
}

static sp_page car_victim(void *self, sp_page incoming)
{
    struct car *car = self;
    struct queues *queues = &car->queues;
    sp_page page;

    (void)incoming;
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!car->env->referenced(car->env, page))
            return page;
        queue_move(queues, page, T2); /* it is needed, after all */
    }
    /* One turn of each clears every bit; other threads may set some meanwhile, but not keep us. */
    for (uint64_t left = queue_count(queues, T1) + (uint64_t)queue_count(queues, T2);; left--) {
        uint32_t t1 = queue_count(queues, T1);
        bool first = t1 > 0 && (t1 >= car->target || queue_count(queues, T2) == 0);

        page = queue_back(queues, first ? T1 : T2);
        if (left == 0 || !car_referenced(car, page))
            return page;
        queue_move(queues, page, T2);
    }
}

static void car_remove(void *self, sp_page page, enum sp_removal why)
{
    struct queues *queues = &((struct car *)self)->queues;
    unsigned queue = queue_of(queues, page);

    if (why == SP_PINNED || why == SP_SKIPPED)
        queue_suspend(queues, page);
    else if (why == SP_EVICTED && queue != QUEUE_DOOMED)
        queue_move(queues, page, queue == T1 ? B1 : B2);
    else
        queue_forget(queues, page);
}

static void car_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct car *car = self;
    struct queues *queues = &car->queues;

    if (hint == SP_HINT_WILL_NEED) {
        queue_move(queues, page, queue_of(queues, page) == T2 ? T2 : T1);
        return;
    }
    car->env->referenced(car->env, page);
    queue_move(queues, page, QUEUE_DOOMED);
}

const struct sp_policy policy_car = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_TELLS,
    .name = "car",
    .summary = "ARC with clocks",
    .source = "Bansal and Modha 2004",
    .size = car_size,
    .pages_at = offsetof(struct car, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = car_init,
    .insert = car_insert,
    .victim = car_victim,
    .remove = car_remove,
    .resize = car_resize,
    .hint = car_hint,
};
