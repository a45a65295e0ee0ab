/* One great recall: many tasks hold extra frames, and then one asks for all of them at once, within
 * its guarantee. What is measured is how many passes of physmem's loop sent RECALLs, by physmem's own
 * count, and how long it took until every task had been asked, and had given. */
#include "selfpage/bench/cases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/bench/peer.h"
#include "selfpage/bench/stage.h"
#include "os/clock.h"

/* Most slots that one ALLOCATE may name. */
#define ALLOCATE_MOST 65536u

struct great {
    const struct bench_options *options;
    struct bench_peer *peer; /* the tasks, and behind them the one that asks */
    uint32_t *held;
    uint32_t frames; /* of physmem */
    struct wire_message message;
};

/* Extra frames are given only while more than one in 32 is free. */
static uint32_t frames_needed(const struct bench_options *options)
{
    return options->recall_frames + options->recall_frames / 31 + 64;
}

static int propose(struct great *great, struct bench_peer *peer, enum sp_contract_kind kind,
                   uint32_t frames, struct sp_error *error)
{
    struct wire_message *message = &great->message;
    int code;

    *message = (struct wire_message){.type = WIRE_PROPOSE};
    message->propose.kind = (uint8_t)kind;
    message->propose.min = message->propose.frames = frames;
    message->propose.term_ns = SP_FOREVER;
    message->propose.t_clean = message->propose.t_drop = great->options->grace_ns;
    code = caller_ask_for(&peer->request, message, WIRE_OFFER, message, NULL, error);
    if (code == 0 && message->offer.answer != SP_ACCEPTED)
        code = error_set(error, ENOMEM, "physmem did not accept a contract for %u frames", frames);
    return code;
}

static void allocate_set(struct wire_message *message, uint32_t container, uint32_t start,
                         uint32_t count, uint8_t flags)
{
    message->allocate.container = container;
    message->allocate.start = start;
    message->allocate.count = count;
    message->allocate.flags = flags;
    message->allocate.order = 0;
    message->allocate.ceiling = 0;
}

/* Each task gets its share of the frames, as extra ones. */
static int fill(struct great *great, const char *path, struct sp_error *error)
{
    uint32_t tasks = great->options->recall_tasks;
    uint32_t left = great->options->recall_frames;
    int code = 0;

    for (uint32_t i = 0; i < tasks && code == 0; i++) {
        struct bench_peer *peer = &great->peer[i];
        uint32_t share = left / (tasks - i);

        code = bench_peer_open(peer, path, share, &great->message, error);
        if (code == 0)
            code = propose(great, peer, SP_EXTRA, share, error);
        great->message.type = WIRE_ALLOCATE;
        great->message.error = 0;
        allocate_set(&great->message, peer->container, 0, share, WIRE_ALLOCATE_EXTRA);
        if (code == 0)
            code = caller_ask_for(&peer->request, &great->message, WIRE_ALLOCATED, &great->message,
                                  NULL, error);
        great->held[i] = share;
        left -= share;
    }
    if (code == 0)
        code = bench_peer_open(&great->peer[tasks], path, great->frames, &great->message, error);
    if (code == 0)
        code = propose(great, &great->peer[tasks], SP_GUARANTEED, great->frames, error);
    return code;
}

/* Ask for all existing frames, with one send. Returns the number of requests. */
static int ask(struct great *great, struct sp_error *error)
{
    struct bench_peer *peer = &great->peer[great->options->recall_tasks];
    struct wire_message *message = &great->message;
    static uint8_t bytes[65536];
    uint32_t start, count;
    size_t size = 0;
    int requests = 0;

    for (start = 0; start < great->frames; start += count) {
        count = great->frames - start < ALLOCATE_MOST ? great->frames - start : ALLOCATE_MOST;
        message->type = WIRE_ALLOCATE;
        message->seq = link_next_seq(&peer->request.link);
        message->error = 0;
        allocate_set(message, peer->container, start, count, 0);
        size += wire_encode(message, bytes + size, sizeof(bytes) - size);
        requests++;
    }
    if (caller_send_bytes(&peer->request, bytes, size, -1) != 0)
        return error_set(error, EPIPE, "physmem does not take requests any more");
    return requests;
}

