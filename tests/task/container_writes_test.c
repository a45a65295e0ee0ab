/* Pages of regions on containers that were written: they go to swap, and come back, between real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "fixture.h"
#include "live.h"
#include "regions.h"
#include "scale.h"

/* The string of a variable that a task no longer has: else it is a leak. */
const char *kept_from_memcheck;

/* ---- One task ---- */

/* Frames of a physmem all of which one task can have. */
#define SMALL 256u

#define ENDED_REGIONS (scale_is_slow() ? 4u : 40u)
#define WRITES        (scale_is_slow() ? 60u : 600u)

/* Writes to pages at random, and compares each with what was written to it before. */
static void write_at_random(char *base, size_t pages, size_t from, unsigned writes, unsigned seed)
{
    struct random_source random = random_seeded(seed);
    unsigned char written[PAGES] = {0};

    for (unsigned i = 0; i < writes; i++) {
        size_t page = random_below(&random, pages);
        char *bytes = base + page * PAGE;
        size_t at = page % 7;

        CHECK(bytes[PAGE - 1] == mark(from + page));
        CHECK(written[page] == 0 ? bytes[at] == mark(from + page)
                                 : (unsigned char)bytes[at] == written[page]);
        if (random_below(&random, 2) == 0)
            continue;
        written[page] = (unsigned char)(1 + random_below(&random, 255));
        bytes[at] = (char)written[page];
    }
    for (size_t page = 0; page < pages; page++)
        CHECK(base[page * PAGE + page % 7] ==
              (written[page] == 0 ? mark(from + page) : (char)written[page]));
}

/* A private region of 200 pages with frames for 20. */
static int write_more_than_fits(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    char *base = open_or_exit(
        task, &(struct sp_container_region){
                  .pages = PAGES, .flags = SP_MAP_WRITE, .source = source, .frames = 20});
    char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 60});
    struct sp_availability availability;

    (void)arg;
    for (unsigned round = 0; round < 2; round++) {
        write_at_random(base, PAGES, 0, WRITES, round + 1);
        CHECK(sp_get_availability(task, &availability, NULL) == 0);
        CHECK(round > 0 || availability.held <= PAGES + 20);
        for (size_t i = 0; i < 60; i++)
            memory[i * PAGE] = (char)i;
        for (size_t i = 0; i < PAGES; i++)
            memset(base + i * PAGE, mark(i), PAGE);
    }
    CHECK(sp_container_unmap(task, base, NULL) == 0);
    return sp_detach(&task);
}

static void expect_swap_empty(struct sp_testing *fixture)
{
    struct sp_error error;

    if (sp_testing_await(fixture, "physmem.swap_pages == 0", &error) != 0)
        fail_msg("%s", error.text);
}

/* Nothing is left in swap, and every frame is back. */
static void expect_nothing_left(struct sp_testing *fixture)
{
    struct sp_error error;

    if (sp_testing_await(fixture, "physmem.swap_pages == 0", &error) != 0 ||
        sp_testing_await(fixture, "physmem.free == physmem.frames", &error) != 0 ||
        sp_testing_await(fixture, "swap.reserved == 0", &error) != 0)
        fail_msg("%s", error.text);
}

static void test_pages_that_were_written_go_to_swap_and_come_back(void **state)
{
    struct sp_testing_task_status status;
    struct sp_testing_physmem physmem;

    expect_success(begin(*state, "writer", "guaranteed=244", write_more_than_fits, NULL));
    assert_int_equal(sp_testing_task_status(*state, "writer", &status, NULL), 0);
    assert_int_equal(status.breached, 0);
    assert_int_equal(sp_testing_physmem_status(*state, &physmem, NULL), 0);
    assert_true(physmem.swapped > PAGES);
    assert_true(physmem.swap_recovered > 0);
    expect_nothing_left(*state);
}

/* Others need the frames of all that was stored, which has to be loaded. */
static int write_beside_a_glutton(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 40);
    char *base =
        open_or_exit(task, &(struct sp_container_region){
                               .pages = 40, .flags = SP_MAP_WRITE, .source = source, .frames = 8});

    (void)arg;
    for (size_t i = 0; i < 40; i++)
        memset(base + i * PAGE, 'A' + (int)(i % 26), PAGE);
    need_all_frames(task);
    for (size_t i = 0; i < 40; i++)
        CHECK(base[i * PAGE] == 'A' + (char)(i % 26) &&
              base[i * PAGE + PAGE - 1] == 'A' + (char)(i % 26));
    return sp_detach(&task);
}

/* A fixture with this many frames. */
static struct sp_testing *start_with(uint32_t frames)
{
    const struct sp_testing_options options = {.physmem_frames = frames};
    struct sp_testing *fixture;
    struct sp_error error;

    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    return fixture;
}

