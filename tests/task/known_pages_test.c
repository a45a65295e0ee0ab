/* Pages of known content from several tasks, logical copies among them, all come back right while both servers do their
 * worst: physmem takes rights at random and recalls frames, swap fails to write one page of twenty. (A page that cannot
 * be read back has nowhere to come from: swap_faults has what then happens to its task alone.)
 *
 * SELFPAGE_TEST_PAGES says how many pages there are in all, 10,000 at least: 20,000 unless it is set, and 100,000 for the claim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <selfpage/testing.h>

#include "base/random.h"
#include "live.h"
#include "scale.h"

#define TASKS  4u
#define WORDS  (SP_PAGE_SIZE / sizeof(uint64_t))
#define BLOCK  128u /* pages of a container */
#define COPIES 3u   /* of each container */

struct share {
    uint32_t number; /* of the task */
    uint32_t paged;  /* pages of its region */
    uint32_t blocks; /* containers, with COPIES copies each */
};

static uint64_t word_of(uint32_t task, uint32_t page, uint32_t version, size_t word)
{
    uint64_t tag = (uint64_t)task << 56 ^ (uint64_t)version << 32 ^ page;

    return (tag + 1) * UINT64_C(0x9e3779b97f4a7c15) + word;
}

static void fill(unsigned char *at, uint32_t task, uint32_t page, uint32_t version)
{
    uint64_t *words = (uint64_t *)(void *)at;

    for (size_t word = 0; word < WORDS; word++)
        words[word] = word_of(task, page, version, word);
}

static bool holds(const unsigned char *at, uint32_t task, uint32_t page, uint32_t version)
{
    const uint64_t *words = (const uint64_t *)(const void *)at;

    for (size_t word = 0; word < WORDS; word++)
        if (words[word] != word_of(task, page, version, word))
            return false;
    return true;
}

/* ---- What is paged ---- */

static void page_at_random(struct sp_task *task, const struct share *share)
{
    struct random_source random = random_seeded(share->number + 1);
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = share->paged});
    uint32_t *version = calloc(share->paged, sizeof(*version));

    CHECK(version != NULL);
    for (uint32_t page = 0; page < share->paged; page++)
        fill(memory + (size_t)page * SP_PAGE_SIZE, share->number, page, 0);
    for (uint32_t i = 0; i < share->paged / 2; i++) {
        uint32_t page = random_below(&random, share->paged);
        unsigned char *at = memory + (size_t)page * SP_PAGE_SIZE;

        CHECK(holds(at, share->number, page, version[page]));
        if (random_below(&random, 3) == 0)
            fill(at, share->number, page, ++version[page]);
    }
    for (uint32_t page = 0; page < share->paged; page++)
        CHECK(holds(memory + (size_t)page * SP_PAGE_SIZE, share->number, page, version[page]));
    free(version);
}

/* ---- What is copied ---- */

static unsigned char *mapped(struct sp_task *task, sp_container container)
{
    struct sp_error error = {0};
    void *address;

    if (sp_container_map(task, container, 0, BLOCK, SP_MAP_WRITE, &address, &error) != 0) {
        fprintf(stderr, "map: %s\n", error.text);
        exit(1);
    }
    return address;
}

/* A container and its copies, in which some pages are written later: the copies' and the original's. */
static void copy_and_write(struct sp_task *task, const struct share *share, uint32_t block)
{
    struct random_source random = random_seeded(1000u * share->number + block);
    static uint32_t version[COPIES + 1][BLOCK];
    unsigned char *memory[COPIES + 1];
    sp_container container[COPIES + 1];

    memset(version, 0, sizeof(version));
    CHECK(sp_container_create_with(task, BLOCK, 0, &container[0], NULL) == 0);
    memory[0] = mapped(task, container[0]);
    for (uint32_t page = 0; page < BLOCK; page++)
        fill(memory[0] + (size_t)page * SP_PAGE_SIZE, share->number, block * BLOCK + page, 0);
    for (uint32_t i = 1; i <= COPIES; i++) {
        CHECK(sp_container_create_from(task, container[0], 0, BLOCK, &container[i], NULL) == 0);
        memory[i] = mapped(task, container[i]);
    }
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t which = random_below(&random, COPIES + 1), page = random_below(&random, BLOCK);

        version[which][page] = 1 + which;
        fill(memory[which] + (size_t)page * SP_PAGE_SIZE, share->number, block * BLOCK + page,
             1 + which);
    }
    for (uint32_t i = 0; i <= COPIES; i++) {
        for (uint32_t page = 0; page < BLOCK; page++)
            CHECK(holds(memory[i] + (size_t)page * SP_PAGE_SIZE, share->number,
                        block * BLOCK + page, version[i][page]));
        CHECK(sp_container_unmap(task, memory[i], NULL) == 0);
        CHECK(sp_container_destroy(task, container[i], NULL) == 0);
    }
}

