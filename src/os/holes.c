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

void *holes_map(int holes_fd, int extent_fd, uint32_t pages)
{
    struct uffdio_register area = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    void *mapping;

    ensure(pages > 0);
    if (holes_fd < 0)
        return NULL;
    mapping = mmap(NULL, bytes_of(pages), PROT_READ | PROT_WRITE, MAP_SHARED, extent_fd, 0);
    if (mapping == MAP_FAILED)
        return NULL;
    area.range.start = (uintptr_t)mapping;
    area.range.len = bytes_of(pages);
    if (ioctl(holes_fd, UFFDIO_REGISTER, &area) == 0 &&
        (area.ioctls & (UINT64_C(1) << _UFFDIO_COPY)) != 0)
        return mapping;
    holes_unmap(mapping, pages);
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

void holes_unmap(void *mapping, uint32_t pages)
{
    ensure(mapping != NULL && pages > 0);
    munmap(mapping, bytes_of(pages));
}
