/* Holes of memory that another process can write are filled without waiting for that process.
 *
 * A write(2) takes the lock of the file, which another process can hold for as long as it likes, and a
 * store to a mapping waits while a hole is punched there. The kernel's call for those who answer page
 * faults (UFFDIO_COPY of userfaultfd) takes neither: it puts a new page, with its contents, where there is
 * none, and fails with EEXIST where there is one. It needs a mapping of the file. This must be made before the
 * other process has the file, since mmap waits for others that walk through the mappings of the file.
 *
 * The mapping is never touched, and shares no page table with memory that is. A hypervisor that keeps page tables
 * of its own beside those of the system keeps none for a table through which nothing was ever reached: a page
 * then enters the table by a plain store. Where it has to notice, a page takes four times as long.
 *
 * Not for signal handlers. */
#ifndef OS_HOLES_H
#define OS_HOLES_H

#include <stdint.h>

/* Pages that one page table reaches. */
#define HOLES_PAGES_MAX 512u

/* What all mappings of this process share: a descriptor, or a negative errno where the kernel does not
 * have it, or permits nobody. The caller closes it. */
int holes_open(void);

/* Map `pages` pages of an extent, from its first, for holes_fill: at most HOLES_PAGES_MAX. NULL: that cannot be. */
void *holes_map(int holes_fd, int extent_fd, uint32_t pages);

/* Put `count` pages of contents into holes of the extent from page `page` on. Returns 0 or a negative errno;
 * -EEXIST: a page is there. Those before it are filled then. */
int holes_fill(int holes_fd, void *mapping, uint32_t page, uint32_t count, const void *contents);

/* Take a mapping away. It may wait for others that walk through the mappings of the extent. */
void holes_unmap(void *mapping);

#endif
