/* Jobs on their way: served at once, queued, or in flight. */
#include "base/assert.h"
#include "service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "os/clock.h"
#include "fair.h"
#include "making.h"

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, new_size);
}

/* Inline: from the message to the reply in one go. */
static void job_serve(struct swap_job *job)
{
    check(!job->service->threaded && job->buffer != NULL);
    if (books_begin(job) == 0)
        do
            swap_job_transfer(job);
        while (books_retry(job));
    books_end(job);
    making_end(job);
}

static void queue_pump(struct swap_service *service);
static void on_read(uv_check_t *handle);
static void on_busy(uv_idle_t *handle);

/* In a thread, or for a lone load on the loop. */
static void job_transfer(struct swap_job *job)
{
    uint64_t begun_ns = clock_now_ns();

    check(job->service->threaded);
    swap_job_transfer(job);
    job->took_ns = clock_now_ns() - begun_ns;
}

static void work_transfer(uv_work_t *work)
{
    job_transfer(work->data);
}

/* A job that keeps a thread for long, or may: stores, frees on a kept device, and loads of many pages. */
static bool job_is_bulk(const struct swap_job *job)
{
    check(job->count <= WIRE_BATCH);
    return job->kind != SWAP_JOB_LOAD || job->asked > SERVICE_LONE_PAGES;
}

/* How long a load takes of late. One that took very long makes all seem slow for a while. */
static void load_note(struct swap_service *service, const struct swap_job *job)
{
    if (job->kind != SWAP_JOB_LOAD)
        return;
    if (job->took_ns > SERVICE_SLOW_NS)
        service->load_ns = SERVICE_SLOW_NS;
    else
        service->load_ns = (7 * service->load_ns + job->took_ns) / 8;
    check(service->load_ns <= SERVICE_SLOW_NS);
}

/* Is this load the only one there is, and the device quick? Then it is faster done than handed over. Where it may fly, the
 * same holds if the loop would sleep meanwhile. */
static bool job_is_lone(struct swap_service *service, const struct swap_job *job)
{
    check(service->running_loads <= service->running);
    return job->kind == SWAP_JOB_LOAD && job->session->client->own == NULL &&
           service->turns.loads == 0 && service->running_loads == 0 && service->flying == 0 &&
           service->load_ns < SERVICE_QUICK_NS &&
           (!flight_is_open(&service->flight) || !awake_would(&service->awake));
}

/* A job that is no small load begins, or ends. */
static void bulk_count(struct swap_service *service, const struct swap_job *job, int change)
{
    service->bulk += job_is_bulk(job) ? (uint32_t)change : 0;
    ensure(service->bulk < SERVICE_WORKERS);
}

/* A job goes to a thread, or comes back. */
static void running_count(struct swap_service *service, const struct swap_job *job, int change)
{
    service->running += (uint32_t)change;
    service->running_loads += job->kind == SWAP_JOB_LOAD ? (uint32_t)change : 0;
    ensure(service->running <= SERVICE_WORKERS);
}

static void job_end(struct swap_job *job)
{
    bulk_count(job->service, job, -1);
    books_end(job);
    making_end(job);
}

static void work_done(uv_work_t *work, int status)
{
    struct swap_job *job = work->data;
    struct swap_service *service = job->service;

    /* Work is never cancelled here, so `status` is 0. */
    (void)status;
    check(service->threaded && job->work.data == job);
    if (books_retry(job)) {
        uv_queue_work(service->server.loop, work, work_transfer, work_done);
        return;
    }
    running_count(service, job, -1);
    load_note(service, job);
    job_end(job);
    queue_pump(service);
}

static void job_to_thread(struct swap_job *job)
{
    running_count(job->service, job, 1);
    uv_queue_work(job->service->server.loop, &job->work, work_transfer, work_done);
}

/* ---- In flight ---- */

/* Whether other clients than this one load, or did of late. */
static bool others_load(const struct swap_service *service, const struct client *client)
{
    check(service->flying >= client->flying && service->turns.loads >= client->loads);
    return service->flying > client->flying || service->turns.loads > client->loads ||
           (service->loaders_ns != 0 && clock_now_ns() < service->loaders_ns + SERVICE_LOADERS_NS);
}

/* Note who loads. */
static void loader_note(struct swap_service *service, const struct client *client)
{
    check(client->id != 0);
    if (service->loader != client->id && service->loader != 0)
        service->loaders_ns = clock_now_ns();
    service->loader = client->id;
}

