/* Binary traces of other programs, whose records are put together here byte by byte as their descriptions
 * say, and layouts that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reading.h"
#include "trace/packed.h"

#define LCS_HEADER      1024u
#define LCS_LATE_HEADER 8192u

static uint8_t bytes[16384];
static size_t used;

static void put(uint64_t value, size_t size)
{
    value = htole64(value);
    memcpy(bytes + used, &value, size);
    used += size;
}

static void put_real(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, 8);
    put(bits, 8);
}

static void expect(const struct reading *r, size_t i, uint64_t id, uint32_t size, bool write)
{
    if (r->result != 0)
        fail_msg("%s", r->error.text);
    assert_true(i < r->count);
    assert_true(r->references[i].id == id);
    assert_int_equal(r->references[i].size, size);
    assert_int_equal(r->references[i].write, write);
}

static void test_a_layout_says_where_the_fields_are(void **state)
{
    const struct reading *r;

    (void)state;
    used = 0;
    for (uint64_t i = 0; i < 3; i++) { /* <hxB3sQiIq */
        put(7, 2);
        put(0xee, 1); /* a gap */
        put(i == 1 ? 3 : 1, 1);
        put(0x414243, 3);
        put(UINT64_MAX - i, 8);
        put((uint64_t)-5, 4);
        put(100 + i, 4);
        put(i == 0 ? 2 : UINT64_MAX, 8);
    }
    r = reading_of(bytes, used,
                   "binary:format=<hxB3sQiIq,obj-id-col=4,obj-size-col=6,op-col=2,"
                   "next-access-col=7,time-col=1",
                   0, 0);
    expect(r, 0, UINT64_MAX, 100, false);
    expect(r, 1, UINT64_MAX - 1, 101, true);
    expect(r, 2, UINT64_MAX - 2, 102, false);
    assert_int_equal(r->references[0].next, 2);
    assert_true(r->references[1].next == TRACE_NEVER);
    assert_int_equal(r->count, 3);
    r = reading_of(bytes, used, "binary:offset=31,format=<hxB3sQiIq,obj-id-col=5", 0, 0);
    expect(r, 1, (uint64_t)-5, 0, false);
    assert_int_equal(r->count, 2);
    r = reading_of(bytes, used - 1, "binary:format=<hxB3sQiIq,obj-id-col=4", 0, 0);
    reading_expect_error(r, "record 3: the file ends after 30 of its 31 bytes");
}

