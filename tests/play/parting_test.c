/* Parts of contracts in plays: tasks that live from a part of another task's contract, and what becomes of them when that
 * one ends, or has to give frames back. Each event is checked by the play itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "core/physmem/status.h"
#include "play/storm.h"
#include "play/thread.h"

#include "theatre.h"

/* Tasks, those that live from another one's contract among them. */
struct family {
    struct theatre theatre;
    struct actor_part part[TASKS_MAX][TASKS_MAX]; /* by the task that splits them off */
};

static void family_begin(struct family *family, uint32_t frames, uint64_t seed)
{
    memset(family, 0, sizeof(*family));
    theatre_begin(&family->theatre, "excess", frames, seed);
    family->theatre.config.check_every = 13;
}

static uint32_t add(struct family *family, const char *name, const char *contract,
                    const char *workload)
{
    engage(&family->theatre, name, "lru", contract, workload);
    return family->theatre.tasks - 1;
}

/* A task that lives from a part of the last contract of another. */
static uint32_t add_child(struct family *family, const char *name, uint32_t above, uint32_t frames,
                          const char *workload)
{
    uint32_t number = add(family, name, "guaranteed=1", workload);
    struct actor_config *actor = &family->theatre.actor[number];
    struct actor_config *parent = &family->theatre.actor[above];

    actor->wanted[0].terms = parent->wanted[parent->contracts - 1].terms;
    actor->wanted[0].terms.frames = actor->wanted[0].terms.min = frames;
    actor->part_of = above + 1;
    family->part[above][parent->parts++] =
        (struct actor_part){number, actor->wanted[0].terms.kind, frames};
    parent->part = family->part[above];
    return number;
}

static const struct actor *of(const struct family *family, uint32_t number)
{
    return &family->theatre.play.actor[number];
}

static uint32_t guaranteed(const struct family *family)
{
    struct physmem_status status;

    physmem_get_status(family->theatre.play.scene.physmem->core, &status);
    return (uint32_t)status.guaranteed;
}

/* ---- Stories ---- */

#define LONG  "pages=80,kind=discardable;zipf=0.2,references=40000,think=10us"
#define SHORT "pages=80,kind=discardable;zipf=0.2,references=4000,think=10us"

/* The sum of guarantees is that of the parent alone, and the part comes back when the child ends. */
static void a_part_is_the_childs_until_it_ends(void **state)
{
    struct family family;
    uint32_t parent, child, grandchild;

    (void)state;
    family_begin(&family, 120, 1);
    parent = add(&family, "parent", "guaranteed=100", LONG);
    child = add_child(&family, "child", parent, 40, SHORT);
    grandchild = add_child(&family, "grandchild", child, 15,
                           "pages=80,kind=discardable;zipf=0.2,references=2000,think=10us");
    raise_curtain(&family.theatre);
    play_to(&family.theatre, 30 * NS_PER_MS);
    assert_int_equal(guaranteed(&family), 100);
    assert_int_equal(of(&family, parent)->stats.guaranteed, 60);
    assert_int_equal(of(&family, child)->stats.guaranteed, 25);
    assert_int_equal(of(&family, grandchild)->stats.guaranteed, 15);
    play_to(&family.theatre, 300 * NS_PER_MS);
    assert_int_equal(of(&family, child)->exit_status, 0);
    assert_int_equal(of(&family, grandchild)->exit_status, 0);
    assert_int_equal(of(&family, parent)->stats.guaranteed, 100);
    play_on(&family.theatre);
    assert_int_equal(of(&family, parent)->exit_status, 0);
    drop_curtain(&family.theatre);
}

/* A child that is there before its parent starts when the part is there, and is asked to end so long after that. */
static void a_child_starts_when_its_part_is_there(void **state)
{
    struct family family;
    uint32_t parent, child;

    (void)state;
    family_begin(&family, 120, 2);
    parent = add(&family, "parent", "guaranteed=100", LONG);
    child = add_child(&family, "child", parent, 40, LONG);
    family.theatre.start_ns[parent] = 50 * NS_PER_MS;
    family.theatre.stop_ns[child] = 30 * NS_PER_MS;
    raise_curtain(&family.theatre);
    play_to(&family.theatre, 49 * NS_PER_MS);
    assert_int_equal(of(&family, child)->life, 0);
    play_on(&family.theatre);
    assert_true(of(&family, child)->began > 50 * NS_PER_MS + family.theatre.config.costs.start +
                                                3 * family.theatre.config.costs.round_trip);
    assert_int_equal(of(&family, child)->exit_status, 128 + SIGTERM);
    assert_int_equal(of(&family, child)->ended - of(&family, child)->began, 30 * NS_PER_MS);
    assert_int_equal(of(&family, parent)->exit_status, 0);
    drop_curtain(&family.theatre);
}

