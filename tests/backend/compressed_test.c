/* zstd: and lz4:, and the room that they share out: what becomes of blocks, of pages that do not compress, and of
 * bytes below that have changed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "backend/space.h"
#include "base/random.h"
#include "scale.h"
#include "scratch.h"

#define PAGES 48u

/* ---- Room ---- */

static struct space_place place_draw(struct random_source *random, uint32_t block)
{
    uint32_t granules = random_below(random, 3) == 0 ? SPACE_GRANULES
                                                     : 1 + random_below(random, SPACE_GRANULES / 2);
    struct space_place place = {.block = block, .length = (uint16_t)(granules * SPACE_GRANULE)};

    place.first = (uint8_t)random_below(random, SPACE_GRANULES - granules + 1);
    return place;
}

/* The sums of space.h hold. */
static void space_expect(const struct space *space)
{
    uint32_t pages = 0, free = 0;
    uint64_t granules = 0;

    for (uint32_t block = 0; block < space->blocks; block++) {
        uint64_t used = 0;

        for (uint32_t page = space->first[block]; page != SPACE_NONE;
             page = space->place[page].next) {
            uint32_t count = space_granules(space->place[page].length);
            uint64_t bits = (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1)
                            << space->place[page].first;

            assert_int_equal(space->place[page].block, block);
            assert_true((used & bits) == 0);
            used |= bits;
            granules += count;
            pages++;
        }
        assert_true(used == space->used[block]);
        assert_int_equal(bitmap_test(&space->free, block), used == 0 && space->pins[block] == 0);
        free += used == 0 && space->pins[block] == 0;
    }
    assert_int_equal(pages, space->pages_used);
    assert_int_equal(granules, space->granules_used);
    assert_int_equal(free, space->blocks_free);
}

static void the_books_of_blocks_and_pages_agree(void **state)
{
    struct random_source random = random_seeded(3);
    struct space space;

    (void)state;
    assert_int_equal(space_init(&space, PAGES, PAGES), 0);
    for (unsigned step = 0; step < 5000; step++) {
        uint32_t page = random_below(&random, PAGES), block;

        space_drop(&space, page);
        if (random_below(&random, 3) == 0)
            continue;
        block = random_below(&random, 2) == 0 ? space_take(&space) : SPACE_NONE;
        if (block != SPACE_NONE) {
            struct space_place place = place_draw(&random, block);

            space_put(&space, page, &place);
            space_unpin(&space, block);
        } else {
            struct space_place place = place_draw(&random, random_below(&random, PAGES));

            if (space_fits(&space, place.block, place.first, place.length))
                space_put(&space, page, &place);
        }
        space_expect(&space);
    }
    space_fini(&space);
}

static void the_emptiest_blocks_fit_into_one(void **state)
{
    static const uint32_t granules[] = {10, 64, 30, 5, 20, 40};
    uint32_t blocks[6];
    struct space space;

    (void)state;
    assert_int_equal(space_init(&space, 6, 8), 0);
    for (uint32_t i = 0; i < 6; i++) {
        struct space_place place = {.block = space_take(&space),
                                    .length = (uint16_t)(granules[i] * SPACE_GRANULE)};

        space_put(&space, i, &place);
        space_unpin(&space, place.block);
    }
    assert_int_equal(space_emptiest(&space, blocks, 6), 3); /* 5, 10 and 20; 30 more are too many */
    assert_int_equal(blocks[0], 3);
    assert_int_equal(blocks[1], 0);
    assert_int_equal(blocks[2], 4);
    space_pin(&space, 3); /* somebody reads it */
    assert_int_equal(space_emptiest(&space, blocks, 6), 3);
    assert_int_equal(blocks[2], 2);
    space_fini(&space);
}

/* ---- Devices ---- */

struct device {
    const struct swap_backend *backend;
    const char *place;
    void *state;
    struct swap_backend_facts facts;
    struct sp_error error;
};

