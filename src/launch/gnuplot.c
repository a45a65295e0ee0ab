#include "launch/gnuplot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/spawn.h"
#include "launch/wait.h"

#define PATIENCE_MS   60000u
#define STATUS_ABSENT 127 /* env: there is no such program */

static int no_memory(struct sp_error *error)
{
    return error_set(error, ENOMEM, "no memory for the picture");
}

FILE *gnuplot_begin(const char *path, unsigned width, unsigned height, struct sp_error *error)
{
    const char *ending = strrchr(path, '.');
    int fd = memfd_create("gnuplot", MFD_CLOEXEC);
    FILE *script = fd < 0 ? NULL : fdopen(fd, "w+");

    if (script == NULL) {
        if (fd >= 0)
            close(fd);
        no_memory(error);
        return NULL;
    }
    fprintf(script, "set terminal %s size %u,%u\nset output '",
            ending != NULL && strcmp(ending, ".svg") == 0 ? "svg background 'white'" : "pngcairo",
            width, height);
    for (const char *c = path; *c != '\0'; c++)
        fprintf(script, "%s%c", *c == '\'' ? "'" : "", *c); /* one in the text is written twice */
    fprintf(script, "'\n");
    return script;
}

int gnuplot_draw(FILE *consume_script, struct sp_error *error)
{
    static const char *const argv[] = {"env", "gnuplot", "-", NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/usr/bin/env", .argv = (char *const *)argv};
    int status = 0;
    int code = 0;
    pid_t pid;

    spawn.input = fileno(consume_script);
    spawn.output = STDERR_FILENO;
    if (fflush(consume_script) != 0 || lseek(spawn.input, 0, SEEK_SET) != 0)
        code = no_memory(error);
    if (code == 0)
        code = spawn_program(&spawn, &pid, error);
    if (code == 0)
        code = child_wait(pid, PATIENCE_MS, &status);
    fclose(consume_script);
    if (code == -ETIMEDOUT)
        return error_set(error, ETIMEDOUT, "no picture: gnuplot does not end");
    if (code != 0)
        return code;
    if (child_exit_status(status) == STATUS_ABSENT)
        return error_set(error, ENOENT, "no picture: gnuplot is not installed");
    if (status != 0)
        return error_set(error, EIO, "no picture: gnuplot ended with status %d",
                         child_exit_status(status));
    return 0;
}