/* When the parent ends, by itself or by force, everything below its contract ends: what the child has is recalled, and it
 * cannot go on. */
static void a_child_ends_with_its_parents_contract(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        struct family family;
        uint32_t parent, child;

        family_begin(&family, 120, 3);
        parent = add(&family, "parent", "guaranteed=100", killed ? LONG : SHORT);
        child = add_child(&family, "child", parent, 40, LONG);
        raise_curtain(&family.theatre);
        if (killed) {
            play_to(&family.theatre, 30 * NS_PER_MS);
            assert_int_equal(play_signal(&family.theatre.play, parent, SIGKILL), 0);
        }
        play_on(&family.theatre);
        assert_int_equal(of(&family, parent)->exit_status, killed ? 128 + SIGKILL : 0);
        assert_int_equal(of(&family, child)->exit_status, THREAD_DIED);
        assert_false(of(&family, child)->revoked);
        assert_int_equal(of(&family, child)->stats.guaranteed, 0);
        drop_curtain(&family.theatre);
    }
}

/* A parent that gets no contract, or has ended before, leaves the child nothing to claim. */
static void a_child_whose_parent_has_ended_cannot_come(void **state)
{
    struct family family;
    uint32_t refused, poor, brief, late;

    (void)state;
    family_begin(&family, 120, 4);
    refused = add(&family, "refused", "guaranteed=121", SHORT);
    poor = add_child(&family, "poor", refused, 40, SHORT);
    brief = add(&family, "brief", "guaranteed=100", SHORT);
    late = add_child(&family, "late", brief, 40, SHORT);
    family.theatre.start_ns[late] = 5000 * NS_PER_MS;
    raise_curtain(&family.theatre);
    play_on(&family.theatre);
    assert_int_equal(of(&family, refused)->exit_status, 2);
    assert_int_equal(of(&family, poor)->exit_status, 2);
    assert_int_equal(of(&family, brief)->exit_status, 0);
    assert_int_equal(of(&family, late)->exit_status, 2);
    assert_true(of(&family, late)->began >= 5000 * NS_PER_MS);
    drop_curtain(&family.theatre);
}

/* A recall of the part is the child's to meet, and one that ignores it loses its own frames alone. */
static void a_recall_of_a_part_is_the_childs(void **state)
{
    (void)state;
    for (int ignores = 0; ignores < 2; ignores++) {
        struct family family;
        uint32_t parent, child;

        family_begin(&family, 120, 5);
        parent = add(&family, "parent", "guaranteed=20;extra=80,drop=20ms", LONG);
        child =
            add_child(&family, "child", parent, 40,
                      ignores ? "pages=80,kind=discardable,recalls=ignore;zipf=0.2,"
                                "references=40000,think=10us"
                              : "pages=80,kind=discardable;zipf=0.2,references=20000,think=10us");
        raise_curtain(&family.theatre);
        play_to(&family.theatre, 60 * NS_PER_MS);
        assert_true(play_recall(&family.theatre.play, child, 10) > 0);
        play_on(&family.theatre);
        assert_int_equal(of(&family, child)->revoked, ignores);
        assert_int_equal(of(&family, child)->exit_status, ignores ? 128 + SIGBUS : 0);
        assert_int_equal(of(&family, parent)->exit_status, 0);
        assert_false(of(&family, parent)->revoked);
        drop_curtain(&family.theatre);
    }
}

/* Whatever befalls parents and children, no frame is lost, and the play ends. */
static void no_frame_is_lost_in_a_storm(void **state)
{
    uint32_t came_again = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct family family;
        uint32_t parent, child;

        family_begin(&family, 100, seed);
        parent = add(&family, "parent", "guaranteed=70", LONG);
        child = add_child(&family, "child", parent, 30, SHORT);
        (void)add_child(&family, "grandchild", child, 10, SHORT);
        (void)add(&family, "other", "guaranteed=10;extra=60", LONG);
        family.theatre.config.storm_until = 200 * NS_PER_MS;
        raise_curtain(&family.theatre);
        play_storm(&family.theatre.play, storm_swarm(seed));
        play_on(&family.theatre);
        came_again += of(&family, child)->life > 1;
        drop_curtain(&family.theatre);
    }
    assert_true(came_again > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_is_the_childs_until_it_ends),
        cmocka_unit_test(a_child_starts_when_its_part_is_there),
        cmocka_unit_test(a_child_ends_with_its_parents_contract),
        cmocka_unit_test(a_child_whose_parent_has_ended_cannot_come),
        cmocka_unit_test(a_recall_of_a_part_is_the_childs),
        cmocka_unit_test(no_frame_is_lost_in_a_storm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
