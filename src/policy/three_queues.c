#include "policy/three_queues.h"

#include "policy/share.h"

/* The small queue is two: pages that are in the window, and those behind it. */
enum { WINDOW = QUEUE_FIRST, SMALL, MAIN, GHOST };

/* The note of a page: references counted, and whether it has come back from the ghosts. */
#define COUNTED  0x3u
#define RETURNED 0x4u

size_t three_queues_size(const struct sp_policy_config *config)
{
    return sizeof(struct three_queues) + queues_size(config->pages);
}

/* ---- The small queue ---- */

static uint32_t small_count(const struct three_queues *three)
{
    return queue_count(&three->queues, WINDOW) + queue_count(&three->queues, SMALL);
}

static sp_page small_back(const struct three_queues *three)
{
    sp_page page = queue_back(&three->queues, SMALL);

    return page != SP_NO_PAGE ? page : queue_back(&three->queues, WINDOW);
}

/* A page is one of the newest, or may be used in this moment: watch it later, unless it is in the window by then. */
static void note_recent(struct three_queues *three, sp_page page)
{
    if (three->env->sees_all)
        return;
    page = recent_add(&three->recent, page);
    if (page == SP_NO_PAGE)
        return;
    if (queue_of(&three->queues, page) == SMALL || queue_of(&three->queues, page) == MAIN)
        three->env->watch(three->env, page);
}

/* Pages beyond the window come to where references count: two at a time, which is enough when it has become smaller. */
static void window_trim(struct three_queues *three)
{
    struct queues *queues = &three->queues;

    for (int i = 0; i < 2 && queue_count(queues, WINDOW) > three->window_most; i++) {
        sp_page page = queue_back(queues, WINDOW);

        queue_move(queues, page, SMALL);
        if (!three->env->sees_all && !recent_hides(&three->recent, three->env, page))
            three->env->watch(three->env, page);
    }
}

static void small_admit(struct three_queues *three, sp_page page)
{
    queue_push(&three->queues, page, three->window_most > 0 ? WINDOW : SMALL);
    note_recent(three, page);
    window_trim(three);
}

static void main_admit(struct three_queues *three, sp_page page)
{
    queue_push(&three->queues, page, MAIN);
    note_recent(three, page);
}

/* ---- Counts ---- */

/* References to a page that count. In a live task the page is watched from now on. */
static unsigned count_of(struct three_queues *three, sp_page page)
{
    unsigned count = queue_note(&three->queues, page) & COUNTED;

    if (three->env->sees_all)
        return count;
    if (three->env->referenced(three->env, page) && three->settings.bit_counts &&
        queue_of(&three->queues, page) != WINDOW && !recent_hides(&three->recent, three->env, page))
        count += count < three->settings.count_most;
    return count;
}

static void set_count(struct three_queues *three, sp_page page, unsigned count)
{
    unsigned note = queue_note(&three->queues, page);

    queue_set_note(&three->queues, page, (note & RETURNED) | count);
}

/* Live: as long as another reference makes a difference, the next one is to be seen. */
static __attribute__((noinline)) void watch_again(struct three_queues *three, sp_page page)
{
    unsigned queue = queue_of(&three->queues, page), most = 0;

    if (queue == SMALL)
        most = three->settings.move;
    else if (queue == MAIN && !three->settings.bit_counts)
        most = three->settings.count_most;
    if ((queue_note(&three->queues, page) & COUNTED) < most)
        note_recent(three, page);
}

void three_queues_hit(void *self, sp_page page, enum sp_access access)
{
    struct three_queues *three = self;
    struct queues *queues = &three->queues;
    unsigned queue = queue_of(queues, page);

    (void)access;
    if (queue != WINDOW && (queue_note(queues, page) & COUNTED) < three->settings.count_most)
        queues->bytes[page] += 1u << NOTE_SHIFT;
    if (!three->env->sees_all)
        watch_again(three, page);
}

/* ---- Pages come ---- */

/* A ghost comes back. Returns the queue that it has earned. */
static unsigned ghost_return(struct three_queues *three, sp_page page)
{
    bool to_main = !three->settings.again || queue_note(&three->queues, page) & RETURNED;

    queue_set_note(&three->queues, page, to_main ? 0 : RETURNED);
    return to_main ? MAIN : SMALL;
}

void three_queues_insert(void *self, sp_page page, enum sp_access access)
{
    struct three_queues *three = self;
    struct queues *queues = &three->queues;
    unsigned home = queue_home(queues, page);

    (void)access;
    if (queue_of(queues, page) == GHOST) {
        home = ghost_return(three, page);
        queue_away(queues, page, home);
    } else if (three->filling && small_count(three) >= three->small_most) {
        home = MAIN;
    }
    if (home != MAIN)
        small_admit(three, page);
    else
        main_admit(three, page);
}

