/* Reads of files, and writes, that go on while the thread does other things: a ring of the kernel's (io_uring), of one
 * thread. What is said of reads here holds for writes.
 *
 * A thread adds reads, submits them together, and later waits for them. What is complete shows in memory, but only
 * after the kernel was asked: waiting is asking again and again for a while, since a wake-up takes as long as the
 * read of a fast device does, and then sleeping.
 *
 * The kernel's interface is used as it is, by four system calls: functions here run in handlers of signals,
 * where no library may be that resolves its symbols late or allocates. They allocate nothing, and errno may change.
 * A ring belongs to the thread that has opened it, and to no other one. No descriptor of it stays open: a program that
 * closes all it finds closes no ring. A child of fork has none.
 *
 * A thread that waits for other things, too, opens a ring with an event (ring_open_event): a descriptor that becomes
 * readable when reads end while the ring is armed. */
#ifndef OS_RING_H
#define OS_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/assert.h"

/* Reads under way at once, at most. */
#define RING_READS 64u

struct io_uring_sqe;
struct io_uring_cqe;

/* Zeros are a ring that is not open. */
struct read_ring {
    unsigned char *memory; /* shared with the kernel: indices and what is complete */
    size_t memory_size;
    struct io_uring_sqe *entry; /* reads to submit */
    size_t entry_size;
    uint32_t *entries_head, *entries_tail;
    uint32_t *done_head, *done_tail;
    uint32_t *done_flags;
    const struct io_uring_cqe *done;
    uint32_t entries_mask, done_mask;
    uint32_t number; /* by which the kernel knows it, for this thread */
    uint32_t added;  /* and not submitted */
    uint32_t under_way;
};

static inline bool ring_is_open(const struct read_ring *ring)
{
    check(ring->memory != NULL || ring->under_way == 0);
    return ring->memory != NULL;
}

/* Open a ring for the calling thread. Returns 0, or a negative errno value: the kernel has none of this kind (it
 * needs Linux 6.1), a filter of system calls forbids it, or memory or locked memory is short. */
int ring_open(struct read_ring *ring);

/* The same with an event, which ring_arm arms: a descriptor, the caller's to read eight bytes from when it is readable, and
 * to close once the ring is closed. Returns it, or a negative errno value; the ring is then not open. */
int ring_open_event(struct read_ring *ring);

/* A ring with an event: whether its event becomes readable when a read ends from now on. It may also be readable for a read
 * that ended before, or was taken already. What has ended before the ring was armed may not show in the event: gather, and
 * take, afterwards. */
void ring_arm(struct read_ring *ring, bool armed);

/* The ring of the calling thread; no read is under way. */
void ring_close(struct read_ring *ring);

/* That of a thread that has ended: the kernel has forgotten it. */
void ring_forget(struct read_ring *ring);

/* Add a read of `parts` buffers, which must be written to by nobody until it is complete. The array itself is
 * read until ring_submit. `tag` comes back with its end. There are fewer than RING_READS. */
void ring_read(struct read_ring *ring, int fd, const struct iovec *part, int parts, off_t at,
               uint32_t tag);

/* The same for a write; nobody may write to its buffers until it is complete. */
void ring_write(struct read_ring *ring, int fd, const struct iovec *part, int parts, off_t at,
                uint32_t tag);

/* Submit what was added. Returns how many the kernel has taken, the first ones; the others are forgotten. */
uint32_t ring_submit(struct read_ring *ring);

/* Have the kernel show which reads have ended, without waiting; then ring_take takes them one by one. */
void ring_gather(struct read_ring *ring);

/* Take a read that shows as ended: *tagp is its tag, and *resultp the number of bytes read, or a negative errno value.
 * Returns whether there was one. */
bool ring_take(struct read_ring *ring, uint32_t *tagp, int *resultp);

/* Wait for a read that was submitted to end, `spin_ns` nanoseconds awake, and then asleep. *tagp is its tag, and
 * *resultp the number of bytes read, or a negative errno value. Returns whether it ended while the thread was awake;
 * *gap_nsp is the longest time in which it did not look meanwhile: it looks again within some microseconds, unless it
 * has lost the processor. */
bool ring_wait(struct read_ring *ring, uint64_t spin_ns, uint32_t *tagp, int *resultp,
               uint64_t *gap_nsp);

#endif