static int device_open(struct device *device, const char *name, uint32_t pages, bool keep)
{
    struct swap_backend_wish wish = {.pages = pages,
                                     .head = keep ? SWAP_PAGE : 0,
                                     .keep = keep,
                                     .mode = keep ? SWAP_MODE_BUFFERED : SWAP_MODE_AUTO,
                                     .find = backend_registry_find};
    int code;

    *device = (struct device){.backend = backend_registry_find(name, &wish.place)};
    assert_non_null(device->backend);
    code = device->backend->open(&device->state, &wish, &device->facts, &device->error);
    if (code < 0)
        return code;
    code = device->backend->finish(device->state, &device->facts, &device->error);
    if (code < 0)
        device->backend->close(device->state);
    return code;
}

/* A page with `noise` bytes that do not compress. */
static void page_fill(uint8_t *page, uint64_t seed, uint32_t noise)
{
    struct random_source random = random_seeded(seed);

    memset(page, (int)seed, SWAP_PAGE);
    for (uint32_t i = 0; i < noise; i++)
        page[i] = (uint8_t)random_bits(&random);
}

static int page_store(struct device *device, uint32_t page, uint64_t seed, uint32_t noise)
{
    uint8_t *bytes = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code;

    assert_non_null(bytes);
    page_fill(bytes, seed, noise);
    code = device->backend->write(device->state, page, 1, bytes);
    free(bytes);
    return code;
}

/* Read a page. Returns the error, or 0 if it is what was stored; anything else fails. */
static int page_load(struct device *device, uint32_t page, uint64_t seed, uint32_t noise)
{
    uint8_t *bytes = aligned_alloc(SWAP_PAGE, 2 * SWAP_PAGE);
    int code;

    assert_non_null(bytes);
    code = device->backend->read(device->state, page, 1, bytes);
    page_fill(bytes + SWAP_PAGE, seed, noise);
    if (code == 0)
        assert_memory_equal(bytes, bytes + SWAP_PAGE, SWAP_PAGE);
    free(bytes);
    return code;
}

static struct swap_backend_counts counts_of(struct device *device)
{
    struct swap_backend_counts counts = {0};

    device->backend->count(device->state, &counts);
    return counts;
}

static void what_pages_take_is_counted(void **state)
{
    struct swap_backend_counts counts;
    struct device device;

    assert_int_equal(device_open(&device, *state, 8, false), 0);
    assert_int_equal(page_store(&device, 0, 1, 0), 0);
    assert_int_equal(page_store(&device, 1, 2, 1000), 0);
    assert_int_equal(page_store(&device, 2, 3, SWAP_PAGE), 0);
    counts = counts_of(&device);
    assert_int_equal(counts.compressed, 2);
    assert_int_equal(counts.incompressible, 1);
    assert_in_range(counts.packed, SWAP_PAGE + 1000, SWAP_PAGE + 1000 + 200);
    device.backend->discard(device.state, 2, 1);
    assert_int_equal(page_store(&device, 1, 2, 0), 0);
    counts = counts_of(&device);
    assert_int_equal(counts.incompressible, 0);
    assert_in_range(counts.packed, 2 * SPACE_GRANULE, 200);
    device.backend->close(device.state);
}

/* Half of the blocks: as long as pages compress by half, there is room, and single pages are moved together;
 * pages that do not compress are refused, and cost nobody else anything. */
