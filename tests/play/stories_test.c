/* Plays: what tasks, physmem and swap do together in virtual time. Each event is checked by the play itself:
 * no frame is lost, no page either. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "arbiter/registry.h"
#include "base/random.h"
#include "os/heap.h"
#include "core/physmem/status.h"
#include "play/life.h"
#include "play/pages.h"
#include "play/play.h"
#include "play/policytable.h"
#include "play/server.h"
#include "play/storm.h"
#include "play/thread.h"
#include "policy/params.h"
#include "policy/registry.h"
#include "world/clock.h"
#include "workload/workload_text.h"

#include "theatre.h"

/* A physmem that rests on the first one, or on the one before; its number is how many there are now. */
static void stack(struct theatre *theatre, const char *name, uint32_t above, const char *contract)
{
    struct sublet_config *stacked = &theatre->stacked[theatre->config.stacked_count++];
    int contracts = terms_text_parse(contract, stacked->wanted, NULL);

    assert_true(contracts > 0);
    stacked->name = name;
    stacked->above = above;
    stacked->contracts = (uint32_t)contracts;
    stacked->arbiter = theatre->config.arbiter;
    memcpy(stacked->arbiter_params, theatre->config.arbiter_params,
           sizeof(stacked->arbiter_params));
    theatre->config.stacked = theatre->stacked;
}

static void engage_on(struct theatre *theatre, uint32_t physmem, const char *name,
                      const char *contract, const char *workload)
{
    engage(theatre, name, "clock", contract, workload);
    theatre->actor[theatre->tasks - 1].physmem = physmem;
}

/* A file server whose cache has so many pages, all of them extra frames; of the files that tasks read it says how large they
 * are. */
static void serve_files(struct theatre *theatre, uint32_t pages, uint64_t bytes)
{
    char contract[40];

    snprintf(contract, sizeof(contract), "extra=%u", pages);
    assert_int_equal(terms_text_parse(contract, theatre->files.wanted, NULL), 1);
    theatre->files.contracts = 1;
    theatre->files.cache = pages;
    theatre->config.fileserver = &theatre->files;
    for (uint32_t i = 0; i < theatre->tasks; i++)
        for (uint32_t phase = 0; phase < WORKLOAD_PHASES_MAX; phase++)
            theatre->tables[i].file_bytes[phase] = bytes;
}

/* ---- Stories ---- */

/* A loop of more pages than frames, first in first out: each reference is a fault. */
static void a_loop_faults_each_time(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "fifo", "guaranteed=8",
           "pages=20,kind=discardable;loop=12,references=120");
    engage(&theatre, "b", "fifo", "guaranteed=16",
           "pages=20,kind=discardable;loop=12,references=120");
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(stats(&theatre, 0)->faults, 120);
    assert_int_equal(stats(&theatre, 1)->faults, 12);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    assert_int_equal(theatre.play.references, 240);
    drop_curtain(&theatre);
}

/* How long a loop takes in which each reference is a fault. */
static uint64_t time_of_loop(const char *workload, uint64_t *eventsp)
{
    struct theatre theatre;
    uint64_t took;

    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "fifo", "guaranteed=8", workload);
    raise_curtain(&theatre);
    play_on(&theatre);
    took = theatre.play.actor[0].ended - theatre.play.actor[0].began;
    *eventsp = theatre.play.events;
    drop_curtain(&theatre);
    return took;
}

static void faults_that_need_no_other_take_their_time_and_few_events(void **state)
{
    const struct costs costs = costs_default();
    uint64_t few, many, took;

    (void)state;
    took = time_of_loop("pages=20,kind=discardable;loop=12,references=360", &many);
    took -= time_of_loop("pages=20,kind=discardable;loop=12,references=120", &few);
    assert_int_equal(took, 240 * (costs.reference + costs.fault + costs.frame));
    assert_in_range(many - few, 1, 240 / 4);
}

static bool does_nothing(void *arg, uint32_t life, uint64_t number, struct walk_step *step)
{
    (void)arg, (void)life, (void)number;
    *step = (struct walk_step){.page = UINT32_MAX};
    return true;
}

/* A program that goes on for ever and takes no time breaks a rule: nothing else could end the play. */
static void time_that_stands_still_is_noticed(void **state)
{
    struct theatre theatre;
    uint64_t value;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "fifo", "guaranteed=8", "pages=20,kind=discardable;loop=12");
    theatre.actor[0].next = does_nothing;
    raise_curtain(&theatre);
    for (uint32_t i = 0; i < 50; i++)
        (void)play_next(&theatre.play, &value);
    assert_int_equal(theatre.play.actor[0].state, THREAD_RUNS);
    theatre.play.at_once += 999990;
    for (uint32_t i = 0; i < 11; i++)
        (void)play_next(&theatre.play, &value);
    assert_non_null(strstr(theatre.play.scene.wrong, "time stands still"));
    assert_int_equal(play_next(&theatre.play, &value), PLAY_WRONG);
    drop_curtain(&theatre);
}

/* What a task said last by one connection may be on its way when it ends: its end is behind that, since
 * frames that it gave back are not those that its death leaves. */
static void an_end_comes_behind_all_that_was_said_before(void **state)
{
    struct theatre theatre;
    struct actor *actor;
    uint64_t value, arrives;

    (void)state;
    theatre_begin(&theatre, "excess", 60, 1);
    engage(&theatre, "a", "fifo", "guaranteed=8", "pages=20,kind=discardable;loop=12");
    engage(&theatre, "b", "fifo", "guaranteed=8",
           "pages=20,kind=discardable;loop=12,references=200000");
    raise_curtain(&theatre);
    actor = &theatre.play.actor[0];
    while (actor->pager.held < 8 || actor->state != THREAD_RUNS)
        assert_int_equal(play_next(&theatre.play, &value), PLAY_EVENT);
    arrives = theatre.play.scene.now + 20 * MS;
    actor->lanes.up[LANE_CONTROL] = arrives;
    assert_int_equal(play_signal(&theatre.play, 0, SIGKILL), 0);
    for (uint32_t i = 0; i < 100000 && actor->task != NULL; i++)
        (void)play_next(&theatre.play, &value);
    assert_null(actor->task);
    assert_true(theatre.play.scene.now >= arrives);
    assert_true(theatre.play.scene.now < arrives + 20 * MS);
    drop_curtain(&theatre);
}

/* A guarantee is met by recalls from the task that has extra frames, which is in time. */
static void a_guarantee_is_met_by_recalls(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 200, 1);
    engage(&theatre, "a", "clock", "guaranteed=10;extra=180",
           "pages=300;zipf=0.5,writes=0.5,references=20000");
    engage(&theatre, "b", "clock", "guaranteed=150", "pages=140;scan=1,writes=1,references=1000");
    theatre.start_ns[1] = 50 * MS;
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_true(theatre.play.actor[0].seen.recalls > 0);
    assert_int_equal(theatre.play.actor[0].seen.recalls_missed, 0);
    assert_int_equal(stats(&theatre, 1)->swapped_out, 0);
    assert_int_equal(stats(&theatre, 1)->faults, 140);
    drop_curtain(&theatre);
}

/* Twice as many pages as frames, written and read again under each policy: the play compares every page that is
 * referred to with what was written there last. */
static void contents_survive_under_each_policy(void **state)
{
    const struct sp_policy *policy;
    unsigned live = 0;

    (void)state;
    for (size_t i = 0; (policy = policy_registry_builtin(i)) != NULL; i++) {
        struct theatre theatre;

        if ((policy->flags & SP_POLICY_LIVE) == 0)
            continue;
        live++;
        theatre_begin(&theatre, "maxmin", 400, 1);
        engage(&theatre, "a", policy->name, "guaranteed=100",
               "pages=200;zipf=0,writes=0.3,references=2000");
        raise_curtain(&theatre);
        play_on(&theatre);
        assert_true(stats(&theatre, 0)->swapped_in > 100);
        assert_int_equal(theatre.play.references, 2000);
        drop_curtain(&theatre);
    }
    assert_true(live > 5);
}

