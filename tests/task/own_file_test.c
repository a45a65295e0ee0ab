/* Tasks that load by themselves, from a file of their own in swap: in real processes, with real faults. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <valgrind/valgrind.h>

#include <selfpage/testing.h>

#include "awaiting.h"
#include "base/random.h"
#include "live.h"
#include "os/ring.h"
#include "scale.h"

#define PAGES  512u
#define FRAMES "guaranteed=64"

static unsigned char *page_of(unsigned char *memory, unsigned page)
{
    return memory + (size_t)page * SP_PAGE_SIZE;
}

/* What a page holds: another byte at each place, another order in each page; every 16th has zeros alone. */
static unsigned char byte_of(unsigned page, unsigned at, unsigned version)
{
    if (page % 16 == 5)
        return 0;
    return (unsigned char)((at * 7 + page * 31 + version * 101) % 253 + 1);
}

static void page_write(unsigned char *memory, unsigned page, unsigned version)
{
    for (unsigned at = 0; at < SP_PAGE_SIZE; at++)
        page_of(memory, page)[at] = byte_of(page, at, version);
}

static void page_compare(unsigned char *memory, unsigned page, unsigned version)
{
    for (unsigned at = 0; at < SP_PAGE_SIZE; at += 61)
        CHECK(page_of(memory, page)[at] == byte_of(page, at, version));
}

/* Write and read at random; compare all in the end. */
static int wander(void *arg)
{
    struct random_source random = random_seeded(3);
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    static unsigned version[PAGES];
    struct sp_stats stats;

    (void)arg;
    memset(version, 0, sizeof(version));
    for (unsigned page = 0; page < PAGES; page++)
        page_write(memory, page, 0);
    for (unsigned i = 0; i < (scale_is_slow() ? PAGES : 4 * PAGES); i++) {
        unsigned page = random_below(&random, PAGES);

        page_compare(memory, page, version[page]);
        if (random_below(&random, 4) == 0)
            page_write(memory, page, ++version[page]);
    }
    for (unsigned page = 0; page < PAGES; page++)
        page_compare(memory, page, version[page]);
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_in > PAGES);
    CHECK(stats.loaded_itself == stats.swapped_in);
    return sp_detach(&task);
}

static void run_well(void **state, const char *contract, int (*function)(void *), void *arg)
{
    struct sp_testing_result result;
    struct sp_error error;

    if (sp_testing_run(*state, contract, "clock", function, arg, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status != 0)
        fail_msg("status %d: %s", result.exit_status, result.output);
}

static void a_task_loads_all_by_itself_and_swap_hears_of_it(void **state)
{
    struct sp_testing_swap swap;
    struct sp_error error;

    run_well(state, FRAMES, wander, NULL);
    assert_int_equal(sp_testing_swap_status(*state, &swap, &error), 0);
    assert_true(swap.loads > PAGES);
    assert_int_equal(swap.own_loads, swap.loads);
    assert_in_range(swap.reads, 1, swap.loads);
    assert_int_equal(swap.corrupt, 0);
}

static void pages_of_several_base_pages_come_too(void **state)
{
    run_well(state, "guaranteed=64,order=2", wander, NULL);
}

/* ---- What is wrong on the device ---- */

/* The descriptor of this process's file in swap: it is of a file without a name. */
static int own_file(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    struct stat status;
    int found = -1;

    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
            status.st_nlink != 0 || status.st_size < (off_t)(PAGES / 2 * SP_PAGE_SIZE) ||
            (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
            continue;
        CHECK(found < 0);
        found = fd;
    }
    closedir(directory);
    CHECK(found >= 0);
    return found;
}

/* What an owner can do that is determined to: turn bits of every page in the file. */
static void file_spoil(void)
{
    static unsigned char page[SP_PAGE_SIZE];
    int fd = own_file(), writer;
    struct stat status;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(fchmod(fd, 0600) == 0 && fstat(fd, &status) == 0);
    writer = open(path, O_RDWR | O_CLOEXEC);
    CHECK(writer >= 0);
    for (off_t at = 0; at < status.st_size; at += SP_PAGE_SIZE) {
        CHECK(pread(writer, page, sizeof(page), at) == (ssize_t)sizeof(page));
        page[at / SP_PAGE_SIZE * 5 % SP_PAGE_SIZE] ^= 4;
        CHECK(pwrite(writer, page, sizeof(page), at) == (ssize_t)sizeof(page));
    }
    close(writer);
}

static int read_spoilt(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});

    (void)arg;
    for (unsigned page = 0; page < PAGES; page++)
        page_write(memory, page, 0);
    file_spoil();
    page_compare(memory, 5, 0); /* zeros lie nowhere */
    page_compare(memory, 0, 0);
    return 0;
}

