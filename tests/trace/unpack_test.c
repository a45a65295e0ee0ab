/* Compressed traces: whole ones are read, in however small pieces they come; damaged ones, cut ones, and
 * ones with something behind them are refused, wherever the fault is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reading.h"
#include "scale.h"
#include "trace/sink.h"
#include "trace/unpack.h"

#define MOST 8192u

struct file {
    uint8_t bytes[MOST];
    size_t size;
};

static const enum sink_filter filters[] = {SINK_ZSTD, SINK_GZIP, SINK_XZ, SINK_BZIP2, SINK_LZ4};

#define FILTERS (sizeof(filters) / sizeof(filters[0]))

static char text[2048];
static size_t text_size;

/* Every place is damaged in turn; where that takes minutes, every so many, a number that bytes and bits do not share. */
static unsigned damage_step(unsigned slow)
{
#if defined(__SANITIZE_ADDRESS__)
    return scale_is_slow() ? slow : 7;
#else
    return scale_is_slow() ? slow : 1;
#endif
}

static int write_text(void **state)
{
    unsigned id = 1;

    (void)state;
    for (unsigned i = 0; i < 200; i++, id = id * 75 % 257)
        text_size += (size_t)snprintf(text + text_size, sizeof(text) - text_size, "%u\n", id);
    return 0;
}

static void append(struct file *file, const void *bytes, size_t size)
{
    assert_true(size <= MOST - file->size);
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

/* Append `size` bytes, compressed. */
static void pack(struct file *file, enum sink_filter filter, const void *bytes, size_t size)
{
    int fd = memfd_create("packed", MFD_CLOEXEC);
    struct sp_error error;
    struct sink sink;
    ssize_t got;

    assert_true(fd >= 0);
    assert_int_equal(sink_init(&sink, fd, "memory", filter, &error), 0);
    memcpy(sink_room(&sink, size, &error), bytes, size);
    sink_put(&sink, size);
    assert_int_equal(sink_finish(&sink, &error), 0);
    sink_fini(&sink);
    got = pread(fd, file->bytes + file->size, MOST - file->size, 0);
    assert_true(got > 0 && got < (ssize_t)(MOST - file->size));
    file->size += (size_t)got;
    assert_int_equal(close(fd), 0);
}

static struct file packed(enum sink_filter filter)
{
    struct file file = {.size = 0};

    pack(&file, filter, text, text_size);
    return file;
}

static const struct reading *read_file(const struct file *file)
{
    return reading_of(file->bytes, file->size, "text", 0, 0);
}

/* The text, `times` times over. */
static void expect_text(const struct file *file, unsigned times)
{
    const struct reading *r = read_file(file);
    char line[16];
    size_t at = 0;

    if (r->result != 0)
        fail_msg("%s", r->error.text);
    assert_int_equal(r->count, 200 * times);
    for (size_t i = 0; i < r->count; i++, at = at == text_size ? 0 : at) {
        int length = snprintf(line, sizeof(line), "%u\n", (unsigned)r->references[i].id);

        assert_memory_equal(text + at, line, (size_t)length);
        at += (size_t)length;
    }
}

static void test_whole_files_are_read(void **state)
{
    static const uint8_t zeros[600];

    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = {.size = 0};

        pack(&file, filters[i], "", 0);
        reading_expect(read_file(&file), 0, 0);
        if (filters[i] == SINK_LZ4) /* libarchive takes an empty frame for the end */
            reading_expect_error((append(&file, "x", 1), read_file(&file)), "what follows");
        file.size = filters[i] == SINK_LZ4 ? 0 : file.size;
        pack(&file, filters[i], text, text_size);
        expect_text(&file, 1);
        pack(&file, filters[i], text, text_size);
        expect_text(&file, 2);
        pack(&file, filters[i], "", 0);
        expect_text(&file, 2);
        append(&file, zeros, sizeof(zeros));
        if (filters[i] == SINK_ZSTD)
            reading_expect_error(read_file(&file), "cannot be decompressed");
        else
            expect_text(&file, 2);
    }
}

/* A bit that says nothing, such as one of gzip's time or of the filling of a last byte, may be another. */
static void test_no_flipped_bit_makes_another_trace(void **state)
{
    unsigned step = damage_step(97);

    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = packed(filters[i]);
        unsigned refused = 0, bits = 0;

        for (size_t bit = 0; bit < file.size * 8; bit += step, bits++) {
            file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (read_file(&file)->result < 0)
                refused++;
            else
                expect_text(&file, 1);
            file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_true(refused >= bits - bits / 8 - 8);
    }
}

static void test_the_sum_and_the_length_of_gzip_are_checked(void **state)
{
    struct file file = packed(SINK_GZIP);
    size_t first = file.size;

    (void)state;
    pack(&file, SINK_GZIP, text, text_size);
    for (size_t back = 1; back <= 8; back++) {
        const char *words =
            back <= 4 ? "is damaged (incorrect length" : "is damaged (incorrect data";

        file.bytes[first - back] ^= 0x10;
        reading_expect_error(read_file(&file), words);
        file.bytes[first - back] ^= 0x10;
        file.bytes[file.size - back] ^= 0x10;
        reading_expect_error(read_file(&file), words);
        file.bytes[file.size - back] ^= 0x10;
    }
    expect_text(&file, 2);
}

