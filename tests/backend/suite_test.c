/* What the swap server relies on, of every backend in the registry; and no backend is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "backend/registry.h"
#include "scratch.h"

#define PAGES       64u
#define HEAD        (2 * SWAP_PAGE)
#define THREADS     4u
#define STORIES_MAX 128u

struct device {
    const struct swap_backend *backend;
    struct scratch scratch;
    char place[128];
    void *state;
    struct swap_backend_facts facts;
    struct sp_error error;
};

/* A place that does not exist, of the kind that the backend's help names. */
static void place_make(struct device *device, const struct swap_backend *backend)
{
    *device = (struct device){.backend = backend};
    scratch_init(&device->scratch);
    if (strcmp(backend->place, "PATH") == 0)
        strcpy(device->place, scratch_path(&device->scratch, "device"));
    else if (backend->filter)
        snprintf(device->place, sizeof(device->place), "file:%s",
                 scratch_path(&device->scratch, "device"));
    else if (backend->place[0] != '\0')
        fail_msg("%s: teach place_make what a %s is", backend->name, backend->place);
}

static int device_open(struct device *device, uint32_t pages, bool keep)
{
    const struct swap_backend_wish wish = {.place = device->place,
                                           .pages = pages,
                                           .head = keep ? HEAD : 0,
                                           .keep = keep,
                                           .find = backend_registry_find};
    int code = device->backend->open(&device->state, &wish, &device->facts, &device->error);

    if (code < 0)
        assert_true(device->error.text[0] != '\0');
    return code;
}

static int device_finish(struct device *device)
{
    return device->backend->finish(device->state, &device->facts, &device->error);
}

static void device_start(struct device *device, bool keep)
{
    assert_int_equal(device_open(device, PAGES, keep), 0);
    assert_int_equal(device_finish(device), 0);
    assert_non_null(device->facts.how);
    assert_true(device->facts.how[0] != '\0');
}

static uint8_t *pages_new(uint32_t count)
{
    uint8_t *pages = aligned_alloc(SWAP_PAGE, (size_t)count * SWAP_PAGE);

    assert_non_null(pages);
    return pages;
}

static void page_fill(uint8_t *page, uint32_t tag)
{
    for (uint32_t i = 0; i < SWAP_PAGE; i += sizeof(tag))
        memcpy(page + i, &tag, sizeof(tag));
}

/* Is every word of the page the tag? Threads call it, in which CMocka's asserts may not fail. */
static bool page_is(const uint8_t *page, uint32_t tag)
{
    for (uint32_t i = 0; i < SWAP_PAGE; i += sizeof(tag))
        if (memcmp(page + i, &tag, sizeof(tag)) != 0)
            return false;
    return true;
}

static void pages_write(struct device *device, uint32_t page, uint32_t count, uint32_t tag)
{
    uint8_t *pages = pages_new(count);

    for (uint32_t i = 0; i < count; i++)
        page_fill(pages + (size_t)i * SWAP_PAGE, tag + i);
    assert_int_equal(device->backend->write(device->state, page, count, pages), 0);
    free(pages);
}

static void pages_expect(struct device *device, uint32_t page, uint32_t count, uint32_t tag)
{
    uint8_t *pages = pages_new(count);

    assert_int_equal(device->backend->read(device->state, page, count, pages), 0);
    for (uint32_t i = 0; i < count; i++)
        assert_true(page_is(pages + (size_t)i * SWAP_PAGE, tag + i));
    free(pages);
}

static void a_backend_has_all_that_is_required(void **state)
{
    const struct swap_backend *backend = *state;
    const char *place = NULL;
    char device[96];

    assert_true(backend->name != NULL && backend->name[0] != '\0');
    assert_null(strchr(backend->name, ':'));
    assert_non_null(backend->place);
    assert_true(backend->help != NULL && backend->help[0] != '\0');
    assert_null(strchr(backend->help, '\n'));
    assert_true(backend->open && backend->finish && backend->write && backend->read &&
                backend->close);
    assert_true(!backend->keeps || (backend->head_write && backend->head_read));
    snprintf(device, sizeof(device), "%s:a:b", backend->name);
    assert_ptr_equal(backend_registry_find(device, &place), backend); /* its name is unique */
    assert_string_equal(place, "a:b");
    assert_null(backend_registry_find(backend->name, &place)); /* no colon */
}

