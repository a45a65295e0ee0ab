/* selfpage-swap: the swap server. */
#include <signal.h>

#include "io/program.h"
#include "options.h"
#include "swap_service.h"

static struct swap_service service;

static int start(uv_loop_t *loop, const void *options, struct sp_error *error)
{
    /* A file larger than RLIMIT_FSIZE is to be an error that is told, not a signal. */
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
    struct swap_options options = SWAP_OPTIONS_DEFAULTS;
    struct program program = {.options = swap_options_syntax, .start = start, .end = end};

    return program_main(&program, argc, argv, &options);
}
