/* The swap device in virtual time: its books, its failures, and how long it takes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "os/heap.h"
#include "play/device.h"

static void begin(struct device *device, uint32_t slots, uint32_t depth)
{
    struct costs costs = costs_default();

    costs.write_start = 1000;
    costs.write_page = 100;
    costs.read_start = 500;
    costs.read_page = 50;
    costs.piece = 7;
    costs.depth = depth;
    assert_int_equal(device_init(device, slots, &costs, 1, &heap_allocator), 0);
    assert_int_equal(device_join(device, 3, slots), 0);
}

static void what_was_written_is_read(void **state)
{
    const uint64_t contents[] = {7, 0, 9};
    struct device device;
    uint32_t slot[3];
    uint64_t done;

    (void)state;
    begin(&device, 4, 1);
    assert_int_equal(device_store(&device, 3, 3, contents, 1, 10, slot, &done), 0);
    assert_int_equal(done, 10 + 1000 + 2 * 100); /* the page of zeros takes no time */
    for (unsigned i = 0; i < 3; i++)
        assert_true(device_stored(&device, 3, slot[i]));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(device_pin(&device, 3, slot[i]), 0);
        done = device_load(&device, &slot[i], 1, done);
        assert_int_equal(device_loaded(&device, 3, slot[i]), contents[i]);
    }
    assert_int_equal(device_status(&device).used, 2);
    assert_int_equal(device.zero, 1);
    device_free(&device, 3, slot[0]);
    assert_int_equal(device_status(&device).used, 1);
    device_leave(&device, 3);
    assert_int_equal(device_status(&device).used, 0);
    device_fini(&device);
}

static void what_comes_together_waits_beyond_the_depth(void **state)
{
    const uint64_t one = 1;
    struct device device;
    uint64_t done;
    uint32_t slot;

    (void)state;
    begin(&device, 9, 2);
    assert_int_equal(device_store(&device, 3, 1, &one, 1, 0, &slot, &done), 0);
    assert_int_equal(done, 1100);
    assert_int_equal(device_store(&device, 3, 1, &one, 1, 0, &slot, &done), 0);
    assert_int_equal(done, 1100);
    assert_int_equal(device_store(&device, 3, 1, &one, 1, 0, &slot, &done), 0);
    assert_int_equal(done, 2200);
    device_fini(&device);
}

static void pages_in_pieces_take_longer(void **state)
{
    const uint64_t contents[] = {1, 2, 3, 4, 5, 6, 7};
    struct device device;
    uint32_t slot[7], some[3];
    uint64_t done;

    (void)state;
    begin(&device, 7, 4);
    assert_int_equal(device_store(&device, 3, 7, contents, 3, 0, slot, &done), 0);
    assert_int_equal(done, 1000 + 7 * 100 + 2 * 7); /* three pieces of memory, one of the device */
    for (unsigned i = 0; i < 7; i++)
        assert_true(device_stored(&device, 3, slot[i]));
    device_free(&device, 3, slot[1]);
    device_free(&device, 3, slot[4]);
    assert_int_equal(device_store(&device, 3, 2, contents, 1, 2000, slot, &done), 0);
    assert_int_equal(done, 2000 + 1000 + 2 * 100 + 7); /* the other way round */
    device_fini(&device);
    begin(&device, 7, 4);
    assert_int_equal(device_store(&device, 3, 7, contents, 1, 0, slot, &done), 0);
    for (unsigned i = 0; i < 7; i++)
        assert_true(device_stored(&device, 3, slot[i]));
    some[0] = slot[0], some[1] = slot[6];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(device_pin(&device, 3, some[i]), 0);
    /* Both start at once, and one page follows the other. */
    assert_int_equal(device_load(&device, some, 2, 5000),
                     5000 + device.costs.read_start + 2 * 50 + 7);
    for (unsigned i = 0; i < 2; i++)
        (void)device_loaded(&device, 3, some[i]);
    device_fini(&device);
}

static void a_write_that_fails_leaves_its_slot_free(void **state)
{
    const uint64_t one = 1;
    struct device device;
    uint64_t done;
    uint32_t slot;

    (void)state;
    begin(&device, 1, 1);
    device.fails = UINT64_C(1) << 32; /* each */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(device_store(&device, 3, 1, &one, 1, 0, &slot, &done), 0);
        assert_false(device_stored(&device, 3, slot));
    }
    assert_int_equal(device.failed, 3);
    assert_int_equal(device_status(&device).used, 0);
    device_fini(&device);
}

static void a_client_that_finds_no_room_is_not_there(void **state)
{
    struct device device;

    (void)state;
    begin(&device, 5, 1);
    assert_int_equal(device_join(&device, 4, 1), -ENOSPC);
    assert_false(device_is_there(&device, 4));
    device_fini(&device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(what_comes_together_waits_beyond_the_depth),
        cmocka_unit_test(pages_in_pieces_take_longer),
        cmocka_unit_test(a_write_that_fails_leaves_its_slot_free),
        cmocka_unit_test(a_client_that_finds_no_room_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
