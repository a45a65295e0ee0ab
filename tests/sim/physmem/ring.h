/* An io_uring with one buffer, whose pages it pins: the kernel reads and writes them whatever becomes of
 * the memory that they were mapped from. */
#ifndef TESTS_PHYSMEM_RING_H
#define TESTS_PHYSMEM_RING_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/io_uring.h>

struct ring {
    int fd;
    void *queues;
    struct io_uring_sqe *entries;
    struct io_uring_params params;
};

/* Make one, and pin `size` bytes at `memory`. Returns 0 or a negative errno: -ENOSYS, -EPERM: there are none
 * here. */
int ring_open(struct ring *ring, void *memory, size_t size);
void ring_close(struct ring *ring);

/* Have the kernel move `size` bytes between the beginning of the pinned memory and that of a file: to the file,
 * or from it. Returns the bytes or a negative errno. */
int ring_move(struct ring *ring, int file, void *memory, unsigned size, bool to_file);

#endif