static void pages_are_moved_together_when_no_block_is_free(void **state)
{
    char name[64];
    struct device device;

    snprintf(name, sizeof(name), "%sratio=2:mem:", (const char *)*state);
    assert_int_equal(device_open(&device, name, PAGES, false), 0);
    for (uint32_t page = 0; page < PAGES; page++)
        assert_int_equal(page_store(&device, page, page, 1000), 0);
    assert_true(counts_of(&device).compactions > 0);
    for (uint32_t page = 0; page < PAGES; page++)
        assert_int_equal(page_load(&device, page, page, 1000), 0);
    for (uint32_t page = 0; page < PAGES / 2; page++)
        device.backend->discard(device.state, 2 * page, 1);
    for (uint32_t page = 0; page < PAGES / 2; page++) {
        int code = page_store(&device, 2 * page, 100 + page, SWAP_PAGE);

        assert_true(code == 0 || code == -ENOSPC);
        assert_int_equal(page_load(&device, 2 * page + 1, 2 * page + 1, 1000), 0);
        if (code == 0)
            assert_int_equal(page_load(&device, 2 * page, 100 + page, SWAP_PAGE), 0);
    }
    assert_in_range(counts_of(&device).incompressible, 1, PAGES / 2 - 1);
    device.backend->close(device.state);
}

/* Full and emptied again, time after time: a block that pages were moved to is as free as any in the end. */
static void moved_pages_cost_no_room_for_ever(void **state)
{
    char name[64];
    struct device device;

    snprintf(name, sizeof(name), "%sratio=2:mem:", (const char *)*state);
    assert_int_equal(device_open(&device, name, PAGES, false), 0);
    for (unsigned round = 0; counts_of(&device).compactions <= 2 * PAGES; round++) {
        assert_true(round < 10000);
        for (uint32_t page = 0; page < PAGES; page++)
            assert_int_equal(page_store(&device, page, page, 1000), 0);
        device.backend->discard(device.state, 0, PAGES);
    }
    device.backend->close(device.state);
}

/* The worst that can be: every second page is dropped, and what comes does not compress. */
static void every_page_finds_room_if_there_is_a_block_for_each(void **state)
{
    struct random_source random = random_seeded(5);
    struct device device;

    assert_int_equal(device_open(&device, *state, PAGES, false), 0);
    for (unsigned step = 0; step < (scale_is_slow() ? 300 : 3000); step++) {
        uint32_t page = random_below(&random, PAGES);

        assert_int_equal(page_store(&device, page, page, random_below(&random, SWAP_PAGE + 1)), 0);
    }
    device.backend->close(device.state);
}

static void bytes_change(const char *path, off_t offset, size_t count, struct random_source *random)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++) {
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, offset + (off_t)i), 1);
        byte = (uint8_t)(byte ^ (1 + random_below(random, 255)));
        assert_int_equal(pwrite(fd, &byte, 1, offset + (off_t)i), 1);
    }
    close(fd);
}

/* Damage one page's bytes, and one page's record; the others are as they were. */
static void bytes_that_changed_below_cost_their_page_alone(void **state)
{
    struct random_source random = random_seeded(9);
    struct scratch scratch;
    struct device device;
    char name[192];
    off_t blocks;

    scratch_init(&scratch);
    snprintf(name, sizeof(name), "%sfile:%s", (const char *)*state, scratch_path(&scratch, "d"));
    assert_int_equal(device_open(&device, name, PAGES, true), 0);
    for (uint32_t page = 0; page < PAGES; page++)
        assert_int_equal(page_store(&device, page, page, 1000), 0); /* page i in block i */
    device.backend->close(device.state);
    /* A header, the records in one block, the caller's head, and the blocks. */
    blocks = (off_t)3 * SWAP_PAGE;
    bytes_change(scratch.path, blocks + (off_t)7 * SWAP_PAGE + 500, 1, &random);
    bytes_change(scratch.path, SWAP_PAGE + 32 * 9 + 17, 3, &random);
    assert_int_equal(device_open(&device, name, PAGES, true), 0);
    for (uint32_t page = 0; page < PAGES; page++)
        if (page == 7)
            assert_int_equal(page_load(&device, page, page, 1000), -EBADMSG);
        else if (page != 9) /* its record is lost: nobody knows where it lies */
            assert_int_equal(page_load(&device, page, page, 1000), 0);
    device.backend->close(device.state);
    unlink(scratch.path);
    scratch_fini(&scratch);
}

