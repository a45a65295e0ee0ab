/* The fuzz target over stored traces, and over random changes of them, in every format. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "base/random.h"

#define SEED 20261122
#define MOST 9000u /* bytes of an input */

void fuzz_trace(const char *format, uint32_t page_size, uint64_t id_unit, const uint8_t *data,
                size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"small.sptrace", "small.oracleGeneral", "small.csv",
                                    "small.txt",     "small.lackey",        "small.sptrace.zst",
                                    "small.spdense", "small.txt.gz",        "small.lcs"};

#define FILES (sizeof(files) / sizeof(files[0]))
static const char *const formats[] = {NULL,
                                      "native",
                                      "oracleGeneral",
                                      "csv:obj-id-col=3,obj-size-col=4,op-col=2,has-header=true",
                                      "text",
                                      "lackey",
                                      "dense",
                                      "lcs",
                                      "twr",
                                      "binary:format=<3xIQ,obj-id-col=2,obj-size-col=1",
                                      "csv:layout=tencent"};

#define FORMATS (sizeof(formats) / sizeof(formats[0]))

static size_t load(const char *name, uint8_t *data)
{
    char path[1024];
    size_t size;
    FILE *file;

    snprintf(path, sizeof(path), "%s/traces/%s", TEST_DATADIR, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(data, 1, MOST, file);
    assert_int_equal(fclose(file), 0);
    return size;
}

/* From a block of exactly its size. */
static void run_exact(struct random_source *random, const uint8_t *data, size_t size)
{
    static const uint32_t page_sizes[] = {0, 0, 16, 4096, 1u << 30};
    const char *format = formats[random_below(random, FORMATS)];
    uint8_t *copy = malloc(size > 0 ? size : 1);

    assert_non_null(copy);
    memcpy(copy, data, size);
    fuzz_trace(format, page_sizes[random_below(random, 5)],
               random_below(random, 2) ? 0 : random_bits(random) >> random_below(random, 64), copy,
               size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void test_mutations(void **state)
{
    struct random_source random = random_seeded(SEED);
    unsigned rounds = RUNNING_ON_VALGRIND ? 60 : 1500;
    static uint8_t data[MOST];

    (void)state;
    for (unsigned round = 0; round < rounds; round++) {
        size_t size = load(files[round % FILES], data);
        uint32_t changes = random_below(&random, 6);

        while (changes-- > 0)
            data[random_below(&random, (uint32_t)size)] = (uint8_t)random_bits(&random);
        if (random_below(&random, 2) == 0)
            size = random_below(&random, (uint32_t)size + 1);
        run_exact(&random, data, size);
    }
}

static void test_nothing(void **state)
{
    struct random_source random = random_seeded(SEED);

    (void)state;
    for (int i = 0; i < 50; i++)
        run_exact(&random, (const uint8_t *)"", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests_name("replay/fuzz", tests, NULL, NULL);
}
