#include "launch/marked.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks at all processes while some are killed, since one may have started another one before; and
 * while some cannot be told or are still dying, with a pause: in the middle of execve a process has no
 * environment. */
enum { LOOKS = 100, DOUBTFUL_LOOKS = 10, PAUSE_NS = 2000000 };

/* Processes that are remembered, so that each counts once. */
enum { REMEMBERED = 512 };

struct killed {
    pid_t pid[REMEMBERED];
    unsigned count;
};

/* What came of one look. */
struct look_result {
    unsigned killed;
    unsigned doubtful;
};

/* What getdents64 fills in; opendir would use malloc. */
struct entry {
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* A search for one entry among texts that each end with NUL and come in pieces. */
struct entry_search {
    const char *entry;
    size_t length;
    size_t matched;
    bool differs; /* the text that is being read */
    bool found;
};

static void search_in(struct entry_search *search, const char *piece, size_t size)
{
    for (size_t i = 0; i < size && !search->found; i++) {
        if (piece[i] == '\0') {
            search->found = !search->differs && search->matched == search->length;
            search->matched = 0;
            search->differs = false;
        } else if (!search->differs) {
            /* The entry's own NUL differs from what is longer. */
            search->differs = piece[i] != search->entry[search->matched];
            search->matched += !search->differs;
        }
    }
}

/* Whether the entry is there; *emptyp: nothing at all is. */
static bool is_marked(int environment, const char *entry, bool *emptyp)
{
    struct entry_search search = {.entry = entry, .length = strlen(entry)};
    char piece[4096];
    ssize_t size;

    *emptyp = true;
    while (!search.found &&
           ((size = read(environment, piece, sizeof piece)) > 0 || (size < 0 && errno == EINTR)))
        if (size > 0) {
            *emptyp = false;
            search_in(&search, piece, (size_t)size);
        }
    return search.found;
}

/* Kernel threads and zombies have none. */
static bool has_program(int processes, const char *name)
{
    char path[32] = "", program[1];

    return readlinkat(processes, strcat(strcat(path, name), "/exe"), program, sizeof program) > 0;
}

/* The number that is a directory's name in /proc, or 0. */
static pid_t number_of(const char *name)
{
    pid_t number = 0;

    for (; *name >= '0' && *name <= '9' && number < 100000000; name++)
        number = number * 10 + (*name - '0');
    return *name == '\0' ? number : 0;
}

static bool is_remembered(const struct killed *killed, pid_t pid)
{
    unsigned count = killed->count < REMEMBERED ? killed->count : REMEMBERED;

    for (unsigned i = 0; i < count; i++)
        if (killed->pid[i] == pid)
            return true;
    return false;
}

/* Kill a process, unless that was done before and it is still dying. */
static void kill_once(pid_t pid, struct killed *killed, struct look_result *result)
{
    if (is_remembered(killed, pid)) {
        result->doubtful++;
        return;
    }
    if (kill(pid, SIGKILL) != 0)
        return;
    if (killed->count < REMEMBERED)
        killed->pid[killed->count] = pid;
    killed->count++;
    result->killed++;
}

static void kill_if_marked(int processes, const char *name, const char *entry,
                           struct killed *killed, struct look_result *result)
{
    pid_t pid = number_of(name);
    char path[32] = "";
    int environment;
    bool empty;

    if (pid <= 1 || pid == getpid() || strlen(name) + sizeof "/environ" > sizeof path)
        return;
    strcat(strcat(path, name), "/environ");
    environment = openat(processes, path, O_RDONLY | O_CLOEXEC);
    if (environment < 0)
        return;
    if (is_marked(environment, entry, &empty))
        kill_once(pid, killed, result);
    else if (empty && has_program(processes, name))
        result->doubtful++;
    close(environment);
}

/* Look at each process once. */
static struct look_result look(const char *entry, struct killed *killed)
{
    _Alignas(struct entry) char names[4096];
    int processes = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct look_result result = {0, 0};
    long size;

    if (processes < 0)
        return result;
    while ((size = syscall(SYS_getdents64, processes, names, sizeof names)) > 0)
        for (long at = 0; at < size;) {
            const struct entry *process = (const struct entry *)(const void *)(names + at);

            kill_if_marked(processes, process->name, entry, killed, &result);
            at += process->size;
        }
    close(processes);
    return result;
}

unsigned marked_kill(const char *entry)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct killed killed = {.count = 0};
    unsigned doubtful = 0;

    for (unsigned i = 0; i < LOOKS && doubtful < DOUBTFUL_LOOKS; i++) {
        struct look_result result = look(entry, &killed);

        if (result.killed > 0)
            continue;
        if (result.doubtful == 0)
            break;
        doubtful++;
        nanosleep(&pause, NULL);
    }
    return killed.count;
}
