#include "lease.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/heap.h"

/* Frames that go to a lease ahead of need with one that is needed, while the stock has many more. */
#define AHEAD       16u
#define AHEAD_STOCK (4 * AHEAD)

/* Frames that are asked for or given back in one message. */
#define PIECE 4096u

_Static_assert(offsetof(struct lessee, book) == 0, "a book is its lessee's");
_Static_assert(WIRE_ALLOCATE_EXTRA == 4u, "asked for as by any task");

enum job_kind { JOB_BLANK, JOB_EXCHANGE, JOB_RETURN, JOB_ALLOCATE, JOB_MAP, JOB_DESTROY };

/* A question above. Leases NULL: the stock. */
struct job {
    struct upstream_ask ask; /* first */
    struct lessee *lessee;
    enum job_kind kind;
    struct lease *from;
    struct lease *to;
    uint32_t from_start;
    uint32_t to_start;
    uint32_t count;
};

/* ---- Sets of pages ---- */

/* The pages that it holds, or soon will, and may not touch yet. */
static void unmapped_pages(const struct lease *lease, uint64_t words[PAGES_WORDS])
{
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] = (lease->held[i] | lease->coming[i]) & ~lease->mapped[i] & ~lease->mapping[i];
}

/* The pages that it lacks, and that are not coming. */
static void lacking_pages(const struct lease *lease, uint64_t words[PAGES_WORDS])
{
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        words[i] = lease->used[i] & ~lease->held[i] & ~lease->coming[i];
}

/* ---- Questions ---- */

static struct lessee *lessee_of(const struct lease *lease)
{
    return (struct lessee *)lease->book; /* its first member */
}

/* Nothing more is done, and the owner is told why. */
static void fail(struct lessee *lessee, const char *what)
{
    if (lessee->failed)
        return;
    lessee->failed = true;
    lessee->handlers.on_failed(lessee->context, what);
}

static void answered(struct upstream_ask *ask, const struct wire_message *reply);

/* A job about these leases; NULL, and the lessee has failed, without memory. */
static struct job *job_new(struct lessee *lessee, enum job_kind kind, struct lease *from,
                           struct lease *to)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        fail(lessee, "there is no memory for a question");
        return NULL;
    }
    job->lessee = lessee;
    job->kind = kind;
    job->from = from;
    job->to = to;
    job->ask.answered = answered;
    if (from != NULL)
        from->jobs++;
    if (to != NULL)
        to->jobs++;
    return job;
}

static void job_ask(struct job *job, struct wire_message *message)
{
    upstream_ask(job->lessee->upstream, message, &job->ask);
}

static void exchange(struct lessee *lessee, struct lease *from, uint32_t from_start,
                     struct lease *to, uint32_t to_start, uint32_t count)
{
    struct wire_message message = {.type = WIRE_EXCHANGE};
    struct job *job = job_new(lessee, JOB_EXCHANGE, from, to);

    if (job == NULL)
        return;
    job->from_start = from_start;
    job->to_start = to_start;
    job->count = count;
    lease_book_leave(&lessee->book, from, from_start, count);
    lease_book_expect(&lessee->book, to, to_start, count);
    message.exchange.from = lease_book_container(&lessee->book, from);
    message.exchange.to = lease_book_container(&lessee->book, to);
    message.exchange.from_start = from_start;
    message.exchange.to_start = to_start;
    message.exchange.count = count;
    job_ask(job, &message);
}

static void give_back(struct lessee *lessee, struct lease *from, uint32_t start, uint32_t count)
{
    struct wire_message message = {.type = WIRE_DEALLOCATE};
    struct job *job = job_new(lessee, JOB_RETURN, from, NULL);

    if (job == NULL)
        return;
    job->from_start = start;
    job->count = count;
    lease_book_leave(&lessee->book, from, start, count);
    message.deallocate.container = lease_book_container(&lessee->book, from);
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){start, count};
    job_ask(job, &message);
}

/* ---- What leases want, and what is due above ---- */

