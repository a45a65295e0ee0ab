/* The private directory of a run. */
#include "launch/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/tree.h"

#define TEMPLATE "selfpage-XXXXXX"

/* Fill in the paths; -ENAMETOOLONG if the longest of them is too long for a socket. */
static int directory_name(struct directory *directory, const char *path, struct sp_error *error)
{
    size_t length = strlen(path) + sizeof "/" DIRECTORY_PHYSMEM - 1;

    if (length > DIRECTORY_SOCKET_MAX)
        return error_set(
            error, ENAMETOOLONG,
            "the path of a socket in %.100s... would have %zu bytes, and it can have %d: use "
            "a directory with a shorter name",
            path, length, DIRECTORY_SOCKET_MAX);
    snprintf(directory->path, sizeof directory->path, "%s", path);
    snprintf(directory->physmem, sizeof directory->physmem, "%s/" DIRECTORY_PHYSMEM, path);
    snprintf(directory->swap, sizeof directory->swap, "%s/" DIRECTORY_SWAP, path);
    snprintf(directory->swap_file, sizeof directory->swap_file, "%s/" DIRECTORY_SWAP_FILE, path);
    snprintf(directory->files, sizeof directory->files, "%s/" DIRECTORY_FILES, path);
    return 0;
}

static int directory_lock(struct directory *directory, struct sp_error *error)
{
    int code;

    directory->fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory->fd < 0)
        return error_set(error, errno, "cannot open the directory %s: %s", directory->path,
                         strerror(errno));
    if (flock(directory->fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    code = errno == EWOULDBLOCK ? EBUSY : errno;
    directory_fini(directory);
    return error_set(error, code, "%s: %s", directory->path,
                     code == EBUSY ? "another run uses this directory" : strerror(code));
}

static int directory_use(struct directory *directory, const char *chosen, struct sp_error *error)
{
    char real[PATH_MAX];
    int result;

    directory->keep = true;
    if (mkdir(chosen, 0700) != 0 && errno != EEXIST)
        return error_set(error, errno, "cannot make the directory %.160s: %s", chosen,
                         strerror(errno));
    if (realpath(chosen, real) == NULL)
        return error_set(error, errno, "%.160s: %s", chosen, strerror(errno));
    result = directory_name(directory, real, error);
    return result != 0 ? result : directory_lock(directory, error);
}

/* A new directory in `parent`; -ENOENT if that is no place for one, -ENAMETOOLONG if its name is too long for that. */
static int directory_make_in(struct directory *directory, const char *parent,
                             struct sp_error *error)
{
    char path[PATH_MAX], real[PATH_MAX];
    struct stat status;
    int result;

    if (realpath(parent, real) == NULL || stat(real, &status) != 0 || !S_ISDIR(status.st_mode) ||
        access(real, W_OK | X_OK) != 0)
        return -ENOENT;
    snprintf(path, sizeof path, "%.*s/" TEMPLATE, PATH_MAX - (int)sizeof TEMPLATE - 1, real);
    result = directory_name(directory, path, error);
    if (result != 0)
        return result;
    if (mkdtemp(path) == NULL)
        return error_set(error, errno, "cannot make a directory in %.160s: %s", real,
                         strerror(errno));
    directory_name(directory, path, error);
    result = directory_lock(directory, error);
    if (result != 0)
        rmdir(path);
    return result;
}

int directory_make(struct directory *directory, const char *chosen, struct sp_error *error)
{
    const char *const parents[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    *directory = (struct directory){.fd = -1};
    if (chosen != NULL)
        return directory_use(directory, chosen, error);
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        int result = parents[i] == NULL || *parents[i] == '\0'
                         ? -ENOENT
                         : directory_make_in(directory, parents[i], error);

        if (result != -ENOENT && result != -ENAMETOOLONG)
            return result;
    }
    return error_set(
        error, ENOENT,
        "no place for a private directory: XDG_RUNTIME_DIR, TMPDIR and /tmp are "
        "missing, cannot be written, or have names that are too long for a socket in them");
}

int directory_remove(const struct directory *directory)
{
    if (!directory->keep)
        return tree_remove(AT_FDCWD, directory->path);
    unlink(directory->physmem);
    unlink(directory->swap);
    unlink(directory->files);
    if (!directory->keep_swap)
        unlink(directory->swap_file);
    return 0;
}

void directory_fini(struct directory *directory)
{
    if (directory->fd >= 0)
        close(directory->fd);
    directory->fd = -1;
}
