/* Regions on containers: selfpage/container.h, between real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <valgrind/valgrind.h>

#include <selfpage/testing.h>

#include "fixture.h"
#include "live.h"
#include "regions.h"
#include "scale.h"

/* ---- One task ---- */

static int read_and_write(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    const char *shared =
        open_or_exit(task, &(struct sp_container_region){.pages = PAGES, .source = source});
    char *private = open_or_exit(
        task, &(struct sp_container_region){
                  .pages = PAGES - 5, .flags = SP_MAP_WRITE, .source = source, .source_first = 5});

    (void)arg;
    for (size_t i = PAGES; i-- > 0;)
        CHECK(has_mark(shared, i, i));
    for (size_t i = 0; i < PAGES - 5; i++)
        CHECK(has_mark(private, i, i + 5));
    private[3 * PAGE] = 'p';
    private[4 * PAGE + 1] = 'q';
    CHECK(shared[8 * PAGE] == mark(8) && private[3 * PAGE] == 'p' &&
          private[3 * PAGE + 1] == mark(8));
    CHECK(private[4 * PAGE] == mark(9) && private[4 * PAGE + 1] == 'q');
    CHECK(sp_container_destroy(task, source, NULL) == 0);
    CHECK(has_mark(shared, 8, 8) && private[3 * PAGE] == 'p');
    CHECK(sp_container_unmap(task, private, NULL) == 0);
    CHECK(sp_container_unmap(task, private, NULL) == -EINVAL);
    return sp_detach(&task);
}

static void test_a_region_shows_its_source_and_a_write_is_the_regions_alone(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, NULL, "guaranteed=900", read_and_write, NULL));
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.copies, 2 * PAGES - 5);
    assert_int_equal(status.broken, 2);
    assert_int_equal(status.moved, PAGES + 2); /* the source's pages, once, and what was written */
    assert_int_equal(status.free, status.frames);
}

/* Few frames: pages that were not written come and go, the others stay. */
static int come_and_go(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    char *base = open_or_exit(
        task, &(struct sp_container_region){
                  .pages = PAGES, .flags = SP_MAP_WRITE, .source = source, .frames = 20});
    char *memory = region_or_exit(task, &(struct sp_region_options){.pages = 100});
    struct sp_availability availability;

    (void)arg;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < PAGES; i++) {
            CHECK(has_mark(base, i, i) || (i % 50 == 7 && base[i * PAGE] == 'w'));
            if (i % 50 == 7)
                base[i * PAGE] = 'w';
            memory[i % 100 * PAGE] = (char)i;
        }
        CHECK(sp_get_availability(task, &availability, NULL) == 0);
        /* The source, what may be filled, what was written, and what the pager has. */
        CHECK(availability.held <= PAGES + 20 + 4 + 20);
    }
    CHECK(base[7 * PAGE] == 'w' && base[7 * PAGE + 1] == mark(7));
    return sp_detach(&task);
}

static void test_pages_that_were_not_written_make_room(void **state)
{
    struct sp_testing_task_status status;

    expect_success(begin(*state, "few", "guaranteed=244", come_and_go, NULL));
    assert_int_equal(sp_testing_task_status(*state, "few", &status, NULL), 0);
    assert_int_equal(status.breached, 0);
}

/* Regions of the pager and on containers that want all frames, each for itself. */
static int share_few_frames(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 60);
    const struct sp_container_region options = {
        .pages = 60, .flags = arg != NULL ? SP_MAP_WRITE : 0, .source = source};
    char *base[2], *memory;

    for (size_t i = 0; i < 2; i++)
        base[i] = open_or_exit(task, &options);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = 50});
    for (size_t i = 0; i < 32; i++) {
        for (size_t k = 0; k < 2; k++) {
            CHECK(base[k][i % 60 * PAGE + 1] == mark(i % 60));
            if (arg != NULL)
                base[k][i % 60 * PAGE] = 'w';
        }
        CHECK(memory[i % 25 * PAGE] == (i < 25 ? '\0' : 'm'));
        memory[i % 25 * PAGE] = 'm';
    }
    return sp_detach(&task);
}

