/* Entitlements computed from outside physmem, for arbiters that know nothing of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/entitle.h"

#define FRAMES 640u

/* Memory that is counted, and can run out. */
static size_t bytes;
static unsigned calls_left;
static bool once; /* there is some for the next call again */

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    if (new_size > old_size && calls_left-- == 0) {
        calls_left = once ? UINT32_MAX : 0;
        return NULL;
    }
    bytes += new_size - old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

static const struct allocator allocator = {.resize = resize};

static int setup(void **state)
{
    (void)state;
    calls_left = UINT32_MAX;
    return bytes == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return bytes == 0 ? 0 : -1;
}

static void start(struct entitle *entitle, const char *text)
{
    struct arbiter_choice choice;

    assert_int_equal(arbiter_registry_choose(&choice, text, NULL), 0);
    assert_int_equal(entitle_init(entitle, &allocator, &choice, FRAMES), 0);
}

static struct sp_arbiter_task task_of(uint32_t id, uint32_t held, uint32_t wanted)
{
    return (struct sp_arbiter_task){
        .id = id, .weight = 1, .extra = FRAMES, .held = held, .recallable = held, .wanted = wanted};
}

static void run_at(struct entitle *entitle, uint64_t now, const struct sp_arbiter_task *tasks,
                   uint32_t count, int32_t spare, struct entitlement *out)
{
    const struct entitle_books books = {.spare = spare};
    struct sp_arbiter_task copy[8];

    assert_true(count <= 8);
    memcpy(copy, tasks, count * sizeof(*tasks));
    assert_int_equal(entitle_round(entitle, now, copy, count, &books, out), 0);
}

static void test_maxmin_divides_evenly(void **state)
{
    const struct sp_arbiter_task tasks[] = {task_of(3, 600, 0), task_of(5, 40, 500)};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    start(&entitle, "maxmin");
    run_at(&entitle, 1, tasks, 2, 0, out);
    assert_int_equal(out[0].frames, FRAMES / 2);
    assert_int_equal(out[1].frames, FRAMES / 2);
    entitle_fini(&entitle);
}

/* A task that wants nothing now is told what it could have, not what it has. */
static void test_a_task_that_asks_for_nothing_is_entitled_to_its_share(void **state)
{
    const struct sp_arbiter_task tasks[] = {task_of(1, 20, 0), task_of(2, 20, 0),
                                            task_of(3, 600, 600)};
    struct entitlement out[3];
    struct entitle entitle;

    (void)state;
    start(&entitle, "maxmin");
    run_at(&entitle, 1, tasks, 3, 0, out);
    assert_true(out[0].frames >= FRAMES / 3 && out[1].frames >= FRAMES / 3);
    entitle_fini(&entitle);
}

static void test_without_grants_all_are_entitled(void **state)
{
    const struct sp_arbiter_task tasks[] = {task_of(1, 600, 0), task_of(2, 40, 500)};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    start(&entitle, "fcfs");
    run_at(&entitle, 1, tasks, 2, 0, out);
    assert_int_equal(out[0].frames, UINT32_MAX);
    /* The last to come gives first: 10, 80, all of 40 and then of the first. */
    assert_int_equal(out[1].gives[0], 10);
    assert_int_equal(out[0].gives[0], 0);
    assert_int_equal(out[1].gives[1], 40);
    assert_int_equal(out[0].gives[1], 40);
    assert_int_equal(out[0].gives[3], 600);
    entitle_fini(&entitle);
}

/* Lower priorities are emptied before higher ones are touched. */
static void test_priorities_are_laid_down(void **state)
{
    struct sp_arbiter_task tasks[] = {task_of(1, 300, 0), task_of(2, 300, 0)};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    tasks[0].priority = 5;
    start(&entitle, "viengoos");
    run_at(&entitle, 1, tasks, 2, 0, out);
    assert_int_equal(out[0].gives[0], 0);
    assert_int_equal(out[1].gives[0], 10);
    assert_int_equal(out[1].gives[1], 80);
    assert_int_equal(out[0].gives[1], 0);
    assert_int_equal(out[1].gives[2], 300);
    assert_int_equal(out[0].gives[2], 300);
    entitle_fini(&entitle);
}

/* State follows the task when others come and go, and is new for a new task. */
struct counter {
    uint32_t id;
    uint32_t rounds;
};

static size_t counter_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct counter);
}

static uint32_t counter_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                               size_t count, const struct sp_arbiter_request *request,
                               uint32_t *takes)
{
    (void)self;
    (void)now;
    (void)takes;
    for (size_t i = 0; i < count; i++) {
        struct counter *own = tasks[i].own;

        if (own->rounds > 0)
            assert_int_equal(own->id, tasks[i].id);
        own->id = tasks[i].id;
        own->rounds++;
    }
    /* The grant tells how often the arbiter has seen the asking task. */
    return ((const struct counter *)tasks[request->task].own)->rounds;
}

static const struct sp_arbiter counter = {.abi = SP_ARBITER_ABI,
                                          .flags = SP_ARBITER_GRANTS,
                                          .name = "counter",
                                          .task_size = counter_size,
                                          .decide = counter_decide};

static void test_state_follows_the_task(void **state)
{
    const struct sp_arbiter_task first[] = {task_of(2, 0, 1), task_of(7, 0, 0)};
    const struct sp_arbiter_task then[] = {task_of(4, 0, 0), task_of(7, 0, 0)};
    const struct arbiter_choice choice = {.arbiter = &counter};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    assert_int_equal(entitle_init(&entitle, &allocator, &choice, FRAMES), 0);
    /* One has wanted something: that is one real question, and all others are taken back. */
    run_at(&entitle, 1, first, 2, 0, out);
    assert_int_equal(out[1].frames, 2);
    run_at(&entitle, 2, then, 2, 0, out);
    assert_int_equal(out[0].frames, 1);
    assert_int_equal(out[1].frames, 2);
    entitle_fini(&entitle);
}

