/* Looking at processes that are not (or no longer) this process's children. */
#ifndef TEST_PROCESSES_H
#define TEST_PROCESSES_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "launch/child.h"
#include "os/clock.h"

/* How long a dying process may take, in ms: generous, for Valgrind on a loaded machine. */
#define PROCESS_PATIENCE_MS 60000u

/* The process has ended. (As an orphan it may lie there as a zombie for as long as the machine's
 * first process likes.) */
static inline bool process_is_gone(pid_t pid)
{
    char path[32], line[256] = "";
    const char *state;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return true;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    state = strrchr(line, ')');
    return state == NULL || state[1] == '\0' || state[2] == 'Z' || state[2] == 'X';
}

/* Wait until a condition on `value` holds; false if it never does. */
static inline bool wait_until(bool (*holds)(const void *value), const void *value)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t deadline = clock_now_ns() + PROCESS_PATIENCE_MS * UINT64_C(1000000);

    while (!holds(value)) {
        if (clock_now_ns() > deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

static inline bool pid_is_gone(const void *value)
{
    return process_is_gone(*(const pid_t *)value);
}

static inline bool path_is_gone(const void *value)
{
    return access(value, F_OK) != 0;
}

static inline bool path_is_there(const void *value)
{
    return access(value, F_OK) == 0;
}

/* Wait until a process has ended. */
static inline bool wait_gone(pid_t pid)
{
    return wait_until(pid_is_gone, &pid);
}

#endif