static void test_what_was_written_is_loaded_when_others_needed_its_frames(void **state)
{
    struct sp_testing *fixture = start_with(SMALL);
    struct sp_testing_physmem physmem;

    (void)state;
    expect_success(begin(fixture, NULL, "guaranteed=100;extra=156", write_beside_a_glutton, NULL));
    assert_int_equal(sp_testing_physmem_status(fixture, &physmem, NULL), 0);
    assert_true(physmem.swap_loaded > 0);
    expect_nothing_left(fixture);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

static int write_without_swap(void *arg)
{
    struct sp_task *task;
    sp_container source;
    char *base;

    (void)arg;
    task = attach_or_exit(NULL);
    source = source_or_exit(task, PAGES);
    base = open_or_exit(task,
                        &(struct sp_container_region){
                            .pages = PAGES, .flags = SP_MAP_WRITE, .source = source, .frames = 20});
    write_at_random(base, PAGES, 0, WRITES, 5);
    return sp_detach(&task);
}

static void test_what_was_written_stays_where_there_is_no_swap(void **state)
{
    const struct sp_testing_options options = {.swap_slots = SP_TESTING_NO_SWAP};
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    expect_success(begin(fixture, NULL, "guaranteed=450", write_without_swap, NULL));
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

/* ---- Trouble ---- */

/* As fill_and_wait, for pages that were written. */
static int write_and_wait(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 20);
    volatile char *base =
        open_or_exit(task, &(struct sp_container_region){
                               .pages = 20, .flags = SP_MAP_WRITE, .source = source, .frames = 40});
    char word = 0;

    (void)arg;
    for (size_t i = 0; i < 20; i++)
        base[i * PAGE] = (char)~mark(i);
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1);
    for (size_t i = 0; i < 20; i++)
        CHECK(base[i * PAGE] == (char)~mark(i) && base[i * PAGE + 1] == mark(i));
    return sp_detach(&task);
}

static void test_a_recall_is_met_with_pages_that_go_to_swap(void **state)
{
    expect_recall_met(*state, write_and_wait);
    expect_nothing_left(*state);
}

static uint64_t now_ms(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* How long is watched, what of that time a refused request takes at least, and the messages of one. */
#define WATCHED_MS 300u
#define REFUSED_MS 10u
#define REFUSED    2u

static void test_a_recall_that_swap_has_no_room_for_does_not_keep_physmem_busy(void **state)
{
    const struct sp_testing_options options = {.swap_slots = 4};
    struct sp_testing_physmem before, after;
    struct sp_testing *fixture;
    struct sp_testing_task *task;
    struct sp_error error;
    uint64_t begun, taken, looks = 0;
    char word = 0;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    task = begin(fixture, "giver", "guaranteed=20;extra=20,drop=20s", write_and_wait, NULL);
    hear(ends[0], &word, 1);
    assert_int_equal(sp_testing_recall(fixture, "giver", 15, NULL), 0);
    assert_int_equal(sp_testing_physmem_status(fixture, &before, NULL), 0);
    begun = now_ms();
    do {
        assert_int_equal(sp_testing_physmem_status(fixture, &after, NULL), 0);
        looks++;
        taken = now_ms() - begun;
    } while (taken < WATCHED_MS ||
             after.messages - before.messages <= looks + REFUSED); /* it is asked again */
    assert_true(after.messages - before.messages <= looks + REFUSED * (taken / REFUSED_MS + 3));
    say(ends[0], &word, 1);
    close(ends[0]);
    close(ends[1]);
    expect_success(task);
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

static struct sp_task *crowd;
static char *crowd_base;

#define WRITERS 4u

static void *write_a_quarter(void *arg)
{
    size_t quarter = (size_t)(uintptr_t)arg;
    char *base = crowd_base + quarter * (PAGES / WRITERS) * PAGE;

    CHECK(sp_thread_begin(crowd) == 0);
    write_at_random(base, PAGES / WRITERS, quarter * (PAGES / WRITERS), WRITES / 2,
                    (unsigned)quarter);
    sp_thread_end(crowd);
    return NULL;
}

static int write_in_a_crowd(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    pthread_t thread[WRITERS];

    (void)arg;
    crowd = task;
    crowd_base = open_or_exit(
        task, &(struct sp_container_region){
                  .pages = PAGES, .flags = SP_MAP_WRITE, .source = source, .frames = 32});
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&thread[i], NULL, write_a_quarter, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    return sp_detach(&task);
}

static void test_threads_write_one_region_that_goes_to_swap(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=250", write_in_a_crowd, NULL));
    expect_nothing_left(*state);
}

static char *crowd_bases[WRITERS];

static void *write_one_of_many(void *arg)
{
    size_t quarter = (size_t)(uintptr_t)arg;

    CHECK(sp_thread_begin(crowd) == 0);
    write_at_random(crowd_bases[quarter], PAGES / WRITERS, quarter * (PAGES / WRITERS), WRITES / 2,
                    (unsigned)quarter);
    sp_thread_end(crowd);
    return NULL;
}

/* Each region alone could have the frames that there are for all. */
static int write_regions_that_share(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    pthread_t thread[WRITERS];

    (void)arg;
    crowd = task;
    for (size_t i = 0; i < WRITERS; i++)
        crowd_bases[i] = open_or_exit(
            task, &(struct sp_container_region){.pages = PAGES / WRITERS,
                                                .flags = SP_MAP_WRITE,
                                                .source = source,
                                                .source_first = (uint32_t)i * (PAGES / WRITERS),
                                                .frames = 40});
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&thread[i], NULL, write_one_of_many, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    return sp_detach(&task);
}

static void test_threads_whose_regions_share_few_frames_wait_for_each_other(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=212", write_regions_that_share, NULL));
    expect_nothing_left(*state);
}

static sp_container crowd_source;

static void *write_and_end_regions(void *arg)
{
    const struct sp_container_region region = {
        .pages = 50, .flags = SP_MAP_WRITE, .source = crowd_source, .frames = 50};

    (void)arg;
    CHECK(sp_thread_begin(crowd) == 0);
    for (unsigned i = 0; i < ENDED_REGIONS; i++) {
        char *base = open_or_exit(crowd, &region);

        for (size_t page = 0; page < 50; page++)
            base[page * PAGE] = 1;
        CHECK(sp_container_unmap(crowd, base, NULL) == 0);
    }
    sp_thread_end(crowd);
    return NULL;
}

/* Regions end while another thread has their pages stored, since it needs frames. */
static int end_regions_beside_others(void *arg)
{
    pthread_t thread[WRITERS];
    char word = 0;

    (void)arg;
    crowd = attach_or_exit(NULL);
    crowd_source = source_or_exit(crowd, 50);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&thread[i], NULL, write_and_end_regions, NULL) == 0);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1);
    return sp_detach(&crowd);
}

