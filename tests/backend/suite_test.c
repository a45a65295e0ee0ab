/* What the swap server relies on, of every backend in the registry; and no backend is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "backend/below.h"
#include "backend/registry.h"
#include "base/random.h"
#include "nbd_filter.h"
#include "scale.h"
#include "server_process.h"

#define PAGES       64u
#define HEAD        (2 * SWAP_PAGE)
#define THREADS     4u
#define CHAIN_MAX   4u
#define CHAINS_MAX  160u
#define STORIES_MAX 1024u

/* Backends in front of each other, with their options: {"debug:", "file:"}. */
struct chain {
    char name[96]; /* "debug:file:" */
    const struct swap_backend *backend;
    const char *place; /* what has still to follow: swap_backend.place of the last */
    bool keeps;
    bool syncs;
    bool shares;
};

struct device {
    const struct swap_backend *backend;
    struct scratch scratch;
    char place[192];
    void *state;
    struct swap_backend_facts facts;
    struct sp_error error;
};

/* For all places on a block server: one at a time is used. */
static struct nbd_filter nbd;

/* SELFPAGE_TEST_NBD_FILTER: nbdkit's filter of this name stands before the export, and places on a block server alone
 * are tested. NULL: none does. */
static const char *nbd_filter;

/* For all places on another swap server. */
static struct server_process upper;

/* Make the export one that no server has used. */
static void nbd_clear(void)
{
    static const uint8_t zeros[SWAP_PAGE];
    struct swap_backend_wish wish = {.place = strchr(nbd.server.unix_uri, ':') + 1, .pages = 1};
    struct swap_backend_facts facts;
    void *device;

    assert_int_equal(backend_nbd_unix.open(&device, &wish, &facts, NULL), 0);
    assert_int_equal(backend_nbd_unix.write(device, 0, 1, zeros), 0);
    backend_nbd_unix.close(device);
}

