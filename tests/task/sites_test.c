/* Live tasks that count which of their instructions fault: the table has the sums of the library's own counters, and
 * hints from it save faults. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "fixture.h"
#include "live.h"
#include "scratch.h"
#include "shm/fault_table.h"

#define PAGES  400u
#define STRIDE 5u
#define ROUNDS 3u
#define PAGE   ((size_t)SP_PAGE_SIZE)

/* What a task is to do, and what it says; in memory that it shares with the test. */
struct scene {
    struct scratch scratch;
    char faults[5000], hints[200]; /* "": the variable is not set */
    bool no_room;                  /* for files */
    bool late;                     /* it works with code that it loads while it runs */
    uintptr_t address[2], code;
    struct sp_stats stats;
    struct fault_table table;
};

static int setup(void **state)
{
    struct scene *scene =
        mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(scene, MAP_FAILED);
    scratch_init(&scene->scratch);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    unlink(scratch_path(&scene->scratch, "table"));
    unlink(scratch_path(&scene->scratch, "hints"));
    scratch_fini(&scene->scratch);
    munmap(scene, sizeof(*scene));
    return 0;
}

static void name_table(struct scene *scene)
{
    snprintf(scene->faults, sizeof(scene->faults), "%s", scratch_path(&scene->scratch, "table"));
}

/* ---- The task ---- */

static __attribute__((noinline)) char *make(struct sp_task *task, uint32_t pages, enum sp_kind kind)
{
    return region_or_exit(task, &(struct sp_region_options){.pages = pages, .kind = kind});
}

static __attribute__((noinline)) void fill(volatile char *memory)
{
    for (size_t i = 0; i < PAGES; i++)
        memory[i * PAGE] = (char)i;
}

/* Instructions of functions are told apart by the functions' addresses: both are aligned. */
static __attribute__((noinline, aligned(256))) unsigned walk(volatile char *memory)
{
    unsigned sum = 0;

    for (size_t first = 0; first < STRIDE; first++)
        for (size_t i = first; i < PAGES; i += STRIDE)
            sum += (unsigned char)memory[i * PAGE];
    return sum;
}

/* Four pages of a stride, and then somewhere else: too short for a run that the pager would notice. */
static __attribute__((noinline, aligned(256))) unsigned hop(volatile char *memory)
{
    unsigned sum = 0;

    for (size_t i = 0; i < PAGES / 4; i++) {
        size_t group = i * 37 % (PAGES / 4);

        for (size_t j = 0; j < 4; j++)
            sum += (unsigned char)
                memory[(group / STRIDE * 4 * STRIDE + group % STRIDE + j * STRIDE) * PAGE];
    }
    return sum;
}

static __attribute__((noinline, aligned(256))) void write_again(volatile char *memory)
{
    for (size_t i = 0; i < PAGES; i += 2) {
        (void)memory[i * PAGE];
        memory[i * PAGE] = (char)i;
    }
}

static void set_variables(const struct scene *scene)
{
    CHECK(setenv("SELFPAGE_FAULTS", scene->faults, 1) == 0);
    CHECK(setenv("SELFPAGE_HINTS", scene->hints, 1) == 0);
}

/* Touch pages at random by code that comes late; where there is a hint about it, until that is obeyed. */
static void work_late(struct sp_task *task, char *memory, struct scene *scene)
{
    void *loaded = dlopen(TEST_LATE, RTLD_NOW);
    void (*touch)(volatile char *, long, long) = NULL;
    struct random_source random = random_seeded(1);
    struct sp_stats before, after;
    uint32_t rounds = 0;

    CHECK(loaded != NULL);
    *(void **)&touch = dlsym(loaded, "test_late_touch");
    CHECK(touch != NULL);
    do {
        sp_get_stats(task, &before);
        for (unsigned i = 0; i < PAGES; i++)
            touch(memory + random_below(&random, PAGES) * PAGE, 1, 0);
        sp_get_stats(task, &after);
        sched_yield();
        CHECK(++rounds < 3000);
    } while (scene->hints[0] != '\0' && after.read_ahead - before.read_ahead < PAGES);
}