static void test_regions_on_containers_leave_frames_to_the_pager(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=100", share_few_frames, NULL));
    expect_success(begin(*state, NULL, "guaranteed=100", share_few_frames, "writing"));
}

/* ---- Functions that fill ---- */

struct supplier {
    struct sp_task *task;
    sp_container source;
    uint32_t calls;
    bool in_order;
};

static int supply(void *arg, sp_container container, uint32_t slot, uint32_t page, uint32_t count)
{
    struct supplier *supplier = arg;

    supplier->calls++;
    supplier->in_order = supplier->in_order && slot == page + 3 && count > 0 &&
                         page / SP_SUPPLY_PAGES == (page + count - 1) / SP_SUPPLY_PAGES;
    if (page >= 64)
        return EIO;
    return sp_container_copy(supplier->task, supplier->source, page, container, slot, count, NULL,
                             NULL);
}

static char *open_supplied(struct supplier *supplier, uint32_t frames)
{
    sp_container container;

    *supplier = (struct supplier){.task = attach_or_exit(NULL), .in_order = true};
    supplier->source = source_or_exit(supplier->task, PAGES);
    CHECK(sp_container_create(supplier->task, PAGES + 3, &container, NULL) == 0);
    return open_or_exit(supplier->task, &(struct sp_container_region){.container = container,
                                                                      .first = 3,
                                                                      .pages = PAGES,
                                                                      .flags = SP_MAP_WRITE,
                                                                      .supply = supply,
                                                                      .supply_arg = supplier,
                                                                      .frames = frames});
}

static int call_a_function(void *arg)
{
    struct supplier supplier;
    char *base = open_supplied(&supplier, 0);

    (void)arg;
    for (size_t i = 0; i < 64; i++)
        CHECK(has_mark(base, i, i));
    CHECK(supplier.in_order && supplier.calls == 4);
    base[5 * PAGE] = 'x';
    CHECK(base[5 * PAGE + 1] == mark(5) && supplier.calls == 4);
    return sp_detach(&supplier.task);
}

static void test_a_function_fills_groups_of_pages(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=500", call_a_function, NULL));
}

static int come_back(void *arg)
{
    struct supplier supplier;
    const char *base = open_supplied(&supplier, 16);

    (void)arg;
    for (unsigned round = 0; round < 3; round++)
        for (size_t i = 0; i < 64; i++)
            CHECK(has_mark(base, i, i));
    CHECK(supplier.calls == 64 / 4); /* of a quarter of its frames, in the first round */
    need_all_frames(supplier.task);
    for (size_t i = 0; i < 64; i++)
        CHECK(has_mark(base, i, i));
    CHECK(supplier.in_order && supplier.calls > 64 / 4);
    return sp_detach(&supplier.task);
}

static void test_what_was_given_back_comes_back_as_long_as_nobody_needs_its_frame(void **state)
{
    struct sp_testing_physmem status;

    expect_success(begin(*state, NULL, "guaranteed=300;extra=724", come_back, NULL));
    assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    assert_int_equal(status.free, status.frames);
}

static int call_one_that_fails(void *arg)
{
    struct supplier supplier;
    const volatile char *base = open_supplied(&supplier, 0);

    (void)arg;
    return base[64 * PAGE];
}

static void test_what_a_function_cannot_fill_is_said_and_ends_the_program(void **state)
{
    expect_refusal(begin(*state, NULL, "guaranteed=500", call_one_that_fails, NULL),
                   "page 64 of a region on container");
    expect_refusal(begin(*state, NULL, "guaranteed=500", call_one_that_fails, NULL),
                   "Input/output error");
}

/* ---- What cannot be ---- */

static int refuse_what_is_wrong(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 10);
    struct sp_container_region region = {.pages = 10, .source = source};
    sp_container container;
    struct sp_error error;
    void *base, *other;

    (void)arg;
    CHECK(sp_container_create(task, 10, &container, NULL) == 0);
