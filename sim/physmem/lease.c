#include "lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/heap.h"

_Static_assert(offsetof(struct leases, lessee) == 0, "a lessee is that of its leases");
_Static_assert(WIRE_ALLOCATE_EXTRA == 4u, "asked for as by any task");

/* A question above. */
struct asked {
    struct upstream_ask ask; /* first */
    struct leases *leases;
    uint32_t number;
    enum lessee_question_kind kind;
};

static struct leases *leases_of(const struct lease *lease)
{
    return (struct leases *)lease->book; /* the first member of a lessee */
}

/* ---- Questions ---- */

/* The message that asks this. */
static struct wire_message message_of(const struct lessee_question *question)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE};

    switch (question->kind) {
    case LESSEE_CREATE:
        message.container_create.slots = question->count;
        break;
    case LESSEE_EXCHANGE:
        message.type = WIRE_EXCHANGE;
        message.exchange.from = question->container;
        message.exchange.to = question->to;
        message.exchange.from_start = question->start;
        message.exchange.to_start = question->to_start;
        message.exchange.count = question->count;
        break;
    case LESSEE_DEALLOCATE:
        message.type = WIRE_DEALLOCATE;
        message.deallocate.container = question->container;
        message.deallocate.ranges_count = 1;
        message.deallocate.ranges[0] = (struct wire_range){question->start, question->count};
        break;
    case LESSEE_ALLOCATE:
        message.type = WIRE_ALLOCATE;
        message.allocate.container = question->container;
        message.allocate.start = question->start;
        message.allocate.count = question->count;
        message.allocate.flags = question->extra ? WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL : 0;
        break;
    case LESSEE_MAP:
        message.type = WIRE_MAP;
        message.map.container = question->container;
        message.map.start = question->start;
        message.map.count = question->count;
        message.map.rights = WIRE_ACCESS_BOTH;
        break;
    case LESSEE_DESTROY:
        message.type = WIRE_CONTAINER_DESTROY;
        message.container_destroy.container = question->container;
        break;
    }
    return message;
}

static void answered(struct upstream_ask *ask, const struct wire_message *reply);

static void ask(struct leases *leases, const struct lessee_question *question)
{
    struct wire_message message = message_of(question);
    struct asked *asked = calloc(1, sizeof(*asked));

    if (asked == NULL) {
        lessee_fail(&leases->lessee, "there is no memory for a question");
        return;
    }
    asked->ask.answered = answered;
    asked->leases = leases;
    asked->number = question->number;
    asked->kind = question->kind;
    upstream_ask(leases->upstream, &message, &asked->ask);
}

/* Do what the machine wants done. Handlers may have it want more. */
static void carry_out(struct leases *leases)
{
    const struct lease_handlers *handlers = &leases->handlers;
    struct lessee_effect effect;

    while (lessee_next_effect(&leases->lessee, &effect))
        switch (effect.kind) {
        case LESSEE_NOTHING:
            break;
        case LESSEE_QUESTION:
            ask(leases, &effect.question);
            break;
        case LESSEE_READY:
            handlers->on_ready(effect.owner);
            break;
        case LESSEE_REFUSED:
            handlers->on_refused(effect.owner);
            break;
        case LESSEE_GRANTED:
            handlers->on_granted(leases->context, effect.frames);
            break;
        case LESSEE_TAKEN:
            handlers->on_taken(leases->context, effect.frames);
            break;
        case LESSEE_UNNEEDED:
            close(effect.fd);
            break;
        case LESSEE_FAILED:
            handlers->on_failed(leases->context, effect.what);
            break;
        }
}

/* ---- Answers ---- */

/* The descriptor of this extent that has come. */
static int take_arrival(struct leases *leases, uint32_t extent)
{
    for (struct lease_arrival **link = &leases->arrivals; *link != NULL; link = &(*link)->next) {
        struct lease_arrival *arrival = *link;
        int fd = arrival->fd;

        if (arrival->extent != extent)
            continue;
        *link = arrival->next;
        free(arrival);
        return fd;
    }
    return -1;
}

static uint32_t take_runs(const struct wire_message *mapped, struct lessee_run run[WIRE_MAPS])
{
    for (uint16_t i = 0; i < mapped->mapped.items_count; i++)
        run[i] = (struct lessee_run){mapped->mapped.items[i].slot, mapped->mapped.items[i].count};
    return mapped->mapped.items_count;
}

/* What a reply says of a question of this kind; `run` is room for its runs. */
static struct lessee_answer answer_of(struct leases *leases, enum lessee_question_kind kind,
                                      const struct wire_message *reply,
                                      struct lessee_run run[WIRE_MAPS])
{
    struct lessee_answer answer = {.error = reply->error, .run = run, .fd = -1};

