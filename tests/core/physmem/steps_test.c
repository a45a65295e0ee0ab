/* Every step in every state of a contract: it is taken, or refused with an error that tells the
 * state, and nothing else changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

#define HELD 30u

enum step {
    ACCEPT,
    RENEW,
    GROW,
    SHRINK,
    SPLIT,
    CLOSE,
    STEPS,
};

static const char *const step_names[STEPS] = {"accept", "renew", "grow",
                                              "shrink", "split", "close"};

/* The state that a step leads to, or the error that refuses it. */
struct outcome {
    enum sp_contract_state state;
    int error;
};

#define TO(name)                                                                                   \
    {                                                                                              \
        .state = SP_CONTRACT_##name                                                                \
    }
#define ERROR(code)                                                                                \
    {                                                                                              \
        .error = code                                                                              \
    }

static const struct outcome outcomes[SP_CONTRACT_STATES][STEPS] = {
    [SP_CONTRACT_NONE] = {ERROR(ENOENT), ERROR(ENOENT), ERROR(ENOENT), ERROR(ENOENT), ERROR(ENOENT),
                          ERROR(ENOENT)},
    [SP_CONTRACT_COUNTERED] = {TO(ACTIVE), ERROR(EBUSY), ERROR(EBUSY), ERROR(EBUSY), ERROR(EBUSY),
                               TO(CLOSED)},
    [SP_CONTRACT_ACTIVE] = {ERROR(EALREADY), TO(ACTIVE), TO(ACTIVE), TO(ACTIVE), TO(ACTIVE),
                            TO(RECALLED)},
    [SP_CONTRACT_EXPIRED] = {ERROR(ETIME), TO(ACTIVE), ERROR(ETIME), ERROR(ETIME), ERROR(ETIME),
                             TO(RECALLED)},
    [SP_CONTRACT_RECALLED] = {ERROR(EINPROGRESS), ERROR(EINPROGRESS), ERROR(EINPROGRESS),
                              ERROR(EINPROGRESS), ERROR(EINPROGRESS), ERROR(EINPROGRESS)},
    [SP_CONTRACT_CLOSED] = {ERROR(ENOENT), ERROR(ENOENT), ERROR(ENOENT), ERROR(ENOENT),
                            ERROR(ENOENT), ERROR(ENOENT)},
    [SP_CONTRACT_BREACHED] = {ERROR(EPIPE), ERROR(EPIPE), ERROR(EPIPE), ERROR(EPIPE), ERROR(EPIPE),
                              ERROR(EPIPE)},
};

/* The number of a contract in this state, or one that stands for it. */
static uint32_t bring_to(struct world *world, struct physmem_task *task,
                         enum sp_contract_state state)
{
    uint32_t container = world_container(world, task, 100);
    struct sp_terms terms = world_terms(SP_GUARANTEED, HELD);
    uint32_t number;

    if (state == SP_CONTRACT_NONE)
        return 99;
    if (state == SP_CONTRACT_COUNTERED) {
        terms.frames = 1000;
        return world_propose(world, task, &terms)->offer.offer.contract;
    }
    terms.term_ns = SECOND;
    terms.t_clean = SECOND;
    number = world_propose(world, task, &terms)->offer.offer.contract;
    expect_allocated(world_allocate(world, task, container, 0, HELD, 0), HELD);
    if (state == SP_CONTRACT_EXPIRED || state == SP_CONTRACT_RECALLED)
        world_pass(world, SECOND);
    if (state == SP_CONTRACT_RECALLED || state == SP_CONTRACT_BREACHED)
        assert_true(physmem_recall_from(world->physmem, world->now, "a", 3) > 0 ||
                    state == SP_CONTRACT_BREACHED);
    world_run(world);
    if (state == SP_CONTRACT_CLOSED) {
        world_range(world, physmem_frames_deallocate, task, container, 0, HELD);
        assert_int_equal(world_close(world, task, number)->error, 0);
    }
    if (state == SP_CONTRACT_BREACHED) {
        world_close(world, task, number);
        world_pass(world, SECOND);
        assert_true(world_status(task).breached);
    }
    return number;
}

static const struct physmem_effect *take(struct world *world, struct physmem_task *task,
                                         uint32_t number, enum step step)
{
    switch (step) {
    case ACCEPT:
        return world_accept(world, task, number);
    case RENEW:
        return world_renew(world, task, number, 2 * SECOND);
    case GROW:
        return world_size(world, task, number, HELD + 1);
    case SHRINK:
        return world_size(world, task, number, HELD - 1);
    case SPLIT:
        return world_split(world, task, number, 2, 4711);
    default:
        return world_close(world, task, number);
    }
}