/* Let time pass. */
static void play_until(struct theatre *theatre, uint64_t until)
{
    uint64_t value = 0;

    while (theatre->play.scene.now < until)
        assert_int_equal(play_next(&theatre->play, &value), PLAY_EVENT);
}

/* 800 frames, a hoarder that goes round 800 pages, and a second later a task that goes round 360: it has its
 * frames within a second of maxmin, a quantum of Karma, and a round of the auction. */
static void a_late_comer_has_its_allotment(void **state)
{
    static const struct {
        const char *arbiter;
        uint64_t within;
    } cases[] = {
        {"maxmin", SECOND}, {"karma", SECOND + SECOND / 2}, {"auction", 12 * SECOND + SECOND / 2}};
    /* Millions of references, of which one case shows Memcheck all that there is. */
    const unsigned played = RUNNING_ON_VALGRIND ? 1 : sizeof(cases) / sizeof(cases[0]);

    (void)state;
    for (unsigned i = 0; i < played; i++) {
        struct theatre theatre;

        theatre_begin(&theatre, cases[i].arbiter, 800, 1);
        engage(&theatre, "hoarder", "fifo", "guaranteed=20;extra=800",
               "pages=800,kind=discardable;loop=800,writes=0.5,think=5us,references=100000000");
        engage(&theatre, "late", "fifo", "guaranteed=20;extra=800",
               "pages=360,kind=discardable;loop=360,writes=0.5,think=5us,references=100000000");
        theatre.start_ns[1] = SECOND;
        theatre.config.check_every = 0;
        raise_curtain(&theatre);
        play_until(&theatre, SECOND);
        assert_true(theatre.play.actor[0].pager.held > 700);
        play_until(&theatre, 2 * SECOND + cases[i].within);
        if (theatre.play.actor[1].pager.held < 350)
            fail_msg("%s: the late comer holds %u frames", cases[i].arbiter,
                     theatre.play.actor[1].pager.held);
        drop_curtain(&theatre);
    }
}

/* ---- A policy server ---- */

#define FIFTH (SECOND / 5)

/* Two tasks that want all frames, the second one later, under a policy server that shares out equally. Physmem's own
 * arbiter would not. */
static void rule_two(struct theatre *theatre, struct policyserver_config *server,
                     struct arbiter_choice *arbiter)
{
    static const char load[] =
        "pages=800,kind=discardable;loop=800,writes=0.5,think=5us,references=100000000";

    theatre_begin(theatre, "fcfs", 800, 1);
    assert_int_equal(
        arbiter_registry_choose_plugin(arbiter, arbiter_registry_find("maxmin", 6), NULL, NULL), 0);
    *server = (struct policyserver_config){.arbiter = arbiter, .period_ns = 20 * MS};
    theatre->config.policyserver = server;
    theatre->config.check_every = 0;
    engage(theatre, "a", "fifo", "guaranteed=20;extra=800", load);
    engage(theatre, "b", "fifo", "guaranteed=20;extra=800", load);
    theatre->start_ns[1] = FIFTH;
    raise_curtain(theatre);
}

static uint32_t held(const struct theatre *theatre, uint32_t number)
{
    return theatre->play.actor[number].pager.held;
}

static struct physmem_status status_of(const struct theatre *theatre)
{
    struct physmem_status status;

    physmem_get_status(theatre->play.scene.physmem->core, &status);
    return status;
}

static void a_policy_server_decides_and_gives_back(void **state)
{
    struct policyserver_config server;
    struct arbiter_choice arbiter;
    struct theatre theatre;

    (void)state;
    rule_two(&theatre, &server, &arbiter);
    play_until(&theatre, FIFTH);
    assert_true(held(&theatre, 0) > 700);
    play_until(&theatre, 3 * FIFTH);
    assert_in_range(held(&theatre, 0), 350, 420);
    assert_in_range(held(&theatre, 1), 350, 420);
    assert_int_equal(status_of(&theatre).control, 1);
    /* Asked to end, it leaves physmem's own arbiter behind, which lets the first keep what comes free. */
    assert_int_equal(play_server_start(&theatre.play, PLAY_POLICYSERVER), -EEXIST);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGTERM), 0);
    play_until(&theatre, 3 * FIFTH + MS);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGTERM), -ESRCH);
    assert_int_equal(theatre.play.policyserver.state, POLICYSERVER_AWAY);
    assert_int_equal(atomic_load(&policytable_current(&theatre.play.scene)->decides), 0);
    drop_curtain(&theatre);
}

/* Its table stands when it dies, and its successor goes on. */
static void a_policy_server_that_dies_is_replaced(void **state)
{
    struct policyserver_config server;
    struct arbiter_choice arbiter;
    struct theatre theatre;
    uint64_t entitlements;

    (void)state;
    rule_two(&theatre, &server, &arbiter);
    play_until(&theatre, 3 * FIFTH);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGKILL), 0);
    entitlements = status_of(&theatre).entitlements;
    play_until(&theatre, 4 * FIFTH);
    assert_int_equal(status_of(&theatre).control, 2);
    assert_int_equal(status_of(&theatre).entitlements, entitlements);
    assert_in_range(held(&theatre, 0), 350, 420);
    assert_int_equal(play_server_start(&theatre.play, PLAY_POLICYSERVER), 0);
    play_until(&theatre, 5 * FIFTH);
    assert_int_equal(status_of(&theatre).control, 1);
    assert_int_equal(status_of(&theatre).controllers, 2);
    assert_true(status_of(&theatre).entitlements > entitlements);
    assert_in_range(held(&theatre, 0), 350, 420);
    drop_curtain(&theatre);
}

/* One that hangs says nothing, and hears all when it goes on. */
static void a_policy_server_that_hangs_decides_later(void **state)
{
    struct policyserver_config server;
    struct arbiter_choice arbiter;
    struct theatre theatre;

    (void)state;
    rule_two(&theatre, &server, &arbiter);
    play_until(&theatre, FIFTH / 2);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGSTOP), 0);
    play_until(&theatre, 3 * FIFTH);
    assert_true(held(&theatre, 0) > 600);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGHUP), 0);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGCONT), 0);
    play_until(&theatre, 5 * FIFTH);
    assert_in_range(held(&theatre, 1), 350, 420);
    assert_int_equal(theatre.play.policyserver.state, POLICYSERVER_RULES);
    drop_curtain(&theatre);
}

/* Limits are in force before the first task comes, and are gone with the policy server that says so. */
static void limits_bound_what_a_task_gets(void **state)
{
    static const struct limit limit = {.whom = LIMIT_NAME,
                                       .name = "b",
                                       .guaranteed = LIMIT_NONE,
                                       .extra = 100,
                                       .weight = LIMIT_NONE,
                                       .priority = LIMIT_NONE};
    struct policyserver_config server = {.limits = &limit, .limits_count = 1, .period_ns = 20 * MS};
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "maxmin", 800, 1);
    theatre.config.policyserver = &server;
    theatre.config.check_every = 0;
    for (unsigned i = 0; i < 2; i++)
        engage(&theatre, "b", "fifo", "guaranteed=20;extra=700,min=50",
               "pages=700,kind=discardable;loop=700,think=5us,references=100000000");
    theatre.start_ns[1] = 2 * FIFTH;
    raise_curtain(&theatre);
    play_until(&theatre, FIFTH);
    assert_int_equal(held(&theatre, 0), 120);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_POLICYSERVER, SIGTERM), 0);
    play_until(&theatre, 3 * FIFTH);
    assert_int_equal(held(&theatre, 0), 120); /* so says its contract */
    assert_true(held(&theatre, 1) > 600);
    drop_curtain(&theatre);
}

/* ---- Servers that end and hang ---- */

/* Tasks that go on for a second, with pages in swap. */
static void engage_writers(struct theatre *theatre, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        engage(theatre, "writer", "clock", "guaranteed=20;extra=100",
               "pages=200;zipf=0.3,writes=0.5,think=100us,references=10000");
}

