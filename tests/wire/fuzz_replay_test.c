/* The fuzz target over stored inputs (tests/data/wire: one message of each type, and whatever the
 * fuzzer once found), and over random mutations of legal messages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scale.h"
#include "wire/random_message.h"

#define SEED 20261122

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a block of exactly its size. */
static void run_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_file(const char *name)
{
    static uint8_t data[1 << 20];
    char path[1024];
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/wire/%s", TEST_DATADIR, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(data, 1, sizeof(data), file);
    assert_int_equal(fclose(file), 0);
    run_exact(data, size);
}

static void test_stored_inputs(void **state)
{
    DIR *directory = opendir(TEST_DATADIR "/wire");
    unsigned files = 0;
    struct dirent *entry;

    (void)state;
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.') {
            run_file(entry->d_name);
            files++;
        }
    closedir(directory);
    assert_true(files >= MESSAGE_TYPES);
}

/* Change a few bytes, cut, or repeat a piece. Returns the new size. */
static size_t mutate(struct random_source *random, uint8_t *data, size_t size, size_t capacity)
{
    uint32_t changes = random_below(random, 4);
    size_t at, piece;

    while (changes-- > 0)
        data[random_below(random, (uint32_t)size)] = (uint8_t)random_bits(random);
    switch (random_below(random, 4)) {
    case 0:
        return random_below(random, (uint32_t)size + 1);
    case 1:
        at = random_below(random, (uint32_t)size);
        piece = random_below(random, (uint32_t)(size - at) + 1);
        piece = piece < capacity - size ? piece : capacity - size;
        memmove(data + at + piece, data + at, size - at);
        return size + piece;
    default:
        return size;
    }
}

static void test_mutations(void **state)
{
    struct random_source random = random_seeded(SEED);
    static uint8_t data[4 * WIRE_MESSAGE_MAX];
    struct wire_message message;
    unsigned round, rounds = scale_is_slow() ? 2000 : 50000;
    size_t size;

    (void)state;
    for (round = 0; round < rounds; round++) {
        random_message(&random, message_types[round % MESSAGE_TYPES], &message);
        size = wire_encode(&message, data, sizeof(data));
        random_message(&random, message_types[random_below(&random, MESSAGE_TYPES)], &message);
        size += wire_encode(&message, data + size, sizeof(data) - size);
        run_exact(data, mutate(&random, data, size, sizeof(data)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_inputs),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests_name("wire/fuzz", tests, NULL, NULL);
}
