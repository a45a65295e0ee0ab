#include "making.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "fillers.h"

struct swap_job *making_allocate(uint32_t pages)
{
    check(pages <= WIRE_BATCH);
    return malloc(sizeof(struct swap_job) + pages * sizeof(struct swap_page));
}

void making_set_buffer(struct swap_job *job, uint8_t *buffer)
{
    const struct shared *memory = &job->service->buffers.memory;

    check(buffer >= (const uint8_t *)memory->memory &&
          buffer < (const uint8_t *)memory->memory + memory->size);
    job->buffer = buffer;
    job->buffer_fd = memory->fd;
    job->buffer_at = buffer - (const uint8_t *)memory->memory;
}

/* Give back what it has in the pool, if it is threaded and has a buffer there. */
static void buffer_release(struct swap_job *job)
{
    struct buffers *buffers = &job->service->buffers;
    struct client *client = job->session->client;
    uint32_t *held;

    if (job->buffer == NULL)
        return;
    held = buffers_is_small(buffers, job->buffer) ? &client->small : &client->large;
    ensure(*held > 0);
    --*held;
    buffers_give(buffers, job->buffer);
}

void making_session_unref(struct swap_session *session)
{
    ensure(session->references > 0);
    if (--session->references > 0)
        return;
    if (session->client != NULL)
        client_unref(session->client);
    free(session);
}

/* A job of `count` pages for a session, all zeros but for what is known now. */
static struct swap_job *job_new(struct swap_session *session, enum swap_job_kind kind, uint32_t seq,
                                uint32_t count)
{
    struct swap_service *service = session->service;
    uint32_t room = service->threaded && kind == SWAP_JOB_LOAD ? fillers_room(count) : count;
    struct swap_job *job = service->threaded ? making_allocate(room) : service->reused;

    check(count <= WIRE_BATCH && session->client != NULL);
    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof(*job) + count * sizeof(job->page[0]));
    job->work.data = job;
    job->service = service;
    job->session = session;
    job->device = &service->device;
    job->place = session->client->own != NULL ? session->client->own->place : service->device.state;
    job->map = session->client->own != NULL ? &session->client->own->map : &service->map;
    if (!service->threaded)
        making_set_buffer(job, service->buffers.memory.memory);
    job->key = session->client->key;
    job->number = session->client->own != NULL ? 0 : session->client->number;
    job->seq = seq;
    job->count = job->asked = (uint16_t)count;
    job->room = (uint16_t)room;
    job->kind = (uint8_t)kind;
    session->references++;
    session->jobs++;
    return job;
}

void making_end(struct swap_job *job)
{
    struct swap_service *service = job->service;
    struct swap_session *session = job->session;

    for (uint32_t i = 0; i < job->count; i++)
        extent_table_unref(job->page[i].extent);
    ensure(session->jobs > 0);
    session->jobs--;
    if (service->threaded) {
        buffer_release(job);
        free(job);
    }
    making_session_unref(session);
}

static void place_set(struct swap_page *page, const struct client *client, uint32_t extent,
                      uint32_t offset)
{
    page->offset = offset;
    page->extent = extent_table_find(&client->extents, extent, offset);
    check(page->extent == NULL || offset < page->extent->pages);
    page->error = page->extent == NULL ? -EINVAL : 0;
}

struct swap_job *making_from_message(struct swap_session *session,
                                     const struct wire_message *message)
{
    const struct client *client = session->client;
    struct swap_job *job = NULL;

    check(client != NULL);
    switch (message->type) {
    case WIRE_STORE:
        job = job_new(session, SWAP_JOB_STORE, message->seq, message->store.pages_count);
        for (uint32_t i = 0; job != NULL && i < job->count; i++)
            place_set(&job->page[i], client, message->store.pages[i].extent,
                      message->store.pages[i].offset);
        break;
    case WIRE_LOAD:
        job = job_new(session, SWAP_JOB_LOAD, message->seq, message->load.pages_count);
        for (uint32_t i = 0; job != NULL && i < job->count; i++) {
            place_set(&job->page[i], client, message->load.pages[i].extent,
                      message->load.pages[i].offset);
            job->page[i].slot = message->load.pages[i].slot;
        }
        break;
    case WIRE_FREE:
        job = job_new(session, SWAP_JOB_FREE, message->seq, message->free.slots_count);
        for (uint32_t i = 0; job != NULL && i < job->count; i++)
            job->page[i].slot = message->free.slots[i].value;
        break;
    case WIRE_RESERVE:
        job = job_new(session, SWAP_JOB_RESERVE, message->seq, 0);
        if (job != NULL) {
            job->add = message->reserve.add;
            job->subtract = message->reserve.subtract;
        }
        break;
    }
    return job;
}
