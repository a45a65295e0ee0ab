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
    int parts;
    struct iovec part[2 * WIRE_BATCH];
};

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

/* The pages to read, in the order of their slots: mostly they come that way. Those of zeros are made at once.
 * Returns how many have to be read. */
static uint32_t pieces_sort(const struct sp_task *task, const struct work *work,
                            struct file_piece pieces[WIRE_BATCH], struct wire_message *reply)
{
    uint32_t count = 0;

    check(reply->loaded.errors_count <= WIRE_BATCH);
    for (uint32_t i = 0; i < reply->loaded.errors_count; i++) {
        struct file_piece piece = piece_of(task, work, i);
        uint32_t to = count;

        reply->loaded.errors[i].value = 0;
        if (piece.slot == WIRE_SLOT_ZERO) {
            memset(piece.frame, 0, SP_PAGE_SIZE);
            continue;
        }
        for (; to > 0 && pieces[to - 1].slot > piece.slot; to--)
            pieces[to] = pieces[to - 1];
        pieces[to] = piece;
        count++;
    }
    return count;
}

static void run_part(struct file_run *run, unsigned char *memory, uint32_t pages)
{
    struct iovec *last = run->parts > 0 ? &run->part[run->parts - 1] : NULL;

    check((uint32_t)run->parts <= run->pages && run->parts < (int)(2 * WIRE_BATCH));
    run->pages += pages;
    if (last != NULL && (unsigned char *)last->iov_base + last->iov_len == memory)
        last->iov_len += (size_t)pages * SP_PAGE_SIZE;
    else
        run->part[run->parts++] =
            (struct iovec){.iov_base = memory, .iov_len = (size_t)pages * SP_PAGE_SIZE};
}

/* Make a run of the first pieces. Returns how many those are. */
static uint32_t run_make(const struct sp_task *task, struct file_run *run,
                         const struct file_piece *pieces, uint32_t count)
{
    uint32_t i;

    check(count > 0 && count <= WIRE_BATCH);
    run->slot = pieces[0].slot;
    run->pages = 0;
    run->parts = 0;
    for (i = 0; i < count; i++) {
        uint32_t gap = pieces[i].slot - run->slot - run->pages;

        if (gap > OWN_FILE_GAP)
            break;
        if (gap > 0)
            run_part(run, task->own_scratch, gap);
        run_part(run, pieces[i].frame, 1);
    }
    return i;
}

/* Read a run. Returns how many of its pages came whole. */
static uint32_t run_read(const struct sp_task *task, const struct file_run *run)
{
    off_t at = (off_t)run->slot * SP_PAGE_SIZE;
    ssize_t got;

    check(run->pages > 0 && run->parts > 0);
    do {
        got = preadv(task->own_file_fd, run->part, run->parts, at);
    } while (got < 0 && errno == EINTR);
    return got > 0 ? (uint32_t)((size_t)got / SP_PAGE_SIZE) : 0;
}

/* Read those of the pieces that make a run, and look at their checksums. Returns how many these are. */
static uint32_t run_load(const struct sp_task *task, const struct file_piece *pieces,
                         uint32_t count, struct wire_message *reply)
{
    struct file_run run;
    uint32_t whole;

    count = run_make(task, &run, pieces, count);
    whole = run_read(task, &run);
    check(count > 0 && whole <= run.pages);
    for (uint32_t i = 0; i < count; i++)
        if (pieces[i].slot - run.slot >= whole ||
            CHECKSUM(pieces[i].frame, SP_PAGE_SIZE) != pieces[i].sum)
            reply->loaded.errors[pieces[i].i].value = EAGAIN;
    return count;
}

/* Counters that several threads change. */
static void note_loads(struct sp_task *task, uint32_t pages, uint32_t reads)
{
    check(reads <= pages);
    __atomic_add_fetch(&task->own_loads, pages, __ATOMIC_RELAXED);
    __atomic_add_fetch(&task->own_reads, reads, __ATOMIC_RELAXED);
    __atomic_add_fetch(&task->stats->loaded_itself, units_in(task, pages), __ATOMIC_RELAXED);
}

uint32_t own_file_load(struct sp_task *task, const struct work *work, struct wire_message *reply)
{
    uint32_t pages = units_base(task, work->loads), count, left = 0, reads = 0;
    struct file_piece pieces[WIRE_BATCH];

    check(own_file_is_open(task) && pages > 0 && pages <= WIRE_BATCH);
    reply->type = WIRE_LOADED;
    reply->error = 0;
    reply->loaded.errors_count = (uint16_t)pages;
    count = pieces_sort(task, work, pieces, reply);
    for (uint32_t i = 0; i < count; reads++)
        i += run_load(task, &pieces[i], count - i, reply);
    for (uint32_t i = 0; i < pages; i++)
        left += reply->loaded.errors[i].value != 0;
    note_loads(task, pages - left, left == pages ? 0 : reads);
    return left;
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
