/* Errands: what blocks holds up its own user alone, and is left behind in the end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/errand.h"

struct work {
    struct errand errand; /* first */
    int gate;             /* >= 0: run waits until it can be read */
    unsigned *clock;      /* counts what has run */
    unsigned at;          /* when this one had */
    bool done;
};

static int woken; /* an eventfd */

static void wake(void *context)
{
    uint64_t one = 1;

    (void)context;
    assert_int_equal(write(woken, &one, sizeof(one)), sizeof(one));
}

static void run(struct errand *errand)
{
    struct work *work = (struct work *)errand;
    char byte;

    if (work->gate >= 0)
        (void)!read(work->gate, &byte, 1);
    work->at = __atomic_add_fetch(work->clock, 1, __ATOMIC_SEQ_CST);
}

static void done(struct errand *errand)
{
    ((struct work *)errand)->done = true;
}

static struct work work_of(int gate, unsigned *clock)
{
    return (struct work){.errand = {.run = run, .done = done}, .gate = gate, .clock = clock};
}

/* Wait until the pool says that something is done, and reap it. */
static void reap_next(struct errand_pool *pool)
{
    struct pollfd entry = {.fd = woken, .events = POLLIN};
    uint64_t count;

    assert_int_equal(poll(&entry, 1, 20000), 1);
    assert_int_equal(read(woken, &count, sizeof(count)), sizeof(count));
    errand_reap(pool);
}

static struct errand_pool *pool_new(void)
{
    struct errand_pool *pool = errand_pool_new(wake, NULL);

    woken = eventfd(0, EFD_CLOEXEC);
    assert_non_null(pool);
    assert_true(woken >= 0);
    return pool;
}

static void test_a_user_whose_errands_block_holds_up_no_other(void **state)
{
    struct errand_lane hostile = {0}, good = {0};
    struct errand_pool *pool = pool_new();
    struct work blocked[5], work;
    unsigned clock = 0, i;
    int gate[2];

    (void)state;
    assert_int_equal(pipe(gate), 0);
    for (i = 0; i < 5; i++) {
        blocked[i] = work_of(gate[0], &clock);
        errand_submit(pool, &hostile, &blocked[i].errand);
    }
    work = work_of(-1, &clock);
    errand_submit(pool, &good, &work.errand);
    while (!work.done)
        reap_next(pool);
    assert_int_equal(work.at, 1);
    for (i = 0; i < 5; i++)
        assert_false(blocked[i].done);
    close(gate[1]); /* and now they go on */
    assert_true(errand_pool_free(&pool, 20000));
    for (i = 0; i < 5; i++)
        assert_true(blocked[i].done);
    close(gate[0]);
    close(woken);
}

static void test_a_lane_keeps_few_threads(void **state)
{
    struct errand_lane lane = {0};
    struct errand_pool *pool = pool_new();
    struct work blocked[2], behind;
    unsigned clock = 0, i;
    int gate[2];

    (void)state;
    assert_int_equal(ERRAND_LANE_MAX, 2);
    assert_int_equal(pipe(gate), 0);
    for (i = 0; i < 2; i++) {
        blocked[i] = work_of(gate[0], &clock);
        errand_submit(pool, &lane, &blocked[i].errand);
    }
    behind = work_of(-1, &clock);
    errand_submit(pool, &lane, &behind.errand);
    assert_int_equal(write(gate[1], "x", 1), 1); /* one of the two ends */
    while (!behind.done)
        reap_next(pool);
    assert_int_equal(behind.at, 2);
    assert_int_equal(blocked[0].done + blocked[1].done, 1);
    close(gate[1]);
    assert_true(errand_pool_free(&pool, 20000));
    close(gate[0]);
    close(woken);
}

static void test_what_stays_blocked_is_left_behind(void **state)
{
    static struct errand_lane lane; /* both live as long as the errand may */
    static struct work blocked;
    static unsigned clock;
    struct errand_pool *pool = pool_new();
    int gate[2];

    (void)state;
    assert_int_equal(pipe(gate), 0);
    blocked = work_of(gate[0], &clock);
    errand_submit(pool, &lane, &blocked.errand);
    errand_pool_silence(pool);
    assert_false(errand_pool_free(&pool, 10));
    assert_null(pool);
    assert_false(blocked.done);
    /* The pipe stays open: its reader waits as long as this process lives. */
}

/* Work whose end submits more work, as the owner of a pool does: by the owner's pointer. */
struct chain {
    struct work work;
    struct errand_lane lane;
    struct errand_pool *pool;
    unsigned left;
};

static void done_and_more(struct errand *errand)
{
    struct chain *chain = (struct chain *)errand;

    done(errand);
    if (chain->left == 0)
        return;
    chain->left--;
    errand_submit(chain->pool, &chain->lane, errand);
}

static void test_what_an_end_submits_is_done_before_the_pool_ends(void **state)
{
    static struct chain chain;
    unsigned clock = 0;

    (void)state;
    chain.pool = pool_new();
    chain.left = 3;
    chain.work = work_of(-1, &clock);
    chain.work.errand.done = done_and_more;
    errand_submit(chain.pool, &chain.lane, &chain.work.errand);
    assert_true(errand_pool_free(&chain.pool, 20000));
    assert_null(chain.pool);
    assert_int_equal(clock, 4);
    close(woken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_user_whose_errands_block_holds_up_no_other),
        cmocka_unit_test(test_a_lane_keeps_few_threads),
        cmocka_unit_test(test_what_an_end_submits_is_done_before_the_pool_ends),
        cmocka_unit_test(test_what_stays_blocked_is_left_behind),
    };

    return cmocka_run_group_tests_name("io/errand", tests, NULL, NULL);
}
