#include "task_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

static const char *const chaos[] = {"--chaos-unmap", "3000", NULL};

struct sp_testing_options calm = {
    .physmem_frames = 1024, .swap_slots = 8192, .bindir = TEST_BINDIR};
struct sp_testing_options chaotic = {.physmem_frames = 1024,
                                     .swap_slots = 8192,
                                     .seed = 7,
                                     .physmem_args = chaos,
                                     .bindir = TEST_BINDIR};

const char *private_path(const struct sp_testing *fixture, const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", sp_testing_directory(fixture), name);
    return path;
}

const char *private_file(const struct sp_testing *fixture, const char *name, const void *bytes,
                         size_t size)
{
    const char *path = private_path(fixture, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

char *some_text(size_t size, uint64_t seed)
{
    struct generator random = {seed};
    char *text = malloc(size);

    assert_non_null(text);
    for (size_t i = 0; i < size; i++) {
        uint32_t what = generator_below(&random, 60);

        text[i] = (char)(what == 0 ? '\n' : what < 10 ? ' ' : 'a' + (int)(what * what % 26));
    }
    return text;
}

void assert_same_file(const char *a, const char *b)
{
    FILE *files[2] = {fopen(a, "rb"), fopen(b, "rb")};
    static char blocks[2][65536];
    size_t got[2], offset = 0;

    assert_non_null(files[0]);
    assert_non_null(files[1]);
    do {
        for (int i = 0; i < 2; i++)
            got[i] = fread(blocks[i], 1, sizeof(blocks[i]), files[i]);
        if (got[0] != got[1] || memcmp(blocks[0], blocks[1], got[0]) != 0)
            fail_msg("%s and %s differ after byte %zu", a, b, offset);
        offset += got[0];
    } while (got[0] > 0);
    fclose(files[0]);
    fclose(files[1]);
}

struct sp_testing_result run_task(struct sp_testing *fixture, const char *contract,
                                  const char *policy, const char *const *argv, int exit_status)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run_program(fixture, contract, policy, argv, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != exit_status)
        fail_msg("%s under %s ended with %d instead of %d: %s", argv[0],
                 policy != NULL ? policy : "the default policy", result.exit_status, exit_status,
                 result.output);
    return result;
}
