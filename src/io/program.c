#include "io/program.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "os/limits.h"
#include "os/slice.h"
#include "os/stdio.h"

/* Open files that every server needs: its loop, its socket, its memory, and a few clients. libuv aborts where there are
 * hardly any. */
#define FILES_LEAST 32

static bool has_files(const char *name)
{
    long files = limits_raise_files();

    if (files >= 0 && files < FILES_LEAST)
        fprintf(stderr,
                "%s: the limit of open files is %ld; at least %d are needed: raise it (ulimit -n "
                "%d)\n",
                name, files, FILES_LEAST, FILES_LEAST);
    return files < 0 || files >= FILES_LEAST;
}

static int run(const struct program *program, const void *options)
{
    const char *name = program->options.program;
    struct sp_error error = {0};
    uv_loop_t loop;
    int code;

    if (!has_files(name))
        return 2;
    code = uv_loop_init(&loop);
    if (code < 0) {
        fprintf(stderr, "%s: cannot start: %s\n", name, uv_strerror(code));
        return 2;
    }
    slice_shorten(); /* others wait for it, and it mostly waits for them */
    code = program->start(&loop, options, &error);
    if (code < 0)
        fprintf(stderr, "%s: %s\n", name, error.text);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (program->end() < 0)
        code = -1;
    /* Whatever is still open here is a fault of this program. */
    if (uv_loop_close(&loop) < 0 && code == 0) {
        fprintf(stderr, "%s: the loop did not end cleanly\n", name);
        return 2;
    }
    return code < 0 ? 2 : 0;
}

/* What was printed has to arrive. Returns the exit status. */
static int flush(const struct program *program)
{
    int code = stdio_flush();

    if (code == 0)
        return 0;
    fprintf(stderr, "%s: cannot write to standard output: %s\n", program->options.program,
            strerror(-code));
    return 2;
}

int program_main(const struct program *program, int argc, char **argv, void *options)
{
    struct sp_error error = {0};

    if (stdio_fill() != 0)
        return 2;
    /* A file larger than RLIMIT_FSIZE is to be an error that is told, not a signal. */
    signal(SIGXFSZ, SIG_IGN);
    switch (options_parse(argc, argv, &program->options, options, &error)) {
    case OPTIONS_EXIT:
        return flush(program);
    case OPTIONS_BAD:
        fprintf(stderr, "%s: %s\n", program->options.program, error.text);
        return 2;
    default:
        return run(program, options);
    }
}
