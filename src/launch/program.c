/* Where the programs of Selfpage are. */
#include "launch/program.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* 0 if `name` in `directory` is a file that can be executed. */
static int program_try(const char *directory, const char *name, char *path, size_t size)
{
    struct stat status;
    int length = snprintf(path, size, "%s/%s", directory, name);

    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || access(path, X_OK) != 0)
        return -ENOENT;
    return 0;
}

/* The directory of the running program; "" if it cannot be told. */
static void own_directory(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    char *slash;

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
}

/* The same in the directories of PATH that have a full path. */
static int search_path(const char *name, char *path, size_t size)
{
    const char *at = getenv("PATH");

    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ":");
        char directory[PATH_MAX];

        if (*at == '/' && length < sizeof directory) {
            memcpy(directory, at, length);
            directory[length] = '\0';
            if (program_try(directory, name, path, size) == 0)
                return 0;
        }
        at += length + (at[length] == ':');
    }
    return -ENOENT;
}

int program_find(const char *directory, const char *name, char *path, size_t size,
                 struct sp_error *error)
{
    const char *only = directory != NULL ? directory : getenv("SELFPAGE_BINDIR");
    char own[PATH_MAX];
    int result;

    if (only != NULL && *only != '\0') {
        result = program_try(only, name, path, size);
        if (result != 0)
            return error_set(error, -result, "%s: no such program in %s%s", name, only,
                             directory != NULL ? "" : " (SELFPAGE_BINDIR)");
        return 0;
    }
    own_directory(own, sizeof own);
    if (program_try(own, name, path, size) == 0 || search_path(name, path, size) == 0 ||
        program_try(LAUNCH_BINDIR, name, path, size) == 0 ||
        program_try(LAUNCH_LIBEXECDIR, name, path, size) == 0)
        return 0;
    return error_set(error, ENOENT,
                     "%s: not found in %s, PATH, " LAUNCH_BINDIR " or " LAUNCH_LIBEXECDIR
                     ": set SELFPAGE_BINDIR to where the programs of Selfpage are",
                     name, own);
}

int program_directory(const char *directory, char *path, size_t size, struct sp_error *error)
{
    int result = program_find(directory, "selfpage-physmem", path, size, error);

    if (result == 0)
        *strrchr(path, '/') = '\0';
    return result;
}
