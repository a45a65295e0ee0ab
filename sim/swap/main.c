/* selfpage-swap: the swap server. */

#include "io/program.h"
#include "kept.h"
#include "options.h"
#include "service.h"

static struct swap_service service;
static bool serves;

static int start(uv_loop_t *loop, const void *arg, struct sp_error *error)
{
    const struct swap_options *options = arg;

    if (options->list_clients || options->drop_client != 0)
        return kept_run(options, error);
    serves = true;
    return swap_server_start(&service, loop, options, error);
}

static int end(void)
{
    if (serves)
        service_fini(&service);
    return 0;
}

int main(int argc, char **argv)
{
    struct swap_options options = SWAP_OPTIONS_DEFAULTS;
    struct program program = {.options = swap_options_syntax, .start = start, .end = end};

    return program_main(&program, argc, argv, &options);
}