/* Up to a time; whatever happens, no rule is broken. */
static void play_while(struct theatre *theatre, uint64_t until)
{
    uint64_t value = 0;

    while (theatre->play.scene.now < until) {
        enum play_step step = play_next(&theatre->play, &value);

        if (step == PLAY_WRONG)
            fail_msg("seed %llu: %s", (unsigned long long)theatre->config.seed,
                     theatre->play.scene.wrong);
        if (step == PLAY_OVER)
            return;
        assert_int_equal(step, PLAY_EVENT);
    }
}

/* Tasks lose everything with physmem, and with swap what lies there: they end. Those that come later find the
 * new one empty. */
static void tasks_end_with_their_servers(void **state)
{
    (void)state;
    for (enum play_server which = PLAY_PHYSMEM; which <= PLAY_SWAP; which++) {
        struct theatre theatre;
        const struct actor *actor;

        theatre_begin(&theatre, "excess", 300, 1);
        engage_writers(&theatre, 4);
        theatre.start_ns[2] = 2 * FIFTH;
        theatre.start_ns[3] = 4 * FIFTH;
        raise_curtain(&theatre);
        actor = theatre.play.actor;
        play_while(&theatre, FIFTH);
        assert_int_equal(play_signal(&theatre.play, 1, SIGSTOP), 0);
        assert_int_equal(play_server_start(&theatre.play, which), -EEXIST);
        assert_int_equal(play_server_signal(&theatre.play, which, SIGKILL), 0);
        assert_int_equal(play_server_signal(&theatre.play, which, SIGKILL), -ESRCH);
        play_while(&theatre, 3 * FIFTH);
        assert_int_equal(actor[0].exit_status, 2);
        assert_in_range(actor[0].ended, FIFTH, FIFTH + MS);
        assert_int_equal(actor[1].exit_status, -1); /* it has not heard of it */
        assert_int_equal(actor[2].exit_status, 2);  /* nobody listened */
        assert_int_equal(play_server_start(&theatre.play, which), 0);
        assert_int_equal(play_signal(&theatre.play, 1, SIGCONT), 0);
        play_on(&theatre);
        assert_int_equal(actor[1].exit_status, 2);
        assert_int_equal(actor[3].exit_status, 0);
        assert_int_equal(status_of(&theatre).tasks, 0);
        assert_int_equal(theatre.play.scene.device.clients, 0);
        drop_curtain(&theatre);
    }
}

/* What is sent to a server that hangs lies there until it goes on, and nothing is lost. */
static void servers_that_hang_go_on(void **state)
{
    (void)state;
    for (enum play_server which = PLAY_PHYSMEM; which <= PLAY_SWAP; which++) {
        struct theatre theatre;

        theatre_begin(&theatre, "excess", 300, 1);
        engage_writers(&theatre, 3);
        theatre.start_ns[2] = 2 * FIFTH;
        raise_curtain(&theatre);
        play_while(&theatre, FIFTH);
        assert_int_equal(play_server_signal(&theatre.play, which, SIGSTOP), 0);
        assert_int_equal(play_server_signal(&theatre.play, which, SIGCHLD), 0);
        play_while(&theatre, 3 * FIFTH);
        assert_true(play_server_hangs(&theatre.play, which));
        if (which == PLAY_PHYSMEM)
            assert_int_equal(play_recall(&theatre.play, 0, 1), -EAGAIN);
        assert_int_equal(play_server_signal(&theatre.play, which, SIGCONT), 0);
        play_on(&theatre);
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(theatre.play.actor[i].exit_status, 0);
        assert_true(theatre.play.scene.now > 3 * FIFTH);
        drop_curtain(&theatre);
    }
}

/* ---- Physmems on physmems ---- */

#define ON_THIRD 2u

/* Three levels, with a task on each. */
static void stack_three(struct theatre *theatre, const char *middle)
{
    theatre_begin(theatre, "fcfs", 160, 1);
    stack(theatre, "middle", 0, middle);
    stack(theatre, "below", 1,
          "guaranteed=50,breach=repossess;extra=100,drop=500ms,breach=repossess");
    engage_on(theatre, ON_THIRD, "last", "guaranteed=20;extra=100,drop=300ms,breach=repossess",
              "pages=120;zipf=0.3,writes=0.5,think=100us,references=5000");
    engage_on(theatre, ON_THIRD, "same", "guaranteed=20;extra=10",
              "pages=40;zipf=0.3,writes=0.5,think=100us,references=5000");
    engage_on(theatre, 1, "mean", "guaranteed=20",
              "pages=40;zipf=0.3,writes=0.5,think=100us,references=5000");
    engage_on(theatre, 0, "late", "guaranteed=80",
              "pages=80;zipf=0.3,writes=0.5,think=100us,references=5000");
    theatre->start_ns[3] = FIFTH;
    raise_curtain(theatre);
}

static uint64_t recalls_of(const struct theatre *theatre, uint32_t physmem)
{
    struct physmem_status status;

    physmem_get_status(theatre->play.scene.physmem[physmem].core, &status);
    return status.recalls_met;
}

/* A guarantee above is met by frames that lie two levels below, in time, and nobody loses anything. */
static void a_recall_from_above_becomes_recalls_below(void **state)
{
    struct theatre theatre;

    (void)state;
    stack_three(&theatre, "guaranteed=80;extra=150,drop=2s,breach=repossess");
    play_on(&theatre);
    for (uint32_t i = 0; i < theatre.tasks; i++)
        assert_int_equal(theatre.play.actor[i].exit_status, 0);
    assert_true(stats(&theatre, 0)->recalls_answered + stats(&theatre, 1)->recalls_answered > 0);
    for (uint32_t i = 0; i <= ON_THIRD; i++)
        assert_true(recalls_of(&theatre, i) > 0);
    assert_int_equal(status_of(&theatre).breaches, 0);
    drop_curtain(&theatre);
}

/* Rights that the physmem at the top asks back are asked back from the task that uses the pages, two levels below, which asks
 * for them again. Its replies wait until they are there: no page is touched without. */
static void rights_are_asked_back_from_below(void **state)
{
    uint64_t soft_faults[2];

    (void)state;
    for (unsigned chaos = 0; chaos <= 1; chaos++) {
        struct theatre theatre;

        theatre_begin(&theatre, "excess", 100, 1);
        stack(&theatre, "middle", 0, "guaranteed=80");
        stack(&theatre, "below", 1, "guaranteed=60");
        engage_on(&theatre, ON_THIRD, "a", "guaranteed=50",
                  "pages=40;zipf=0.3,writes=0.5,think=100us,references=4000");
        theatre.config.chaos_ns = chaos * MS;
        theatre.config.check_every = 1;
        raise_curtain(&theatre);
        play_on(&theatre);
        assert_int_equal(theatre.play.actor[0].exit_status, 0);
        soft_faults[chaos] = stats(&theatre, 0)->soft_faults;
        for (uint32_t i = 1; i <= ON_THIRD; i++)
            assert_int_equal(theatre.play.scene.physmem[i].lessee.unmaps, 0);
        drop_curtain(&theatre);
    }
    assert_true(soft_faults[1] > soft_faults[0] + 50);
}

/* How long a task takes to refer to a page, once, with so many physmems between it and the first. */
static uint64_t time_of_a_page(uint32_t below)
{
    struct theatre theatre;
    uint64_t took;

    theatre_begin(&theatre, "excess", 100, 1);
    stack(&theatre, "middle", 0, "guaranteed=80");
    stack(&theatre, "below", 1, "guaranteed=60");
    engage_on(&theatre, below, "a", "guaranteed=10", "pages=1,kind=discardable;scan=1");
    theatre.start_ns[0] = 10 * MS;
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    took = theatre.play.actor[0].ended - theatre.play.actor[0].began;
    drop_curtain(&theatre);
    return took;
}

