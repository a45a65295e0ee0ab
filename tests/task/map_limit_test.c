/* A task whose pages would need more kernel mappings than the kernel allows goes on, with a word. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include <selfpage/testing.h>

#include "live.h"

#define PAGES 12000u

static unsigned long max_map_count(void)
{
    unsigned long count = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");

    CHECK(file != NULL && fscanf(file, "%lu", &count) == 1);
    fclose(file);
    return count;
}

/* Use up mappings until about `left` remain: every other page of an area with another protection. */
static void use_mappings(unsigned long left)
{
    unsigned long take = max_map_count() - left;
    char *area = mmap(NULL, take * SP_PAGE_SIZE, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(area != MAP_FAILED);
    for (unsigned long i = 0; i + 1 < take; i += 2)
        CHECK(mprotect(area + i * SP_PAGE_SIZE, SP_PAGE_SIZE, PROT_READ) == 0);
}

enum when { AT_ATTACH, LATER, LATER_AND_ONE_MORE };

/* Touch every other page twice over: each needs a mapping of its own. */
static int scatter(void *arg)
{
    enum when when = *(enum when *)arg;
    struct sp_task *task;
    unsigned *memory;
    struct sp_stats stats;

    if (when == AT_ATTACH)
        use_mappings(6000); /* the library counts what is used at attach */
    task = attach_or_exit(NULL);
    memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    if (when == LATER_AND_ONE_MORE) /* most mappings take two: the limit is met, or passed by one */
        CHECK(mmap(NULL, SP_PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0) !=
              MAP_FAILED);
    if (when != AT_ATTACH)
        use_mappings(6000); /* and learns of the rest when a mapping fails */
    for (unsigned round = 1; round <= 2; round++)
        for (unsigned i = 0; i < PAGES; i += 2) {
            unsigned *word = memory + (size_t)i * SP_PAGE_SIZE / sizeof(*memory);

            CHECK(*word == (round == 1 ? 0 : i + 1));
            *word = i + round;
        }
    sp_get_stats(task, &stats);
    CHECK(stats.map_limited > 0);
    return sp_detach(&task);
}

static void run(void **state, enum when when)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (RUNNING_ON_VALGRIND)
        skip(); /* it has a limit of its own, lower than what this test uses up */
    if (sp_testing_run(*state, "guaranteed=6100", "lru", scatter, &when, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
}

static void test_known_at_attach(void **state)
{
    run(state, AT_ATTACH);
}

static void test_learned_later(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
    skip(); /* AddressSanitizer needs mappings of its own while the program runs out of them */
#endif
    run(state, LATER);
    run(state, LATER_AND_ONE_MORE);
}

int main(void)
{
    struct sp_testing_options options = {.physmem_frames = 8192, .swap_slots = 16384};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(test_known_at_attach, sp_testing_setup,
                                                 sp_testing_teardown, &options),
        cmocka_unit_test_prestate_setup_teardown(test_learned_later, sp_testing_setup,
                                                 sp_testing_teardown, &options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
