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

int stdio_finish(FILE *file)
{
    bool lost = ferror(file) != 0; /* of what was written long ago the cause is forgotten */

    if (fflush(file) != 0)
        return -errno;
    return lost ? -EIO : 0;
}

int stdio_flush(void)
{
    return stdio_finish(stdout);
}