/* A place that does not exist, of the kind that the chain ends with. */
static void place_make(struct device *device, const struct chain *chain)
{
    const char *place = strchr(chain->name, ':') + 1;

    *device = (struct device){.backend = chain->backend};
    scratch_init(&device->scratch);
    if (strcmp(chain->place, "PATH") == 0) {
        snprintf(device->place, sizeof(device->place), "%s%s", place,
                 scratch_path(&device->scratch, "device"));
    } else if (chain->place[0] == '/') {
        const char *uri =
            strchr(chain->place, '?') != NULL ? nbd.server.unix_uri : nbd.server.tcp_uri;

        nbd_clear();
        snprintf(device->place, sizeof(device->place), "%s%s", place, strchr(uri, ':') + 1);
    } else {
        snprintf(device->place, sizeof(device->place), "%s%s", place,
                 strstr(chain->place, "SOCKET") != NULL ? upper.socket : "");
    }
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
    const struct chain *chain = *state;
    const struct swap_backend *backend = chain->backend;
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
    if (((const struct chain *)*state)->syncs)
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

/* Fill a page from a seed: one in three does not compress, one in three compresses well, one in three a little. */
static void page_draw(uint8_t *page, uint64_t seed)
{
    struct random_source random = random_seeded(seed);
    uint32_t noise = seed % 3 == 0   ? SWAP_PAGE
                     : seed % 3 == 1 ? 64
                                     : random_below(&random, SWAP_PAGE);

    memset(page, (int)(seed % 251), SWAP_PAGE);
    for (uint32_t i = 0; i + 8 <= noise; i += 8) {
        uint64_t bits = random_bits(&random);

        memcpy(page + i, &bits, sizeof(bits));
    }
}

/* What the device must hold: a seed for each page; 0: nothing that anybody relies on. */
struct model {
    uint64_t seed[PAGES];
    struct random_source random;
    uint32_t refused;
};

static void model_write(struct model *model, struct device *device, uint32_t page, uint32_t count)
{
    uint8_t *pages = pages_new(count);
    int code;

    for (uint32_t i = 0; i < count; i++) {
        model->seed[page + i] = random_bits(&model->random) | 1;
        page_draw(pages + (size_t)i * SWAP_PAGE, model->seed[page + i]);
    }
    code = device->backend->write(device->state, page, count, pages);
    assert_true(code == 0 || code == -ENOSPC);
    model->refused += code != 0;
    for (uint32_t i = 0; code != 0 && i < count; i++)
        model->seed[page + i] = 0;
    free(pages);
}

/* All pages that anybody relies on are read, in runs. */
static void model_expect(const struct model *model, struct device *device)
{
    uint8_t *pages = pages_new(PAGES + 1), *wanted = pages + (size_t)PAGES * SWAP_PAGE;

    for (uint32_t i = 0, run; i < PAGES; i += run) {
        for (run = 0; i + run < PAGES && model->seed[i + run] != 0; run++)
            ;
        if (run > 0)
            assert_int_equal(device->backend->read(device->state, i, run, pages), 0);
        for (uint32_t j = 0; j < run; j++) {
            page_draw(wanted, model->seed[i + j]);
            assert_memory_equal(pages + (size_t)j * SWAP_PAGE, wanted, SWAP_PAGE);
        }
        run += run == 0;
    }
    free(pages);
}

static void model_step(struct model *model, struct device *device, bool syncs)
{
    uint32_t page = random_below(&model->random, PAGES);
    uint32_t count = 1 + random_below(&model->random, PAGES - page < 16 ? PAGES - page : 16);

    if (syncs && random_below(&model->random, 64) == 0)
        assert_int_equal(device->backend->sync(device->state), 0);
    switch (random_below(&model->random, 8)) {
    case 0:
    case 1:
    case 2:
        if (device->backend->discard != NULL)
            device->backend->discard(device->state, page, count);
        memset(model->seed + page, 0, count * sizeof(model->seed[0]));
        break;
    default:
        model_write(model, device, page, count);
    }
}

/* Thousands of writes, discards and syncs; kept devices are closed and opened again on the way. */
static void a_device_holds_what_the_model_holds(void **state)
{
    const struct chain *chain = *state;
    struct model model = {.random = random_seeded(7)};
    unsigned steps =
        (scale_is_slow() ? 60 : 600) / (chain->place[0] == '/' || chain->place[0] == '[' ? 4 : 1);
    struct device device;

    place_make(&device, chain);
    device_start(&device, chain->keeps);
    if (chain->keeps) /* a server does so before anything else */
        assert_int_equal(device.backend->head_write(device.state, 0, &model.random, 8), 0);
    for (unsigned step = 0; step < steps; step++) {
        model_step(&model, &device, chain->syncs);
        if (step % 8 == 0)
            model_expect(&model, &device);
        if (!chain->keeps || step % 50 != 49)
            continue;
        device.backend->close(device.state);
        device_start(&device, true);
        assert_true(device.facts.existed);
        model_expect(&model, &device);
    }
    assert_true(model.refused == 0 || strstr(chain->name, "ratio=") != NULL);
    device.backend->close(device.state);
    unlink(scratch_path(&device.scratch, "device"));
    scratch_fini(&device.scratch);
}

struct worker {
    const struct device *device;
    uint32_t first;
    char wrong[80]; /* what went wrong, "" if nothing did */
};

static void worker_fail(struct worker *worker, const char *what, uint32_t at, uint32_t turn,
                        int code)
{
    snprintf(worker->wrong, sizeof(worker->wrong), "%s of page %u in turn %u: %s", what, at, turn,
             code == 0 ? "other contents" : strerror(-code));
}

/* Write pages of its own over and over, and read them back. */
static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct swap_backend *backend = worker->device->backend;
    void *device = worker->device->state;
    uint8_t *page = aligned_alloc(SWAP_PAGE, SWAP_PAGE);

    if (page == NULL)
        worker_fail(worker, "memory", worker->first, 0, -ENOMEM);
    for (uint32_t i = 0; worker->wrong[0] == '\0' && i < 64; i++) {
        uint32_t at = worker->first + i % (PAGES / THREADS);
        int code;

        page_fill(page, at * 100 + i);
        code = backend->write(device, at, 1, page);
        if (code != 0)
            worker_fail(worker, "write", at, i, code);
        page_fill(page, 0);
        code = backend->read(device, at, 1, page);
        if (code != 0 || !page_is(page, at * 100 + i))
            worker_fail(worker, "read", at, i, code);
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
        assert_string_equal(worker[i].wrong, "");
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
    const struct chain *chain = *state;
    uint8_t *head;
    struct device device;
    unsigned before = count_fds();

    if (!chain->keeps)
        skip();
    head = pages_new(HEAD / SWAP_PAGE);
    place_make(&device, chain);
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
    const struct chain *chain = *state;
    struct device device, second;

    if (!chain->keeps || chain->shares)
        skip();
    place_make(&device, chain);
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
    const struct chain *chain = *state;
    struct device device;

    if (!chain->keeps)
        skip();
    place_make(&device, chain);
    assert_int_equal(device_open(&device, PAGES, true), 0);
    device.backend->close(device.state);
    scratch_fini(&device.scratch);
}

#define FILE_NAME(name) #name ".c",
static const char *const files[] = {BACKENDS(FILE_NAME) "registry.c", "below.c",
                                    /* what zstd.c and lz4.c have in common */
                                    "compressed.c", "compressed_merge.c", "compressed_pages.c",
                                    "compressed_records.c", "compressed_worker.c", "space.c",
                                    /* and nbd.c and nbd_unix.c */
                                    "nbd_device.c", "nbd_queue.c", "nbd_absent.c",
                                    "upstream_link.c", "tier_books.c"};

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
    STORY(a_device_holds_what_the_model_holds),
    STORY(threads_transfer_different_pages_at_a_time),
    STORY(a_kept_device_comes_back_with_records_and_pages),
    STORY(a_kept_device_has_one_server),
    STORY(a_kept_device_that_is_not_finished_leaves_nothing),
};

static struct chain chains[CHAINS_MAX];
static size_t chains_count;

