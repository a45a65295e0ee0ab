/* Shared memory that nobody can cut: unlike an extent it may be dereferenced by a process that does
 * not trust the other.
 *
 * The size is sealed (F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL) before anybody else has a descriptor,
 * and all memory is there from the start. Contents are whatever the other side writes, at any
 * moment: to be read once, and checked. Not for signal handlers. */
#ifndef OS_SHARED_H
#define OS_SHARED_H

#include <stddef.h>

#include <selfpage/error.h>

struct shared {
    void *memory; /* NULL: none */
    size_t size;
    int fd; /* -1: closed */
};

/* Make `size` bytes of zeros, and map them. Returns 0, or a negative errno from the system call that
 * the text names; *shared is then as shared_close leaves it. `error` may be NULL. */
int shared_create(struct shared *shared, const char *name, size_t size, struct sp_error *error);

/* Map what another process made so, for reading and writing. The descriptor is closed in any case.
 * Returns 0; -EINVAL: its size is not sealed, or is zero; or a negative errno. */
int shared_open(struct shared *shared, int consume_fd, struct sp_error *error);

/* Unmap and close. Safe to call twice. */
void shared_close(struct shared *shared);

#endif
