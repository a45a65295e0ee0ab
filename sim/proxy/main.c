/* selfpage-proxy: between tasks and a physmem. */
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
    return 0;
}

int main(int argc, char **argv)
{
    struct proxy_options options = PROXY_OPTIONS_DEFAULTS;
    struct program program = {.options = proxy_options_syntax, .start = start, .end = end};

    return program_main(&program, argc, argv, &options);
}
