#include "beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "walk.h"

/* Times that the kernel is asked again because something was renamed while it walked. */
#define ATTEMPTS 64u

static int ask_kernel(int root, const char *path, struct open_how *how)
{
    int result = -EAGAIN;

    check(path != NULL);
    for (unsigned i = 0; i < ATTEMPTS && result == -EAGAIN; i++) {
        long fd = syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, how, sizeof(*how));

        result = fd < 0 ? -errno : (int)fd;
    }
    return result;
}

int beneath_open_now(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV |
                                      RESOLVE_CACHED};
    long fd = syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof(how));

    check((flags & O_CREAT) == 0);
    return fd < 0 ? -errno : (int)fd;
}

int beneath_open(int root, const char *path, int flags, unsigned mode)
{
    static _Atomic bool missing; /* the kernel has no openat2, or one that is forbidden */
    struct open_how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
                           .mode = mode,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int result = missing ? -ENOSYS : ask_kernel(root, path, &how);

    check(mode == 0 || (flags & O_CREAT) != 0);
    if (result == -ENOSYS)
        missing = true;
    return result == -ENOSYS || result == -EPERM ? walk_open(root, path, flags, mode) : result;
}