/* Would this job fly, if none of its pages is to fail? */
static bool job_flies(const struct swap_service *service, const struct swap_job *job)
{
    return flight_is_open(&service->flight) &&
           (job->kind == SWAP_JOB_LOAD || job->kind == SWAP_JOB_STORE);
}

/* Whether this client had nothing waiting before, and others load. */
static bool is_fresh(const struct swap_service *service, const struct client *client)
{
    check(service->flying >= client->flying);
    return client->turn.fresh && service->flying > client->flying;
}

/* A small load takes off, or lands. */
static void flying_count(struct swap_job *job, int change)
{
    struct client *client = job->session->client;

    if (job_is_bulk(job))
        return;
    job->service->flying += (uint32_t)change;
    job->service->flying_fresh += job->fresh ? (uint32_t)change : 0;
    client->flying += (uint32_t)change;
    ensure(job->service->flying <= SERVICE_FLYING + SERVICE_FLYING_FRESH);
}

static void job_fly(struct swap_job *job)
{
    struct swap_service *service = job->service;
    bool many = others_load(service, job->session->client);

    check(job->buffer != NULL);
    loader_note(service, job->session->client);
    job->took_ns = clock_now_ns();
    job->fresh = is_fresh(service, job->session->client);
    flying_count(job, 1);
    flight_begin(&service->flight, job, many ? SERVICE_PARTS_MANY : SERVICE_PARTS);
}

/* A job goes to a thread when there is one. */
static void job_ground(struct swap_job *job)
{
    check(job->parts == 0 && job->buffer != NULL);
    job->next = job->service->grounded;
    job->service->grounded = job;
}

/* A job is not in flight any more. */
static void job_land(struct swap_job *job)
{
    struct swap_service *service = job->service;

    flying_count(job, -1);
    if (job->failed) {
        job_ground(job);
        return;
    }
    if (job->kind == SWAP_JOB_LOAD) {
        swap_job_arrive(job);
        service->counters.lone++;
        job->took_ns = clock_now_ns() - job->took_ns; /* since it took off */
        load_note(service, job);
    }
    job_end(job);
}

/* Whether any job has landed. */
static bool flights_look(struct swap_service *service)
{
    struct swap_job *job;
    bool any = false;

    flight_look(&service->flight);
    while ((job = flight_take(&service->flight)) != NULL) {
        job_land(job);
        any = true;
    }
    return any;
}

/* Jobs that failed in flight, or never fly, go to threads, as far as there are any. */
static void grounded_run(struct swap_service *service)
{
    while (service->grounded != NULL && service->running < SERVICE_WORKERS) {
        struct swap_job *job = service->grounded;

        service->grounded = job->next;
        job_to_thread(job);
    }
    check(service->grounded == NULL || service->running > 0);
}

/* The loop is awake, or asleep until the ring's event. */
static void awake_set(struct swap_service *service)
{
    bool awake = awake_is(&service->awake);

    ring_arm(&service->flight.ring, !awake);
    if (!awake || service->server.stopping)
        return;
    uv_check_start(&service->read, on_read);
    uv_idle_start(&service->busy, on_busy);
}

/* Give the kernel what is to fly. */
static void flights_submit(struct swap_service *service)
{
    struct swap_job *job;
    bool any = flight_has_begun(&service->flight);

    if (any && service->flying > 0 && !service->server.stopping)
        awake_begin(&service->awake, clock_now_ns());
    if (any)
        awake_set(service);
    flight_submit(&service->flight);
    while ((job = flight_take(&service->flight)) != NULL)
        job_land(job); /* the kernel did not take it */
    grounded_run(service);
    if (service->flying == 0 && awake_is(&service->awake))
        awake_end(&service->awake, clock_now_ns());
}

/* ---- The queue ---- */

static void job_run(struct swap_job *job)
{
    struct swap_service *service = job->service;

    check(service->threaded && job->session->jobs > 0);
    bulk_count(service, job, 1);
    if (job_is_lone(service, job)) {
        job_transfer(job);
        load_note(service, job);
        service->counters.lone++;
        job_end(job);
    } else if (!job_flies(service, job)) {
        job_to_thread(job);
    } else if (swap_job_may_fly(job)) {
        job_fly(job);
    } else {
        job_ground(job);
    }
}

static bool job_needs_buffer(const struct swap_job *job)
{
    check(job->kind <= SWAP_JOB_RESERVE);
    return job->kind == SWAP_JOB_STORE || job->kind == SWAP_JOB_LOAD;
}

