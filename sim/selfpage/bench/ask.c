/* What a task of the benchmark asks for. */
#include "selfpage/bench/load.h"

#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "shm/frame_stack.h"

/* Most slots in one ALLOCATE: as many as a contract has on average, or these, so that tasks come to
 * hold what they wish for. */
#define ALLOCATE_MOST 8u

/* Most frames that one RECALL_TASK asks for. */
#define RECALL_MOST 8u

/* Sizes of a batch, as a pager has them. */
#define BATCH_LEAST 8u
#define BATCH_MOST  64u

/* Frames of its contracts. */
static uint32_t wish_of(const struct bench_task *task)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < task->contracts; i++)
        sum += task->contract[i].frames;
    return sum;
}

/* Among all tasks. */
static uint32_t number_of(const struct bench_task *task)
{
    return task->load->options->first + task->index;
}

/* Whether it is one of the tasks that use nothing. */
static bool is_idle(const struct bench_task *task)
{
    return number_of(task) >= task->load->options->all - task->load->options->idle;
}

/* Frames that the task wants to hold now. One that uses nothing wants to hold the mean. */
static uint32_t goal_of(struct bench_task *task)
{
    const struct bench_load *load = task->load;
    uint32_t goal;

    if (is_idle(task))
        return (uint32_t)load->options->demand.mean;
    goal = demand_at(&load->options->demand, &task->course, number_of(task),
                     clock_now_ns() - load->begun_ns);
    return goal < load->options->frames ? goal : load->options->frames;
}

uint32_t bench_ask_demand(struct bench_task *task)
{
    if (is_idle(task))
        return 0;
    if (task->load->options->demand.kind == DEMAND_NONE)
        return wish_of(task) + task->unmet;
    return goal_of(task);
}