#define REFUSED(code, ...)                                                                         \
    CHECK(sp_container_region_create(task, &(struct sp_container_region){__VA_ARGS__}, &base,      \
                                     &error) == (code))
    REFUSED(-EINVAL, .pages = 0, .source = source);
    REFUSED(-EINVAL, .pages = SP_CONTAINER_PAGES + 1, .source = source);
    REFUSED(-EINVAL, .pages = 1);
    REFUSED(-EINVAL, .pages = 1, .flags = 2, .source = source);
    REFUSED(-EINVAL, .pages = 1, .source = source, .supply = supply);
    REFUSED(-EINVAL, .pages = 1, .first = 1, .source = source);
    REFUSED(-EINVAL, .pages = 1, .source = source, .container = source);
    REFUSED(-EINVAL, .pages = 1, .source = source, .frames = 3);
    REFUSED(-EINVAL, .pages = 2, .source = source, .source_first = UINT32_MAX);
    REFUSED(-EINVAL, .pages = 10, .first = 1, .source = source, .container = container);
    REFUSED(-EPERM, .pages = 10, .container = 4711);
#undef REFUSED
    region.container = container;
    CHECK(sp_container_region_create(task, &region, &base, NULL) == 0);
    CHECK(sp_container_region_create(task, &region, &other, &error) == -EEXIST);
    CHECK(sp_container_destroy(task, container, &error) == -EBUSY);
    CHECK(sp_container_unmap(task, base, NULL) == 0);
    CHECK(sp_container_region_create(task, &region, &base, NULL) == 0);
    CHECK(has_mark(base, 9, 9));
    return sp_detach(&task);
}

static void test_arguments_are_checked(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=50", refuse_what_is_wrong, NULL));
}

static int touch_a_hole(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 40);
    const volatile char *base =
        open_or_exit(task, &(struct sp_container_region){.pages = 40, .source = source});

    CHECK(sp_container_deallocate(task, source, 20, 1, NULL) == 1);
    for (size_t i = 0; i < 40; i++)
        CHECK(i == 20 || base[i * PAGE] == mark(i));
    if (arg != NULL)
        return base[20 * PAGE];
    /* A frame comes to the source later. */
    CHECK(sp_container_allocate(task, source, 20, 1, SP_ALLOCATE_ZERO, NULL) == 1);
    CHECK(base[20 * PAGE] == 0);
    return sp_detach(&task);
}

static void test_a_hole_of_the_source_harms_no_other_page(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=100", touch_a_hole, NULL));
    expect_refusal(begin(*state, NULL, "guaranteed=100", touch_a_hole, "at last"),
                   "the slot there has no frame");
}

static int write_what_is_read_only(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 1);
    volatile char *base =
        open_or_exit(task, &(struct sp_container_region){.pages = 1, .source = source});

    (void)arg;
    CHECK(base[0] == mark(0));
    base[0] = 'x';
    return 0;
}

static void test_a_write_to_a_shared_region_ends_the_program(void **state)
{
    expect_refusal(begin(*state, NULL, "guaranteed=8", write_what_is_read_only, NULL), "");
}

/* Without source and function, a region is a mapping of what its slots hold. */
static int show_slots(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container container = source_or_exit(task, 20);
    volatile char *base = open_or_exit(
        task, &(struct sp_container_region){
                  .container = container, .first = 5, .pages = 15, .flags = SP_MAP_WRITE});

    CHECK(base[0] == mark(5));
    base[0] = 'x';
    CHECK(sp_container_deallocate(task, container, 6, 1, NULL) == 1 && base[0] == 'x');
    return arg != NULL ? base[PAGE] : sp_detach(&task);
}

static void test_a_region_without_a_source_shows_slots(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=20", show_slots, NULL));
    expect_refusal(begin(*state, NULL, "guaranteed=20", show_slots, "the hole, too"),
                   "it has no frame");
}

