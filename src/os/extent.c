#include "os/extent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <selfpage/contract.h>

#include "base/error.h"

#define EXTENT_SEALS (F_SEAL_GROW | F_SEAL_SEAL)

/* Seals under which revocation, or swap writing into the extent, would fail. */
#define HOSTILE_SEALS (F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* Bytes in a block of struct stat, on every Linux file system. */
#define STAT_BLOCK 512

static off_t bytes_of(uint32_t pages)
{
    return (off_t)pages * SP_PAGE_SIZE;
}

int extent_create(const char *name, uint32_t pages, struct sp_error *error)
{
    const char *call = "fchmod";
    int fd;
    int saved;

    fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return error_set(error, errno, "memfd_create of an extent of %u pages failed: %s%s", pages,
                         strerror(errno),
                         errno == EMFILE ? "; raise the limit of open files (ulimit -n)" : "");
    /* A memfd is born with mode 0777: a process with a descriptor for reading could open it for writing. */
    if (fchmod(fd, 0400) == 0) {
        call = "ftruncate";
        if (ftruncate(fd, bytes_of(pages)) == 0) {
            call = "fcntl F_ADD_SEALS";
            if (fcntl(fd, F_ADD_SEALS, EXTENT_SEALS) == 0)
                return fd;
        }
    }
    saved = errno;
    close(fd);
    return error_set(error, saved, "%s of an extent of %u pages failed: %s", call, pages,
                     strerror(saved));
}

int extent_check(int fd, uint32_t pages)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || fstat(fd, &status) != 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || pages == 0 || status.st_size > bytes_of(pages) ||
        status.st_size % bytes_of(1) != 0 || (seals & EXTENT_SEALS) != EXTENT_SEALS ||
        (seals & HOSTILE_SEALS) != 0)
        return -EINVAL;
    return 0;
}

int extent_punch(int fd, uint32_t first, uint32_t count)
{
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, bytes_of(first),
                  bytes_of(count)) != 0)
        return -errno;
    return 0;
}

int extent_cut(int fd, uint32_t pages)
{
    return ftruncate(fd, bytes_of(pages)) == 0 ? 0 : -errno;
}

int extent_truncate(int fd)
{
    return extent_cut(fd, 0);
}

int64_t extent_blocks(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return -errno;
    return (int64_t)status.st_blocks * STAT_BLOCK / (int64_t)SP_PAGE_SIZE;
}

int64_t extent_next_data(int fd, uint32_t from)
{
    off_t found = lseek(fd, bytes_of(from), SEEK_DATA);

    return found < 0 ? -errno : found / (off_t)SP_PAGE_SIZE;
}

int extent_reopen_read_only(int fd)
{
    char path[sizeof("/proc/self/fd/") + 11];
    int opened;

    /* snprintf with %d allocates nothing and takes no lock in glibc. */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* Not to wait for a lease that somebody of the same user has on it. */
    opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return opened < 0 ? -errno : opened;
}
