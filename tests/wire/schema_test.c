/* The schema against what is stored of it in tests/data: wire/NAME has the sample of each message
 * in bytes, and wire.txt in words. Called with --store, this program writes them anew instead; it
 * refuses while they differ from what is stored under the same WIRE_VERSION, unless a type is new.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/random_message.h"
#include "sample_message.h"

#define PATH_SIZE 1024
#define LINE_SIZE 1024

static const char *path_of(const char *name, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", TEST_DATADIR, name);
    return path;
}

static const char *sample_path(uint8_t type, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/wire/%s", TEST_DATADIR, message_type_name(type));
    return path;
}

/* Returns the size, 0 if there is no such file. */
static size_t read_bytes(const char *path, void *bytes, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got;

    if (file == NULL)
        return 0;
    got = fread(bytes, 1, size, file);
    fclose(file);
    return got;
}

static int write_bytes(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool written;

    if (file == NULL)
        return -1;
    written = fwrite(bytes, 1, size, file) == size;
    return fclose(file) == 0 && written ? 0 : -1;
}

static size_t sample_bytes(uint8_t type, uint8_t bytes[WIRE_MESSAGE_MAX])
{
    struct wire_message message;

    sample_message(type, &message);
    return wire_encode(&message, bytes, WIRE_MESSAGE_MAX);
}

/* Messages of counters: selfpage/counters.h may gain rows at the ends of its tables. */
static bool carries_counters(uint8_t type)
{
    return type == WIRE_PHYSMEM_STATUS || type == WIRE_TASK_STATUS || type == WIRE_SWAP_STATUS ||
           type == WIRE_FILES_STATUS;
}

/* Is the stored sample of this type the one that the schema makes now, or, of a message of
 * counters, its beginning? */
static bool is_stored(uint8_t type)
{
    static uint8_t stored[WIRE_MESSAGE_MAX + 1], now[WIRE_MESSAGE_MAX];
    char path[PATH_SIZE];
    size_t size = read_bytes(sample_path(type, path), stored, sizeof(stored));

    if (carries_counters(type))
        return size > WIRE_HEADER && size <= sample_bytes(type, now) &&
               memcmp(stored + WIRE_HEADER, now + WIRE_HEADER, size - WIRE_HEADER) == 0;
    return size == sample_bytes(type, now) && memcmp(stored, now, size) == 0;
}

static size_t print_samples(char *text, size_t size)
{
    struct wire_message message;
    size_t length = 0;

    for (size_t i = 0; i < MESSAGE_TYPES; i++) {
        char line[LINE_SIZE];

        if (carries_counters(message_types[i]))
            continue;
        sample_message(message_types[i], &message);
        wire_print(&message, line, sizeof(line));
        length += (size_t)snprintf(text + length, size - length, "%s\n", line);
    }
    return length;
}

/* ---- Tests ---- */

static void test_every_type_has_its_sample(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGE_TYPES; i++)
        if (!is_stored(message_types[i]))
            fail_msg("%s: tests/data/wire has another sample of it, or none. If fields or limits "
                     "have changed, raise WIRE_VERSION; then run this program with --store",
                     message_type_name(message_types[i]));
}

static void test_every_type_has_its_print_form(void **state)
{
    static char now[MESSAGE_TYPES * LINE_SIZE], stored[MESSAGE_TYPES * LINE_SIZE];
    char path[PATH_SIZE];

    (void)state;
    print_samples(now, sizeof(now));
    read_bytes(path_of("wire.txt", path), stored, sizeof(stored) - 1);
    if (strcmp(now, stored) != 0)
        fail_msg("messages print differently from tests/data/wire.txt: if that is wanted, run this "
                 "program with --store");
}

static void test_every_type_has_a_sender(void **state)
{
    (void)state;
    for (size_t i = 0; i < MESSAGE_TYPES; i++)
        assert_int_not_equal(message_type_senders(message_types[i]), 0);
    assert_int_equal(message_type_senders(WIRE_HELLO), WIRE_BY_CLIENTS);
    assert_int_equal(message_type_senders(WIRE_UNMAPPED), WIRE_BY_CONTROL);
    assert_int_equal(message_type_senders(0), 0);
    assert_int_equal(message_type_senders(255), 0);
}

#define CHECK_NAME(constant, value, name)                                                          \
    assert_string_not_equal(name, "");                                                             \
    for (int i = 0; i < (value); i++)                                                              \
        assert_string_not_equal(names[i], name);                                                   \
    names[value] = name;

#define CHECK_NAMES(first, LIST)                                                                   \
    {                                                                                              \
        const char *names[WIRE_COUNT(LIST)];                                                       \
        LIST(CHECK_NAME)                                                                           \
    }

static void test_names_in_one_enumeration_differ(void **state)
{
    (void)state;
    WIRE_ENUMS(CHECK_NAMES)
    WIRE_PUBLIC_ENUMS(CHECK_NAMES)
}

/* ---- --store ---- */

/* The version that the stored samples are of; 0: none. */
static uint32_t stored_version(void)
{
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    struct wire_message hello;
    char path[PATH_SIZE];
    size_t used, size = read_bytes(sample_path(WIRE_HELLO, path), bytes, sizeof(bytes));

    return wire_decode(bytes, size, &hello, &used) == WIRE_OK ? hello.hello.version : 0;
}

static int store_sample(uint8_t type)
{
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    char path[PATH_SIZE];

    if (is_stored(type))
        return 0;
    sample_path(type, path);
    if (stored_version() == WIRE_VERSION && read_bytes(path, bytes, 1) > 0) {
        fprintf(stderr, "%s has changed: raise WIRE_VERSION\n", message_type_name(type));
        return -1;
    }
    return write_bytes(path, bytes, sample_bytes(type, bytes));
}

static int store(void)
{
    static char text[MESSAGE_TYPES * LINE_SIZE];
    char path[PATH_SIZE];
    int failed = 0;

    /* HELLO, which tells the stored version, comes last. */
    for (size_t i = MESSAGE_TYPES; i > 0; i--)
        failed |= store_sample(message_types[i - 1]);
    if (failed == 0)
        failed = write_bytes(path_of("wire.txt", path), text, print_samples(text, sizeof(text)));
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_has_its_sample),
        cmocka_unit_test(test_every_type_has_its_print_form),
        cmocka_unit_test(test_every_type_has_a_sender),
        cmocka_unit_test(test_names_in_one_enumeration_differ),
    };

    if (argc == 2 && strcmp(argv[1], "--store") == 0)
        return store();
    return cmocka_run_group_tests_name("wire/schema", tests, NULL, NULL);
}
