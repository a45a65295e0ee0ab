/* What the kernel knows of pages of shared mappings of this process, without a signal: whether they were referenced, and
 * whether they were written.
 *
 * A page that is taken out of the page table stays mapped. The kernel puts it back when it is next referenced, and its
 * present bit says that this has happened. In a mapping of several pages the kernel would put back up to 16 for one
 * reference (fault-around), so that bits of neighbours would be wrong; in an area that is registered with userfaultfd
 * for write protection it does not, although nothing there is protected. Each new mapping is a new area, which is not
 * registered. No privilege is needed. */
#ifndef OS_PAGE_BITS_H
#define OS_PAGE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <selfpage/error.h>

/* Bits of an entry, as page_bits_read gives them. */
#define PAGE_BITS_PRESENT (UINT64_C(1) << 63)

struct page_bits {
    int faults_fd; /* userfaultfd */
    int map_fd;    /* /proc/self/pagemap */
    bool many;     /* the kernel takes several ranges out of the page table at once (Linux 6.14) */
};

/* Nothing is open. */
#define PAGE_BITS_NONE                                                                             \
    {                                                                                              \
        .faults_fd = -1, .map_fd = -1, .many = false                                               \
    }

/* Get what this takes, above descriptor 2, and try it on two pages. Returns 0, or a negative errno value, and `error` says
 * what the machine does not have or does not permit; nothing is open then. -ENOTSUP: it does not do what it should. */
int page_bits_open(struct page_bits *bits, struct sp_error *error);

/* Close what is open. Areas are no longer registered then. */
void page_bits_close(struct page_bits *bits);

/* Register an area: whole pages of shared mappings. Returns 0, or a negative errno value; -ENOMEM: this would take more
 * mappings than a process may have. Async-signal-safe, as are the others below. */
int page_bits_watch(const struct page_bits *bits, void *address, size_t size);

/* Take ranges out of the page table: where the kernel can do it, by one call, which interrupts other processors once.
 * Returns 0, or a negative errno value; some of them may be out then. */
int page_bits_take(const struct page_bits *bits, const struct iovec *range, size_t count);

/* Read the entries of `count` pages from `address`. Returns 0, or a negative errno value. */
int page_bits_read(const struct page_bits *bits, const void *address, size_t count,
                   uint64_t *entries);

#endif
