/* Encoding and decoding: everything legal goes round, everything else is told apart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "wire/random_message.h"

#define SEED 20261122

/* Loops natively, and under Valgrind. */
static unsigned rounds(unsigned natively)
{
    return RUNNING_ON_VALGRIND ? natively / 20 + 1 : natively;
}

/* A copy of the bytes in a block of exactly their size, so that a read past their end is seen. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static enum wire_verdict decode_exact(const uint8_t *bytes, size_t size,
                                      struct wire_message *message, size_t *used)
{
    uint8_t *copy = exact_copy(bytes, size);
    enum wire_verdict verdict = wire_decode(copy, size, message, used);

    free(copy);
    return verdict;
}

static enum wire_verdict verdict_of(const uint8_t *bytes, size_t size)
{
    struct wire_message message;
    size_t used;

    return decode_exact(bytes, size, &message, &used);
}

static void test_every_type_goes_round(void **state)
{
    struct random_source random = random_seeded(SEED);
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    static struct wire_message before, after;
    unsigned round;
    size_t size, used, i;

    (void)state;
    for (round = 0; round < rounds(200); round++)
        for (i = 0; i < MESSAGE_TYPES; i++) {
            random_message(&random, message_types[i], &before);
            size = wire_encode(&before, bytes, sizeof(bytes));
            assert_in_range(size, WIRE_HEADER, WIRE_MESSAGE_MAX);
            memset(&after, 0, sizeof(after));
            assert_int_equal(decode_exact(bytes, size, &after, &used), WIRE_OK);
            assert_int_equal(used, size);
            assert_memory_equal(&before, &after, sizeof(before));
        }
}

static void test_a_second_message_is_left_alone(void **state)
{
    struct random_source random = random_seeded(SEED);
    uint8_t bytes[2 * WIRE_MESSAGE_MAX];
    struct wire_message message;
    size_t first, second, used;

    (void)state;
    random_message(&random, WIRE_MAP, &message);
    first = wire_encode(&message, bytes, sizeof(bytes));
    random_message(&random, WIRE_UNMAP, &message);
    second = wire_encode(&message, bytes + first, sizeof(bytes) - first);
    assert_int_equal(decode_exact(bytes, first + second, &message, &used), WIRE_OK);
    assert_int_equal(used, first);
    assert_int_equal(message.type, WIRE_MAP);
}

static void test_a_prefix_wants_more(void **state)
{
    struct random_source random = random_seeded(SEED);
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    struct wire_message message;
    unsigned round;
    size_t size, used, cut, i;

    (void)state;
    for (round = 0; round < rounds(10); round++)
        for (i = 0; i < MESSAGE_TYPES; i++) {
            random_message(&random, message_types[i], &message);
            size = wire_encode(&message, bytes, sizeof(bytes));
            for (cut = 0; cut < size; cut++) {
                assert_int_equal(decode_exact(bytes, cut, &message, &used), WIRE_MORE);
                assert_int_equal(used, cut < WIRE_HEADER ? WIRE_HEADER : size);
            }
        }
}

static void test_a_buffer_too_small_is_refused(void **state)
{
    struct random_source random = random_seeded(SEED);
    static uint8_t bytes[WIRE_MESSAGE_MAX];
    struct wire_message message;
    size_t size, i, small;
    uint8_t *exact;

    (void)state;
    for (i = 0; i < MESSAGE_TYPES; i++) {
        random_message(&random, message_types[i], &message);
        size = wire_encode(&message, bytes, sizeof(bytes));
        for (small = 0; small < size; small += 1 + size / 50) {
            exact = malloc(small > 0 ? small : 1);
            assert_non_null(exact);
            assert_int_equal(wire_encode(&message, exact, small), 0);
            free(exact);
        }
        exact = malloc(size);
        assert_non_null(exact);
        assert_int_equal(wire_encode(&message, exact, size), size);
        assert_memory_equal(exact, bytes, size);
        free(exact);
    }
}

/* A body one byte longer or shorter than its fields, announced truly. */
static void test_the_length_must_fit(void **state)
{
    struct random_source random = random_seeded(SEED);
    static uint8_t bytes[WIRE_MESSAGE_MAX + 1];
    struct wire_message message;
    size_t size, i;

    (void)state;
    for (i = 0; i < MESSAGE_TYPES; i++) {
        random_message(&random, message_types[i], &message);
        size = wire_encode(&message, bytes, sizeof(bytes));
        bytes[4] = (uint8_t)(size - WIRE_HEADER + 1);
        bytes[5] = (uint8_t)((size - WIRE_HEADER + 1) >> 8);
        bytes[size] = 0;
        assert_int_equal(verdict_of(bytes, size + 1), WIRE_BAD_LENGTH);
        if (size == WIRE_HEADER)
            continue;
        bytes[4] = (uint8_t)(size - WIRE_HEADER - 1);
        bytes[5] = (uint8_t)((size - WIRE_HEADER - 1) >> 8);
        assert_int_equal(verdict_of(bytes, size - 1), WIRE_BAD_LENGTH);
    }
}