/* Records and blocks of noise: pages are wrong or refused, and nothing else happens. */
static void noise_below_is_harmless(void **state)
{
    struct random_source random = random_seeded(21);
    struct scratch scratch;
    struct device device;
    char name[192];

    scratch_init(&scratch);
    snprintf(name, sizeof(name), "%sfile:%s", (const char *)*state, scratch_path(&scratch, "d"));
    assert_int_equal(device_open(&device, name, PAGES, true), 0);
    for (uint32_t page = 0; page < PAGES; page++)
        assert_int_equal(page_store(&device, page, page, 10 * page), 0);
    device.backend->close(device.state);
    for (unsigned round = 0; round < (scale_is_slow() ? 3 : 30); round++) {
        bytes_change(scratch.path, SWAP_PAGE + random_below(&random, 8000),
                     1 + random_below(&random, 100), &random);
        bytes_change(scratch.path, 3 * SWAP_PAGE + random_below(&random, 100000), 100, &random);
        assert_int_equal(device_open(&device, name, PAGES, true), 0);
        for (uint32_t page = 0; page < PAGES; page++) {
            uint8_t *bytes = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
            int code = device.backend->read(device.state, page, 1, bytes);

            assert_true(code == 0 || code == -EBADMSG);
            free(bytes);
        }
        device.backend->close(device.state);
    }
    unlink(scratch.path);
    scratch_fini(&scratch);
}

static void another_kind_of_device_is_left_alone(void **state)
{
    struct scratch scratch;
    struct device device;
    char plain[120], zstd[128], lz4[128];

    (void)state;
    scratch_init(&scratch);
    snprintf(plain, sizeof(plain), "file:%s", scratch_path(&scratch, "d"));
    snprintf(zstd, sizeof(zstd), "zstd:%s", plain);
    snprintf(lz4, sizeof(lz4), "lz4:%s", plain);
    assert_int_equal(device_open(&device, plain, PAGES, true), 0);
    device.backend->close(device.state);
    assert_int_equal(device_open(&device, zstd, PAGES, true), -EEXIST);
    assert_non_null(strstr(device.error.text, "is not compressed"));
    unlink(scratch.path);
    assert_int_equal(device_open(&device, zstd, PAGES, true), 0);
    device.backend->close(device.state);
    assert_int_equal(device_open(&device, lz4, PAGES, true), -EINVAL);
    assert_non_null(strstr(device.error.text, "compressed by zstd"));
    assert_int_equal(device_open(&device, zstd, PAGES + 1, true), -EINVAL);
    assert_non_null(strstr(device.error.text, "made for 48 pages"));
    unlink(scratch.path);
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_books_of_blocks_and_pages_agree),
        cmocka_unit_test(the_emptiest_blocks_fit_into_one),
        cmocka_unit_test_prestate(what_pages_take_is_counted, "zstd:mem:"),
        cmocka_unit_test_prestate(what_pages_take_is_counted, "lz4:mem:"),
        cmocka_unit_test_prestate(pages_are_moved_together_when_no_block_is_free, "zstd:"),
        cmocka_unit_test_prestate(pages_are_moved_together_when_no_block_is_free, "lz4:"),
        cmocka_unit_test_prestate(moved_pages_cost_no_room_for_ever, "lz4:"),
        cmocka_unit_test_prestate(every_page_finds_room_if_there_is_a_block_for_each, "lz4:mem:"),
        cmocka_unit_test_prestate(bytes_that_changed_below_cost_their_page_alone, "zstd:"),
        cmocka_unit_test_prestate(bytes_that_changed_below_cost_their_page_alone, "lz4:"),
        cmocka_unit_test_prestate(noise_below_is_harmless, "zstd:"),
        cmocka_unit_test_prestate(noise_below_is_harmless, "lz4:"),
        cmocka_unit_test(another_kind_of_device_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
