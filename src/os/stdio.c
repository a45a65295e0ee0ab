#include "os/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int stdio_fill(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return -errno; /* the lowest free number is fd: those below are open */
    return 0;
}