static size_t encode_hello(uint8_t *bytes)
{
    struct wire_message hello = {.type = WIRE_HELLO, .seq = 1};

    hello.hello.version = WIRE_VERSION;
    strcpy(hello.hello.name, "sort");
    return wire_encode(&hello, bytes, WIRE_MESSAGE_MAX);
}

static void test_a_bad_header_is_rejected(void **state)
{
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = encode_hello(bytes);
    unsigned type;
    size_t i;

    (void)state;
    bytes[0] ^= 1;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_MAGIC);
    assert_int_equal(verdict_of(bytes, 2), WIRE_BAD_MAGIC); /* known before the header is whole */
    bytes[0] ^= 1;
    for (type = 0; type < 256; type++) {
        for (i = 0; i < MESSAGE_TYPES && message_types[i] != type; i++)
            continue;
        bytes[2] = (uint8_t)type;
        if (i == MESSAGE_TYPES)
            assert_int_equal(verdict_of(bytes, size), WIRE_BAD_TYPE);
    }
    bytes[2] = WIRE_HELLO;
    bytes[3] = 1;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_FDS);
    bytes[3] = 0;
    memset(bytes + 4, 0xff, 4);
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_LENGTH);
    size = encode_hello(bytes);
    bytes[13] = 0x10; /* error 4096 */
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_ENUM);
}

static void test_bad_strings_are_rejected(void **state)
{
    enum { NAME = WIRE_HEADER + 4 + 1 + 4 + 8 }; /* behind version, role, id and key */
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = encode_hello(bytes);

    (void)state;
    assert_int_equal(verdict_of(bytes, size), WIRE_OK);
    bytes[NAME + 1] = '\n';
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_STRING);
    bytes[NAME + 1] = 0x80;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_STRING);
    bytes[NAME + 1] = 'o';
    bytes[NAME + 10] = 'x'; /* behind the NUL */
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_STRING);
    memset(bytes + NAME, 'x', WIRE_NAME); /* no NUL */
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_STRING);
    bytes[NAME + WIRE_NAME - 1] = 0;
    assert_int_equal(verdict_of(bytes, size), WIRE_OK);
}

static void test_bad_enums_are_rejected(void **state)
{
    enum { ROLE = WIRE_HEADER + 4 };
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = encode_hello(bytes);

    (void)state;
    bytes[ROLE] = WIRE_ROLE_POLICY;
    assert_int_equal(verdict_of(bytes, size), WIRE_OK);
    bytes[ROLE] = WIRE_ROLE_POLICY + 1;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_ENUM);
}

static void test_bad_counts_are_rejected(void **state)
{
    enum { COUNT = WIRE_HEADER };
    static struct wire_message store = {.type = WIRE_STORE, .store.pages_count = WIRE_BATCH};
    uint8_t bytes[WIRE_MESSAGE_MAX];
    size_t size = wire_encode(&store, bytes, sizeof(bytes));

    (void)state;
    bytes[COUNT] = WIRE_BATCH + 1;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_COUNT);
    bytes[COUNT + 1] = 0xff;
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_COUNT);
    bytes[COUNT + 1] = 0;
    bytes[COUNT] = WIRE_BATCH - 1; /* leaves an element over */
    assert_int_equal(verdict_of(bytes, size), WIRE_BAD_LENGTH);
}

static void test_illegal_messages_are_not_encoded(void **state)
{
    static struct wire_message message;
    uint8_t bytes[WIRE_MESSAGE_MAX];

    (void)state;
    message = (struct wire_message){.type = 200};
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_HELLO, .hello.role = WIRE_ROLE_POLICY + 1};
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_HELLO, .error = 4096};
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_HELLO, .hello.name = "a\tb"};
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_HELLO};
    memset(message.hello.name, 'x', sizeof(message.hello.name));
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_STORE, .store.pages_count = WIRE_BATCH + 1};
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
    message = (struct wire_message){.type = WIRE_MAPPED, .mapped.items_count = 1};
    message.mapped.items[0].rights = WIRE_COUNT(WIRE_RIGHTS);
    assert_int_equal(wire_encode(&message, bytes, sizeof(bytes)), 0);
}

