/* Looking at the whole table, and writing what the arbiter makes of it. */
#ifndef POLICYSERVER_ROUNDS_H
#define POLICYSERVER_ROUNDS_H

#include "arbiter/entitle.h"
#include "shm/control_table.h"
#include "io/log.h"
#include "os/shared.h"

struct rounds_task;

struct rounds {
    struct shared shared; /* the table */
    struct entitle entitle;
    bool decides; /* entitle has an arbiter: the table decides */
    uint32_t capacity;
    struct rounds_task *found;
    struct sp_arbiter_task *tasks;
    struct entitlement *entitlement;
};

void rounds_init(struct rounds *rounds);
void rounds_fini(struct rounds *rounds);

/* Use another table from now on. The descriptor is closed in any case. Returns 0 or a negative errno
 * with a text, and the old table, if any, stays. */
int rounds_table(struct rounds *rounds, int consume_fd, struct sp_error *error);

/* Have this arbiter decide. There must be a table. Returns 0 or -ENOMEM. */
int rounds_arbiter(struct rounds *rounds, const struct arbiter_choice *choice);

/* One round. Prints what changed to `log` unless it is NULL. Returns how many tasks' entitlements
 * changed, or -ENOMEM. */
int64_t rounds_run(struct rounds *rounds, uint64_t now, struct log *log);

/* Have physmem's own arbiter decide again: what the table says counts no more. */
void rounds_give_back(struct rounds *rounds);

/* When there should be another one, at the latest; UINT64_MAX: whenever. */
uint64_t rounds_due(const struct rounds *rounds);

#endif
