/* selfpage-swap: the swap server. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "os/stdio.h"
#include "options.h"
#include "swap_service.h"

static int run(const struct swap_options *options)
{
    struct swap_service service;
    struct sp_error error = {0};
    uv_loop_t loop;
    int code = uv_loop_init(&loop);

    if (code < 0) {
        fprintf(stderr, "selfpage-swap: cannot start: %s\n", uv_strerror(code));
        return 2;
    }
    code = service_start(&service, &loop, options, &error);
    if (code < 0)
        fprintf(stderr, "selfpage-swap: %s\n", error.text);
    uv_run(&loop, UV_RUN_DEFAULT);
    service_fini(&service);
    /* Whatever is still open here is a fault of this program. */
    if (uv_loop_close(&loop) < 0 && code == 0) {
        fprintf(stderr, "selfpage-swap: the loop did not end cleanly\n");
        return 2;
    }
    return code < 0 ? 2 : 0;
}

int main(int argc, char **argv)
{
    struct swap_options options;
    struct sp_error error = {0};

    if (stdio_fill() != 0)
        return 2;
    /* A file larger than RLIMIT_FSIZE is to be an error that is told, not a signal. */
    signal(SIGXFSZ, SIG_IGN);
    switch (swap_options_parse(argc, argv, &options, &error)) {
    case SWAP_OPTIONS_EXIT:
        return 0;
    case SWAP_OPTIONS_BAD:
        fprintf(stderr, "selfpage-swap: %s\n", error.text);
        return 2;
    default:
        return run(&options);
    }
}
