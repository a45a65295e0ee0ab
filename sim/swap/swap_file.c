/* Making, opening, locking, reading and writing the device. */
#include "swap_file.h"

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

#include "base/error.h"

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

/* Reserve the file's space now, so that no store ever finds the file system full. What cannot fit
 * is not tried: it would fill the file system for a moment. */
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

/* Make the device of a server that does not keep it. */
static int private_open(struct swap_file *file, const char *path, struct sp_error *error)
{
    struct stat status;
    bool named;

    if (lstat(path, &status) == 0)
        return error_set(error, EEXIST,
                         "%s exists: it is left alone; name another file, remove it, or use --keep "
                         "if it is a swap file",
                         path);
    file->plain = file_create(path, &named, error);
    if (file->plain < 0)
        return file->plain;
    if (named && unlink(path) < 0)
        return error_set(error, errno, "cannot unlink %s: %s", path, strerror(errno));
    file->fd = file->plain;
    return file_allocate(file->plain, (uint64_t)file->slots * SWAP_PAGE, path, error);
}

static int kept_create(struct swap_file *file, const char *path, struct sp_error *error)
{
    bool named;
    int code;

    file->plain = file_create(path, &named, error);
    if (file->plain < 0)
        return file->plain;
    code = file_lock(file->plain, path, error);
    if (code == 0)
        code =
            file_allocate(file->plain, file->data + (uint64_t)file->slots * SWAP_PAGE, path, error);
    if (code == 0)
        code = swap_index_create(&file->index, file->plain, file->slots, path, error);
    if (code == 0 && !named)
        code = file_name(file->plain, path, error);
    if (code < 0 && named)
        unlink(path);
    return code;
}

static int kept_reopen(struct swap_file *file, const char *path, struct sp_error *error)
{
    struct stat status;
    int code;

    if (fstat(file->plain, &status) < 0)
        return error_set(error, errno, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, EINVAL, "%s is not a regular file", path);
    code = file_lock(file->plain, path, error);
    if (code < 0)
        return code;
    file->existed = true;
    code = swap_index_load(&file->index, file->plain, file->slots, path, error);
    if (code < 0)
        return code;
    /* A file that somebody cut short, or made sparse, is whole again after this. */
    return file_allocate(file->plain, file->data + (uint64_t)file->slots * SWAP_PAGE, path, error);
}

/* Open a second descriptor for the slots: it may become direct, the first one may not. */
static int data_open(struct swap_file *file, const char *path, struct sp_error *error)
{
    char link[LINK_MAX_BYTES];

    descriptor_path(file->plain, link);
    file->fd = open(link, O_RDWR | O_CLOEXEC);
    if (file->fd < 0)
        return error_set(error, errno, "cannot open %s again: %s", path, strerror(errno));
    return 0;
}

static int kept_open(struct swap_file *file, const char *path, struct sp_error *error)
{
    int code;

    file->data = swap_index_data_offset(file->slots);
    file->plain = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file->plain >= 0)
        code = kept_reopen(file, path, error);
    else if (errno == ENOENT)
        code = kept_create(file, path, error);
    else
        code = error_set(error, errno, "cannot open %s: %s", path, strerror(errno));
    return code < 0 ? code : data_open(file, path, error);
}

/* Turn O_DIRECT on if the file system takes it: it may agree to the flag and then fail to read. */
static int direct_enable(struct swap_file *file)
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
    file->direct = code == 0;
    return code;
}

int swap_file_open(struct swap_file *file, const struct swap_options *options,
                   struct sp_error *error)
{
    int code;

    *file =
        (struct swap_file){.fd = -1, .plain = -1, .slots = options->slots, .sync = options->sync};
    if (options->keep)
        code = kept_open(file, options->file, error);
    else
        code = private_open(file, options->file, error);
    if (code == 0 && options->mode != SWAP_MODE_BUFFERED) {
        code = direct_enable(file);
        if (code < 0 && options->mode == SWAP_MODE_DIRECT) {
            code = error_set(error, -code, "%s cannot be opened with O_DIRECT: %s (use --buffered)",
                             options->file, strerror(-code));
        } else if (code < 0) {
            file->fell_back = true;
            code = 0;
        }
    }
    if (code < 0)
        swap_file_close(file);
    return code;
}

void swap_file_close(struct swap_file *file)
{
    swap_index_free(&file->index);
    if (file->fd >= 0 && file->fd != file->plain)
        close(file->fd);
    if (file->plain >= 0)
        close(file->plain);
    file->fd = -1;
    file->plain = -1;
}

static off_t slot_offset(const struct swap_file *file, uint32_t slot)
{
    return (off_t)(file->data + (uint64_t)slot * SWAP_PAGE);
}

int swap_file_write(const struct swap_file *file, uint32_t slot, uint32_t count, const void *pages)
{
    size_t bytes = (size_t)count * SWAP_PAGE;
    ssize_t written = pwrite(file->fd, pages, bytes, slot_offset(file, slot));

    if (written < 0)
        return -errno;
    return (size_t)written == bytes ? 0 : -EIO;
}

int swap_file_read(const struct swap_file *file, uint32_t slot, uint32_t count, void *pages)
{
    size_t bytes = (size_t)count * SWAP_PAGE;
    ssize_t got = pread(file->fd, pages, bytes, slot_offset(file, slot));

    if (got < 0)
        return -errno;
    return (size_t)got == bytes ? 0 : -EIO;
}

int swap_file_sync(const struct swap_file *file)
{
    return fdatasync(file->fd) < 0 ? -errno : 0;
}