/* Memory for a page that nobody has used comes by a round trip to the physmem above: its frame moves, and the right to it is
 * asked for with that. Where that one rests on another one, too, it has to ask for it in turn. */
static void a_page_used_first_takes_a_round_trip_more_on_each_level(void **state)
{
    const struct costs costs = costs_default();
    uint64_t took[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        took[i] = time_of_a_page(i);
    assert_in_range(took[1] - took[0], costs.round_trip, 2 * costs.round_trip);
    assert_in_range(took[2] - took[1], costs.round_trip, 2 * costs.round_trip);
}

/* One in the middle that does not answer has all taken, or what is missing: everything below goes with it, and the rest
 * goes on. */
static void what_is_taken_above_is_taken_below(void **state)
{
    (void)state;
    for (unsigned repossessed = 0; repossessed <= 1; repossessed++) {
        struct theatre theatre;
        const struct actor *actor;

        stack_three(
            &theatre,
            repossessed
                ? "guaranteed=80,clean=20ms,breach=repossess;extra=150,drop=20ms,breach=repossess"
                : "guaranteed=80,clean=20ms;extra=150,drop=20ms");
        actor = theatre.play.actor;
        play_while(&theatre, FIFTH - MS);
        assert_int_equal(play_server_signal(&theatre.play, PLAY_STACKED, SIGSTOP), 0);
        play_while(&theatre, 2 * FIFTH);
        /* As long as it is stopped, a recall comes each time that the late task asks for more: 11, 14 and 6 frames. */
        assert_int_equal(status_of(&theatre).recalls_missed, repossessed ? 3 : 1);
        assert_int_equal(status_of(&theatre).breaches, !repossessed);
        assert_int_equal(play_server_signal(&theatre.play, PLAY_STACKED, SIGCONT), 0);
        play_on(&theatre);
        assert_int_equal(play_server_runs(&theatre.play, PLAY_STACKED), repossessed);
        assert_int_equal(play_server_runs(&theatre.play, PLAY_STACKED + 1), repossessed);
        assert_int_equal(actor[3].exit_status, 0);
        for (uint32_t i = 0; i < 3 && !repossessed; i++)
            assert_int_not_equal(actor[i].exit_status, 0);
        assert_int_equal(status_of(&theatre).tasks, repossessed);
        drop_curtain(&theatre);
    }
}

/* With one in the middle end those that rest on it; started again, it and the other one are empty. */
static void a_physmem_takes_along_what_rests_on_it(void **state)
{
    struct theatre theatre;

    (void)state;
    stack_three(&theatre, "guaranteed=80;extra=150,drop=2s,breach=repossess");
    theatre.play.config.actors = theatre.tasks;
    play_while(&theatre, FIFTH / 2);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_STACKED, SIGKILL), 0);
    play_while(&theatre, FIFTH / 2 + MS);
    assert_false(play_server_runs(&theatre.play, PLAY_STACKED + 1));
    assert_int_equal(play_server_start(&theatre.play, PLAY_STACKED + 1), -ECONNREFUSED);
    assert_int_equal(play_server_start(&theatre.play, PLAY_STACKED), 0);
    assert_int_equal(play_server_start(&theatre.play, PLAY_STACKED + 1), 0);
    play_on(&theatre);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_not_equal(theatre.play.actor[i].exit_status, 0);
    assert_int_equal(theatre.play.actor[3].exit_status, 0);
    drop_curtain(&theatre);
}

/* What the one above does not promise, nobody starts with. */
static void a_physmem_that_gets_no_contract_cannot_start(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    stack(&theatre, "greedy", 0, "guaranteed=200");
    assert_int_equal(play_init(&theatre.play, &theatre.config), -ECONNREFUSED);
    assert_non_null(strstr(theatre.play.scene.wrong, "greedy cannot start: physmem refused"));
    drop_curtain(&theatre);
}

/* A policy server is connected to physmem, and ends with it. Its successor finds the new one. */
static void a_policy_server_ends_with_physmem(void **state)
{
    struct policyserver_config server;
    struct arbiter_choice arbiter;
    struct theatre theatre;

    (void)state;
    rule_two(&theatre, &server, &arbiter);
    play_while(&theatre, FIFTH / 2);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_PHYSMEM, SIGTERM), 0);
    assert_int_equal(play_recall(&theatre.play, 0, 1), -EPIPE);
    assert_false(play_server_runs(&theatre.play, PLAY_POLICYSERVER));
    play_while(&theatre, FIFTH / 2 + MS);
    assert_int_equal(play_server_start(&theatre.play, PLAY_POLICYSERVER), -ECONNREFUSED);
    assert_int_equal(play_server_start(&theatre.play, PLAY_PHYSMEM), 0);
    assert_int_equal(play_server_start(&theatre.play, PLAY_POLICYSERVER), 0);
    play_while(&theatre, 2 * FIFTH);
    assert_int_equal(status_of(&theatre).control, 1);
    assert_true(held(&theatre, 1) > 700);
    drop_curtain(&theatre);
}

/* Signals for any server at any time, while everything else goes wrong, too: no rule is broken, and no memory is lost.
 * Then all servers run, and what has not ended does. */
static void signals_come_at_any_time(void **state)
{
    static const int signals[] = {SIGKILL, SIGSTOP, SIGCONT, SIGTERM, SIGHUP, SIGWINCH};
    const uint64_t seeds = RUNNING_ON_VALGRIND != 0 ? 4 : 150;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct random_source random = random_seeded(seed);
        struct policyserver_config server = {.period_ns = 5 * MS};
        struct theatre theatre;

        theatre_begin(&theatre, "maxmin", 120, seed);
        theatre.config.storm_until = SECOND / 10;
        theatre.config.policyserver = &server;
        for (uint32_t i = 0; i < 4; i++)
            engage(&theatre, "task", "clock", "guaranteed=20,term=5ms;extra=40",
                   "pages=90;zipf=0.3,writes=0.5,think=20us,references=3000");
        raise_curtain(&theatre);
        play_storm(&theatre.play, storm_swarm(seed));
        for (uint64_t at = 0; at < SECOND / 10; at += 1 + random_below(&random, 8 * MS)) {
            enum play_server which = (enum play_server)random_below(&random, 3);

            play_while(&theatre, at);
            if (random_below(&random, 2) == 0)
                (void)play_server_start(&theatre.play, which);
            else
                (void)play_server_signal(&theatre.play, which, signals[random_below(&random, 6)]);
        }
        for (enum play_server which = PLAY_PHYSMEM; which <= PLAY_POLICYSERVER; which++) {
            (void)play_server_start(&theatre.play, which);
            (void)play_server_signal(&theatre.play, which, SIGCONT);
        }
        play_on(&theatre);
        drop_curtain(&theatre);
    }
}

/* More tasks than the first table has rows: a larger one, which the policy server hears of. */
static void a_table_grows(void **state)
{
    struct policyserver_config server = {.period_ns = 20 * MS};
    struct arbiter_choice arbiter;
    struct actor_config copy[100];
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "fcfs", 800, 1);
    assert_int_equal(
        arbiter_registry_choose_plugin(&arbiter, arbiter_registry_find("maxmin", 6), NULL, NULL),
        0);
    server.arbiter = &arbiter;
    theatre.config.policyserver = &server;
    theatre.config.actors = 100;
    theatre.config.check_every = 0;
    engage(&theatre, "a", "fifo", "extra=800",
           "pages=40,kind=discardable;loop=40,think=5us,references=150");
    assert_int_equal(play_init(&theatre.play, &theatre.config), 0);
    for (uint32_t i = 0; i < 100; i++) {
        copy[i] = theatre.actor[0];
        copy[i].seed = i + 1;
        play_add(&theatre.play, &copy[i], 0, 0);
    }
    play_on(&theatre);
    assert_true(theatre.play.scene.tables > 1);
    assert_true(status_of(&theatre).entitlements > 1);
    drop_curtain(&theatre);
}