static void a_page_reads_as_it_was_written_last(void **state)
{
    struct device device;

    place_make(&device, *state);
    device_start(&device, false);
    pages_write(&device, 0, PAGES, 1000);
    pages_expect(&device, 0, PAGES, 1000);
    pages_write(&device, 5, 3, 2000);
    pages_expect(&device, 0, 5, 1000);
    pages_expect(&device, 5, 3, 2000);
    pages_expect(&device, 8, PAGES - 8, 1008);
    pages_write(&device, PAGES - 1, 1, 3000);
    pages_expect(&device, 8, PAGES - 9, 1008);
    pages_expect(&device, PAGES - 1, 1, 3000);
    if (device.backend->sync != NULL)
        assert_int_equal(device.backend->sync(device.state), 0);
    pages_expect(&device, PAGES - 1, 1, 3000);
    device.backend->close(device.state);
    scratch_fini(&device.scratch);
}

static void nothing_is_left_of_a_device_that_is_not_kept(void **state)
{
    struct device device;
    unsigned before = count_fds();

    place_make(&device, *state);
    for (unsigned finished = 0; finished < 2; finished++) {
        assert_int_equal(device_open(&device, PAGES, false), 0);
        assert_false(device.facts.existed);
        if (finished)
            assert_int_equal(device_finish(&device), 0);
        device.backend->close(device.state);
    }
    assert_int_equal(count_fds(), before);
    scratch_fini(&device.scratch);
}

struct worker {
    const struct device *device;
    uint32_t first;
    bool good;
};

/* Write pages of its own over and over, and read them back. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct swap_backend *backend = worker->device->backend;
    void *device = worker->device->state;
    uint8_t *page = aligned_alloc(SWAP_PAGE, SWAP_PAGE);

    worker->good = page != NULL;
    for (uint32_t i = 0; worker->good && i < 64; i++) {
        uint32_t at = worker->first + i % (PAGES / THREADS);

        page_fill(page, at * 100 + i);
        worker->good = backend->write(device, at, 1, page) == 0;
        page_fill(page, 0);
        worker->good =
            worker->good && backend->read(device, at, 1, page) == 0 && page_is(page, at * 100 + i);
    }
    free(page);
    return NULL;
}

static void threads_transfer_different_pages_at_a_time(void **state)
{
    struct worker worker[THREADS];
    pthread_t thread[THREADS];
    struct device device;

    place_make(&device, *state);
    device_start(&device, false);
    for (uint32_t i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){.device = &device, .first = i * (PAGES / THREADS)};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_true(worker[i].good);
    device.backend->close(device.state);
    scratch_fini(&device.scratch);
}

/* A new device with records and a page, finished and closed. */
static void kept_make(struct device *device)
{
    uint8_t *head = pages_new(HEAD / SWAP_PAGE);

    assert_int_equal(device_open(device, PAGES, true), 0);
    assert_false(device->facts.existed);
    assert_int_equal(device->backend->head_read(device->state, 0, head, HEAD), 0);
    assert_true(page_is(head, 0) && page_is(head + SWAP_PAGE, 0));
    page_fill(head, 77);
    page_fill(head + SWAP_PAGE, 78);
    assert_int_equal(device->backend->head_write(device->state, 0, head, HEAD), 0);
    assert_int_equal(device_finish(device), 0);
    pages_write(device, 0, PAGES, 4000);
    device->backend->close(device->state);
    free(head);
}

static void a_kept_device_comes_back_with_records_and_pages(void **state)
{
    const struct swap_backend *backend = *state;
    uint8_t *head;
    struct device device;
    unsigned before = count_fds();

    if (!backend->keeps)
        skip();
    head = pages_new(HEAD / SWAP_PAGE);
    place_make(&device, backend);
    kept_make(&device);
    assert_int_equal(device_open(&device, PAGES, true), 0);
    assert_true(device.facts.existed);
    assert_int_equal(device.backend->head_read(device.state, 0, head, HEAD), 0);
    assert_true(page_is(head, 77) && page_is(head + SWAP_PAGE, 78));
    assert_int_equal(device_finish(&device), 0);
    pages_expect(&device, 0, PAGES, 4000);
    device.backend->close(device.state);
    assert_int_equal(count_fds(), before);
    unlink(scratch_path(&device.scratch, "device"));
    free(head);
    scratch_fini(&device.scratch);
}

