/* Reading and writing traces. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <valgrind/valgrind.h>
#include <zstd.h>

#include "base/random.h"
#include "trace/trace.h"
#include "record/code.h"
#include "trace/trace_output.h"

#define MOST 4096u

struct read {
    struct trace_reference references[MOST + TRACE_BATCH];
    size_t count;
    uint64_t hashed;
    char columns[TRACE_COLUMNS];
    int result;
    struct sp_error error;
};

static struct read got; /* large */

static void read_all(struct trace *trace)
{
    ssize_t count;

    got.count = 0;
    while ((count = trace_read(trace, got.references + got.count, TRACE_BATCH, &got.error)) > 0) {
        got.count += (size_t)count;
        assert_true(got.count <= MOST);
    }
    got.result = (int)count;
    got.hashed = trace->hashed;
    memcpy(got.columns, trace->columns, sizeof(got.columns));
}

static const struct read *read_bytes(const void *bytes, size_t size, const char *format,
                                     uint32_t page_size, uint64_t id_unit)
{
    struct trace_options options = {format, page_size, id_unit};
    const struct source_origin origin = {.bytes = bytes, .size = size};
    static struct trace trace;

    memset(&got, 0, sizeof(got));
    got.result = trace_open_source(&trace, &origin, &options, &got.error);
    if (got.result == 0)
        read_all(&trace);
    trace_fini(&trace);
    return &got;
}

static const struct read *read_text(const char *text, const char *format)
{
    return read_bytes(text, strlen(text), format, 0, 0);
}

static void expect(size_t i, uint64_t id, uint32_t size, bool write)
{
    assert_true(i < got.count);
    assert_true(got.references[i].id == id);
    assert_int_equal(got.references[i].size, size);
    assert_int_equal(got.references[i].write, write);
}

