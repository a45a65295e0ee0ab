/* How a task of the benchmark takes what physmem says. */
#include "selfpage/bench/load.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/clock.h"

/* How long before the deadline slow tasks answer, at most: this process may be held up. */
#define EARLY_MOST_NS (100 * CLOCK_NS_PER_MS)

void bench_task_open(struct bench_task *task)
{
    task->state = BENCH_OPENING;
    task->contracts = 0;
    task->tail = task->head = 0;
    task->owed = 0;
    task->paying = 0;
    task->recalled_ns = 0;
    task->mapping = false;
    task->unmet = 0;
    task->unmappeds = 0;
    shared_close(&task->stack);
    bench_link_open(&task->request, task, WIRE_ROLE_TASK);
}

/* ---- Giving back ---- */

/* Give back what is owed, as far as it has come: the reply to an ALLOCATE may be under way. */
static void pay(struct bench_task *task)
{
    uint32_t held = bench_task_held(task);
    uint32_t count = task->owed < held ? task->owed : held;

    if (task->temper == BENCH_SILENT)
        return;
    if (count > 0) {
        task->owed -= count;
        task->paying++;
        bench_ask_deallocate(task, &task->control, count);
    }
    /* Frames that went back while the recall was under way have paid for it. */
    if (task->owed > 0 && !(task->busy && task->kind == BENCH_ALLOCATE))
        task->owed = 0;
    if (task->owed == 0 && task->paying == 0)
        task->recalled_ns = 0;
}

static void on_recall(struct bench_task *task, const struct wire_message *message)
{
    uint64_t now = clock_now_ns();
    uint32_t slot;

    task->owed += message->recall.frames;
    task->load->result->slow_recalls +=
        task->temper == BENCH_SLOW && bench_meter_is_on(task->load, now);
    if (task->recalled_ns == 0) {
        task->recalled_ns = now;
        task->recalls = 0;
    }
    /* The first one stays; the others lie there in turns. */
    slot = task->recalls < BENCH_RECALLS ? task->recalls : 1 + task->recalls % (BENCH_RECALLS - 1);
    task->deadline_ns[slot] = now + message->recall.grace;
    task->recalls++;
    if (task->temper == BENCH_PROMPT)
        pay(task);
}

void bench_task_look(struct bench_task *task, uint64_t now)
{
    const struct bench_options *options = task->load->options;
    uint64_t early = options->grace_ns / 4;

    if (early > EARLY_MOST_NS)
        early = EARLY_MOST_NS;
    if (options->slow_after_ns > 0 && options->slow_after_ns < options->grace_ns)
        early = options->grace_ns - options->slow_after_ns;
    if (task->state == BENCH_READY && task->owed > 0 &&
        (task->temper == BENCH_PROMPT || now + early >= task->deadline_ns[0]))
        pay(task);
}

static void on_paid(struct bench_task *task)
{
    if (task->paying > 0)
        task->paying--;
    if (task->paying > 0 || task->owed > 0 || task->recalled_ns == 0)
        return;
    bench_meter_record(task->load, &task->load->result->recall, clock_now_ns() - task->recalled_ns);
    task->recalled_ns = 0;
}

/* ---- Replies ---- */

static void contract_remove(struct bench_task *task, uint32_t number)
{
    for (uint32_t i = 0; i < task->contracts; i++) {
        if (task->contract[i].number == number) {
            task->contract[i] = task->contract[--task->contracts];
            return;
        }
    }
}

/* What was agreed on, of a new contract or of one that was resized. */
static void contract_set(struct bench_task *task, const struct wire_message *message)
{
    uint32_t i = 0;

    while (i < task->contracts && task->contract[i].number != message->offer.contract)
        i++;
    if (i == BENCH_CONTRACTS)
        return;
    task->contracts += i == task->contracts;
    task->contract[i] = (struct bench_contract){message->offer.contract, message->offer.frames,
                                                message->offer.kind, message->offer.order};
}

/* An offer in answer to PROPOSE, RESIZE or ACCEPT. Returns true if the task should accept it. */
static bool on_offer(struct bench_task *task, const struct wire_message *message)
{
    task->unmet = task->proposed;
    if (message->error != 0 || message->offer.answer == SP_REFUSED)
        return false;
    if (message->offer.answer == SP_COUNTERED) {
        task->subject = message->offer.contract;
        return true;
    }
    task->unmet -= message->offer.frames < task->unmet ? message->offer.frames : task->unmet;
    contract_set(task, message);
    return false;
}

