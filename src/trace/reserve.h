/* Large memory that is full of zeros and costs nothing until it is touched: what lets a replay
 * begin without knowing how many pages its trace has. */
#ifndef TRACE_RESERVE_H
#define TRACE_RESERVE_H

#include <stddef.h>
#include <sys/mman.h>

/* From this size on, large pages of the machine pay. */
#define RESERVE_LARGE ((size_t)4 << 20)

/* A large page of the machine. Where they have another size, this one is as good. */
#define RESERVE_LARGE_PAGE ((size_t)2 << 20)

/* MADV_COLLAPSE, which Debian 12's glibc does not name. */
#define RESERVE_COLLAPSE 25

/* `size` bytes of zeros, or NULL. */
static inline void *reserve(size_t size)
{
    void *memory = mmap(NULL, size > 0 ? size : 1, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* From now on, what is touched comes in large pages of the machine, where there are such. */
static inline void reserve_large_pages(void *memory, size_t size)
{
    madvise(memory, size, MADV_HUGEPAGE);
}

/* The first `size` bytes, of which nearly all are touched already or soon will be: what lies in them of large pages of the
 * machine as a whole becomes such now, where the kernel can (Linux 6.1). Nothing beyond them is touched. */
static inline void reserve_collapse(void *memory, size_t size)
{
    size &= ~(RESERVE_LARGE_PAGE - 1);
    if (size == 0)
        return;
    madvise(memory, size, MADV_HUGEPAGE);
    madvise(memory, size, RESERVE_COLLAPSE);
}

static inline void reserve_free(void *memory, size_t size)
{
    if (memory != NULL)
        munmap(memory, size > 0 ? size : 1);
}

#endif