static void a_wrong_page_is_found_by_its_checksum(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_swap swap;
    struct sp_error error;

    assert_int_equal(sp_testing_run(*state, FRAMES, "fifo", read_spoilt, NULL, &result, &error), 0);
    assert_int_not_equal(result.exit_status, 0);
    if (strstr(result.output, "its checksum is wrong, the swap device is corrupt") == NULL)
        fail_msg("it says: %s", result.output);
    assert_int_equal(sp_testing_swap_status(*state, &swap, &error), 0);
    assert_in_range(swap.corrupt, 1, 2); /* the page, and what was read ahead with it */
}

/* A descriptor that is closed, by a program that closes all: swap loads. */
static int close_and_read(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    struct sp_stats stats;

    (void)arg;
    for (unsigned page = 0; page < PAGES; page++)
        page_write(memory, page, 0);
    close(own_file());
    for (unsigned page = 0; page < PAGES; page++)
        page_compare(memory, page, 0);
    sp_get_stats(task, &stats);
    CHECK(stats.swapped_in > PAGES / 2);
    CHECK(stats.loaded_itself < PAGES / 8); /* zeros need no file */
    return sp_detach(&task);
}

static void swap_loads_what_the_task_cannot(void **state)
{
    run_well(state, FRAMES, close_and_read, NULL);
}

/* ---- A server that is killed ---- */

static int read_for_ever(void *arg)
{
    struct random_source random = random_seeded(4);
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});

    (void)arg;
    for (unsigned page = 0; page < PAGES; page++)
        page_write(memory, page, 0);
    for (uint64_t i = 0; i < UINT64_MAX; i++)
        page_compare(memory, random_below(&random, PAGES), 0);
    return 1;
}

static uint64_t loaded(struct sp_testing_task *task)
{
    struct sp_stats stats;

    sp_testing_task_stats(task, &stats);
    return stats.loaded_itself;
}

static void kill_9_of_swap_amid_loads_ends_the_task_with_a_word(void **state)
{
    struct sp_testing_result result;
    struct sp_testing_task *task;
    struct sp_error error;

    assert_int_equal(
        sp_testing_begin(*state, "reader", FRAMES, "clock", read_for_ever, NULL, &task, &error), 0);
    AWAIT(task, loaded(task) > 100);
    assert_int_equal(sp_testing_kill(*state, SP_TESTING_SWAP), 0);
    sp_testing_wait(&task, &result);
    assert_int_not_equal(result.exit_status, 0);
    if (strstr(result.output, "swap") == NULL)
        fail_msg("it says: %s", result.output);
}

/* ---- Rings ---- */

#define RINGS_MOST   16u
#define MANY_THREADS 24u

struct scanner {
    pthread_t thread;
    struct sp_task *task;
    unsigned char *memory;
    bool ends; /* says that it ends */
};

static void *scan(void *arg)
{
    struct scanner *scanner = arg;

    CHECK(sp_thread_begin(scanner->task) == 0);
    for (unsigned page = 0; page < PAGES; page++)
        page_compare(scanner->memory, page, 0);
    if (scanner->ends)
        sp_thread_end(scanner->task);
    return NULL;
}

/* Mappings of rings that this process has: each has two. */
static unsigned rings(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned count = 0;
    char line[256];

    CHECK(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL)
        count += strstr(line, "io_uring") != NULL;
    fclose(maps);
    CHECK(count % 2 == 0);
    return count / 2;
}

