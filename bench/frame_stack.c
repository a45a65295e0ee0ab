/* Frames that are taken from a frame stack, and frames that are recalled by message. */
#include "common.h"

#include "os/clock.h"
#include "peer.h"

static const struct bench_about about = {
    .name = "bench_frame_stack",
    .claim =
        "frames that lie unused on the frame stack are had for at most 0.8 times what a recall by "
        "message costs; where few do, for at most 1.3 times",
    .subject = "frame stack",
    .baseline = "recall",
    .unit = "ns for all frames",
    .details =
        "A peer asks for frames within its guarantee, of which 64, or one, have to come from a task that\n"
        "holds 240 extra ones, in a part of which it has nothing: it has discarded pages; and the library keeps\n"
        "some 15 to 30 ready for the next faults. Measured is the time from the request to its reply.\n"
        "Subject: the task lists its unused frames on a frame stack; physmem takes those, and recalls\n"
        "what is still lacking.\n"
        "Baseline: the task lists nothing, and returns the frames upon a recall, unused ones first.\n"
        "All pages are discardable, so that nobody waits for a write.",
    .rounds = 41,
};

#define FRAMES  512u
#define TASK    240u /* frames of the task */
#define FILLER  256u /* of the peer, to begin with */
#define FREE    (FRAMES - TASK - FILLER)
#define MOST    64u /* frames that are lacking */
#define SHARES  5u
#define HALF    (SHARES / 2) /* from which share on all that is lacking lies unused */
#define GAIN    0.8
#define NO_LOSS 1.3

/* One task's life. */
struct outcome {
    double ns;
    uint32_t recalls; /* messages that came */
    uint32_t taken;   /* frames, without one */
};

/* Give frames back. */
static void give_back(struct bench *bench, struct peer *peer, uint32_t container, uint32_t count)
{
    struct wire_message message = {.type = WIRE_DEALLOCATE};
    struct wire_message reply;

    message.deallocate.container = container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){FILLER, count};
    peer_ask(bench, peer, &message, WIRE_DONE, &reply);
}

static struct outcome measure(struct bench *bench, struct peer *peer, uint32_t container,
                              uint32_t lacking, uint32_t unused, uint32_t flags)
{
    struct sp_task *task = bench_attach(
        bench,
        (struct sp_attach_options){.contract = "extra=240", .policy = "fifo", .flags = flags});
    volatile unsigned char *memory = bench_region(
        bench, task, &(struct sp_region_options){.pages = TASK, .kind = SP_DISCARDABLE});
    struct outcome outcome;
    struct sp_stats stats;
    uint64_t start;

    do { /* until physmem has all frames of the one before */
        for (uint32_t i = 0; i < TASK; i++)
            memory[i * SP_PAGE_SIZE] = 1;
        sp_get_stats(task, &stats);
    } while (stats.held < TASK);
    if (unused > 0 && sp_discard(task, (void *)memory, unused) < 0)
        bench_fail(bench, "pages were not discarded");
    start = clock_now_ns();
    peer_allocate(bench, peer, container, FILLER, FREE + lacking, false);
    outcome.ns = (double)(clock_now_ns() - start);
    memory[TASK * SP_PAGE_SIZE - SP_PAGE_SIZE] = 2;
    memory[0] = 2; /* a fault: the task finds out what is gone */
    sp_get_stats(task, &stats);
    outcome.recalls = (uint32_t)stats.recalls_heard;
    outcome.taken = (uint32_t)stats.taken;
    give_back(bench, peer, container, FREE + lacking);
    sp_detach(&task);
    return outcome;
}

/* Frames that are lacking, and pages that were discarded. */
struct comparison {
    uint32_t lacking;
    uint32_t unused;
    struct bench_row *row;
    uint32_t recalls;
    uint32_t taken;
};

static void compare(struct bench *bench, struct peer *peer, uint32_t container,
                    struct comparison *c)
{
    struct outcome with = measure(bench, peer, container, c->lacking, c->unused, 0);
    struct outcome without =
        measure(bench, peer, container, c->lacking, c->unused, SP_ATTACH_NO_FRAME_STACK);

    if (without.recalls != 1 || without.taken != 0)
        bench_fail(bench, "a task without a frame stack got %u recalls", without.recalls);
    c->recalls += with.recalls;
    c->taken += with.taken;
    bench_round(bench, c->row, with.ns, without.ns);
}

int main(int argc, char **argv)
{
    static struct peer peer;
    struct comparison comparison[SHARES + 1];
    struct bench bench;
    uint32_t container;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, FRAMES);
    peer_open(&bench, &peer);
    container = peer_contract(&bench, &peer, FILLER + FREE + MOST, FILLER + FREE + MOST);
    peer_allocate(&bench, &peer, container, 0, FILLER, false);
    for (uint32_t i = 0; i <= SHARES; i++) {
        uint32_t percent = i < SHARES ? i * 100 / (SHARES - 1) : 100;
        struct comparison *c = &comparison[i];

        *c = (struct comparison){.lacking = i < SHARES ? MOST : 1, .unused = percent * TASK / 100};
        c->row = bench_row(&bench,
                           i == 0     ? NO_LOSS
                           : i < HALF ? BENCH_NO_LIMIT
                                      : GAIN,
                           "%2u frame%s, %3u %% discarded", c->lacking, c->lacking == 1 ? "" : "s",
                           percent);
    }
    for (unsigned round = 0; round < bench.rounds; round++)
        for (uint32_t i = 0; i <= SHARES; i++)
            compare(&bench, &peer, container, &comparison[i]);
    for (uint32_t i = 0; i <= SHARES; i++)
        bench_note(&bench, "%s: %.2f recalls each time, %.1f frames without a message",
                   comparison[i].row->name, (double)comparison[i].recalls / bench.rounds,
                   (double)comparison[i].taken / bench.rounds);
    bench_threads(&bench, "task and peer", 0);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    peer_close(&peer);
    return bench_finish(&bench);
}
