#include "os/unlocked.h"

#include <errno.h>
#include <sys/mman.h>

/* The kernel does not populate memory that cannot be accessed, and permitting access does not populate it either
 * once it is no longer locked. */
void *unlocked_map(void *place, size_t size, int flags, int fd)
{
    void *memory = mmap(place, size, PROT_NONE, flags, fd, 0);

    if (memory == MAP_FAILED)
        return NULL;
    munlock(memory, size);
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
        int code = errno;

        munmap(memory, size);
        errno = code;
        return NULL;
    }
    return memory;
}
