#include "first_touch_uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A descriptor for faults, of user mode alone where that is all that one may have. */
static int new_descriptor(void)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    return fd >= 0 || errno != EPERM
               ? fd
               : (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
}

/* The call that failed, with errno set; NULL if all went well. */
static const char *set_up(struct uffd *uffd)
{
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_MINOR_SHMEM};
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MINOR};

    uffd->fd = new_descriptor();
    if (uffd->fd < 0)
        return "userfaultfd";
    if (ioctl(uffd->fd, UFFDIO_API, &api) != 0)
        return "UFFDIO_API (minor faults on shared memory, Linux 5.14)";
    uffd->memory = memfd_create("bench-uffd", MFD_CLOEXEC);
    if (uffd->memory < 0 || fallocate(uffd->memory, 0, 0, (off_t)uffd->size) != 0)
        return "memfd";
    uffd->base = mmap(NULL, uffd->size, PROT_READ | PROT_WRITE, MAP_SHARED, uffd->memory, 0);
    if (uffd->base == MAP_FAILED)
        return "mmap";
    range.range.start = (uintptr_t)uffd->base;
    range.range.len = uffd->size;
    return ioctl(uffd->fd, UFFDIO_REGISTER, &range) != 0 ? "UFFDIO_REGISTER" : NULL;
}

bool uffd_open(struct uffd *uffd, uint32_t pages, char *why, size_t size)
{
    const char *failed;
    int code;

    *uffd = (struct uffd){.fd = -1, .memory = -1, .base = MAP_FAILED};
    uffd->size = ((size_t)pages + 1) * SP_PAGE_SIZE;
    failed = set_up(uffd);
    if (failed == NULL)
        return true;
    code = errno;
    uffd_close(uffd);
    snprintf(why, size, "%s: %s", failed, strerror(code));
    return false;
}

void uffd_close(struct uffd *uffd)
{
    if (uffd->base != MAP_FAILED)
        munmap(uffd->base, uffd->size);
    if (uffd->memory >= 0)
        close(uffd->memory);
    if (uffd->fd >= 0)
        close(uffd->fd);
}

static uint64_t last_page(const struct uffd *uffd)
{
    return (uintptr_t)uffd->base + uffd->size - SP_PAGE_SIZE;
}

static void *answer_faults(void *argument)
{
    struct uffd *uffd = argument;
    struct uffdio_continue answer = {.range.len = SP_PAGE_SIZE};
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(uffd->core, &set);
    uffd->failed = sched_setaffinity(0, sizeof(set), &set) != 0;
    pthread_setname_np(pthread_self(), "uffd handler");
    do {
        struct uffd_msg message;
        ssize_t count = read(uffd->fd, &message, sizeof(message));

        if (count != (ssize_t)sizeof(message) || message.event != UFFD_EVENT_PAGEFAULT)
            continue;
        answer.range.start = message.arg.pagefault.address & ~(uint64_t)(SP_PAGE_SIZE - 1);
        if (ioctl(uffd->fd, UFFDIO_CONTINUE, &answer) != 0 && errno != EEXIST)
            uffd->failed = true;
    } while (answer.range.start != last_page(uffd));
    return NULL;
}

void uffd_start(struct bench *bench, struct uffd *uffd, int core)
{
    int result;

    uffd->core = core;
    result = pthread_create(&uffd->thread, NULL, answer_faults, uffd);
    if (result != 0)
        bench_fail(bench, "cannot start a thread: %s", strerror(result));
}

void uffd_stop(struct bench *bench, struct uffd *uffd)
{
    uffd_reset(bench, uffd);
    *(volatile unsigned char *)last_page(uffd) = 1;
    pthread_join(uffd->thread, NULL);
    if (uffd->failed)
        bench_fail(bench, "the userfaultfd thread could not answer a fault");
}

void uffd_reset(struct bench *bench, struct uffd *uffd)
{
    if (madvise(uffd->base, uffd->size, MADV_DONTNEED) != 0)
        bench_fail(bench, "madvise: %s", strerror(errno));
}
