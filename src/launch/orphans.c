#include "launch/orphans.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Rounds of looking for children, and the pause between two: a process that is killed leaves its own
 * children behind, which are found in the next one. */
enum { ROUNDS = 500, PAUSE_NS = 10000000 };

int orphans_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

/* The parent of a process, and its state; 0 if it is gone. */
static pid_t parent_of(const char *pid, char *state)
{
    char path[64], line[512] = "";
    const char *end;
    FILE *file;
    int parent = 0;

    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    end = strrchr(line, ')'); /* of the name, which may hold anything */
    if (end == NULL || sscanf(end + 1, " %c %d", state, &parent) != 2)
        return 0;
    return parent;
}

/* Kill each child that is alive. Returns how many were. */
static unsigned kill_children(void)
{
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    unsigned killed = 0;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char state = 'Z';

        if (isdigit((unsigned char)entry->d_name[0]) &&
            parent_of(entry->d_name, &state) == getpid() && state != 'Z' && state != 'X')
            killed += kill(atoi(entry->d_name), SIGKILL) == 0;
    }
    if (directory != NULL)
        closedir(directory);
    return killed;
}

unsigned orphans_end(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    unsigned killed = 0;

    for (int round = 0; round < ROUNDS; round++) {
        pid_t reaped;

        while ((reaped = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (reaped < 0 && errno == ECHILD)
            break;
        if (round == 0 || round % 10 == 0)
            killed += kill_children();
        nanosleep(&pause, NULL);
    }
    return killed;
}
