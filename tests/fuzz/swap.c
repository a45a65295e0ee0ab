/* Any bytes and any descriptors from clients and observers, to a live swap server: it goes on, and
 * at the end no slot is used. */
#include <stdlib.h>

#include "live.h"
#include "options.h"
#include "service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct swap_service service;
    struct swap_options options = SWAP_OPTIONS_DEFAULTS;
    struct sp_error error;
    uv_loop_t loop;

    options.slots = 64;
    options.quota = 48;
    options.user_quota = 60;
    options.mode = SWAP_MODE_BUFFERED;
    options.socket = live_path();
    options.backend = &backend_file;
    options.file = live_file();
    options.device = options.file;
    if (uv_loop_init(&loop) != 0 || swap_server_start(&service, &loop, &options, &error) != 0)
        abort();
    service.server.log.fd = -1;
    live_play(&loop, data, size);
    server_stop(&service.server);
    uv_run(&loop, UV_RUN_DEFAULT);
    if (service.map.used != 0 || service.map.reserved != 0)
        abort();
    service_fini(&service);
    if (uv_loop_close(&loop) != 0)
        abort();
    return 0;
}
