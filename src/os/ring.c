#include "os/ring.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What the headers of older systems do not have. */
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif
#ifndef IORING_ENTER_REGISTERED_RING
#define IORING_ENTER_REGISTERED_RING (1U << 4)
#endif
#ifndef IORING_CQ_EVENTFD_DISABLED
#define IORING_CQ_EVENTFD_DISABLED (1U << 0)
#endif
#define REGISTER_EVENT  4u
#define REGISTER_RING   20u
#define UNREGISTER_RING 21u
#define BY_NUMBER       (1u << 31) /* Linux 6.3 */

/* What is complete is shown only to a thread that asks: else the kernel interrupts it, or waits for the next tick
 * of its clock, which takes a hundred times as long as a read. */
#define FLAGS    (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
#define FEATURES (IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE)

static int setup(struct io_uring_params *params)
{
    long fd;

    memset(params, 0, sizeof(*params));
    params->flags = FLAGS;
    fd = syscall(SYS_io_uring_setup, RING_READS, params);
    if (fd < 0)
        return -errno;
    if ((params->features & FEATURES) == FEATURES && params->sq_entries >= RING_READS)
        return (int)fd;
    close((int)fd);
    return -ENOSYS;
}

static void *map(int fd, size_t size, uint64_t offset)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

    check(size > 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, size, MADV_DONTFORK);
    return memory;
}

static int map_all(struct read_ring *ring, int fd, const struct io_uring_params *params)
{
    size_t entries = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t done = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    uint32_t *order;

    check(ring->memory == NULL);
    ring->memory_size = entries > done ? entries : done;
    ring->entry_size = params->sq_entries * sizeof(*ring->entry);
    ring->memory = map(fd, ring->memory_size, IORING_OFF_SQ_RING);
    ring->entry = map(fd, ring->entry_size, IORING_OFF_SQES);
    if (ring->memory == NULL || ring->entry == NULL)
        return -ENOMEM;
    ring->entries_head = (uint32_t *)(void *)(ring->memory + params->sq_off.head);
    ring->entries_tail = (uint32_t *)(void *)(ring->memory + params->sq_off.tail);
    ring->entries_mask = params->sq_entries - 1;
    ring->done_head = (uint32_t *)(void *)(ring->memory + params->cq_off.head);
    ring->done_tail = (uint32_t *)(void *)(ring->memory + params->cq_off.tail);
    ring->done_flags = (uint32_t *)(void *)(ring->memory + params->cq_off.flags);
    ring->done_mask = params->cq_entries - 1;
    ring->done = (const struct io_uring_cqe *)(void *)(ring->memory + params->cq_off.cqes);
    order = (uint32_t *)(void *)(ring->memory + params->sq_off.array);
    for (uint32_t i = 0; i < params->sq_entries; i++)
        order[i] = i;
    return 0;
}

/* Have the kernel remember the ring for this thread, by a number that takes the descriptor's place. */
static int register_ring(struct read_ring *ring, int fd)
{
    struct io_uring_rsrc_update update = {.offset = UINT32_MAX, .data = (uint64_t)fd};
    long registered = syscall(SYS_io_uring_register, fd, REGISTER_RING, &update, 1);

    check(fd >= 0);
    if (registered != 1)
        return registered < 0 ? -errno : -ENOSYS;
    ring->number = update.offset;
    return 0;
}

static void unmap_all(struct read_ring *ring)
{
    if (ring->memory != NULL)
        munmap(ring->memory, ring->memory_size);
    if (ring->entry != NULL)
        munmap(ring->entry, ring->entry_size);
    check(ring->under_way == 0);
    memset(ring, 0, sizeof(*ring));
}

/* Have the kernel write to an event when reads end. */
static int register_event(int fd, int event)
{
    check(fd >= 0 && event >= 0);
    return syscall(SYS_io_uring_register, fd, REGISTER_EVENT, &event, 1) < 0 ? -errno : 0;
}

/* `event`: -1 if the ring has none. */
static int open_with(struct read_ring *ring, int event)
{
    struct io_uring_params params;
    int fd = setup(&params), code;

    ensure(ring->memory == NULL);
    if (fd < 0)
        return fd;
    code = map_all(ring, fd, &params);
    if (code == 0 && event >= 0)
        code = register_event(fd, event);
    if (code == 0)
        code = register_ring(ring, fd);
    close(fd);
    if (code != 0)
        unmap_all(ring);
    return code;
}

int ring_open(struct read_ring *ring)
{
    return open_with(ring, -1);
}

int ring_open_event(struct read_ring *ring)
{
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), code;

    if (event < 0)
        return -errno;
    code = open_with(ring, event);
    if (code == 0) {
        ring_arm(ring, false);
        return event;
    }
    close(event);
    return code;
}

