/* Contracts that grow and shrink, and parts of them: a tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

#define TOKEN UINT64_C(0xfeedface00000000)

static uint32_t promised(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status.guaranteed + status.leased;
}

/* ---- Growing and shrinking ---- */

static void test_growth_is_admission_tested(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 20);
    uint32_t other = world_contract(world, b, SP_GUARANTEED, 40);
    const struct physmem_effect *reply = world_size(world, a, number, 30);

    expect_offer(reply, SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(reply->offer.offer.terms.frames, 30);
    assert_int_equal(world_status(a).guaranteed, 30);
    reply = world_size(world, a, number, 90); /* 100 - reserve of 4 - 40 */
    expect_offer(reply, SP_COUNTERED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_ACTIVE);
    assert_int_equal(reply->offer.offer.terms.frames, 56);
    assert_int_equal(world_status(a).guaranteed, 30); /* nothing is agreed to yet */
    reply = world_accept(world, a, number);
    expect_offer(reply, SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(a).guaranteed, 56);
    expect_error(world_accept(world, a, number), EALREADY);
    reply = world_size(world, b, other, 41);
    expect_offer(reply, SP_REFUSED, SP_REASON_OVERCOMMITTED, SP_CONTRACT_ACTIVE);
    assert_true(reply->offer.offer.retry_ns > 0);
    assert_int_equal(world_status(b).guaranteed, 40);
    expect_offer(world_size(world, b, other, 0), SP_REFUSED, SP_REASON_ZERO_FRAMES,
                 SP_CONTRACT_ACTIVE);
    check_books(world);
}

static void test_an_offer_to_grow_is_forgotten(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 20);

    expect_offer(world_size(world, a, number, 200), SP_COUNTERED, SP_REASON_OVERCOMMITTED,
                 SP_CONTRACT_ACTIVE);
    expect_offer(world_size(world, a, number, 19), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    expect_error(world_accept(world, a, number), EALREADY);
    assert_int_equal(world_status(a).guaranteed, 19);
}

static void test_shrinking_recalls_in_part(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 40);
    const struct physmem_effect *recall;

    expect_allocated(world_allocate(world, a, container, 0, 35, 0), 35);
    expect_offer(world_size(world, a, number, 20), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(a).guaranteed, 20); /* at once */
    assert_int_equal(promised(world), 20);
    recall = world_find(world, 0, PHYSMEM_SEND_RECALL, a);
    assert_int_equal(recall->recall.frames, 15);
    assert_true(recall->recall.may_clean);
    check_books(world);
    /* Returned in part: what is still owed can be seen, and the contract is as active as before. */
    world_range(world, physmem_frames_deallocate, a, container, 0, 5);
    assert_int_equal(world_status(a).owed, 10);
    expect_offer(world_renew(world, a, number, 3 * SECOND), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    check_books(world);
    /* It grows again meanwhile: so much is forgiven. */
    expect_offer(world_size(world, a, number, 24), SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(a).owed, 6);
    check_books(world);
    /* The term ends while frames are owed. */
    world_pass(world, 3 * SECOND);
    check_books(world);
    expect_error(world_renew(world, a, number, SECOND), EINPROGRESS);
    world_range(world, physmem_frames_deallocate, a, container, 5, 6);
    assert_int_equal(world_status(a).owed, 0);
    expect_offer(world_renew(world, a, number, SECOND), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(a).held, 24);
    check_books(world);
}

static void test_shrinking_extra_frames_has_no_time_to_write(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t number = world_contract(world, a, SP_EXTRA, 40);

    expect_allocated(world_allocate(world, a, container, 0, 35, PHYSMEM_EXTRA), 35);
    world_size(world, a, number, 30);
    assert_int_equal(world_find(world, 0, PHYSMEM_SEND_RECALL, a)->recall.frames, 5);
    assert_false(world_find(world, 0, PHYSMEM_SEND_RECALL, a)->recall.may_clean);
    check_books(world);
}

static void test_shrinking_closing_and_a_missed_deadline(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 40);

    expect_allocated(world_allocate(world, a, container, 0, 40, 0), 40);
    world_size(world, a, number, 30);
    assert_int_equal(world_close(world, a, number)->error, 0);
    assert_int_equal(world_status(a).owed, 40);
    check_books(world);
    world_pass(world, SP_DEFAULT_T_CLEAN_NS);
    assert_true(world_status(a).breached);
    check_books(world);
}

