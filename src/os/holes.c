#include "os/holes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <selfpage/contract.h>

#include "base/assert.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* Linux 5.11; before that, the call is for administrators only on many systems. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static size_t bytes_of(uint32_t pages)
{
    return (size_t)pages * SP_PAGE_SIZE;
}

int holes_open(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    int fd, code;

    if (RUNNING_ON_VALGRIND)
        return -ENOSYS; /* it does not know the call, and says so */
    fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    if (fd < 0)
        return -errno;
    if (ioctl(fd, UFFDIO_API, &api) == 0)
        return fd;
    code = errno;
    close(fd);
    return -code;
}

/* What one page table reaches, and addresses that it could begin at. */
#define TABLE_BYTES ((size_t)HOLES_PAGES_MAX * SP_PAGE_SIZE)

static void *reserve(size_t size)
{
    return mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Addresses of a whole page table, without access, or MAP_FAILED. New kernels align them by themselves. */
static void *reserve_table(void)
{
    unsigned char *start = reserve(TABLE_BYTES), *table;

    if (start == MAP_FAILED || (uintptr_t)start % TABLE_BYTES == 0)
        return start;
    munmap(start, TABLE_BYTES);
    start = reserve(2 * TABLE_BYTES);
    if (start == MAP_FAILED)
        return start;
    table = start + (TABLE_BYTES - (uintptr_t)start % TABLE_BYTES) % TABLE_BYTES;
    if (table > start)
        munmap(start, (size_t)(table - start));
    munmap(table + TABLE_BYTES, (size_t)(start + TABLE_BYTES - table));
    return table;
}

void *holes_map(int holes_fd, int extent_fd, uint32_t pages)
{
    struct uffdio_register area = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    void *table, *mapping;

    ensure(pages > 0 && pages <= HOLES_PAGES_MAX);
    if (holes_fd < 0)
        return NULL;
    table = reserve_table();
    if (table == MAP_FAILED)
        return NULL;
    mapping =
        mmap(table, bytes_of(pages), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, extent_fd, 0);
    if (mapping == MAP_FAILED) {
        munmap(table, TABLE_BYTES);
        return NULL;
    }
    area.range.start = (uintptr_t)mapping;
    area.range.len = bytes_of(pages);
    if (ioctl(holes_fd, UFFDIO_REGISTER, &area) == 0 &&
        (area.ioctls & (UINT64_C(1) << _UFFDIO_COPY)) != 0)
        return mapping;
    holes_unmap(mapping);
    return NULL;
}

int holes_fill(int holes_fd, void *mapping, uint32_t page, uint32_t count, const void *contents)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)mapping + bytes_of(page),
        .src = (uintptr_t)contents,
        .len = bytes_of(count),
        .mode = UFFDIO_COPY_MODE_DONTWAKE, /* nobody waits: the mapping is never touched */
    };

    ensure(mapping != NULL && count > 0);
    if (ioctl(holes_fd, UFFDIO_COPY, &copy) == 0)
        return 0;
    if (errno != EAGAIN || copy.copy <= 0)
        return -errno;
    return -EEXIST; /* some pages came, and the next one did not */
}

void holes_unmap(void *mapping)
{
    ensure(mapping != NULL && (uintptr_t)mapping % TABLE_BYTES == 0);
    munmap(mapping, TABLE_BYTES);
}
