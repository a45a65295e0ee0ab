#include "os/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* Names that are tried for a file that is about to get its own. */
#define NAMES 1000u

static int cannot(const char *path, struct sp_error *error)
{
    return error_set(error, errno, "cannot write %.150s: %s", path, strerror(errno));
}

/* Links that are followed, as many as the kernel does. */
#define LINKS 40u

/* A path below the directory that `path` lies in, or `name` itself, if that begins with a slash. NULL: errno says why. */
static char *beside(const char *path, const char *name)
{
    char *copy = strdup(path), *whole = NULL;

    if (copy != NULL && asprintf(&whole, "%s/%s", name[0] == '/' ? "" : dirname(copy), name) < 0)
        whole = NULL;
    free(copy);
    return whole;
}

/* The path of what `path` leads to, which need not be there, nor what links that lead there; NULL: errno says why. */
static char *follow(const char *path)
{
    char *found = realpath(path, NULL), *next, *at = NULL;
    char link[4096];
    ssize_t length;

    if (found != NULL || errno != ENOENT)
        return found;
    at = strdup(path);
    for (unsigned i = 0; i < LINKS && at != NULL; i++) {
        length = readlink(at, link, sizeof(link) - 1);
        if (length <= 0)
            return at;
        link[length] = '\0';
        next = beside(at, link);
        free(at);
        at = next;
    }
    if (at != NULL)
        errno = ELOOP;
    free(at);
    return NULL;
}

/* A file with a name beside its own: for file systems that have none without a name. */
static int open_named(struct new_file *file)
{
    mode_t mask = umask(0);

    umask(mask);
    if (asprintf(&file->name, "%s.XXXXXX", file->path) < 0) {
        file->name = NULL;
        return -1;
    }
    file->fd = mkostemp(file->name, O_CLOEXEC);
    if (file->fd >= 0)
        return fchmod(file->fd, 0666 & ~mask);
    free(file->name);
    file->name = NULL;
    return -1;
}

/* An open file in the directory of file->path, if possible without a name, with the mode that it
 * will have. */
static int open_beside(struct new_file *file, const struct stat *old)
{
    char *copy = strdup(file->path);

    if (copy == NULL)
        return -1;
    file->fd = open(dirname(copy), O_RDWR | O_TMPFILE | O_CLOEXEC, 0666);
    free(copy);
    if (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL) &&
        open_named(file) != 0)
        return -1;
    if (file->fd >= 0 && old != NULL && fchmod(file->fd, old->st_mode & 07777) != 0)
        return -1;
    return file->fd >= 0 ? 0 : -1;
}

static int open_path(struct new_file *file, const char *path, struct sp_error *error)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    size_t length = strlen(path);

    if (length == 0)
        return error_set(error, ENOENT, "cannot write a file whose name is empty: give it one");
    if (exists ? S_ISDIR(old.st_mode) : path[length - 1] == '/') {
        errno = EISDIR;
        return cannot(path, error);
    }
    if (exists && !S_ISREG(old.st_mode)) {
        file->direct = true;
        file->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return file->fd >= 0 ? 0 : cannot(path, error);
    }
    if (exists && access(path, W_OK) != 0)
        return cannot(path, error); /* replacing it would be possible, and not what its mode says */
    file->path = follow(path);
    if (file->path == NULL || open_beside(file, exists ? &old : NULL) != 0)
        return cannot(path, error);
    return 0;
}

int new_file_open(struct new_file *file, const char *path, struct sp_error *error)
{
    int result;

    *file = (struct new_file){.fd = -1};
    result = open_path(file, path, error);
    if (result != 0)
        new_file_fini(file);
    return result;
}

/* Give the open file a name beside its own, if it has none. */
static int name_beside(struct new_file *file)
{
    char self[64];

    if (file->name != NULL)
        return 0;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
    for (unsigned i = 0; i < NAMES; i++) {
        if (asprintf(&file->name, "%s.%ld-%u", file->path, (long)getpid(), i) < 0) {
            file->name = NULL;
            return -1;
        }
        if (linkat(AT_FDCWD, self, AT_FDCWD, file->name, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        free(file->name);
        file->name = NULL;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int new_file_finish(struct new_file *file, struct sp_error *error)
{
    if (file->direct)
        return 0;
    if (name_beside(file) != 0 || rename(file->name, file->path) != 0)
        return cannot(file->path, error);
    free(file->name);
    file->name = NULL;
    return 0;
}

void new_file_fini(struct new_file *file)
{
    if (file->name != NULL)
        unlink(file->name);
    if (file->fd >= 0)
        close(file->fd);
    free(file->name);
    free(file->path);
    *file = (struct new_file){.fd = -1};
}

static bool is_same(const struct stat *one, const struct stat *two)
{
    return S_ISREG(one->st_mode) && one->st_dev == two->st_dev && one->st_ino == two->st_ino;
}

bool new_file_same(int fd, int other)
{
    struct stat one, two;

    return fstat(fd, &one) == 0 && fstat(other, &two) == 0 && is_same(&one, &two);
}

bool new_file_is(const char *path, int fd)
{
    struct stat one, two;

    return stat(path, &one) == 0 && fstat(fd, &two) == 0 && is_same(&one, &two);
}

bool new_file_is_input(const char *path, const char *input)
{
    struct stat one, two;

    if (strcmp(input, "-") == 0)
        return new_file_is(path, STDIN_FILENO);
    return stat(path, &one) == 0 && stat(input, &two) == 0 && is_same(&one, &two);
}