/* ---- Trouble ---- */

static int read_and_write_in_trouble(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 64);
    char *base =
        open_or_exit(task, &(struct sp_container_region){
                               .pages = 64, .flags = SP_MAP_WRITE, .source = source, .frames = 32});
    unsigned rounds = scale_is_slow() ? 2 : 30;

    (void)arg;
    for (unsigned round = 0; round < rounds; round++)
        for (size_t i = 0; i < 64; i++) {
            CHECK(base[i * PAGE] == (i % 8 == 3 && round > 0 ? (char)round : mark(i)));
            if (i % 8 == 3)
                base[i * PAGE] = (char)(round + 1);
        }
    return sp_detach(&task);
}

static void test_contents_outlive_mappings_that_physmem_takes(void **state)
{
    struct sp_testing_options options = {.chaos_unmap = 20000};
    struct sp_testing *fixture;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    expect_success(begin(fixture, NULL, "guaranteed=130", read_and_write_in_trouble, NULL));
    assert_int_equal(sp_testing_stop(&fixture, NULL), 0);
}

static int fill_and_wait(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 20);
    const volatile char *base =
        open_or_exit(task, &(struct sp_container_region){.pages = 200, .source = source});
    char word = 0;

    (void)arg;
    for (size_t i = 0; i < 20; i++)
        CHECK(base[i * PAGE] == mark(i));
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1);
    for (size_t i = 0; i < 20; i++)
        CHECK(base[i * PAGE] == mark(i));
    return sp_detach(&task);
}

static void test_a_recall_is_met_with_pages_that_can_be_filled_again(void **state)
{
    expect_recall_met(*state, fill_and_wait);
}

static struct sp_task *crowd;
static const char *crowd_base;

static void *read_all(void *arg)
{
    size_t step = (size_t)(uintptr_t)arg;

    CHECK(sp_thread_begin(crowd) == 0);
    for (size_t i = 0; i < 4 * (size_t)PAGES; i++)
        CHECK(has_mark(crowd_base, i * step % PAGES, i * step % PAGES));
    sp_thread_end(crowd);
    return NULL;
}

static int read_in_a_crowd(void *arg)
{
    static const unsigned step[4] = {1, 3, 7, 199};
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, PAGES);
    pthread_t thread[4];

    (void)arg;
    crowd = task;
    crowd_base = open_or_exit(
        task, &(struct sp_container_region){.pages = PAGES, .source = source, .frames = 100});
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&thread[i], NULL, read_all, (void *)(uintptr_t)step[i]) == 0);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(thread[i], NULL) == 0);
    return sp_detach(&task);
}

static void test_threads_fill_one_region_together(void **state)
{
    expect_success(begin(*state, NULL, "guaranteed=320", read_in_a_crowd, NULL));
}

/* ---- Deaths ---- */

static int share_and_wait(void *arg)
{
    const struct sp_share_options options = {.rights = SP_SHARE_READ};
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 32);
    struct sp_share share;
    char word;

    (void)arg;
    CHECK(sp_container_share(task, source, &options, &share, NULL) == 0);
    say(ends[0], &share, sizeof(share));
    hear(ends[0], &word, 1); /* which never comes */
    return 1;
}

static int read_what_a_dead_task_left(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_share share;
    struct sp_weak weak;
    char *base, word = 0;

    (void)arg;
    hear(ends[1], &share, sizeof(share));
    CHECK(sp_container_adopt(task, share.container, share.token, &weak, NULL) == 0);
    base = open_or_exit(
        task, &(struct sp_container_region){
                  .pages = 32, .flags = SP_MAP_WRITE, .source = weak.container, .frames = 32});
    for (size_t i = 0; i < 16; i++)
        CHECK(has_mark(base, i, i));
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1); /* the other one is dead */
    for (size_t i = 0; i < 16; i++)
        CHECK(has_mark(base, i, i));
    base[3 * PAGE] = 'w';
    CHECK(base[3 * PAGE] == 'w' && base[3 * PAGE + 1] == mark(3));
    return sp_detach(&task);
}