static void expect_error(const struct read *read, const char *part)
{
    assert_true(read->result < 0);
    if (strstr(read->error.text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, read->error.text);
}

static void test_text(void **state)
{
    (void)state;
    read_text("7\n8\r\n\n 9 \n18446744073709551615\n18446744073709551616\nabc\nabc\n10", "text");
    assert_int_equal(got.result, 0);
    assert_int_equal(got.count, 8);
    expect(0, 7, 0, false);
    expect(1, 8, 0, false);
    expect(2, 9, 0, false);
    expect(3, UINT64_MAX, 0, false);
    expect(7, 10, 0, false);
    assert_int_equal(got.hashed, 3);
    assert_true(got.references[5].id == got.references[6].id);
    assert_true(got.references[5].id != got.references[4].id);
    expect_error(read_bytes("1\nx\n", 4, "text", 4096, 512), "line 2: 'x' is not an address");
    expect_error(read_bytes("1\n", 2, "text", 4096, 0), "carries no sizes");
    expect_error(read_bytes("1\n", 2, "text", 0, 512), "page size");
    expect_error(read_bytes("1\n", 2, "text", 5000, 512), "power of two");
    expect_error(read_text("1\n", "text:what=1"), "takes no options");
    expect_error(read_text("1\n", "tixt"), "no trace format 'tixt'");
}

static void test_csv(void **state)
{
    (void)state;
    read_text("time,id,size,op\n1,5,100,read\n2, 6 ,200,SET\n\n3,\"x\",\n",
              "csv:time-col=1,obj-id-col=2,obj-size-col=3,op-col=4,has-header=true");
    expect_error(&got, "line 5: there is no size in bytes");
    read_text("1\t5\n2\tx\n", "csv:delimiter=tab,obj-id-col=2");
    assert_int_equal(got.count, 2);
    expect(0, 5, 0, false);
    assert_int_equal(got.hashed, 1);
    /* As libCacheSim's users write it. */
    read_text("1,a,4,9,77\n", "csv:time-col=2,obj-id-col=5,obj-size-col=4,has-header=false,"
                              "delimiter=,,obj-id-is-num=1");
    assert_int_equal(got.result, 0);
    expect(0, 77, 9, false);
    read_text("5|1|w\n6|2|r", "csv:obj-id-col=1,obj-size-col=2,op-col=3,delimiter=|");
    assert_int_equal(got.count, 2);
    expect(0, 5, 1, true);
    expect(1, 6, 2, false);
    expect_error(read_text("1,2\n", NULL), "which column");
    /* A header says which columns are used, and that is said in turn; options need no such sentence. */
    read_text("\"Time\";\"Object ID\"; Size (Bytes);\"Op\"\n1;7;9;w\n", "csv");
    expect(0, 7, 9, true);
    assert_string_equal(
        got.columns,
        "ids in column 2 (Object ID), sizes in column 3 (Size (Bytes)), operations in column 4 (Op)");
    read_text("id,size\n1,2\n", "csv:obj-id-col=2");
    assert_string_equal(got.columns, "");
    expect_error(read_text("", "csv"), "this file has no line");
    expect_error(read_text("\n\n", "csv"), "this file has no line");
    assert_int_equal(read_text("", "csv:obj-id-col=2")->result, 0);
    expect_error(read_text("1,2\n", "csv:obj-id-col=0"), "does not take '0'");
    expect_error(read_text("1,2\n", "csv:id-col=1"), "no option 'id-col'");
    expect_error(read_text("1,2\n", "csv:obj-id-col"), "name=value");
    expect_error(read_text("1,2\n", "csv:obj-id-col=3"), "line 1: there is no id in column 3");
    expect_error(read_text("1,b\n", "csv:obj-id-col=2,obj-id-is-num=true"), "is not a number");
    expect_error(read_text("1,99999999999\n", "csv:obj-id-col=1,obj-size-col=2"), "below 2^32");
}

static void test_lackey(void **state)
{
    (void)state;
    read_text("==1== Lackey\nI  0400,3\n L 1fff,2\n S 2000,8\n M 3000,4\n\n==1== end\n", NULL);
    assert_int_equal(got.result, 0);
    assert_int_equal(got.count, 5);
    expect(0, 0, 3, false);
    expect(1, 1, 2, false); /* 1fff and 2000: two pages */
    expect(2, 2, 2, false);
    expect(3, 2, 8, true);
    expect(4, 3, 4, true);
    expect_error(read_text(" L 1000,8\n L 10g0,8\n", "lackey"), "line 2: ' L 10g0,8' is no access");
    expect_error(read_text(" L 1000\n", "lackey"), "line 1");
    expect_error(read_text(" L 1000;8\n", "lackey"), "line 1");
    expect_error(read_text(" L 11112222333344445,1\n", "lackey"), "line 1");
    read_text(" S ffffffffffffffff,8\n", "lackey");
    assert_int_equal(got.count, 1); /* the address space ends there */
}

static void put(uint8_t *at, uint32_t time, uint64_t id, uint32_t size, int64_t next)
{
    memcpy(at, &time, 4);
    memcpy(at + 4, &id, 8);
    memcpy(at + 12, &size, 4);
    memcpy(at + 16, &next, 8);
}

static void test_oracle_general(void **state)
{
    uint8_t bytes[72];

    (void)state;
    put(bytes, 1, 5, 10000, 2);
    put(bytes + 24, 1, UINT64_C(1) << 60, 0, -1);
    put(bytes + 48, 2, 5, 4096, INT64_MAX);
    read_bytes(bytes, 72, NULL, 0, 0);
    assert_int_equal(got.result, 0);
    assert_int_equal(got.count, 3);
    expect(0, 5, 10000, false);
    assert_int_equal(got.references[0].next, 2);
    assert_true(got.references[1].next == TRACE_NEVER && got.references[2].next == TRACE_NEVER);
    /* Split: an object of 10000 bytes has three pages, and the first is that of the object itself.
     */
    read_bytes(bytes, 72, "oracleGeneral", 4096, 0);
    assert_int_equal(got.count, 5);
    assert_true(got.references[0].id == 5 && got.references[4].id == 5);
    assert_true(got.references[1].id != 5 && got.references[1].id != got.references[2].id);
    /* Ids as sectors: 5 * 512 = 2560, and 12559 is in the fourth page. */
    read_bytes(bytes, 24, "oracleGeneral", 4096, 512);
    assert_int_equal(got.count, 4);
    expect(3, 3, 10000, false);
    expect_error(read_bytes(bytes, 71, "oracleGeneral", 0, 0),
                 "record 3: the file ends after 23 of its 24 bytes");
}

static void test_native_round_trip(void **state)
{
    unsigned count = RUNNING_ON_VALGRIND ? 500 : 4000;
    struct random_source random = random_seeded(4);
    static struct trace trace;
    static uint64_t ids[MOST];

    (void)state;
    for (size_t i = 0; i < count; i++)
        ids[i] = random_bits(&random) >> random_below(&random, 64);
    ids[1] = UINT64_MAX;
    ids[2] = 0;
    ids[3] = UINT64_C(1) << 63;
    for (int compress = 0; compress < 2; compress++) {
        struct trace_options options = {NULL, 0, 0};
        struct trace_output_choice choice;
        struct trace_output output;
        struct sp_error error;
        int fd = memfd_create("trace", MFD_CLOEXEC);
        char path[64];

        assert_true(fd >= 0);
        assert_int_equal(trace_output_choose("native", compress ? "x.zst" : "x", &choice, &error),
                         0);
        assert_int_equal(trace_output_init(&output, &choice, fd, "trace", 4096, &error), 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(
                trace_output_add(
                    &output, &(struct trace_reference){.id = ids[i], .write = i % 3 == 0}, &error),
                0);
        assert_int_equal(trace_output_finish(&output, 9, &error), 0);
        trace_output_fini(&output);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        assert_int_equal(trace_open(&trace, path, &options, &error), 0);
        assert_int_equal(trace.source.compressed, compress);
        for (int pass = 0; pass < 2; pass++) {
            read_all(&trace);
            assert_int_equal(got.result, 0);
            assert_int_equal(got.count, count);
            for (size_t i = 0; i < count; i++)
                expect(i, ids[i], 0, i % 3 == 0);
            assert_int_equal(trace_rewind(&trace, &error), 0);
        }
        assert_int_equal(trace.told_references, compress ? 0 : count);
        assert_int_equal(trace.told_pages, compress ? 0 : 9);
        assert_int_equal(trace.told_page_size, 4096);
        trace_fini(&trace);
        close(fd);
    }
}

static void test_native_malformed(void **state)
{
    uint8_t bytes[64] = TRACE_NATIVE_MAGIC;

    (void)state;
    expect_error(read_bytes(bytes, 31, NULL, 0, 0), "header");
    bytes[32] = 0x82;
    expect_error(read_bytes(bytes, 33, NULL, 0, 0), "record 1: the file ends in the middle");
    memset(bytes + 32, 0xff, 20);
    expect_error(read_bytes(bytes, 52, NULL, 0, 0), "record 1: its number is too long");
    bytes[32] = bytes[33] = 2;
    bytes[16] = 3;
    expect_error(read_bytes(bytes, 34, NULL, 0, 0), "its header counts 3");
    bytes[7] = 9;
    expect_error(read_bytes(bytes, 34, NULL, 0, 0), "version 9");
}

static void test_zstd(void **state)
{
    static char text[40000], packed[60000];
    size_t size, half;

    (void)state;
    for (int i = 0; i < 2000; i++)
        snprintf(text + strlen(text), 12, "%d\n", i * 7919);
    half = ZSTD_compress(packed, sizeof(packed), text, strlen(text), 3);
    size = half + ZSTD_compress(packed + half, sizeof(packed) - half, text, strlen(text), 3);
    read_bytes(packed, size, NULL, 0, 0); /* two frames, one after the other */
    assert_int_equal(got.result, 0);
    assert_int_equal(got.count, 4000);
    expect(3999, 1999 * 7919, 0, false);
    expect_error(read_bytes(packed, half - 3, NULL, 0, 0), "cannot be decompressed: ");
    packed[half / 2] ^= 0x55;
    assert_true(read_bytes(packed, half, "text", 0, 0)->result <= 0);
}

/* The same references in every format, told by name and by content. */
static void test_stored(void **state)
{
    static const char *const names[] = {
        "small.txt",    "small.sptrace", "small.sptrace.zst", "small.oracleGeneral",
        "small.lackey", "small.lcs",     "small.csv"};
    static struct trace_reference first[MOST];
    static struct trace trace;

    (void)state;
    for (int i = 0; i < 7; i++) {
        struct trace_options options = {i == 6 ? "csv:obj-id-col=3,op-col=2,has-header=1" : NULL, 0,
                                        0};
        struct sp_error error;
        char path[1024];

        snprintf(path, sizeof(path), "%s/traces/%s", TEST_DATADIR, names[i]);
        if (trace_open(&trace, path, &options, &error) != 0)
            fail_msg("%s", error.text);
        read_all(&trace);
        assert_int_equal(got.result, 0);
        assert_int_equal(got.count, 3000);
        for (size_t k = 0; k < got.count; k++) {
            if (i == 0)
                first[k] = got.references[k];
            else
                assert_int_equal(got.references[k].id, first[k].id);
        }
        trace_fini(&trace);
    }
}

static void test_cannot_open(void **state)
{
    struct trace_options options = {NULL, 0, 0};
    static struct trace trace;
    struct sp_error error;
    int ends[2];
    char path[64];

    (void)state;
    assert_int_equal(trace_open(&trace, "/nonexistent/x", &options, &error), -ENOENT);
    trace_fini(&trace);
    assert_int_equal(trace_open(&trace, "/tmp", &options, &error), -EISDIR);
    trace_fini(&trace);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "1\n2\n", 4), 4);
    close(ends[1]);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    assert_int_equal(trace_open(&trace, path, &options, &error), 0);
    read_all(&trace);
    assert_int_equal(got.count, 2);
    assert_int_equal(trace_rewind(&trace, &error), -ESPIPE);
    trace_fini(&trace);
    close(ends[0]);
}

static void test_long_line(void **state)
{
    size_t size = SOURCE_WINDOW + 10;
    char *text = malloc(size);

    (void)state;
    assert_non_null(text);
    memset(text, '1', size);
    expect_error(read_bytes(text, size, "text", 0, 0), "line 1: longer than");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_lackey),
        cmocka_unit_test(test_oracle_general),
        cmocka_unit_test(test_native_round_trip),
        cmocka_unit_test(test_native_malformed),
        cmocka_unit_test(test_zstd),
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_long_line),
    };

    return cmocka_run_group_tests_name("replay/formats", tests, NULL, NULL);
}