/* ---- Pages go ---- */

/* The page that the small queue gives up; SP_NO_PAGE if all of it went on to the main one. */
static sp_page small_victim(struct three_queues *three)
{
    for (;;) {
        sp_page page = small_back(three);

        if (page == SP_NO_PAGE || count_of(three, page) < three->settings.move)
            return page;
        queue_set_note(&three->queues, page, 0);
        queue_move(&three->queues, page, MAIN);
    }
}

static sp_page main_victim(struct three_queues *three)
{
    struct queues *queues = &three->queues;
    uint64_t left = (three->settings.count_most + 1) * (uint64_t)queue_count(queues, MAIN);
    sp_page page = queue_back(queues, MAIN);

    for (; left > 0; left--) { /* other threads may set bits meanwhile, but not keep us */
        unsigned count = count_of(three, page);

        if (count == 0)
            break;
        set_count(three, page, count - 1);
        queue_move(queues, page, MAIN);
        page = queue_back(queues, MAIN);
    }
    return page;
}

/* Pages of the small queue when the frames that a live task has free have pages, as is to be expected: two of three come
 * here. Without them the small queue would be longer than it may be, at the cost of the main one, most of the time. */
static uint32_t small_expected(const struct three_queues *three)
{
    uint32_t small = small_count(three);
    uint32_t pages =
        small + queue_count(&three->queues, MAIN) + queue_count(&three->queues, QUEUE_DOOMED);

    return three->frames > pages ? small + (three->frames - pages) * 2 / 3 : small;
}

/* Whether it is the small queue's turn to give up a page. */
static bool is_small_full(const struct three_queues *three)
{
    uint32_t pages = three->env->sees_all ? small_count(three) : small_expected(three);

    return pages >= three->small_most;
}

sp_page three_queues_victim(void *self, sp_page incoming)
{
    struct three_queues *three = self;
    struct queues *queues = &three->queues;
    sp_page page;

    three->filling = false;
    /* The victim must not push the page that comes out of the ghosts. */
    if (incoming != SP_NO_PAGE && queue_of(queues, incoming) == GHOST)
        queue_away(queues, incoming, ghost_return(three, incoming));
    while ((page = queue_back(queues, QUEUE_DOOMED)) != SP_NO_PAGE) {
        if (!three->env->referenced(three->env, page))
            return page;
        queue_move(queues, page, SMALL); /* it is needed, after all */
    }
    if (is_small_full(three) || queue_count(queues, MAIN) == 0)
        page = small_victim(three);
    return page != SP_NO_PAGE ? page : main_victim(three);
}

void three_queues_remove(void *self, sp_page page, enum sp_removal why)
{
    struct three_queues *three = self;
    struct queues *queues = &three->queues;
    unsigned queue = queue_of(queues, page);

    if (why == SP_PINNED || why == SP_SKIPPED) {
        queue_suspend(queues, page);
    } else if (why == SP_EVICTED && (queue == SMALL || queue == WINDOW)) {
        set_count(three, page, 0);
        queue_move(queues, page, GHOST);
        queue_trim(queues, GHOST, three->ghosts_most);
    } else {
        queue_forget(queues, page);
    }
}

void three_queues_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct three_queues *three = self;

    if (hint == SP_HINT_WILL_NEED) {
        three_queues_hit(self, page, SP_READ);
        return;
    }
    three->env->referenced(three->env, page);
    queue_set_note(&three->queues, page, 0);
    queue_move(&three->queues, page, QUEUE_DOOMED);
}

/* ---- Sizes ---- */

static uint32_t window_of(const struct three_queues *three)
{
    double pages = three->settings.window * three->small_most;
    uint32_t whole = (uint32_t)pages;

    return whole + (three->settings.window_up && whole < pages);
}

void three_queues_resize(void *self, uint32_t frames)
{
    struct three_queues *three = self;

    three->frames = frames;
    three->small_most = share_of(three->settings.small, frames);
    if (three->small_most == 0)
        three->small_most = 1;
    three->window_most = window_of(three);
    three->ghosts_most = share_of(three->settings.ghost, frames);
}

void three_queues_init(struct three_queues *three, const struct sp_policy_config *config,
                       const struct three_queues_settings *settings)
{
    three->env = config->env;
    three->settings = *settings;
    three->filling = settings->fill;
    queues_init(&three->queues, three->memory, config);
    three_queues_resize(three, config->frames);
}