static void return_some(struct lessee *lessee)
{
    struct lease *lease;
    uint32_t first, count;

    while (lessee->book.returning > 0 && !lessee->failed) {
        count = lessee->book.returning < PIECE ? lessee->book.returning : PIECE;
        count = lease_book_find_spare(&lessee->book, NULL, count, &lease, &first);
        if (count == 0)
            return;
        give_back(lessee, lease, first, count);
        lessee->book.returning -= count;
    }
}

static void make_blanks(struct lessee *lessee)
{
    while (lessee->blanks + lessee->blanks_coming < LEASE_BLANKS && !lessee->failed) {
        struct wire_message message = {.type = WIRE_CONTAINER_CREATE};
        struct job *job = job_new(lessee, JOB_BLANK, NULL, NULL);

        if (job == NULL)
            return;
        message.container_create.slots = EXTENT_PAGES;
        lessee->blanks_coming++;
        job_ask(job, &message);
    }
}

static bool take_blank(struct lessee *lessee, struct lease *lease)
{
    if (lessee->blanks > 0)
        lease->container = lessee->blank[--lessee->blanks];
    make_blanks(lessee);
    return lease->container != 0;
}

/* How many pages from `first` on to fill: those that are lacking, and some more. */
static uint32_t run_to_fill(const struct lease *lease, uint32_t first, uint32_t lacking)
{
    uint32_t count = lacking;

    if (lease->book->stock_count < AHEAD_STOCK + lacking)
        return lacking;
    while (first + count < lease->pages && count < lacking + AHEAD - 1 &&
           !pages_has(lease->held, first + count) && !pages_has(lease->coming, first + count))
        count++;
    return count;
}

/* Whether a run has a page that is used. */
static bool is_used(const struct lease *lease, uint32_t first, uint32_t count)
{
    for (uint32_t page = first; page < first + count; page++)
        if (pages_has(lease->used, page))
            return true;
    return false;
}

/* Ask for the rights to a run of pages; with the first one comes the descriptor. */
static void map(struct lease *lease, uint32_t first, uint32_t count)
{
    struct wire_message message = {.type = WIRE_MAP};
    struct job *job = job_new(lessee_of(lease), JOB_MAP, NULL, lease);

    if (job == NULL)
        return;
    job->to_start = first;
    job->count = count;
    pages_add(lease->mapping, first, count);
    message.map.container = lease->container;
    message.map.start = first;
    message.map.count = count;
    message.map.rights = WIRE_ACCESS_BOTH;
    job_ask(job, &message);
}

/* Ask for the rights to all pages that are used, and to those that came with them. */
static void map_used(struct lease *lease)
{
    uint64_t words[PAGES_WORDS];
    uint32_t first, count;

    unmapped_pages(lease, words);
    while ((count = pages_run(words, lease->pages, EXTENT_PAGES, &first)) > 0) {
        pages_remove(words, first, count);
        if (is_used(lease, first, count))
            map(lease, first, count);
    }
}

/* Ask for what a lease lacks. False if nothing can be had for it now. */
static bool fill(struct lessee *lessee, struct lease *lease)
{
    uint64_t words[PAGES_WORDS];
    uint32_t first, lacking, from_start, count;
    struct lease *from;

    if (lease->container == 0 && !take_blank(lessee, lease))
        return false;
    for (;;) {
        lacking_pages(lease, words);
        lacking = pages_run(words, lease->pages, EXTENT_PAGES, &first);
        if (lacking == 0)
            break;
        count = lease_book_find_spare(&lessee->book, lease, run_to_fill(lease, first, lacking),
                                      &from, &from_start);
        if (count == 0 || lessee->failed)
            return false;
        exchange(lessee, from, from_start, lease, first, count);
    }
    map_used(lease);
    return true;
}

/* Do what can be done now: what is due above first, then the leases that want something, in turn. */
static void serve(struct lessee *lessee)
{
    return_some(lessee);
    while (lessee->book.wanting_first != NULL && !lessee->failed &&
           fill(lessee, lessee->book.wanting_first))
        lease_book_unwant_first(&lessee->book);
}

/* ---- The end of a lease ---- */

static void destroy(struct lease *lease)
{
    struct wire_message message = {.type = WIRE_CONTAINER_DESTROY};
    struct job *job = job_new(lessee_of(lease), JOB_DESTROY, lease, NULL);

    if (job == NULL)
        return;
    lease->destroyed = true;
    message.container_destroy.container = lease->container;
    job_ask(job, &message);
}