    if (reply->error != 0)
        return answer;
    if (kind == LESSEE_CREATE && reply->type == WIRE_CONTAINER)
        answer.container = reply->container.container;
    else if (kind == LESSEE_ALLOCATE && reply->type == WIRE_ALLOCATED)
        answer.count = reply->allocated.count;
    else if (kind == LESSEE_DESTROY && reply->type == WIRE_DONE)
        answer.count = reply->done.count;
    else if (kind == LESSEE_MAP && reply->type == WIRE_MAPPED)
        answer.runs = take_runs(reply, run);
    if (answer.runs > 0)
        answer.fd = take_arrival(leases, reply->mapped.items[0].extent);
    return answer;
}

static void answered(struct upstream_ask *ask, const struct wire_message *reply)
{
    const struct asked asked = *(struct asked *)ask;
    struct lessee_run run[WIRE_MAPS];
    struct lessee_answer answer;

    free(ask);
    if (reply == NULL)
        return;
    answer = answer_of(asked.leases, asked.kind, reply, run);
    lessee_answered(&asked.leases->lessee, asked.number, &answer);
    carry_out(asked.leases);
}

/* ---- From the first to the last ---- */

int lease_init(struct leases *leases, struct upstream *upstream, uint32_t frames,
               uint32_t container, uint32_t held)
{
    *leases = (struct leases){.upstream = upstream};
    return lessee_init(&leases->lessee, &heap_allocator, frames, container, held);
}

void lease_fini(struct leases *leases)
{
    struct lease_arrival *arrival;

    while ((arrival = leases->arrivals) != NULL) {
        leases->arrivals = arrival->next;
        close(arrival->fd);
        free(arrival);
    }
    for (struct lease *lease = leases->lessee.book.first; lease != NULL; lease = lease->next)
        if (lease->owner == NULL && lease->fd >= 0)
            close(lease->fd);
    lessee_fini(&leases->lessee);
}

void lease_start(struct leases *leases, const struct lease_handlers *handlers, void *context)
{
    leases->handlers = *handlers;
    leases->context = context;
    lessee_start(&leases->lessee);
    carry_out(leases);
}

/* ---- What the core wants ---- */

void lease_ask(struct leases *leases, uint32_t frames, bool extra)
{
    lessee_ask(&leases->lessee, frames, extra);
    carry_out(leases);
}

void lease_return(struct leases *leases, uint32_t frames)
{
    lessee_return(&leases->lessee, frames);
    carry_out(leases);
}

struct lease *lease_new(struct leases *leases, void *owner, uint32_t pages)
{
    return lessee_new(&leases->lessee, owner, pages);
}

void lease_use(struct lease *lease, uint32_t first, uint32_t count)
{
    lessee_use(lease, first, count);
    carry_out(leases_of(lease));
}

bool lease_is_ready(const struct lease *lease)
{
    return lessee_is_ready(lease);
}

void lease_soil(struct lease *lease, uint32_t first, uint32_t count)
{
    lessee_soil(lease, first, count);
    carry_out(leases_of(lease));
}

void lease_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS])
{
    lessee_clean(lease, dirty);
    carry_out(leases_of(lease));
}

void lease_end(struct lease *lease)
{
    struct leases *leases = leases_of(lease);

    lessee_end(lease);
    carry_out(leases);
}

/* ---- What the physmem above says ---- */

void lease_extent_came(struct leases *leases, uint32_t extent, int consume_fd)
{
    struct lease_arrival *arrival = malloc(sizeof(*arrival));

    if (arrival == NULL) {
        close(consume_fd);
        lessee_fail(&leases->lessee, "there is no memory for a descriptor");
        carry_out(leases);
        return;
    }
    *arrival = (struct lease_arrival){leases->arrivals, extent, consume_fd};
    leases->arrivals = arrival;
}

void *lease_unmapped(struct leases *leases, const struct wire_message *message)
{
    struct lessee_run run[WIRE_RANGES];

    for (uint16_t i = 0; i < message->unmap.ranges_count; i++)
        run[i] =
            (struct lessee_run){message->unmap.ranges[i].start, message->unmap.ranges[i].count};
    return lessee_unmapped(&leases->lessee, message->unmap.container, run,
                           message->unmap.ranges_count);
}

void *lease_repossessed(struct leases *leases, const struct wire_message *message)
{
    struct lessee_run run[WIRE_RANGES];
    void *owner;

    for (uint16_t i = 0; i < message->repossessed.ranges_count; i++)
        run[i] = (struct lessee_run){message->repossessed.ranges[i].start,
                                     message->repossessed.ranges[i].count};
    owner = lessee_repossessed(&leases->lessee, message->repossessed.container, run,
                               message->repossessed.ranges_count);
    carry_out(leases);
    return owner;
}
