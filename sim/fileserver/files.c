#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "beneath.h"

#define CHUNK_BYTES ((size_t)CHUNKS_PAGES * SP_PAGE_SIZE)

/* A directory whose list is longer cannot be opened. */
#define LIST_MOST (UINT64_C(4) << 20)

/* New files may be read and written by all whom the umask permits. */
#define MODE 0666u

static uint64_t changed_ns(const struct stat *info)
{
    return (uint64_t)info->st_mtim.tv_sec * 1000000000u + (uint64_t)info->st_mtim.tv_nsec;
}

static void take_key(struct file *file, const struct stat *info)
{
    file->key = (struct chunk_key){.device = info->st_dev,
                                   .inode = info->st_ino,
                                   .changed_ns = changed_ns(info),
                                   .size = file->size};
}

/* Add an entry to the list. Returns 0 or a negative errno. */
static int list_add(struct file *file, uint64_t *roomp, int directory, const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    struct stat info;
    char letter = 'o';

    if (fstatat(directory, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return 0; /* it has gone meanwhile */
    if (S_ISREG(info.st_mode))
        letter = 'f';
    else if (S_ISDIR(info.st_mode))
        letter = 'd';
    if (file->size + length + 2 > *roomp) {
        char *list = realloc(file->list, *roomp * 2 + 4096);

        if (list == NULL || *roomp > LIST_MOST) {
            file->list = list != NULL ? list : file->list;
            return -E2BIG;
        }
        file->list = list;
        *roomp = *roomp * 2 + 4096;
    }
    check(file->size + length + 2 <= *roomp);
    file->list[file->size] = letter;
    memcpy(file->list + file->size + 1, entry->d_name, length + 1);
    file->size += length + 2;
    return 0;
}

/* Read a directory to the end. Takes over `fd`. */
static int list_directory(struct file *file, int fd)
{
    DIR *directory = fdopendir(fd);
    const struct dirent *entry;
    uint64_t room = 0;
    int result = 0;

    if (directory == NULL) {
        close(fd);
        return -ENOMEM;
    }
    while (result == 0 && (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = list_add(file, &room, dirfd(directory), entry);
    closedir(directory);
    check(file->size <= room);
    return result;
}

bool files_near(int fd)
{
    struct statfs info;

    check(fd >= 0);
    if (fstatfs(fd, &info) != 0)
        return false;
    switch ((unsigned long)
                info.f_type) { /* a device of this machine, or memory: the kernel asks nobody */
    case BTRFS_SUPER_MAGIC:
    case EXT4_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case RAMFS_MAGIC:
    case TMPFS_MAGIC:
    case XFS_SUPER_MAGIC:
        return true;
    default:
        return false;
    }
}

/* The flags of open(2) for those of the protocol. O_TRUNC is not among them: what is no regular file
 * is left alone. */
static int flags_of(unsigned flags)
{
    int result = O_NONBLOCK | O_NOCTTY | ((flags & WIRE_FILE_WRITING) != 0 ? O_RDWR : O_RDONLY);

    check((flags & ~(WIRE_FILE_OPEN_FLAGS - 1)) == 0);
    if ((flags & WIRE_FILE_CREATE) != 0)
        result |= O_CREAT;
    if ((flags & WIRE_FILE_EXCLUSIVE) != 0)
        result |= O_EXCL;
    return result;
}

int files_open(int root, const char *path, unsigned flags, struct file *file)
{
    static _Atomic uint64_t lists; /* the key of a list is its own: it is read once */
    struct stat info;
    int result = 0;
    int fd = beneath_open(root, path, flags_of(flags), (flags & WIRE_FILE_CREATE) != 0 ? MODE : 0);

    *file = (struct file){.fd = -1, .writable = (flags & WIRE_FILE_WRITING) != 0};
    if (fd < 0)
        return fd == -ENXIO ? -EOPNOTSUPP : fd; /* a socket, or a pipe that nobody reads */
    if (fstat(fd, &info) != 0)
        result = -errno;
    else if (S_ISDIR(info.st_mode)) {
        result = list_directory(file, fd);
        file->key = (struct chunk_key){.device = UINT64_MAX, .inode = ++lists, .size = file->size};
        if (result != 0)
            files_close(file);
        return result;
    } else if (!S_ISREG(info.st_mode))
        result = -EOPNOTSUPP;
    else if ((flags & WIRE_FILE_TRUNCATE) != 0 && (ftruncate(fd, 0) != 0 || fstat(fd, &info) != 0))
        result = -errno;
    if (result != 0) {
        close(fd);
        return result;
    }
    file->fd = fd;
    file->distant = !files_near(fd);
    file->size = (uint64_t)info.st_size;
    take_key(file, &info);
    check(file->fd >= 0);
    return 0;
}

int files_open_now(int root, const char *path, struct file *file)
{
    struct stat info;
    int fd = beneath_open_now(root, path, flags_of(0));

    if (fd < 0)
        return -EAGAIN;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        close(fd);
        return -EAGAIN;
    }
    *file = (struct file){.fd = fd, .size = (uint64_t)info.st_size};
    take_key(file, &info);
    check(!file->distant);
    return 0;
}

void files_close(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->list);
    *file = (struct file){.fd = -1};
}

int files_look(struct file *file)
{
    struct stat info;

    if (file->fd < 0)
        return 0;
    if (fstat(file->fd, &info) != 0)
        return -errno;
    file->size = (uint64_t)info.st_size;
    take_key(file, &info);
    check(file->key.size == file->size);
    return 0;
}

int64_t files_read_now(const struct file *file, uint64_t number, char *buffer)
{
    uint64_t offset = number * CHUNK_BYTES;
    uint64_t left = offset < file->size ? file->size - offset : 0;
    struct iovec all = {buffer, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES};
    ssize_t got;

    check(file->fd >= 0);
    if (file->distant)
        return -EAGAIN;
    got = preadv2(file->fd, &all, 1, (off_t)offset, RWF_NOWAIT);
    return got == (ssize_t)all.iov_len ? (int64_t)got : -EAGAIN;
}

int64_t files_read(const struct file *file, uint64_t number, char *buffer)
{
    uint64_t offset = number * CHUNK_BYTES;
    uint64_t left = offset < file->size ? file->size - offset : 0;
    size_t wanted = left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES;
    size_t done = 0;

    if (file->fd < 0) {
        if (wanted > 0)
            memcpy(buffer, file->list + offset, wanted);
        return (int64_t)wanted;
    }
    while (done < wanted) {
        ssize_t got = pread(file->fd, buffer + done, wanted - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break; /* it has become shorter */
        done += (size_t)got;
    }
    check(done <= wanted);
    return (int64_t)done;
}

int64_t files_write(const struct file *file, uint64_t offset, const char *bytes, size_t count)
{
    size_t done = 0;

    if (!file->writable)
        return -EBADF;
    while (done < count) {
        ssize_t put = pwrite(file->fd, bytes + done, count - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && done == 0)
            return -errno;
        if (put <= 0)
            break; /* the next write says why */
        done += (size_t)put;
    }
    check(done <= count);
    return (int64_t)done;
}