/* Go on with a lease that has ended, once no question about it is open: its frames go to the stock,
 * and then it is destroyed. */
static void end_on(struct lease *lease)
{
    struct lessee *lessee = lessee_of(lease);
    uint32_t first, count, hole;

    if (lease->owner != NULL || lease->jobs > 0 || lessee->failed)
        return;
    if (lease->container == 0 || lease->destroyed) {
        lease_book_remove(lease);
        return;
    }
    while ((count = pages_run(lease->held, lease->pages, EXTENT_PAGES, &first)) > 0) {
        count = lease_book_run(&lessee->book.holes, count, &hole);
        ensure(count > 0);
        exchange(lessee, lease, first, NULL, hole, count);
    }
    if (lease->jobs == 0)
        destroy(lease);
}

/* ---- Answers ---- */

/* Tell the owner once the lease is ready, if it was not. */
static void look_if_ready(struct lease *lease)
{
    if (!lease->unready || lease->owner == NULL || !lease_is_ready(lease))
        return;
    lease->unready = false;
    lessee_of(lease)->handlers.on_ready(lease->owner);
}

static void on_blank(struct job *job, const struct wire_message *reply)
{
    struct lessee *lessee = job->lessee;

    lessee->blanks_coming--;
    if (reply->error != 0 || reply->type != WIRE_CONTAINER)
        fail(lessee, "it refuses a container");
    else
        lessee->blank[lessee->blanks++] = reply->container.container;
}

/* Whether the physmem above has answered so, and not for want of memory. */
static bool is_done(struct lessee *lessee, const struct wire_message *reply)
{
    if (reply->error == ENOMEM)
        fail(lessee, "it has no memory for its books");
    return reply->error == 0;
}

/* Want a lease again whose question was in vain. */
static void want_again(struct lease *lease)
{
    if (lease->owner != NULL && !lease->lost && !lease_is_ready(lease))
        lease_book_want(lease);
}

/* Frames were taken above while they were being moved. It is not known which, so the rest of them is given up, too.
 * */
static void give_up(struct job *job)
{
    struct lessee *lessee = job->lessee;

    if (job->from != NULL && job->from->lost)
        return;
    lease_book_stay(&lessee->book, job->from, job->from_start, job->count);
    give_back(lessee, job->from, job->from_start, job->count);
}

static void on_exchange(struct job *job, const struct wire_message *reply)
{
    struct lessee *lessee = job->lessee;
    bool came = is_done(lessee, reply);
    bool lost = job->to != NULL && job->to->lost; /* they were counted then */

    lease_book_left(&lessee->book, job->from, job->from_start, job->count);
    lease_book_arrive(&lessee->book, job->to, job->to_start, job->count, came);
    if (came)
        return;
    give_up(job);
    if (lost)
        return;
    lessee->book.gone += job->count;
    lessee->handlers.on_taken(lessee->context, job->count);
    if (job->to != NULL)
        want_again(job->to);
}

static void on_allocated(struct job *job, const struct wire_message *reply)
{
    struct lessee *lessee = job->lessee;
    uint32_t count = reply->type == WIRE_ALLOCATED ? reply->allocated.count : 0;
    uint32_t granted = lessee->granted + count;

    lease_book_arrive(&lessee->book, NULL, job->to_start, count, true);
    lease_book_arrive(&lessee->book, NULL, job->to_start + count, job->count - count, false);
    lessee->granted = granted;
    if (--lessee->pieces > 0)
        return;
    lessee->granted = 0;
    lessee->handlers.on_granted(lessee->context, granted);
}

