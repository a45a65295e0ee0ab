/* selfpage-policyserver: says how many of physmem's frames each task is entitled to. */
#include <signal.h>

#include "io/program.h"
#include "options.h"
#include "service.h"

static struct service service;

static int start(uv_loop_t *loop, const void *options, struct sp_error *error)
{
    return service_start(&service, loop, options, error);
}

static int end(void)
{
    service_fini(&service);
    return service.failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct policyserver_options options = POLICYSERVER_OPTIONS_DEFAULTS;
    struct program program = {.options = policyserver_options_syntax, .start = start, .end = end};

    /* Until the file has been read once there is nothing to read again. */
    signal(SIGHUP, SIG_IGN);
    return program_main(&program, argc, argv, &options);
}