/* ---- The tree ---- */

/* Tasks a, b, c...: the first has 64 frames, and each splits half of what it has off for the
 * next. */
struct chain {
    struct physmem_task *task[PART_DEPTH_MAX + 2];
    uint32_t contract[PART_DEPTH_MAX + 2];
    uint32_t part[PART_DEPTH_MAX + 2]; /* that task i split off */
    uint32_t container[PART_DEPTH_MAX + 2];
};

static void chain_make(struct world *world, struct chain *chain, unsigned length, uint32_t frames,
                       uint64_t term_ns)
{
    struct sp_terms terms = world_terms(SP_GUARANTEED, frames);
    const struct physmem_effect *reply;

    terms.term_ns = term_ns;
    for (unsigned i = 0; i < length; i++) {
        char name[] = {(char)('a' + i), '\0'};

        chain->task[i] = world_task(world, name);
        chain->container[i] = world_container(world, chain->task[i], 100);
        if (i == 0) {
            reply = world_propose(world, chain->task[i], &terms);
        } else {
            frames /= 2;
            reply =
                world_split(world, chain->task[i - 1], chain->contract[i - 1], frames, TOKEN + i);
            assert_int_equal(reply->kind, PHYSMEM_REPLY_PART);
            assert_int_equal(reply->part.part.frames, frames);
            chain->part[i - 1] = reply->part.part.part;
            check_books(world);
            reply = world_claim(world, chain->task[i], TOKEN + i);
        }
        expect_offer(reply, SP_ACCEPTED, SP_REASON_NONE, SP_CONTRACT_ACTIVE);
        assert_int_equal(reply->offer.offer.terms.frames, frames);
        chain->contract[i] = reply->offer.offer.contract;
        check_books(world);
    }
}

static void fill(struct world *world, const struct chain *chain, unsigned i)
{
    uint32_t frames = world_status(chain->task[i]).guaranteed;

    expect_allocated(world_allocate(world, chain->task[i], chain->container[i], 0, frames, 0),
                     frames);
}

