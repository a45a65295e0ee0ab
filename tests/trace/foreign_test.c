/* What is not a trace is refused by name, and every format there is in the list. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"

static void refused(const char *bytes, size_t size, const char *format, const char *part)
{
    char padded[600] = {0};

    memcpy(padded, bytes, size);
    reading_expect_error(reading_of(padded, sizeof(padded), format, 0, 0), part);
}

#define BYTES(text) text, sizeof(text) - 1

static void other_files_are_refused_by_name(void **state)
{
    (void)state;
    refused(BYTES("PK\3\4"), NULL, "this is a zip archive");
    refused(BYTES("PK\3\4"), "text", "no trace of format text: this is a zip archive");
    refused(BYTES("\x7f"
                  "ELF\2\1"),
            NULL, "selfpage record makes a trace");
    refused(BYTES("\x7f"
                  "ELF\2\1"),
            "csv:obj-id-col=1", "ELF");
    refused(BYTES("\xd4\xc3\xb2\xa1\2"), NULL, "pcap");
    refused(BYTES("SQLite format 3"), NULL, "SQLite");
    refused(BYTES("\xff\xfe"
                  "1\0"
                  "\n\0"),
            NULL, "iconv");
    refused(BYTES("PAR1"), NULL, "Parquet");
    refused(BYTES("1\n2\n\0\n"), "text", "this is binary data");
    refused(BYTES("1\n2\n\0\n"), "lackey", "this is binary data");
}

static void text_that_is_no_trace_is_refused_unless_it_is_said_to_be_one(void **state)
{
    (void)state;
    reading_expect_error(reading_of_text("<!doctype html>\n", NULL), "web page");
    reading_expect_error(reading_of_text("%PDF-1.7\n%\xb5\xb5\n1 0 obj\n", NULL), "PDF");
    reading_expect_error(reading_of_text("%!PS-Adobe-3.0\n", NULL), "PostScript");
    reading_expect_error(reading_of_text("{\"id\": 5}\n", NULL), "JSON");
    reading_expect_error(reading_of_text("version https://git-lfs.github.com/spec/v1\n", NULL),
                         "git lfs pull");
    reading_expect_error(reading_of_text("/annex/objects/SHA256E-s9--00.csv\n", NULL),
                         "git annex get");
    reading_expect(reading_of_text("{5}\n{6}\n", "text"), 2, 2);
}

/* It would be one line, and one id. */
static void lines_that_end_with_cr_alone_are_refused(void **state)
{
    (void)state;
    reading_expect_error(reading_of_text("5\r6\r5\r", NULL), "tr '\\r' '\\n'");
    reading_expect_error(reading_of_text("5\r6\r5\r", "text"), "CR alone");
    reading_expect_error(reading_of_text("id,size\r5,1\r6,1\r", "csv:obj-id-col=1"), "CR alone");
    reading_expect(reading_of_text("5\r\n6\r\n5", "text"), 3, 2);
    reading_expect(reading_of_text("5\r", "text"), 1, 1);
}

static void control_characters_deep_in_the_file_are_refused(void **state)
{
    static char text[9000];

    (void)state;
    for (size_t i = 0; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "5\n", 2);
    memcpy(text + 8000, "a\0b\n", 4);
    reading_expect_error(reading_of(text, 8996, "text", 0, 0),
                         "line 4001: byte 2 of the id is 0x00");
}

static void an_empty_file_has_no_references(void **state)
{
    (void)state;
    reading_expect(reading_of("", 0, NULL, 0, 0), 0, 0);
}

static void vscsi_of_both_versions_is_read(void **state)
{
    uint8_t one[3 * 32] = {0}, two[3 * 40] = {0};
    const struct reading *r;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *a = one + (size_t)i * 32, *b = two + (size_t)i * 40;

        a[5] = b[9] = 0x10; /* 4096 bytes */
        a[12] = b[0] = i == 2 ? 0x2a : 0x28;
        a[15] = 1, b[3] = 2;
        a[16] = b[16] = (uint8_t)(8 * (i % 2));
    }
    for (unsigned version = 1; version <= 2; version++) {
        r = version == 1 ? reading_of(one, sizeof(one), NULL, 0, 0)
                         : reading_of(two, sizeof(two), NULL, 0, 0);
        reading_expect(r, 3, 2);
        assert_int_equal(r->references[1].id, 8);
        assert_int_equal(r->references[1].size, 4096);
        assert_true(r->references[2].write && !r->references[0].write);
    }
    /* Sectors: 0 and 8 are two pages of 4096 bytes, and one of 8192. */
    reading_expect(reading_of(one, sizeof(one), NULL, 4096, 0), 3, 2);
    reading_expect(reading_of(one, sizeof(one), NULL, 8192, 0), 3, 1);
    reading_expect_error(reading_of(one, 70, "vscsi", 0, 0), "record 3: the file ends after 6");
    one[32 + 15] = 3;
    reading_expect_error(reading_of(one, sizeof(one), "vscsi", 0, 0), "version");
}

/* The rule at the top of formats.h: one file, and one line. */
static void every_file_of_a_format_has_its_line(void **state)
{
    char list[8192], line[300];
    DIR *directory = opendir(TEST_TRACEDIR);
    FILE *formats = fopen(TEST_TRACEDIR "/formats.h", "r");
    const char *summary, *options;
    struct dirent *entry;
    size_t files = 0, length;

    (void)state;
    assert_non_null(directory);
    assert_non_null(formats);
    length = fread(list, 1, sizeof(list) - 1, formats);
    list[length] = '\0';
    fclose(formats);
    while ((entry = readdir(directory)) != NULL) {
        size_t size = strlen(entry->d_name);

        if (strncmp(entry->d_name, "format_", 7) != 0 ||
            strcmp(entry->d_name + size - 2, ".c") != 0)
            continue;
        snprintf(line, sizeof(line), " X(%.*s)", (int)size - 9, entry->d_name + 7);
        if (strstr(list, line) == NULL)
            fail_msg("src/trace/formats.h has no line%s for %s", line, entry->d_name);
        files++;
    }
    closedir(directory);
    for (size_t i = 0; i < files; i++)
        assert_non_null(trace_format_name(i, &summary, &options));
    assert_null(trace_format_name(files, &summary, &options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_files_are_refused_by_name),
        cmocka_unit_test(text_that_is_no_trace_is_refused_unless_it_is_said_to_be_one),
        cmocka_unit_test(lines_that_end_with_cr_alone_are_refused),
        cmocka_unit_test(control_characters_deep_in_the_file_are_refused),
        cmocka_unit_test(an_empty_file_has_no_references),
        cmocka_unit_test(vscsi_of_both_versions_is_read),
        cmocka_unit_test(every_file_of_a_format_has_its_line),
    };

    return cmocka_run_group_tests_name("trace/foreign", tests, NULL, NULL);
}
