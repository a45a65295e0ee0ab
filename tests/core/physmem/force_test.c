/* Recalls that follow each other in any way, of a task that does not answer them, or in part: what is taken by force is what
 * is missing, and no frame more. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "expect.h"
#include "scale.h"

#define GRACE      (10 * MS)
#define GUARANTEED 20u
#define EXTRA      240u
#define EXTENTS    12u
#define SLOTS      (EXTENTS * EXTENT_PAGES)

/* The task, and what it has written. */
struct life {
    struct world world;
    struct random_source random;
    struct physmem_task *task;
    uint32_t container;
    uint32_t extent[EXTENTS]; /* in which its slots lie */
    uint64_t stamp[SLOTS];    /* what it has last written to each */
    uint64_t written;
    uint32_t refusals; /* for want of memory */
};

static bool is_held(const struct life *life, uint32_t slot)
{
    return physmem_map_rights(life->world.physmem, life->container, slot) != 0;
}

/* Ask for frames in a row of holes, as a task does that has heard of all that it has lost. */
static void grow(struct life *life)
{
    uint32_t start =
        random_below(&life->random, EXTENTS) * EXTENT_PAGES + random_below(&life->random, 40);
    uint32_t count = 1 + random_below(&life->random, 32);
    const struct physmem_effect *reply;

    reply = world_allocate(&life->world, life->task, life->container, start, count,
                           PHYSMEM_PARTIAL | PHYSMEM_EXTRA);
    assert_non_null(reply);
    life->refusals += reply->error == ENXIO;
    if (reply->error != 0)
        return;
    count = reply->allocated.count;
    assert_int_equal(world_map(&life->world, life->task, life->container, start, count)->error, 0);
    for (uint32_t slot = start; slot < start + count; slot++) {
        life->extent[slot / EXTENT_PAGES] = life->world.items[0].extent;
        life->stamp[slot] = ++life->written;
        physmem_shell_touch(world_extent(&life->world, life->world.items[0].extent),
                            slot % EXTENT_PAGES, 1, life->written);
    }
}

/* Be asked for some of what it may be asked for: at once, or in recalls of one frame. */
static void be_recalled(struct life *life)
{
    struct physmem_task_status status = world_status(life->task);
    uint32_t most =
        status.held > GUARANTEED + status.owed ? status.held - GUARANTEED - status.owed : 0;
    uint32_t frames = 1 + random_below(&life->random, most + 1);
    uint32_t batches = random_below(&life->random, 3) == 0 ? 6 : 1;

    if (batches > 1)
        frames = 1;
    for (uint32_t i = 0; i < batches; i++)
        physmem_recall_from(life->world.physmem, life->world.now, "a", frames);
    world_run(&life->world);
}

/* Give some frames of what is owed, from anywhere. */
static void answer(struct life *life)
{
    uint32_t frames = random_below(&life->random, world_status(life->task).owed + 1);

    for (uint32_t tries = 0; frames > 0 && tries < 200; tries++) {
        uint32_t slot = random_below(&life->random, SLOTS / EXTENT_PAGES) * EXTENT_PAGES +
                        random_below(&life->random, 72);

        if (!is_held(life, slot))
            continue;
        world_range(&life->world, physmem_frames_deallocate, life->task, life->container, slot, 1);
        frames--;
    }
}

/* Let time pass, in which the task says nothing: as many frames go as are no longer owed. */
static void be_silent(struct life *life)
{
    struct physmem_task_status before = world_status(life->task);
    struct physmem_task_status after;

    world_pass(&life->world, 1 + random_below(&life->random, GRACE));
    after = world_status(life->task);
    assert_int_equal(after.repossessed - before.repossessed, before.owed - after.owed);
    assert_int_equal(before.held - after.held, before.owed - after.owed);
}

/* All that the task has is as it was written. */
static void look(struct life *life)
{
    uint32_t held = 0;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        const struct physmem_shell_extent *extent;

        if (!is_held(life, slot))
            continue;
        held++;
        extent = world_extent(&life->world, life->extent[slot / EXTENT_PAGES]);
        assert_non_null(extent);
        assert_true(slot % EXTENT_PAGES < extent->pages);
        assert_true(extent->page[slot % EXTENT_PAGES] == life->stamp[slot]);
    }
    assert_int_equal(held, world_status(life->task).held);
    check_books(&life->world);
}

static void begin(struct life *life, uint64_t seed)
{
    struct sp_terms terms = world_terms(SP_EXTRA, EXTRA);

    memset(life, 0, sizeof(*life));
    life->random = random_seeded(seed);
    world_init(&life->world, &heap_allocator);
    assert_int_equal(world_start(&life->world, 1000, 4, 0), 0);
    life->task = world_task(&life->world, "a");
    world_contract(&life->world, life->task, SP_GUARANTEED, GUARANTEED);
    terms.on_breach = SP_BREACH_REPOSSESS;
    terms.t_drop = GRACE;
    world_propose(&life->world, life->task, &terms);
    life->container = world_container(&life->world, life->task, SLOTS);
    assert_int_equal(world_open_stack(&life->world, life->task, life->container, 64)->error, 0);
}

static void test_force_takes_what_is_missing_however_recalls_follow(void **state)
{
    static struct life life;
    uint32_t taken = 0, refusals = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        bool full = false;

        begin(&life, scale_seed(seed));
        for (uint32_t step = 0; step < 300; step++) {
            static void (*const steps[])(struct life * life) = {grow,        grow,   be_recalled,
                                                                be_recalled, answer, be_silent};

            steps[random_below(&life.random, sizeof(steps) / sizeof(steps[0]))](&life);
            look(&life);
            /* What the contract guarantees stays, once it is there. */
            full = full || world_status(life.task).held >= GUARANTEED;
            assert_true(!full || world_status(life.task).held >= GUARANTEED);
            assert_false(world_status(life.task).breached);
        }
        taken += (uint32_t)world_status(life.task).repossessed;
        refusals += life.refusals;
        assert_int_equal(world_end(&life.world), 0);
    }
    assert_true(taken > 1000);
    assert_true(refusals > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_force_takes_what_is_missing_however_recalls_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
