/* What a job does to the books, before and after its transfer, and how it is answered. */
#include "fillers.h"
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

/* Some pages of this job are to fail on their next transfer, if faults are injected. */
static void faults_draw(struct swap_job *job, double rate)
{
    check(rate >= 0 && rate <= 1);
    for (uint32_t i = 0; i < job->count; i++)
        job->page[i].doomed = rate > 0 && random_unit(&job->service->random) < rate;
}

/* Nobody waits for this job any more. A FREE on a kept device is still worth doing. */
static bool job_is_moot(const struct swap_job *job)
{
    check(job->session->references > 0);
    if (job->session->client->gone)
        return true;
    return job->session->connection == NULL && job->kind != SWAP_JOB_FREE;
}

/* Answer with DONE: a failure of the whole request, or what has no reply of its own. */
static void reply_done(const struct swap_job *job, int error, uint32_t count, const char *text)
{
    struct wire_message request = {.seq = job->seq};

    check(error <= 0);
    if (job->session->connection != NULL)
        connection_send_done(job->session->connection, &request, error, count, text);
}

/* There are no slots for the pages of a STORE: say how many there are. */
static void store_refuse(struct swap_job *job, uint32_t wanted, int error)
{
    const struct swap_map *map = &job->service->map;
    const struct client *client = job->session->client;
    const struct swap_client *books = swap_map_client(map, client->number);
    char text[WIRE_TEXT];

    check(error < 0 && books != NULL && !job->answered);
    snprintf(text, sizeof(text),
             "no room for %u pages: %u of %u reserved slots are used, %u of the device's %u are "
             "unreserved",
             wanted, client_used(map, client), books->reserved, map->slots - map->reserved,
             map->slots);
    reply_done(job, error, 0, text);
    job->answered = true;
}

/* Pages are looked at before they have slots: those of zeros need none. */
static int store_begin(struct swap_job *job)
{
    struct swap_service *service = job->service;
    uint32_t slots[WIRE_BATCH], wanted = 0, given = 0;
    int error = 0;

    check(job->count <= WIRE_BATCH);
    swap_job_collect(job);
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        page->pending = page->error == 0 && !page->zero;
        page->slot = page->zero ? SWAP_ZERO : SWAP_NONE;
        wanted += page->pending;
    }
    if (wanted > 0)
        error = swap_map_store(job->map, job->number, wanted, slots);
    if (error == -EAGAIN)
        return error;
    if (error < 0) {
        store_refuse(job, wanted, error);
        return 1;
    }
    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending) {
            job->page[i].slot = slots[given++];
            job->page[i].pinned = true;
        }
    ensure(given == wanted);
    faults_draw(job, service->options->fail_writes);
    return wanted > 0 ? 0 : 1;
}

static int load_begin(struct swap_job *job)
{
    struct swap_map *map = job->map;
    uint32_t pending = 0;

    swap_job_order(job);
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        page->zero = page->slot == SWAP_ZERO;
        if (page->error == 0 && !page->zero)
            page->error = swap_map_load(map, job->number, page->slot, &page->checksum);
        page->pinned = page->pending = page->error == 0 && !page->zero;
        pending += page->pending;
    }
    check(pending <= job->count);
    if (job->service->threaded && !job->device->backend->filter)
        fillers_add(job, map);
    faults_draw(job, job->service->options->fail_reads);
    return pending > 0 ? 0 : 1;
}

/* On a kept device a slot that is given up stays pinned until its record is cleared. */
static int free_begin(struct swap_job *job)
{
    struct swap_map *map = job->map;
    bool kept = job->device->index != NULL;
    uint32_t pending = 0;

    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        page->zero = page->slot == SWAP_ZERO;
        if (page->zero)
            continue;
        if (kept)
            page->error = swap_map_load(map, job->number, page->slot, &page->checksum);
        if (page->error == 0) {
            page->pinned = page->pending = kept;
            page->error = swap_map_free(map, job->number, page->slot);
        }
        pending += page->pending;
    }
    check(kept || pending == 0);
    return pending > 0 ? 0 : 1;
}

/* A RESERVE ends: say what the client has now, or why that is all. */
static void reserve_answer(struct swap_job *job, int error)
{
    const struct swap_map *map = &job->service->map;
    const struct client_table *clients = &job->service->clients;
    const struct client *client = job->session->client;
    const struct swap_client *books = swap_map_client(map, client->number);
    struct wire_message reply = {.type = WIRE_RESERVED, .seq = job->seq};
    char text[WIRE_TEXT];

    check(books != NULL && books->used <= books->reserved && map->reserved <= map->slots);
    job->answered = true;
    if (error < 0) {
        snprintf(
            text, sizeof(text),
            "raise swap: slots: in the scenario, or --slots or a quota of selfpage-swap: %u of %u "
            "slots are free, the client has %u of %u, its user %u of %u",
            map->slots - map->reserved, map->slots, books->reserved, books->quota,
            client->owner->reserved, clients->user_quota);
        reply_done(job, error, books->reserved, text);
        return;
    }
    reply.reserved.reserved = books->reserved;
    reply.reserved.available = map->slots - map->reserved;
    if (job->seq != 0 && job->session->connection != NULL)
        connection_send(job->session->connection, &reply, -1);
}