static void test_what_was_copied_survives_its_owner_and_the_rest_returns(void **state)
{
    struct sp_testing_task *owner, *reader;
    struct sp_testing_physmem status;
    struct sp_testing_result result;
    int words[2];
    char word = 0;

    /* The owner has one pair, and the test stands between it and the reader. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, words), 0);
    owner = begin(*state, "owner", "guaranteed=32", share_and_wait, NULL);
    {
        struct sp_share share;
        int kept = ends[1];

        hear(kept, &share, sizeof(share));
        say(words[0], &share, sizeof(share));
        ends[1] = words[1];
        reader = begin(*state, "reader", "guaranteed=32", read_what_a_dead_task_left, NULL);
        hear(words[0], &word, 1);
        assert_int_equal(kill(sp_testing_task_pid(owner), SIGKILL), 0);
        sp_testing_wait(&owner, &result);
        assert_int_equal(result.signal, SIGKILL);
        do /* only what the reader pays for is left */
            assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
        while (status.free != status.frames - 16);
        say(words[0], &word, 1);
        close(kept);
    }
    expect_success(reader);
    close(ends[0]);
    close(words[0]);
    close(words[1]);
    do
        assert_int_equal(sp_testing_physmem_status(*state, &status, NULL), 0);
    while (status.free != status.frames);
    assert_int_equal(status.shared, 0);
}

/* ---- The stack ---- */

#define PAINT 0x5a

static unsigned char signal_stack[SP_FAULT_STACK + 300000];

/* Reads and writes beside a region of the pager, whose pages have to go. */
static void *page_on_stack(void *arg)
{
    const stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof(signal_stack)};
    volatile char *const *base = arg;

    CHECK(sigaltstack(&stack, NULL) == 0);
    for (size_t i = 0; i < 4 * (size_t)PAGES; i++) {
        (void)base[0][i % PAGES * PAGE];
        base[1][i % PAGES * PAGE] = 'x';
        if (i % 40 == 0)
            base[0][i % PAGES * PAGE] = 'x';
    }
    return NULL;
}