/* Give a job the buffer that it needs, if it needs one and there is one for its client. */
static bool job_has_buffer(struct swap_job *job)
{
    struct client *client = job->session->client;
    bool small = job_flies(job->service, job) && !job_is_bulk(job);
    uint32_t *held = small ? &client->small : &client->large;
    uint32_t most = small                 ? SERVICE_CLIENT_SMALL
                    : client->own != NULL ? SERVICE_OWN_LARGE
                                          : SERVICE_CLIENT_LARGE;
    uint8_t *buffer;

    if (!job_needs_buffer(job) || job->buffer != NULL)
        return true;
    if (*held == most)
        return false;
    buffer = buffers_take(&job->service->buffers, small);
    if (buffer == NULL)
        return false;
    check(!small || job->room <= BUFFERS_SMALL_PAGES);
    ++*held;
    making_set_buffer(job, buffer);
    return true;
}

/* Whether one small load more may be in flight. Those of clients that load now and then take no place from those of
 * clients with queues, nor these from them. */
static bool small_may_fly(const struct swap_service *service, const struct client *client)
{
    check(service->flying_fresh <= service->flying);
    if (service->flight.idle_count == 0)
        return false;
    if (is_fresh(service, client))
        return service->flying_fresh < SERVICE_FLYING_FRESH;
    return service->flying - service->flying_fresh <
           (others_load(service, client) ? SERVICE_FLYING_MANY : SERVICE_FLYING);
}

/* Without flights, one thread is left to loads that are waited for. */
static bool job_may_run(const struct swap_service *service, const struct client *client,
                        const struct swap_job *job)
{
    bool bulk = job_is_bulk(job);

    check(service->bulk < SERVICE_WORKERS);
    if (bulk && service->bulk == SERVICE_WORKERS - 1)
        return false;
    if (!job_flies(service, job))
        return service->running < SERVICE_WORKERS;
    return bulk ? service->flight.idle_count > 0 : small_may_fly(service, client);
}

/* Why a client's first job does not begin. */
enum hindrance {
    HINDRANCE_NONE,
    HINDRANCE_OURS, /* threads are busy: it is the next one */
    HINDRANCE_THEIRS, /* the client has enough under way, or its slots are leaving, or its contract says later */
};

/* Does the client's contract for bandwidth let the job begin? */
static bool job_is_due(const struct swap_service *service, const struct client *client,
                       const struct swap_job *job, uint64_t now)
{
    check(client->first_job == job);
    return !job_needs_buffer(job) || rota_may(&service->turns.rota, &client->turn, now);
}

/* Let the first job of a client begin. */
static enum hindrance job_begin(struct swap_service *service, struct client *client, uint64_t now)
{
    struct swap_job *job = client->first_job;
    uint32_t cost = fair_cost(job);
    int verdict;

    if (!job_is_due(service, client, job, now))
        return HINDRANCE_THEIRS;
    if (!job_may_run(service, client, job))
        return HINDRANCE_OURS;
    if (!job_has_buffer(job))
        return HINDRANCE_THEIRS;
    verdict = books_begin(job);
    if (verdict == -EAGAIN)
        return HINDRANCE_THEIRS;
    fair_pop(&service->turns, client);
    if (job_needs_buffer(job))
        bandwidth_spend(&client->turn.bandwidth, now, cost);
    check(client->turn.deficit >= cost);
    client->turn.deficit -= cost;
    if (verdict == 0) {
        job_run(job);
    } else {
        books_end(job);
        making_end(job);
    }
    return HINDRANCE_NONE;
}

/* A client's turn: its jobs begin, in order, until it is used up or one has to wait. Returns whether any has
 * begun; *holderp is this client if its turn was broken off, and none before it was. */
static bool client_turn(struct swap_service *service, struct client *client, uint64_t now,
                        struct client **holderp)
{
    enum hindrance hindrance = HINDRANCE_NONE;
    bool any = false;

    while (hindrance == HINDRANCE_NONE && client->first_job != NULL &&
           client->turn.deficit >= fair_cost(client->first_job)) {
        hindrance = job_begin(service, client, now);
        any |= hindrance == HINDRANCE_NONE;
    }
    check(client->references > 0);
    if (hindrance == HINDRANCE_OURS && *holderp == NULL)
        *holderp = client;
    else
        fair_return(&service->turns, client);
    return any;
}

static void on_due(uv_timer_t *timer)
{
    struct swap_service *service = timer->data;

    check(service->threaded);
    if (!service->server.stopping)
        queue_pump(service);
}