static void test_no_part_of_a_file_is_taken_for_the_whole(void **state)
{
    size_t step = damage_step(41);

    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = packed(filters[i]), cut;
        size_t first = file.size;

        pack(&file, filters[i], text, text_size);
        for (cut = file, cut.size = UNPACK_MAGIC; cut.size < file.size; cut.size += step)
            if (cut.size != first)
                if (read_file(&cut)->result >= 0)
                    fail_msg("filter %zu: the first %zu of %zu bytes are read", i, cut.size,
                             file.size);
        cut.size = first - 1;
        reading_expect_error(read_file(&cut), "memory: cannot be decompressed: it is cut short");
    }
}

static void test_what_follows_must_be_compressed_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = packed(filters[i]), broken;
        size_t first = file.size;

        append(&file, "and more", 8);
        reading_expect_error(read_file(&file), "cannot be decompressed");
        file.size = first;
        append(&file, "\0\0\0\0\0\1", 6);
        reading_expect_error(read_file(&file), "cannot be decompressed");
        file.size = first;
        pack(&file, filters[i], text, text_size);
        for (size_t at = first; at < first + 3; at++) { /* the magic number of the second */
            broken = file;
            broken.bytes[at] ^= 4;
            reading_expect_error(read_file(&broken), "cannot be decompressed");
        }
    }
}

static void test_what_is_compressed_again_is_decompressed_again(void **state)
{
    struct file file = packed(SINK_GZIP), again;

    (void)state;
    for (unsigned layer = 2; layer <= 5; layer++) {
        again = file;
        file.size = 0;
        pack(&file, layer == 3 ? SINK_BZIP2 : SINK_GZIP, again.bytes, again.size);
        if (layer <= 4)
            expect_text(&file, 1);
        else
            reading_expect_error(read_file(&file), "more than 4 times over");
    }
    file = packed(SINK_GZIP);
    file.bytes[file.size - 6] ^= 1;
    again = file;
    file.size = 0;
    pack(&file, SINK_XZ, again.bytes, again.size);
    reading_expect_error(read_file(&file), "is damaged (incorrect data check)");
}

/* ---- A source in pieces ---- */

struct pieces {
    const struct file *file;
    size_t at, fails_at;
};

static ssize_t next_byte(void *context, uint8_t *to, size_t room, struct sp_error *error)
{
    struct pieces *pieces = context;

    assert_true(room > 0);
    if (pieces->at == pieces->fails_at) {
        *error = (struct sp_error){.code = EIO, .text = "the disk is gone"};
        return -EIO;
    }
    if (pieces->at == pieces->file->size)
        return 0;
    *to = pieces->file->bytes[pieces->at++];
    return 1;
}

/* Unpack a file that comes byte by byte, into few bytes at a time. */
static ssize_t unpack_bytes(struct pieces *pieces, char *to, struct sp_error *error)
{
    struct unpack *unpack;
    size_t first = pieces->file->size < UNPACK_MAGIC ? pieces->file->size : UNPACK_MAGIC;
    ssize_t got, total = 0;

    pieces->at = first;
    got = unpack_begin(&unpack, "memory", pieces->file->bytes, first, next_byte, pieces, error);
    while (got == 0 && (got = unpack_read(unpack, (uint8_t *)to + total, 7, error)) > 0) {
        total += got;
        got = 0;
        assert_true(total <= (ssize_t)MOST - 7);
    }
    if (got == 0)
        assert_int_equal(unpack_read(unpack, (uint8_t *)to, 7, error), 0);
    unpack_end(&unpack);
    return got < 0 ? got : total;
}

static void test_pieces_may_be_small(void **state)
{
    static char out[MOST];
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = packed(filters[i]);
        struct pieces pieces = {&file, 0, SIZE_MAX};

        pack(&file, filters[i], text, text_size);
        assert_int_equal(unpack_bytes(&pieces, out, &error), 2 * text_size);
        assert_memory_equal(out, text, text_size);
        assert_memory_equal(out + text_size, text, text_size);
        append(&file, "\0\0x", 3);
        assert_int_equal(unpack_bytes(&pieces, out, &error), -EILSEQ);
    }
}

static void test_what_the_source_says_is_said(void **state)
{
    static char out[MOST];
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < FILTERS; i++) {
        struct file file = packed(filters[i]);
        struct pieces pieces = {&file, 0, file.size - 2};

        assert_int_equal(unpack_bytes(&pieces, out, &error), -EIO);
        assert_string_equal(error.text, "the disk is gone");
        pieces.fails_at = file.size; /* when it is asked whether something follows */
        assert_int_equal(unpack_bytes(&pieces, out, &error), -EIO);
        assert_string_equal(error.text, "the disk is gone");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_files_are_read),
        cmocka_unit_test(test_no_flipped_bit_makes_another_trace),
        cmocka_unit_test(test_the_sum_and_the_length_of_gzip_are_checked),
        cmocka_unit_test(test_no_part_of_a_file_is_taken_for_the_whole),
        cmocka_unit_test(test_what_follows_must_be_compressed_too),
        cmocka_unit_test(test_what_is_compressed_again_is_decompressed_again),
        cmocka_unit_test(test_pieces_may_be_small),
        cmocka_unit_test(test_what_the_source_says_is_said),
    };

    return cmocka_run_group_tests(tests, write_text, NULL);
}
