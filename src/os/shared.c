#include "os/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static int fail(struct shared *shared, const char *call, struct sp_error *error)
{
    int code = errno;

    shared_close(shared);
    return error_set(error, code, "%s for shared memory failed: %s%s", call, strerror(code),
                     code == EMFILE ? "; raise the limit of open files (ulimit -n)" : "");
}

static int map(struct shared *shared, struct sp_error *error)
{
    void *memory = mmap(NULL, shared->size, PROT_READ | PROT_WRITE, MAP_SHARED, shared->fd, 0);

    if (memory == MAP_FAILED)
        return fail(shared, "mmap", error);
    shared->memory = memory;
    return 0;
}

int shared_create(struct shared *shared, const char *name, size_t size, struct sp_error *error)
{
    *shared = (struct shared){.size = size};
    shared->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (shared->fd < 0)
        return fail(shared, "memfd_create", error);
    if (fchmod(shared->fd, 0400) != 0) /* it is born with 0777; see os/extent.c */
        return fail(shared, "fchmod", error);
    if (ftruncate(shared->fd, (off_t)size) != 0)
        return fail(shared, "ftruncate", error);
    /* A page that the kernel cannot give later would raise SIGBUS. */
    if (fallocate(shared->fd, 0, 0, (off_t)size) != 0)
        return fail(shared, "fallocate", error);
    if (fcntl(shared->fd, F_ADD_SEALS, SEALS) != 0)
        return fail(shared, "fcntl F_ADD_SEALS", error);
    return map(shared, error);
}

int shared_open(struct shared *shared, int consume_fd, struct sp_error *error)
{
    int seals = fcntl(consume_fd, F_GET_SEALS);
    struct stat status;

    *shared = (struct shared){.fd = consume_fd};
    if (fstat(consume_fd, &status) != 0)
        return fail(shared, "fstat", error);
    if (seals < 0 || (seals & SEALS) != SEALS || status.st_size <= 0) {
        shared_close(shared);
        return error_set(error, EINVAL, "shared memory that came could be cut: it is not sealed");
    }
    shared->size = (size_t)status.st_size;
    return map(shared, error);
}

void shared_close(struct shared *shared)
{
    if (shared->memory != NULL)
        munmap(shared->memory, shared->size);
    if (shared->fd >= 0)
        close(shared->fd);
    *shared = (struct shared){.fd = -1};
}
