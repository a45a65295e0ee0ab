/* A physmem in virtual time, and a record of what it says.
 *
 * Time passes only by world_pass. Code that plays a task calls the functions below; each of them
 * makes one request, carries out everything that follows from it, and returns the reply. Nothing is
 * delayed: for messages that take time see world/queue.h.
 *
 * struct world is open: a story about physmem looks into it as it likes. */
#ifndef WORLD_WORLD_H
#define WORLD_WORLD_H

#include "arbiter/registry.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "world/clock.h"
#include "world/faults.h"
#include "world/golden.h"
#include "world/physmem_shell.h"

/* Effects that the record has room for; older ones are overwritten. */
#define WORLD_RECORD 256u

struct world {
    const struct allocator *allocator; /* of all but physmem */
    struct faults_memory memory;       /* of physmem */
    struct physmem *physmem;
    struct physmem_shell shell;
    const struct sp_arbiter *arbiter; /* of physmem, with its presets; NULL: excess */
    bool swap; /* physmem has a swap server, which `watch` plays; to be set before world_start */
    uint64_t now;
    uint32_t seq; /* of the latest request */
    /* Is told of every effect before it is carried out. May be NULL. */
    void (*watch)(struct world *world, const struct physmem_effect *effect);
    void *user;            /* for `watch` */
    struct golden *golden; /* gets a line for each request and each message; NULL: there is none */
    struct physmem_effect record[WORLD_RECORD];            /* a ring */
    uint32_t recorded;                                     /* effects, ever */
    struct physmem_map_item items[PHYSMEM_MAPS_MAX];       /* of the latest reply to map */
    struct physmem_map_item repossessed[EXTENT_PAGES / 2]; /* of the latest such effect */
};

/* A world without a physmem. All memory comes from `allocator`, which outlives the world. The
 * struct must not move. */
void world_init(struct world *world, const struct allocator *allocator);

/* Start a physmem with `frames` frames; it never promises `reserve` of them; no term is longer than
 * `max_term_ns` (0: any may be). world->arbiter decides. Returns 0, or what physmem_new or
 * arbiter_choose_plugin fails with. */
int world_start(struct world *world, uint32_t frames, uint32_t reserve, uint64_t max_term_ns);

/* Free everything. Returns the bytes that physmem has not freed: 0, or physmem leaks. */
size_t world_end(struct world *world);

/* Carry out all that physmem wants done. Call this after each call into physmem. */
void world_run(struct world *world);

/* Let `ns` nanoseconds pass. Physmem acts at each of its deadlines. */
void world_pass(struct world *world, uint64_t ns);

/* ---- The record ---- */

/* The latest effect of this kind about this task (NULL: about any task), among those from number
 * `since` on; NULL if the record has none. */
const struct physmem_effect *world_find(const struct world *world, uint32_t since,
                                        enum physmem_effect_kind kind,
                                        const struct physmem_task *task);

/* The reply to request `seq`; NULL if there is none yet. */
const struct physmem_effect *world_reply(const struct world *world, uint32_t seq);

/* ---- Tasks and their requests ----
 *
 * A request returns its reply, which stays valid until WORLD_RECORD more effects have come, or NULL
 * while it waits. */

/* A task of user 1000 with a control connection; NULL without memory. */
struct physmem_task *world_task(struct world *world, const char *name);
struct physmem_task_status world_status(const struct physmem_task *task);

/* A request over the request connection, with a number of its own. */
struct physmem_request world_request(struct world *world, struct physmem_task *task);

/* Terms without an end, for `frames` frames and no fewer. */
struct sp_terms world_terms(enum sp_contract_kind kind, uint32_t frames);

const struct physmem_effect *world_propose(struct world *world, struct physmem_task *task,
                                           const struct sp_terms *terms);

/* Propose world_terms(kind, frames). Returns the number of the contract; 0 if it was not
 * accepted. */
uint32_t world_contract(struct world *world, struct physmem_task *task, enum sp_contract_kind kind,
                        uint32_t frames);

const struct physmem_effect *world_accept(struct world *world, struct physmem_task *task,
                                          uint32_t contract);
const struct physmem_effect *world_renew(struct world *world, struct physmem_task *task,
                                         uint32_t contract, uint64_t term_ns);
const struct physmem_effect *world_close(struct world *world, struct physmem_task *task,
                                         uint32_t contract);
const struct physmem_effect *world_size(struct world *world, struct physmem_task *task,
                                        uint32_t contract, uint32_t frames);
const struct physmem_effect *world_split(struct world *world, struct physmem_task *task,
                                         uint32_t contract, uint32_t frames, uint64_t token);
const struct physmem_effect *world_claim(struct world *world, struct physmem_task *task,
                                         uint64_t token);
const struct physmem_effect *world_reabsorb(struct world *world, struct physmem_task *task,
                                            uint32_t part);

/* A container of `slots` slots. Returns its handle; 0 if it was refused. */
uint32_t world_container(struct world *world, struct physmem_task *task, uint32_t slots);

/* Allocate blocks of 2^order frames, or single frames. `flags`: PHYSMEM_PARTIAL ... */
const struct physmem_effect *world_allocate_blocks(struct world *world, struct physmem_task *task,
                                                   uint32_t container, uint32_t start,
                                                   uint32_t count, unsigned order, unsigned flags);
const struct physmem_effect *world_allocate(struct world *world, struct physmem_task *task,
                                            uint32_t container, uint32_t start, uint32_t count,
                                            unsigned flags);

typedef void world_range_function(struct physmem *physmem, uint64_t now,
                                  const struct physmem_request *request, uint32_t container,
                                  const struct physmem_range *ranges, uint32_t count);

/* Call a function of physmem that takes ranges (physmem_frames_deallocate,
 * physmem_frames_release, ...) with one range. */
const struct physmem_effect *world_range(struct world *world, world_range_function *function,
                                         struct physmem_task *task, uint32_t container,
                                         uint32_t start, uint32_t count);

/* Ask for all rights to slots. The pieces of the reply are in world->items. */
const struct physmem_effect *world_map(struct world *world, struct physmem_task *task,
                                       uint32_t container, uint32_t start, uint32_t count);

/* The same for these rights (SLOT_READ ... PHYSMEM_FORCE_WRITE). */
const struct physmem_effect *world_map_as(struct world *world, struct physmem_task *task,
                                          uint32_t container, uint32_t start, uint32_t count,
                                          uint8_t rights);

/* Let another task (its number; 0: the one that shows the token) use a container. */
const struct physmem_effect *world_share(struct world *world, struct physmem_task *task,
                                         uint32_t container,
                                         const struct physmem_permission *permission);

/* Take a weak reference. */
const struct physmem_effect *world_adopt(struct world *world, struct physmem_task *task,
                                         uint32_t container, uint64_t token);

/* Lock a container to which the task has a weak reference. */
const struct physmem_effect *world_lock(struct world *world, struct physmem_task *task,
                                        uint32_t container, uint64_t lock_ns, bool unmap);

/* Copy slots from one container of the task to another. */
const struct physmem_effect *world_copy(struct world *world, struct physmem_task *task,
                                        uint32_t from, uint32_t to,
                                        const struct physmem_piece *pieces, uint32_t count);

/* Open a frame stack; it is in reply->stack.stack. */
const struct physmem_effect *world_open_stack(struct world *world, struct physmem_task *task,
                                              uint32_t container, uint32_t places);

/* The extent of this handle, which a task got by a reply to map; NULL if it is gone. */
struct physmem_shell_extent *world_extent(struct world *world, uint32_t extent);

#endif
