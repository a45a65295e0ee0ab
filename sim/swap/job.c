/* Moving the pages of a job: extents to buffer to device, and back. */
#include "base/assert.h"
#include "job.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <xxhash.h>

static uint8_t *page_bytes(const struct swap_job *job, uint32_t page)
{
    check(page < job->count && job->buffer != NULL);
    return job->buffer + (size_t)page * SWAP_PAGE;
}

static void run_set_error(struct swap_job *job, struct swap_run run, int error)
{
    check(run.first + run.count <= job->count && error <= 0);
    for (uint32_t i = run.first; i < run.first + run.count; i++)
        job->page[i].error = error;
}

/* Is page `i` to be copied to or from an extent? */
static bool is_copied(const struct swap_job *job, uint32_t i)
{
    check(i < job->count);
    return job->page[i].extent != NULL && job->page[i].error == 0;
}

/* The longest run from `first` on of pages that are neighbours in one extent. */
static struct swap_run extent_run(const struct swap_job *job, uint32_t first)
{
    const struct swap_page *start = &job->page[first];
    struct swap_run run = {.first = first, .count = 1};

    check(is_copied(job, first));
    while (first + run.count < job->count && is_copied(job, first + run.count) &&
           start[run.count].extent == start->extent &&
           start[run.count].offset == start->offset + run.count)
        run.count++;
    return run;
}

/* Copy a run, in the direction that the job asks for. Returns how many whole pages were copied. */
static uint32_t run_copy(const struct swap_job *job, struct swap_run run)
{
    const struct swap_page *page = &job->page[run.first];
    ssize_t copied;

    check(run.count > 0 && page->offset + run.count <= page->extent->pages);
    if (job->kind != SWAP_JOB_STORE)
        return extent_table_write(page->extent, page->offset, run.count, job->buffer_fd,
                                  job->buffer_at + (off_t)run.first * SWAP_PAGE);
    copied = pread(page->extent->fd, page_bytes(job, run.first), (size_t)run.count * SWAP_PAGE,
                   (off_t)page->offset * SWAP_PAGE);
    return copied > 0 ? (uint32_t)((size_t)copied / SWAP_PAGE) : 0;
}

/* Copy all pages without an error; what the extents do not have gets EFAULT. */
static void pages_copy(struct swap_job *job)
{
    for (uint32_t i = 0; i < job->count;) {
        struct swap_run run;
        uint32_t copied;

        if (!is_copied(job, i)) {
            i++;
            continue;
        }
        run = extent_run(job, i);
        copied = run_copy(job, run);
        check(copied <= run.count);
        i += run.count;
        run.first += copied;
        run.count -= copied;
        run_set_error(job, run, -EFAULT);
    }
}

/* The first byte is zero, and each byte is the one before it. */
static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, SWAP_PAGE - 1) == 0;
}

void swap_job_collect(struct swap_job *job)
{
    check(job->kind == SWAP_JOB_STORE);
    pages_copy(job);
    for (uint32_t i = 0; i < job->count; i++)
        job->page[i].zero = job->page[i].error == 0 && is_zero(page_bytes(job, i));
}

void swap_job_deliver(struct swap_job *job)
{
    check(job->kind == SWAP_JOB_LOAD);
    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].zero)
            memset(page_bytes(job, i), 0, SWAP_PAGE);
    pages_copy(job);
}

/* By insertion: requests are mostly in order. */
void swap_job_order(struct swap_job *job)
{
    check(job->kind == SWAP_JOB_LOAD);
    for (uint32_t i = 0; i < job->count; i++) {
        struct swap_page page = job->page[i];
        uint32_t to = i;

        page.asked = (uint16_t)i;
        for (; to > 0 && job->page[to - 1].slot > page.slot; to--)
            job->page[to] = job->page[to - 1];
        job->page[to] = page;
    }
}

/* The longest run from `first` on of pending pages in neighbouring slots. */
static struct swap_run slot_run(const struct swap_job *job, uint32_t first)
{
    const struct swap_page *start = &job->page[first];
    struct swap_run run = {.first = first, .count = 1};

    check(start->pending);
    while (first + run.count < job->count && start[run.count].pending &&
           start[run.count].slot == start->slot + run.count)
        run.count++;
    return run;
}

struct swap_run swap_job_next_run(const struct swap_job *job, uint32_t from)
{
    check(from <= job->count);
    while (from < job->count && !job->page[from].pending)
        from++;
    return from < job->count ? slot_run(job, from) : (struct swap_run){.first = from};
}