static int use_all(void *arg)
{
    const struct share *share = arg;
    struct sp_task *task = attach_or_exit(NULL);

    page_at_random(task, share);
    for (uint32_t block = 0; block < share->blocks; block++)
        copy_and_write(task, share, block);
    return sp_detach(&task);
}

/* ---- What is in the way ---- */

/* A task that was there first has nearly all frames: physmem recalls them as the others begin, whenever each has its turn. */
struct hoard {
    int here[2]; /* pipe: a byte when it has them */
    int go[2];   /* pipe: ends when it may end */
};

#define HOARD 2400u

static int hoard_frames(void *arg)
{
    const struct hoard *hoard = arg;
    struct sp_task *task = attach_or_exit(NULL);
    unsigned char *memory =
        region_or_exit(task, &(struct sp_region_options){.pages = HOARD, .kind = SP_DISCARDABLE});
    char byte = 'x';

    close(hoard->go[1]);
    memset(memory, 1, HOARD * (size_t)SP_PAGE_SIZE);
    CHECK(write(hoard->here[1], &byte, 1) == 1);
    CHECK(read(hoard->go[0], &byte, 1) == 0);
    return sp_detach(&task);
}

static void begin_hoarding(struct sp_testing *fixture, struct hoard *hoard,
                           struct sp_testing_task **taskp)
{
    struct sp_error error;
    char byte;

    assert_int_equal(pipe(hoard->here), 0);
    assert_int_equal(pipe(hoard->go), 0);
    if (sp_testing_begin(fixture, "hoarder", "guaranteed=16;extra=2600,drop=10s", "clock",
                         hoard_frames, hoard, taskp, &error) != 0)
        fail_msg("%s", error.text);
    close(hoard->here[1]);
    assert_int_equal(read(hoard->here[0], &byte, 1), 1);
    close(hoard->here[0]);
}

static void end_hoarding(struct hoard *hoard, struct sp_testing_task **taskp)
{
    struct sp_testing_result result;

    close(hoard->go[0]);
    close(hoard->go[1]);
    sp_testing_wait(taskp, &result);
    if (result.exit_status != 0)
        fail_msg("hoarder: status %d: %s", result.exit_status, result.output);
}

/* ---- */

static uint32_t pages_in_all(void)
{
    const char *text = getenv("SELFPAGE_TEST_PAGES");
    uint32_t pages = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;

    return pages != 0 ? pages : scale_is_slow() ? 10000 : 20000;
}

static void all_pages_come_back_right(void **state)
{
    static const char *const swap_args[] = {"--fail-writes", "0.05", NULL};
    uint32_t pages = pages_in_all();
    struct sp_testing_options options = {.physmem_frames = 2700,
                                         .swap_slots = pages + 1024,
                                         .chaos_unmap = 500,
                                         .swap_args = swap_args,
                                         .timeout_ms = 600000};
    struct sp_testing *fixture;
    struct sp_testing_task *task[TASKS], *hoarder;
    struct share share[TASKS];
    struct hoard hoard;
    struct sp_testing_physmem physmem;
    struct sp_testing_swap swap;
    struct sp_error error;

    (void)state;
    if (sp_testing_start(&fixture, &options, &error) != 0)
        fail_msg("%s", error.text);
    begin_hoarding(fixture, &hoard, &hoarder);
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t blocks = pages / TASKS / 4 / (BLOCK * (COPIES + 1));

        /* A fourth in containers and their copies, the rest paged. */
        share[i] = (struct share){.number = i, .blocks = blocks != 0 ? blocks : 1};
        share[i].paged = pages / TASKS - share[i].blocks * BLOCK * (COPIES + 1);
        if (sp_testing_begin(fixture, NULL, "guaranteed=640;extra=600,drop=10s", "clock", use_all,
                             &share[i], &task[i], &error) != 0)
            fail_msg("%s", error.text);
    }
    for (uint32_t i = 0; i < TASKS; i++) {
        struct sp_testing_result result;

        sp_testing_wait(&task[i], &result);
        if (result.exit_status != 0)
            fail_msg("task %u: status %d, signal %d: %s", i, result.exit_status, result.signal,
                     result.output);
    }
    end_hoarding(&hoard, &hoarder);
    assert_int_equal(sp_testing_physmem_status(fixture, &physmem, NULL), 0);
    assert_int_equal(sp_testing_swap_status(fixture, &swap, NULL), 0);
    assert_true(swap.stores > pages / 4 && swap.loads > pages / 8 && swap.failed > 0);
    assert_true(physmem.unmaps > 0 && physmem.recalls > 0);
    assert_true(physmem.copies > pages / 16 && physmem.broken > 0);
    assert_int_equal(swap.corrupt, 0);
    if (sp_testing_stop(&fixture, &error) != 0)
        fail_msg("%s", error.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_pages_come_back_right)};

    return cmocka_run_group_tests_name("task_known_pages", tests, NULL, NULL);
}