static void on_mapped(struct bench_task *task, const struct wire_message *message)
{
    task->mapping = false;
    if (message->type == WIRE_MAPPED)
        bench_map_items(task, message);
    task->busy = false;
    bench_pool_idle(task);
}

/* Silent tasks map what they have; so do all, where it matters which of them use it. */
static bool maps(const struct bench_task *task)
{
    return task->temper == BENCH_SILENT || task->load->options->idle > 0;
}

static void on_reply(struct bench_task *task, const struct wire_message *message)
{
    bool accept = false;

    if (task->mapping) {
        on_mapped(task, message);
        return;
    }
    bench_pool_done(task, message->error);
    if (message->type == WIRE_OFFER && task->kind != BENCH_RENEW)
        accept = on_offer(task, message);
    else if (message->type == WIRE_ALLOCATED)
        task->head += message->allocated.count;
    else if (task->kind == BENCH_RELEASE || (task->kind == BENCH_RENEW && message->error == ENOENT))
        contract_remove(task, task->subject);
    if (maps(task) && message->type == WIRE_ALLOCATED && message->allocated.count > 0) {
        bench_ask_map(task, message->allocated.count);
        return;
    }
    task->busy = false;
    if (task->owed > 0 && task->temper == BENCH_PROMPT)
        pay(task);
    if (accept)
        bench_ask_kind(task, BENCH_ACCEPT, clock_now_ns());
    else
        bench_pool_idle(task);
}

/* A task has its first contract. One whose demand changes has a second, and then states its demand. */
static void opened_contract(struct bench_task *task)
{
    struct wire_message *message;

    if (task->load->options->demand.kind == DEMAND_NONE) {
        task->state = BENCH_READY;
        bench_pool_ready(task);
    } else if (task->contracts == 1) {
        bench_ask_propose(task);
    } else {
        message = bench_link_message(task, WIRE_STACK_OPEN);
        message->stack_open.container = task->container;
        message->stack_open.places = 1;
        bench_link_send(&task->request);
    }
}

/* Replies while the task connects: WELCOME, WELCOME, CONTAINER, OFFER, and, if its demand changes, OFFER
 * and DONE. */
static void on_opening(struct bench_task *task, bool control, const struct wire_message *message)
{
    struct wire_message *next;

    if (message->error != 0) {
        bench_meter_fail(task->load, "task %u was refused: %s", task->index,
                         message->type == WIRE_DONE ? message->done.text
                                                    : strerror((int)message->error));
    } else if (message->type == WIRE_WELCOME && !control) {
        task->id = message->welcome.id;
        task->key = message->welcome.key;
        bench_link_open(&task->control, task, WIRE_ROLE_CONTROL);
    } else if (message->type == WIRE_WELCOME) {
        next = bench_link_message(task, WIRE_CONTAINER_CREATE);
        next->container_create.slots = task->load->slots;
        bench_link_send(&task->request);
    } else if (message->type == WIRE_CONTAINER) {
        task->container = message->container.container;
        bench_ask_propose(task);
    } else if (message->type == WIRE_OFFER) {
        on_offer(task, message);
        opened_contract(task);
    } else if (message->type == WIRE_DONE) {
        task->state = BENCH_READY;
        bench_pool_ready(task);
    }
}

/* ---- Revocation ---- */

static void on_revoked(struct bench_task *task)
{
    struct wire_message *message;

    if (task->state != BENCH_READY)
        return;
    if (task->temper == BENCH_SILENT)
        task->load->result->revoked += bench_meter_is_on(task->load, clock_now_ns());
    else
        task->load->result->revoked_compliant++;
    task->state = BENCH_REVOKED;
    bench_pool_lost(task);
    /* Physmem handles it when all of the revocation is done. */
    message = bench_link_message(task, WIRE_RENEW);
    message->renew.contract = 0;
    message->renew.term_ns = BENCH_TERM_NS;
    bench_link_send(&task->request);
}

/* The deadline that was missed: the last that is over, since physmem forgives a recall when the
 * contracts come to allow for the frames. 0: none. */
