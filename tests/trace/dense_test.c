/* Dense traces: what is written is read back, in both ways of reading; anything that breaks the rules of
 * the format is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "reading.h"
#include "trace/format_dense.h"
#include "trace/page_table.h"
#include "trace/trace_output.h"

#define MOST 8000u

static struct trace_reference made[MOST];

static void make(size_t count, uint32_t pages, uint64_t seed)
{
    struct random_source random = random_seeded(seed);

    for (size_t i = 0; i < count; i++)
        made[i] = (struct trace_reference){.id = random_below(&random, pages) *
                                                 UINT64_C(0x9e3779b97f4a7c15),
                                           .write = random_below(&random, 3) == 0};
}

/* The made references as a dense trace in memory that the caller frees. */
static uint8_t *store(size_t count, size_t *size)
{
    struct trace_output_choice choice;
    struct trace_output output;
    struct sp_error error;
    int fd = memfd_create("dense", MFD_CLOEXEC);
    uint8_t *bytes;

    assert_true(fd >= 0);
    assert_int_equal(trace_output_choose("dense", "-", &choice, &error), 0);
    assert_int_equal(trace_output_init(&output, &choice, fd, "dense", 4096, &error), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(trace_output_add(&output, &made[i], &error), 0);
    assert_int_equal(trace_output_finish(&output, 0, &error), 0);
    *size = output.sink.bytes;
    trace_output_fini(&output);
    bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, *size, 0), *size);
    close(fd);
    return bytes;
}

static int open_bytes(struct trace *trace, const void *bytes, size_t size, struct sp_error *error)
{
    const struct source_origin origin = {.bytes = bytes, .size = size};
    const struct trace_options options = {NULL, 0, 0};

    return trace_open_source(trace, &origin, &options, error);
}

static void test_what_is_written_is_read(void **state)
{
    static const size_t counts[] = {0, 1, 2047, 2048, 2049, MOST};
    static struct trace trace;

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct trace_reference got[TRACE_BATCH];
        struct sp_error error;
        size_t size, at = 0;
        ssize_t some;
        uint8_t *bytes;

        make(counts[c], 3000, c);
        bytes = store(counts[c], &size);
        if (open_bytes(&trace, bytes, size, &error) != 0)
            fail_msg("%s", error.text);
        assert_int_equal(trace.told_references, counts[c]);
        assert_int_equal(trace.told_page_size, 4096);
        for (int twice = 0; twice < 2; twice++) { /* a rewind begins anew */
            for (at = 0; (some = trace_read(&trace, got, TRACE_BATCH, &error)) > 0;)
                for (ssize_t i = 0; i < some; i++, at++) {
                    assert_true(got[i].id == made[at].id);
                    assert_int_equal(got[i].write, made[at].write);
                }
            assert_int_equal(some, 0);
            assert_int_equal(at, counts[c]);
            assert_int_equal(trace_rewind(&trace, &error), 0);
        }
        trace_fini(&trace);
        free(bytes);
    }
}

/* Taken as numbers, with any number at a time: those that a table gives. */
static void test_numbers_are_those_of_a_table(void **state)
{
    static struct trace trace;
    struct page_table table, own;
    struct sp_error error;
    size_t size, at = 0;
    uint8_t *bytes;

    (void)state;
    make(MOST, 3000, 9);
    bytes = store(MOST, &size);
    assert_int_equal(open_bytes(&trace, bytes, size, &error), 0);
    assert_true(format_dense_is(&trace));
    assert_int_equal(page_table_init(&table, MOST), 0);
    assert_int_equal(page_table_init(&own, MOST), 0);
    assert_int_equal(page_table_keep_ids(&own), 0);
    for (size_t most = 1; at < MOST; most = most % 500 + 7) {
        uint32_t got[TRACE_BATCH], expected[TRACE_BATCH];
        struct dense_fresh fresh;
        ssize_t some = format_dense_take(&trace, got, most, &fresh, &error);

        assert_true(some > 0 && (size_t)some <= most);
        assert_int_equal(page_table_adopt(&own, fresh.first, fresh.ids, fresh.count), 0);
        assert_int_equal(page_table_look_up(&table, made + at, (size_t)some, expected), 0);
        assert_memory_equal(got, expected, (size_t)some * sizeof(got[0]));
        for (ssize_t i = 0; i < some; i++)
            assert_true(own.ids[got[i] >> 1] == made[at + (size_t)i].id);
        at += (size_t)some;
    }
    assert_int_equal(own.count, table.count);
    assert_int_equal(trace.told_pages, table.count);
    page_table_fini(&own);
    page_table_fini(&table);
    trace_fini(&trace);
    free(bytes);
}

static void put_32(uint8_t *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, 4);
}

/* A header and one chunk, of which one field is changed. */
static void expect_refused(size_t offset, uint32_t value, const char *words)
{
    size_t size;
    uint8_t *bytes;

    make(3, 1000, 1);
    bytes = store(3, &size);
    assert_int_equal(size, 32 + 8 + 3 * 8 + 3 * 4);
    put_32(bytes + offset, value);
    reading_expect_error(reading_of(bytes, size, NULL, 0, 0), words);
    free(bytes);
}

static void test_what_breaks_the_format_is_refused(void **state)
{
    (void)state;
    expect_refused(12, 1, "flags 0x1 of the dense format");
    expect_refused(16, 4, "its header counts 4");
    expect_refused(32, 0, "a chunk of 0 references");
    expect_refused(32, 2049, "a chunk of 2049 references");
    expect_refused(32, 4, "the file ends in a chunk");
    expect_refused(36, 4, "to 4 new pages is none");
    expect_refused(36, 2, "a page that has not appeared");
    expect_refused(64, 6, "a page that has not appeared");
    expect_refused(64, UINT32_MAX, "a page that has not appeared");
}

static void test_a_trace_that_is_cut_off_is_refused(void **state)
{
    size_t size;
    uint8_t *bytes;

    (void)state;
    make(2100, 1000, 1);
    bytes = store(2100, &size);
    for (size_t cut = 7; cut < size; cut += cut < 100 || cut > size - 100 ? 1 : 97)
        assert_int_equal(reading_of(bytes, cut, NULL, 0, 0)->result, -EILSEQ);
    assert_int_equal(reading_of(bytes, size, NULL, 0, 0)->result, 0);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_numbers_are_those_of_a_table),
        cmocka_unit_test(test_what_breaks_the_format_is_refused),
        cmocka_unit_test(test_a_trace_that_is_cut_off_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
