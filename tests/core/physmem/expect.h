/* A world with one physmem for each test, and what tests of its rules expect of replies. For use in
 * CMocka tests. */
#ifndef EXPECT_H
#define EXPECT_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/contracts/contract.h"
#include "os/heap.h"
#include "world/world.h"

#define FRAMES 100u

static inline int setup(void **state)
{
    static struct world world;

    world_init(&world, &heap_allocator);
    *state = &world;
    return world_start(&world, FRAMES, 4, 0);
}

static inline int teardown(void **state)
{
    return world_end(*state) == 0 ? 0 : -1;
}

static inline void check_books(struct world *world)
{
    const char *wrong = physmem_check(world->physmem);

    if (wrong != NULL)
        fail_msg("%s", wrong);
}

/* A task with a guarantee and a container of 1000 slots. */
static inline struct physmem_task *task_with(struct world *world, const char *name,
                                             uint32_t guaranteed, uint32_t extra,
                                             uint32_t *container)
{
    struct physmem_task *task = world_task(world, name);

    if (guaranteed > 0)
        world_contract(world, task, SP_GUARANTEED, guaranteed);
    if (extra > 0)
        world_contract(world, task, SP_EXTRA, extra);
    *container = world_container(world, task, 1000);
    return task;
}

/* Allocate and expect `count` slots, or an errno value. */
static inline void expect_allocated(const struct physmem_effect *reply, uint32_t count)
{
    assert_non_null(reply);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_ALLOCATED);
    assert_int_equal(reply->error, 0);
    assert_int_equal(reply->allocated.count, count);
}

static inline void expect_error(const struct physmem_effect *reply, uint32_t error)
{
    assert_non_null(reply);
    assert_int_equal(reply->error, error);
    assert_non_null(reply->text);
}

static inline void expect_offer(const struct physmem_effect *reply, enum sp_answer answer,
                                enum sp_reason reason, enum sp_contract_state contract_state)
{
    assert_non_null(reply);
    assert_int_equal(reply->kind, PHYSMEM_REPLY_OFFER);
    assert_int_equal(reply->offer.offer.answer, answer);
    assert_int_equal(reply->offer.offer.reason, reason);
    assert_int_equal(reply->offer.state, contract_state);
}

#endif
