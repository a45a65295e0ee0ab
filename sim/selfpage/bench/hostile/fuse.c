#include "selfpage/bench/hostile/fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NODE  2
#define FILE_BYTES 4096
#define ROOM       (FUSE_MIN_READ_BUFFER + 65536)

static void answer(int fuse, uint64_t unique, int error, const void *body, size_t size)
{
    struct fuse_out_header header = {
        .len = (uint32_t)(sizeof(header) + size), .error = error, .unique = unique};
    char bytes[sizeof(header) + 256];

    memcpy(bytes, &header, sizeof(header));
    if (size > 0)
        memcpy(bytes + sizeof(header), body, size);
    if (write(fuse, bytes, header.len) < 0)
        return; /* the request was given up */
}

static struct fuse_attr attributes(uint64_t node)
{
    return (struct fuse_attr){.ino = node,
                              .size = node == FILE_NODE ? FILE_BYTES : 0,
                              .mode = node == FILE_NODE ? S_IFREG | 0444 : S_IFDIR | 0555,
                              .nlink = 1};
}

static void serve_one(int fuse, const struct fuse_in_header *in)
{
    struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION,
                                 .minor = FUSE_KERNEL_MINOR_VERSION,
                                 .max_readahead = FILE_BYTES,
                                 .max_write = FILE_BYTES,
                                 .max_background = 4,
                                 .congestion_threshold = 4};
    struct fuse_entry_out entry = {.nodeid = FILE_NODE,
                                   .attr_valid = 3600,
                                   .entry_valid = 3600,
                                   .attr = attributes(FILE_NODE)};
    struct fuse_attr_out attr = {.attr_valid = 3600, .attr = attributes(in->nodeid)};
    struct fuse_open_out open_out = {.fh = 1};

    switch (in->opcode) {
    case FUSE_INIT:
        answer(fuse, in->unique, 0, &init, sizeof(init));
        break;
    case FUSE_LOOKUP:
        answer(fuse, in->unique, 0, &entry, sizeof(entry));
        break;
    case FUSE_GETATTR:
        answer(fuse, in->unique, 0, &attr, sizeof(attr));
        break;
    case FUSE_OPEN:
        answer(fuse, in->unique, 0, &open_out, sizeof(open_out));
        break;
    case FUSE_READ:
    case FUSE_FLUSH: /* never */
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: /* these want no answer */
        break;
    default:
        answer(fuse, in->unique, -ENOSYS, NULL, 0);
    }
}

static void serve(int fuse, int leash)
{
    static char bytes[ROOM] __attribute__((aligned(8)));
    struct pollfd entries[] = {{.fd = fuse, .events = POLLIN}, {.fd = leash, .events = POLLIN}};
    ssize_t size;

    for (;;) {
        if (poll(entries, 2, -1) < 0 || entries[1].revents != 0)
            _exit(0);
        size = read(fuse, bytes, sizeof(bytes));
        if (size >= (ssize_t)sizeof(struct fuse_in_header))
            serve_one(fuse, (const struct fuse_in_header *)bytes);
        else if (size < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
            _exit(0);
    }
}

static int file_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));
    int code = written < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return code;
}

/* A mount namespace of its own, in which this process may mount. */
static int own_namespace(void)
{
    uid_t uid = geteuid();
    char map[64];

    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return -errno;
    if (uid != 0) {
        snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
        if (file_write("/proc/self/uid_map", map) != 0)
            return -EPERM;
    }
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? 0 : -errno;
}

int fuse_start(const char *directory, int leash)
{
    int code = own_namespace(), fuse;
    char options[128];

    if (code != 0)
        return code;
    fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0)
        return -errno;
    snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
             fuse);
    if (mount("hostile", directory, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        return -errno;
    if (fork() == 0)
        serve(fuse, leash);
    close(fuse);
    return 0;
}

void *fuse_page(const char *directory)
{
    char path[256];
    void *page;
    int fd;

    snprintf(path, sizeof(path), "%s/file", directory);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    page = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    return page == MAP_FAILED ? NULL : page; /* closing the file would block, too: it stays open */
}

int fuse_possible(const char *directory)
{
    int leash[2], status;
    pid_t child;

    if (pipe(leash) != 0)
        return 0;
    child = fork();
    if (child == 0) {
        close(leash[1]);
        _exit(fuse_start(directory, leash[0]) == 0 ? 0 : 1);
    }
    close(leash[0]);
    close(leash[1]);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 0;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
