#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policyserver_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Waits are polled so often, and given up after SERVER_PATIENCE_MS. */
#define POLL_MS 2

uint64_t scene_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void scene_rest(uint64_t since, const char *what)
{
    if (scene_now_ms() - since > SERVER_PATIENCE_MS)
        fail_msg("waited in vain for %s", what);
    usleep(POLL_MS * 1000);
}

int scene_setup(void **state)
{
    static struct scene scene;

    memset(&scene, 0, sizeof(scene));
    scene.observer.fd = -1;
    *state = &scene;
    if (server_process_init(&scene.physmem) != 0)
        return -1;
    for (unsigned i = 0; i < POLICYSERVERS; i++)
        if (server_process_init(&scene.server[i]) != 0)
            return -1;
    return 0;
}

int scene_teardown(void **state)
{
    struct scene *scene = *state;

    wire_client_close(&scene->observer);
    for (unsigned i = 0; i < POLICYSERVERS; i++)
        server_process_fini(&scene->server[i]);
    server_process_fini(&scene->physmem);
    return 0;
}

void scene_physmem(struct scene *scene, const char *frames, const char *const more[])
{
    assert_int_equal(physmem_start(&scene->physmem, frames, more), 0);
    assert_int_equal(wire_client_open(&scene->observer, scene->physmem.socket, WIRE_ROLE_OBSERVER,
                                      0, 0, "observer", NULL),
                     0);
}

void scene_spawn(struct scene *scene, unsigned which, const char *const more[])
{
    const char *args[16] = {"--physmem", scene->physmem.socket};

    for (unsigned i = 0; more != NULL && more[i] != NULL && i < 12; i++)
        args[2 + i] = more[i];
    assert_int_equal(server_process_spawn(&scene->server[which], POLICYSERVER_PROGRAM, args), 0);
}

void scene_status(struct scene *scene, struct wire_message *status)
{
    assert_int_equal(physmem_status(&scene->observer, status, NULL, NULL), 0);
}

void scene_start(struct scene *scene, unsigned which, const char *const more[])
{
    assert_int_equal(server_process_start_for(&scene->server[which], POLICYSERVER_PROGRAM,
                                              "--physmem", scene->physmem.socket, more),
                     0);
}

uint32_t scene_controllers(struct scene *scene)
{
    struct wire_message status;

    scene_status(scene, &status);
    return status.physmem_status.controllers;
}

void scene_await_control(struct scene *scene, uint8_t control)
{
    struct wire_message status;
    uint64_t since = scene_now_ms();

    for (;;) {
        scene_status(scene, &status);
        if (status.physmem_status.control == control)
            return;
        scene_rest(since, "control to change");
    }
}

const char *scene_file(struct scene *scene, const char *text, char path[SERVER_PATH])
{
    char *made = server_process_path(&scene->server[0], "entitlements.yaml", path);
    FILE *file = fopen(made, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return made;
}

void scene_await_log(const struct server_process *server, const char *text)
{
    uint64_t since = scene_now_ms();

    for (;;) {
        char *log = server_process_log(server);
        bool found = log != NULL && strstr(log, text) != NULL;

        free(log);
        if (found)
            return;
        scene_rest(since, text);
    }
}