static void test_numbers_have_their_signs_and_real_ones_are_cut_off(void **state)
{
    const struct reading *r;

    (void)state;
    used = 0;
    put(0x80, 1);
    put(0x80, 1);
    put(0x8000, 2);
    put(0x8000, 2);
    put_real(1234.9);
    put_real(1e300);
    put(UINT64_MAX, 8);
    expect(reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=1", 0, 0), 0, (uint64_t)-128,
           0, false);
    expect(reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=2", 0, 0), 0, 128, 0, false);
    expect(reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=3", 0, 0), 0,
           (uint64_t)-32768, 0, false);
    expect(reading_of(bytes, used, "binary:format=<bB2HddQ,obj-id-col=4", 0, 0), 0, 32768, 0,
           false);
    expect(reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=5", 0, 0), 0, 1234, 0, false);
    expect(reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=6", 0, 0), 0, 0, 0, false);
    r = reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=2,obj-size-col=7", 0, 0);
    expect(r, 0, 128, UINT32_MAX, false);
    r = reading_of(bytes, used, "binary:format=<bBhHddQ,obj-id-col=2,obj-size-col=1", 0, 0);
    expect(r, 0, 128, 0, false); /* a size below 0 is none */
}

static void test_layouts_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *options, *words;
    } cases[] = {
        {"binary", "how are the records laid out"},
        {"binary:obj-id-col=1", "how are the records laid out"},
        {"binary:format=IQ", "begins with <"},
        {"binary:format=>IQ", "begins with <"},
        {"binary:format=<", "is not a layout of records"},
        {"binary:format=<IZ", "is not a layout of records"},
        {"binary:format=<I3", "is not a layout of records"},
        {"binary:format=<99999999999I", "is not a layout of records"},
        {"binary:format=<4096s4096s", "is not a layout of records"},
        {"binary:format=<241B", "is not a layout of records"},
        {"binary:format=<4xI,obj-id-col=2", "field 2 of '<4xI' cannot be the id"},
        {"binary:format=<4sI,obj-id-col=1", "field 1 of '<4sI' cannot be the id"},
        {"binary:format=<4sI,obj-id-col=2,obj-size-col=1", "no number in a field"},
        {"binary:format=<I,obj-id-col=0", "cannot be the id"},
        {"binary:format=<I,obj-id-col=x", "is not an option"},
        {"binary:format=<I,colour=1", "'colour=1' is not an option"},
        {"binary:format=<I,offset=5000", "ends before its first record"},
    };

    (void)state;
    memset(bytes, 1, sizeof(bytes));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        reading_expect_error(reading_of(bytes, 400, cases[i].options, 0, 0), cases[i].words);
}

/* ---- lcs ---- */

static void put_lcs(const char *layout, unsigned record, unsigned id, unsigned size, unsigned next,
                    unsigned operation)
{
    memset(bytes, 0, sizeof(bytes));
    used = 0;
    put(UINT64_C(0x123456789abcdef0), 8);
    strcpy((char *)bytes + 8, layout);
    bytes[248] = (uint8_t)id;
    bytes[249] = (uint8_t)size;
    bytes[252] = (uint8_t)next;
    bytes[253] = (uint8_t)operation;
    used = 488;
    put(2, 8);
    put(1, 8);
    used = 1004;
    put(record, 4);
    put(1, 8);
    put(UINT64_C(0x123456789abcdef0), 8);
    assert_int_equal(used, LCS_HEADER);
    for (unsigned i = 0; i < 2; i++) {
        put(i, 4);
        put(77, 8);
        put(4096, 4);
        put(i == 0 ? 1 : UINT64_MAX, 8);
        put(i == 0 ? 13 : 12, 1); /* write, read */
    }
}

static void test_an_lcs_trace_says_itself_how_it_is_laid_out(void **state)
{
    const struct reading *r;

    (void)state;
    put_lcs("<IQIqB", 25, 2, 3, 4, 5);
    r = reading_of(bytes, used, NULL, 0, 0); /* told by its content */
    expect(r, 0, 77, 4096, true);
    expect(r, 1, 77, 4096, false);
    assert_int_equal(r->references[0].next, 1);
    assert_true(r->references[1].next == TRACE_NEVER);
    reading_expect(r, 2, 1);
}

static void test_headers_of_lcs_that_are_wrong_are_refused(void **state)
{
    (void)state;
    put_lcs("<IQIqB", 24, 2, 3, 4, 5);
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "has 24 bytes, and lays out 25");
    put_lcs("IQIqB", 25, 2, 3, 4, 5);
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "damaged, or of a later version");
    put_lcs("<IQIqB", 25, 0, 3, 4, 5);
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "cannot be the id");
    put_lcs("<IQIqB", 25, 2, 3, 4, 200);
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "no number in a field");
    put_lcs("<IQIqB", 25, 2, 3, 4, 5);
    memset(bytes + 8, 'I', 240); /* no zero ends it */
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "damaged");
    put_lcs("<IQIqB", 25, 2, 3, 4, 5);
    bytes[1016] ^= 1;
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "header of an lcs trace is missing");
    put_lcs("<IQIqB", 25, 2, 3, 4, 5);
    for (size_t cut = 1; cut < used; cut += 17)
        assert_int_equal(reading_of(bytes, cut, "lcs", 0, 0)->result < 0,
                         cut < LCS_HEADER || (cut - LCS_HEADER) % 25 != 0);
}

