/* Extents: the memory behind frames. An extent is a memfd of a fixed number of pages that can be
 * handed to another process, and taken back from all of them by cutting it to nothing.
 *
 * Growing is sealed, shrinking is not: extent_truncate is how revocation works. A process that
 * holds a writable descriptor can therefore truncate it too; never map an extent that somebody else
 * could truncate: use pread and pwrite, and take a short count for that task's fault.
 *
 * Pages, never bytes. Functions return a value >= 0 or a negative errno, and are async-signal-safe
 * unless noted. */
#ifndef OS_EXTENT_H
#define OS_EXTENT_H

#include <stdint.h>

#include <selfpage/error.h>

/* Make an extent of `pages` pages (at least 1), all holes, sealed, close-on-exec, with mode 0400: other
 * users cannot open a read-only descriptor of it again for writing. `name` shows in
 * /proc/PID/maps. Returns its descriptor. `error` may be NULL. Not for signal handlers. */
int extent_create(const char *name, uint32_t pages, struct sp_error *error);

/* Look at a descriptor that somebody sent: 0 if it is an extent of `pages` pages (at least 1), or one
 * that has been cut on its way here, and cannot grow or be made immune to truncation or to writing;
 * -EINVAL if not; -EBADF if it is not open for use. That says nothing about the next moment: its other holders
 * can truncate it. */
int extent_check(int fd, uint32_t pages);

/* Free `count` (at least 1) pages from page `first`; they read as zeros. Mappings stay. */
int extent_punch(int fd, uint32_t first, uint32_t count);

/* Cut to its first `pages` pages: those behind are freed, and all mappings of them in all processes are dead (SIGBUS). It
 * cannot be undone. Returns 0 or a negative errno. */
int extent_cut(int fd, uint32_t pages);

/* Cut to nothing: all pages are freed and all mappings in all processes are dead (SIGBUS). It
 * cannot be undone: the extent cannot grow. */
int extent_truncate(int fd);

/* The number of pages that are allocated. Pages touched through a mapping count from the moment
 * they are touched, reading included. */
int64_t extent_blocks(int fd);

/* The first allocated page at or after page `from`; -ENXIO if no page from there on is allocated. */
int64_t extent_next_data(int fd, uint32_t from);

/* Another descriptor of the same extent that can only read and be mapped read-only; the caller closes it.
 * Needs /proc. -EAGAIN: somebody has a lease on it. */
int extent_reopen_read_only(int fd);

#endif