static void test_a_tree_conserves_the_sum(void **state)
{
    struct world *world = *state;
    struct physmem_task *other;
    uint32_t in_other;
    struct chain chain;

    chain_make(world, &chain, 4, 64, SP_FOREVER);
    assert_int_equal(promised(world), 64);
    assert_int_equal(world_status(chain.task[0]).guaranteed, 32);
    assert_int_equal(world_status(chain.task[1]).guaranteed, 16);
    assert_int_equal(world_status(chain.task[3]).guaranteed, 8);
    for (unsigned i = 0; i < 4; i++)
        fill(world, &chain, i);
    check_books(world);

    other = task_with(world, "other", 0, 50, &in_other);
    world_allocate(world, other, in_other, 0, 50, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);

    /* b is taken back: all that is below comes to a, and what they hold is recalled. */
    expect_offer(world_reabsorb(world, chain.task[0], chain.part[0]), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    assert_int_equal(promised(world), 64);
    assert_int_equal(world_status(chain.task[0]).guaranteed, 64);
    for (unsigned i = 1; i < 4; i++) {
        const struct physmem_effect *told =
            world_find(world, 0, PHYSMEM_SEND_CHANGED, chain.task[i]);

        assert_int_equal(world_status(chain.task[i]).guaranteed, 0);
        assert_int_equal(world_status(chain.task[i]).owed, world_status(chain.task[i]).held);
        assert_true(world_find(world, 0, PHYSMEM_SEND_RECALL, chain.task[i])->recall.may_clean);
        assert_int_equal(told->changed.why, i == 1 ? SP_REASON_REABSORBED : SP_REASON_ABOVE_ENDED);
        assert_int_not_equal(told->changed.state, SP_CONTRACT_ACTIVE);
    }
    check_books(world);
    /* A request within the guarantee waits for them, and is served. */
    assert_null(world_allocate(world, chain.task[0], chain.container[0], 32, 32, 0));
    for (unsigned i = 1; i < 4; i++) {
        world_range(world, physmem_frames_deallocate, chain.task[i], chain.container[i], 0, 16);
        assert_int_equal(world_status(chain.task[i]).contracts, 0);
    }
    assert_int_equal(world_status(chain.task[0]).held, 64);
    check_books(world);
}

static void test_the_holder_gives_a_part_back(void **state)
{
    struct world *world = *state;
    const struct physmem_effect *told;
    struct chain chain;

    chain_make(world, &chain, 3, 64, SP_FOREVER);
    fill(world, &chain, 1);
    /* b closes: c's part comes to b, and both to a. */
    assert_int_equal(world_close(world, chain.task[1], chain.contract[1])->error, 0);
    assert_int_equal(world_status(chain.task[0]).guaranteed, 64);
    assert_int_equal(world_status(chain.task[1]).owed, 16);
    assert_int_equal(world_status(chain.task[2]).contracts, 0);
    told = world_find(world, 0, PHYSMEM_SEND_CHANGED, chain.task[0]);
    assert_int_equal(told->changed.why, SP_REASON_PART_RETURNED);
    assert_int_equal(told->changed.part, chain.part[0]);
    assert_int_equal(told->changed.frames, 64);
    assert_int_equal(promised(world), 64);
    check_books(world);
}

static void test_a_part_shrinks_upwards_and_cannot_grow(void **state)
{
    struct world *world = *state;
    struct chain chain;

    chain_make(world, &chain, 3, 64, SP_FOREVER);
    expect_offer(world_size(world, chain.task[1], chain.contract[1], 20), SP_REFUSED,
                 SP_REASON_PART, SP_CONTRACT_ACTIVE);
    expect_offer(world_renew(world, chain.task[1], chain.contract[1], SECOND), SP_REFUSED,
                 SP_REASON_PART, SP_CONTRACT_ACTIVE);
    expect_offer(world_size(world, chain.task[1], chain.contract[1], 10), SP_ACCEPTED,
                 SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(world_status(chain.task[0]).guaranteed, 38);
    assert_int_equal(world_status(chain.task[1]).guaranteed, 10);
    assert_int_equal(world_status(chain.task[2]).guaranteed, 16);
    assert_int_equal(promised(world), 64);
    check_books(world);
}

static void test_death_returns_everything_below(void **state)
{
    struct world *world = *state;
    struct chain chain;

    chain_make(world, &chain, 4, 64, SP_FOREVER);
    for (unsigned i = 0; i < 4; i++)
        fill(world, &chain, i);
    physmem_task_gone(world->physmem, world->now, chain.task[2]); /* in the middle */
    world_run(world);
    check_books(world);
    assert_int_equal(world_status(chain.task[1]).guaranteed, 32);
    assert_int_equal(world_status(chain.task[3]).owed, 8);
    assert_int_equal(promised(world), 64);
    physmem_task_gone(world->physmem, world->now, chain.task[0]); /* at the root */
    world_run(world);
    check_books(world);
    assert_int_equal(promised(world), 0);
    assert_int_equal(world_status(chain.task[1]).owed, 16);
    /* A task that does not return it is in breach, as always. */
    world_pass(world, SP_DEFAULT_T_CLEAN_NS);
    assert_true(world_status(chain.task[1]).breached);
    assert_true(world_status(chain.task[3]).breached);
    check_books(world);
}

static void test_breach_returns_everything_below(void **state)
{
    struct world *world = *state;
    struct chain chain;

    chain_make(world, &chain, 3, 64, SP_FOREVER);
    for (unsigned i = 0; i < 3; i++)
        fill(world, &chain, i);
    physmem_task_stuck(world->physmem, world->now, chain.task[1]);
    world_run(world);
    check_books(world);
    assert_int_equal(world_status(chain.task[0]).guaranteed, 64);
    assert_int_equal(world_status(chain.task[2]).owed, 16);
    assert_int_equal(promised(world), 64);
}

static void test_a_term_ends_for_all_below(void **state)
{
    struct world *world = *state;
    struct chain chain;

    chain_make(world, &chain, 3, 64, 4 * SECOND);
    for (unsigned i = 0; i < 3; i++)
        fill(world, &chain, i);
    world_pass(world, 3 * SECOND);
    expect_offer(world_renew(world, chain.task[0], chain.contract[0], 4 * SECOND), SP_ACCEPTED,
                 SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    world_pass(world,
               2 * SECOND); /* past the first term: that above was renewed, and so they are */
    assert_int_equal(world_status(chain.task[2]).guaranteed, 16);
    check_books(world);
    world_pass(world, 2 * SECOND);
    assert_int_equal(promised(world), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(world_status(chain.task[i]).guaranteed, 0);
        assert_int_equal(world_status(chain.task[i]).owed, 0); /* kept until asked for */
    }
    assert_int_equal(world_find(world, 0, PHYSMEM_SEND_CHANGED, chain.task[2])->changed.state,
                     SP_CONTRACT_EXPIRED);
    check_books(world);
    /* The whole can be renewed; and a part by itself, since it is one no more. */
    expect_offer(world_renew(world, chain.task[2], chain.contract[2], SECOND), SP_ACCEPTED,
                 SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    expect_offer(world_renew(world, chain.task[0], chain.contract[0], SECOND), SP_ACCEPTED,
                 SP_REASON_NONE, SP_CONTRACT_ACTIVE);
    assert_int_equal(promised(world), 64 + 16);
    check_books(world);
}

static void test_parts_nobody_claims(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    uint32_t number = world_contract(world, a, SP_TIMED, 40);
    struct sp_terms terms = world_terms(SP_GUARANTEED, 57);
    const struct physmem_effect *reply = world_split(world, a, number, 10, TOKEN);
    uint32_t part = reply->part.part.part;

    assert_int_equal(reply->part.part.left, 30);
    assert_int_equal(world_status(a).leased, 30);
    assert_int_equal(promised(world), 40); /* kept for a claimer */
    expect_offer(world_propose(world, b, &terms), SP_REFUSED, SP_REASON_OVERCOMMITTED,
                 SP_CONTRACT_NONE);
    world_split(world, a, number, 5, TOKEN + 1);
    check_books(world);
    reply = world_reabsorb(world, a, part);
    assert_int_equal(reply->offer.offer.terms.frames, 35);
    assert_int_equal(world_close(world, a, number)->error, 0);
    assert_int_equal(promised(world), 0);
    expect_error(world_claim(world, b, TOKEN + 1), ENOENT);
    check_books(world);
}

static void test_splitting_recalls_what_is_too_much(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    uint32_t container = world_container(world, a, 100);
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 40);

    expect_allocated(world_allocate(world, a, container, 0, 40, 0), 40);
    world_split(world, a, number, 10, TOKEN);
    assert_int_equal(world_status(a).owed, 10);
    check_books(world);
    world_close(world, a, number);
    assert_int_equal(world_status(a).owed, 40);
    check_books(world);
}

static void test_limits_of_the_tree(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "z");
    uint32_t number = world_contract(world, a, SP_EXTRA, 96);
    struct physmem_task *last;
    uint64_t token = TOKEN;
    struct sp_terms terms = world_terms(SP_EXTRA, 1);

    for (unsigned i = 0; i < PARTS_PER_TASK; i++)
        assert_int_equal(world_split(world, a, number, 1, ++token)->error, 0);
    expect_error(world_split(world, a, number, 1, ++token), EMFILE);
    check_books(world);
    /* Down to the deepest. */
    last = world_task(world, "y");
    number = world_contract(world, last, SP_EXTRA, 50);
    for (unsigned depth = 0; depth < PART_DEPTH_MAX; depth++) {
        struct physmem_task *next = world_task(world, "next");

        assert_int_equal(world_split(world, last, number, 50 - depth - 1, ++token)->error, 0);
        number = world_claim(world, next, token)->offer.offer.contract;
        last = next;
    }
    expect_error(world_split(world, last, number, 1, ++token), EMLINK);
    check_books(world);
    /* A task may have as many contracts as any. */
    last = world_task(world, "x");
    for (unsigned i = 0; i < CONTRACTS_PER_TASK; i++)
        world_propose(world, last, &terms);
    expect_offer(world_claim(world, last, TOKEN + 1), SP_REFUSED, SP_REASON_TOO_MANY,
                 SP_CONTRACT_NONE);
    assert_int_equal(world_claim(world, world_task(world, "w"), TOKEN + 1)->error, 0);
    check_books(world);
}

static void test_trees_of_two_tasks_in_both_directions(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    uint32_t of_a = world_contract(world, a, SP_GUARANTEED, 20);
    uint32_t of_b = world_contract(world, b, SP_GUARANTEED, 40);
    uint32_t claimed;

    world_split(world, a, of_a, 5, TOKEN);
    world_split(world, b, of_b, 10, TOKEN + 1);
    claimed = world_claim(world, b, TOKEN)->offer.offer.contract;
    world_claim(world, a, TOKEN + 1);
    check_books(world);
    /* What b has of a's cannot go to a, by any way. */
    world_split(world, b, claimed, 2, TOKEN + 2);
    expect_error(world_claim(world, a, TOKEN + 2), EINVAL);
    physmem_task_gone(world->physmem, world->now, a);
    world_run(world);
    check_books(world);
    assert_int_equal(world_status(b).guaranteed, 40);
    assert_int_equal(promised(world), 40);
}

static void test_without_memory_nothing_is_split(void **state)
{
    struct world *world = *state;
    struct physmem_task *a = world_task(world, "a");
    struct physmem_task *b = world_task(world, "b");
    uint32_t number = world_contract(world, a, SP_GUARANTEED, 20);

    world->memory.fail_after = 0;
    expect_error(world_split(world, a, number, 5, TOKEN), ENOMEM);
    world->memory.fail_after = 1;
    expect_error(world_split(world, a, number, 5, TOKEN), ENOMEM);
    world->memory.fail_after = UINT64_MAX;
    check_books(world);
    assert_int_equal(world_split(world, a, number, 5, TOKEN)->error, 0);
    world->memory.fail_after = 0;
    expect_error(world_claim(world, b, TOKEN), ENOMEM);
    world->memory.fail_after = UINT64_MAX;
    assert_int_equal(world_claim(world, b, TOKEN)->error, 0);
    check_books(world);
}

static unsigned changed_sent;

static void count_changed(struct world *world, const struct physmem_effect *effect)
{
    (void)world;
    changed_sent += effect->kind == PHYSMEM_SEND_CHANGED;
}

/* Given a part of 60 frames, when its holder resizes it fifty times, then the task above is told twice:
 * at once, and a moment later how it is now. */
static void test_a_holder_cannot_flood_the_task_above(void **state)
{
    struct world *world = *state;
    struct physmem_task *above = world_task(world, "above");
    struct physmem_task *holder = world_task(world, "holder");
    uint32_t contract = world_contract(world, above, SP_GUARANTEED, 90);
    const struct physmem_effect *changed;
    uint32_t part;

    world_split(world, above, contract, 60, 7);
    part = world_claim(world, holder, 7)->offer.offer.contract;
    world_pass(world, SECOND);
    world->watch = count_changed;
    changed_sent = 0;
    for (uint32_t frames = 59; frames >= 10; frames--)
        world_size(world, holder, part, frames);
    assert_int_equal(changed_sent, 1);
    world_pass(world, SECOND);
    assert_int_equal(changed_sent, 2);
    changed = world_find(world, 0, PHYSMEM_SEND_CHANGED, above);
    assert_int_equal(changed->changed.frames, 80);
    assert_int_equal(changed->changed.part, 2);
    /* What was not told yet is not told of a part that has come back. */
    world_size(world, holder, part, 9);
    world_size(world, holder, part, 8);
    world_close(world, holder, part);
    assert_int_equal(changed_sent, 4);
    world_pass(world, SECOND);
    assert_int_equal(changed_sent, 4);
    world->watch = NULL;
    check_books(world);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_growth_is_admission_tested),
        TEST(test_an_offer_to_grow_is_forgotten),
        TEST(test_shrinking_recalls_in_part),
        TEST(test_shrinking_extra_frames_has_no_time_to_write),
        TEST(test_shrinking_closing_and_a_missed_deadline),
        TEST(test_a_tree_conserves_the_sum),
        TEST(test_the_holder_gives_a_part_back),
        TEST(test_a_part_shrinks_upwards_and_cannot_grow),
        TEST(test_death_returns_everything_below),
        TEST(test_breach_returns_everything_below),
        TEST(test_a_term_ends_for_all_below),
        TEST(test_parts_nobody_claims),
        TEST(test_splitting_recalls_what_is_too_much),
        TEST(test_limits_of_the_tree),
        TEST(test_trees_of_two_tasks_in_both_directions),
        TEST(test_without_memory_nothing_is_split),
        TEST(test_a_holder_cannot_flood_the_task_above),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
