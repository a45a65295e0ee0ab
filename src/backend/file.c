/* Pages in a preallocated file.
 *
 * A file that is not kept never has a name, or loses it before anything is written: nothing is left
 * after any ending. A kept file gets its name only when its head is complete, and is locked against a
 * second server. Where the file system cannot make a file without a name, a new kept file has its name
 * from the start, and loses it again if the start fails. O_DIRECT applies to pages only; the head always
 * goes through the page cache, by a descriptor of its own.
 *
 * A client's own place is another file without a name in the same directory. Room that it gets is taken from
 * the device's file, by a hole, and allocated afresh: no file system shows in a file what another one held. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/error.h"

struct file_device {
    const char *path; /* the caller's */
    int fd;           /* of the pages */
    int plain;        /* of the head: not direct; equals fd unless the file is kept */
    bool keep;
    bool sync;     /* is to outlive a power loss, its name too */
    bool existing; /* only if it exists */
    bool existed;
    bool
        named; /* kept, new, and has its name already: close removes it unless finish was reached */
    enum swap_mode mode;
    bool direct;    /* pages go around the page cache */
    uint64_t data;  /* byte at which page 0 starts */
    uint64_t bytes; /* of the whole file */
};

/* Bytes of "/proc/self/fd/N". */
#define LINK_MAX_BYTES 32

static void descriptor_path(int fd, char path[LINK_MAX_BYTES])
{
    snprintf(path, LINK_MAX_BYTES, "/proc/self/fd/%d", fd);
}

/* A file without a name in the directory of `path`. Returns its descriptor or a negative errno. */
static int nameless_create(const char *path)
{
    char *copy = strdup(path);
    int fd;

    if (copy == NULL)
        return -ENOMEM;
    fd = open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        fd = -errno;
    free(copy);
    return fd;
}

/* Make a new file. `*named`: it has its name already, since this file system makes no others. */
static int file_create(const char *path, bool *named, struct sp_error *error)
{
    int fd = nameless_create(path);

    *named = false;
    if (fd == -EOPNOTSUPP || fd == -EISDIR || fd == -EINVAL) {
        *named = true;
        fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0)
            fd = -errno;
    }
    if (fd < 0)
        return error_set(error, -fd, "cannot create %s: %s", path, strerror(-fd));
    return fd;
}

/* Say how much room there is, and how much would be needed. */
static int room_error(const char *path, int code, uint64_t needed, uint64_t room,
                      struct sp_error *error)
{
    return error_set(error, code, "no room for %s: %llu MiB are needed, %llu MiB are free", path,
                     (unsigned long long)(needed >> 20), (unsigned long long)(room >> 20));
}

/* Reserve the file's space now, so that no store ever finds the file system full. A size that cannot fit is not
 * tried, since it would fill the file system for a moment. */
static int file_allocate(int fd, uint64_t bytes, const char *path, struct sp_error *error)
{
    uint64_t room = UINT64_MAX, needed = bytes;
    struct statvfs system;
    struct stat status;
    int code;

    if (fstatvfs(fd, &system) == 0)
        room = (uint64_t)system.f_bavail * system.f_frsize;
    if (fstat(fd, &status) == 0)
        needed -=
            (uint64_t)status.st_blocks * 512 < bytes ? (uint64_t)status.st_blocks * 512 : bytes;
    if (needed > room)
        return room_error(path, ENOSPC, needed, room, error);
    code = posix_fallocate(fd, 0, (off_t)bytes);
    if (code == 0)
        return 0;
    if (code == ENOSPC || code == EDQUOT)
        return room_error(path, code, needed, room, error);
    if (code == EFBIG)
        return error_set(error, code,
                         "%s would have %llu MiB, more than this process or file system may "
                         "write in one file (ulimit -f)",
                         path, (unsigned long long)(bytes >> 20));
    return error_set(error, code, "cannot allocate %llu MiB for %s: %s",
                     (unsigned long long)(bytes >> 20), path, strerror(code));
}

/* Give a nameless file its name. */
static int file_name(int fd, const char *path, struct sp_error *error)
{
    char link[LINK_MAX_BYTES];

    descriptor_path(fd, link);
    if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
        return error_set(error, errno, "cannot create %s: %s", path, strerror(errno));
    return 0;
}

static int file_lock(int fd, const char *path, struct sp_error *error)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(error, EBUSY, "another server is using %s", path);
    return error_set(error, errno, "cannot lock %s: %s", path, strerror(errno));
}

