/* Tasks and observers that talk to a real physmem in raw messages. */
#ifndef TEST_PHYSMEM_PEER_H
#define TEST_PHYSMEM_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "server_process.h"
#include "wire_client.h"

#define PHYSMEM_PROGRAM TEST_BINDIR "/selfpage-physmem"

/* A task: its two connections. */
struct physmem_peer {
    struct wire_client request;
    struct wire_client control;
    uint32_t container; /* the last one made */
};

/* Start physmem with `frames` frames and `more` arguments (ends with NULL; may be NULL). */
int physmem_start(struct server_process *server, const char *frames, const char *const more[]);

/* Open both connections. Returns 0 or a negative errno. The functions below that return int return
 * the negative of the reply's error. */
int physmem_peer_open(struct physmem_peer *peer, const struct server_process *server,
                      const char *name);
void physmem_peer_close(struct physmem_peer *peer);

/* Propose a contract that physmem must accept, for ever; `t_drop_ns` 0: the default. */
int physmem_propose(struct physmem_peer *peer, enum sp_contract_kind kind, uint32_t frames,
                    uint64_t t_drop_ns);

/* Make a container, whose number is then peer->container. */
int physmem_container(struct physmem_peer *peer, uint32_t slots);

/* Returns the number of slots that were allocated, or a negative errno. */
int64_t physmem_allocate(struct physmem_peer *peer, uint32_t start, uint32_t count, unsigned flags);

/* The same in blocks of 2^order. */
int64_t physmem_allocate_blocks(struct physmem_peer *peer, uint32_t start, uint32_t count,
                                unsigned order, unsigned flags);

/* DEALLOCATE or RELEASE of one range. Returns the number of frames, or a negative errno. */
int64_t physmem_give_back(struct physmem_peer *peer, enum wire_type type, uint32_t start,
                          uint32_t count);

/* Map the slots, which lie in one extent that was not sent before. Returns the descriptor, or a
 * negative errno; *item tells where they lie. */
int physmem_map(struct physmem_peer *peer, uint32_t start, uint32_t count, struct wire_map *item);

/* Ask for STATUS; fills *status (physmem_status) and, if a task of this name is listed, *task
 * (task_status); `name` and `task` may be NULL. -ENOENT if it is not. */
int physmem_status(struct wire_client *observer, struct wire_message *status, const char *name,
                   struct wire_message *task);

/* Ask until `field` of the task of this name has the value. Returns 0, or -ETIMEDOUT. */
int physmem_await_breach(struct wire_client *observer, const char *name, uint8_t reason);

/* Ask until `tasks` tasks are there. Returns 0, or -ETIMEDOUT. */
int physmem_await_tasks(struct wire_client *observer, uint32_t tasks);

/* Whether the books add up: free + soft + held by all listed tasks == frames. */
bool physmem_books_agree(struct wire_client *observer);

#endif