static unsigned count_fds_or_exit(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

/* Where the time is not told by the kernel's own code in this process, the page is touched all the same. */
static void touch_by_code_without_file(char *page)
{
    if (clock_gettime(CLOCK_MONOTONIC, (struct timespec *)(void *)page) != 0)
        *(volatile char *)page = 1;
}

static int work(void *arg)
{
    struct scene *scene = arg;
    struct sp_task *task;
    char *kept, *dropped;
    unsigned fds;

    set_variables(scene);
    fds = count_fds_or_exit();
    task = attach_or_exit(NULL);
    kept = make(task, PAGES, SP_PRECIOUS);
    dropped = make(task, PAGES + 1, SP_DISCARDABLE);
    scene->address[0] = (uintptr_t)kept;
    scene->address[1] = (uintptr_t)dropped;
    fill(kept);
    fill(dropped);
    touch_by_code_without_file(dropped + PAGES * PAGE);
    if (scene->late)
        work_late(task, kept, scene);
    for (unsigned i = 0; i < ROUNDS && !scene->late; i++) {
        unsigned sum = 0;

        for (unsigned j = 0; j < PAGES; j++)
            sum += j % 256;
        CHECK(walk(kept) == sum && hop(kept) == sum);
    }
    if (!scene->late)
        write_again(kept);
    sp_get_stats(task, &scene->stats);
    CHECK(sp_detach(&task) == 0);
    CHECK(count_fds_or_exit() == fds);
    return 0;
}

/* ---- The test ---- */

static struct sp_testing *servers;

static void run_task(struct scene *scene)
{
    struct sp_testing_result result;
    struct sp_error error;
    FILE *file;

    if (sp_testing_run(servers, "guaranteed=60", "fifo", work, scene, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
    if (scene->faults[0] == '\0')
        return;
    file = fopen(scene->faults, "r");
    assert_non_null(file);
    assert_int_equal(fread(&scene->table, sizeof(scene->table), 1, file), 1);
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    assert_null(fault_table_check(&scene->table, sizeof(scene->table)));
}

static struct fault_site sum_of(const struct fault_table *table, uintptr_t code, uintptr_t end,
                                uint32_t row)
{
    struct fault_site sum = {.row = row};

    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++) {
        const struct fault_site *site = &table->site[i];

        if (site->code == 0 || site->code < code || site->code >= end || site->row != row)
            continue;
        sum.code = site->code;
        sum.faults += site->faults;
        sum.soft += site->soft;
        sum.evicted += site->evicted;
        sum.stored += site->stored;
        sum.loads += site->loads;
        sum.ahead += site->ahead;
        sum.strides += site->strides;
        sum.stride = site->loads > 0 ? site->stride : sum.stride;
        sum.hint_pages += site->hint_pages;
        sum.hint_stride = site->hint_stride != 0 ? site->hint_stride : sum.hint_stride;
    }
    return sum;
}

static struct fault_site of_function(const struct fault_table *table, uintptr_t function,
                                     uint32_t row)
{
    return sum_of(table, function, function + 256, row);
}

/* Each fault is at one site and in one region, and in the counters. */
static void expect_sums(const struct scene *scene)
{
    const struct fault_table *table = &scene->table;
    const struct sp_stats *stats = &scene->stats;
    struct fault_site all[2];

    assert_int_equal(table->rows, 2);
    assert_int_equal(table->regions, 2);
    assert_int_equal(table->lost, 0);
    assert_int_equal(table->page_bytes, SP_PAGE_SIZE);
    for (uint32_t row = 0; row < 2; row++) {
        const struct fault_row *region = &table->row[row];

        all[row] = sum_of(table, 0, UINTPTR_MAX, row);
        assert_int_equal(region->address, scene->address[row]);
        assert_int_equal(region->pages, PAGES + row);
        assert_int_equal(region->kind, row == 0 ? SP_PRECIOUS : SP_DISCARDABLE);
        assert_non_null(fault_table_object_at(table, region->code));
        assert_int_equal(region->tally.faults, all[row].faults);
        assert_true(all[row].evicted <= stats->evictions);
    }
    assert_int_equal(table->row[0].code, table->row[1].code); /* of `region_or_exit` */
    assert_int_equal(all[0].faults + all[1].faults, stats->faults);
    assert_int_equal(all[0].soft + all[1].soft, stats->soft_faults);
    assert_int_equal(all[0].ahead, stats->read_ahead);
    assert_int_equal(all[0].loads + all[0].ahead, stats->swapped_in);
    assert_int_equal(table->row[0].tally.loaded, stats->swapped_in);
    assert_int_equal(table->row[0].tally.evicted + table->row[1].tally.evicted, stats->evictions);
    assert_int_equal(table->row[1].tally.dropped, stats->dropped);
    assert_int_equal(all[1].loads + all[1].ahead + table->row[1].tally.stored, 0);
    /* Each page that was written was evicted by a fault once, and stored then; others were while a fault was served, ahead
     * of need. */
    assert_in_range(all[0].evicted, PAGES / 2, table->row[0].tally.evicted);
    assert_in_range(all[1].evicted, PAGES / 2, stats->evictions);
    assert_in_range(all[0].stored, PAGES / 2, table->row[0].tally.stored);
    assert_in_range(all[0].stored + all[1].stored, PAGES * 3 / 4, table->row[0].tally.stored);
}

static void each_fault_is_counted_where_it_happens(void **state)
{
    struct scene *scene = *state;
    struct fault_site site;

    name_table(scene);
    run_task(scene);
    expect_sums(scene);
    assert_string_equal(scene->table.task, "task-1");
    assert_int_equal(sum_of(&scene->table, 0, UINTPTR_MAX, 1).faults, PAGES + 1);
    site = of_function(&scene->table, (uintptr_t)walk, 0);
    assert_true(site.stride > 0 && site.stride % STRIDE == 0); /* what is between is read ahead */
    assert_true(site.loads > PAGES / 4 && site.strides > site.loads / 4);
    assert_int_equal(site.soft + site.hint_pages, 0);
    assert_int_equal(site.faults, site.loads);
    site = of_function(&scene->table, (uintptr_t)write_again, 0);
    assert_true(site.soft >= PAGES / 4); /* a page that was read is written */
}

/* ---- Hints ---- */

/* Hints about all instructions of a function that load: those that a run without them showed. */
static void write_hints(struct scene *scene, uintptr_t code, uintptr_t end, uint32_t pages,
                        int stride)
{
    FILE *file = fopen(scratch_path(&scene->scratch, "hints"), "w");

    assert_non_null(file);
    snprintf(scene->hints, sizeof(scene->hints), "%s", scene->scratch.path);
    for (uint32_t i = 0; i < FAULT_TABLE_SITES; i++) {
        const struct fault_site *site = &scene->table.site[i];
        const struct fault_object *object = fault_table_object_at(&scene->table, site->code);

        if (site->code < code || site->code >= end || site->loads == 0 || object == NULL)
            continue;
        fprintf(file, "ahead %u %d %s+0x%llx\n", pages, stride, strrchr(object->path, '/') + 1,
                (unsigned long long)(site->code - object->first + object->offset));
    }
    assert_int_equal(fclose(file), 0);
}

static void hints_load_what_the_instruction_needs_next(void **state)
{
    struct scene *scene = *state;
    struct fault_site site, before;
    uint64_t faults;

    name_table(scene);
    run_task(scene);
    before = of_function(&scene->table, (uintptr_t)hop, 0);
    faults = scene->stats.faults;
    write_hints(scene, (uintptr_t)hop, (uintptr_t)hop + 256, 3, STRIDE);
    run_task(scene);
    expect_sums(scene);
    site = of_function(&scene->table, (uintptr_t)hop, 0);
    assert_int_equal(site.hint_pages, 3);
    assert_int_equal(site.hint_stride, STRIDE);
    /* Where four faults were, or three, there is one. */
    assert_in_range(site.loads, 1, ROUNDS * PAGES / 4);
    assert_true(before.loads > 2 * site.loads && scene->stats.faults + site.loads < faults);
    assert_in_range(site.ahead, 2 * site.loads, 3 * site.loads);
    assert_int_equal(site.faults, site.loads);
}

/* Hints for more pages than a batch holds, or for pages outside the region, do no harm: all counters agree. */
static void hints_may_ask_for_too_much(void **state)
{
    static const struct {
        uint32_t pages;
        int stride;
    } hints[] = {{64, 1}, {64, -1}, {64, 1 << 30}, {1, -(1 << 30)}};
    struct scene *scene = *state;

    name_table(scene);
    run_task(scene);
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        write_hints(scene, 1, UINTPTR_MAX, hints[i].pages, hints[i].stride);
        run_task(scene);
        expect_sums(scene);
    }
}

/* The table, which is in no file then, is there all the same. */
static void hints_work_without_a_table_to_write(void **state)
{
    struct scene *scene = *state;
    uint64_t faults;

    name_table(scene);
    run_task(scene);
    faults = scene->stats.faults;
    write_hints(scene, (uintptr_t)hop, (uintptr_t)hop + 256, 3, STRIDE);
    scene->faults[0] = '\0';
    run_task(scene);
    assert_true(scene->stats.faults + PAGES / 2 < faults);
}

static const struct fault_object *object_named(const struct fault_table *table, const char *words)
{
    for (uint32_t i = 0; i < table->objects; i++)
        if (strstr(table->object[i].path, words) != NULL)
            return &table->object[i];
    return NULL;
}

/* Of a file that is mapped only after the first fault of its code, too. */
static void code_that_comes_late_is_found_and_given_its_hints(void **state)
{
    struct scene *scene = *state;
    const struct fault_object *object;
    struct fault_site site;

    scene->late = true;
    name_table(scene);
    run_task(scene);
    expect_sums(scene);
    object = object_named(&scene->table, "libtest_late");
    assert_non_null(object);
    site = sum_of(&scene->table, object->first, object->end, 0);
    assert_true(site.loads > PAGES / 4);
    write_hints(scene, object->first, object->end, 4, STRIDE);
    run_task(scene);
    object = object_named(&scene->table, "libtest_late");
    assert_non_null(object);
    site = sum_of(&scene->table, object->first, object->end, 0);
    assert_int_equal(site.hint_stride, STRIDE);
    assert_int_equal(site.hint_pages, 4);
}

/* ---- What cannot be ---- */

static int refused(void *arg)
{
    struct scene *scene = arg;
    struct sp_error error = {0};
    struct sp_task *task;
    int result;

    set_variables(scene);
    if (scene->no_room) {
        signal(SIGXFSZ, SIG_IGN);
        CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, 4096}) == 0);
    }
    result = sp_attach(&task, NULL, &error);
    fprintf(stderr, "%s\n", error.text);
    return -result;
}