/* Physmem may take frames by force that a task has been given, and has not mapped yet: it goes on with the others. Each
 * time that it asks for frames it is recalled from, and the grace ends when it has them. */
static void frames_that_are_lost_before_they_are_mapped_end_no_task(void **state)
{
    static const char contract[] = "guaranteed=4;extra=90,drop=15us,breach=repossess";
    struct theatre theatre;
    enum thread_state before = THREAD_AWAY;
    enum play_step step;
    uint32_t recalls = 0;
    uint64_t value;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    theatre.config.strict = false;
    engage(&theatre, "a", "clock", contract,
           "pages=300,kind=discardable,recalls=ignore;zipf=0.1,writes=0.5,references=12000");
    theatre.config.check_every = 0;
    raise_curtain(&theatre);
    while ((step = play_next(&theatre.play, &value)) != PLAY_OVER) {
        struct actor *actor = &theatre.play.actor[0];

        assert_int_equal(step, PLAY_EVENT);
        if (actor->state == THREAD_MAPS && before != THREAD_MAPS)
            recalls += play_recall(&theatre.play, 0, 90) > 0;
        before = actor->state;
    }
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    assert_true(recalls > 100);
    assert_true(theatre.play.actor[0].seen.repossessed > 1000);
    play_settle(&theatre.play);
    assert_null(physmem_check(theatre.play.scene.physmem->core));
    drop_curtain(&theatre);
}

/* A counter-offer of the least that a task wants is good enough, and one of less is not. */
static void a_task_takes_the_least_that_it_wants(void **state)
{
    struct theatre theatre;
    uint32_t most;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "fifo", "guaranteed=1000,min=1", "pages=10;loop=10,references=20");
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    drop_curtain(&theatre);
    for (most = 100; most > 0; most--) {
        char contract[60];
        int status;

        snprintf(contract, sizeof(contract), "guaranteed=1000,min=%u", most);
        theatre_begin(&theatre, "excess", 100, 1);
        engage(&theatre, "a", "fifo", contract, "pages=10;loop=10,references=20");
        raise_curtain(&theatre);
        play_on(&theatre);
        status = theatre.play.actor[0].exit_status;
        drop_curtain(&theatre);
        if (status == 0)
            break;
    }
    assert_int_equal(most, 100); /* nobody else has any */
}

/* A task that has not begun, or has ended, hears no signal. */
static void a_task_that_does_not_run_cannot_be_signalled(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "fifo", "guaranteed=8", "pages=10;loop=10,references=20");
    theatre.start_ns[0] = 50 * MS;
    raise_curtain(&theatre);
    assert_int_equal(play_signal(&theatre.play, 0, SIGTERM), -ESRCH);
    play_on(&theatre);
    assert_int_equal(play_signal(&theatre.play, 0, SIGTERM), -ESRCH);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    drop_curtain(&theatre);
}

/* A task that ignores its recalls is revoked, and nobody else notices. */
static void a_rogue_loses_everything(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 200, 1);
    engage(&theatre, "r", "clock", "extra=180,drop=20ms,clean=20ms",
           "pages=300,kind=discardable,recalls=ignore;zipf=0.5,references=1000000,think=10us");
    engage(&theatre, "b", "clock", "guaranteed=150", "pages=140;scan=1,writes=1,references=1000");
    theatre.start_ns[1] = 100 * MS;
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[0].exit_status, 128 + SIGBUS);
    assert_int_equal(theatre.play.actor[0].seen.breached, 1);
    assert_int_equal(theatre.play.actor[1].exit_status, 0);
    assert_int_equal(stats(&theatre, 1)->faults, 140);
    drop_curtain(&theatre);
}

static void a_counter_offer_is_taken_and_a_refusal_ends_the_task(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "clock", "guaranteed=90", "pages=20;scan=1,think=1ms");
    engage(&theatre, "b", "clock", "guaranteed=20,min=5", "pages=20;scan=1");
    engage(&theatre, "c", "clock", "guaranteed=20", "pages=20;scan=1");
    theatre.start_ns[1] = theatre.start_ns[2] = 5 * MS;
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[1].exit_status, 0);
    assert_in_range(stats(&theatre, 1)->guaranteed, 5, 10);
    assert_int_equal(theatre.play.actor[2].exit_status, 2);
    drop_curtain(&theatre);
}

/* Terms end every 10 ms, and begin again. */
static void a_lease_is_renewed(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    engage(&theatre, "a", "clock", "guaranteed=50,term=10ms",
           "pages=40,kind=discardable;loop=40,references=4000,think=50us");
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(stats(&theatre, 0)->faults, 40);
    assert_true(theatre.play.scene.now > 150 * MS);
    drop_curtain(&theatre);
}

static void a_full_swap_refuses_a_region(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    theatre.config.swap_slots = 30;
    engage(&theatre, "a", "clock", "guaranteed=5", "pages=20;scan=1,writes=1,think=1ms");
    engage(&theatre, "b", "clock", "guaranteed=5", "pages=20;scan=1");
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    assert_int_equal(theatre.play.actor[1].exit_status, 2);
    drop_curtain(&theatre);
}

/* Writes that fail are tried again: nothing is lost. */
static void swap_that_fails_now_and_then_loses_nothing(void **state)
{
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 100, 1);
    theatre.config.fail_writes = UINT64_C(1) << 30; /* one in four */
    engage(&theatre, "a", "clock", "guaranteed=30", "pages=90;zipf=0.5,writes=0.5,references=5000");
    raise_curtain(&theatre);
    play_on(&theatre);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    assert_true(theatre.play.scene.device.failed > 100);
    drop_curtain(&theatre);
}

/* One that is revoked while it asks physmem for something, too. */
static void a_revoked_task_ends_wherever_it_is(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 3 : 40;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;

        theatre_begin(&theatre, "maxmin", 100, seed);
        theatre.config.strict = false;
        theatre.config.chaos_ns = 300000;
        theatre.config.storm_until = 20 * MS;
        engage(&theatre, "b", "lru", "guaranteed=10;timed=20,term=3ms,drop=1ms,breach=warn",
               "pages=40,kind=discardable;loop=35,references=900");
        engage(&theatre, "c", "fifo", "extra=60,drop=20a,breach=penalty,bid=3",
               "pages=50,kind=remanufacturable;zipf=0.5,references=700,think=3us");
        engage(&theatre, "d", "clock", "guaranteed=20,clean=3ms;extra=30,breach=kill,drop=3ms",
               "pages=70;scan=1,writes=1;zipf=0.4,writes=0.5,references=300");
        raise_curtain(&theatre);
        play_storm(&theatre.play, STORM_ALL);
        play_on(&theatre);
        assert_true(theatre.play.scene.now < 100 * SECOND);
        drop_curtain(&theatre);
    }
}

/* Each message from and to a task is late by up to so much. */
static void be_late(struct theatre *theatre, uint32_t number, uint64_t ns)
{
    theatre->play.actor[number].late_until = UINT64_MAX;
    theatre->play.actor[number].late_ns = ns;
    theatre->play.actor[number].late_lanes = UINT8_MAX;
}

/* Physmem has taken frames by force, and gives others, which lie in a new extent, before the task has heard of the
 * loss. What it believes to be in the old one must not be looked for in the new one, so it waits. */
static void a_new_extent_waits_for_the_news_of_the_loss(void **state)
{
    struct theatre theatre;
    struct actor *actor;
    struct letter letter = {.said.effect = {.kind = PHYSMEM_REPLY_MAPPED, .mapped.count = 1}};
    struct pager_effect effect;
    uint64_t value;
    uint32_t old;

    (void)state;
    theatre_begin(&theatre, "maxmin", 60, 1);
    engage(&theatre, "a", "clock", "guaranteed=8", "pages=40,kind=discardable;zipf=0.5");
    raise_curtain(&theatre);
    actor = &theatre.play.actor[0];
    while (actor->pager.held < 8 || actor->state != THREAD_RUNS)
        assert_int_equal(play_next(&theatre.play, &value), PLAY_EVENT);
    old = actor->extent[0];
    assert_int_not_equal(old, 0);
    letter.said.item[0] = (struct physmem_range){3, old + 1};
    assert_false(pages_hear(actor, &letter));
    assert_int_equal(actor->extent[0], old);
    pager_lost(&actor->pager, 0, EXTENT_PAGES);
    while (pager_next_effect(&actor->pager, &effect))
        continue;
    assert_true(pages_hear(actor, &letter));
    assert_int_equal(actor->extent[0], old + 1);
    drop_curtain(&theatre);
}

