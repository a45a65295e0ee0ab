/* What cheating gains, and what physmem keeps to whatever an arbiter says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arena/judge.h"

static size_t bytes; /* allocated now */

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    bytes += new_size - old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

static const struct allocator allocator = {.resize = resize};

static struct verdict play(const char *arbiter, enum attack attack, unsigned rounds)
{
    struct verdict verdict;
    struct arbiter_choice choice;
    struct sp_error error;

    assert_int_equal(arbiter_registry_choose(&choice, arbiter, &error), 0);
    assert_int_equal(judge_attack(&allocator, &choice, attack, 1, rounds, &verdict), 0);
    assert_int_equal(bytes, 0);
    return verdict;
}

/* The same needs wherever it runs: what is compared by figures must not depend on that. */
static struct verdict judge(const char *arbiter, enum attack attack)
{
    return play(arbiter, attack, 2);
}

static void test_a_play_is_a_function_of_its_seed(void **state)
{
    struct arena_outcome first, again, other;
    struct arbiter_choice choice;
    struct sp_error error;
    struct arena_setup setup = {.allocator = &allocator, .arbiter = &choice, .seed = 7};

    (void)state;
    assert_int_equal(arbiter_registry_choose(&choice, "karma", &error), 0);
    assert_int_equal(arena_play(&setup, &first), 0);
    assert_int_equal(arena_play(&setup, &again), 0);
    setup.seed = 8;
    assert_int_equal(arena_play(&setup, &other), 0);
    assert_true(first.attacker.useful == again.attacker.useful);
    assert_true(first.victims.useful == again.victims.useful);
    assert_int_equal(first.recalls, again.recalls);
    assert_true(first.victims.useful != other.victims.useful);
    assert_true(first.victims.needed > first.victims.useful);
}

/* Guarantees are served, a task that keeps its contracts loses nothing, and the books agree. A
 * guarantee goes to the task that asks first, whatever the arbiter: no arbiter is asked. */
static void test_no_attack_breaks_a_promise(void **state)
{
    const struct sp_arbiter *arbiter;

    (void)state;
    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        for (int attack = 0; attack < ATTACK_COUNT; attack++) {
            struct arena_setup setup = {
                .allocator = &allocator, .attack = (enum attack)attack, .seed = 3};
            struct arena_outcome outcome;
            struct arbiter_choice choice;

            assert_int_equal(arbiter_registry_choose_plugin(&choice, arbiter, NULL, NULL), 0);
            setup.arbiter = &choice;
            assert_int_equal(arena_play(&setup, &outcome), 0);
            assert_null(outcome.wrong);
            assert_int_equal(outcome.victims.revoked, 0);
            assert_true(outcome.victims.wait_ns <= ARENA_GRACE_NS + ARENA_STEP_NS);
            assert_int_equal(outcome.overruled, 0);
            assert_int_equal(outcome.victims.countered > 0, attack == ATTACK_RESERVE);
        }
    }
    assert_int_equal(bytes, 0);
}

/* Extra frames that are given only while there are free ones belong to the task that takes them
 * first. Arbiters that decide on them take them back. */
static void test_the_hoarder_wins_where_the_first_wins(void **state)
{
    const struct sp_arbiter *arbiter;

    (void)state;
    for (size_t i = 0; (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        struct verdict v = play(arbiter->name, ATTACK_HOARD, 1);

        if ((arbiter->flags & SP_ARBITER_GRANTS) == 0) {
            assert_true(v.gain > 1.2);
            assert_true(v.loss < 0.7);
        } else {
            assert_true(v.gain < 1.15);
            assert_true(v.loss > 0.85);
        }
    }
}

/* Karma's selfish users: to ask for more than is needed, and to keep it, gains nothing. */
static void test_karma_makes_selfishness_useless(void **state)
{
    (void)state;
    assert_true(judge("karma", ATTACK_INFLATE).gain < 1);
    assert_true(judge("karma", ATTACK_HOARD).gain < 1);
    assert_true(judge("fcfs", ATTACK_INFLATE).gain > 1.2);
}

/* Nobody waits longer for one that answers at the last moment than its grace, and it gains little. */
static void test_a_slow_task_is_borne_within_its_grace(void **state)
{
    struct verdict v;

    (void)state;
    v = judge("excess", ATTACK_SLOW);
    assert_int_equal(v.attacked.attacker.revoked, 0);
    assert_true(v.attacked.victims.wait_ns > v.honest.victims.wait_ns);
    assert_true(v.gain < 1.05);
}

/* A task that cannot drop its frames in time loses all it has. */
static void test_dirty_frames_are_lost(void **state)
{
    struct verdict v;

    (void)state;
    v = judge("maxmin", ATTACK_DIRTY);
    assert_true(v.attacked.attacker.revoked > 0);
    assert_true(v.gain < 1.05);
    assert_int_equal(v.attacked.victims.revoked, 0);
}

/* Parts of one contract count once for an arbiter that looks at the tree. */
static void test_a_tree_counts_once(void **state)
{
    (void)state;
    assert_in_range((int)(100 * judge("viengoos", ATTACK_SPLIT).gain + 0.5), 97, 103);
    assert_true(judge("maxmin", ATTACK_SPLIT).gain > 1.15);
    assert_true(judge("viengoos", ATTACK_FORK).gain > 1.15);
}

/* An arbiter that believes a lie loses by it, and no other does. */
static void test_lies_work_on_an_arbiter_that_believes_them(void **state)
{
    (void)state;
    assert_true(judge("esx", ATTACK_BUSY).gain > 1.1);
    assert_true(judge("maxmin", ATTACK_BUSY).gain == 1);
    assert_true(judge("cliffhanger", ATTACK_GHOSTS).gain > 1.15);
    assert_true(judge("esx", ATTACK_GHOSTS).gain == 1);
    assert_true(judge("maxmin", ATTACK_CLAIM).gain > 1.15);
    assert_true(judge("karma", ATTACK_CLAIM).gain == 1);
}

static void test_names(void **state)
{
    (void)state;
    for (int attack = 0; attack < ATTACK_COUNT; attack++) {
        assert_true(strlen(attack_name((enum attack)attack)) > 0);
        assert_true(strlen(attack_summary((enum attack)attack)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_play_is_a_function_of_its_seed),
        cmocka_unit_test(test_no_attack_breaks_a_promise),
        cmocka_unit_test(test_the_hoarder_wins_where_the_first_wins),
        cmocka_unit_test(test_karma_makes_selfishness_useless),
        cmocka_unit_test(test_a_slow_task_is_borne_within_its_grace),
        cmocka_unit_test(test_dirty_frames_are_lost),
        cmocka_unit_test(test_a_tree_counts_once),
        cmocka_unit_test(test_lies_work_on_an_arbiter_that_believes_them),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
