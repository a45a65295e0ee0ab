/* A task that comes late, to a physmem whose frames another task has taken: it asks for its frames as a
 * pager does, batch by batch, and states how many it would use. It has what the arbiter's paper allots it
 * within the first quantum or round. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "arena/member.h"
#include "os/heap.h"
#include "world/world.h"

#define FRAMES  800u
#define STEP_NS (10 * MS)
#define AGAIN   5u /* steps after which a task that was refused asks again */

/* One task; its behaviour is that of an honest one. */
struct pager_like {
    struct member member;
    uint32_t refused; /* steps since */
};

struct late {
    struct world world;
    struct attack_behaviour honest;
    struct pager_like hoarder, comer;
};

static void on_effect(struct world *world, const struct physmem_effect *effect)
{
    struct late *late = world->user;

    for (unsigned i = 0; i < 2; i++) {
        struct pager_like *task = i == 0 ? &late->hoarder : &late->comer;

        if (effect->task == task->member.task && effect->kind == PHYSMEM_SEND_NOTICE)
            task->member.told = true;
    }
}

static void come(struct late *late, struct pager_like *task, const char *name, uint32_t need)
{
    struct world *world = &late->world;
    struct member *member = &task->member;

    *task = (struct pager_like){.member = {.behaviour = &late->honest, .need = need}};
    member->guaranteed = 20;
    member->task = world_task(world, name);
    assert_int_not_equal(world_contract(world, member->task, SP_GUARANTEED, 20), 0);
    assert_int_not_equal(world_contract(world, member->task, SP_EXTRA, FRAMES), 0);
    member->container = world_container(world, member->task, 2 * FRAMES);
    member->stack = world_open_stack(world, member->task, member->container, 1)->stack.stack;
}

/* Return what is owed, and ask for batches until one does not come in full. */
static void turn(struct late *late, struct pager_like *task)
{
    struct world *world = &late->world;
    struct member *member = &task->member;
    uint32_t owed = world_status(member->task).owed;

    member->held -= owed;
    if (owed > 0)
        world_range(world, physmem_frames_deallocate, member->task, member->container, member->held,
                    owed);
    member_state_demand(member, world->now);
    if (!member->told && task->refused < AGAIN && task->refused++ > 0)
        return;
    for (;;) {
        const struct physmem_effect *reply;
        bool extra;
        uint32_t batch = member_batch(member, world->now, &extra);

        member->told = false;
        if (batch == 0)
            return;
        reply = world_allocate(world, member->task, member->container, member->held, batch,
                               extra ? PHYSMEM_EXTRA | PHYSMEM_PARTIAL : PHYSMEM_PARTIAL);
        if (reply == NULL || reply->kind != PHYSMEM_REPLY_ALLOCATED) {
            task->refused = 1;
            return;
        }
        task->refused = 0;
        member->held += reply->allocated.count;
    }
}

static void pass(struct late *late, uint64_t ns, bool both)
{
    for (uint64_t end = late->world.now + ns; late->world.now < end;) {
        turn(late, &late->hoarder);
        if (both)
            turn(late, &late->comer);
        world_pass(&late->world, STEP_NS);
    }
}

/* What the late comer holds so long after it has come. */
static uint32_t held_after(const char *arbiter, uint64_t ns)
{
    static struct late late;
    uint32_t held;

    world_init(&late.world, &heap_allocator);
    late.world.arbiter = arbiter_registry_find(arbiter, strlen(arbiter));
    late.world.watch = on_effect;
    late.world.user = &late;
    late.honest = attack_of_honest(ATTACK_HOARD);
    assert_int_equal(world_start(&late.world, FRAMES, 0, 0), 0);
    late.comer.member.task = NULL;
    come(&late, &late.hoarder, "hoarder", FRAMES);
    pass(&late, SECOND, false);
    assert_true(late.hoarder.member.held >= FRAMES - FRAMES / 32);
    come(&late, &late.comer, "honest", 360);
    pass(&late, ns, true);
    held = late.comer.member.held;
    assert_null(physmem_check(late.world.physmem));
    assert_int_equal(world_end(&late.world), 0);
    return held;
}

static void test_a_late_comer_has_its_allotment(void **state)
{
    static const struct {
        const char *arbiter;
        uint64_t within;
    } cases[] = {{"maxmin", SECOND / 2},
                 {"esx", SECOND / 2},
                 {"viengoos", SECOND / 2},
                 {"market", SECOND + SECOND / 2},
                 {"karma", SECOND + SECOND / 10},         /* a quantum is a second */
                 {"auction", 12 * SECOND + SECOND / 10}}; /* a round is twelve */

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t held = held_after(cases[i].arbiter, cases[i].within);

        if (held < 355)
            fail_msg("%s: the late comer holds %u frames of 360", cases[i].arbiter, held);
    }
}

/* Before its first quantum has ended it has its fair share: half of half of what there is. */
static void test_karma_does_not_wait_for_the_quantum(void **state)
{
    (void)state;
    assert_in_range(held_after("karma", SECOND / 5), 150, 360);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_comer_has_its_allotment),
        cmocka_unit_test(test_karma_does_not_wait_for_the_quantum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
