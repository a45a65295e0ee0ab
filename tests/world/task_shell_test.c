/* Pagers, contracts and swap together, in virtual time. Each reference checks the contents of its page. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "os/heap.h"
#include "policy/registry.h"
#include "world/task_shell.h"

#define TASKS_MAX 4u

/* References that a task makes in a turn, and how long each takes. */
#define TURN         64u
#define REFERENCE_NS 200u

/* What a program does next. */
struct program {
    uint32_t pages; /* it goes round so many pages, or jumps among them */
    bool jumps;
    uint32_t writes; /* one reference in so many is a write */
    struct random_source random;
    uint32_t page;
    bool write;
    uint64_t references;
    uint64_t sleeps_until; /* it hangs, or what is sent to it comes late */
};

struct crowd {
    struct world world;
    struct queue queue;
    struct swap_shell swap;
    struct task_shell task[TASKS_MAX];
    struct program program[TASKS_MAX];
    uint32_t tasks;
    bool faulty;
    struct faults faults;
    uint32_t revoked; /* tasks that have lost everything, ever */
    uint32_t struck;  /* bit i: task i has not kept its contracts, or has lost its connection */
};

static void on_effect(struct world *world, const struct physmem_effect *effect)
{
    struct crowd *crowd = world->user;

    for (uint32_t i = 0; i < crowd->tasks && effect->task != NULL; i++)
        if (crowd->task[i].task == effect->task)
            task_shell_hear(&crowd->task[i], effect);
}

static void crowd_begin(struct crowd *crowd, const char *arbiter, uint32_t frames)
{
    const struct swap_shell_costs costs = {.start_ns = 20000, .page_ns = 5000};

    memset(crowd, 0, sizeof(*crowd));
    world_init(&crowd->world, &heap_allocator);
    crowd->world.arbiter = arbiter_registry_find(arbiter, strlen(arbiter));
    crowd->world.watch = on_effect;
    crowd->world.user = crowd;
    assert_int_equal(world_start(&crowd->world, frames, 0, 0), 0);
    world_queue_init(&crowd->queue, &heap_allocator);
    assert_int_equal(swap_shell_init(&crowd->swap, 20000, costs, &heap_allocator), 0);
}

static struct task_shell *crowd_join(struct crowd *crowd, const struct sp_policy *policy,
                                     uint32_t guaranteed, uint32_t extra, struct program program)
{
    const struct task_shell_config config = {
        .world = &crowd->world,
        .queue = &crowd->queue,
        .swap = &crowd->swap,
        .policy = policy,
        .name = "task",
        .number = crowd->tasks,
        .pages = program.pages,
        .kind = SP_PRECIOUS,
        .guaranteed = guaranteed,
        .extra = extra,
        .seed = 1,
    };
    struct task_shell *task = &crowd->task[crowd->tasks];

    crowd->program[crowd->tasks] = program;
    crowd->program[crowd->tasks].random = random_seeded(crowd->tasks + 1);
    crowd->tasks++;
    assert_int_equal(task_shell_init(task, &config), 0);
    return task;
}

/* Take up to TURN references. Returns how many were made. */
static uint32_t turn(struct crowd *crowd, uint32_t i)
{
    struct program *program = &crowd->program[i];
    uint32_t made = 0;

    if (crowd->world.now < program->sleeps_until || crowd->task[i].revoked)
        return 0;
    task_shell_work(&crowd->task[i]);
    while (made < TURN) {
        enum task_shell_verdict verdict =
            task_shell_touch(&crowd->task[i], program->page, program->write);

        if (verdict == TASK_SHELL_WAITS || (verdict == TASK_SHELL_REVOKED && crowd->faulty))
            break;
        assert_int_equal(verdict, TASK_SHELL_TOUCHED);
        made++;
        program->references++;
        program->page = program->jumps ? random_below(&program->random, program->pages)
                                       : (program->page + 1) % program->pages;
        program->write = random_below(&program->random, program->writes) == 0;
    }
    return made;
}

/* Another task comes in the place of one that is gone. */
static void restart(struct crowd *crowd, uint32_t i)
{
    struct task_shell_config config = crowd->task[i].config;

    task_shell_fini(&crowd->task[i]);
    config.number += TASKS_MAX; /* what is on its way to the old one is not for it */
    crowd->program[i].page = 0;
    crowd->program[i].sleeps_until = 0;
    assert_int_equal(task_shell_init(&crowd->task[i], &config), 0);
}

