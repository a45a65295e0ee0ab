/* tier: what lies on the fast device, and that nothing is mixed up while pages move. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "base/random.h"
#include "scale.h"

#define FAST    256u
#define DATA    (2 * FAST)
#define THREADS 4u

/* ---- A fast device that can be looked at ---- */

static uint64_t glass[FAST]; /* the first word of each page */
static uint32_t glass_failing;

static int glass_open(void **device, const struct swap_backend_wish *wish,
                      struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)error;
    assert_int_equal(wish->pages, FAST);
    facts->existed = false;
    *device = calloc(FAST, SWAP_PAGE);
    assert_non_null(*device);
    memset(glass, 0, sizeof(glass));
    return 0;
}

static int glass_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    (void)device;
    (void)error;
    facts->how = "glass";
    facts->waits = false;
    return 0;
}

static int glass_write(void *device, uint32_t page, uint32_t count, const void *pages)
{
    if (glass_failing > 0) {
        glass_failing--;
        return -EIO;
    }
    memcpy((uint8_t *)device + (size_t)page * SWAP_PAGE, pages, (size_t)count * SWAP_PAGE);
    for (uint32_t i = 0; i < count; i++)
        memcpy(&glass[page + i], (const uint8_t *)pages + (size_t)i * SWAP_PAGE, sizeof(glass[0]));
    return 0;
}

static int glass_read(void *device, uint32_t page, uint32_t count, void *pages)
{
    memcpy(pages, (const uint8_t *)device + (size_t)page * SWAP_PAGE, (size_t)count * SWAP_PAGE);
    return 0;
}

static const struct swap_backend glass_backend = {
    .name = "glass",
    .place = "",
    .help = "can be looked at",
    .open = glass_open,
    .finish = glass_finish,
    .write = glass_write,
    .read = glass_read,
    .close = free,
};

static const struct swap_backend *find(const char *device, const char **place)
{
    if (strncmp(device, "glass:", 6) != 0)
        return backend_registry_find(device, place);
    *place = device + 6;
    return &glass_backend;
}

/* ---- A tier ---- */

struct device {
    const struct swap_backend *backend;
    void *state;
};

static void device_start(struct device *device, const char *name, uint32_t pages)
{
    struct swap_backend_wish wish = {.pages = pages, .find = find};
    struct swap_backend_facts facts = {0};
    struct sp_error error;

    device->backend = find(name, &wish.place);
    assert_int_equal(device->backend->open(&device->state, &wish, &facts, &error), 0);
    assert_int_equal(device->backend->finish(device->state, &facts, &error), 0);
}

static struct swap_backend_counts counts_of(const struct device *device)
{
    struct swap_backend_counts counts = {0};

    device->backend->count(device->state, &counts);
    return counts;
}

/* The first word of a page is its number, the second its version; 1 is added, so that nothing is 0. */
static int page_write(const struct device *device, uint32_t page, uint64_t version)
{
    uint64_t *words = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code;

    words[0] = page + 1;
    for (uint32_t i = 1; i < SWAP_PAGE / 8; i++)
        words[i] = version + 1;
    code = device->backend->write(device->state, page, 1, words);
    free(words);
    return code;
}

/* Is the page what was written last? Threads call it. */
static bool page_is(const struct device *device, uint32_t page, uint64_t version)
{
    uint64_t *words = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    bool good = device->backend->read(device->state, page, 1, words) == 0 && words[0] == page + 1;

    for (uint32_t i = 1; good && i < SWAP_PAGE / 8; i++)
        good = words[i] == version + 1;
    free(words);
    return good;
}

static bool is_hot(uint32_t page)
{
    return page % 2 == 0;
}

/* Share of the fast device that holds hot pages, in percent. */
static uint32_t hot_share(void)
{
    uint32_t hot = 0;

    for (uint32_t i = 0; i < FAST; i++)
        hot += glass[i] != 0 && is_hot((uint32_t)glass[i] - 1);
    return hot * 100 / FAST;
}

/* Half of the data is hot. The cold half is stored first, and fills the fast device; then come ten times its size
 * in stores, a few of which are of cold pages. */
static void hot_pages_have_the_fast_device(void **state)
{
    struct random_source random = random_seeded(1);
    uint64_t version[DATA] = {0};
    struct device device;
    uint32_t first;

    (void)state;
    device_start(&device, "tier:fast=256:glass:++mem:", DATA);
    for (uint32_t i = 0; i < DATA; i++) { /* cold ones, then hot ones */
        uint32_t page = i < DATA / 2 ? 2 * i + 1 : 2 * (i - DATA / 2);

        assert_int_equal(page_write(&device, page, 0), 0);
        if (i == FAST - 1)
            first = hot_share();
    }
    for (uint32_t store = 0; store < 10 * FAST; store++) {
        bool cold = random_below(&random, 100) < 2;
        uint32_t page = 2 * random_below(&random, DATA / 2) + cold;

        assert_int_equal(page_write(&device, page, ++version[page]), 0);
    }
    print_message("first come, first kept: %u %% of the fast device is hot; the tier: %u %%\n",
                  first, hot_share());
    assert_int_equal(first, 0);
    assert_in_range(hot_share(), 95, 100);
    for (uint32_t page = 0; page < DATA; page++)
        assert_true(page_is(&device, page, version[page]));
    assert_in_range(counts_of(&device).fast, FAST - 16, FAST);
    device.backend->close(device.state);
}

