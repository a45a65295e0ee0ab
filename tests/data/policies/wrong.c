/* First in, first out, with one mistake: WRONG names it. What selfpage check-policy has to say
 * about each stands in tests/sim/selfpage/check_policy. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <selfpage/page_list.h>

enum mistake {
    NONE,
    NAMES_NOTHING,
    NAMES_BEYOND,
    NAMES_STRANGER,
    NAMES_INCOMING,
    KEEPS_EVICTED,
    KEEPS_DISCARDED,
    KEEPS_PINNED,
    KEEPS_SKIPPED,
    WRITES_BEHIND,
    WRITES_BEFORE,
    WRITES_LITTLE_BEHIND,
    CRASHES,
    ABORTS,
    DIVIDES,
    LOOPS,
    EXITS,
    ASKS_EVICTED,
    ASKS_BEYOND,
    FORESEES_BEYOND,
    ASKS_IN_INIT,
    RANDOM_BELOW_0,
    CHANGES_TIME,
    ASKS_ON_AND_ON,
    BY_ADDRESS,
    STATIC_STATE,
    ALLOCATES,
    WRITES_OUTPUT,
    READS_CLOCK,
    READS_TIME,
    READS_COARSE_TIME,
    READS_TIME_OF_DAY,
    DEEP_STACK,
    DENSE_INIT,
    SLOW_REMOVE,
    SLOW_VICTIM,
    SIZE_TOO_SMALL_NUMBER,
    SIZE_CHANGES,
    SIZE_HUGE,
    OTHER_ABI,
    NO_INSERT,
    LIVE_WITH_FUTURE,
    UNKNOWN_FLAG,
    BAD_LIVE_FORM,
    MISREADS_HINT,
    MISREADS_RESIZE,
    REMEMBERS,
    GOES_BY_NUMBERS,
    TELLS_AND_REMEMBERS,
    TELLS_OF_RESIDENT,
};

struct wrong {
    struct sp_policy_env *env;
    struct sp_list queue;
    uint32_t pages, calls;
    sp_page last_evicted_plus1;
    struct sp_link links[]; /* followed by one byte a page: 1: in the queue; 2: it was */
};

static volatile unsigned sink;

static uint8_t *in_queue(struct wrong *w, sp_page page)
{
    return (uint8_t *)(w->links + w->pages) + page;
}

static size_t wrong_size(const struct sp_policy_config *c)
{
    size_t size = sizeof(struct wrong) + (size_t)c->pages * (sizeof(struct sp_link) + 1);

    if (WRONG == SIZE_TOO_SMALL_NUMBER)
        return sizeof(struct wrong) + (uint32_t)(c->pages * 9u);
    if (WRONG == SIZE_CHANGES)
        return size + ++sink;
    if (WRONG == SIZE_HUGE)
        return size + ((size_t)1 << 33);
    if (WRONG == WRITES_BEHIND)
        return sizeof(struct wrong);
    if (WRONG == WRITES_LITTLE_BEHIND)
        return size - 1;
    return size;
}

static void wrong_init(void *self, const struct sp_policy_config *c)
{
    struct wrong *w = self;

    w->env = c->env;
    w->pages = c->pages;
    if (WRONG == ASKS_IN_INIT)
        c->env->dirty(c->env, 0);
    if (WRONG == DENSE_INIT)
        memset(w->links, 0, (size_t)c->pages * sizeof(struct sp_link));
}

static void wrong_insert(void *self, sp_page page, enum sp_access access)
{
    struct wrong *w = self;
    uint8_t before = *in_queue(w, page);

    (void)access;
    if (before == 1)
        return;
    *in_queue(w, page) = 1;
    if (WRONG == TELLS_OF_RESIDENT && w->env->forgotten != NULL)
        w->env->forgotten(w->env, page);
    if (((WRONG == REMEMBERS || WRONG == TELLS_AND_REMEMBERS) && before == 2) ||
        (WRONG == GOES_BY_NUMBERS && page % 2 == 1))
        sp_list_push_back(&w->queue, w->links, page);
    else
        sp_list_push_front(&w->queue, w->links, page);
    if (WRONG == WRITES_BEHIND)
        memset(w->links + w->pages + 100, 1, 8);
    if (WRONG == WRITES_BEFORE)
        memset((char *)self - 200, 1, 8);
    if (WRONG == ALLOCATES)
        sink += (unsigned)(uintptr_t)malloc(24);
    if (WRONG == CHANGES_TIME)
        w->env->time++;
}

static unsigned deep(unsigned depth)
{
    volatile char room[512];

    room[depth % 512] = (char)depth;
    return depth == 0 ? (unsigned)room[0] : deep(depth - 1) + (unsigned)room[depth % 512];
}

static void wrong_hit(void *self, sp_page page, enum sp_access access)
{
    struct wrong *w = self;

    (void)access;
    if (WRONG == DEEP_STACK)
        sink += deep(24);
    if (WRONG == RANDOM_BELOW_0 && page == 0)
        w->env->random(w->env, 0);
    if (WRONG == ASKS_EVICTED && w->last_evicted_plus1 != 0)
        w->env->referenced(w->env, w->last_evicted_plus1 - 1);
    if (WRONG == ASKS_BEYOND)
        w->env->watch(w->env, w->pages);
    if (WRONG == FORESEES_BEYOND)
        w->env->next_reference(w->env, w->pages);
    for (sp_page p = 0; WRONG == ASKS_ON_AND_ON && p < 1000; p++)
        w->env->dirty(w->env, page);
}