/* RESERVE of a client with a file: room has to move. More is reserved before that, less after it. Returns 0 if
 * it moves, or a negative errno. */
static int reserve_move(struct swap_job *job)
{
    struct client_table *clients = &job->service->clients;
    struct client *client = job->session->client;
    bool more = job->add > job->subtract;
    uint32_t change = more ? job->add - job->subtract : job->subtract - job->add;
    const struct swap_client *books = swap_map_client(&job->service->map, client->number);
    int error = 0;

    check(change > 0 && job->move == NULL);
    if (!more && change > books->reserved)
        return -EINVAL;
    if (more)
        error = client_reserve(clients, client, change, 0);
    if (error == 0) {
        error = room_begin(client->own, client->number, change, more, &job->move);
        if (error < 0 && more)
            (void)client_reserve(clients, client, 0, change);
    }
    /* Cannot fail: so many slots have just come free. */
    if (error == 0 && !more)
        (void)client_reserve(clients, client, 0, change);
    return error;
}

static int reserve_begin(struct swap_job *job)
{
    int error;

    check(job->count == 0 && job->kind == SWAP_JOB_RESERVE);
    if (job->session->client->own != NULL && job->add != job->subtract) {
        error = reserve_move(job);
        if (error == 0 || error == -EAGAIN)
            return error;
    } else {
        error =
            client_reserve(&job->service->clients, job->session->client, job->add, job->subtract);
    }
    reserve_answer(job, error);
    return 1;
}

/* The room has moved, or not. */
static void reserve_end(struct swap_job *job)
{
    struct client *client = job->session->client;
    uint32_t slots = job->move->slots;
    int error = room_end(job->move, client->gone);

    check(job->kind == SWAP_JOB_RESERVE && slots > 0);
    job->move = NULL;
    if (client->gone)
        return;
    if (error < 0) {
        (void)client_reserve(&job->service->clients, client, 0, slots);
        log_line(&job->service->server.log, "device", "cannot reserve room for %u slots: %s", slots,
                 strerror(-error));
    }
    reserve_answer(job, error);
}

int books_begin(struct swap_job *job)
{
    if (job_is_moot(job)) {
        job->answered = true;
        return 1;
    }
    check(!job->answered && job->kind <= SWAP_JOB_RESERVE);
    switch (job->kind) {
    case SWAP_JOB_STORE:
        return store_begin(job);
    case SWAP_JOB_LOAD:
        return load_begin(job);
    case SWAP_JOB_FREE:
        return free_begin(job);
    default:
        return reserve_begin(job);
    }
}

/* The device need not keep the page of a slot that is free now. */
static void slot_settle(const struct swap_job *job, uint32_t slot)
{
    check(slot < job->map->slots);
    if (job->place == job->device->state && job->map->slot[slot].state == SWAP_SLOT_FREE)
        swap_device_discard(job->device, slot, 1);
}

/* Give back a slot that a STORE has been given and does not use. */
static void page_abort(struct swap_job *job, struct swap_page *page)
{
    check(!page->pinned || page->slot < job->map->slots);
    if (page->pinned) {
        (void)swap_map_abort(job->map, page->slot);
        slot_settle(job, page->slot);
    }
    page->pinned = false;
}

bool books_retry(struct swap_job *job)
{
    uint32_t slots[WIRE_BATCH], failed = 0, given = 0;

    if (job->kind != SWAP_JOB_STORE || job->again || job_is_moot(job))
        return false;
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        if (!page->pending || page->error == 0) {
            page->pending = false;
            continue;
        }
        page_abort(job, page);
        failed++;
    }
    /* The search for free slots goes on behind those that failed. */
    if (failed == 0 || swap_map_store(job->map, job->number, failed, slots) < 0)
        return false;
    check(failed <= job->count);
    job->again = true;
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        if (!page->pending)
            continue;
        page->slot = slots[given++];
        page->pinned = true;
        page->error = 0;
    }
    faults_draw(job, job->service->options->fail_writes);
    check(given == failed);
    return true;
}