/* Make the file of a server that does not keep it. */
static int private_open(struct file_device *file, struct sp_error *error)
{
    struct stat status;
    bool named;

    if (lstat(file->path, &status) == 0)
        return error_set(error, EEXIST,
                         "%s exists: it is left alone; name another file, remove it, or use --keep "
                         "if it is a swap file",
                         file->path);
    file->plain = file_create(file->path, &named, error);
    if (file->plain < 0)
        return file->plain;
    if (named && unlink(file->path) < 0)
        return error_set(error, errno, "cannot unlink %s: %s", file->path, strerror(errno));
    file->fd = file->plain;
    return file_allocate(file->plain, file->bytes, file->path, error);
}

static int kept_create(struct file_device *file, struct sp_error *error)
{
    int code;

    file->plain = file_create(file->path, &file->named, error);
    if (file->plain < 0)
        return file->plain;
    code = file_lock(file->plain, file->path, error);
    return code < 0 ? code : file_allocate(file->plain, file->bytes, file->path, error);
}

/* Lock a file that was there. Its head has still to be judged: nothing is changed. */
static int kept_reopen(struct file_device *file, struct sp_error *error)
{
    struct stat status;

    if (fstat(file->plain, &status) < 0)
        return error_set(error, errno, "cannot look at %s: %s", file->path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, EINVAL, "%s is not a regular file", file->path);
    file->existed = true;
    return file_lock(file->plain, file->path, error);
}