/* Two references in layout `version` of the later header. */
static void put_late_lcs(uint64_t version)
{
    static const unsigned numbers[] = {0, 0, 0, 0, 1, 2, 4, 8, 16};

    memset(bytes, 0, sizeof(bytes));
    used = 0;
    put(UINT64_C(0x123456789abcdef0), 8);
    put(version, 8);
    put(1, 8);
    put(2, 8);
    put(1, 8);
    used = LCS_LATE_HEADER - 8;
    put(UINT64_C(0x123456789abcdef0), 8);
    for (unsigned i = 0; i < 2; i++) {
        put(1000 + i, 4);
        put(77, 8);
        put(4096, version >= 3 ? 8 : 4);
        if (version >= 2) {
            put(i == 0 ? 13 : 12, 1); /* write, read */
            put(0xabcdef, 3);         /* a tenant */
        }
        if (version >= 3)
            put(60, 4); /* time to live */
        put(i == 0 ? 1 : UINT64_MAX, 8);
        for (unsigned n = 0; n < numbers[version]; n++)
            put(0x5a5a5a5a, 4);
    }
}

static void test_each_layout_of_the_later_lcs_is_read(void **state)
{
    static const unsigned sizes[] = {0, 24, 28, 36, 40, 44, 52, 68, 100};

    (void)state;
    for (uint64_t version = 1; version <= 8; version++) {
        const struct reading *r;

        put_late_lcs(version);
        assert_int_equal(used, LCS_LATE_HEADER + 2 * sizes[version]);
        r = reading_of(bytes, used, NULL, 0, 0); /* told by its content */
        expect(r, 0, 77, 4096, version > 1);
        expect(r, 1, 77, 4096, false);
        assert_int_equal(r->references[0].next, 1);
        assert_true(r->references[1].next == TRACE_NEVER);
        reading_expect(r, 2, 1);
        reading_expect_error(reading_of(bytes, used - 1, NULL, 0, 0), "the file ends after");
    }
}

static void test_later_headers_of_lcs_that_are_wrong_are_refused(void **state)
{
    (void)state;
    put_late_lcs(2);
    bytes[8] = 9;
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "version 9, and only 1 to 8");
    bytes[8] = 0;
    reading_expect_error(reading_of(bytes, used, "lcs", 0, 0), "version 0, and only 1 to 8");
    bytes[8] = 2;
    bytes[LCS_LATE_HEADER - 1] ^= 1;
    reading_expect_error(reading_of(bytes, used, NULL, 0, 0), "header of an lcs trace is damaged");
    bytes[LCS_LATE_HEADER - 1] ^= 1;
    for (size_t cut = 1; cut < used; cut += 97)
        assert_int_equal(reading_of(bytes, cut, "lcs", 0, 0)->result < 0,
                         cut < LCS_LATE_HEADER || (cut - LCS_LATE_HEADER) % 28 != 0);
}

static void test_twr_packs_sizes_and_operations(void **state)
{
    const struct reading *r;

    (void)state;
    used = 0;
    for (uint64_t i = 0; i < 3; i++) {
        put(i, 4);
        put(1000 + i, 8);
        put(20u << 22 | 300u, 4);
        put((i == 0 ? 1u : i == 1 ? 3u : 12u) << 24 | 3600u, 4);
    }
    r = reading_of(bytes, used, "twr", 0, 0);
    expect(r, 0, 1000, 320, false);
    expect(r, 1, 1001, 320, true);
    expect(r, 2, 1002, 320, false);
    reading_expect_error(reading_of(bytes, used - 3, "twr", 0, 0), "after 17 of its 20 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_layout_says_where_the_fields_are),
        cmocka_unit_test(test_numbers_have_their_signs_and_real_ones_are_cut_off),
        cmocka_unit_test(test_layouts_that_are_none_are_refused),
        cmocka_unit_test(test_an_lcs_trace_says_itself_how_it_is_laid_out),
        cmocka_unit_test(test_headers_of_lcs_that_are_wrong_are_refused),
        cmocka_unit_test(test_each_layout_of_the_later_lcs_is_read),
        cmocka_unit_test(test_later_headers_of_lcs_that_are_wrong_are_refused),
        cmocka_unit_test(test_twr_packs_sizes_and_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
