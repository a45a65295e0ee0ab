/* selfpage-physmem: the physical memory server. */
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
    struct physmem_options options = PHYSMEM_OPTIONS_DEFAULTS;
    struct program program = {.options = physmem_options_syntax, .start = start, .end = end};

    return program_main(&program, argc, argv, &options);
}