void ring_arm(struct read_ring *ring, bool armed)
{
    uint32_t off = armed ? 0 : IORING_CQ_EVENTFD_DISABLED;

    ensure(ring->memory != NULL);
    __atomic_store_n(ring->done_flags, off, __ATOMIC_SEQ_CST);
}

void ring_close(struct read_ring *ring)
{
    struct io_uring_rsrc_update update = {.offset = ring->number};

    ensure(ring->under_way == 0 && ring->added == 0);
    /* Where the kernel cannot do it, it forgets the ring with the thread. */
    (void)syscall(SYS_io_uring_register, ring->number, UNREGISTER_RING | BY_NUMBER, &update, 1);
    unmap_all(ring);
}

void ring_forget(struct read_ring *ring)
{
    check(ring->memory != NULL);
    unmap_all(ring);
}

static void add(struct read_ring *ring, uint8_t operation, int fd, const struct iovec *part,
                int parts, off_t at, uint32_t tag)
{
    uint32_t tail = *ring->entries_tail + ring->added;
    struct io_uring_sqe *entry = &ring->entry[tail & ring->entries_mask];

    ensure(ring->under_way + ring->added < RING_READS && parts > 0);
    memset(entry, 0, sizeof(*entry));
    entry->opcode = operation;
    entry->fd = fd;
    entry->addr = (uint64_t)(uintptr_t)part;
    entry->len = (uint32_t)parts;
    entry->off = (uint64_t)at;
    entry->user_data = tag;
    ring->added++;
}

void ring_read(struct read_ring *ring, int fd, const struct iovec *part, int parts, off_t at,
               uint32_t tag)
{
    add(ring, IORING_OP_READV, fd, part, parts, at, tag);
}

void ring_write(struct read_ring *ring, int fd, const struct iovec *part, int parts, off_t at,
                uint32_t tag)
{
    add(ring, IORING_OP_WRITEV, fd, part, parts, at, tag);
}

static long enter(const struct read_ring *ring, uint32_t submit, uint32_t wait, uint32_t flags)
{
    long result = syscall(SYS_io_uring_enter, ring->number, submit, wait,
                          flags | IORING_ENTER_REGISTERED_RING, NULL, 0);

    check(submit <= RING_READS && wait <= 1);
    return result < 0 ? -errno : result;
}

uint32_t ring_submit(struct read_ring *ring)
{
    uint32_t before = *ring->entries_tail, count = ring->added, taken = 0;

    ensure(count > 0 && ring->under_way + count <= RING_READS);
    ring->added = 0;
    __atomic_store_n(ring->entries_tail, before + count, __ATOMIC_RELEASE);
    while (taken < count) {
        long result = enter(ring, count - taken, 0, 0);

        if (result == -EINTR)
            continue;
        if (result <= 0)
            break;
        taken += (uint32_t)result;
    }
    /* The kernel looks at entries only when it is entered. */
    __atomic_store_n(ring->entries_tail, before + taken, __ATOMIC_RELEASE);
    ring->under_way += taken;
    check(__atomic_load_n(ring->entries_head, __ATOMIC_ACQUIRE) == before + taken);
    return taken;
}

void ring_gather(struct read_ring *ring)
{
    ensure(ring->memory != NULL);
    /* Fails only for the moment: the caller looks again. */
    if (ring->under_way > 0)
        (void)enter(ring, 0, 0, IORING_ENTER_GETEVENTS);
}

bool ring_take(struct read_ring *ring, uint32_t *tagp, int *resultp)
{
    uint32_t head = *ring->done_head;
    const struct io_uring_cqe *done = &ring->done[head & ring->done_mask];

    if (head == __atomic_load_n(ring->done_tail, __ATOMIC_ACQUIRE))
        return false;
    ensure(ring->under_way > 0);
    *tagp = (uint32_t)done->user_data;
    *resultp = done->res;
    __atomic_store_n(ring->done_head, head + 1, __ATOMIC_RELEASE);
    ring->under_way--;
    return true;
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    check(time.tv_nsec < 1000000000);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

bool ring_wait(struct read_ring *ring, uint64_t spin_ns, uint32_t *tagp, int *resultp,
               uint64_t *gap_nsp)
{
    uint64_t begin = spin_ns > 0 ? now() : 0, last = begin;
    bool asleep = spin_ns == 0;

    ensure(ring->under_way > 0);
    *gap_nsp = 0;
    while (!ring_take(ring, tagp, resultp)) {
        long result = enter(ring, 0, asleep ? 1 : 0, IORING_ENTER_GETEVENTS);

        /* The kernel may still write to the buffers, and nothing else would say when it has. */
        ensure(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY);
        if (!asleep) {
            uint64_t time = now();

            *gap_nsp = time - last > *gap_nsp ? time - last : *gap_nsp;
            last = time;
            asleep = time - begin >= spin_ns;
        }
    }
    return !asleep;
}