/* Look at contracts with rates: whose turn has come, and when comes the next one's? */
static void rates_look(struct swap_service *service, uint64_t now)
{
    uint64_t next = rota_due(&service->turns.rota, now);

    check(service->threaded && next > now);
    if (next != UINT64_MAX)
        uv_timer_start(&service->due, on_due, (next - now) / 1000000 + 1, 0);
}

/* Whether any job may begin at all. */
static bool may_begin(const struct swap_service *service)
{
    return service->running < SERVICE_WORKERS || service->flight.idle_count > 0;
}

/* Give turns until no client's first job can begin. */
static void queue_pump(struct swap_service *service)
{
    uint64_t now = service->clients.promised > 0 ? clock_now_ns() : 0;
    struct client *holder = NULL;
    uint32_t waiting = 0;

    check(service->threaded);
    if (service->clients.promised > 0)
        (void)rota_due(&service->turns.rota, now);
    grounded_run(service);
    while (waiting < service->turns.rota.count && may_begin(service)) {
        uint32_t before = service->turns.rota.count;

        if (client_turn(service, fair_take(&service->turns), now, &holder))
            waiting = 0;
        else if (service->turns.rota.count == before) /* or it has no jobs, and waits for nothing */
            waiting++;
    }
    if (holder != NULL)
        fair_hold(&service->turns, holder);
    if (service->clients.promised > 0)
        rates_look(service, now);
    grounded_run(service);
    flights_submit(service);
}

/* The loop is to sleep: what ended before the ring was armed would not wake it. */
static void lie_down(struct swap_service *service)
{
    uv_check_stop(&service->read);
    uv_idle_stop(&service->busy);
    if (!flight_is_open(&service->flight))
        return;
    awake_set(service);
    if (flight_parts(&service->flight) == 0)
        return;
    if (flights_look(service))
        queue_pump(service);
    else
        flights_submit(service);
}

/* All input of this pass has been read: begin what is most urgent of it. And while the loop is awake: has anything ended? */
static void on_read(uv_check_t *handle)
{
    struct swap_service *service = handle->data;
    bool any = service->came;

    check(service->threaded && handle == &service->read);
    service->came = false;
    if (flight_parts(&service->flight) > 0)
        any |= flights_look(service);
    if (any)
        queue_pump(service);
    else
        flights_submit(service);
    if (!awake_is(&service->awake) || !awake_look(&service->awake, clock_now_ns()))
        lie_down(service);
}

/* The server stops: it waits for flights as for jobs in threads. */
static void landed_close(struct swap_service *service)
{
    check(service->server.stopping && flight_is_open(&service->flight));
    if (flight_parts(&service->flight) == 0 && !uv_is_closing((uv_handle_t *)&service->landed))
        uv_close((uv_handle_t *)&service->landed, NULL);
}

static void on_landed(uv_poll_t *handle, int status, int events)
{
    struct swap_service *service = handle->data;

    (void)status; /* an event does not fail */
    (void)events;
    check(service->threaded);
    flight_hear(&service->flight);
    if (flights_look(service))
        queue_pump(service);
    else
        flights_submit(service);
    if (service->server.stopping)
        landed_close(service);
}

/* Slots have come free, for which jobs may wait. */
static void on_freed(void *context)
{
    struct swap_service *service = context;

    check(service->threaded);
    if (!service->server.stopping)
        queue_pump(service);
}

static void on_busy(uv_idle_t *handle)
{
    (void)handle; /* being there is enough: the loop does not wait */
}

void service_open_handles(struct swap_service *service)
{
    uv_check_init(service->server.loop, &service->read);
    uv_idle_init(service->server.loop, &service->busy);
    uv_timer_init(service->server.loop, &service->due);
    service->due.data = service;
    service->read.data = service;
    service->landed.data = service;
    if (flight_is_open(&service->flight) &&
        uv_poll_init(service->server.loop, &service->landed, service->flight.event) == 0) {
        uv_poll_start(&service->landed, UV_READABLE, on_landed);
        ring_arm(&service->flight.ring, true);
    } else {
        flight_close(&service->flight);
    }
    check(service->turns.rota.count == 0);
}

void service_close_handles(struct swap_service *service)
{
    uv_close((uv_handle_t *)&service->read, NULL);
    uv_close((uv_handle_t *)&service->busy, NULL);
    uv_close((uv_handle_t *)&service->due, NULL);
    if (flight_is_open(&service->flight)) {
        service->awake = (struct awake){.until_ns = 0};
        ring_arm(&service->flight.ring, true);
        (void)flights_look(service);
        flights_submit(service);
        landed_close(service);
    }
    check(uv_is_closing((uv_handle_t *)&service->read));
}

