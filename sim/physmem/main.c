/* selfpage-physmem: the physical memory server. */
#include <stdio.h>

#include <uv.h>

#include "os/stdio.h"
#include "options.h"
#include "service.h"

static int run(const struct physmem_options *options)
{
    static struct service service;
    struct sp_error error = {0};
    uv_loop_t loop;
    int code = uv_loop_init(&loop);

    if (code < 0) {
        fprintf(stderr, "selfpage-physmem: cannot start: %s\n", uv_strerror(code));
        return 2;
    }
    code = service_start(&service, &loop, options, &error);
    if (code < 0)
        fprintf(stderr, "selfpage-physmem: %s\n", error.text);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (service.failed)
        code = -1;
    service_fini(&service);
    /* Whatever is still open here is a fault of this program. */
    if (uv_loop_close(&loop) < 0 && code == 0) {
        fprintf(stderr, "selfpage-physmem: the loop did not end cleanly\n");
        return 2;
    }
    return code < 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    struct physmem_options options;
    struct sp_error error = {0};

    if (stdio_fill() != 0)
        return 2;
    switch (physmem_options_parse(argc, argv, &options, &error)) {
    case PHYSMEM_OPTIONS_EXIT:
        return 0;
    case PHYSMEM_OPTIONS_BAD:
        fprintf(stderr, "selfpage-physmem: %s\n", error.text);
        return 2;
    default:
        return run(&options);
    }
}
