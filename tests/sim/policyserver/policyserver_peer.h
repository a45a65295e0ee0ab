/* Policy servers as real processes, and what physmem says about them. */
#ifndef TEST_POLICYSERVER_PEER_H
#define TEST_POLICYSERVER_PEER_H

#include "physmem_peer.h"

#define POLICYSERVER_PROGRAM TEST_BINDIR "/selfpage-policyserver"

/* PHYSMEM_STATUS.control */
#define UNCONTROLLED 0u
#define CONTROLLED   1u
#define LEFT         2u

/* A physmem, an observer of it, and policy servers, each in a directory of its own. */
#define POLICYSERVERS 8u

struct scene {
    struct server_process physmem;
    struct server_process server[POLICYSERVERS];
    struct wire_client observer;
};

/* CMocka fixtures: a scene with nothing started. */
int scene_setup(void **state);
int scene_teardown(void **state);

/* Start physmem with `frames` frames and `more` arguments, and observe it. */
void scene_physmem(struct scene *scene, const char *frames, const char *const more[]);

/* Start policy server number `which` with `more` arguments (ends with NULL), and wait for nothing. */
void scene_spawn(struct scene *scene, unsigned which, const char *const more[]);

/* The same, and wait until it has control, and its limits and entitlements are in force. */
void scene_start(struct scene *scene, unsigned which, const char *const more[]);

/* How many policy servers have ever had control. */
uint32_t scene_controllers(struct scene *scene);

/* Wait until PHYSMEM_STATUS.control has this value. */
void scene_await_control(struct scene *scene, uint8_t control);

/* What the observer is told. */
void scene_status(struct scene *scene, struct wire_message *status);

/* Write a file in the first policy server's directory; its path is written to `path`. */
const char *scene_file(struct scene *scene, const char *text, char path[SERVER_PATH]);

/* Waiting for what nobody tells: rest a little before looking again; fails if it has taken too long
 * since the time `since`. */
uint64_t scene_now_ms(void);
void scene_rest(uint64_t since, const char *what);

/* Wait until `text` is in the server's log. */
void scene_await_log(const struct server_process *server, const char *text);

#endif