static void a_kept_device_has_one_server(void **state)
{
    const struct swap_backend *backend = *state;
    struct device device, second;

    if (!backend->keeps)
        skip();
    place_make(&device, backend);
    kept_make(&device);
    assert_int_equal(device_open(&device, PAGES, true), 0);
    second = device;
    assert_int_equal(device_open(&second, PAGES, true), -EBUSY);
    device.backend->close(device.state);
    unlink(scratch_path(&device.scratch, "device"));
    scratch_fini(&device.scratch);
}

static void a_kept_device_that_is_not_finished_leaves_nothing(void **state)
{
    const struct swap_backend *backend = *state;
    struct device device;

    if (!backend->keeps)
        skip();
    place_make(&device, backend);
    assert_int_equal(device_open(&device, PAGES, true), 0);
    device.backend->close(device.state);
    scratch_fini(&device.scratch);
}

#define FILE_NAME(name) #name ".c",
static const char *const files[] = {BACKENDS(FILE_NAME) "registry.c", "below.c"};

/* Each source file of the folder is a backend with a line in the registry. */
static void no_backend_is_forgotten(void **state)
{
    DIR *folder = opendir(BACKEND_FOLDER);
    const struct dirent *entry;
    unsigned found = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        size_t length = strlen(entry->d_name);
        bool listed = false;

        if (length < 3 || strcmp(entry->d_name + length - 2, ".c") != 0)
            continue;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
            listed = listed || strcmp(files[i], entry->d_name) == 0;
        if (!listed)
            fail_msg("src/backend/%s has no line in registry.h", entry->d_name);
        found++;
    }
    closedir(folder);
    assert_int_equal(found, sizeof(files) / sizeof(files[0]));
}

static void an_unknown_name_finds_no_backend(void **state)
{
    static const char *const devices[] = {"", ":", "fil:x", "files:x", "tape:x", "file"};
    const char *place = "untouched";

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        assert_null(backend_registry_find(devices[i], &place));
    assert_string_equal(place, "untouched");
}

#define STORY(function)                                                                            \
    {                                                                                              \
#function, function                                                                        \
    }
static const struct {
    const char *name;
    CMUnitTestFunction function;
} stories[] = {
    STORY(a_backend_has_all_that_is_required),
    STORY(a_page_reads_as_it_was_written_last),
    STORY(nothing_is_left_of_a_device_that_is_not_kept),
    STORY(threads_transfer_different_pages_at_a_time),
    STORY(a_kept_device_comes_back_with_records_and_pages),
    STORY(a_kept_device_has_one_server),
    STORY(a_kept_device_that_is_not_finished_leaves_nothing),
};

static size_t tests_count;
static struct CMUnitTest tests[STORIES_MAX];
static char names[STORIES_MAX][96];

static void test_add(const char *name, CMUnitTestFunction function,
                     const struct swap_backend *backend)
{
    if (tests_count == STORIES_MAX)
        abort(); /* raise STORIES_MAX */
    snprintf(names[tests_count], sizeof(names[0]), "%s: %s",
             backend == NULL || backend->name == NULL ? "-" : backend->name, name);
    tests[tests_count].name = names[tests_count];
    tests[tests_count].test_func = function;
    tests[tests_count].initial_state = (void *)(uintptr_t)backend;
    tests_count++;
}

int main(void)
{
    const struct swap_backend *backend;

    test_add("no backend is forgotten", no_backend_is_forgotten, NULL);
    test_add("an unknown name finds no backend", an_unknown_name_finds_no_backend, NULL);
    for (size_t i = 0; (backend = backend_registry_at(i)) != NULL; i++)
        for (size_t story = 0; story < sizeof(stories) / sizeof(stories[0]); story++)
            test_add(stories[story].name, stories[story].function, backend);
    return _cmocka_run_group_tests("backend_suite", tests, tests_count, NULL, NULL);
}
