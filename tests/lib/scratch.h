/* A directory for one test, and a count of this process' descriptors. For use in CMocka tests. */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
    char directory[64];
    char path[96]; /* as last made by scratch_path */
};

/* Make the directory under $TMPDIR, or /tmp where that is unset or too long for sockets. */
static inline void scratch_init(struct scratch *scratch)
{
    const char *parent = getenv("TMPDIR");

    if (parent == NULL || strlen(parent) > 40)
        parent = "/tmp";
    snprintf(scratch->directory, sizeof(scratch->directory), "%s/selfpage.XXXXXX", parent);
    assert_non_null(mkdtemp(scratch->directory));
}

/* The path of `name` in the directory; valid until the next call. */
static inline const char *scratch_path(struct scratch *scratch, const char *name)
{
    snprintf(scratch->path, sizeof(scratch->path), "%s/%s", scratch->directory, name);
    return scratch->path;
}

/* Remove the directory, which must be empty. */
static inline void scratch_fini(struct scratch *scratch)
{
    assert_int_equal(rmdir(scratch->directory), 0);
}

/* Descriptors open now. */
static inline unsigned count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

#endif
