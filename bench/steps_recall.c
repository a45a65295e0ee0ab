/* The decision to recall, for bench/crossings to record: `bench_steps_recall COUNT` has a task ask COUNT
 * times for frames of its guarantee while others hold what is free, in a world in virtual time. Exit
 * status: 0 done, 2 not. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/physmem/frames.h"
#include "os/heap.h"
#include "world/world.h"

/* Physmem keeps 1/32 of the frames for guarantees: so many are free. */
enum { FRAMES = 64, HOLDERS = 2, HELD = 30, ASKED = 16 };

struct holder {
    struct physmem_task *task;
    uint32_t container;
};

static struct holder join(struct world *world, const char *name, enum sp_contract_kind kind,
                          uint32_t frames)
{
    struct holder holder = {.task = world_task(world, name)};

    if (holder.task == NULL || world_contract(world, holder.task, kind, frames) == 0)
        errx(2, "%s got no contract", name);
    holder.container = world_container(world, holder.task, frames);
    return holder;
}

/* Recorded: a request that has to wait, and whatever follows from it. */
static __attribute__((noinline)) void step_recall(struct world *world, const struct holder *asks)
{
    if (world_allocate(world, asks->task, asks->container, 0, ASKED, 0) != NULL)
        errx(2, "there were frames without a recall");
}

int main(int argc, char **argv)
{
    static struct world world;
    struct holder holder[HOLDERS], asks;
    struct physmem_status status;
    int count = argc == 2 ? atoi(argv[1]) : 0;

    if (count <= 0)
        errx(2, "usage: bench_steps_recall COUNT");
    world_init(&world, &heap_allocator);
    if (world_start(&world, FRAMES, 0, 0) != 0)
        errx(2, "there is no memory for a physmem");
    for (unsigned i = 0; i < HOLDERS; i++)
        holder[i] = join(&world, "holds", SP_EXTRA, HELD);
    asks = join(&world, "asks", SP_GUARANTEED, ASKED);
    for (int n = 0; n < count; n++) {
        for (unsigned i = 0; i < HOLDERS; i++)
            world_allocate(&world, holder[i].task, holder[i].container, 0, HELD, PHYSMEM_EXTRA);
        step_recall(&world, &asks);
        for (unsigned i = 0; i < HOLDERS; i++)
            world_range(&world, physmem_frames_deallocate, holder[i].task, holder[i].container, 0,
                        HELD);
        world_range(&world, physmem_frames_deallocate, asks.task, asks.container, 0, ASKED);
    }
    physmem_get_status(world.physmem, &status);
    if (status.recalls_met < (uint64_t)count)
        errx(2, "only %llu recalls were met", (unsigned long long)status.recalls_met);
    return world_end(&world) == 0 ? 0 : 2;
}
