/* selfpage-fileserver: serves files to tasks, in memory of their own. */
#include <signal.h>

#include "io/program.h"
#include "options.h"
#include "service.h"

static struct service service;

/* A file that is longer than a limit permits is an error of the write, not the end of the server. */
static int start(uv_loop_t *loop, const void *options, struct sp_error *error)
{
    signal(SIGXFSZ, SIG_IGN);
    return service_start(&service, loop, options, error);
}

static int end(void)
{
    service_fini(&service);
    return 0;
}

int main(int argc, char **argv)
{
    struct fileserver_options options = FILESERVER_OPTIONS_DEFAULTS;
    struct program program = {.options = fileserver_options_syntax, .start = start, .end = end};

    return program_main(&program, argc, argv, &options);
}
