/* A logical copy of 64 clean pages, against copying their bytes. */
#include "common.h"

#include <string.h>
#include <sys/mman.h>

#include "core/physmem/physmem.h"
#include "os/clock.h"
#include "os/heap.h"
#include "peer.h"
#include "world/world.h"

static const struct bench_about about = {
    .name = "bench_logical_copy",
    .claim =
        "a logical copy of 64 clean pages costs physmem at most a twentieth of copying their bytes "
        "to fresh memory",
    .subject = "COPY",
    .baseline = "memcpy",
    .unit = "ns for 64 pages",
    .details =
        "Subject, in physmem: the request as physmem carries it out, checks and books and all, without its\n"
        "socket. Subject, asked: a raw peer sends COPY and waits for the answer. The pages were copied before,\n"
        "so that no bytes move; slots copied to are those of another container.\n"
        "Baseline: memcpy of 64 pages to memory that was just mapped, and is unmapped after that.",
    .rounds = 61,
};

#define PAGES 64u
#define BYTES ((size_t)PAGES * SP_PAGE_SIZE)

/* What a request costs without a socket. */
static double core_round(struct world *world, struct physmem_task *task, uint32_t from, uint32_t to,
                         uint32_t count)
{
    const struct physmem_piece piece = {0, 0, PAGES};
    struct physmem_request request = world_request(world, task);
    struct physmem_effect effect;
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        physmem_copy(world->physmem, world->now, &request, from, to, &piece, 1);
        while (physmem_next_effect(world->physmem, &effect))
            continue;
    }
    return (double)(clock_now_ns() - start) / count;
}

static double asked_round(struct bench *bench, struct peer *peer, uint32_t from, uint32_t to,
                          uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        struct wire_message message = {.type = WIRE_COPY}, reply;

        message.copy.from = from;
        message.copy.to = to;
        message.copy.pieces_count = 1;
        message.copy.pieces[0] = (struct wire_piece){0, 0, PAGES};
        peer_ask(bench, peer, &message, WIRE_DONE, &reply);
    }
    return (double)(clock_now_ns() - start) / count;
}

static double memcpy_round(struct bench *bench, const void *bytes, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++) {
        void *fresh = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (fresh == MAP_FAILED)
            bench_fail(bench, "no memory to copy to");
        memcpy(fresh, bytes, BYTES);
        munmap(fresh, BYTES);
    }
    return (double)(clock_now_ns() - start) / count;
}

/* A physmem without a socket, and a task in it with two containers whose pages are copies already. */
static struct physmem_task *prepare(struct bench *bench, struct world *world, uint32_t *from,
                                    uint32_t *to)
{
    const struct physmem_piece piece = {0, 0, PAGES};
    struct physmem_task *task;

    world_init(world, &heap_allocator);
    if (world_start(world, 4 * PAGES, 0, 0) != 0)
        bench_fail(bench, "no memory for a physmem");
    task = world_task(world, "bench");
    world_contract(world, task, SP_GUARANTEED, 2 * PAGES);
    *from = world_container(world, task, PAGES);
    *to = world_container(world, task, PAGES);
    world_allocate(world, task, *from, 0, PAGES, 0);
    world_allocate(world, task, *to, 0, PAGES, 0);
    if (world_copy(world, task, *from, *to, &piece, 1)->error != 0)
        bench_fail(bench, "physmem refuses a copy");
    return task;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    static struct world world;
    static unsigned char bytes[BYTES];
    struct bench bench;
    struct bench_row *core, *asked;
    struct physmem_task *task;
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE}, reply;
    uint32_t from, to, a, b, count;

    bench_init(&bench, &about, argc, argv);
    count = bench_scale(&bench, 500, 10);
    memset(bytes, 'x', sizeof(bytes));
    task = prepare(&bench, &world, &from, &to);
    bench_start_physmem(&bench, 4 * PAGES);
    peer_open(&bench, &peer);
    a = peer_contract(&bench, &peer, 2 * PAGES, PAGES);
    message.container_create.slots = PAGES;
    peer_ask(&bench, &peer, &message, WIRE_CONTAINER, &reply);
    b = reply.container.container;
    peer_allocate(&bench, &peer, a, 0, PAGES, false);
    peer_allocate(&bench, &peer, b, 0, PAGES, false);
    core = bench_row(&bench, 0.05, "in physmem");
    asked = bench_row(&bench, BENCH_NO_LIMIT, "asked over the socket");
    for (unsigned round = 0; round < bench.rounds; round++) {
        double copied = memcpy_round(&bench, bytes, count);

        bench_round(&bench, core, core_round(&world, task, from, to, count), copied);
        bench_round(&bench, asked, asked_round(&bench, &peer, a, b, count), copied);
    }
    bench_threads(&bench, "peer", 0);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    peer_close(&peer);
    world_end(&world);
    return bench_finish(&bench);
}