/* What the device did to a page that was transferred: count it, log it, and make it plain EIO. */
static void page_judge(struct swap_job *job, struct swap_page *page)
{
    struct swap_service *service = job->service;

    check(page->error <= 0);
    if (!page->pending || page->error == 0)
        return;
    if (page->error == -EBADMSG) {
        service->counters.corrupt++;
        log_line(&service->server.log, "corrupt",
                 "slot %u of client %u is corrupt: its page has another checksum than when it was "
                 "stored",
                 page->slot, job->session->client->id);
        return;
    }
    service->counters.failed++;
    log_line(&service->server.log, "device", "cannot %s slot %u of client %u: %s",
             job->kind == SWAP_JOB_LOAD ? "read" : "write", page->slot, job->session->client->id,
             strerror(-page->error));
    page->error = -EIO;
}

/* -ECANCELED: the client went while the page was written. */
static int page_commit(const struct swap_job *job, const struct swap_page *page)
{
    int error = swap_map_commit(job->map, page->slot, page->checksum);

    check(page->pinned && (error == 0 || error == -ECANCELED));
    if (error < 0)
        slot_settle(job, page->slot);
    return error;
}

/* The client was not told of the slots that this job has stored: they are free again. */
static void store_undo(struct swap_job *job)
{
    uint32_t slots[WIRE_BATCH], count = 0;

    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].error == 0 && !job->page[i].zero &&
            swap_map_free(job->map, job->number, job->page[i].slot) == 0)
            slots[count++] = job->page[i].slot;
    check(count <= job->count);
    if (count > 0 && job->device->index != NULL)
        (void)swap_index_clear(job->device->index, slots, count);
    for (uint32_t i = 0; i < count; i++)
        slot_settle(job, slots[i]);
    client_settle(&job->service->clients, job->session->client);
}

static void store_end(struct swap_job *job)
{
    struct connection *connection = job->session->connection;
    struct wire_message reply = {.type = WIRE_STORED, .seq = job->seq};

    check(job->kind == SWAP_JOB_STORE && job->count <= WIRE_BATCH);
    reply.stored.slots_count = job->count;
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        page_judge(job, page);
        if (page->error != 0)
            page_abort(job, page);
        else if (!page->zero)
            page->error = page_commit(job, page);
        job->service->counters.zero += page->zero;
        job->service->counters.stores += page->error == 0;
        reply.stored.slots[i].slot = page->error == 0 ? page->slot : SWAP_NONE;
        reply.stored.slots[i].error = (uint32_t)-page->error;
        reply.stored.slots[i].checksum = page->checksum;
    }
    job->service->counters.writes += job->transfers;
    if (connection == NULL || connection_send(connection, &reply, -1) < 0)
        store_undo(job);
}

static void load_end(struct swap_job *job)
{
    struct connection *connection = job->session->connection;
    struct wire_message reply = {.type = WIRE_LOADED, .seq = job->seq};

    check(job->kind == SWAP_JOB_LOAD && job->count <= WIRE_BATCH);
    for (uint32_t i = 0; i < job->count; i++)
        if (!job->page[i].filler)
            page_judge(job, &job->page[i]);
    if (!job_is_moot(job))
        swap_job_deliver(job);
    reply.loaded.errors_count = job->asked;
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        if (page->pinned) {
            (void)swap_map_load_end(job->map, page->slot);
            slot_settle(job, page->slot);
        }
        if (page->filler)
            continue;
        job->service->counters.loads += page->error == 0;
        reply.loaded.errors[page->asked].value = (uint32_t)-page->error;
    }
    job->service->counters.reads += job->transfers;
    if (connection != NULL)
        connection_send(connection, &reply, -1);
}

static void free_end(struct swap_job *job)
{
    uint32_t freed = 0, failed = SWAP_NONE;
    char text[WIRE_TEXT];
    int error = 0;

    check(job->kind == SWAP_JOB_FREE);
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page *page = &job->page[i];

        page_judge(job, page);
        if (page->pinned)
            (void)swap_map_load_end(job->map, page->slot);
        if (page->slot < job->map->slots && page->error == 0)
            slot_settle(job, page->slot);
        freed += page->error == 0;
        if (page->error != 0 && error == 0) {
            error = page->error;
            failed = page->slot;
        }
    }
    check(freed <= job->count);
    job->service->counters.frees += freed;
    if (error != 0)
        snprintf(text, sizeof(text), "cannot free slot %u: %s", failed,
                 error == -ENOENT ? "you have not stored it" : "its record cannot be cleared");
    reply_done(job, error, freed, error != 0 ? text : NULL);
    client_settle(&job->service->clients, job->session->client);
}

void books_end(struct swap_job *job)
{
    if (job->answered)
        return;
    if (job->kind == SWAP_JOB_STORE)
        store_end(job);
    else if (job->kind == SWAP_JOB_LOAD)
        load_end(job);
    else if (job->kind == SWAP_JOB_FREE)
        free_end(job);
    else if (job->move != NULL)
        reserve_end(job);
    check(job->service->map.used <= job->service->map.reserved);
}