static void test_what_stands_behind_a_string_stays_here(void **state)
{
    struct wire_message hello = {.type = WIRE_HELLO};
    struct wire_message decoded;
    uint8_t bytes[WIRE_MESSAGE_MAX];
    char zeros[WIRE_NAME] = "";
    size_t size, used;

    (void)state;
    memset(hello.hello.name, 's', sizeof(hello.hello.name)); /* as an uninitialised array may be */
    strcpy(hello.hello.name, "sort");
    size = wire_encode(&hello, bytes, sizeof(bytes));
    assert_int_equal(decode_exact(bytes, size, &decoded, &used), WIRE_OK);
    assert_memory_equal(decoded.hello.name + 4, zeros, WIRE_NAME - 4);
}

/* Any bytes give a verdict, and bytes that look like messages sometimes a message. */
static void test_random_bytes_give_a_verdict(void **state)
{
    struct random_source random = random_seeded(SEED);
    unsigned seen[WIRE_BAD_STRING + 1] = {0};
    struct wire_message message;
    uint8_t bytes[600];
    size_t size, used, i;
    unsigned round;
    enum wire_verdict verdict;

    (void)state;
    for (round = 0; round < rounds(200000); round++) {
        size = random_below(&random, random_below(&random, 2) ? 60 : sizeof(bytes));
        for (i = 0; i < size; i++)
            bytes[i] = (uint8_t)(random_below(&random, 3) == 0 ? random_bits(&random) : 0);
        if (size >= 8 && random_below(&random, 10) != 0) {
            bytes[0] = 0x50;
            bytes[1] = 0x53;
            bytes[2] = message_types[random_below(&random, MESSAGE_TYPES)];
            bytes[3] = (uint8_t)message_type_fds(bytes[2]);
            bytes[4] = (uint8_t)(size - WIRE_HEADER);
            bytes[5] = (uint8_t)((size - WIRE_HEADER) >> 8);
            bytes[6] = bytes[7] = 0;
        }
        verdict = decode_exact(bytes, size, &message, &used);
        assert_in_range(verdict, WIRE_OK, WIRE_BAD_STRING);
        if (verdict == WIRE_OK)
            assert_in_range(used, WIRE_HEADER, size);
        seen[verdict]++;
    }
    for (i = 0; i <= WIRE_BAD_STRING; i++)
        if (i != WIRE_BAD_FDS && i != WIRE_BAD_TYPE)
            assert_true(seen[i] > 0 || RUNNING_ON_VALGRIND);
}

/* The bytes of one message: they change with WIRE_VERSION only. */
static void test_the_layout_is_pinned(void **state)
{
    static const uint8_t expected[] = {
        0x50, 0x53, 28,   0,    13,   0,    0,    0,    0x04, 0x03, 0x02, 0x01, 12, 0, 0,
        0,    0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55, 1,    0,    0,    0,  3,
    };
    struct wire_message map = {.type = WIRE_MAP, .seq = 0x01020304, .error = 12};
    uint8_t bytes[WIRE_MESSAGE_MAX];

    (void)state;
    map.map.container = 0x11223344;
    map.map.start = 0x55667788;
    map.map.count = 1;
    map.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    assert_int_equal(wire_encode(&map, bytes, sizeof(bytes)), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_goes_round),
        cmocka_unit_test(test_a_second_message_is_left_alone),
        cmocka_unit_test(test_a_prefix_wants_more),
        cmocka_unit_test(test_a_buffer_too_small_is_refused),
        cmocka_unit_test(test_the_length_must_fit),
        cmocka_unit_test(test_a_bad_header_is_rejected),
        cmocka_unit_test(test_bad_strings_are_rejected),
        cmocka_unit_test(test_bad_enums_are_rejected),
        cmocka_unit_test(test_bad_counts_are_rejected),
        cmocka_unit_test(test_illegal_messages_are_not_encoded),
        cmocka_unit_test(test_what_stands_behind_a_string_stays_here),
        cmocka_unit_test(test_random_bytes_give_a_verdict),
        cmocka_unit_test(test_the_layout_is_pinned),
    };

    return cmocka_run_group_tests_name("wire/message", tests, NULL, NULL);
}
