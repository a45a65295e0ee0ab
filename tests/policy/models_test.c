/* Policies against models that are written down a second time, with plain arrays and searches, from the
 * papers: after every reference the same pages must be resident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "replay_engine.h"
#include "trace_source.h"

#define PAGES 400u
#define SEED  1u

/* Of mglru, one more than there may be. */
#define GENERATIONS 5u

/* ---- Ordered lists, the oldest page first ---- */

struct order {
    sp_page pages[2 * PAGES];
    size_t count;
};

static bool has(const struct order *order, sp_page page)
{
    for (size_t i = 0; i < order->count; i++)
        if (order->pages[i] == page)
            return true;
    return false;
}

static void drop(struct order *order, sp_page page)
{
    size_t kept = 0;

    for (size_t i = 0; i < order->count; i++)
        if (order->pages[i] != page)
            order->pages[kept++] = order->pages[i];
    order->count = kept;
}

static void add(struct order *order, sp_page page)
{
    order->pages[order->count++] = page;
}

static sp_page pop(struct order *order)
{
    sp_page page = order->pages[0];

    assert_true(order->count > 0);
    drop(order, page);
    return page;
}

/* ---- What the models have in common ---- */

struct model {
    uint32_t frames;
    uint64_t time;
    bool resident[PAGES];
    bool bit[PAGES]; /* referenced since it came in, or since somebody looked */
    uint32_t count;
    /* lfuda, random-two */
    uint64_t references[PAGES], worth[PAGES], last[PAGES], age;
    struct random_source random;
    struct order order; /* random-two: as in its array */
    /* cart */
    struct order t1, t2, b1, b2;
    bool is_long[PAGES];
    double p;
    long q;
    /* linux */
    struct order inactive, active;
    bool marked[PAGES], was_evicted[PAGES];
    uint64_t evicted_at[PAGES], clock;
    /* mglru */
    struct order lies_in[GENERATIONS];
    uint64_t generation[PAGES], youngest, oldest;
};