static int use_a_stack(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    const struct sp_container_region region = {
        .pages = PAGES, .flags = SP_MAP_WRITE, .source = source_or_exit(task, PAGES), .frames = 60};
    char *base[2] = {open_or_exit(task, &region),
                     region_or_exit(task, &(struct sp_region_options){.pages = PAGES})};
    size_t untouched = 0;
    pthread_t thread;

    (void)arg;
    memset(signal_stack, PAINT, sizeof(signal_stack));
    CHECK(pthread_create(&thread, NULL, page_on_stack, base) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    while (untouched < sizeof(signal_stack) && signal_stack[untouched] == PAINT)
        untouched++;
    fprintf(stderr, "%zu bytes of stack used\n", sizeof(signal_stack) - untouched);
    CHECK(sizeof(signal_stack) - untouched <= SP_FAULT_STACK + (size_t)sysconf(_SC_MINSIGSTKSZ));
    return sp_detach(&task);
}

static void test_filling_uses_no_more_stack_than_is_said(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
    skip();
#endif
    if (RUNNING_ON_VALGRIND)
        skip();
    expect_success(begin(*state, NULL, "guaranteed=300", use_a_stack, NULL));
}

/* ---- Several tasks ---- */

#define READERS 10u

static int shares[2]; /* as `ends`; weak references travel here, words there */

/* Shares its container with all readers, by tokens; takes it back when they say so. */
static int share_with_all(void *arg)
{
    const struct sp_share_options options = {.rights = SP_SHARE_READ};
    struct sp_task *task = attach_or_exit(NULL);
    sp_container source = source_or_exit(task, 64);
    struct sp_share share;
    char word;

    (void)arg;
    for (unsigned i = 0; i < READERS; i++) {
        CHECK(sp_container_share(task, source, &options, &share, NULL) == 0);
        say(shares[0], &share, sizeof(share));
    }
    for (unsigned i = 0; i < READERS; i++)
        hear(ends[0], &word, 1);
    CHECK(sp_container_revoke(task, source, 0, NULL) == 0);
    for (unsigned i = 0; i < READERS; i++)
        say(ends[0], &word, 1);
    return sp_detach(&task);
}

static int read_what_is_shared(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    const volatile char *base;
    struct sp_share share;
    struct sp_weak weak;
    char word = 0;

    hear(shares[1], &share, sizeof(share));
    CHECK(sp_container_adopt(task, share.container, share.token, &weak, NULL) == 0);
    base = open_or_exit(
        task, &(struct sp_container_region){.pages = 64, .source = weak.container, .frames = 64});
    for (size_t i = 0; i < 48; i++)
        CHECK(base[i * PAGE] == mark(i));
    say(ends[1], &word, 1);
    hear(ends[1], &word, 1);
    for (size_t i = 0; i < 48; i++)
        CHECK(base[i * PAGE] == mark(i));
    return arg != NULL ? base[48 * PAGE] : sp_detach(&task);
}

/* A process that has died is gone before physmem has read that its connections are. */
static void status_when_all_is_free(void **state, struct sp_testing_physmem *status)
{
    for (unsigned looks = 0; looks < 100000; looks++) {
        assert_int_equal(sp_testing_physmem_status(*state, status, NULL), 0);
        if (status->free == status->frames)
            return;
        sched_yield();
    }
    fail_msg("%u of %u frames do not come back", status->frames - status->free, status->frames);
}

static void test_ten_tasks_show_one_page_and_keep_it_when_the_owner_takes_it_back(void **state)
{
    struct sp_testing_task *reader[READERS], *owner;
    struct sp_testing_physmem status;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, shares), 0);
    owner = begin(*state, "owner", "guaranteed=64", share_with_all, NULL);
    for (unsigned i = 0; i < READERS; i++)
        reader[i] = begin(*state, NULL, "guaranteed=64;extra=16", read_what_is_shared,
                          i == 0 ? "to the end" : NULL);
    expect_refusal(reader[0], "not shared any more");
    for (unsigned i = 1; i < READERS; i++)
        expect_success(reader[i]);
    expect_success(owner);
    close(ends[0]);
    close(ends[1]);
    close(shares[0]);
    close(shares[1]);
    status_when_all_is_free(state, &status);
    assert_int_equal(status.copies, READERS * 48);
    assert_true(status.moved <= 2 * 64); /* once for the first reader, and no more for the others */
    assert_int_equal(status.breaches, 0);
}

#define TEST(function)                                                                             \
    cmocka_unit_test_setup_teardown(function, sp_testing_setup, sp_testing_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_region_shows_its_source_and_a_write_is_the_regions_alone),
        TEST(test_pages_that_were_not_written_make_room),
        TEST(test_regions_on_containers_leave_frames_to_the_pager),
        TEST(test_a_function_fills_groups_of_pages),
        TEST(test_what_was_given_back_comes_back_as_long_as_nobody_needs_its_frame),
        TEST(test_what_a_function_cannot_fill_is_said_and_ends_the_program),
        TEST(test_arguments_are_checked),
        TEST(test_a_hole_of_the_source_harms_no_other_page),
        TEST(test_a_write_to_a_shared_region_ends_the_program),
        TEST(test_a_region_without_a_source_shows_slots),
        cmocka_unit_test(test_contents_outlive_mappings_that_physmem_takes),
        TEST(test_a_recall_is_met_with_pages_that_can_be_filled_again),
        TEST(test_threads_fill_one_region_together),
        TEST(test_what_was_copied_survives_its_owner_and_the_rest_returns),
        TEST(test_filling_uses_no_more_stack_than_is_said),
        TEST(test_ten_tasks_show_one_page_and_keep_it_when_the_owner_takes_it_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
