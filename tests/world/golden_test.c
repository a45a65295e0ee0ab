/* Stories of the protocol, each kept as a trace in golden/: what tasks ask, and what physmem answers and
 * sends. Read them; they are what a task sees.
 *
 * usage: test_world_golden             play each story, and compare it with its trace
 *        test_world_golden --update    write the traces anew; then read the diff */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/physmem/policyserver.h"
#include "os/heap.h"
#include "world/world.h"

#define FRAMES 100u

static bool updates; /* --update */

struct story {
    struct world world;
    struct golden golden;
};

static void begin(struct story *story)
{
    world_init(&story->world, &heap_allocator);
    golden_init(&story->golden, &heap_allocator);
    story->world.golden = &story->golden;
    story->world.arbiter = &arbiter_maxmin;
    assert_int_equal(world_start(&story->world, FRAMES, 4, 0), 0);
}

/* The trace that is kept under a name, for free(). */
static char *kept(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "re");
    size_t size;

    if (file == NULL)
        fail_msg("%s cannot be read: run test_world_golden --update", path);
    size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    return text;
}

static void write_anew(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The story is over: it has gone as it went when its trace was kept. */
static void end(struct story *story, const char *name)
{
    const char *text = golden_text(&story->golden);
    char path[512];

    assert_non_null(text);
    assert_null(physmem_check(story->world.physmem));
    snprintf(path, sizeof(path), "%s/%s.trace", TEST_GOLDEN, name);
    if (updates)
        write_anew(path, text);
    else if (strcmp(kept(path), text) != 0)
        fail_msg("the story differs from %s; it is now:\n%s", path, text);
    golden_fini(&story->golden);
    assert_int_equal(world_end(&story->world), 0);
}

static struct sp_terms terms_of(enum sp_contract_kind kind, uint32_t frames, uint32_t min)
{
    struct sp_terms terms = world_terms(kind, frames);

    terms.min = min;
    terms.t_clean = 2 * SECOND;
    terms.t_drop = SECOND;
    return terms;
}

/* A task with a contract of these terms, and a container. */
static struct physmem_task *task_under(struct story *story, const char *name, struct sp_terms terms,
                                       uint32_t *container)
{
    struct physmem_task *task = world_task(&story->world, name);

    world_propose(&story->world, task, &terms);
    *container = world_container(&story->world, task, 200);
    return task;
}

/* Physmem has 100 frames and promises 96. What does not fit is countered, or refused with a hint. */
static void test_proposals(void **state)
{
    struct story story;
    struct physmem_task *a, *b;
    struct sp_terms terms = terms_of(SP_GUARANTEED, 60, 60);

    (void)state;
    begin(&story);
    a = world_task(&story.world, "a");
    b = world_task(&story.world, "b");
    world_propose(&story.world, a, &terms);
    world_pass(&story.world, SECOND);
    terms = terms_of(SP_GUARANTEED, 60, 20);
    world_propose(&story.world, b, &terms);
    world_accept(&story.world, b, 1);
    terms = terms_of(SP_GUARANTEED, 10, 10);
    world_propose(&story.world, b, &terms);
    terms.frames = 0;
    world_propose(&story.world, b, &terms);
    world_size(&story.world, a, 1, 40);
    terms.frames = 10;
    world_propose(&story.world, b, &terms);
    world_close(&story.world, a, 1);
    end(&story, "proposals");
}

/* A task holds extra frames; another needs what it is guaranteed. Half of the recall comes at once, the
 * rest within the grace. */
static void test_a_recall_that_is_met(void **state)
{
    struct story story;
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    begin(&story);
    a = task_under(&story, "a", terms_of(SP_EXTRA, 90, 90), &in_a);
    b = task_under(&story, "b", terms_of(SP_GUARANTEED, 40, 40), &in_b);
    world_allocate(&story.world, a, in_a, 0, 90, PHYSMEM_EXTRA);
    world_pass(&story.world, SECOND);
    world_allocate(&story.world, b, in_b, 0, 40, 0);
    world_pass(&story.world, SECOND / 4);
    world_range(&story.world, physmem_frames_deallocate, a, in_a, 0, 15);
    world_pass(&story.world, SECOND / 4);
    world_range(&story.world, physmem_frames_deallocate, a, in_a, 15, 15);
    world_pass(&story.world, 10 * SECOND);
    end(&story, "recall-met");
}

/* A recall that nobody answers costs what the contract says: one rung for each task. */
static void test_the_ladder_of_breaches(void **state)
{
    static const struct {
        const char *name;
        enum sp_breach on_breach;
    } rungs[] = {{"warn", SP_BREACH_WARN},
                 {"penalty", SP_BREACH_PENALTY},
                 {"repossess", SP_BREACH_REPOSSESS},
                 {"revoke", SP_BREACH_REVOKE},
                 {"kill", SP_BREACH_KILL}};

    (void)state;
    for (unsigned i = 0; i < sizeof(rungs) / sizeof(rungs[0]); i++) {
        struct story story;
        struct sp_terms terms = terms_of(SP_EXTRA, 90, 90);
        uint32_t in_silent, in_other;
        struct physmem_task *silent, *other;
        char name[64];

        begin(&story);
        terms.on_breach = (uint8_t)rungs[i].on_breach;
        terms.bid = 7;
        silent = task_under(&story, "silent", terms, &in_silent);
        other = task_under(&story, "other", terms_of(SP_GUARANTEED, 40, 40), &in_other);
        world_allocate(&story.world, silent, in_silent, 0, 90, PHYSMEM_EXTRA);
        world_pass(&story.world, SECOND);
        world_allocate(&story.world, other, in_other, 0, 40, 0);
        /* The need is 30, and so is each recall: what is overdue is not counted on (recall.h). */
        world_pass(&story.world, 10 * SECOND);
        snprintf(name, sizeof(name), "breach-%s", rungs[i].name);
        end(&story, name);
    }
}

/* Terms of five seconds: renewed once, then not; the frames are kept until somebody needs them. */
static void test_a_renewal_and_an_end(void **state)
{
    struct story story;
    struct sp_terms terms = terms_of(SP_GUARANTEED, 60, 60);
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    begin(&story);
    terms.term_ns = 5 * SECOND;
    a = task_under(&story, "a", terms, &in_a);
    world_allocate(&story.world, a, in_a, 0, 60, 0);
    world_pass(&story.world, 4 * SECOND + SECOND / 2);
    world_renew(&story.world, a, 1, 5 * SECOND);
    world_pass(&story.world, 6 * SECOND);
    b = task_under(&story, "b", terms_of(SP_GUARANTEED, 50, 50), &in_b);
    world_allocate(&story.world, b, in_b, 0, 50, 0);
    world_pass(&story.world, SECOND);
    world_range(&story.world, physmem_frames_deallocate, a, in_a, 0, 60);
    world_pass(&story.world, 10 * SECOND);
    end(&story, "renewal");
}

/* A part goes to another task, and is taken back from it. */
static void test_a_part_of_a_contract(void **state)
{
    struct story story;
    uint32_t in_above, in_below;
    struct physmem_task *above, *below;

    (void)state;
    begin(&story);
    above = task_under(&story, "above", terms_of(SP_GUARANTEED, 60, 60), &in_above);
    below = world_task(&story.world, "below");
    in_below = world_container(&story.world, below, 100);
    world_split(&story.world, above, 1, 25, 4711);
    world_claim(&story.world, below, 4712);
    world_claim(&story.world, below, 4711);
    world_allocate(&story.world, below, in_below, 0, 25, 0);
    world_pass(&story.world, SECOND);
    world_reabsorb(&story.world, above, 2);
    world_pass(&story.world, SECOND);
    world_range(&story.world, physmem_frames_deallocate, below, in_below, 0, 25);
    world_allocate(&story.world, above, in_above, 0, 60, 0);
    end(&story, "part");
}

/* Two tasks want all there is. The arbiter recalls the first in favour of the second, which is told when
 * frames have come back. */
static void test_extra_frames_change_hands(void **state)
{
    struct story story;
    uint32_t in_a, in_b;
    struct physmem_task *a, *b;

    (void)state;
    begin(&story);
    a = task_under(&story, "a", terms_of(SP_EXTRA, 90, 90), &in_a);
    b = task_under(&story, "b", terms_of(SP_EXTRA, 90, 90), &in_b);
    world_allocate(&story.world, a, in_a, 0, 90, PHYSMEM_EXTRA);
    world_pass(&story.world, SECOND);
    world_allocate(&story.world, b, in_b, 0, 64, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
    world_pass(&story.world, SECOND / 10);
    world_range(&story.world, physmem_frames_deallocate, a, in_a, 0, 48);
    world_allocate(&story.world, b, in_b, 7, 64, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
    end(&story, "extra");
}

/* A policy server takes control, is told what happens, hands over to a successor, and dies without one:
 * tasks notice nothing of any of it. */
static void test_control_is_handed_over(void **state)
{
    struct story story;
    struct world *world = &story.world;
    struct control_table *table = aligned_alloc(64, control_table_size(64));
    uint32_t in_a;

    (void)state;
    begin(&story);
    assert_non_null(table);
    memset(table, 0, control_table_size(64));
    control_table_init(table, 64, FRAMES);
    golden_note(&story.golden, world->now, "a policy server takes control");
    assert_int_equal(physmem_policyserver_table(world->physmem, world->now, table, 64), 0);
    physmem_policyserver_begin(world->physmem, world->now);
    world_run(world);
    task_under(&story, "a", terms_of(SP_GUARANTEED, 40, 40), &in_a);
    world_pass(world, SECOND);
    golden_note(&story.golden, world->now, "it has looked at the table, and hands control over");
    physmem_policyserver_entitled(world->physmem, world->now);
    physmem_policyserver_begin(world->physmem, world->now);
    world_run(world);
    world_contract(world, world_task(world, "b"), SP_EXTRA, 50);
    world_pass(world, SECOND);
    golden_note(&story.golden, world->now, "the successor dies");
    physmem_policyserver_end(world->physmem, world->now);
    world_run(world);
    world_contract(world, world_task(world, "c"), SP_EXTRA, 50);
    end(&story, "hand-over");
    free(table);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proposals),
        cmocka_unit_test(test_a_recall_that_is_met),
        cmocka_unit_test(test_the_ladder_of_breaches),
        cmocka_unit_test(test_a_renewal_and_an_end),
        cmocka_unit_test(test_a_part_of_a_contract),
        cmocka_unit_test(test_extra_frames_change_hands),
        cmocka_unit_test(test_control_is_handed_over),
    };

    updates = argc == 2 && strcmp(argv[1], "--update") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
