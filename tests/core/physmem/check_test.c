/* The books are looked at by many tests: whatever is wrong in them must be found. Here each number is made wrong in turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/physmem/state.h"
#include "expect.h"
#include "meddler.h"

#define TOKEN UINT64_C(4711)
#define MS    UINT64_C(1000000)

/* Three tasks that together have one of each kind of thing that the books count. */
struct stage {
    struct world world;
    struct meddler server;
    struct physmem *physmem;
    struct physmem_task *a, *b, *c;
    uint32_t of_a, of_b, of_c;
    unsigned missed; /* errors that were not found */
};

/* `a` promises a part to `b`, shares a container with it, which `b` has locked, and copied from. */
static void trade(struct stage *stage, uint32_t contract)
{
    const struct physmem_permission permission = {
        .token = TOKEN, .lock_ns = 100 * MS, .rights = SLOT_READ | SLOT_WRITE};
    const struct physmem_permission given = {.task = physmem_task_id(stage->c),
                                             .rights = SLOT_READ};
    const struct physmem_piece piece = {2, 2, 3};
    struct world *world = &stage->world;

    assert_int_equal(world_split(world, stage->a, contract, 8, TOKEN)->error, 0);
    assert_int_equal(world_split(world, stage->a, contract, 3, TOKEN + 1)->error, 0);
    assert_int_equal(world_claim(world, stage->b, TOKEN)->error, 0);
    assert_int_equal(world_share(world, stage->a, stage->of_a, &permission)->error, 0);
    assert_int_equal(world_share(world, stage->a, stage->of_a, &given)->error, 0);
    assert_int_equal(world_adopt(world, stage->b, stage->of_a, TOKEN)->error, 0);
    assert_int_equal(world_copy(world, stage->b, stage->of_a, stage->of_b, &piece, 1)->error, 0);
    assert_int_equal(world_lock(world, stage->b, stage->of_a, 50 * MS, false)->error, 0);
}

static void hold_frames(struct stage *stage)
{
    struct world *world = &stage->world;

    expect_allocated(world_allocate(world, stage->a, stage->of_a, 0, 20, 0), 20);
    expect_allocated(world_allocate(world, stage->b, stage->of_b, 0, 10, 0), 10);
    expect_allocated(world_allocate(world, stage->c, stage->of_c, 0, 30, PHYSMEM_EXTRA), 30);
    assert_int_equal(world_map(world, stage->c, stage->of_c, 0, 4)->error, 0);
    world_range(world, physmem_frames_release, stage->b, stage->of_b, 6, 2);
}

static void owe_and_wait(struct stage *stage)
{
    struct world *world = &stage->world;
    const struct physmem_request watch = world_request(world, stage->c);

    physmem_availability_watch(world->physmem, world->now, &watch, true, 5);
    world_run(world);
    assert_int_equal(physmem_recall_from(world->physmem, world->now, "c", 4), 4);
    world_run(world);
}

static int begin(void **state)
{
    static struct stage stage;
    struct world *world = &stage.world;
    struct sp_terms lease;
    uint32_t contract;

    memset(&stage, 0, sizeof(stage));
    world_init(world, &heap_allocator);
    if (world_start(world, FRAMES, 4, 0) != 0)
        return -1;
    stage.physmem = world->physmem;
    stage.a = world_task(world, "a");
    stage.b = world_task(world, "b");
    stage.c = world_task(world, "c");
    contract = world_contract(world, stage.a, SP_GUARANTEED, 40);
    lease = world_terms(SP_TIMED, 10);
    lease.term_ns = 1000 * MS;
    expect_offer(world_propose(world, stage.b, &lease), SP_ACCEPTED, SP_REASON_NONE,
                 SP_CONTRACT_ACTIVE);
    world_contract(world, stage.c, SP_EXTRA, 60);
    stage.of_a = world_container(world, stage.a, 100);
    stage.of_b = world_container(world, stage.b, 100);
    stage.of_c = world_container(world, stage.c, 100);
    hold_frames(&stage);
    trade(&stage, contract);
    meddler_move(&stage.server, world, 8);
    physmem_policyserver_begin(world->physmem, world->now);
    owe_and_wait(&stage);
    check_books(world);
    *state = &stage;
    return 0;
}

static int end(void **state)
{
    struct stage *stage = *state;
    size_t lost = world_end(&stage->world);

    meddler_fini(&stage->server);
    return lost == 0 ? 0 : -1;
}

static void expect_found(struct stage *stage, const char *what)
{
    if (physmem_check(stage->physmem) != NULL)
        return;
    print_error("%s, and nothing is said to be wrong\n", what);
    stage->missed++;
}

static void expect_all_found(struct stage *stage)
{
    assert_int_equal(stage->missed, 0);
    check_books(&stage->world);
}