/* Messages are late while frames are taken by force. */
static void late_news_of_a_loss_loses_no_page(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 5 : 100;
    uint64_t lost = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;

        theatre_begin(&theatre, "maxmin", 60, seed);
        theatre.config.strict = false;
        engage(&theatre, "a", "clock", "guaranteed=8;extra=40,breach=repossess,drop=1ms",
               "pages=40;zipf=0.5,writes=0.8,references=1500");
        engage(&theatre, "d", "random", "guaranteed=30",
               "pages=80,kind=discardable,rounds=9;zipf=0.2,references=30");
        engage(&theatre, "e", "random", "guaranteed=10;extra=30,drop=5s",
               "pages=80,kind=discardable,rounds=20;zipf=0.2,references=50;idle=10ms");
        theatre.start_ns[1] = 60 * MS;
        raise_curtain(&theatre);
        be_late(&theatre, 0, 3 * MS);
        play_on(&theatre);
        lost += stats(&theatre, 0)->frames_lost;
        drop_curtain(&theatre);
    }
    assert_true(lost > seeds);
}

/* A term is over before the offer that began it has come: the task knows, and renews the contract. */
static void a_term_shorter_than_the_delay_is_no_trap(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 10 : 200;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;
        enum play_step step = PLAY_EVENT;
        uint64_t value;

        theatre_begin(&theatre, "maxmin", 100, seed);
        theatre.config.strict = false;
        engage(&theatre, "a", "clock", "guaranteed=8,term=2ms;extra=40",
               "pages=40,kind=discardable;zipf=0.9,references=40");
        raise_curtain(&theatre);
        be_late(&theatre, 0, 5 * MS);
        while (step == PLAY_EVENT && theatre.play.scene.now < 20 * SECOND)
            step = play_next(&theatre.play, &value);
        if (step != PLAY_OVER)
            fail_msg("seed %llu: %s", (unsigned long long)seed, thread_about(theatre.play.actor));
        drop_curtain(&theatre);
    }
}

/* ---- Canaries: a play notices what is broken on purpose ---- */

/* Play until the play says that a rule is broken; `sabotage` breaks one after some events. Returns what is wrong. */
static const char *find_wrong(struct theatre *theatre, bool (*sabotage)(struct play *play))
{
    enum play_step step;
    uint64_t value = 0;
    bool done = false;

    do {
        step = play_next(&theatre->play, &value);
        if (!done && theatre->play.events > 500)
            done = sabotage(&theatre->play);
    } while (step == PLAY_EVENT);
    assert_true(done);
    assert_int_equal(step, PLAY_WRONG);
    return theatre->play.scene.wrong;
}

static bool spoil_swap(struct play *play)
{
    struct device *device = &play->scene.device;

    for (uint32_t client = 0; client < device->files; client++) {
        struct device_file *file = &device->file[client];

        for (uint32_t i = 0; file->contents != NULL && i < file->map.slots; i++)
            if (file->map.slot[i].state == SWAP_SLOT_STORED)
                file->contents[i]++;
    }
    return device_status(device).used > 10;
}

/* A slot of swap is free and taken at once. */
static bool free_a_slot(struct play *play)
{
    struct device *device = &play->scene.device;

    for (uint32_t client = 0; client < device->files; client++) {
        struct swap_map *map = &device->file[client].map;

        for (uint32_t i = 0; device->file[client].contents != NULL && i < map->slots; i++)
            if (map->slot[i].state == SWAP_SLOT_STORED) {
                map->free[i / 64] |= UINT64_C(1) << i % 64;
                return true;
            }
    }
    return false;
}

/* One page of an extent is the same as another from now on. */
static bool share_a_frame(struct play *play)
{
    for (uint32_t i = 0; i < play->scene.physmem->shell.extents; i++) {
        struct physmem_shell_extent *extent = play->scene.physmem->shell.extent[i];

        for (uint32_t n = 0; extent != NULL && n < 20; n++)
            extent->page[n] = extent->page[n + 1];
    }
    return true;
}

static bool mix_the_books(struct play *play)
{
    play->actor[0].pager.free++;
    return true;
}

/* The first task pays what nobody has asked for, or forgets a contract. */
static bool owe_more(struct play *play)
{
    struct actor *actor = &play->actor[0];

    if (actor->state != THREAD_RUNS || actor->pager.held <= actor->pager.owed)
        return false;
    actor->pager.owed++;
    return true;
}

static bool forget_a_contract(struct play *play)
{
    struct actor *actor = &play->actor[0];

    if (actor->state != THREAD_RUNS)
        return false;
    actor->agreements.agreement[0].state = SP_CONTRACT_EXPIRED;
    return true;
}

/* The first task goes on using what it has given up. */
static bool keep_rights(struct play *play)
{
    const struct actor *actor = &play->actor[0];
    const struct pager *pager = &actor->pager;
    const struct physmem_request request = {actor->task, 0, true};

    for (uint32_t slot = 0; actor->state == THREAD_RUNS && slot < pager->slots_top; slot++) {
        const struct physmem_range range = {slot, 1};

        if (pager->slot[slot].state != SLOT_USED || pager->slot[slot].rights == 0)
            continue;
        physmem_unmap_own(actor->physmem->core, play->scene.now, &request, actor->container, &range,
                          1);
        return true;
    }
    return false;
}

static bool lose_a_frame_between(struct play *play)
{
    play->scene.physmem[1].lessee.machine.book.gone++;
    return true;
}

/* By looking at all contents after each event, and where a program refers to them. */
static void what_is_broken_is_noticed(void **state)
{
    static const struct {
        bool (*sabotage)(struct play *);
        uint32_t check_every;
        const char *expected;
    } cases[] = {
        {spoil_swap, 0, "holds"},
        {spoil_swap, 1, "is not where"},
        {share_a_frame, 0, "holds"},
        {share_a_frame, 1, "is not where"},
        {mix_the_books, 1, "the books of a"},
        {free_a_slot, 1, "what a has in swap: a slot is free, and not among the free ones"},
        {owe_more, 0, "a owes 0 frames, and believes that it owes 1"},
        {forget_a_contract, 1, "a has contracts for 30 and 0 frames, and believes: 0 and 0"},
        {keep_rights, 1, "a believes that it may touch slot"},
        {lose_a_frame_between, 1,
         "below has 10 frames, and holds 10 of physmem, with 0 to go and 1 taken"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct theatre theatre;
        const char *wrong;

        theatre_begin(&theatre, "excess", 100, 1);
        stack(&theatre, "below", 0, "guaranteed=10");
        engage(&theatre, "a", "clock", "guaranteed=30",
               "pages=90;scan=1,writes=1;zipf=0.5,writes=0.2,references=20000");
        theatre.config.check_every = cases[i].check_every;
        raise_curtain(&theatre);
        wrong = find_wrong(&theatre, cases[i].sabotage);
        if (strstr(wrong, cases[i].expected) == NULL)
            fail_msg("%s", wrong);
        drop_curtain(&theatre);
    }
}

/* ---- Rules ---- */

static const char *const arbiters[] = {"fcfs",  "excess", "maxmin",  "esx",         "viengoos",
                                       "karma", "market", "auction", "cliffhanger", "midas"};

/* Tasks of all kinds, drawn from the seed. */
static void draw_cast(struct theatre *theatre, uint64_t seed)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    struct random_source random = random_seeded(seed);
    uint32_t count = 2 + random_below(&random, 3);

    for (uint32_t i = 0; i < count; i++) {
        static const char *const kinds[] = {"precious", "discardable", "remanufacturable"};
        const char *policy;
        char workload[200], contract[80];
        uint32_t pages = 20 + random_below(&random, 100), guaranteed, extra, kind, set;

        do
            policy = policy_registry_builtin(random_below(&random, 25))->name;
        while ((policy_registry_find(policy, strlen(policy))->flags & SP_POLICY_LIVE) == 0);
        guaranteed = 4 + random_below(&random, 20);
        extra = 1 + random_below(&random, 80);
        kind = random_below(&random, 3);
        set = 1 + random_below(&random, pages);
        snprintf(contract, sizeof(contract), "guaranteed=%u;extra=%u", guaranteed, extra);
        snprintf(
            workload, sizeof(workload),
            "pages=%u,kind=%s,rounds=2;zipf=0.7,writes=0.3,references=600;markov=%u,writes=0.2,"
            "references=300;idle=%ums;scan=1,writes=0.5",
            pages, kinds[kind], set, random_below(&random, 20));
        engage(theatre, names[i], policy, contract, workload);
        theatre->start_ns[i] = random_below(&random, 30) * MS;
    }
    theatre->config.chaos_ns = random_below(&random, 2) * 500000;
    theatre->config.fail_writes = random_below(&random, 2) * (UINT64_C(1) << 28);
}