/* Every task is told. */
static int hear(struct great *great, struct bench_recall *recall, struct sp_error *error)
{
    for (uint32_t i = 0; i < great->options->recall_tasks; i++) {
        uint32_t asked = 0;

        while (asked < great->held[i]) {
            if (caller_receive(&great->peer[i].control, &great->message, NULL) != 0)
                return error_set(error, EPIPE, "physmem sends no recall to one of the tasks");
            if (great->message.type != WIRE_RECALL)
                continue;
            asked += great->message.recall.frames;
            recall->messages++;
        }
        recall->frames += asked;
    }
    return 0;
}

/* Every task gives, and the requests are granted. */
static int give(struct great *great, int requests, struct sp_error *error)
{
    struct wire_message *message = &great->message;
    uint32_t tasks = great->options->recall_tasks;
    int code = 0;

    for (uint32_t i = 0; i < tasks && code == 0; i++) {
        message->type = WIRE_DEALLOCATE;
        message->seq = 0; /* no reply */
        message->error = 0;
        message->deallocate.container = great->peer[i].container;
        message->deallocate.ranges_count = 1;
        message->deallocate.ranges[0] = (struct wire_range){0, great->held[i]};
        if (caller_send(&great->peer[i].control, message, -1) != 0)
            code = error_set(error, EPIPE, "physmem does not take frames any more");
    }
    for (; requests > 0 && code == 0; requests--) {
        if (caller_receive(&great->peer[tasks].request, message, NULL) != 0)
            code = error_set(error, EPIPE, "physmem does not answer ALLOCATE");
        else if (message->error != 0)
            code = error_set(error, (int)message->error, "physmem refused what it guaranteed");
    }
    return code;
}

static int measure(struct great *great, struct stage *stage, struct bench_recall *recall,
                   struct sp_error *error)
{
    struct observed_physmem before, after;
    uint64_t start;
    int code = fill(great, stage->directory.physmem, error);
    int requests;

    if (code == 0)
        code = stage_look(stage, &before, error);
    if (code != 0)
        return code;
    start = clock_now_ns();
    requests = ask(great, error);
    code = requests < 0 ? requests : hear(great, recall, error);
    recall->sent_ns = clock_now_ns() - start;
    if (code == 0)
        code = stage_look(stage, &after, error);
    if (code == 0)
        code = give(great, requests, error);
    if (code != 0)
        return code;
    recall->all_ns = clock_now_ns() - start;
    recall->passes = after.recall_passes - before.recall_passes;
    recall->done = true;
    return 0;
}

int bench_recall_measure(const struct bench_options *options, const char *arbiter,
                         struct bench_recall *recall, struct sp_error *error)
{
    uint32_t tasks = options->recall_tasks;
    struct great *great = calloc(1, sizeof(*great));
    struct stage stage;
    int code = -ENOMEM;

    if (great == NULL)
        return error_set(error, ENOMEM, "out of memory");
    stage_init(&stage);
    great->options = options;
    great->frames = frames_needed(options);
    great->peer = calloc(tasks + 1, sizeof(*great->peer));
    great->held = calloc(tasks, sizeof(*great->held));
    for (uint32_t i = 0; i <= tasks && great->peer != NULL; i++)
        bench_peer_init(&great->peer[i]);
    if (great->peer == NULL || great->held == NULL)
        error_set(error, ENOMEM, "out of memory");
    else
        code = stage_start(&stage, options, great->frames, arbiter, error);
    recall->tasks = tasks;
    if (code == 0)
        code = measure(great, &stage, recall, error);
    for (uint32_t i = 0; i <= tasks && great->peer != NULL; i++)
        bench_peer_close(&great->peer[i]);
    stage_end(&stage);
    free(great->peer);
    free(great->held);
    free(great);
    return code;
}