void service_submit(struct swap_session *session, const struct wire_message *message)
{
    struct swap_service *service = session->service;
    struct client *client = session->client;
    struct swap_job *job;

    check(client != NULL && session->connection != NULL);
    if (session->jobs >= SERVICE_JOBS_MAX) {
        connection_close(session->connection, CONNECTION_VIOLATION,
                         "more than %u requests are unanswered", SERVICE_JOBS_MAX);
        return;
    }
    job = making_from_message(session, message);
    if (job == NULL) {
        connection_close(session->connection, CONNECTION_FAILED, "no memory for a request");
        return;
    }
    if (!service->threaded) {
        job_serve(job);
        return;
    }
    fair_add(&service->turns, client, job);
    check(service->turns.rota.count > 0);
    service->came = true;
    uv_check_start(&service->read, on_read);
    uv_idle_start(&service->busy, on_busy);
}

void service_look(struct swap_service *service)
{
    check(!service->server.stopping);
    if (!service->threaded)
        return;
    uv_check_start(&service->read, on_read);
    uv_idle_start(&service->busy, on_busy);
}

void service_drop_queue(struct swap_service *service)
{
    while (service->turns.rota.count > 0) {
        struct client *client = fair_take(&service->turns);

        while (client->first_job != NULL) {
            struct swap_job *job = client->first_job;

            fair_pop(&service->turns, client);
            making_end(job);
        }
        fair_return(&service->turns, client);
    }
    check(service->turns.loads == 0);
}

/* Memory for the way of working that the device's mode asks for. */
static int memory_prepare(struct swap_service *service, struct sp_error *error)
{
    struct allocator allocator = {.resize = libc_resize};

    bool flies;
    int code;

    service->threaded =
        service->device.facts.waits || service->device.sync || service->options->bandwidth > 0;
    flies = service->threaded && service->device.backend->descriptor != NULL &&
            flight_open(&service->flight);
    code = buffers_open(&service->buffers, service->threaded ? BUFFERS_LARGE : 1, flies, error);
    if (code < 0)
        return code;
    service->reused = service->threaded ? NULL : making_allocate(WIRE_BATCH);
    if (!service->threaded && service->reused == NULL)
        return error_set(error, ENOMEM, "no memory for a request");
    if (swap_map_init(&service->map, service->options->slots, allocator) < 0)
        return error_set(error, ENOMEM, "no memory for the books of %u slots",
                         service->options->slots);
    check(service->threaded == (service->reused == NULL));
    return 0;
}

/* A device that existed may hold pages of slots that are free by now. */
static void slots_discard(struct swap_service *service)
{
    check(service->map.leaving == 0 && service->running == 0);
    for (uint32_t slot = 0; service->device.facts.existed && slot < service->map.slots; slot++)
        if (service->map.slot[slot].state == SWAP_SLOT_FREE)
            swap_device_discard(&service->device, slot, 1);
}

int service_open(struct swap_service *service, const struct swap_options *options,
                 struct sp_error *error)
{
    int code;

    memset(service, 0, sizeof(*service));
    service->server.listener = -1; /* server_fini is called even if there was no server_start */
    service->buffers.memory.fd = -1;
    service->flight.event = -1;
    service->options = options;
    service->random = random_seeded(options->seed);
    service->load_ns = SERVICE_SLOW_NS;
    code = swap_device_open(&service->device, options, error);
    if (code == 0)
        code = memory_prepare(service, error);
    if (code < 0)
        return code;
    service->restored = client_table_init(&service->clients, &service->map, service->device.index,
                                          options->quota, options->user_quota);
    if (service->restored < 0)
        return error_set(error, ENOMEM, "no memory for the clients of %s", options->device);
    check(service->map.slots == options->slots);
    service->clients.device = &service->device;
    service->clients.capacity = options->bandwidth;
    service->own = (struct own_world){.server = &service->server,
                                      .device = &service->device,
                                      .map = &service->map,
                                      .waits = service->threaded,
                                      .freed = service->threaded ? on_freed : NULL,
                                      .context = service};
    slots_discard(service);
    return 0;
}

void service_fini(struct swap_service *service)
{
    server_fini(&service->server);
    check(service->turns.rota.count == 0);
    client_table_fini(&service->clients);
    control_fini(&service->control);
    swap_map_fini(&service->map);
    swap_device_close(&service->device);
    free(service->reused);
    buffers_close(&service->buffers);
    flight_close(&service->flight);
}
