/* A fuzz target as an ordinary test: over the inputs that are stored for it, and over random
 * changes of them. Each input lies in a block of exactly its size, so that a read past its end is
 * seen. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "scale.h"

#define SEED       20261129
#define MOST       16384u /* bytes of an input */
#define INPUTS_MAX 256u
#define ROUNDS     5000u
#define SECONDS    3 /* for all rounds, at most: live servers take longer for one */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static unsigned count;

static void run_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void load(const char *name)
{
    static uint8_t data[MOST];
    struct input *input = &inputs[count];
    char path[1024];
    FILE *file;

    assert_true(count < INPUTS_MAX);
    snprintf(path, sizeof(path), "%s/fuzz/%s/%s", TEST_DATADIR, FUZZ_NAME, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    input->size = fread(data, 1, sizeof(data), file);
    assert_int_equal(fclose(file), 0);
    input->data = malloc(input->size > 0 ? input->size : 1);
    assert_non_null(input->data);
    memcpy(input->data, data, input->size);
    count++;
}

static int load_all(void **state)
{
    DIR *directory = opendir(TEST_DATADIR "/fuzz/" FUZZ_NAME);
    struct dirent *entry;

    (void)state;
    if (directory == NULL)
        return -1;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            load(entry->d_name);
    closedir(directory);
    return count > 0 ? 0 : -1;
}

static int free_all(void **state)
{
    (void)state;
    for (unsigned i = 0; i < count; i++)
        free(inputs[i].data);
    return 0;
}

static void test_stored_inputs(void **state)
{
    (void)state;
    run_exact(NULL, 0);
    for (unsigned i = 0; i < count; i++)
        run_exact(inputs[i].data, inputs[i].size);
}

/* Part of an input, from somewhere in it. Returns its size. */
static size_t piece(struct random_source *random, uint8_t *to, size_t room)
{
    const struct input *from = &inputs[random_below(random, count)];
    size_t start = random_below(random, (uint32_t)from->size + 1);
    size_t size = random_below(random, (uint32_t)(from->size - start) + 1);

    if (size > room)
        size = room;
    memcpy(to, from->data + start, size);
    return size;
}

/* A stored input with some bytes changed, cut, or continued by a piece of another. */
static size_t change(struct random_source *random, uint8_t data[MOST])
{
    const struct input *from = &inputs[random_below(random, count)];
    size_t size = from->size;

    memcpy(data, from->data, size);
    for (uint32_t changes = random_below(random, 6); changes > 0 && size > 0; changes--)
        data[random_below(random, (uint32_t)size)] =
            (uint8_t)(random_below(random, 2) ? random_bits(random)
                                              : data[random_below(random, (uint32_t)size)]);
    if (random_below(random, 3) == 0)
        size = random_below(random, (uint32_t)size + 1);
    if (random_below(random, 3) == 0)
        size += piece(random, data + size, MOST - size);
    return size;
}

static void test_random_changes_of_them(void **state)
{
    struct random_source random = random_seeded(SEED);
    unsigned rounds = scale_is_slow() ? ROUNDS / 50 : ROUNDS;
    time_t end = time(NULL) + SECONDS;
    static uint8_t data[MOST];

    (void)state;
    for (unsigned i = 0; i < rounds && time(NULL) <= end; i++)
        run_exact(data, change(&random, data));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_inputs),
        cmocka_unit_test(test_random_changes_of_them),
    };

    return cmocka_run_group_tests_name("fuzz/" FUZZ_NAME, tests, load_all, free_all);
}