/* The play itself looks after each event whether a frame or a byte is lost; play_on sees that all end. */
static void nothing_is_lost_whatever_is_drawn(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 5 : 60;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;

        theatre_begin(&theatre, arbiters[seed % 9], 100, seed);
        draw_cast(&theatre, seed);
        raise_curtain(&theatre);
        play_on(&theatre);
        for (uint32_t i = 0; i < theatre.tasks; i++)
            assert_int_equal(theatre.play.actor[i].exit_status, 0);
        drop_curtain(&theatre);
    }
}

/* Pages of all sizes, under recalls, chaos and repossession: contents lie in base pages, and none of them is lost. */
static void larger_pages_lose_nothing(void **state)
{
    const uint64_t seeds = RUNNING_ON_VALGRIND ? 4 : 60;
    uint64_t recalled = 0, loaded = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct random_source random = random_seeded(seed);
        struct theatre theatre;

        theatre_begin(&theatre, arbiters[seed % 9], 800, seed);
        theatre.config.chaos_ns = MS;
        theatre.config.storm_until = seed % 2 * 100 * MS;
        theatre.config.fail_writes = seed % 3 * 200000000;
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t order = 1 + random_below(&random, 6), kind = random_below(&random, 3);
            char contract[100], load[140];

            snprintf(contract, sizeof(contract), "guaranteed=%u,order=%u;extra=%u,order=%u%s",
                     4u << order, order, 10u << order, order,
                     seed % 2 == 0 ? ",breach=repossess" : "");
            snprintf(load, sizeof(load),
                     "pages=%u,kind=%s;zipf=0.2,writes=0.4,think=5us,references=1500",
                     (20u << order) - random_below(&random, 1u << order),
                     (const char *[]){"precious", "discardable", "remanufacturable"}[kind]);
            engage(&theatre, "large", i == 0 ? "clock" : "lru", contract, load);
        }
        raise_curtain(&theatre);
        play_storm(&theatre.play, storm_swarm(seed) | 1u);
        play_on(&theatre);
        for (uint32_t i = 0; i < 3; i++) {
            struct sp_stats counted = life_stats(&theatre.play.actor[i]);

            assert_int_equal(theatre.play.actor[i].exit_status, 0);
            assert_int_equal(counted.swapped_in % (1u << theatre.play.actor[i].order), 0);
            recalled += theatre.play.actor[i].seen.recalls;
            loaded += counted.swapped_in;
        }
        drop_curtain(&theatre);
    }
    assert_true(recalled > 0 && loaded > 100 * seeds);
}

/* With many frames more pages leave during a load than one message carries, where pages are larger. */
static void larger_pages_leave_by_the_message(void **state)
{
    (void)state;
    for (uint32_t order = 1; order <= 3; order++) {
        struct theatre theatre;
        char contract[40], load[100];

        theatre_begin(&theatre, "excess", (300u << order) + 100, order);
        snprintf(contract, sizeof(contract), "guaranteed=%u,order=%u", 256u << order, order);
        snprintf(load, sizeof(load), "pages=%u;scan=1,writes=1;scan=1,writes=1", 300u << order);
        engage(&theatre, "large", "lru", contract, load);
        raise_curtain(&theatre);
        play_on(&theatre);
        assert_int_equal(theatre.play.actor[0].exit_status, 0);
        assert_true(stats(&theatre, 0)->swapped_out > 256);
        drop_curtain(&theatre);
    }
}

/* Faults of all kinds, as the seed draws them; then they stop, and all finish. */
static void whatever_goes_wrong_all_finish_after_it(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 3 : 50;
    uint32_t lives = 0, controllers = 0;
    struct arbiter_choice arbiter;
    const struct policyserver_config server = {.arbiter = &arbiter, .period_ns = 10 * MS};

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;

        theatre_begin(&theatre, arbiters[seed % 9], 200, seed);
        draw_cast(&theatre, seed);
        assert_int_equal(arbiter_registry_choose_plugin(
                             &arbiter, arbiter_registry_find("maxmin", 6), NULL, NULL),
                         0);
        theatre.config.policyserver = seed % 3 == 0 ? &server : NULL;
        theatre.config.storm_until = 500 * MS;
        theatre.config.fail_writes = 0;
        raise_curtain(&theatre);
        play_storm(&theatre.play, storm_swarm(seed));
        play_on(&theatre);
        for (uint32_t i = 0; i < theatre.tasks; i++) {
            assert_int_equal(theatre.play.actor[i].exit_status, 0);
            lives += theatre.play.actor[i].life;
        }
        controllers += status_of(&theatre).controllers;
        drop_curtain(&theatre);
    }
    assert_true(lives > 5 * seeds);
    /* Some came again after they had died; a few seeds may have none of these. */
    assert_true(controllers > (RUNNING_ON_VALGRIND ? 0 : seeds / 3));
}

/* The same on three levels, all of which lend extra frames. */
static void no_frame_is_lost_between_physmems(void **state)
{
    uint64_t seeds = RUNNING_ON_VALGRIND ? 3 : 60;
    uint64_t recalled = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        struct theatre theatre;

        theatre_begin(&theatre, arbiters[seed % 9], 150, seed);
        stack(&theatre, "middle", 0, "guaranteed=70;extra=100,drop=10s,clean=20s,breach=repossess");
        stack(&theatre, "below", 1, "guaranteed=44;extra=60,drop=4s,clean=8s,breach=repossess");
        draw_cast(&theatre, seed);
        for (uint32_t i = 0; i < theatre.tasks; i++)
            theatre.actor[i].physmem = i < 3 ? i : 0;
        theatre.config.storm_until = seed % 2 * 300 * MS;
        theatre.config.fail_writes = 0;
        raise_curtain(&theatre);
        if (theatre.config.storm_until > 0)
            play_storm(&theatre.play, storm_swarm(seed));
        play_on(&theatre);
        for (uint32_t i = 0; i < theatre.tasks; i++)
            if (theatre.play.actor[i].exit_status != 0)
                fail_msg("seed %llu: task %u: %d", (unsigned long long)seed, i,
                         theatre.play.actor[i].exit_status);
        recalled += recalls_of(&theatre, 1) + recalls_of(&theatre, 2);
        drop_curtain(&theatre);
    }
    assert_true(recalled > seeds / 2);
}

static uint64_t hash_of(uint64_t seed)
{
    struct theatre theatre;
    uint64_t hash;

    theatre_begin(&theatre, "maxmin", 100, seed);
    draw_cast(&theatre, seed);
    raise_curtain(&theatre);
    play_on(&theatre);
    hash = theatre.play.hash;
    drop_curtain(&theatre);
    return hash;
}

