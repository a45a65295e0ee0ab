#include "os/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

long limits_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return -errno;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            return -errno;
    }
    return limit.rlim_cur > LONG_MAX ? LONG_MAX : (long)limit.rlim_cur;
}

/* Half a megabyte of the kernel's memory. */
#define FILES_MOST 65536

void limits_make_room(long files)
{
    int fd =
        fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, (int)(files > FILES_MOST ? FILES_MOST : files) - 1);

    if (fd >= 0)
        close(fd); /* the table stays as large */
}