/* The chain of these names, each with its colons. */
static void chain_add(const char *first, const char *second, const char *third)
{
    struct chain *chain = &chains[chains_count++];
    const struct swap_backend *bottom;
    const char *place;

    if (chains_count == CHAINS_MAX)
        abort(); /* raise CHAINS_MAX */
    snprintf(chain->name, sizeof(chain->name), "%s%s%s", first, second, third);
    chain->backend = backend_registry_find(chain->name, &place);
    chain->keeps = backend_registry_keeps(chain->name);
    chain->syncs = backend_registry_syncs(chain->name);
    if (strstr(chain->name, "++") != NULL)
        bottom = backend_registry_find(strstr(chain->name, "++") + 2, &place);
    else
        for (bottom = chain->backend; bottom->filter;)
            bottom = backend_registry_find(below_device(place), &place);
    chain->place = bottom->place;
    chain->shares = bottom->shares;
    if (strcmp(chain->place, "PATH") != 0 && chain->place[0] != '/' && chain->place[0] != '\0' &&
        strstr(chain->place, "SOCKET") == NULL)
        abort(); /* teach place_make what such a place is */
}

/* Does it work without another process? */
static bool is_local(const struct swap_backend *backend)
{
    return !backend->shares;
}

/* Every backend alone, every stack of two, and filters that do what they are for. */
static void chains_make(void)
{
    static const char *const filters[] = {"zstd:ratio=2:",
                                          "lz4:ratio=3,speed=8:",
                                          "zstd:level=9:",
                                          "debug:reorder=8:",
                                          "debug:reorder=8:zstd:",
                                          "tier:fast=16:mem:++",
                                          "tier:fast=5:lz4:mem:++",
                                          "zstd:tier:fast=20:mem:++",
                                          "tier:fast=9:debug:write-errors=0.1:mem:++",
                                          "lz4:debug:reorder=4:"};
    const struct swap_backend *top, *bottom;
    char name[2][32];

    for (size_t i = 0; (bottom = backend_registry_at(i)) != NULL; i++) {
        if (bottom->filter || strstr(bottom->place, "++") != NULL ||
            (bottom->place[0] == '/' && !nbd_server_exists()) ||
            (bottom->place[0] != '/' && nbd_filter != NULL))
            continue;
        snprintf(name[0], sizeof(name[0]), "%s:", bottom->name);
        chain_add(name[0], "", "");
        for (size_t j = 0; (top = backend_registry_at(j)) != NULL; j++) {
            snprintf(name[1], sizeof(name[1]), "%s:", top->name);
            if (top->filter)
                chain_add(name[1], name[0], "");
        }
        for (size_t j = 0; is_local(bottom) && j < sizeof(filters) / sizeof(filters[0]); j++)
            chain_add(filters[j], name[0], "");
    }
    for (size_t i = 0; nbd_filter == NULL && (bottom = backend_registry_at(i)) != NULL; i++)
        for (size_t j = 0; (top = backend_registry_at(j)) != NULL; j++) {
            snprintf(name[0], sizeof(name[0]), "%s:", bottom->name);
            snprintf(name[1], sizeof(name[1]), "%s:", top->name);
            if (bottom->filter && top->filter)
                chain_add(name[1], name[0], "file:");
        }
}

static size_t tests_count;
static struct CMUnitTest tests[STORIES_MAX];
static char names[STORIES_MAX][160];

static void test_add(const char *name, CMUnitTestFunction function, const struct chain *chain)
{
    if (tests_count == STORIES_MAX)
        abort(); /* raise STORIES_MAX */
    snprintf(names[tests_count], sizeof(names[0]), "%.90s %.60s", chain == NULL ? "-" : chain->name,
             name);
    tests[tests_count].name = names[tests_count];
    tests[tests_count].test_func = function;
    tests[tests_count].initial_state = (void *)(uintptr_t)chain;
    tests_count++;
}

static int servers_start(void **state)
{
    static const char *const slots[] = {"--slots", "1024", "--device", "mem:", NULL};

    (void)state;
    if (nbd_server_exists())
        nbd_filter_init(&nbd, nbd_filter, "8M");
    assert_int_equal(server_process_init(&upper), 0);
    return server_process_start(&upper, TEST_BINDIR "/selfpage-swap", slots);
}

static int servers_stop(void **state)
{
    (void)state;
    if (nbd_server_exists())
        nbd_filter_fini(&nbd);
    server_process_fini(&upper);
    return 0;
}

int main(void)
{
    nbd_filter = nbd_filter_wanted();
    if (nbd_filter != NULL && !nbd_server_exists()) {
        print_message("nbdkit is not installed: nothing is tested\n");
        return 77;
    }
    chains_make();
    test_add("no backend is forgotten", no_backend_is_forgotten, NULL);
    test_add("an unknown name finds no backend", an_unknown_name_finds_no_backend, NULL);
    for (size_t i = 0; i < chains_count; i++)
        for (size_t story = 0; story < sizeof(stories) / sizeof(stories[0]); story++)
            test_add(stories[story].name, stories[story].function, &chains[i]);
    return _cmocka_run_group_tests("backend_suite", tests, tests_count, servers_start,
                                   servers_stop);
}
