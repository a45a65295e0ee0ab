#include "kernel_swap_group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* Where control groups are mounted. */
#define GROUPS "/sys/fs/cgroup"

/* The head of a swap file, as the kernel and mkswap know it: its first page ends with a signature. */
#define SWAP_UNIT      4096u
#define SWAP_HEAD_AT   1024u
#define SWAP_SIGNATURE "SWAPSPACE2"

/* How long the members of a group may take to be gone. */
#define END_TRIES    100u
#define END_PAUSE_US 10000u

static int write_text(const char *directory, const char *name, const char *text)
{
    char path[KERNEL_SWAP_PATH + 64];
    ssize_t written;
    int fd, code;

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    written = write(fd, text, strlen(text));
    code = written < 0 ? -errno : 0;
    close(fd);
    return code;
}

/* The folder in which a group of memory can be made, and the name of its limit. */
static const char *limit_name(char *parent, size_t size)
{
    if (access(GROUPS "/cgroup.controllers", F_OK) == 0) {
        snprintf(parent, size, "%s", GROUPS);
        (void)write_text(GROUPS, "cgroup.subtree_control", "+memory"); /* it may be there already */
        return "memory.max";
    }
    snprintf(parent, size, "%s/memory", GROUPS);
    return "memory.limit_in_bytes";
}

static int group_make(struct kernel_swap_group *group, size_t limit, struct sp_error *error)
{
    char parent[64], text[32];
    const char *name = limit_name(parent, sizeof(parent));
    int code;

    snprintf(group->directory, sizeof(group->directory), "%s/selfpage-bench-%d", parent,
             (int)getpid());
    if (mkdir(group->directory, 0700) != 0) {
        code = errno;
        group->directory[0] = '\0';
        return error_set(error, code, "no memory control group can be made in %s: %s", parent,
                         strerror(code));
    }
    snprintf(text, sizeof(text), "%zu", limit);
    code = write_text(group->directory, name, text);
    if (code < 0)
        return error_set(error, -code, "%s/%s cannot be set: %s", group->directory, name,
                         strerror(-code));
    return 0;
}

static bool head_write(int fd, size_t bytes)
{
    unsigned char page[SWAP_UNIT] = {0};
    const uint32_t head[2] = {1, (uint32_t)(bytes / SWAP_UNIT - 1)}; /* version, last page */

    memcpy(page + SWAP_HEAD_AT, head, sizeof(head));
    memcpy(page + SWAP_UNIT - strlen(SWAP_SIGNATURE), SWAP_SIGNATURE, strlen(SWAP_SIGNATURE));
    return pwrite(fd, page, sizeof(page), 0) == (ssize_t)sizeof(page) && fsync(fd) == 0;
}

static int swap_make(struct kernel_swap_group *group, const char *place, size_t bytes,
                     struct sp_error *error)
{
    int fd, code;

    snprintf(group->file, sizeof(group->file), "%.400s/selfpage-bench-%d.swap", place,
             (int)getpid());
    fd = open(group->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        code = errno;
        group->file[0] = '\0';
        return error_set(error, code, "no swap file can be made in %s: %s", place, strerror(code));
    }
    code = posix_fallocate(fd, 0, (off_t)bytes);
    if (code == 0 && !head_write(fd, bytes))
        code = errno;
    close(fd);
    if (code == 0 && swapon(group->file, SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK) != 0)
        code = errno;
    return code == 0
               ? 0
               : error_set(error, code, "%s cannot be swapped to: %s", group->file, strerror(code));
}

/* Only what is empty can go: wait a moment for members that are ending. */
static void undo(const struct kernel_swap_group *group)
{
    for (unsigned i = 0; group->directory[0] != '\0' && i < END_TRIES; i++) {
        if (rmdir(group->directory) == 0 || errno != EBUSY)
            break;
        usleep(END_PAUSE_US);
    }
    if (group->file[0] != '\0') {
        (void)swapoff(group->file);
        (void)unlink(group->file);
    }
}

/* A child that outlives signals to our process group, and waits for our end. */
static int warden_start(struct kernel_swap_group *group, struct sp_error *error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_set(error, errno, "pipe: %s", strerror(errno));
    group->warden = fork();
    if (group->warden == 0) {
        char byte;

        setsid();
        close(ends[1]);
        while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
            ;
        undo(group);
        _exit(0);
    }
    close(ends[0]);
    group->warden_end = ends[1];
    if (group->warden < 0) {
        close(ends[1]);
        return error_set(error, EAGAIN, "fork: %s", strerror(errno));
    }
    return 0;
}

int kernel_swap_group_make(struct kernel_swap_group *group, const char *place, size_t limit_bytes,
                           size_t swap_bytes, struct sp_error *error)
{
    int code;

    *group = (struct kernel_swap_group){.warden = -1, .warden_end = -1};
    code = group_make(group, limit_bytes, error);
    if (code == 0)
        code = swap_make(group, place, swap_bytes, error);
    if (code == 0)
        code = warden_start(group, error);
    if (code < 0) {
        undo(group);
        *group = (struct kernel_swap_group){.warden = -1, .warden_end = -1};
    }
    return code;
}

int kernel_swap_group_join(const struct kernel_swap_group *group, struct sp_error *error)
{
    char text[16];
    int code;

    if (group->warden_end >= 0)
        close(group->warden_end); /* the parent alone keeps the warden waiting */
    snprintf(text, sizeof(text), "%d", (int)getpid());
    code = write_text(group->directory, "cgroup.procs", text);
    return code == 0 ? 0
                     : error_set(error, -code, "%s cannot be joined: %s", group->directory,
                                 strerror(-code));
}

void kernel_swap_group_end(struct kernel_swap_group *group)
{
    if (group->warden <= 0)
        return;
    close(group->warden_end);
    while (waitpid(group->warden, NULL, 0) < 0 && errno == EINTR)
        ;
    *group = (struct kernel_swap_group){.warden = -1, .warden_end = -1};
}