static void a_seed_gives_the_same_each_time(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 6; seed++)
        assert_true(hash_of(seed) == hash_of(seed));
    assert_true(hash_of(1) != hash_of(2));
}

/* Where there is enough for all, a task more changes nothing of another's. */
static void a_task_more_changes_no_other(void **state)
{
    struct sp_stats alone;

    (void)state;
    for (unsigned others = 0; others < 2; others++) {
        struct theatre theatre;

        theatre_begin(&theatre, "excess", 300, 1);
        engage(&theatre, "a", "random", "guaranteed=30", "pages=90;zipf=0.5,writes=0.5");
        if (others > 0)
            engage(&theatre, "b", "random", "guaranteed=30", "pages=90,kind=discardable;zipf=0.5");
        raise_curtain(&theatre);
        play_on(&theatre);
        if (others == 0)
            alone = *stats(&theatre, 0);
        else
            assert_memory_equal(&alone, stats(&theatre, 0), sizeof(alone));
        drop_curtain(&theatre);
    }
}

/* What the file server releases when it is recalled it has again, as long as nobody needed the frames; what somebody needed it
 * reads again. Clients find in their memory what the file holds: the play looks at that. */
static void a_file_servers_cache_is_soft(void **state)
{
    struct theatre theatre;
    const struct scene_files *files = &theatre.play.scene.files;

    (void)state;
    theatre_begin(&theatre, "excess", 140, 1);
    engage(&theatre, "a", "fifo", "guaranteed=30",
           "pages=10,kind=discardable;file=x;idle=1s;file=x;idle=1s;file=x");
    engage(&theatre, "b", "fifo", "guaranteed=90",
           "pages=70,kind=discardable;idle=1500ms;scan=1,writes=1;idle=400ms");
    serve_files(&theatre, 64, 4 * 65536 - 1);
    raise_curtain(&theatre);
    play_to(&theatre, 500 * NS_PER_MS);
    assert_int_equal(files->counted.misses, 4);
    assert_int_equal(files->counted.clients, 1);
    assert_int_equal(physmem_recall_from(theatre.play.scene.physmem->core, theatre.play.scene.now,
                                         "fileserver", 20),
                     20);
    server_effects(&theatre.play.scene);
    play_to(&theatre, 600 * NS_PER_MS);
    assert_int_equal(physmem_get_books(theatre.play.scene.physmem->core).soft, 32);
    play_to(&theatre, 1400 * NS_PER_MS);
    assert_int_equal(files->counted.hits, 4);
    assert_int_equal(files->counted.recovered, 2);
    play_on(&theatre);
    assert_int_equal(files->counted.reads, 12);
    assert_int_equal(files->counted.hits + files->counted.misses, 12);
    assert_in_range(files->counted.misses, 5, 8); /* `b` has needed some */
    assert_int_equal(files->counted.refused, 0);
    assert_int_equal(files->counted.bytes, 3 * (4 * 65536 - 1));
    assert_int_equal(files->counted.clients, 0);
    assert_int_equal(theatre.play.actor[0].exit_status, 0);
    drop_curtain(&theatre);
}

/* Whoever reads when the file server ends, or comes while it is away, ends; who comes when it is there again does not. */
static void readers_end_with_the_file_server(void **state)
{
    static const int expected[] = {2, 2, 0};
    struct theatre theatre;

    (void)state;
    theatre_begin(&theatre, "excess", 300, 1);
    for (uint32_t i = 0; i < 3; i++)
        engage(&theatre, &"abc"[i], "fifo", "guaranteed=30",
               "pages=10,kind=discardable;file=x,think=10ms,references=30");
    theatre.start_ns[1] = 150 * NS_PER_MS;
    theatre.start_ns[2] = 250 * NS_PER_MS;
    serve_files(&theatre, 64, 10 * 65536);
    raise_curtain(&theatre);
    play_to(&theatre, 100 * NS_PER_MS);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_FILESERVER, SIGKILL), 0);
    assert_false(play_server_runs(&theatre.play, PLAY_FILESERVER));
    play_to(&theatre, 200 * NS_PER_MS);
    assert_int_equal(play_server_start(&theatre.play, PLAY_FILESERVER), 0);
    assert_int_equal(play_server_start(&theatre.play, PLAY_FILESERVER), -EEXIST);
    play_to(&theatre, 400 * NS_PER_MS);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_FILESERVER, SIGSTOP), 0);
    play_to(&theatre, 900 * NS_PER_MS);
    assert_int_equal(theatre.play.actor[2].exit_status, -1);
    assert_int_equal(play_server_signal(&theatre.play, PLAY_FILESERVER, SIGCONT), 0);
    play_on(&theatre);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(theatre.play.actor[i].exit_status, expected[i]);
    drop_curtain(&theatre);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_faults_each_time),
        cmocka_unit_test(faults_that_need_no_other_take_their_time_and_few_events),
        cmocka_unit_test(time_that_stands_still_is_noticed),
        cmocka_unit_test(an_end_comes_behind_all_that_was_said_before),
        cmocka_unit_test(a_guarantee_is_met_by_recalls),
        cmocka_unit_test(a_policy_server_decides_and_gives_back),
        cmocka_unit_test(a_policy_server_that_dies_is_replaced),
        cmocka_unit_test(a_policy_server_that_hangs_decides_later),
        cmocka_unit_test(tasks_end_with_their_servers),
        cmocka_unit_test(servers_that_hang_go_on),
        cmocka_unit_test(a_recall_from_above_becomes_recalls_below),
        cmocka_unit_test(rights_are_asked_back_from_below),
        cmocka_unit_test(a_page_used_first_takes_a_round_trip_more_on_each_level),
        cmocka_unit_test(what_is_taken_above_is_taken_below),
        cmocka_unit_test(a_physmem_takes_along_what_rests_on_it),
        cmocka_unit_test(a_physmem_that_gets_no_contract_cannot_start),
        cmocka_unit_test(no_frame_is_lost_between_physmems),
        cmocka_unit_test(a_policy_server_ends_with_physmem),
        cmocka_unit_test(signals_come_at_any_time),
        cmocka_unit_test(limits_bound_what_a_task_gets),
        cmocka_unit_test(a_table_grows),
        cmocka_unit_test(frames_that_are_lost_before_they_are_mapped_end_no_task),
        cmocka_unit_test(contents_survive_under_each_policy),
        cmocka_unit_test(a_late_comer_has_its_allotment),
        cmocka_unit_test(a_task_takes_the_least_that_it_wants),
        cmocka_unit_test(a_task_that_does_not_run_cannot_be_signalled),
        cmocka_unit_test(a_rogue_loses_everything),
        cmocka_unit_test(a_counter_offer_is_taken_and_a_refusal_ends_the_task),
        cmocka_unit_test(a_lease_is_renewed),
        cmocka_unit_test(a_full_swap_refuses_a_region),
        cmocka_unit_test(swap_that_fails_now_and_then_loses_nothing),
        cmocka_unit_test(a_revoked_task_ends_wherever_it_is),
        cmocka_unit_test(a_new_extent_waits_for_the_news_of_the_loss),
        cmocka_unit_test(late_news_of_a_loss_loses_no_page),
        cmocka_unit_test(a_term_shorter_than_the_delay_is_no_trap),
        cmocka_unit_test(what_is_broken_is_noticed),
        cmocka_unit_test(nothing_is_lost_whatever_is_drawn),
        cmocka_unit_test(larger_pages_lose_nothing),
        cmocka_unit_test(larger_pages_leave_by_the_message),
        cmocka_unit_test(whatever_goes_wrong_all_finish_after_it),
        cmocka_unit_test(a_file_servers_cache_is_soft),
        cmocka_unit_test(readers_end_with_the_file_server),
        cmocka_unit_test(a_seed_gives_the_same_each_time),
        cmocka_unit_test(a_task_more_changes_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
