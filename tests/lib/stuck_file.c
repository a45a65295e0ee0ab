#include "stuck_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#define INODE 2u
#define SIZE  4096u

static struct fuse_attr attributes(uint64_t inode)
{
    return (struct fuse_attr){.ino = inode,
                              .size = inode == INODE ? SIZE : 0,
                              .mode = inode == INODE ? S_IFREG | 0444 : S_IFDIR | 0555,
                              .nlink = 1,
                              .blksize = SIZE};
}

static void answer(const struct stuck_file *file, const struct fuse_in_header *request, int error,
                   const void *body, size_t size)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof(header) + size), .error = error, .unique = request->unique};
    struct iovec parts[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)body, size}};

    (void)!writev(file->device, parts, size > 0 ? 2 : 1);
}

static void serve(struct stuck_file *file, const struct fuse_in_header *request)
{
    struct fuse_init_out init = {
        .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = SIZE};
    struct fuse_entry_out entry = {.nodeid = INODE, .attr = attributes(INODE)};
    struct fuse_attr_out attr = {.attr = attributes(request->nodeid)};
    struct fuse_open_out opened = {.fh = 1};

    switch (request->opcode) {
    case FUSE_INIT:
        answer(file, request, 0, &init, sizeof(init));
        break;
    case FUSE_LOOKUP:
        answer(file, request, 0, &entry, sizeof(entry));
        break;
    case FUSE_GETATTR:
        answer(file, request, 0, &attr, sizeof(attr));
        break;
    case FUSE_OPEN:
        answer(file, request, 0, &opened, sizeof(opened));
        break;
    case FUSE_READ:
        atomic_fetch_add(&file->reads, 1); /* and no answer */
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
    case FUSE_DESTROY:
        break;
    default:
        answer(file, request, -ENOSYS, NULL, 0);
        break;
    }
}

static void *run(void *arg)
{
    static char buffer[FUSE_MIN_READ_BUFFER + SIZE] __attribute__((aligned(8)));
    struct stuck_file *file = arg;
    ssize_t got;

    while ((got = read(file->device, buffer, sizeof(buffer))) >= 0 || errno == EINTR ||
           errno == ENOENT)
        if (got >= (ssize_t)sizeof(struct fuse_in_header))
            serve(file, (const struct fuse_in_header *)(const void *)buffer);
    return NULL;
}

int stuck_file_prepare(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0)
        return -errno;
    return 0;
}

int stuck_file_open(struct stuck_file *file, const char *directory)
{
    char mountpoint[200], options[100];
    int code = 0;

    memset(file, 0, sizeof(*file));
    file->device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (file->device < 0)
        return -errno;
    snprintf(mountpoint, sizeof(mountpoint), "%s/stuck", directory);
    snprintf(file->path, sizeof(file->path), "%s/file", mountpoint);
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
             file->device);
    if ((mkdir(mountpoint, 0755) != 0 && errno != EEXIST) ||
        mount("stuck", mountpoint, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        code = -errno;
    if (code == 0)
        code = -pthread_create(&file->thread, NULL, run, file);
    if (code != 0)
        close(file->device);
    return code;
}

void stuck_file_close(struct stuck_file *file)
{
    char mountpoint[sizeof(file->path)];

    snprintf(mountpoint, sizeof(mountpoint), "%s", file->path);
    *strrchr(mountpoint, '/') = '\0';
    /* The thread's read then fails, and all that wait for the file system get an error. */
    umount2(mountpoint, MNT_FORCE | MNT_DETACH);
    pthread_join(file->thread, NULL);
    close(file->device);
    rmdir(mountpoint);
}
