#include "task/effects/own_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Without the header that makes checksums, swap loads everything. */
#if __has_include(<xxhash.h>)
#define XXH_INLINE_ALL
#include <xxhash.h>
#define CAN_CHECK                true
#define CHECKSUM(address, bytes) XXH3_64bits(address, bytes)
#else
#define CAN_CHECK                false
#define CHECKSUM(address, bytes) ((uint64_t)0)
#endif

#include "base/assert.h"
#include "base/error.h"
#include "task/effects/memory.h"
#include "task/effects/own_ring.h"
#include "task/state/units.h"

/* Loads after which swap is told. */
#define TELL_AFTER 64u

/* Slots between two pages that are read with them, at most. All threads read them to one place, which nobody
 * looks at; ThreadSanitizer would call that a race. */
#if defined(__SANITIZE_THREAD__)
#define OWN_FILE_GAP 0u
#else
#define OWN_FILE_GAP 3u
#endif

/* ---- The file ---- */

/* Checksums of all base pages, and before them room for what nobody wants. */
static size_t tables_size(const struct sp_task *task)
{
    check(task->arena_pages > 0);
    return (size_t)OWN_FILE_GAP * SP_PAGE_SIZE + task->arena_pages * sizeof(*task->own_sums);
}

int own_file_open(struct sp_task *task, struct sp_error *error)
{
    struct wire_message message = {.type = WIRE_OWN_FILE_OPEN};
    struct wire_message reply;
    void *tables;

    check(task->own_file_fd < 0 && task->own_sums == NULL);
    own_ring_permit();
    message.own_file_open.page_size = SP_PAGE_SIZE;
    if (!CAN_CHECK)
        return 0;
    if (channel_ask(&task->swap, &message, -1, &reply) != 0)
        return error_set(error, EPROTO, "swap is gone");
    if (task->own_file_fd < 0)
        return 0;
    /* Checksums come with the first store, even if there is no memory to note them. */
    tables = mmap(NULL, tables_size(task), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (tables == MAP_FAILED) {
        own_file_close(task);
        return 0;
    }
    task->own_scratch = tables;
    task->own_sums = (uint64_t *)(void *)(task->own_scratch + (size_t)OWN_FILE_GAP * SP_PAGE_SIZE);
    return 0;
}

void own_file_arrived(struct sp_task *task, const struct wire_message *message, int consume_fd)
{
    check(message->type == WIRE_OWN_FILE);
    if (task->own_file_fd < 0 && consume_fd >= 0)
        task->own_file_fd = consume_fd;
    else if (consume_fd >= 0)
        close(consume_fd);
}

void own_file_close(struct sp_task *task)
{
    check(task->own_file_fd >= 0 || task->own_sums == NULL);
    check(task->arena_pages > 0 || task->own_sums == NULL);
    if (task->own_file_fd >= 0)
        close(task->own_file_fd);
    task->own_file_fd = -1;
    if (task->own_sums != NULL)
        munmap(task->own_scratch, tables_size(task));
    task->own_sums = NULL;
}

/* ---- Loads ---- */

/* One base page to load: the i-th of the request. */
struct file_piece {
    uint32_t slot;
    uint32_t i;
    unsigned char *frame;
    uint64_t sum;
};

/* Pages that lie side by side in the file, to be read as one, and those in small gaps between them, which nobody
 * wants. What lies next to each other in memory, too, needs one part. */
struct file_run {
    uint32_t slot;
    uint32_t pages;
    uint32_t piece, pieces; /* the first one, and how many */
    uint32_t part;          /* the first one */
    int parts;
    uint32_t whole; /* pages that came whole */
};

/* What one load reads. */
struct reading {
    uint32_t pieces, runs, parts;
    uint32_t under_way; /* runs that the thread's ring reads, the first ones */
    struct file_piece piece[WIRE_BATCH];
    struct file_run run[WIRE_BATCH];
    struct iovec part[2 * WIRE_BATCH];
};

/* By the number of the ring. Stacks of faults are short. */
static struct reading readings[OWN_RINGS];

static struct file_piece piece_of(const struct sp_task *task, const struct work *work, uint32_t i)
{
    const struct work_page *page = &work->load[units_in(task, i)];
    uint32_t within = i % unit_pages(task);

    check(units_in(task, i) < work->loads);
    return (struct file_piece){.slot = units_swap_slot(task, page->page, page->swap, within),
                               .i = i,
                               .frame = (unsigned char *)memory_window(task, page->slot) +
                                        (size_t)within * SP_PAGE_SIZE,
                               .sum = task->own_sums[units_base(task, page->page) + within]};
}

/* The pages to read, in the order of their slots: mostly they come that way. Those of zeros are made at once. */
static void pieces_sort(const struct sp_task *task, const struct work *work,
                        struct reading *reading)
{
    uint32_t pages = units_base(task, work->loads);

    check(pages > 0 && pages <= WIRE_BATCH);
    reading->pieces = 0;
    for (uint32_t i = 0; i < pages; i++) {
        struct file_piece piece = piece_of(task, work, i);
        uint32_t to = reading->pieces;

        if (piece.slot == WIRE_SLOT_ZERO) {
            memset(piece.frame, 0, SP_PAGE_SIZE);
            continue;
        }
        for (; to > 0 && reading->piece[to - 1].slot > piece.slot; to--)
            reading->piece[to] = reading->piece[to - 1];
        reading->piece[to] = piece;
        reading->pieces++;
    }
}

static void run_part(struct reading *reading, struct file_run *run, unsigned char *memory,
                     uint32_t pages)
{
    struct iovec *last = run->parts > 0 ? &reading->part[reading->parts - 1] : NULL;

    check((uint32_t)run->parts <= run->pages && reading->parts < 2 * WIRE_BATCH);
    run->pages += pages;
    if (last != NULL && (unsigned char *)last->iov_base + last->iov_len == memory) {
        last->iov_len += (size_t)pages * SP_PAGE_SIZE;
        return;
    }
    reading->part[reading->parts++] =
        (struct iovec){.iov_base = memory, .iov_len = (size_t)pages * SP_PAGE_SIZE};
    run->parts++;
}

/* Make a run of the pieces from the given one on. */
static void run_make(const struct sp_task *task, struct reading *reading, uint32_t piece)
{
    struct file_run *run = &reading->run[reading->runs++];
    uint32_t i;

    check(piece < reading->pieces && reading->runs <= WIRE_BATCH);
    *run = (struct file_run){
        .slot = reading->piece[piece].slot, .piece = piece, .part = reading->parts};
    for (i = piece; i < reading->pieces; i++) {
        uint32_t gap = reading->piece[i].slot - run->slot - run->pages;

        if (gap > OWN_FILE_GAP)
            break;
        if (gap > 0)
            run_part(reading, run, task->own_scratch, gap);
        run_part(reading, run, reading->piece[i].frame, 1);
    }
    run->pieces = i - piece;
}

static void reading_make(const struct sp_task *task, const struct work *work,
                         struct reading *reading)
{
    pieces_sort(task, work, reading);
    reading->runs = reading->parts = reading->under_way = 0;
    for (uint32_t i = 0; i < reading->pieces; i += reading->run[reading->runs - 1].pieces)
        run_make(task, reading, i);
    check(reading->runs <= reading->pieces);
}

static uint32_t whole_pages(ssize_t bytes)
{
    check(bytes < (ssize_t)(WIRE_BATCH * (1 + OWN_FILE_GAP) * SP_PAGE_SIZE + 1));
    return bytes > 0 ? (uint32_t)((size_t)bytes / SP_PAGE_SIZE) : 0;
}

/* Read a run. */
static void run_read(const struct sp_task *task, const struct reading *reading,
                     struct file_run *run)
{
    off_t at = (off_t)run->slot * SP_PAGE_SIZE;
    ssize_t got;

    check(run->pages > 0 && run->parts > 0);
    do {
        got = preadv(task->own_file_fd, &reading->part[run->part], run->parts, at);
    } while (got < 0 && errno == EINTR);
    run->whole = whole_pages(got);
}

/* Look at the checksums of a run. Returns how many base pages did not come, or are wrong. */
static uint32_t run_look(const struct reading *reading, const struct file_run *run,
                         struct wire_message *reply)
{
    uint32_t left = 0;

    check(run->pieces > 0 && run->whole <= run->pages);
    for (uint32_t i = run->piece; i < run->piece + run->pieces; i++) {
        const struct file_piece *piece = &reading->piece[i];

        if (piece->slot - run->slot < run->whole &&
            CHECKSUM(piece->frame, SP_PAGE_SIZE) == piece->sum)
            continue;
        reply->loaded.errors[piece->i].value = EAGAIN;
        left++;
    }
    return left;
}

/* Counters that several threads change. */
static void note_loads(struct sp_task *task, uint32_t pages, uint32_t reads)
{
    check(reads <= pages);
    __atomic_add_fetch(&task->own_loads, pages, __ATOMIC_RELAXED);
    __atomic_add_fetch(&task->own_reads, reads, __ATOMIC_RELAXED);
    __atomic_add_fetch(&task->stats->loaded_itself, units_in(task, pages), __ATOMIC_RELAXED);
}

/* Look at all that was read, and make the reply. Returns how many base pages are left to the server. */
static uint32_t reading_end(struct sp_task *task, const struct work *work,
                            const struct reading *reading, struct wire_message *reply)
{
    uint32_t pages = units_base(task, work->loads), left = 0;

    check(own_file_is_open(task) && pages > 0 && pages <= WIRE_BATCH);
    reply->type = WIRE_LOADED;
    reply->error = 0;
    reply->loaded.errors_count = (uint16_t)pages;
    for (uint32_t i = 0; i < pages; i++)
        reply->loaded.errors[i].value = 0;
    for (uint32_t i = 0; i < reading->runs; i++)
        left += run_look(reading, &reading->run[i], reply);
    note_loads(task, pages - left, left == pages ? 0 : reading->runs);
    return left;
}

uint32_t own_file_load(struct sp_task *task, const struct work *work, struct wire_message *reply)
{
    struct reading reading;

    check(own_file_is_open(task) && work->loads > 0);
    reading_make(task, work, &reading);
    for (uint32_t i = 0; i < reading.runs; i++)
        run_read(task, &reading, &reading.run[i]);
    return reading_end(task, work, &reading, reply);
}

int own_file_begin(struct sp_task *task, const struct work *work)
{
    int number = own_ring_mine();
    struct reading *reading;
    struct read_ring *ring;

    check(own_file_is_open(task) && work->loads > 0);
    if (number < 0)
        return -1;
    reading = &readings[number];
    ring = &own_ring_at(number)->ring;
    reading_make(task, work, reading);
    for (uint32_t i = 0; i < reading->runs; i++)
        ring_read(ring, task->own_file_fd, &reading->part[reading->run[i].part],
                  reading->run[i].parts, (off_t)reading->run[i].slot * SP_PAGE_SIZE, i);
    if (reading->runs > 0)
        reading->under_way = ring_submit(ring);
    return number;
}

uint32_t own_file_end(struct sp_task *task, const struct work *work, int number,
                      struct wire_message *reply)
{
    struct reading *reading = &readings[number];
    uint32_t left = reading->under_way;

    /* What the ring has not taken, and what it could not read, is read without it. */
    for (uint32_t i = left; i < reading->runs; i++)
        run_read(task, reading, &reading->run[i]);
    for (; left > 0; left--) {
        uint32_t i;
        int got = own_ring_wait(own_ring_at(number), reading->pieces, &i);

        ensure(i < reading->under_way);
        reading->run[i].whole = whole_pages(got);
        if (got < 0)
            run_read(task, reading, &reading->run[i]);
    }
    check(own_ring_at(number)->ring.under_way == 0);
    return reading_end(task, work, reading, reply);
}

bool own_file_tell(struct sp_task *task, struct wire_message *message)
{
    uint32_t pages = __atomic_exchange_n(&task->own_loads, 0, __ATOMIC_RELAXED);

    check(pages == 0 || own_file_is_open(task));
    if (pages == 0)
        return false;
    message->type = WIRE_OWN_LOADS;
    message->nfds = 0;
    message->seq = 0;
    message->error = 0;
    message->own_loads.pages = pages;
    message->own_loads.reads = __atomic_exchange_n(&task->own_reads, 0, __ATOMIC_RELAXED);
    return true;
}

bool own_file_should_tell(const struct sp_task *task)
{
    uint32_t untold = __atomic_load_n(&task->own_loads, __ATOMIC_RELAXED);

    check(untold == 0 || task->own_sums != NULL);
    return untold >= TELL_AFTER;
}