static uint64_t missed_deadline(const struct bench_task *task, uint64_t now)
{
    uint32_t count = task->recalls < BENCH_RECALLS ? task->recalls : BENCH_RECALLS;
    uint64_t missed = 0;

    for (uint32_t i = 0; i < count && task->recalled_ns != 0; i++)
        if (task->deadline_ns[i] <= now && task->deadline_ns[i] > missed)
            missed = task->deadline_ns[i];
    return missed;
}

/* Frames are reusable: come back as a new task. */
static void on_reusable(struct bench_task *task)
{
    uint64_t now = clock_now_ns();
    uint64_t missed = missed_deadline(task, now);

    if (missed != 0)
        bench_meter_record(task->load, &task->load->result->reuse, now - missed);
    bench_link_close(&task->control);
    bench_link_close(&task->request);
    bench_map_fini(task);
    bench_task_open(task);
}

/* ---- Messages ---- */

static void on_unmap(struct bench_task *task, uint64_t id, const struct wire_range *range)
{
    struct wire_message *message = bench_link_message(task, WIRE_UNMAPPED);

    message->seq = 0;
    if (maps(task) && task->temper != BENCH_SILENT)
        for (uint32_t i = 0; i < range->count && task->unmappeds < BENCH_UNMAPPED; i++)
            task->unmapped[task->unmappeds++] = range->start + i;
    message->unmapped.id = id;
    message->unmapped.referenced = 0;
    message->unmapped.dirty = 0;
    bench_link_send(&task->control);
}

static void on_control(struct bench_task *task, const struct wire_message *message)
{
    switch (message->type) {
    case WIRE_RECALL:
        on_recall(task, message);
        break;
    case WIRE_UNMAP:
        on_unmap(task, message->unmap.id, &message->unmap.ranges[0]);
        break;
    case WIRE_REVOKED:
        on_revoked(task);
        break;
    case WIRE_DONE:
        on_paid(task);
        break;
    default: /* notices: terms are renewed at random, and nobody waits for extra frames */
        break;
    }
}

/* Answers to RECALL_TASK come in the order of the requests. */
static void on_observer(struct bench_load *load, const struct wire_message *message)
{
    struct bench_task *task;

    if (message->type != WIRE_DONE || load->asking_count == 0)
        return;
    task = load->asking[load->asking_first];
    load->asking_first = (load->asking_first + 1) % load->options->tasks;
    load->asking_count--;
    if (!task->busy || task->kind != BENCH_RECALL || task->state != BENCH_READY)
        return; /* was revoked meanwhile */
    bench_pool_done(task, message->error);
    task->busy = false;
    bench_pool_idle(task);
}

/* An extent, which only silent tasks map, or the frame stack. */
static void take_descriptor(struct bench_task *task, const struct wire_message *message,
                            int consume_fd)
{
    if (message->type == WIRE_STACK) {
        if (shared_open(&task->stack, consume_fd, NULL) != 0)
            bench_meter_fail(task->load, "a frame stack cannot be mapped");
    } else if (task->temper == BENCH_SILENT) {
        bench_map_extent(task, message->extent.extent, consume_fd);
    } else if (consume_fd >= 0) {
        close(consume_fd);
    }
}

void bench_task_receive(struct bench_link *link, const struct wire_message *message, int consume_fd)
{
    struct bench_task *task = link->task;
    bool control = link->role == WIRE_ROLE_CONTROL;

    if (message->type == WIRE_EXTENT || message->type == WIRE_STACK) {
        take_descriptor(task, message, consume_fd);
        return;
    }
    if (consume_fd >= 0) /* nothing else that a task here asks for brings one */
        close(consume_fd);
    if (link->role == WIRE_ROLE_OBSERVER) {
        on_observer(task->load, message);
    } else if (task->state == BENCH_OPENING) {
        on_opening(task, control, message);
    } else if (control) {
        on_control(task, message);
    } else if (task->state == BENCH_REVOKED && message->seq == task->seq) {
        on_reusable(task);
    } else if (task->state == BENCH_READY && task->busy) {
        on_reply(task, message);
    }
}

void bench_task_ended(struct bench_link *link)
{
    static const char *const names[] = {"request", "control", "observer's"};
    struct bench_task *task = link->task;

    if (link->role == WIRE_ROLE_CONTROL && task->state == BENCH_REVOKED)
        bench_link_close(&task->control);
    else
        bench_meter_fail(task->load, "physmem has ended the %s connection of task %u",
                         names[link->role], task->index);
}
