#include "ring.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned *word(const struct ring *ring, uint32_t offset)
{
    return (unsigned *)(void *)((char *)ring->queues + offset);
}

static size_t queues_size(const struct ring *ring)
{
    size_t submitted = ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned);
    size_t completed =
        ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);

    return submitted > completed ? submitted : completed;
}

int ring_open(struct ring *ring, void *memory, size_t size)
{
    struct iovec pinned = {memory, size};

    memset(ring, 0, sizeof(*ring));
    ring->fd = (int)syscall(SYS_io_uring_setup, 2, &ring->params);
    if (ring->fd < 0)
        return -errno;
    if ((ring->params.features & IORING_FEAT_SINGLE_MMAP) == 0) {
        close(ring->fd);
        return -ENOSYS;
    }
    ring->queues = mmap(NULL, queues_size(ring), PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
                        IORING_OFF_SQ_RING);
    ring->entries = mmap(NULL, ring->params.sq_entries * sizeof(*ring->entries),
                         PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
    if (ring->queues == MAP_FAILED || ring->entries == MAP_FAILED ||
        syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &pinned, 1) != 0) {
        int code = -errno;

        close(ring->fd);
        return code;
    }
    return 0;
}

void ring_close(struct ring *ring)
{
    munmap(ring->entries, ring->params.sq_entries * sizeof(*ring->entries));
    munmap(ring->queues, queues_size(ring));
    close(ring->fd);
}

int ring_move(struct ring *ring, int file, void *memory, unsigned size, bool to_file)
{
    unsigned *tail = word(ring, ring->params.sq_off.tail);
    unsigned *head = word(ring, ring->params.cq_off.head);
    unsigned at = *tail & *word(ring, ring->params.sq_off.ring_mask);
    const struct io_uring_cqe *done;
    int result;

    ring->entries[at] =
        (struct io_uring_sqe){.opcode = to_file ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED,
                              .fd = file,
                              .addr = (uint64_t)(uintptr_t)memory,
                              .len = size};
    word(ring, ring->params.sq_off.array)[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return -errno;
    if (__atomic_load_n(word(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE) == *head)
        return -EAGAIN;
    done = (const struct io_uring_cqe *)(const void *)word(ring, ring->params.cq_off.cqes) +
           (*head & *word(ring, ring->params.cq_off.ring_mask));
    result = done->res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return result;
}