void bench_ask_deallocate(struct bench_task *task, struct bench_link *link, uint32_t count)
{
    struct wire_message *message = bench_link_message(task, WIRE_DEALLOCATE);
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

static void ask_map(struct bench_task *task, uint32_t start, uint32_t count)
{
    struct wire_message *message = bench_link_message(task, WIRE_MAP);

    task->mapping = true;
    message->map.container = task->container;
    message->map.start = start;
    message->map.count = count;
    message->map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    bench_link_send(&task->request);
}

void bench_ask_map(struct bench_task *task, uint32_t count)
{
    ask_map(task, (uint32_t)((task->head - count) % task->load->slots), count);
}

static uint8_t draw_kind(struct bench_load *load)
{
    const unsigned *shares = load->options->kinds;
    uint32_t at = random_below(&load->random, load->kinds);
    uint8_t kind = 0;

    for (; at >= shares[kind]; kind++)
        at -= shares[kind];
    return kind;
}

/* A task whose demand changes has two contracts, for as long as it is there: a quarter of an equal
 * share is guaranteed, and it may have all there is beyond. */
static void set_standing(struct bench_task *task, struct wire_message *message)
{
    const struct bench_options *options = task->load->options;
    uint32_t guaranteed = options->frames / options->all / 4;

    message->propose.order = 0;
    message->propose.kind = task->contracts == 0 ? SP_GUARANTEED : SP_EXTRA;
    message->propose.min = 1;
    message->propose.frames = task->contracts == 0 && guaranteed > 0 ? guaranteed : 1;
    if (message->propose.kind == SP_EXTRA)
        message->propose.frames = options->frames;
    task->proposed = message->propose.frames;
}

void bench_ask_propose(struct bench_task *task)
{
    struct bench_load *load = task->load;
    struct wire_message *message = bench_link_message(task, WIRE_PROPOSE);
    uint32_t frames = 1 + random_below(&load->random, 2 * load->mean - 1);
    uint32_t order = random_below(&load->random, load->options->order + 1);

    while ((frames >> order) == 0)
        order--;
    frames = frames >> order << order;
    memset(&message->propose, 0, sizeof(message->propose));
    message->propose.kind = draw_kind(load);
    message->propose.order = (uint8_t)order;
    message->propose.frames = task->proposed = frames;
    message->propose.min = ((frames >> order) + 3) / 4 << order;
    message->propose.weight = bench_value(&load->options->weights, number_of(task), 0);
    message->propose.bid = bench_value(&load->options->bids, number_of(task), 0);
    if (load->options->demand.kind != DEMAND_NONE)
        set_standing(task, message);
    message->propose.term_ns = BENCH_TERM_NS;
    message->propose.t_clean = message->propose.t_drop =
        task->temper == BENCH_SILENT ? load->options->silent_grace_ns : load->options->grace_ns;
    bench_link_send(&task->request);
}

static void ask_allocate(struct bench_task *task)
{
    struct bench_load *load = task->load;
    uint32_t held = bench_task_held(task);
    uint32_t wish = wish_of(task);
    uint32_t most = load->mean > ALLOCATE_MOST ? load->mean : ALLOCATE_MOST;
    uint32_t count = 1 + random_below(&load->random, most);
    uint32_t start = (uint32_t)(task->head % load->slots);
    uint32_t order = random_below(&load->random, load->options->order + 1);
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
    while ((count >> order) == 0)
        order--;
    count = count >> order << order;
    message = bench_link_message(task, WIRE_ALLOCATE);
    message->allocate.container = task->container;
    message->allocate.start = start;
    message->allocate.count = count;
    message->allocate.flags = WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL;
    message->allocate.ceiling = 0;
    message->allocate.order = (uint8_t)order;
    bench_link_send(&task->request);
}

static void ask_renew(struct bench_task *task)
{
    struct wire_message *message = bench_link_message(task, WIRE_RENEW);

    message->renew.contract = task->subject;
    message->renew.term_ns = BENCH_TERM_NS;
    bench_link_send(&task->request);
}

/* Come nearer to what the task wants to hold, as a pager does: batch by batch, stating how many frames
 * it would use. Pages that physmem has unmapped to see whether they are used, are, unless the task is
 * idle. */
static void ask_for_demand(struct bench_task *task)
{
    uint32_t held = bench_task_held(task);
    uint32_t goal = goal_of(task);
    uint32_t batch = held / 4 < BATCH_LEAST ? BATCH_LEAST : held / 4;
    uint32_t start = (uint32_t)(task->head % task->load->slots);
    struct wire_message *message;

    batch = batch > BATCH_MOST ? BATCH_MOST : batch;
    if (task->stack.memory != NULL)
        atomic_store_explicit(&((struct frame_stack *)task->stack.memory)->demand, goal,
                              memory_order_relaxed);
    if (task->unmappeds > 0 && !is_idle(task)) {
        ask_map(task, task->unmapped[--task->unmappeds], 1);
        return;
    }
    if (held > goal) {
        task->kind = BENCH_DEALLOCATE;
        bench_ask_deallocate(task, &task->request, held - goal);
        return;
    }
    if (held == goal) {
        task->kind = BENCH_RENEW;
        task->subject = task->contract[0].number;
        ask_renew(task);
        return;
    }
    batch = batch > goal - held ? goal - held : batch;
    message = bench_link_message(task, WIRE_ALLOCATE);
    message->allocate.container = task->container;
    message->allocate.start = start;
    message->allocate.count = batch > task->load->slots - start ? task->load->slots - start : batch;
    message->allocate.flags = WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL;
    message->allocate.ceiling = 0;
    message->allocate.order = 0;
    bench_link_send(&task->request);
}

/* Grow or shrink a contract. */
static void ask_resize(struct bench_task *task)
{
    struct bench_load *load = task->load;
    struct wire_message *message = bench_link_message(task, WIRE_RESIZE);
    uint32_t frames = 1 + random_below(&load->random, 2 * load->mean - 1);
    uint32_t order = 0;

    for (uint32_t i = 0; i < task->contracts; i++)
        if (task->contract[i].number == task->subject)
            order = task->contract[i].order;
    if ((frames >> order) == 0)
        frames = 1u << order;
    message->resize.contract = task->subject;
    message->resize.frames = task->proposed = frames >> order << order;
    bench_link_send(&task->request);
}

/* Have some task return frames, as an administrator would. */
static void ask_recall(struct bench_task *task)
{
    struct bench_load *load = task->load;
    uint32_t last = load->asking_first + load->asking_count++;
    struct wire_message *message = bench_link_message(&load->observer, WIRE_RECALL_TASK);

    load->asking[last % load->options->tasks] = task;
    message->recall_task.frames = 1 + random_below(&load->random, RECALL_MOST);
    memset(message->recall_task.name, 0, sizeof(message->recall_task.name));
    snprintf(message->recall_task.name, sizeof(message->recall_task.name), "bench%u",
             random_below(&load->random, load->options->all));
    bench_link_send(&load->observer.request);
}

/* 0, which is the number of no contract, if it has none. */
static uint32_t any_contract(struct bench_task *task)
{
    if (task->contracts == 0)
        return 0;
    return task->contract[random_below(&task->load->random, task->contracts)].number;
}

void bench_ask_kind(struct bench_task *task, enum bench_kind kind, uint64_t intended_ns)
{
    struct wire_message *message;

    if (task->temper == BENCH_SILENT && task->recalled_ns != 0)
        kind = BENCH_RENEW; /* gives nothing back, by whatever way */
    else if (task->contracts == 0 && kind != BENCH_ACCEPT)
        kind = BENCH_PROPOSE;
    else if (kind == BENCH_PROPOSE && task->contracts == BENCH_CONTRACTS)
        kind = BENCH_RELEASE;
    if (kind == BENCH_RECALL && task->load->asking_count == task->load->options->tasks)
        kind = BENCH_RENEW;
    task->busy = true;
    task->kind = (uint8_t)kind;
    task->intended_ns = intended_ns;
    if (kind == BENCH_RENEW || kind == BENCH_RELEASE || kind == BENCH_RESIZE)
        task->subject = any_contract(task);
    switch (kind) {
    case BENCH_PROPOSE:
        bench_ask_propose(task);
        break;
    case BENCH_ACCEPT:
        message = bench_link_message(task, WIRE_ACCEPT);
        message->accept.contract = task->subject;
        bench_link_send(&task->request);
        break;
    case BENCH_RENEW:
        ask_renew(task);
        break;
    case BENCH_RESIZE:
        ask_resize(task);
        break;
    case BENCH_RECALL:
        ask_recall(task);
        break;
    case BENCH_RELEASE:
        message = bench_link_message(task, WIRE_CLOSE);
        message->close.contract = task->subject;
        bench_link_send(&task->request);
        break;
    default:
        if (task->load->options->demand.kind != DEMAND_NONE)
            ask_for_demand(task);
        else
            ask_allocate(task);
        break;
    }
}
