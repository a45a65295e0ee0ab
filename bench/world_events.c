/* Events of the world in virtual time, and those of a bare loop around a heap. */
#include "common.h"

#include <stdlib.h>

#include "base/random.h"
#include "os/clock.h"
#include "os/heap.h"
#include "world/queue.h"

static const struct bench_about about = {
    .name = "bench_world_events",
    .claim =
        "an event of the world's queue costs at most 1.67 times one of a bare loop around a heap of four "
        "children: 0.6 of its events a second",
    .subject = "queue",
    .baseline = "bare heap",
    .unit = "ns an event",
    .details =
        "So many events are pending; the first is taken, and another one put in some time after it.\n"
        "Subject: the queue of src/world, with entries of 40 bytes, in which events of one time keep their\n"
        "order.\n"
        "Baseline: a heap of pairs of a time and a number, in an array that never grows.",
    .rounds = 21,
};

#define EVENTS   200000u
#define SMOKE    2000u
#define INTERVAL 1000000u
#define MOST     10000u
#define AT_MOST  1.67
#define CHILDREN 4u

/* ---- A bare heap ---- */

struct pair {
    uint64_t when;
    uint32_t number;
};

static struct pair heap[MOST];
static uint32_t pairs;

static void rise(struct pair pair, uint32_t place)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / CHILDREN;

        if (heap[parent].when <= pair.when)
            break;
        heap[place] = heap[parent];
        place = parent;
    }
    heap[place] = pair;
}

/* Put another pair in the place of the first. */
static void replace_first(struct pair pair)
{
    uint32_t place = 0;

    for (;;) {
        uint32_t first = CHILDREN * place + 1, least = first;

        for (uint32_t child = first + 1; child < first + CHILDREN && child < pairs; child++)
            if (heap[child].when < heap[least].when)
                least = child;
        if (first >= pairs || heap[least].when >= pair.when)
            break;
        heap[place] = heap[least];
        place = least;
    }
    heap[place] = pair;
}

static double bare(uint32_t pending, uint32_t events, uint64_t *sump)
{
    struct random_source random = random_seeded(pending);
    uint64_t start;

    pairs = 0;
    for (uint32_t i = 0; i < pending; i++) {
        pairs++;
        rise((struct pair){random_below(&random, INTERVAL), i}, i);
    }
    start = clock_now_ns();
    for (uint32_t i = 0; i < events; i++) {
        struct pair first = heap[0];

        *sump += first.when;
        first.when += random_below(&random, INTERVAL);
        replace_first(first);
    }
    return (double)(clock_now_ns() - start) / events;
}

/* ---- The queue ---- */

static double queued(const struct bench *bench, uint32_t pending, uint32_t events, uint64_t *sump)
{
    struct random_source random = random_seeded(pending);
    struct queue queue;
    uint64_t start;
    double ns;

    world_queue_init(&queue, &heap_allocator);
    for (uint32_t i = 0; i < pending; i++)
        if (world_queue_add(&queue, (struct queue_entry){.when = random_below(&random, INTERVAL),
                                                         .to = i}) != 0)
            bench_fail(bench, "out of memory");
    start = clock_now_ns();
    for (uint32_t i = 0; i < events; i++) {
        struct queue_entry first;

        if (!world_queue_take(&queue, QUEUE_NEVER, &first))
            bench_fail(bench, "the queue is empty");
        *sump += first.when;
        first.when += random_below(&random, INTERVAL);
        if (world_queue_add(&queue, first) != 0)
            bench_fail(bench, "out of memory");
    }
    ns = (double)(clock_now_ns() - start) / events;
    world_queue_fini(&queue);
    return ns;
}

int main(int argc, char **argv)
{
    static const uint32_t pending[] = {100, 1000, MOST};
    struct bench_row *row[3];
    struct bench bench;
    uint32_t events;

    bench_init(&bench, &about, argc, argv);
    events = bench_scale(&bench, EVENTS, SMOKE);
    for (unsigned i = 0; i < 3; i++)
        row[i] = bench_row(&bench, AT_MOST, "%u events pending", pending[i]);
    for (unsigned round = 0; round < bench.rounds; round++)
        for (unsigned i = 0; i < 3; i++) {
            uint64_t in_queue = 0, in_heap = 0;
            double subject = queued(&bench, pending[i], events, &in_queue);
            double baseline = bare(pending[i], events, &in_heap);

            if (in_queue != in_heap)
                bench_fail(&bench, "the queue and the heap saw different times");
            bench_round(&bench, row[i], subject, baseline);
        }
    bench_threads(&bench, "this process", 0);
    return bench_finish(&bench);
}
