#include "os/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

int stdio_fill(void)
{
    /* The lowest free number is fd: those below are open. To what was closed nothing can be written. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
            return -errno;
    return 0;
}

int stdio_flush(void)
{
    bool lost = ferror(stdout) != 0; /* of what was written long ago the cause is forgotten */

    if (fflush(stdout) != 0)
        return -errno;
    return lost ? -EIO : 0;
}
