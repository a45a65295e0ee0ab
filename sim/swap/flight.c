#include "flight.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* So many parts do not wait for others of their turn: the device begins with them meanwhile. */
#define DEPART_TOGETHER 4u

bool flight_open(struct flight *flight)
{
    const char *wanted = getenv("SELFPAGE_RING");

    memset(flight, 0, sizeof(*flight));
    flight->event = -1;
    if (RUNNING_ON_VALGRIND || (wanted != NULL && strcmp(wanted, "off") == 0))
        return false;
    flight->event = ring_open_event(&flight->ring);
    if (flight->event < 0)
        return false;
    for (uint32_t i = 0; i < RING_READS; i++)
        flight->idle[flight->idle_count++] = (uint8_t)(RING_READS - 1 - i);
    check(flight_parts(flight) == 0);
    return true;
}

void flight_close(struct flight *flight)
{
    if (!flight_is_open(flight))
        return;
    ensure(flight_parts(flight) == 0 && flight->ended_first == NULL);
    ring_close(&flight->ring);
    close(flight->event);
    flight->event = -1;
}

/* Add the next run of a job, for which some part must be idle. */
static void part_add(struct flight *flight, struct swap_job *job, struct swap_run run)
{
    uint32_t number = flight->idle[--flight->idle_count];
    struct flight_part *part = &flight->part[number];
    uint64_t at;
    int fd = swap_device_descriptor(job->device, job->place, &at);

    check(part->job == NULL && fd >= 0 && job->buffer != NULL);
    part->job = job;
    part->bytes = run.count * SWAP_PAGE;
    part->memory = (struct iovec){.iov_base = job->buffer + (size_t)run.first * SWAP_PAGE,
                                  .iov_len = part->bytes};
    at += (uint64_t)job->page[run.first].slot * SWAP_PAGE;
    if (job->kind == SWAP_JOB_STORE)
        ring_write(&flight->ring, fd, &part->memory, 1, (off_t)at, number);
    else
        ring_read(&flight->ring, fd, &part->memory, 1, (off_t)at, number);
    flight->order[flight->added++] = (uint16_t)number;
    flight->begun = true;
    job->parts++;
    job->transfers++;
    job->cursor = (uint16_t)(run.first + run.count);
}

/* Whether a run of the job departs. */
static bool goes_on(struct flight *flight, struct swap_job *job)
{
    struct swap_run run = swap_job_next_run(job, job->cursor);

    check(job->parts <= job->parts_most);
    if (job->failed || job->parts == job->parts_most || flight->idle_count == 0 || run.count == 0)
        return false;
    part_add(flight, job, run);
    return true;
}

/* A part has ended, well or not. */
static void part_end(struct flight *flight, uint32_t number, int result)
{
    struct flight_part *part = &flight->part[number];
    struct swap_job *job = part->job;

    ensure(number < RING_READS && job != NULL && job->parts > 0);
    job->failed |= result < 0 || (uint32_t)result != part->bytes;
    part->job = NULL;
    flight->idle[flight->idle_count++] = (uint8_t)number;
    job->parts--;
    if (goes_on(flight, job) || job->parts > 0)
        return;
    job->next = NULL;
    if (flight->ended_first == NULL)
        flight->ended_first = job;
    else
        flight->ended_last->next = job;
    flight->ended_last = job;
}

/* Give the kernel what was added. */
static void give(struct flight *flight)
{
    uint32_t added = flight->added, taken;

    if (added == 0)
        return;
    taken = ring_submit(&flight->ring);
    check(taken <= added);
    flight->added = 0;
    for (; taken < added; taken++) {
        flight->part[flight->order[taken]].job->failed = true; /* it does not go on */
        part_end(flight, flight->order[taken], -1);
    }
}

void flight_begin(struct flight *flight, struct swap_job *job, uint32_t parts)
{
    ensure(flight->idle_count > 0 && parts > 0 && parts <= RING_READS);
    job->cursor = 0;
    job->parts = 0;
    job->parts_most = (uint8_t)parts;
    job->failed = false;
    if (job->kind == SWAP_JOB_STORE)
        swap_job_depart(job);
    while (goes_on(flight, job))
        continue;
    check(job->parts > 0);
    if (flight->added >= DEPART_TOGETHER)
        give(flight);
}

void flight_submit(struct flight *flight)
{
    flight->begun = false;
    give(flight);
    check(flight->added == 0);
}

void flight_look(struct flight *flight)
{
    uint32_t number;
    int result;

    ensure(!flight->begun);
    ring_gather(&flight->ring);
    while (ring_take(&flight->ring, &number, &result))
        part_end(flight, number, result);
}

struct swap_job *flight_take(struct flight *flight)
{
    struct swap_job *job = flight->ended_first;

    if (job == NULL)
        return NULL;
    check(job->parts == 0);
    flight->ended_first = job->next;
    job->next = NULL;
    return job;
}

void flight_hear(const struct flight *flight)
{
    uint64_t times;

    check(flight_is_open(flight));
    /* Nothing to read is no error: it was heard before. */
    if (read(flight->event, &times, sizeof(times)) < 0)
        return;
}
