/* A task that attaches and detaches again and again, with all that it can ask for: nothing of the library is left. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <string.h>
#include <sys/mman.h>

#include <selfpage/testing.h>

#include "fixture.h"
#include "live.h"
#include "scale.h"
#include "scratch.h"

#define PAGES  200u
#define ROUNDS 6u
#define PAGE   ((size_t)SP_PAGE_SIZE)

/* Sanitizers, Valgrind and the emulator map memory of their own, when they like. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS false
#else
#define MEMORY_IS_OURS (!scale_is_slow())
#endif

/* What a process has. */
struct possessions {
    unsigned descriptors, threads;
    unsigned long pages, mappings;
};

static unsigned entries_or_exit(const char *path)
{
    DIR *directory = opendir(path);
    unsigned count = 0;

    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static struct possessions look(void)
{
    struct possessions found = {.descriptors = entries_or_exit("/proc/self/fd"),
                                .threads = entries_or_exit("/proc/self/task")};
    FILE *file = fopen("/proc/self/statm", "r");
    int byte;

    CHECK(file != NULL && fscanf(file, "%lu", &found.pages) == 1);
    fclose(file);
    file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    while ((byte = fgetc(file)) != EOF)
        found.mappings += byte == '\n';
    fclose(file);
    return found;
}

static void use_containers(struct sp_task *task)
{
    struct sp_error error = {0};
    sp_container container, copy;
    void *memory;

    CHECK(sp_container_create_with(task, 20, 0, &container, &error) == 0);
    CHECK(sp_container_map(task, container, 0, 20, SP_MAP_WRITE, &memory, &error) == 0);
    memset(memory, 7, 20 * PAGE);
    CHECK(sp_container_create_from(task, container, 0, 20, &copy, &error) == 0);
    CHECK(sp_container_unmap(task, memory, &error) == 0);
    CHECK(sp_container_destroy(task, copy, &error) == 0);
    /* The other one is left to sp_detach. */
}

static void live_once(const struct sp_attach_options *options)
{
    struct sp_task *task = attach_or_exit(options);
    char *kept = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    char *dropped =
        region_or_exit(task, &(struct sp_region_options){.pages = PAGES, .kind = SP_DISCARDABLE});

    for (size_t i = 0; i < PAGES; i++)
        kept[i * PAGE] = dropped[i * PAGE] = (char)i;
    CHECK(sp_pin(task, kept, 3, NULL) == 0);
    for (size_t i = 0; i < PAGES; i++)
        CHECK(kept[i * PAGE] == (char)i);
    CHECK(sp_discard(task, dropped, PAGES) >= 0);
    CHECK(sp_region_destroy(task, dropped) == 0);
    use_containers(task);
    CHECK(sp_detach(&task) == 0 && task == NULL);
}

static int live_often(void *arg)
{
    struct possessions before = {0}, after;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (i == 2) /* what the C library keeps is there by now */
            before = look();
        live_once(arg);
    }
    after = look();
    fprintf(stderr,
            "%u descriptors -> %u, %u threads -> %u, %lu pages -> %lu, %lu mappings -> %lu\n",
            before.descriptors, after.descriptors, before.threads, after.threads, before.pages,
            after.pages, before.mappings, after.mappings);
    CHECK(after.descriptors == before.descriptors && after.threads == before.threads);
    if (MEMORY_IS_OURS)
        CHECK(after.pages == before.pages && after.mappings == before.mappings);
    return 0;
}

static void expect_nothing_left(void **state, struct sp_attach_options *options)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, "guaranteed=60;extra=60", NULL, live_often, options, &result,
                       &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
}

static void nothing_is_left_of_a_task(void **state)
{
    expect_nothing_left(state, NULL);
}

static void nothing_is_left_of_a_pager_thread(void **state)
{
    struct sp_attach_options options = {.flags = SP_ATTACH_PAGER_THREAD};

    expect_nothing_left(state, &options);
}

/* Of tables and traces that the environment asks for, either. */
static void nothing_is_left_of_what_was_noted(void **state)
{
    struct scratch scratch;
    FILE *file;

    scratch_init(&scratch);
    setenv("SELFPAGE_FAULTS", scratch_path(&scratch, "faults"), 1);
    setenv("SELFPAGE_TRACE", scratch_path(&scratch, "trace"), 1);
    setenv("SELFPAGE_HINTS", scratch_path(&scratch, "hints"), 1);
    file = fopen(scratch.path, "w");
    assert_true(file != NULL && fputs("ahead 1 1 a+1\n", file) >= 0);
    fclose(file);
    expect_nothing_left(state, NULL);
    unlink(scratch_path(&scratch, "faults"));
    unlink(scratch_path(&scratch, "trace"));
    unlink(scratch_path(&scratch, "hints"));
    unsetenv("SELFPAGE_FAULTS");
    unsetenv("SELFPAGE_TRACE");
    unsetenv("SELFPAGE_HINTS");
    scratch_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_left_of_a_task, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_a_pager_thread, sp_testing_setup,
                                        sp_testing_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_left_of_what_was_noted, sp_testing_setup,
                                        sp_testing_teardown),
    };

    return cmocka_run_group_tests_name("task_attach", tests, NULL, NULL);
}