static void expect_refused(struct scene *scene, const char *task, int code, const char *words)
{
    struct sp_testing_result result;
    struct sp_testing_task *running;
    struct sp_error error;

    if (sp_testing_begin(servers, task, "guaranteed=60", NULL, refused, scene, &running, &error) !=
        0)
        fail_msg("%s", error.text);
    sp_testing_wait(&running, &result);
    if (result.exit_status != code || strstr(result.output, words) == NULL)
        fail_msg("status %d: %s", result.exit_status, result.output);
}

static void a_file_that_cannot_be_written_is_said_at_once(void **state)
{
    struct scene *scene = *state;
    int fd;

    snprintf(scene->faults, sizeof(scene->faults), "/missing/table");
    expect_refused(scene, "task", ENOENT, "SELFPAGE_FAULTS: cannot write /missing/table");
    snprintf(scene->faults, sizeof(scene->faults), "/dev/null");
    expect_refused(scene, "task", EINVAL, "SELFPAGE_FAULTS: /dev/null is no regular file");
    name_table(scene);
    fd = open(scene->faults, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && flock(fd, LOCK_EX) == 0);
    expect_refused(scene, "task", EBUSY, "another task writes /");
    close(fd);
    scene->no_room = true;
    expect_refused(scene, "task", EFBIG, "SELFPAGE_FAULTS: cannot make room in /");
    scene->no_room = false;
}