static bool there_are_rings(void)
{
    const char *wanted = getenv("SELFPAGE_RING");
    struct read_ring ring = {0};

    if (RUNNING_ON_VALGRIND || (wanted != NULL && strcmp(wanted, "off") == 0) ||
        ring_open(&ring) != 0)
        return false;
    ring_close(&ring);
    return true;
}

/* Threads that come and go, those that say so and those that do not, and more at once than there are rings. */
static int many_threads(void *arg)
{
    bool wanted = there_are_rings();
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory = region_or_exit(task, &(struct sp_region_options){.pages = PAGES});
    struct scanner scanner[MANY_THREADS];

    (void)arg;
    for (unsigned page = 0; page < PAGES; page++)
        page_write(memory, page, 0);
    page_compare(memory, 0, 0);
    CHECK(rings() == (wanted ? 1 : 0));
    for (unsigned round = 0; round < (scale_is_slow() ? 2 : 3); round++) {
        for (unsigned i = 0; i < MANY_THREADS; i++) {
            scanner[i] = (struct scanner){.task = task, .memory = memory, .ends = i % 2 == 0};
            CHECK(pthread_create(&scanner[i].thread, NULL, scan, &scanner[i]) == 0);
        }
        for (unsigned i = 0; i < MANY_THREADS; i++)
            CHECK(pthread_join(scanner[i].thread, NULL) == 0);
        CHECK(rings() <= RINGS_MOST && (!wanted || rings() >= 1));
    }
    return sp_detach(&task);
}

static void each_thread_has_a_ring_if_there_are_enough(void **state)
{
    run_well(state, FRAMES, many_threads, NULL);
}

/* Attach again and again, also in a child, which has none of the rings of its parent. */
static int attach_again(void *arg)
{
    int status;
    pid_t child;

    for (unsigned i = 0; i < 3; i++) {
        CHECK(wander(NULL) == 0);
        CHECK(rings() == 0); /* it went with the detaching thread */
    }
    if (arg != NULL)
        return 0;
    child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(attach_again(&child));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

static void rings_go_with_their_tasks(void **state)
{
    run_well(state, FRAMES, attach_again, NULL);
}

static int without_rings(void **state)
{
    return setenv("SELFPAGE_RING", "off", 1) != 0 || sp_testing_setup(state) != 0;
}

static int with_rings_again(void **state)
{
    return unsetenv("SELFPAGE_RING") != 0 || sp_testing_teardown(state) != 0;
}

int main(void)
{
#define STORY(name)   cmocka_unit_test_setup_teardown(name, sp_testing_setup, sp_testing_teardown)
#define WITHOUT(name) cmocka_unit_test_setup_teardown(name, without_rings, with_rings_again)
    const struct CMUnitTest tests[] = {
        STORY(a_task_loads_all_by_itself_and_swap_hears_of_it),
        STORY(pages_of_several_base_pages_come_too),
        STORY(a_wrong_page_is_found_by_its_checksum),
        STORY(swap_loads_what_the_task_cannot),
        STORY(kill_9_of_swap_amid_loads_ends_the_task_with_a_word),
        STORY(each_thread_has_a_ring_if_there_are_enough),
        STORY(rings_go_with_their_tasks),
    };
    const struct CMUnitTest without[] = {
        WITHOUT(a_task_loads_all_by_itself_and_swap_hears_of_it),
        WITHOUT(pages_of_several_base_pages_come_too),
        WITHOUT(a_wrong_page_is_found_by_its_checksum),
        WITHOUT(swap_loads_what_the_task_cannot),
        WITHOUT(kill_9_of_swap_amid_loads_ends_the_task_with_a_word),
        WITHOUT(each_thread_has_a_ring_if_there_are_enough),
        WITHOUT(rings_go_with_their_tasks),
    };

    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    /* Under Valgrind and in an emulator there are no rings, and it would be the same again. */
    if (there_are_rings())
        failed += cmocka_run_group_tests(without, NULL, NULL);
    return failed;
}