/* Read or write a run as one. */
static int run_transfer(struct swap_job *job, struct swap_run run)
{
    uint32_t slot = job->page[run.first].slot;

    check(run.count > 0 && run.first + run.count <= job->count);
    job->transfers++;
    for (uint32_t i = run.first; i < run.first + run.count; i++)
        if (job->page[i].doomed)
            return -EIO;
    if (job->kind == SWAP_JOB_STORE)
        return swap_device_write(job->device, job->place, slot, run.count,
                                 page_bytes(job, run.first));
    return swap_device_read(job->device, job->place, slot, run.count, page_bytes(job, run.first));
}

/* Read or write all pending pages in runs; those of a run that fails, once more one by one, so that
 * a bad slot does not take its neighbours with it. */
static void runs_transfer(struct swap_job *job)
{
    struct swap_run run = swap_job_next_run(job, 0);

    for (; run.count > 0; run = swap_job_next_run(job, run.first + run.count)) {
        int error = run_transfer(job, run);

        run_set_error(job, run, error);
        if (error == 0 || run.count == 1)
            continue;
        for (uint32_t i = run.first; i < run.first + run.count; i++)
            if (!job->page[i].filler)
                job->page[i].error = run_transfer(job, (struct swap_run){.first = i, .count = 1});
    }
}

/* Enter the pages of a STORE that reached the device in the index, and sync. If either fails, no page counts as
 * stored. */
static void stored_enter(struct swap_job *job)
{
    uint64_t checksums[WIRE_BATCH];
    uint32_t slots[WIRE_BATCH], count = 0;
    int error = 0;

    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending && job->page[i].error == 0) {
            slots[count] = job->page[i].slot;
            checksums[count++] = job->page[i].checksum;
        }
    check(count <= job->count);
    if (count > 0 && job->device->index != NULL)
        error =
            swap_index_store(job->device->index, job->number, job->key, slots, checksums, count);
    if (count > 0 && error == 0 && job->device->sync) {
        error = swap_device_sync(job->device, job->epoch);
        if (error < 0 && job->device->index != NULL)
            (void)swap_index_clear(job->device->index, slots, count);
    }
    for (uint32_t i = 0; error < 0 && i < job->count; i++)
        if (job->page[i].pending && job->page[i].error == 0)
            job->page[i].error = error;
}

bool swap_job_may_fly(const struct swap_job *job)
{
    bool flies = job->kind == SWAP_JOB_LOAD ||
                 (job->kind == SWAP_JOB_STORE && job->device->index == NULL && !job->device->sync);

    check(job->count <= WIRE_BATCH);
    for (uint32_t i = 0; flies && i < job->count; i++)
        flies = !job->page[i].doomed;
    return flies;
}

void swap_job_depart(struct swap_job *job)
{
    check(job->kind == SWAP_JOB_STORE);
    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending)
            job->page[i].checksum = XXH3_64bits(page_bytes(job, i), SWAP_PAGE);
}

static void store_transfer(struct swap_job *job)
{
    swap_job_depart(job);
    runs_transfer(job);
    if (job->device->index != NULL || job->device->sync)
        stored_enter(job);
}

void swap_job_arrive(struct swap_job *job)
{
    check(job->kind == SWAP_JOB_LOAD);
    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending && !job->page[i].filler && job->page[i].error == 0 &&
            XXH3_64bits(page_bytes(job, i), SWAP_PAGE) != job->page[i].checksum)
            job->page[i].error = -EBADMSG;
}

static void load_transfer(struct swap_job *job)
{
    runs_transfer(job);
    swap_job_arrive(job);
}

/* Slots that are given up lose their records before they are handed out again. */
static void free_transfer(struct swap_job *job)
{
    uint32_t slots[WIRE_BATCH], count = 0;
    int error = 0;

    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending)
            slots[count++] = job->page[i].slot;
    check(count == 0 || job->device->index != NULL);
    if (count > 0)
        error = swap_index_clear(job->device->index, slots, count);
    if (count > 0 && error == 0 && job->device->sync)
        error = swap_device_sync(job->device, job->epoch);
    for (uint32_t i = 0; i < job->count; i++)
        if (job->page[i].pending)
            job->page[i].error = error;
}

void swap_job_transfer(struct swap_job *job)
{
    check(job->count <= WIRE_BATCH && (job->count > 0) == (job->move == NULL));
    if (job->device->sync)
        job->epoch = swap_device_epoch(job->device);
    if (job->kind == SWAP_JOB_STORE)
        store_transfer(job);
    else if (job->kind == SWAP_JOB_LOAD)
        load_transfer(job);
    else if (job->kind == SWAP_JOB_FREE)
        free_transfer(job);
    else if (job->move != NULL)
        room_transfer(job->move);
}