/* A number that is one too high, and one too low. */
#define WRONG(stage, number)                                                                       \
    do {                                                                                           \
        __typeof__(0 ? (number) : (number)) was = (number);                                        \
        (number) = was + 1;                                                                        \
        expect_found(stage, #number " + 1");                                                       \
        (number) = was - 1;                                                                        \
        expect_found(stage, #number " - 1");                                                       \
        (number) = was;                                                                            \
    } while (0)

/* Another value. */
#define WRONG_AS(stage, member, value)                                                             \
    do {                                                                                           \
        __typeof__(0 ? (member) : (member)) was = (member);                                        \
        (member) = (value);                                                                        \
        expect_found(stage, #member " = " #value);                                                 \
        (member) = was;                                                                            \
    } while (0)

static void wrong_sums_of_all_tasks_are_found(void **state)
{
    struct stage *stage = *state;
    struct physmem *physmem = stage->physmem;

    WRONG(stage, physmem->frames.used);
    WRONG(stage, physmem->frames.soft);
    WRONG(stage, physmem->frames.low);
    WRONG(stage, physmem->frames.buddy.free);
    WRONG(stage, physmem->guaranteed);
    WRONG(stage, physmem->leased);
    WRONG(stage, physmem->owed);
    WRONG(stage, physmem->overdue);
    WRONG(stage, physmem->waiting);
    WRONG(stage, physmem->extent_count);
    WRONG(stage, physmem->parts.parts);
    WRONG(stage, physmem->cleans);
    WRONG(stage, physmem->pages_shared);
    for (unsigned kind = 0; kind < SP_CONTRACT_KINDS; kind++)
        WRONG(stage, physmem->unclaimed[kind]);
    WRONG(stage, physmem->policyserver.free_rows);
    WRONG(stage, physmem->upstream.due);
    WRONG_AS(stage, physmem->upstream.away, physmem->frames.buddy.free + 1);
    WRONG_AS(stage, physmem->upstream.asked, 1);
    expect_all_found(stage);
}

static void wrong_numbers_of_a_task_are_found(void **state)
{
    struct stage *stage = *state;
    struct physmem_task *const tasks[] = {stage->a, stage->b, stage->c};

    for (unsigned i = 0; i < 3; i++) {
        struct physmem_task *task = tasks[i];

        WRONG(stage, task->guaranteed);
        WRONG(stage, task->leased);
        WRONG(stage, task->extra);
        WRONG(stage, task->held);
        WRONG(stage, task->soft);
        WRONG(stage, task->owed);
        WRONG(stage, task->overdue);
        WRONG(stage, task->waiting);
        WRONG(stage, task->extents);
        WRONG(stage, task->contracts);
        WRONG(stage, task->parts);
        WRONG(stage, task->shares_given);
        WRONG(stage, task->identity.uid);
    }
    WRONG(stage, stage->c->recalls[0].missing);
    WRONG_AS(stage, stage->c->recalls[0].overdue, 1);
    WRONG_AS(stage, stage->c->hysteresis, 0);
    WRONG_AS(stage, stage->c->watches, false);
    WRONG_AS(stage, stage->c->prev_watching, stage->a);
    WRONG_AS(stage, stage->physmem->look_next, stage->a);
    expect_all_found(stage);
}

static void wrong_numbers_of_contracts_are_found(void **state)
{
    struct stage *stage = *state;
    struct contract *contract = stage->a->contract_list;
    struct contract *timed = stage->b->contract_list, *claimed = timed;

    while (claimed != NULL && claimed->part == NULL)
        claimed = claimed->next;
    while (timed != NULL && timed->terms.kind != SP_TIMED)
        timed = timed->next;
    assert_true(claimed != NULL && timed != NULL && contract->parts != NULL);
    WRONG(stage, contract->terms.frames);
    WRONG(stage, contract->recalling);
    WRONG(stage, contract->depth);
    WRONG_AS(stage, contract->terms.min, contract->terms.frames + 1);
    WRONG_AS(stage, contract->ends, 1);
    WRONG_AS(stage, timed->ends, DEADLINE_NEVER);
    WRONG_AS(stage, timed->state, SP_CONTRACT_RECALLED);
    WRONG_AS(stage, timed->state, SP_CONTRACT_COUNTERED);
    WRONG_AS(stage, timed->state, SP_CONTRACT_STATES);
    WRONG(stage, claimed->depth);
    WRONG(stage, claimed->terms.frames);
    WRONG_AS(stage, claimed->terms.kind, SP_EXTRA);
    WRONG_AS(stage, claimed->part, NULL);
    WRONG_AS(stage, claimed->ends, stage->world.now + 1);
    WRONG(stage, contract->parts->frames);
    WRONG(stage, contract->parts->next->frames);
    WRONG(stage, contract->parts->token);
    WRONG_AS(stage, contract->parts->from, claimed);
    expect_all_found(stage);
}

static struct extent *extent_of(const struct physmem_task *task, uint32_t handle)
{
    for (struct container *container = task->container_list; container != NULL;
         container = container->next)
        if (container->handle == handle)
            return container_extent(container, 0);
    return NULL;
}

static void wrong_slots_and_frames_are_found(void **state)
{
    struct stage *stage = *state;
    struct extent *const extents[] = {extent_of(stage->a, stage->of_a),
                                      extent_of(stage->b, stage->of_b),
                                      extent_of(stage->c, stage->of_c)};
    struct frame_table *frames = &stage->physmem->frames;

    for (unsigned i = 0; i < 3; i++) {
        struct extent *extent = extents[i];

        WRONG(stage, extent->allocated);
        WRONG(stage, extent->soft);
        WRONG(stage, extent->copies);
        WRONG(stage, extent->handle);
        WRONG_AS(stage, extent->cut, 1); /* there are frames behind it */
        for (uint32_t slot = 0; slot < 32; slot++) {
            struct container_slot *entry = &extent->slot[slot];

            WRONG_AS(stage, entry->soft, !entry->soft);
            WRONG_AS(stage, entry->copy, !entry->copy);
            if (entry->frame != SLOT_NO_FRAME) {
                WRONG(stage, entry->frame);
                WRONG_AS(stage, entry->frame, SLOT_NO_FRAME);
                WRONG_AS(stage, entry->frame, frames->frames);
                continue;
            }
            WRONG_AS(stage, entry->rights, SLOT_READ);
            WRONG_AS(stage, entry->unmapping, 1);
        }
    }
    for (uint32_t i = 0; i < frames->frames; i++) {
        struct frame *frame = &frames->frame[i];

        WRONG(stage, frame->state);
        WRONG_AS(stage, frame->state, FRAME_SOFT + 1);
        if (frame->state == FRAME_FREE) {
            WRONG_AS(stage, frame->low, 1);
            continue;
        }
        WRONG(stage, frame->container);
        WRONG(stage, frame->slot);
        WRONG_AS(stage, frame->low, !frame->low);
    }
    expect_all_found(stage);
}

static void wrong_copies_are_found(void **state)
{
    struct stage *stage = *state;
    struct extent *home = extent_of(stage->b, stage->of_b);
    struct extent *clean = handles_object(&stage->physmem->extents, home->copied[2].extent);
    uint32_t page = home->copied[2].page;

    assert_true(home->slot[2].copy && clean != NULL && clean->clean != NULL);
    WRONG(stage, clean->allocated);
    WRONG(stage, clean->clean->user[page]);
    WRONG_AS(stage, clean->clean->user[page], 0);
    WRONG_AS(stage, clean->clean->readers, 0);
    WRONG(stage, home->copied[2].extent);
    WRONG_AS(stage, home->copied[2].page, clean->pages);
    WRONG_AS(stage, home->slot[2].rights, SLOT_WRITE);
    WRONG_AS(stage, clean->clean->reader[0].task, 99);
    WRONG_AS(stage, clean->clean->reader[1].task, 99);
    expect_all_found(stage);
}

static void wrong_shares_are_found(void **state)
{
    struct stage *stage = *state;
    struct container *container = stage->a->container_list;
    struct sharing *sharing = container->sharing;

    assert_true(sharing != NULL && sharing->locker != NULL && sharing->shares == 2);
    WRONG(stage, sharing->shares);
    WRONG_AS(stage, sharing->locker, NULL);
    WRONG_AS(stage, sharing->numbers, 0);
    for (struct share *share = sharing->first; share != NULL; share = share->next) {
        WRONG_AS(stage, share->number, 0);
        WRONG_AS(stage, share->number, sharing->numbers + 1);
        WRONG_AS(stage, share->task, stage->a);
        WRONG_AS(stage, share->container, stage->b->container_list);
        WRONG_AS(stage, share->prev_of_task, share);
        WRONG_AS(stage, share->adopted, !share->adopted);
    }
    expect_all_found(stage);
}

/* What the policy server reads is what the books say. */
static void wrong_rows_are_found(void **state)
{
    struct stage *stage = *state;
    struct control_table *table = meddler_table(&stage->server);
    struct physmem_task *const tasks[] = {stage->a, stage->b, stage->c};

    for (unsigned i = 0; i < 3; i++) {
        struct control_row *row = &table->row[tasks[i]->row];

        WRONG(stage, row->id);
        WRONG(stage, row->uid);
        WRONG(stage, row->guaranteed);
        WRONG(stage, row->leased);
        WRONG(stage, row->extra);
        WRONG(stage, row->held);
        WRONG(stage, row->owed);
        WRONG(stage, row->priority);
        WRONG(stage, row->weight);
        WRONG(stage, row->parent);
        WRONG(stage, row->bid);
    }
    WRONG_AS(stage, table->row[stage->c->row].recallable, 1);
    expect_all_found(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_sums_of_all_tasks_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_numbers_of_a_task_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_numbers_of_contracts_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_slots_and_frames_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_copies_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_shares_are_found, begin, end),
        cmocka_unit_test_setup_teardown(wrong_rows_are_found, begin, end),
    };

    return cmocka_run_group_tests_name("core_physmem_check", tests, NULL, NULL);
}
