/* Any bytes and any descriptors from tasks, observers and policy servers, to a live physmem: it
 * goes on, its books are right, and at the end nothing is left of any client. */
#include <stdlib.h>

#include "live.h"
#include "service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The books agree with each other. */
static void check_books(const struct service *service)
{
    const char *wrong = physmem_check(service->physmem);

    if (wrong != NULL || service->failed) {
        fprintf(stderr, "physmem: %s\n", wrong != NULL ? wrong : "failed");
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct service service;
    struct physmem_options options = PHYSMEM_OPTIONS_DEFAULTS;
    struct sp_error error;
    uv_loop_t loop;

    options.frames = 96;
    options.reserve = 4;
    options.socket = live_path();
    if (uv_loop_init(&loop) != 0 || service_start(&service, &loop, &options, &error) != 0)
        abort();
    service.server.log.fd = -1;
    live_play(&loop, data, size);
    check_books(&service);
    server_stop(&service.server);
    uv_run(&loop, UV_RUN_DEFAULT);
    service_fini(&service);
    if (uv_loop_close(&loop) != 0)
        abort();
    return 0;
}
