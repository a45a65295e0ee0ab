#include "selfpage/bench/hostile/place.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/program.h"
#include "launch/spawn.h"
#include "launch/strings.h"
#include "launch/child.h"
#include "selfpage/bench/hostile/attack.h"

#define PATIENCE_MS 30000u

void place_init(struct place *place)
{
    *place = (struct place){.directory.fd = -1, .log = {-1, -1}};
}

static int server_begin(struct place *place, struct launched *server, const char *name,
                        struct strings *argv, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = place->guardian.group};
    char program[4096];
    int code = program_find(NULL, argv->items[0], program, sizeof(program), error);

    strings_format(argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    spawn.program = program;
    spawn.argv = argv->items;
    if (code == 0 && argv->failed)
        code = error_set(error, ENOMEM, "out of memory");
    if (code == 0)
        code = launched_start(server, name, &spawn, &place->log, error);
    if (code == 0)
        code = launched_await(server, &place->log, PATIENCE_MS, error);
    return code;
}

static int servers_begin(struct place *place, struct sp_error *error)
{
    struct strings physmem = {0}, swap = {0};
    int code;

    strings_add(&physmem, "selfpage-physmem");
    strings_format(&physmem, "--socket=%s", place->directory.physmem);
    strings_format(&physmem, "--frames=%u", ATTACK_FRAMES);
    strings_add(&swap, "selfpage-swap");
    strings_format(&swap, "--socket=%s", place->directory.swap);
    /* It has no name once it is open. The kernel makes writers to a slow disk wait. */
    strings_format(&swap, "--file=%s/selfpage-hostile-%d",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : place->directory.path,
                   (int)getpid());
    strings_format(&swap, "--slots=%u", ATTACK_SLOTS);
    strings_add(&swap, "--buffered");
    code = physmem.failed || swap.failed ? error_set(error, ENOMEM, "out of memory") : 0;
    if (code == 0)
        code = server_begin(place, &place->physmem, "physmem", &physmem, error);
    if (code == 0)
        code = server_begin(place, &place->swap, "swap", &swap, error);
    strings_fini(&physmem);
    strings_fini(&swap);
    return code;
}

int place_start(struct place *place, bool open, struct sp_error *error)
{
    int code = guardian_start(&place->guardian, &place->directory, NULL, false, error);

    if (code != 0)
        return code;
    snprintf(place->mount, sizeof(place->mount), "%.90s/m", place->directory.path);
    if (launched_log_memory(&place->log) != 0)
        code = error_set(error, ENOMEM, "no memory for the servers' log");
    if (code == 0)
        code = servers_begin(place, error);
    if (code == 0 &&
        (mkdir(place->mount, 0755) != 0 || (open && (chmod(place->directory.path, 0711) != 0 ||
                                                     chmod(place->directory.physmem, 0666) != 0 ||
                                                     chmod(place->directory.swap, 0666) != 0))))
        code = error_set(error, errno, "cannot prepare %s: %s", place->directory.path,
                         strerror(errno));
    return code;
}

int64_t place_memory(const struct launched *server)
{
    unsigned long kilobytes;
    int64_t bytes = -1;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)server->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (bytes < 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "RssAnon: %lu kB", &kilobytes) == 1)
            bytes = 1024 * (int64_t)kilobytes;
    fclose(file);
    return bytes;
}

int64_t place_descriptors(const struct launched *server)
{
    int64_t count = -2; /* . and .. */
    char path[64];
    DIR *directory;

    snprintf(path, sizeof(path), "/proc/%d/fd", (int)server->pid);
    directory = opendir(path);
    if (directory == NULL)
        return -1;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static bool server_end(struct launched *server)
{
    int status = 0;

    if (server->pid == 0)
        return true;
    return child_end(server->pid, SIGTERM, PATIENCE_MS, &status) == 0 && status == 0;
}

bool place_end(struct place *place)
{
    bool physmem = server_end(&place->physmem), swap = server_end(&place->swap);

    if (place->guardian.pid != 0)
        guardian_stop(&place->guardian);
    launched_log_fini(&place->log);
    directory_fini(&place->directory);
    return physmem && swap;
}
