/* Any bytes and any descriptors from clients and observers, to a live file server beside a real physmem: it
 * goes on, and at the end of each input nothing is left of any client. */
#include <stdio.h>
#include <stdlib.h>

#include <selfpage/testing.h>

#include "live.h"
#include "options.h"
#include "service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sp_testing *fixture;
static struct service service;
static uv_loop_t loop;

static void stop(void)
{
    server_stop(&service.server);
    uv_run(&loop, UV_RUN_DEFAULT);
    service_fini(&service);
    uv_loop_close(&loop);
    sp_testing_stop(&fixture, NULL);
}

/* It serves the stored inputs of its own, and lives as long as this process: it is a task. */
static void start(void)
{
    static struct fileserver_options options = FILESERVER_OPTIONS_DEFAULTS;
    const struct sp_testing_options place = {
        .physmem_frames = 512, .swap_slots = SP_TESTING_NO_SWAP, .bindir = TEST_BINDIR};
    struct sp_error error;

    if (sp_testing_start(&fixture, &place, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    options.physmem = sp_testing_socket(fixture, SP_TESTING_PHYSMEM);
    options.socket = live_path();
    options.root = TEST_DATADIR "/fuzz/fileserver";
    options.cache = 128;
    options.read_only = true;
    if (uv_loop_init(&loop) != 0 || service_start(&service, &loop, &options, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    service.server.log.fd = -1;
    atexit(stop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fixture == NULL)
        start();
    live_play(&loop, data, size);
    while (service.server.connections > 0)
        uv_run(&loop, UV_RUN_ONCE);
    if (service.counters.clients != 0)
        abort();
    return 0;
}