/* A stream of pages that are stored once does not drive out those that are loaded again and again. */
static void a_stream_of_cold_pages_passes_by(void **state)
{
    struct device device;
    uint32_t pages = 16 * FAST;

    (void)state;
    device_start(&device, "tier:fast=256:glass:++mem:", pages);
    for (uint32_t page = 0; page < FAST; page += 2)
        assert_int_equal(page_write(&device, page, 0), 0);
    for (uint32_t page = FAST + 1; page < pages; page += 2) {
        assert_int_equal(page_write(&device, page, 0), 0);
        for (uint32_t i = 0; i < 2; i++) /* each hot one is loaded about eight times in all */
            assert_true(page_is(&device, (page * 2 + i * 2) % FAST, 0));
    }
    assert_in_range(hot_share(), 45,
                    50); /* all of them: they are half as many as there is room for */
    device.backend->close(device.state);
}

static void a_page_that_is_loaded_again_comes_up(void **state)
{
    struct device device;

    (void)state;
    device_start(&device, "tier:fast=256:glass:++mem:", DATA);
    for (uint32_t page = 0; page < DATA; page++)
        assert_int_equal(page_write(&device, page, 0), 0);
    assert_int_equal(counts_of(&device).demoted, DATA - FAST + (DATA - FAST) % 16);
    assert_true(page_is(&device, 0, 0));
    assert_true(page_is(&device, 0, 0));
    assert_int_equal(counts_of(&device).promoted, 1);
    assert_true(page_is(&device, 0, 0));
    assert_int_equal(counts_of(&device).promoted, 1);
    device.backend->close(device.state);
}

/* What cannot be written to one of the devices stays on, or goes to, the other. */
static void a_device_that_fails_costs_nothing(void **state)
{
    struct device device;

    (void)state;
    device_start(&device, "tier:fast=256:glass:++debug:write-errors=0.5:mem:", DATA);
    glass_failing = 3;
    for (uint32_t page = 0; page < FAST; page++) {
        int code;

        do
            code = page_write(&device, page, 0);
        while (code == -EIO && page < 3); /* both have failed */
        assert_int_equal(code, 0);
    }
    for (uint32_t page = FAST; page < DATA; page++)
        while (page_write(&device, page, 0) < 0)
            ;
    for (uint32_t page = 0; page < DATA; page++)
        assert_true(page_is(&device, page, 0));
    device.backend->close(device.state);
}

/* ---- Several threads ---- */

struct worker {
    const struct device *device;
    uint32_t first;
    bool good;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    const struct device *device = worker->device;
    struct random_source random = random_seeded(worker->first + 1);
    uint64_t version[16] = {0};

    worker->good = true;
    for (uint32_t step = 0; worker->good && step < (scale_is_slow() ? 100 : 1500); step++) {
        uint32_t i = random_below(&random, 16), page = worker->first + i;

        switch (random_below(&random, 6)) {
        case 0:
            device->backend->discard(device->state, page, 1);
            version[i] = 0;
            break;
        case 1:
        case 2:
            version[i] = step + 1;
            worker->good = page_write(device, page, version[i]) == 0;
            break;
        default:
            worker->good = version[i] == 0 || page_is(device, page, version[i]);
        }
    }
    return NULL;
}

static void pages_that_move_are_not_mixed_up(void **state)
{
    struct worker worker[THREADS];
    pthread_t thread[THREADS];
    struct device device;

    device_start(&device, *state, 16 * THREADS);
    for (uint32_t i = 0; i < THREADS; i++) {
        worker[i] = (struct worker){.device = &device, .first = 16 * i};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &worker[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_true(worker[i].good);
    }
    assert_true(counts_of(&device).demoted > 0);
    device.backend->close(device.state);
}

int main(void)
{
    static char slow[] = "tier:fast=12:mem:++debug:delay=0.5:mem:";
    static char small[] = "tier:fast=3:lz4:mem:++zstd:mem:";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hot_pages_have_the_fast_device),
        cmocka_unit_test(a_stream_of_cold_pages_passes_by),
        cmocka_unit_test(a_page_that_is_loaded_again_comes_up),
        cmocka_unit_test(a_device_that_fails_costs_nothing),
        cmocka_unit_test_prestate(pages_that_move_are_not_mixed_up, slow),
        cmocka_unit_test_prestate(pages_that_move_are_not_mixed_up, small),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