static bool take_bit(struct model *m, sp_page page)
{
    bool bit = m->bit[page];

    m->bit[page] = false;
    return bit;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

/* ---- LFUDA ---- */

static void lfuda_hit(struct model *m, sp_page page)
{
    m->references[page]++;
    m->worth[page] = m->references[page] + m->age;
    m->last[page] = m->time;
}

static sp_page lfuda_evict(struct model *m, sp_page incoming)
{
    sp_page least = SP_NO_PAGE;

    (void)incoming;
    for (sp_page i = 0; i < PAGES; i++)
        if (m->resident[i] && (least == SP_NO_PAGE || m->worth[i] < m->worth[least] ||
                               (m->worth[i] == m->worth[least] && m->last[i] < m->last[least])))
            least = i;
    m->age = m->worth[least];
    return least;
}

static void lfuda_insert(struct model *m, sp_page page)
{
    m->references[page] = 0;
    lfuda_hit(m, page);
}

/* ---- Random of two: the same draws ---- */

static void random_two_hit(struct model *m, sp_page page)
{
    m->last[page] = m->time;
}

static sp_page random_two_evict(struct model *m, sp_page incoming)
{
    size_t first = random_below(&m->random, m->count), second = random_below(&m->random, m->count);
    size_t out;
    sp_page page;

    (void)incoming;
    out = m->last[m->order.pages[first]] < m->last[m->order.pages[second]] ? first : second;
    page = m->order.pages[out];
    m->order.pages[out] = m->order.pages[--m->order.count];
    return page;
}

static void random_two_insert(struct model *m, sp_page page)
{
    add(&m->order, page);
    m->last[page] = m->time;
}

/* ---- CART, figure 4 of the paper ---- */

static long short_count(const struct model *m)
{
    long count = 0;

    for (size_t i = 0; i < m->t1.count; i++)
        count += !m->is_long[m->t1.pages[i]];
    for (size_t i = 0; i < m->t2.count; i++)
        count += !m->is_long[m->t2.pages[i]];
    return count;
}

static void raise_q(struct model *m)
{
    long sum = (long)(m->t2.count + m->b2.count + m->t1.count) - short_count(m);

    if (sum >= (long)m->frames)
        m->q = (long)smaller((double)m->q + 1, 2.0 * m->frames - (double)m->t1.count);
}

static sp_page cart_replace(struct model *m)
{
    sp_page page;

    while (m->t2.count > 0 && take_bit(m, m->t2.pages[0])) {
        add(&m->t1, pop(&m->t2));
        raise_q(m);
    }
    while (m->t1.count > 0) {
        page = m->t1.pages[0];
        if (take_bit(m, page)) {
            add(&m->t1, pop(&m->t1));
            if ((double)m->t1.count >= smaller(m->p + 1, (double)m->b1.count))
                m->is_long[page] = true;
        } else if (m->is_long[page]) {
            add(&m->t2, pop(&m->t1));
            m->q = (long)larger((double)m->q - 1, (double)m->frames - (double)m->t1.count);
        } else {
            break;
        }
    }
    if (m->t1.count > 0 && (double)m->t1.count >= larger(1, m->p)) {
        page = pop(&m->t1);
        add(&m->b1, page);
    } else {
        page = pop(&m->t2);
        add(&m->b2, page);
    }
    return page;
}

static sp_page cart_evict(struct model *m, sp_page incoming)
{
    bool known = has(&m->b1, incoming) || has(&m->b2, incoming);
    sp_page page = cart_replace(m);

    if (!known && m->b1.count + m->b2.count == m->frames + 1)
        pop(m->b1.count > larger(0, (double)m->q) || m->b2.count == 0 ? &m->b1 : &m->b2);
    return page;
}

static void cart_insert(struct model *m, sp_page page)
{
    double shorts = (double)short_count(m);
    double longs = (double)(m->t1.count + m->t2.count) - shorts;

    m->bit[page] = false;
    if (has(&m->b1, page)) {
        m->p = smaller(m->p + larger(1, shorts / (double)m->b1.count), m->frames);
        drop(&m->b1, page);
        m->is_long[page] = true;
        add(&m->t1, page);
    } else if (has(&m->b2, page)) {
        m->p = larger(m->p - larger(1, longs / (double)m->b2.count), 0);
        drop(&m->b2, page);
        m->is_long[page] = true;
        add(&m->t1, page);
        raise_q(m);
    } else {
        m->is_long[page] = false;
        add(&m->t1, page);
    }
}

/* ---- The kernel's lists ---- */

static sp_page linux_evict(struct model *m, sp_page incoming)
{
    (void)incoming;
    for (;;) {
        sp_page page;

        while (m->active.count > m->inactive.count) {
            page = pop(&m->active);
            m->bit[page] = m->marked[page] = false;
            add(&m->inactive, page);
        }
        page = pop(&m->inactive);
        if (!m->marked[page]) { /* its first trip */
            m->marked[page] = true;
            m->bit[page] = false;
            add(&m->inactive, page);
        } else if (take_bit(m, page)) {
            m->marked[page] = false;
            add(&m->active, page);
            m->clock++;
        } else {
            m->was_evicted[page] = true;
            m->evicted_at[page] = m->clock++;
            return page;
        }
    }
}

static void linux_insert(struct model *m, sp_page page)
{
    m->bit[page] = m->marked[page] = false;
    if (m->was_evicted[page] && m->clock - m->evicted_at[page] <= m->active.count) {
        add(&m->active, page);
        m->clock++;
    } else {
        add(&m->inactive, page);
    }
    m->was_evicted[page] = false;
}

/* ---- The kernel's generations ---- */

static uint64_t belonging_to(const struct model *m, uint64_t generation)
{
    uint64_t count = 0;

    for (sp_page page = 0; page < PAGES; page++)
        count += m->resident[page] && m->generation[page] == generation;
    return count;
}

static bool mglru_should_age(const struct model *m)
{
    if (m->youngest - m->oldest < 2)
        return true;
    if (m->youngest - m->oldest > 2)
        return false;
    return 2 * belonging_to(m, m->youngest) > m->count || 4 * belonging_to(m, m->oldest) < m->count;
}

static void mglru_age(struct model *m)
{
    for (sp_page page = 0; page < PAGES; page++)
        if (m->resident[page] && take_bit(m, page))
            m->generation[page] = m->youngest;
    m->youngest++;
}

static sp_page mglru_evict(struct model *m, sp_page incoming)
{
    (void)incoming;
    if (m->youngest == 0)
        m->youngest = 3;
    for (;;) {
        struct order *list;
        sp_page page;

        while (m->oldest + 2 <= m->youngest && m->lies_in[m->oldest % GENERATIONS].count == 0)
            m->oldest++;
        if (mglru_should_age(m)) {
            mglru_age(m);
            continue;
        }
        list = &m->lies_in[m->oldest % GENERATIONS];
        page = list->count > 0 ? pop(list) : SP_NO_PAGE;
        assert_true(page != SP_NO_PAGE);
        if (m->generation[page] == m->oldest && !take_bit(m, page))
            return page;
        if (m->generation[page] == m->oldest)
            m->generation[page] = m->youngest;
        add(&m->lies_in[m->generation[page] % GENERATIONS], page);
    }
}

static void mglru_insert(struct model *m, sp_page page)
{
    if (m->youngest == 0)
        m->youngest = 3;
    m->bit[page] = false;
    m->generation[page] = m->youngest;
    add(&m->lies_in[m->youngest % GENERATIONS], page);
}

/* ---- */

static const struct {
    const char *policy;
    void (*hit)(struct model *m, sp_page page); /* beside its bit */
    sp_page (*evict)(struct model *m, sp_page incoming);
    void (*insert)(struct model *m, sp_page page);
} models[] = {
    {"lfuda", lfuda_hit, lfuda_evict, lfuda_insert},
    {"random-two", random_two_hit, random_two_evict, random_two_insert},
    {"cart", NULL, cart_evict, cart_insert},
    {"linux", NULL, linux_evict, linux_insert},
    {"mglru:walk=0", NULL, mglru_evict, mglru_insert},
};

static void model_refer(struct model *m, size_t which, sp_page page)
{
    m->time++;
    if (m->resident[page]) {
        m->bit[page] = true;
        if (models[which].hit != NULL)
            models[which].hit(m, page);
        return;
    }
    if (m->count == m->frames) {
        m->resident[models[which].evict(m, page)] = false;
        m->count--;
    }
    m->resident[page] = true;
    m->count++;
    models[which].insert(m, page);
}

static void compare(size_t which, const struct trace *trace, const char *kind, uint32_t frames)
{
    static struct model model;
    struct replay replay;

    memset(&model, 0, sizeof(model));
    model.frames = frames;
    model.random = random_seeded(SEED);
    replay_init(&replay, models[which].policy, trace->pages, frames, SEED, false);
    for (size_t i = 0; i < trace->length; i++) {
        replay_reference(&replay, trace->references[i]);
        model_refer(&model, which, trace->references[i]);
        for (sp_page page = 0; page < trace->pages; page++)
            if (replay.resident[page] != model.resident[page])
                fail_msg("%s on %s, %u frames: after reference %zu page %u is %s",
                         models[which].policy, kind, frames, i, page,
                         replay.resident[page] ? "resident" : "away");
    }
    replay_fini(&replay);
}

static void test_policies_keep_the_pages_that_their_models_keep(void **state)
{
    static const char *const kinds[] = {"zipf", "loopscan", "phases"};
    static const uint32_t sizes[] = {1, 2, 3, 10, 40, 150};

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct trace trace;

        assert_true(trace_generate(&trace, kinds[k], RUNNING_ON_VALGRIND ? 500 : 6000, 300, 5));
        assert_true(trace.pages <= PAGES);
        for (size_t which = 0; which < sizeof(models) / sizeof(models[0]); which++)
            for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
                compare(which, &trace, kinds[k], sizes[s]);
        trace_fini(&trace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_keep_the_pages_that_their_models_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
