/* A map round trip: a task asks physmem to map one slot. */
#include "common.h"

#include "os/clock.h"
#include "peer.h"

static const struct bench_about about = {
    .name = "bench_map_round_trip",
    .claim =
        "mapping a slot costs at most 1.5 times a bare 64-byte ping-pong between two processes",
    .subject = "MAP at physmem",
    .baseline = "ping-pong",
    .unit = "ns a round trip",
    .details =
        "Subject: a raw peer, without the task library, sends MAP for one slot with a frame (rights\n"
        "read and write, in an extent whose descriptor has come before) and waits for MAPPED.\n"
        "Baseline: 64 bytes written to a process that reads them and writes 64 bytes back, over a\n"
        "Unix stream socket, with blocking calls and nothing else.",
    .rounds = 61,
};

#define SLOTS 256u

static double subject_round(struct bench *bench, struct peer *peer, uint32_t container,
                            uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (peer_map(bench, peer, container, i % SLOTS, 1) != 1)
            bench_fail(bench, "physmem did not map a slot");
    return (double)(clock_now_ns() - start) / count;
}

static double baseline_round(struct bench *bench, const struct bench_echo *echo, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (!bench_echo_ask(echo))
            bench_fail(bench, "the ping-pong broke off");
    return (double)(clock_now_ns() - start) / count;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct bench bench;
    struct bench_echo echo;
    struct bench_row *row;
    uint32_t container, count;

    bench_init(&bench, &about, argc, argv);
    count = bench_scale(&bench, 1000, 10);
    bench_start_physmem(&bench, 2 * SLOTS);
    peer_open(&bench, &peer);
    container = peer_contract(&bench, &peer, SLOTS, SLOTS);
    peer_allocate(&bench, &peer, container, 0, SLOTS, true);
    bench_echo_start(&bench, &echo);
    row = bench_row(&bench, 1.5, "one slot");
    for (unsigned round = 0; round < bench.rounds; round++) {
        double subject = subject_round(&bench, &peer, container, count);

        bench_round(&bench, row, subject, baseline_round(&bench, &echo, count));
    }
    bench_threads(&bench, "peer", 0);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "ping-pong", echo.pid);
    peer_close(&peer);
    bench_echo_stop(&echo);
    return bench_finish(&bench);
}
