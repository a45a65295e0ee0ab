#include "os/unlocked.h"

#include <errno.h>
#include <sys/mman.h>

/* What cannot be accessed is not populated; and once it is not locked any more, permitting access does
 * not populate it either. */
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