/* What befalls a task, but the first, in one of its turns. */
static void strike(struct crowd *crowd, uint32_t i)
{
    struct task_shell *task = &crowd->task[i];
    struct world *world = &crowd->world;
    uint64_t ns;

    if (task->revoked) {
        crowd->revoked++;
        restart(crowd, i);
        return;
    }
    switch (faults_draw(&crowd->faults, &ns)) {
    case FAULT_NONE:
        return;
    case FAULT_DELAY:
    case FAULT_HANG:
        crowd->program[i].sleeps_until = world->now + ns;
        break;
    case FAULT_DROP:
        physmem_task_disconnected(world->physmem, world->now, task->task);
        world_run(world);
        break;
    case FAULT_DIE: /* and another one comes in its place */
        restart(crowd, i);
        break;
    }
    crowd->struck |= 1u << i;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void deliver(struct crowd *crowd, const struct queue_entry *entry)
{
    for (uint32_t i = 0; i < crowd->tasks; i++) {
        if (crowd->task[i].config.number == entry->to) {
            task_shell_deliver(&crowd->task[i], entry);
            return;
        }
    }
    task_shell_forget(&crowd->swap, entry);
}

static void crowd_run(struct crowd *crowd, uint64_t until)
{
    struct world *world = &crowd->world;

    while (world->now < until) {
        struct queue_entry entry;
        uint32_t most = 0;
        uint64_t next = world->now + MS;

        for (uint32_t i = 0; i < crowd->tasks; i++) {
            uint32_t made;

            if (crowd->faulty && i > 0)
                strike(crowd, i);
            made = turn(crowd, i);

            most = made > most ? made : most;
        }
        if (crowd->faulty)
            next = world->now + 5 * MS;
        else if (most > 0)
            next = world->now + most * REFERENCE_NS;
        else
            next = earlier(next, world_queue_due(&crowd->queue));
        world_pass(world, next > world->now ? next - world->now : 0);
        while (world_queue_take(&crowd->queue, world->now, &entry))
            deliver(crowd, &entry);
    }
}

static void crowd_end(struct crowd *crowd)
{
    assert_null(physmem_check(crowd->world.physmem));
    for (uint32_t i = 0; i < crowd->tasks; i++) {
        const char *wrong = pager_check(&crowd->task[i].pager);

        if (wrong != NULL)
            fail_msg("%s", wrong);
        /* What physmem has taken from the frame stack the pager has perhaps not noticed. */
        assert_in_range(world_status(crowd->task[i].task).held +
                            (uint32_t)world_status(crowd->task[i].task).frames_transparent,
                        crowd->task[i].pager.held, UINT32_MAX);
        assert_true(world_status(crowd->task[i].task).held <= crowd->task[i].pager.held);
        task_shell_fini(&crowd->task[i]);
    }
    assert_int_equal(crowd->swap.map.used, 0);
    swap_shell_fini(&crowd->swap);
    world_queue_fini(&crowd->queue);
    assert_int_equal(world_end(&crowd->world), 0);
}

/* Twice the frames' pages, read and written: all that was written is found again. */
static void test_contents_survive(void **state)
{
    const struct sp_policy *policy;
    unsigned live = 0;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        static struct crowd crowd;
        struct task_shell *task;

        if ((policy->flags & SP_POLICY_LIVE) == 0)
            continue;
        live++;
        crowd_begin(&crowd, "maxmin", 400);
        task = crowd_join(&crowd, policy, 100, 0,
                          (struct program){.pages = 200, .jumps = true, .writes = 3});
        crowd_run(&crowd, SECOND / 10);
        assert_true(crowd.program[0].references > 1000);
        assert_true(task->stats.swapped_in > 100);
        assert_in_range(crowd.swap.loads, task->stats.swapped_in, task->stats.swapped_in + 1);
        crowd_end(&crowd);
    }
    assert_true(live > 5);
}

