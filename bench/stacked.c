/* What a task waits for at a physmem that has its frames from another one. */
#include "common.h"

#include "os/clock.h"
#include "peer.h"

static const struct bench_about about = {
    .name = "bench_stacked",
    .claim = "a slot gets a frame that is at hand, and its mapping, from a physmem on another "
             "physmem in at most 1.3 times the time that the first one takes",
    .subject = "stacked",
    .baseline = "direct",
    .unit = "ns a slot",
    .details =
        "Both sides: a raw peer, without the task library, sends ALLOCATE and then MAP for one slot,\n"
        "and waits for each answer; then, outside the measured time, it gives the frame back.\n"
        "Subject: at a selfpage-physmem that holds a contract with another one (--upstream).\n"
        "Baseline: at that other one.\n"
        "'at hand': the same slot again and again, whose frame the stacked physmem still has there.\n"
        "'elsewhere': another slot each time, for which it has to move a frame: one round trip more,\n"
        "to the physmem above, for two messages sent together.",
    .rounds = 41,
};

#define SLOTS 256u

/* Fewer than make the stacked physmem move frames ahead of need. */
#define FRAMES "60"

struct side {
    struct peer peer;
    uint32_t container;
};

static double cycle(struct bench *bench, struct side *side, uint32_t slot)
{
    struct wire_message message = {.type = WIRE_DEALLOCATE}, reply;
    uint64_t start = clock_now_ns();
    uint64_t end;

    peer_allocate(bench, &side->peer, side->container, slot, 1, true);
    end = clock_now_ns();
    message.deallocate.container = side->container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){slot, 1};
    peer_ask(bench, &side->peer, &message, WIRE_DONE, &reply);
    return (double)(end - start);
}

/* `stride` 0: always the same slot. */
static double side_round(struct bench *bench, struct side *side, uint32_t count, uint32_t stride)
{
    double ns = 0;

    for (uint32_t i = 0; i < count; i++)
        ns += cycle(bench, side, i * stride % SLOTS);
    return ns / count;
}

static void row_measure(struct bench *bench, struct side *stacked, struct side *direct,
                        const char *name, double limit, uint32_t stride)
{
    struct bench_row *row = bench_row(bench, limit, "%s", name);
    uint32_t count = bench_scale(bench, 500, 10);

    if (row == NULL)
        return;
    for (unsigned round = 0; round < bench->rounds; round++) {
        double subject = side_round(bench, stacked, count, stride);

        bench_round(bench, row, subject, side_round(bench, direct, count, stride));
    }
}

int main(int argc, char **argv)
{
    static struct side stacked, direct;
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, 2 * SLOTS);
    bench_start_stacked(&bench, "guaranteed=" FRAMES);
    peer_open_at(&bench, &stacked.peer, bench.stacked_path);
    peer_open(&bench, &direct.peer);
    stacked.container = peer_contract(&bench, &stacked.peer, 20, SLOTS);
    direct.container = peer_contract(&bench, &direct.peer, 20, SLOTS);
    row_measure(&bench, &stacked, &direct, "at hand", 1.3, 0);
    row_measure(&bench, &stacked, &direct, "elsewhere", BENCH_NO_LIMIT, 7);
    bench_threads(&bench, "peer", 0);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "stacked", bench.stacked.pid);
    peer_close(&stacked.peer);
    peer_close(&direct.peer);
    return bench_finish(&bench);
}
