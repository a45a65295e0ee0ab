/* Large memory that is full of zeros and costs nothing until it is touched: what lets a replay
 * begin without knowing how many pages its trace has. */
#ifndef TRACE_RESERVE_H
#define TRACE_RESERVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* From this size on, large pages of the machine pay. */
#define RESERVE_LARGE ((size_t)4 << 20)

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

/* Bring all of some memory that is about to be written, by one call. Where the kernel cannot, page faults do. The memory
 * may begin within a page. */
static inline void reserve_ready(void *memory, size_t size)
{
    char *first = (char *)((uintptr_t)memory & ~(uintptr_t)4095);

    madvise(first, (size_t)((char *)memory + size - first), MADV_POPULATE_WRITE);
}

static inline void reserve_free(void *memory, size_t size)
{
    if (memory != NULL)
        munmap(memory, size > 0 ? size : 1);
}

#endif