/* A run depends on nothing but its seeds. */
static void test_a_run_is_the_same_every_time(void **state)
{
    struct sp_stats first = {0};
    uint64_t references = 0;

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        static struct crowd crowd;

        crowd_begin(&crowd, "karma", 300);
        crowd_join(&crowd, policy_registry_find("clock", 5), 50, 300,
                   (struct program){.pages = 280, .jumps = true, .writes = 2});
        crowd_join(&crowd, policy_registry_find("fifo", 4), 50, 300,
                   (struct program){.pages = 200, .writes = 4});
        crowd_run(&crowd, 2 * SECOND);
        if (run > 0) {
            assert_memory_equal(&first, &crowd.task[0].stats, sizeof(first));
            assert_int_equal(references, crowd.program[0].references);
        }
        first = crowd.task[0].stats;
        references = crowd.program[0].references;
        crowd_end(&crowd);
    }
}

/* Tasks hang, lose their connections, die and come back; physmem's books hold, the task that keeps its
 * contracts loses nothing, and when the faults are over all go on. */
static void test_faults_hurt_nobody_else(void **state)
{
    static const char *const arbiters[] = {"fcfs", "maxmin", "karma", "auction", "cliffhanger"};
    uint32_t struck = 0, revoked = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= (RUNNING_ON_VALGRIND ? 2 : 10); seed++) {
        static struct crowd crowd;
        uint64_t before[TASKS_MAX];

        crowd_begin(&crowd, arbiters[seed % 5], 400);
        for (unsigned i = 0; i < TASKS_MAX; i++)
            crowd_join(&crowd,
                       policy_registry_find(i % 2 == 0 ? "clock" : "fifo", i % 2 == 0 ? 5 : 4), 40,
                       400, (struct program){.pages = 150 + 50 * i, .jumps = true, .writes = 3});
        crowd.faulty = true;
        crowd.faults = faults_swarm(seed, 8 * SECOND);
        for (unsigned part = 0; part < 20; part++) {
            crowd_run(&crowd, crowd.world.now + SECOND);
            assert_null(physmem_check(crowd.world.physmem));
            assert_null(pager_check(&crowd.task[0].pager));
            assert_false(crowd.task[0].revoked);
        }
        struck |= crowd.struck;
        revoked += crowd.revoked;
        crowd.faults = (struct faults){.longest_ns = 0};
        for (unsigned i = 0; i < TASKS_MAX; i++)
            before[i] = crowd.program[i].references;
        crowd_run(&crowd, crowd.world.now + 20 * SECOND);
        for (unsigned i = 0; i < TASKS_MAX; i++)
            assert_true(crowd.program[i].references > before[i] + 1000);
        crowd_end(&crowd);
    }
    assert_int_equal(struck, 0xe); /* all but the first */
    assert_true(revoked > 0 || RUNNING_ON_VALGRIND);
}

/* What was seen live: 800 frames, a hoarder that goes round 800 pages, and a second later a task that
 * goes round 360. It has its frames within a quantum of Karma, and a round of the auction. */
static void test_a_late_pager_has_its_allotment(void **state)
{
    static const struct {
        const char *arbiter;
        uint64_t within;
    } cases[] = {
        {"maxmin", SECOND}, {"karma", SECOND + SECOND / 2}, {"auction", 12 * SECOND + SECOND / 2}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct crowd crowd;
        uint32_t held;

        crowd_begin(&crowd, cases[i].arbiter, 800);
        crowd_join(&crowd, policy_registry_find("fifo", 4), 20, 800,
                   (struct program){.pages = 800, .writes = 2});
        crowd_run(&crowd, SECOND);
        assert_true(crowd.task[0].pager.held > 700);
        crowd_join(&crowd, policy_registry_find("fifo", 4), 20, 800,
                   (struct program){.pages = 360, .writes = 2});
        crowd_run(&crowd, SECOND + cases[i].within);
        held = crowd.task[1].pager.held;
        if (held < 350)
            fail_msg("%s: the late comer holds %u frames, and states %u", cases[i].arbiter, held,
                     crowd.task[1].pager.demand);
        crowd_end(&crowd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents_survive),
        cmocka_unit_test(test_a_run_is_the_same_every_time),
        cmocka_unit_test(test_faults_hurt_nobody_else),
        cmocka_unit_test(test_a_late_pager_has_its_allotment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