static void strange_things(struct wrong *w)
{
    struct timespec now = {0, 0};

    w->calls++;
    if (WRONG == CRASHES && w->calls == 20)
        *(volatile int *)((uintptr_t)sink + 64) = 1; /* not NULL, which UBSan would catch first */
    if (WRONG == ABORTS && w->calls == 20)
        abort();
    if (WRONG == DIVIDES)
        sink += 100 / (w->queue.count - 1);
    while (WRONG == LOOPS && w->calls == 20)
        sink++;
    if (WRONG == EXITS && w->calls == 20)
        exit(3);
    if (WRONG == WRITES_OUTPUT && w->calls == 20 && write(1, "", 0) != 0)
        sink++;
#if defined(__x86_64__)
    if (WRONG == READS_CLOCK)
        sink += (unsigned)__builtin_ia32_rdtsc();
#endif
    if (WRONG == READS_TIME)
        sink += (unsigned)time(NULL);
    if (WRONG == READS_COARSE_TIME && clock_gettime(CLOCK_MONOTONIC_COARSE, &now) == 0)
        sink += (unsigned)now.tv_nsec;
    if (WRONG == READS_TIME_OF_DAY && timespec_get(&now, TIME_UTC) == TIME_UTC)
        sink += (unsigned)now.tv_nsec;
}

static sp_page wrong_victim(void *self, sp_page in)
{
    static unsigned calls_of_all;
    struct wrong *w = self;
    sp_page page = sp_list_back(&w->queue);

    strange_things(w);
    if (WRONG == NAMES_NOTHING && w->queue.count == 1)
        return SP_NO_PAGE;
    if (WRONG == NAMES_BEYOND && w->calls == 20)
        return w->pages;
    for (sp_page p = 0; WRONG == NAMES_STRANGER && p < w->pages; p++)
        if (*in_queue(w, p) == 0 && p != in)
            return p;
    if (WRONG == NAMES_INCOMING && in != SP_NO_PAGE)
        return in;
    if ((WRONG == BY_ADDRESS && ((uintptr_t)self & 0xfc0) != 0) ||
        (WRONG == STATIC_STATE && calls_of_all++ % 3 == 0) ||
        (WRONG == MISREADS_RESIZE && w->calls > 1000000))
        page = sp_list_front(&w->queue);
    for (sp_page p = page; WRONG == SLOW_VICTIM && p != SP_NO_PAGE; p = sp_list_prev(w->links, p))
        sink += p;
    return page;
}

static void wrong_remove(void *self, sp_page page, enum sp_removal why)
{
    struct wrong *w = self;

    if ((WRONG == KEEPS_EVICTED && why == SP_EVICTED && page % 4 == 3) ||
        (WRONG == KEEPS_DISCARDED && why == SP_DISCARDED) ||
        (WRONG == KEEPS_PINNED && why == SP_PINNED) ||
        (WRONG == KEEPS_SKIPPED && why == SP_SKIPPED))
        return;
    for (sp_page p = sp_list_back(&w->queue); WRONG == SLOW_REMOVE && p != page;
         p = sp_list_prev(w->links, p))
        sink += p;
    if (why == SP_EVICTED)
        w->last_evicted_plus1 = page + 1;
    *in_queue(w, page) = 2;
    sp_list_remove(&w->queue, w->links, page);
    if (WRONG == TELLS_AND_REMEMBERS && w->env->forgotten != NULL && why <= SP_DISCARDED)
        w->env->forgotten(w->env, page);
}

static void wrong_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct wrong *w = self;

    if (WRONG == MISREADS_HINT && hint == SP_HINT_DONT_NEED) {
        *in_queue(w, page) = 2; /* as if the page were gone */
        sp_list_remove(&w->queue, w->links, page);
    }
}

static void wrong_resize(void *self, uint32_t frames)
{
    struct wrong *w = self;

    if (WRONG == MISREADS_RESIZE)
        memset(in_queue(w, 0), 0, frames); /* the array is as long as there are pages */
}

__attribute__((visibility("default"))) const struct sp_policy sp_policy_plugin = {
    .abi = WRONG == OTHER_ABI ? SP_POLICY_ABI + 1 : SP_POLICY_ABI,
    .flags = WRONG == LIVE_WITH_FUTURE  ? SP_POLICY_LIVE | SP_POLICY_NEEDS_FUTURE
             : WRONG == UNKNOWN_FLAG    ? 1u << 30
             : WRONG == FORESEES_BEYOND ? SP_POLICY_NEEDS_FUTURE
             : WRONG == BAD_LIVE_FORM   ? 0
             : WRONG == REMEMBERS || WRONG == GOES_BY_NUMBERS             ? SP_POLICY_FORGETS
             : WRONG == TELLS_AND_REMEMBERS || WRONG == TELLS_OF_RESIDENT ? SP_POLICY_TELLS
                                                                          : SP_POLICY_LIVE,
    .name = "wrong",
    .size = wrong_size,
    .init = wrong_init,
    .insert = WRONG == NO_INSERT ? NULL : wrong_insert,
    .hit = wrong_hit,
    .victim = wrong_victim,
    .remove = wrong_remove,
    .resize = wrong_resize,
    .hint = wrong_hint,
    .live_form = WRONG == BAD_LIVE_FORM ? "belady" : NULL,
};
