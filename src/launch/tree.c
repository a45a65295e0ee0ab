/* Removal of a directory with everything in it. Async-signal-safe. */
#include "launch/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { TREE_DEPTH = 32, TREE_BUFFER = 4096 };

static int tree_remove_below(int parent, const char *name, int depth);

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int directory_clear(int directory, int depth)
{
    _Alignas(struct dirent64) char buffer[TREE_BUFFER];
    int first = 0;
    ssize_t size;

    while ((size = getdents64(directory, buffer, sizeof buffer)) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
            int error =
                is_dot(entry->d_name) ? 0 : tree_remove_below(directory, entry->d_name, depth + 1);

            if (first == 0)
                first = error;
            at += entry->d_reclen;
        }
    if (size < 0 && first == 0)
        first = -errno;
    return first;
}

static int tree_remove_below(int parent, const char *name, int depth)
{
    int directory, error;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -errno;
    if (depth > TREE_DEPTH)
        return -ELOOP;
    directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    error = directory_clear(directory, depth);
    close(directory);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT && error == 0)
        error = -errno;
    return error;
}

int tree_remove(int parent, const char *name)
{
    return tree_remove_below(parent, name, 0);
}