/* One that comes again is new, and so is one in the place of another, whatever lies in memory. */
static void test_whoever_comes_again_is_new(void **state)
{
    const struct sp_arbiter_task all[] = {task_of(1, 0, 1), task_of(2, 0, 0), task_of(3, 0, 0)};
    const struct sp_arbiter_task other[] = {task_of(5, 0, 1), task_of(6, 0, 0)};
    const struct arbiter_choice choice = {.arbiter = &counter};
    struct entitlement out[3];
    struct entitle entitle;

    (void)state;
    for (unsigned away = 1; away < 4; away++) {
        assert_int_equal(entitle_init(&entitle, &allocator, &choice, FRAMES), 0);
        run_at(&entitle, 1, all, 3, 0, out);
        run_at(&entitle, 2, all, 3, 0, out);
        for (unsigned i = 0; i < away; i++)
            run_at(&entitle, 3 + i, all, 1, 0, out);
        run_at(&entitle, 10, all, 3, 0, out);
        assert_true(out[0].frames > 2);
        assert_int_equal(out[1].frames, 2); /* it was seen by the question of the first */
        assert_int_equal(out[2].frames, 2);
        run_at(&entitle, 11, other, 2, 0, out);
        assert_int_equal(out[0].frames, 2);
        assert_int_equal(out[1].frames, 2);
        entitle_fini(&entitle);
    }
}

/* What it is entitled to beyond its promises ends where its contract does. */
static void test_nobody_is_entitled_to_more_than_its_contract_allows(void **state)
{
    struct sp_arbiter_task tasks[] = {task_of(1, 90, 0), task_of(2, 0, 0)};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    tasks[0].guaranteed = 20;
    tasks[0].leased = 30;
    tasks[0].recallable = 40;
    tasks[0].extra = 60; /* of which it has 40 */
    start(&entitle, "maxmin");
    run_at(&entitle, 1, tasks, 2, 500, out);
    assert_int_equal(out[0].frames, 20 + 30 + 60);
    tasks[0].extra = 40;
    run_at(&entitle, 2, tasks, 2, 500, out);
    assert_int_equal(out[0].frames, 90);
    entitle_fini(&entitle);
}

static void lack_memory(bool once_only)
{
    struct arbiter_choice choice;
    struct sp_arbiter_task tasks[] = {task_of(1, 600, 0)};
    const struct entitle_books books = {.spare = 0};
    struct entitlement out[1];
    struct entitle entitle;
    unsigned failures = 0;
    int rc = -ENOMEM;

    once = once_only;
    assert_int_equal(arbiter_registry_choose(&choice, "karma", NULL), 0);
    for (unsigned calls = 0; rc != 0; calls++) {
        calls_left = calls;
        rc = entitle_init(&entitle, &allocator, &choice, FRAMES);
        if (rc == 0)
            rc = entitle_round(&entitle, 1, tasks, 1, &books, out);
        assert_true(rc == 0 || rc == -ENOMEM);
        failures += rc != 0;
        entitle_fini(&entitle);
        assert_int_equal(bytes, 0);
    }
    assert_true(failures > 4);
    once = false;
}

static void test_no_memory(void **state)
{
    (void)state;
    lack_memory(false);
    lack_memory(true);
}

/* Counts its questions, in its own state and in that of each task. */
static size_t counting_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(uint64_t);
}

static uint32_t counting_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                                size_t count, const struct sp_arbiter_request *request,
                                uint32_t *takes)
{
    uint64_t *questions = self;

    (void)now;
    (void)takes;
    ++*questions;
    for (size_t i = 0; i < count; i++)
        ++*(uint64_t *)tasks[i].own;
    return request->frames;
}

static const struct sp_arbiter counting = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "counting",
    .size = counting_size,
    .task_size = counting_size,
    .decide = counting_decide,
};

/* Nobody wants anything: all that is asked is what would be, and no state remembers it. */
static void test_what_would_be_leaves_no_trace(void **state)
{
    const struct sp_arbiter_task tasks[] = {task_of(1, 40, 0), task_of(2, 600, 0)};
    struct arbiter_choice choice = {.arbiter = &counting};
    struct entitlement out[2];
    struct entitle entitle;

    (void)state;
    assert_int_equal(entitle_init(&entitle, &allocator, &choice, FRAMES), 0);
    run_at(&entitle, 1, tasks, 2, 0, out);
    assert_true(out[0].frames > 40); /* it was asked */
    assert_int_equal(*(uint64_t *)entitle.self, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(*(uint64_t *)(void *)(entitle.own + i * entitle.own_size), 0);
    entitle_fini(&entitle);
}

#define ENTITLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENTITLE_TEST(test_maxmin_divides_evenly),
        ENTITLE_TEST(test_a_task_that_asks_for_nothing_is_entitled_to_its_share),
        ENTITLE_TEST(test_without_grants_all_are_entitled),
        ENTITLE_TEST(test_priorities_are_laid_down),
        ENTITLE_TEST(test_state_follows_the_task),
        ENTITLE_TEST(test_whoever_comes_again_is_new),
        ENTITLE_TEST(test_nobody_is_entitled_to_more_than_its_contract_allows),
        ENTITLE_TEST(test_no_memory),
        ENTITLE_TEST(test_what_would_be_leaves_no_trace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