/* Open a second descriptor for the pages: it may become direct, the first one may not. */
static int data_open(struct file_device *file, struct sp_error *error)
{
    char link[LINK_MAX_BYTES];

    descriptor_path(file->plain, link);
    file->fd = open(link, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return error_set(error, errno, "cannot open %s again: %s", file->path, strerror(errno));
    return 0;
}

static int kept_open(struct file_device *file, struct sp_error *error)
{
    file->plain = open(file->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file->plain >= 0)
        return kept_reopen(file, error);
    if (errno == ENOENT && !file->existing)
        return kept_create(file, error);
    return error_set(error, errno, "cannot open %s: %s", file->path, strerror(errno));
}

/* Make the file's name outlive a power loss. */
static int name_sync(const char *path, struct sp_error *error)
{
    char *copy = strdup(path);
    int fd = copy == NULL ? -1 : open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = fd >= 0 && fsync(fd) == 0 ? 0 : errno;

    if (fd >= 0)
        close(fd);
    free(copy);
    if (code != 0)
        return error_set(error, code, "cannot sync the directory of %s: %s", path, strerror(code));
    return 0;
}

static int kept_finish(struct file_device *file, struct sp_error *error)
{
    int code = 0;

    /* A file that somebody cut short, or made sparse, is whole again after this. */
    if (file->existed)
        code = file_allocate(file->plain, file->bytes, file->path, error);
    else if (!file->named)
        code = file_name(file->plain, file->path, error);
    if (code == 0 && file->sync)
        code = name_sync(file->path, error);
    if (code < 0)
        return code;
    file->named = false;
    return data_open(file, error);
}

/* Turn O_DIRECT on if the file system takes it: it may agree to the flag and then fail to read. */
static int direct_enable(const struct file_device *file)
{
    int flags = fcntl(file->fd, F_GETFL);
    void *page = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code = 0;

    if (page == NULL)
        return -ENOMEM;
    if (flags < 0 || fcntl(file->fd, F_SETFL, flags | O_DIRECT) < 0)
        code = -errno;
    else if (pread(file->fd, page, SWAP_PAGE, (off_t)file->data) != (ssize_t)SWAP_PAGE) {
        code = -errno;
        fcntl(file->fd, F_SETFL, flags);
    }
    free(page);
    return code;
}

static void file_close(void *device)
{
    struct file_device *file = device;

    if (file->named)
        unlink(file->path);
    if (file->fd >= 0 && file->fd != file->plain)
        close(file->fd);
    if (file->plain >= 0)
        close(file->plain);
    free(file);
}

static int file_open(void **device, const struct swap_backend_wish *wish,
                     struct swap_backend_facts *facts, struct sp_error *error)
{
    struct file_device *file = malloc(sizeof(*file));
    int code;

    if (file == NULL)
        return error_set(error, ENOMEM, "no memory for a device");
    *file = (struct file_device){.path = wish->place,
                                 .fd = -1,
                                 .plain = -1,
                                 .keep = wish->keep,
                                 .sync = wish->sync,
                                 .existing = wish->existing,
                                 .mode = wish->mode,
                                 .data = wish->head,
                                 .bytes = wish->head + (uint64_t)wish->pages * SWAP_PAGE};
    code = file->keep ? kept_open(file, error) : private_open(file, error);
    if (code < 0) {
        file_close(file);
        return code;
    }
    facts->existed = file->existed;
    *device = file;
    return 0;
}

static int file_finish(void *device, struct swap_backend_facts *facts, struct sp_error *error)
{
    struct file_device *file = device;
    int code = file->keep ? kept_finish(file, error) : 0;
    bool direct = false;

    if (code < 0)
        return code;
    if (file->mode != SWAP_MODE_BUFFERED) {
        code = direct_enable(file);
        if (code < 0 && file->mode == SWAP_MODE_DIRECT)
            return error_set(error, -code, "%s cannot be opened with O_DIRECT: %s (use --buffered)",
                             file->path, strerror(-code));
        direct = code == 0;
    }
    file->direct = direct;
    facts->waits = direct;
    facts->fell_back = file->mode != SWAP_MODE_BUFFERED && !direct;
    facts->how = direct ? "direct" : "buffered";
    return 0;
}

static off_t page_offset(const struct file_device *file, uint32_t page)
{
    return (off_t)(file->data + (uint64_t)page * SWAP_PAGE);
}

static int file_write(void *device, uint32_t page, uint32_t count, const void *pages)
{
    const struct file_device *file = device;
    size_t bytes = (size_t)count * SWAP_PAGE;
    ssize_t written = pwrite(file->fd, pages, bytes, page_offset(file, page));

    if (written < 0)
        return -errno;
    return (size_t)written == bytes ? 0 : -EIO;
}

static int file_read(void *device, uint32_t page, uint32_t count, void *pages)
{
    const struct file_device *file = device;
    size_t bytes = (size_t)count * SWAP_PAGE;
    ssize_t got = pread(file->fd, pages, bytes, page_offset(file, page));

    if (got < 0)
        return -errno;
    return (size_t)got == bytes ? 0 : -EIO;
}

static int file_descriptor(const void *device, uint64_t *at)
{
    const struct file_device *file = device;

    *at = file->data;
    return file->fd;
}

static int file_head_write(void *device, uint64_t offset, const void *bytes, uint32_t count)
{
    const struct file_device *file = device;
    ssize_t written = pwrite(file->plain, bytes, count, (off_t)offset);

    if (written < 0)
        return -errno;
    return (size_t)written == count ? 0 : -EIO;
}

static int file_head_read(void *device, uint64_t offset, void *bytes, uint32_t count)
{
    const struct file_device *file = device;
    ssize_t got = pread(file->plain, bytes, count, (off_t)offset);

    if (got < 0)
        return -errno;
    return (size_t)got == count ? 0 : -EIO;
}

static int file_sync(void *device)
{
    const struct file_device *file = device;

    return fdatasync(file->fd) < 0 ? -errno : 0;
}

/* ---- Own places: files without a name in the same directory ---- */

static int file_room(void *device, uint32_t page, uint32_t count, bool there)
{
    const struct file_device *file = device;
    int how = there ? 0 : FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    int result;

    do {
        result = fallocate(file->plain, how, page_offset(file, page), (off_t)count * SWAP_PAGE);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

/* Whether this file system can give room and take it back, and whether it reads past the page cache. */
static int own_try(struct file_device *own)
{
    int code = file_room(own, 0, 1, true);

    if (code == 0 && own->direct)
        code = direct_enable(own);
    if (code == 0)
        code = file_room(own, 0, 1, false);
    return code;
}

/* A second descriptor of a file, for reading alone. */
static int reader_open(const struct file_device *own)
{
    char link[LINK_MAX_BYTES];
    int fd;

    descriptor_path(own->fd, link);
    fd = open(link, O_RDONLY | O_CLOEXEC | (own->direct ? O_DIRECT : 0));
    return fd < 0 ? -errno : fd;
}

static int file_own_open(void *device, void **ownp, int *reader)
{
    const struct file_device *file = device;
    struct file_device *own;
    int code;

    if (file->keep || file->sync)
        return -EOPNOTSUPP;
    own = malloc(sizeof(*own));
    if (own == NULL)
        return -ENOMEM;
    *own = (struct file_device){.path = file->path, .direct = file->direct};
    own->fd = own->plain = nameless_create(file->path);
    code = own->fd < 0 ? own->fd : own_try(own);
    /* Not even its owner opens it for writing by chance. */
    if (code == 0 && fchmod(own->fd, S_IRUSR) < 0)
        code = -errno;
    if (code == 0)
        code = *reader = reader_open(own);
    if (code < 0) {
        file_close(own);
        return code;
    }
    *ownp = own;
    return 0;
}

const struct swap_backend backend_file = {
    .name = "file",
    .place = "PATH",
    .help = "a file: preallocated, and without a name while in use unless --keep",
    .keeps = true,
    .open = file_open,
    .finish = file_finish,
    .write = file_write,
    .read = file_read,
    .descriptor = file_descriptor,
    .head_write = file_head_write,
    .head_read = file_head_read,
    .sync = file_sync,
    .own_open = file_own_open,
    .room = file_room,
    .close = file_close,
};