static void a_path_may_have_4095_bytes(void **state)
{
    struct scene *scene = *state;
    char *end;

    snprintf(scene->faults, sizeof(scene->faults), "%s", scene->scratch.directory);
    end = scene->faults + strlen(scene->faults);
    while (end + 2 <= scene->faults + 4096 - 6) {
        memcpy(end, "/.", 2);
        end += 2;
    }
    memset(end, '/', 6);
    memcpy(scene->faults + 4096 - 6, "/table", 7);
    expect_refused(scene, "task", EINVAL, "SELFPAGE_FAULTS: the path is too long");
    memmove(scene->faults + 4096 - 7, "/table", 7);
    run_task(scene);
}

/* In a directory each task has a file of its own. */
static void a_directory_gets_a_file_for_each_task(void **state)
{
    struct scene *scene = *state;
    struct sp_testing_task *task;
    struct sp_testing_result result;
    struct sp_error error;
    char file[32];

    snprintf(scene->faults, sizeof(scene->faults), "%s", scene->scratch.directory);
    expect_refused(scene, "a/b", EINVAL, "the task's name is none for a file");
    assert_int_equal(
        sp_testing_begin(servers, "own", "guaranteed=60", NULL, work, scene, &task, &error), 0);
    snprintf(file, sizeof(file), "own-%ld.faults", (long)sp_testing_task_pid(task));
    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("%s", result.output);
    assert_int_equal(unlink(scratch_path(&scene->scratch, file)), 0);
}

static int start_servers(void **state)
{
    (void)state;
    return sp_testing_setup((void **)&servers);
}

static int stop_servers(void **state)
{
    (void)state;
    return sp_testing_teardown((void **)&servers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_is_counted_where_it_happens, setup, teardown),
        cmocka_unit_test_setup_teardown(hints_load_what_the_instruction_needs_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(hints_may_ask_for_too_much, setup, teardown),
        cmocka_unit_test_setup_teardown(hints_work_without_a_table_to_write, setup, teardown),
        cmocka_unit_test_setup_teardown(code_that_comes_late_is_found_and_given_its_hints, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_is_said_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_path_may_have_4095_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_gets_a_file_for_each_task, setup, teardown),
    };

    return cmocka_run_group_tests_name("task_sites", tests, start_servers, stop_servers);
}
