#include "os/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int descriptor_raise(int consume_fd)
{
    int raised;

    if (consume_fd < 0 || consume_fd > STDERR_FILENO)
        return consume_fd;
    raised = fcntl(consume_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (raised < 0)
        raised = -errno;
    close(consume_fd);
    return raised == -EINVAL ? -EMFILE : raised; /* EINVAL: the limit of files is 3 or less */
}
