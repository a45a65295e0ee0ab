#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

/* Directories that a walk may be inside of, and links that it goes through: as many as Linux. */
#define DEPTH_MOST 256u
#define LINKS_MOST 40u

struct walk {
    int directory[DEPTH_MOST]; /* the root, which is borrowed, and those below it */
    uint32_t depth;            /* of them: the last is where the walk is */
    uint32_t links;
    char path[2 * PATH_MAX]; /* what is left of it, from `at` */
    size_t at;
};

static int here(const struct walk *walk)
{
    check(walk->depth > 0);
    return walk->directory[walk->depth - 1];
}

static void go_up(struct walk *walk)
{
    check(walk->depth > 1);
    close(walk->directory[--walk->depth]);
}

/* Take the next component off the path. False: there is none. *lastp: nothing comes after it, not
 * even a slash. */
static bool take_component(struct walk *walk, char name[NAME_MAX + 1], bool *lastp, int *errorp)
{
    const char *next = walk->path + walk->at;
    size_t length;

    next += strspn(next, "/");
    length = strcspn(next, "/");
    walk->at = (size_t)(next - walk->path) + length;
    check(walk->at < sizeof(walk->path));
    *lastp = next[length] == '\0';
    *errorp = length > NAME_MAX ? -ENAMETOOLONG : 0;
    if (length == 0 || *errorp != 0)
        return false;
    memcpy(name, next, length);
    name[length] = '\0';
    return true;
}

/* The walk goes on with what a link says, and then with the rest of the path. */
static int take_link(struct walk *walk, int link)
{
    char text[2 * PATH_MAX];
    const char *rest = walk->path + walk->at;
    ssize_t length = readlinkat(link, "", text, PATH_MAX);

    if (length < 0)
        return -errno;
    if (++walk->links > LINKS_MOST)
        return -ELOOP;
    if (length > 0 && text[0] == '/')
        return -EXDEV;
    if (length == 0)
        return -ENOENT;
    if ((size_t)length >= PATH_MAX || (size_t)length + strlen(rest) >= sizeof(text))
        return -ENAMETOOLONG;
    memcpy(text + length, rest, strlen(rest) + 1);
    memcpy(walk->path, text, sizeof(text));
    walk->at = 0;
    check(strlen(walk->path) < sizeof(walk->path));
    return 0;
}

/* Go down to `found`, a directory, which the walk takes over. */
static int go_down(struct walk *walk, int found)
{
    if (walk->depth == DEPTH_MOST) {
        close(found);
        return -ENAMETOOLONG;
    }
    walk->directory[walk->depth++] = found;
    check(walk->depth <= DEPTH_MOST);
    return 0;
}

/* One component: 0, a negative errno, or (the last one, and no link) 1: it is what is to be opened. */
static int step(struct walk *walk, const char *name, bool last, int flags)
{
    struct stat info;
    int found, result;

    if (strcmp(name, ".") == 0)
        return faccessat(here(walk), ".", X_OK, AT_EACCESS) == 0 ? 0 : -errno;
    if (strcmp(name, "..") == 0 && walk->depth == 1)
        return -EXDEV;
    if (strcmp(name, "..") == 0) {
        go_up(walk);
        return 0;
    }
    found = openat(here(walk), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0)
        return errno == ENOENT && last && (flags & O_CREAT) != 0 ? 1 : -errno;
    if (fstat(found, &info) != 0)
        result = -errno;
    else if (S_ISLNK(info.st_mode) && last && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        result = -EEXIST;
    else if (S_ISLNK(info.st_mode))
        result = take_link(walk, found);
    else if (last)
        result = 1;
    else if (!S_ISDIR(info.st_mode))
        result = -ENOTDIR;
    else
        return go_down(walk, found);
    close(found);
    check(result <= 1);
    return result;
}

/* Open what is where the walk has come to: "." or the last name there. That it is no link by now is
 * the kernel's business. */
static int open_here(const struct walk *walk, const char *name, int flags, unsigned mode)
{
    int fd = openat(here(walk), name, flags | O_NOFOLLOW | O_CLOEXEC, (mode_t)mode);

    check(strchr(name, '/') == NULL);
    return fd < 0 ? -errno : fd;
}

static int walk_all(struct walk *walk, int flags, unsigned mode)
{
    char name[NAME_MAX + 1];
    bool last;
    int error = 0, result;

    while (take_component(walk, name, &last, &error)) {
        result = step(walk, name, last, flags);
        if (result == 1)
            return open_here(walk, name, flags, mode);
        if (result != 0)
            return result;
    }
    if (error != 0)
        return error;
    /* The path ended in a directory: "a/", "a/..", "." */
    if ((flags & O_CREAT) != 0)
        return -EISDIR;
    check(walk->depth > 0);
    return open_here(walk, ".", flags, 0);
}

int walk_open(int root, const char *path, int flags, unsigned mode)
{
    struct walk walk = {.directory = {root}, .depth = 1};
    size_t length = strlen(path);
    int result;

    if (length >= PATH_MAX)
        return -ENAMETOOLONG;
    if (path[0] == '/')
        return -EXDEV;
    memcpy(walk.path, path, length + 1);
    result = walk_all(&walk, flags, mode);
    while (walk.depth > 1)
        go_up(&walk);
    check(walk.depth == 1);
    return result;
}
