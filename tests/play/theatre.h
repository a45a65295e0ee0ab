/* A play for tests: tasks, and the physmems, file server and policies that they have. Each event is checked by the play
 * itself; one that is wrong fails the test. */
#ifndef TEST_THEATRE_H
#define TEST_THEATRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arbiter/registry.h"
#include "base/random.h"
#include "core/contracts/terms_text.h"
#include "core/physmem/status.h"
#include "os/heap.h"
#include "play/play.h"
#include "policy/params.h"
#include "workload/workload_text.h"

#define TASKS_MAX 8u
#define NS_PER_MS UINT64_C(1000000)

/* A cast, and the play with it. */
struct theatre {
    struct play_config config;
    struct policy_choice policy[TASKS_MAX];
    struct walk_tables tables[TASKS_MAX];
    struct actor_config actor[TASKS_MAX];
    uint64_t start_ns[TASKS_MAX], stop_ns[TASKS_MAX];
    uint32_t tasks;
    struct sublet_config stacked[2];
    struct fileserver_config files;
    struct play play;
};

static inline void theatre_begin(struct theatre *theatre, const char *arbiter, uint32_t frames,
                                 uint64_t seed)
{
    struct arbiter_choice choice = {NULL};

    memset(theatre, 0, sizeof(*theatre));
    assert_int_equal(arbiter_registry_choose_plugin(
                         &choice, arbiter_registry_find(arbiter, strlen(arbiter)), NULL, NULL),
                     0);
    theatre->config = (struct play_config){.allocator = &heap_allocator,
                                           .fresh = &heap_zeros,
                                           .arbiter = choice.arbiter,
                                           .frames = frames,
                                           .swap_slots = 20000,
                                           .seed = seed,
                                           .costs = costs_default(),
                                           .actors = TASKS_MAX,
                                           .strict = true,
                                           .check_every = 97};
    memcpy(theatre->config.arbiter_params, choice.params, sizeof(choice.params));
}

static inline void engage(struct theatre *theatre, const char *name, const char *policy,
                          const char *contract, const char *workload)
{
    uint32_t number = theatre->tasks++;
    struct actor_config *actor = &theatre->actor[number];
    struct workload parsed;
    struct sp_error error;
    int contracts;

    if (policy_params_choose_live(&theatre->policy[number], policy, &error) != 0 ||
        workload_text_parse(&parsed, workload, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(walk_tables_init(&theatre->tables[number], &parsed, &heap_allocator), 0);
    *actor = (struct actor_config){.name = name,
                                   .seed = random_stream(theatre->config.seed, name[0]).state,
                                   .policy = theatre->policy[number].policy,
                                   .params = theatre->policy[number].params,
                                   .tables = &theatre->tables[number],
                                   .renews = true};
    contracts = terms_text_parse(contract, actor->wanted, &error);
    assert_true(contracts > 0);
    actor->contracts = (uint32_t)contracts;
}

static inline void raise_curtain(struct theatre *theatre)
{
    assert_int_equal(play_init(&theatre->play, &theatre->config), 0);
    for (uint32_t i = 0; i < theatre->tasks; i++)
        play_add(&theatre->play, &theatre->actor[i], theatre->start_ns[i], theatre->stop_ns[i]);
}

/* To the end, which has to come. */
static inline void play_on(struct theatre *theatre)
{
    enum play_step step;
    uint64_t value = 0;

    do {
        step = play_next(&theatre->play, &value);
        if (step == PLAY_WRONG)
            fail_msg("seed %llu, event %llu: %s", (unsigned long long)theatre->config.seed,
                     (unsigned long long)theatre->play.events, theatre->play.scene.wrong);
        assert_int_not_equal(step, PLAY_FAILED);
        assert_true(theatre->play.events < 20000000);
    } while (step != PLAY_OVER);
    play_settle(&theatre->play);
    if (theatre->play.scene.wrong[0] != '\0')
        fail_msg("%s", theatre->play.scene.wrong);
    assert_null(physmem_check(theatre->play.scene.physmem->core));
    assert_int_equal(device_status(&theatre->play.scene.device).used, 0);
}

static inline void drop_curtain(struct theatre *theatre)
{
    play_fini(&theatre->play);
    for (uint32_t i = 0; i < theatre->tasks; i++)
        walk_tables_fini(&theatre->tables[i]);
}

static inline const struct sp_stats *stats(const struct theatre *theatre, uint32_t number)
{
    return &theatre->play.actor[number].stats;
}

/* Plays up to a time, at which nothing else needs to happen. */
static inline void play_to(struct theatre *theatre, uint64_t when)
{
    enum play_step step;
    uint64_t value = 0;

    play_at(&theatre->play, when, 1);
    do
        step = play_next(&theatre->play, &value);
    while (step == PLAY_EVENT);
    assert_int_equal(step, PLAY_OTHER);
}

#endif
