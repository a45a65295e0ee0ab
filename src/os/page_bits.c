#include "os/page_bits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/descriptor.h"

/* Headers may be older than the kernel. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#define FEATURE_WP_SHARED (UINT64_C(1) << 12) /* UFFD_FEATURE_WP_HUGETLBFS_SHMEM, Linux 5.19 */
#define FEATURE_WP_ASYNC  (UINT64_C(1) << 15) /* UFFD_FEATURE_WP_ASYNC, Linux 6.7 */

/* Linux 5.18: like MADV_DONTNEED, of memory that is locked too. */
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

/* This process, in place of a descriptor: Linux 6.14. */
#ifndef PIDFD_SELF_THREAD_GROUP
#define PIDFD_SELF_THREAD_GROUP (-10001)
#endif

/* Pages on which it is tried. */
#define TRIED 2u

static int refuse(struct sp_error *error, int code, const char *what)
{
    check(code > 0);
    return error_set(error, code, "%s: %s", what, strerror(code));
}

static int open_both(struct page_bits *bits, struct sp_error *error)
{
    struct uffdio_api api = {.api = UFFD_API, .features = FEATURE_WP_SHARED | FEATURE_WP_ASYNC};

    check(bits->faults_fd < 0 && bits->map_fd < 0);
    bits->faults_fd =
        descriptor_raise((int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
    if (bits->faults_fd < 0)
        return refuse(error, errno, "userfaultfd");
    if (ioctl(bits->faults_fd, UFFDIO_API, &api) != 0)
        return refuse(error, errno, "userfaultfd without signals (Linux 6.7)");
    bits->map_fd = descriptor_raise(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    return bits->map_fd < 0 ? refuse(error, errno, "/proc/self/pagemap") : 0;
}

static int take_one(void *address, size_t size)
{
    check(size > 0);
    return madvise(address, size, MADV_DONTNEED_LOCKED) == 0 ? 0 : -errno;
}

/* Take ranges out of the page table by one call. Returns how many bytes it has come to, or a negative errno value. */
static ssize_t take_at_once(const struct iovec *range, size_t count)
{
    long done = syscall(SYS_process_madvise, PIDFD_SELF_THREAD_GROUP, range, count,
                        MADV_DONTNEED_LOCKED, 0);

    check(count > 0);
    return done < 0 ? -errno : (ssize_t)done;
}

/* Does it take two ranges at once? Older kernels do this to other processes only, or to none. */
static bool try_many(const struct page_bits *bits, unsigned char *pages, size_t page_size)
{
    struct iovec range[TRIED] = {{pages, page_size}, {pages + page_size, page_size}};
    uint64_t before[TRIED], after[TRIED];

    check(TRIED == 2);
    *(volatile unsigned char *)pages = 1;
    *(volatile unsigned char *)(pages + page_size) = 1;
    return page_bits_read(bits, pages, TRIED, before) == 0 &&
           take_at_once(range, TRIED) == (ssize_t)(TRIED * page_size) &&
           page_bits_read(bits, pages, TRIED, after) == 0 &&
           (before[0] & before[1] & PAGE_BITS_PRESENT) != 0 &&
           ((after[0] | after[1]) & PAGE_BITS_PRESENT) == 0;
}

/* Does one reference to the first page, and no other, show? */
static int try_pages(const struct page_bits *bits, unsigned char *pages, size_t page_size,
                     struct sp_error *error)
{
    uint64_t before[TRIED], after[TRIED];
    int result;

    *(volatile unsigned char *)pages = 1;
    *(volatile unsigned char *)(pages + page_size) = 1;
    result = page_bits_watch(bits, pages, TRIED * page_size);
    if (result == 0)
        result = take_one(pages, TRIED * page_size);
    if (result == 0)
        result = page_bits_read(bits, pages, TRIED, before);
    if (result != 0)
        return refuse(error, -result, "taking pages out of the page table");
    (void)*(volatile unsigned char *)pages;
    result = page_bits_read(bits, pages, TRIED, after);
    check(result == 0);
    if (result != 0 || ((before[0] | before[1] | after[1]) & PAGE_BITS_PRESENT) != 0 ||
        (after[0] & PAGE_BITS_PRESENT) == 0)
        return error_set(error, ENOTSUP, "present bits do not say which page was referenced");
    return 0;
}

static int try_out(struct page_bits *bits, struct sp_error *error)
{
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    struct rlimit largest;
    unsigned char *pages;
    int result;
    int fd;

    check(page_size > 0);
    /* To make a file larger than that sends SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &largest) == 0 && largest.rlim_cur < TRIED * page_size)
        return refuse(error, EFBIG, "the limit of file sizes (ulimit -f)");
    fd = memfd_create("selfpage-probe", MFD_CLOEXEC);
    if (fd < 0)
        return refuse(error, errno, "memfd_create");
    if (ftruncate(fd, (off_t)(TRIED * page_size)) != 0) {
        result = refuse(error, errno, "ftruncate");
        close(fd);
        return result;
    }
    pages = mmap(NULL, TRIED * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (pages == MAP_FAILED)
        return refuse(error, errno, "mmap");
    result = try_pages(bits, pages, page_size, error);
    bits->many = result == 0 && try_many(bits, pages, page_size);
    munmap(pages, TRIED * page_size);
    return result;
}

int page_bits_open(struct page_bits *bits, struct sp_error *error)
{
    int result;

    *bits = (struct page_bits)PAGE_BITS_NONE;
    result = open_both(bits, error);
    if (result == 0)
        result = try_out(bits, error);
    if (result != 0)
        page_bits_close(bits);
    check(result != 0 || (bits->faults_fd > 2 && bits->map_fd > 2));
    return result;
}

void page_bits_close(struct page_bits *bits)
{
    if (bits->faults_fd >= 0)
        close(bits->faults_fd);
    if (bits->map_fd >= 0)
        close(bits->map_fd);
    *bits = (struct page_bits)PAGE_BITS_NONE;
    check(bits->faults_fd < 0);
}

int page_bits_watch(const struct page_bits *bits, void *address, size_t size)
{
    struct uffdio_register area = {.range = {.start = (uintptr_t)address, .len = size},
                                   .mode = UFFDIO_REGISTER_MODE_WP};

    check(size > 0);
    return ioctl(bits->faults_fd, UFFDIO_REGISTER, &area) == 0 ? 0 : -errno;
}

int page_bits_take(const struct page_bits *bits, const struct iovec *range, size_t count)
{
    ssize_t done = bits->many ? take_at_once(range, count) : 0;

    check(count > 0);
    for (size_t i = 0; i < count; i++) {
        int result;

        done -= (ssize_t)range[i].iov_len;
        if (done >= 0)
            continue;
        result = take_one(range[i].iov_base, range[i].iov_len);
        if (result != 0)
            return result;
    }
    return 0;
}

int page_bits_read(const struct page_bits *bits, const void *address, size_t count,
                   uint64_t *entries)
{
    size_t size = count * sizeof(*entries);
    off_t at = (off_t)((uintptr_t)address / (size_t)getpagesize() * sizeof(*entries));
    ssize_t done;

    _Static_assert(sizeof(off_t) == sizeof(long),
                   "the system call takes an offset in one register");
    check(count > 0);
    do /* not pread: a fault handler is no point of cancellation */
        done = syscall(SYS_pread64, bits->map_fd, entries, size, at);
    while (done < 0 && errno == EINTR);
    if (done < 0)
        return -errno;
    return (size_t)done == size ? 0 : -EIO;
}
