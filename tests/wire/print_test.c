/* Messages in words. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "wire/random_message.h"

#define SEED 20261122

static void test_a_line_names_type_and_fields(void **state)
{
    struct wire_message allocate = {.type = WIRE_ALLOCATE, .seq = 7};
    char line[200];
    size_t length;

    (void)state;
    allocate.allocate.container = 1;
    allocate.allocate.count = 16;
    length = wire_print(&allocate, line, sizeof(line));
    assert_int_equal(length, strlen(line));
    assert_string_equal(line,
                        "ALLOCATE seq=7 container=1 start=0 count=16 flags=0 order=0 ceiling=0");
}

static void test_errors_strings_and_lists_are_shown(void **state)
{
    struct wire_message done = {.type = WIRE_DONE, .seq = 2, .error = 12, .done.text = "no frames"};
    struct wire_message release = {.type = WIRE_RELEASE, .seq = 3, .release.ranges_count = 5};
    char line[200];

    (void)state;
    wire_print(&done, line, sizeof(line));
    assert_string_equal(line, "DONE seq=2 error=12 count=0 text=\"no frames\"");
    release.release.container = 9;
    release.release.ranges[0] = (struct wire_range){.start = 4, .count = 2};
    wire_print(&release, line, sizeof(line));
    assert_string_equal(line, "RELEASE seq=3 container=9 ranges=5[{start=4 count=2} "
                              "{start=0 count=0} {start=0 count=0} {start=0 count=0} ...]");
}

static void test_every_type_prints_one_clean_line(void **state)
{
    struct random_source random = random_seeded(SEED);
    struct wire_message message;
    char line[4096];
    size_t length, i, j;

    (void)state;
    for (i = 0; i < MESSAGE_TYPES; i++) {
        random_message(&random, message_types[i], &message);
        length = wire_print(&message, line, sizeof(line));
        assert_int_equal(length, strlen(line));
        assert_int_equal(strncmp(line, message_type_name(message_types[i]), strcspn(line, " ")), 0);
        for (j = 0; j < length; j++)
            assert_true(isprint((unsigned char)line[j]));
    }
}

/* Also illegal messages can be printed: no read goes past a string or a list. */
static void test_illegal_messages_print_safely(void **state)
{
    struct random_source random = random_seeded(SEED);
    struct wire_message *message = malloc(sizeof(*message));
    char line[4096];
    size_t length, i;
    unsigned type;

    (void)state;
    assert_non_null(message);
    for (type = 0; type < 256; type++) {
        for (i = 0; i < sizeof(*message); i++)
            ((uint8_t *)message)[i] = (uint8_t)random_bits(&random);
        message->type = (uint8_t)type;
        length = wire_print(message, line, sizeof(line));
        assert_int_equal(length, strlen(line));
        for (i = 0; i < length; i++)
            assert_true(isprint((unsigned char)line[i]));
    }
    free(message);
}

static void test_any_size_is_kept(void **state)
{
    struct wire_message message = {.type = WIRE_SWAP_STATUS, .seq = 1};
    char whole[1000];
    size_t length = wire_print(&message, whole, sizeof(whole));
    size_t size;
    char *line;

    (void)state;
    for (size = 1; size <= length + 2; size++) {
        line = malloc(size);
        assert_non_null(line);
        assert_int_equal(wire_print(&message, line, size), size > length ? length : size - 1);
        assert_int_equal(strncmp(line, whole, size - 1), 0);
        free(line);
    }
    assert_int_equal(wire_print(&message, NULL, 0), 0);
}

static void test_names_and_texts_are_told_apart(void **state)
{
    unsigned i, j;

    (void)state;
    for (i = 0; i <= WIRE_BAD_STRING; i++)
        for (j = 0; j < i; j++)
            assert_string_not_equal(print_verdict_text(i), print_verdict_text(j));
    for (i = 0; i <= SP_REASONS; i++)
        for (j = 0; j < i; j++)
            assert_string_not_equal(print_reason_text((uint8_t)i), print_reason_text((uint8_t)j));
    assert_string_equal(print_reason_text(255), "unknown reason");
    assert_string_equal(message_type_name(WIRE_GIVE_EXTENT), "GIVE_EXTENT");
    assert_string_equal(message_type_name(0), "?");
    assert_string_equal(message_type_name(255), "?");
    assert_int_equal(message_type_fds(WIRE_GIVE_EXTENT), 1);
    assert_int_equal(message_type_fds(WIRE_MAP), 0);
    assert_int_equal(message_type_fds(255), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_names_type_and_fields),
        cmocka_unit_test(test_errors_strings_and_lists_are_shown),
        cmocka_unit_test(test_every_type_prints_one_clean_line),
        cmocka_unit_test(test_illegal_messages_print_safely),
        cmocka_unit_test(test_any_size_is_kept),
        cmocka_unit_test(test_names_and_texts_are_told_apart),
    };

    return cmocka_run_group_tests_name("wire/print", tests, NULL, NULL);
}