static bool same(struct physmem_task_status a, struct physmem_task_status b)
{
    return a.guaranteed == b.guaranteed && a.held == b.held && a.owed == b.owed &&
           a.contracts == b.contracts;
}

static void walk(struct world *world, enum sp_contract_state state, enum step step)
{
    const struct outcome *expected = &outcomes[state][step];
    struct physmem_task *task = world_task(world, "a");
    uint32_t number = bring_to(world, task, state);
    struct physmem_task_status before = world_status(task);
    uint32_t recorded = world->recorded;
    const struct physmem_effect *reply = take(world, task, number, step);
    bool living = expected->state == SP_CONTRACT_ACTIVE || expected->state == SP_CONTRACT_RECALLED;

    if ((int)reply->error != expected->error)
        fail_msg("%s while %s: error %u, not %d", step_names[step], contract_state_text(state),
                 reply->error, expected->error);
    if (expected->error != 0) {
        if (state != SP_CONTRACT_BREACHED && strcmp(reply->text, contract_state_text(state)) != 0)
            fail_msg("%s while %s: \"%s\"", step_names[step], contract_state_text(state),
                     reply->text);
        assert_true(same(before, world_status(task)));
        if (world->recorded != recorded + 1) /* the reply, and nothing else */
            fail_msg("%s while %s has %u effects", step_names[step], contract_state_text(state),
                     world->recorded - recorded);
    } else {
        if (reply->kind == PHYSMEM_REPLY_OFFER)
            assert_int_equal(reply->offer.state, expected->state);
        assert_int_equal(world_status(task).contracts, living ? 1 : 0);
    }
    check_books(world);
    physmem_task_gone(world->physmem, world->now, task);
    world_run(world);
    check_books(world);
}

static void test_every_step_in_every_state(void **state)
{
    for (unsigned from = 0; from < SP_CONTRACT_STATES; from++)
        for (unsigned step = 0; step < STEPS; step++)
            walk(*state, from, step);
}

/* A number that was given up stays closed; one that never was is unknown. */
static void test_closed_is_not_unknown(void **state)
{
    struct world *world = *state;
    struct physmem_task *task = world_task(world, "a");
    uint32_t number = world_contract(world, task, SP_EXTRA, 3);

    assert_int_equal(world_close(world, task, number)->error, 0);
    expect_error(world_close(world, task, number), ENOENT);
    assert_string_equal(world_reply(world, world->seq)->text,
                        contract_state_text(SP_CONTRACT_CLOSED));
    expect_error(world_close(world, task, number + 1), ENOENT);
    assert_string_equal(world_reply(world, world->seq)->text,
                        contract_state_text(SP_CONTRACT_NONE));
    expect_error(world_close(world, task, 0), ENOENT);
    assert_string_equal(world_reply(world, world->seq)->text,
                        contract_state_text(SP_CONTRACT_NONE));
}

/* The same for parts, by their three states: not claimed, claimed, back. */
static void test_every_step_in_every_state_of_a_part(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    struct physmem_task *c = world_task(world, "c");
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 20);
    uint32_t part = world_split(world, a, number, 10, 4711)->part.part.part;

    expect_error(world_claim(world, a, 4711), EINVAL); /* by the task that split it */
    expect_error(world_claim(world, b, 4712), ENOENT);
    expect_error(world_reabsorb(world, b, part), ENOENT);      /* by another */
    expect_error(world_renew(world, a, part, SECOND), ENOENT); /* a part is not a contract */
    assert_int_equal(world_claim(world, b, 4711)->error, 0);
    expect_error(world_claim(world, c, 4711), EALREADY);
    expect_error(world_claim(world, a, 4711), EALREADY);
    assert_int_equal(world_reabsorb(world, a, part)->error, 0);
    expect_error(world_claim(world, c, 4711), ENOENT);
    expect_error(world_reabsorb(world, a, part), ENOENT);
    check_books(world);

    expect_error(world_split(world, a, number, 0, 1), EINVAL);
    expect_error(world_split(world, a, number, 20, 1), EINVAL);
    expect_error(world_split(world, a, number, 1, 0), EAGAIN);
    assert_int_equal(world_split(world, a, number, 1, 1)->error, 0);
    expect_error(world_split(world, a, number, 1, 1), EAGAIN);
    physmem_task_disconnected(world->physmem, world->now, b);
    expect_error(world_claim(world, b, 1), ENOTCONN);
    check_books(world);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_every_step_in_every_state),
        TEST(test_closed_is_not_unknown),
        TEST(test_every_step_in_every_state_of_a_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