static void test_a_region_that_ends_leaves_nothing_in_swap(void **state)
{
    struct sp_testing_task *task;
    char word = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    task = begin(*state, NULL, "guaranteed=90", end_regions_beside_others, NULL);
    hear(ends[0], &word, 1);
    expect_swap_empty(*state);
    say(ends[0], &word, 1);
    close(ends[0]);
    close(ends[1]);
    expect_success(task);
}

static void test_what_was_written_survives_mappings_that_physmem_takes(void **state)
{
    struct sp_testing_options options = {.chaos_unmap = 20000};
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    expect_success(begin(fixture, NULL, "guaranteed=250", write_in_a_crowd, NULL));
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

/* What was stored is lost with the swap server, as soon as its frame is: the access says so, and nothing else comes
 * in its place. */
static int lose_what_was_stored(void *arg)
{
    struct sp_task *task;
    volatile char *base;
    const char *server = getenv("SELFPAGE_SWAP");
    char word = 0;

    (void)arg;
    kept_from_memcheck = server - sizeof("SELFPAGE_SWAP=") + 1;
    CHECK(server != NULL && unsetenv("SELFPAGE_SWAP") == 0); /* the pager would end with it */
    task = attach_or_exit(NULL);
    base = open_or_exit(task, &(struct sp_container_region){.pages = 40,
                                                            .flags = SP_MAP_WRITE,
                                                            .source = source_or_exit(task, 40),
                                                            .frames = 8});
    for (size_t i = 0; i < 40; i++)
        base[i * PAGE] = (char)~mark(i);
    need_all_frames(task);
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1);
    CHECK(base[39 * PAGE] == (char)~mark(39)); /* still here */
    return base[0];
}

static void test_what_was_written_and_is_lost_is_not_filled_again(void **state)
{
    struct sp_testing *fixture = start_with(SMALL);
    struct sp_testing_task *task;
    char word = 0;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    task = begin(fixture, NULL, "guaranteed=100;extra=156", lose_what_was_stored, NULL);
    hear(ends[0], &word, 1);
    assert_int_equal(sp_testing_kill(fixture, SP_TESTING_SWAP), 0);
    say(ends[0], &word, 1);
    expect_refusal(task, "cannot be had back from swap");
    (void)sp_testing_stop(&fixture, NULL);
    close(ends[0]);
    close(ends[1]);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, sp_testing_setup, sp_testing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pages_that_were_written_go_to_swap_and_come_back),
        cmocka_unit_test(test_what_was_written_is_loaded_when_others_needed_its_frames),
        cmocka_unit_test(test_what_was_written_stays_where_there_is_no_swap),
        TEST(test_a_recall_is_met_with_pages_that_go_to_swap),
        cmocka_unit_test(test_a_recall_that_swap_has_no_room_for_does_not_keep_physmem_busy),
        TEST(test_threads_write_one_region_that_goes_to_swap),
        TEST(test_threads_whose_regions_share_few_frames_wait_for_each_other),
        TEST(test_a_region_that_ends_leaves_nothing_in_swap),
        cmocka_unit_test(test_what_was_written_survives_mappings_that_physmem_takes),
        cmocka_unit_test(test_what_was_written_and_is_lost_is_not_filled_again),
    };

    return cmocka_run_group_tests_name("task/container_writes", tests, NULL, NULL);
}
