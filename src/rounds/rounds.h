/* Looking at the whole table that physmem shares with a policy server, and writing what an arbiter makes of it. Pure:
 * the policy server does so in a process of its own, a play in virtual time. */
#ifndef ROUNDS_ROUNDS_H
#define ROUNDS_ROUNDS_H

#include "arbiter/entitle.h"
#include "shm/control_table.h"

struct rounds_task;

struct rounds {
    const struct allocator *allocator;
    struct control_table *table; /* NULL: there is none yet */
    struct entitle entitle;
    bool decides; /* entitle has an arbiter: the table decides */
    uint32_t capacity;
    struct rounds_task *found;
    struct sp_arbiter_task *tasks;
    struct entitlement *entitlement;
};

/* Called for each task whose entitlement is another one now. */
typedef void rounds_changed(void *context, const struct sp_arbiter_task *task, uint32_t entitled);

/* Memory comes from `allocator`, which outlives the rounds. */
void rounds_init(struct rounds *rounds, const struct allocator *allocator);
void rounds_fini(struct rounds *rounds);

/* Use another table from now on, which control_table_is_valid has found good; the caller keeps it until the next one is
 * used. Returns 0, or -ENOMEM, and the old one, if any, stays. */
int rounds_table(struct rounds *rounds, struct control_table *table);

/* Have this arbiter decide. There must be a table. Returns 0 or -ENOMEM. */
int rounds_arbiter(struct rounds *rounds, const struct arbiter_choice *choice);

/* One round. `told` may be NULL. Returns how many tasks' entitlements changed, or -ENOMEM. */
int64_t rounds_run(struct rounds *rounds, uint64_t now, rounds_changed *told, void *context);

/* Have physmem's own arbiter decide again: what the table says counts no more. */
void rounds_give_back(struct rounds *rounds);

/* When there should be another one, at the latest; UINT64_MAX: whenever. */
uint64_t rounds_due(const struct rounds *rounds);

#endif