/* The descriptor of this extent that has come. */
static int take_arrival(struct lessee *lessee, uint32_t extent)
{
    for (struct lease_arrival **link = &lessee->arrivals; *link != NULL; link = &(*link)->next) {
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

/* A descriptor has come for a lease, or -1. */
static void keep_descriptor(struct lease *lease, int consume_fd)
{
    if (consume_fd < 0)
        return;
    if (lease->owner != NULL && lease->fd < 0)
        lease->fd = consume_fd;
    else
        close(consume_fd);
}

static void on_mapped(struct job *job, const struct wire_message *reply)
{
    struct lease *lease = job->to;

    pages_remove(lease->mapping, job->to_start, job->count);
    if (reply->error == EMFILE && lease->owner != NULL) {
        job->lessee->handlers.on_refused(lease->owner);
        return;
    }
    if (reply->error == 0 && reply->type == WIRE_MAPPED && reply->mapped.items_count > 0) {
        keep_descriptor(lease, take_arrival(job->lessee, reply->mapped.items[0].extent));
        for (uint16_t i = 0; i < reply->mapped.items_count; i++) {
            const struct wire_map *item = &reply->mapped.items[i];

            if (item->slot < lease->pages && item->count <= lease->pages - item->slot)
                pages_add(lease->mapped, item->slot, item->count);
        }
        for (unsigned i = 0; i < PAGES_WORDS; i++)
            lease->mapped[i] &= lease->held[i] & ~lease->taken[i];
    }
    pages_remove(lease->taken, job->to_start, job->count);
    want_again(lease);
}

static void on_destroyed(struct job *job, const struct wire_message *reply)
{
    uint32_t count = reply->type == WIRE_DONE && reply->error == 0 ? reply->done.count : 0;

    /* Frames that came to a lease after it was lost were counted as lost. */
    ensure(count == 0 || job->from->lost);
}

static void job_done(struct job *job, const struct wire_message *reply)
{
    switch (job->kind) {
    case JOB_BLANK:
        on_blank(job, reply);
        break;
    case JOB_EXCHANGE:
        on_exchange(job, reply);
        break;
    case JOB_RETURN:
        lease_book_left(&job->lessee->book, job->from, job->from_start, job->count);
        break;
    case JOB_ALLOCATE:
        on_allocated(job, reply);
        break;
    case JOB_MAP:
        on_mapped(job, reply);
        break;
    case JOB_DESTROY:
        on_destroyed(job, reply);
        break;
    }
}

/* A question less is open about a lease. */
static void lease_answered(struct lease *lease)
{
    if (lease == NULL)
        return;
    look_if_ready(lease);
    end_on(lease);
}

static void answered(struct upstream_ask *ask, const struct wire_message *reply)
{
    struct job *job = (struct job *)ask;
    struct lessee *lessee = job->lessee;
    struct lease *from = job->from, *to = job->to;

    if (reply == NULL || lessee->failed) {
        free(job);
        return;
    }
    job_done(job, reply);
    free(job);
    if (from != NULL)
        from->jobs--;
    if (to != NULL)
        to->jobs--;
    lease_answered(from);
    if (to != from)
        lease_answered(to);
    serve(lessee);
}

int lease_init(struct lessee *lessee, struct upstream *upstream, uint32_t frames,
               uint32_t container, uint32_t held)
{
    *lessee = (struct lessee){.upstream = upstream};
    return lease_book_init(&lessee->book, &heap_allocator, frames, container, held);
}

void lease_fini(struct lessee *lessee)
{
    struct lease_arrival *arrival;

    while ((arrival = lessee->arrivals) != NULL) {
        lessee->arrivals = arrival->next;
        close(arrival->fd);
        free(arrival);
    }
    for (struct lease *lease = lessee->book.first; lease != NULL; lease = lease->next)
        if (lease->owner == NULL && lease->fd >= 0)
            close(lease->fd);
    lease_book_fini(&lessee->book);
}

void lease_start(struct lessee *lessee, const struct lease_handlers *handlers, void *context)
{
    lessee->handlers = *handlers;
    lessee->context = context;
    make_blanks(lessee);
}

/* ---- What the core wants ---- */

void lease_ask(struct lessee *lessee, uint32_t frames, bool extra)
{
    struct wire_message message = {.type = WIRE_ALLOCATE};

    ensure(frames > 0 && lessee->pieces == 0);
    while (frames > 0 && !lessee->failed) {
        struct job *job = job_new(lessee, JOB_ALLOCATE, NULL, NULL);

        if (job == NULL)
            return;
        job->count =
            lease_book_run(&lessee->book.holes, frames < PIECE ? frames : PIECE, &job->to_start);
        ensure(job->count > 0);
        lease_book_expect(&lessee->book, NULL, job->to_start, job->count);
        message.allocate.container = lessee->book.stock_container;
        message.allocate.start = job->to_start;
        message.allocate.count = job->count;
        message.allocate.flags = extra ? WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL : 0;
        lessee->pieces++;
        frames -= job->count;
        job_ask(job, &message);
    }
}

void lease_return(struct lessee *lessee, uint32_t frames)
{
    uint32_t gone = frames < lessee->book.gone ? frames : lessee->book.gone;

    lessee->book.gone -= gone;
    lessee->book.returning += frames - gone;
    serve(lessee);
}

/* ---- Leases ---- */

struct lease *lease_new(struct lessee *lessee, void *owner, uint32_t pages)
{
    return lease_book_add(&lessee->book, owner, pages);
}

bool lease_is_ready(const struct lease *lease)
{
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        if ((lease->used[i] & ~lease->mapped[i]) != 0)
            return false;
    return lease->fd >= 0;
}

void lease_use(struct lease *lease, uint32_t first, uint32_t count)
{
    ensure(first + count <= lease->pages);
    pages_add(lease->used, first, count);
    lease_book_recount(lease);
    if (lease->lost || lease_is_ready(lease))
        return;
    lease->unready = true;
    lease_book_want(lease);
    serve(lessee_of(lease));
}

void lease_soil(struct lease *lease, uint32_t first, uint32_t count)
{
    ensure(first + count <= EXTENT_PAGES);
    pages_remove(lease->used, first, count);
    pages_add(lease->dirty, first, count);
    lease_book_recount(lease);
    look_if_ready(lease);
}

void lease_clean(struct lease *lease, const uint64_t dirty[PAGES_WORDS])
{
    for (unsigned i = 0; i < PAGES_WORDS; i++)
        lease->dirty[i] &= ~dirty[i];
    lease_book_recount(lease);
    serve(lessee_of(lease));
}

void lease_end(struct lease *lease)
{
    struct lessee *lessee = lessee_of(lease);

    lease_book_end(lease);
    end_on(lease);
    serve(lessee);
}

/* ---- What the physmem above says ---- */

void lease_extent_came(struct lessee *lessee, uint32_t extent, int consume_fd)
{
    struct lease_arrival *arrival = malloc(sizeof(*arrival));

    if (arrival == NULL) {
        close(consume_fd);
        fail(lessee, "there is no memory for a descriptor");
        return;
    }
    *arrival = (struct lease_arrival){lessee->arrivals, extent, consume_fd};
    lessee->arrivals = arrival;
}

void *lease_unmapped(struct lessee *lessee, const struct wire_message *message)
{
    struct lease *lease = lease_book_find(&lessee->book, message->unmap.container);

    for (uint16_t i = 0; lease != NULL && i < message->unmap.ranges_count; i++) {
        const struct wire_range *range = &message->unmap.ranges[i];

        if (range->start < lease->pages && range->count <= lease->pages - range->start) {
            pages_remove(lease->mapped, range->start, range->count);
            pages_add(lease->taken, range->start, range->count);
        }
    }
    for (unsigned i = 0; lease != NULL && i < PAGES_WORDS; i++)
        lease->taken[i] &= lease->mapping[i];
    return lease != NULL ? lease->owner : NULL;
}

/* Frames of the stock that are gone. */
static uint32_t take_stock(struct lessee *lessee, const struct wire_message *message)
{
    uint32_t taken = 0;

    if (message->repossessed.container != lessee->book.stock_container)
        return 0;
    for (uint16_t i = 0; i < message->repossessed.ranges_count; i++)
        taken += lease_book_take_stock(&lessee->book, message->repossessed.ranges[i].start,
                                       message->repossessed.ranges[i].count);
    return taken;
}

void *lease_repossessed(struct lessee *lessee, const struct wire_message *message)
{
    struct lease *lease = lease_book_find(&lessee->book, message->repossessed.container);
    uint32_t taken = lease != NULL ? lease_book_lose(lease) : take_stock(lessee, message);

    if (taken > 0) {
        lessee->book.gone += taken;
        lessee->handlers.on_taken(lessee->context, taken);
    }
    return lease != NULL ? lease->owner : NULL;
}
