/* What a task of the benchmark asks for. */
#include "bench_load.h"

#include <string.h>

/* Most slots in one ALLOCATE. */
#define ALLOCATE_MOST 8u

uint32_t bench_task_wish(const struct bench_task *task, bool guaranteed_only)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < task->contracts; i++)
        if (task->contract[i].guaranteed || !guaranteed_only)
            sum += task->contract[i].frames;
    return sum;
}

void bench_ask_deallocate(struct bench_task *task, struct bench_link *link, uint32_t count)
{
    struct wire_message *message = bench_message(task, WIRE_DEALLOCATE);
    uint32_t slots = task->load->slots;
    uint32_t start = (uint32_t)(task->tail % slots);
    uint32_t first = count < slots - start ? count : slots - start;

    message->deallocate.container = task->container;
    message->deallocate.ranges_count = 1;
    message->deallocate.ranges[0] = (struct wire_range){start, first};
    if (count > first)
        message->deallocate.ranges[message->deallocate.ranges_count++] =
            (struct wire_range){0, count - first};
    task->tail += count;
    bench_link_send(link);
}

void bench_ask_map(struct bench_task *task, uint32_t count)
{
    struct wire_message *message = bench_message(task, WIRE_MAP);

    task->mapping = true;
    message->map.container = task->container;
    message->map.start = (uint32_t)((task->head - count) % task->load->slots);
    message->map.count = count;
    message->map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    bench_link_send(&task->request);
}

void bench_ask_propose(struct bench_task *task)
{
    struct bench_load *load = task->load;
    struct wire_message *message = bench_message(task, WIRE_PROPOSE);

    memset(&message->propose, 0, sizeof(message->propose));
    message->propose.kind = SP_GUARANTEED;
    if (task->contracts > 0 && random_below(&load->random, 4) == 0)
        message->propose.kind = SP_EXTRA;
    message->propose.frames = 1 + random_below(&load->random, 2 * load->mean - 1);
    message->propose.min = (message->propose.frames + 3) / 4;
    message->propose.term_ns = BENCH_TERM_NS;
    message->propose.t_clean = load->options->grace_ns;
    message->propose.t_drop = load->options->grace_ns;
    bench_link_send(&task->request);
}

static void ask_allocate(struct bench_task *task)
{
    struct bench_load *load = task->load;
    uint32_t held = bench_task_held(task);
    uint32_t wish = bench_task_wish(task, false);
    uint32_t count = 1 + random_below(&load->random, ALLOCATE_MOST);
    uint32_t start = (uint32_t)(task->head % load->slots);
    struct wire_message *message;

    if (held >= wish) {
        task->kind = BENCH_DEALLOCATE;
        bench_ask_deallocate(task, &task->request, (held + 1) / 2);
        return;
    }
    if (count > wish - held)
        count = wish - held;
    if (count > load->slots - start)
        count = load->slots - start;
    message = bench_message(task, WIRE_ALLOCATE);
    message->allocate.container = task->container;
    message->allocate.start = start;
    message->allocate.count = count;
    message->allocate.flags = WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL;
    message->allocate.order = 0;
    bench_link_send(&task->request);
}

/* 0, which is no contract's, if it has none. */
static uint32_t any_contract(struct bench_task *task)
{
    if (task->contracts == 0)
        return 0;
    return task->contract[random_below(&task->load->random, task->contracts)].number;
}

void bench_task_ask(struct bench_task *task, enum bench_kind kind, uint64_t intended_ns)
{
    struct wire_message *message;

    if (task->temper == BENCH_SILENT && task->recalled_ns != 0)
        kind = BENCH_RENEW; /* gives nothing back, by whatever way */
    else if (task->contracts == 0 && kind != BENCH_ACCEPT)
        kind = BENCH_PROPOSE;
    else if (kind == BENCH_PROPOSE && task->contracts == BENCH_CONTRACTS)
        kind = BENCH_RELEASE;
    task->busy = true;
    task->kind = (uint8_t)kind;
    task->intended_ns = intended_ns;
    if (kind == BENCH_RENEW || kind == BENCH_RELEASE)
        task->subject = any_contract(task);
    switch (kind) {
    case BENCH_PROPOSE:
        bench_ask_propose(task);
        break;
    case BENCH_ACCEPT:
        message = bench_message(task, WIRE_ACCEPT);
        message->accept.contract = task->subject;
        bench_link_send(&task->request);
        break;
    case BENCH_RENEW:
        message = bench_message(task, WIRE_RENEW);
        message->renew.contract = task->subject;
        message->renew.term_ns = BENCH_TERM_NS;
        bench_link_send(&task->request);
        break;
    case BENCH_RELEASE:
        message = bench_message(task, WIRE_CLOSE);
        message->close.contract = task->subject;
        bench_link_send(&task->request);
        break;
    default:
        ask_allocate(task);
        break;
    }
}
