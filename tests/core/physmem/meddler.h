/* A policy server that writes whatever it likes, comes and goes, and changes limits all the time. */
#ifndef MEDDLER_H
#define MEDDLER_H

#include <stdlib.h>

#include <errno.h>
#include <string.h>

#include "base/random.h"
#include "core/contracts/contract.h"
#include "core/physmem/policyserver.h"
#include "os/heap.h"
#include "world/world.h"

#define MEDDLER_TABLES 8u

struct meddler {
    struct control_table
        *table[MEDDLER_TABLES]; /* the last one is used; nothing writes the others */
    uint32_t tables;
    uint32_t rows;
    uint64_t rung;
};

static inline struct control_table *meddler_table(const struct meddler *meddler)
{
    return meddler->table[meddler->tables - 1];
}

/* A table of `rows` rows, from now on. */
static inline void meddler_move(struct meddler *meddler, struct world *world, uint32_t rows)
{
    struct control_table *table = aligned_alloc(64, control_table_size(rows));

    if (table == NULL || meddler->tables == MEDDLER_TABLES)
        abort();
    memset(table, 0, control_table_size(rows));
    control_table_init(table, rows, 1);
    if (physmem_policyserver_table(world->physmem, world->now, table, rows) != 0)
        abort();
    meddler->table[meddler->tables++] = table;
    meddler->rows = rows;
    world_run(world);
}

static inline void meddler_fini(struct meddler *meddler)
{
    for (uint32_t i = 0; i < meddler->tables; i++)
        free(meddler->table[i]);
}

static inline uint32_t meddler_value(struct random_source *random)
{
    switch (random_below(random, 6)) {
    case 0:
        return (uint32_t)random_bits(random);
    case 1:
        return UINT32_MAX - random_below(random, 3);
    default:
        return random_below(random, 120);
    }
}

static inline void meddler_scribble(struct meddler *meddler, const struct world *world,
                                    struct random_source *random, uint32_t last_id)
{
    struct sp_arbiter_task told;
    uint32_t uid;
    struct control_row *row = &meddler_table(meddler)->row[random_below(random, meddler->rows)];

    atomic_store(&meddler_table(meddler)->decides, random_below(random, 8) ? 1 : 0);
    /* Half of the time what it says is up to date. */
    if (control_table_read(row, world->now, &told, &uid) && random_below(random, 2)) {
        atomic_store(&row->basis, control_table_basis(&told));
        atomic_store(&row->entitled_id, told.id);
    } else if (random_below(random, 2))
        atomic_store(&row->entitled_id, random_below(random, last_id + 2));
    atomic_store(&row->entitled, meddler_value(random));
    for (unsigned i = 0; i < CONTROL_STEPS; i++)
        atomic_store(&row->gives[i], meddler_value(random));
}

static inline void meddler_limit(struct meddler *meddler, struct world *world,
                                 struct random_source *random)
{
    struct limit limit[4];
    uint32_t count = random_below(random, 5);

    (void)meddler;
    for (uint32_t i = 0; i < count; i++)
        limit[i] = (struct limit){
            .whom = (uint8_t)random_below(random, LIMIT_WHOMS),
            .uid = 1000 + random_below(random, 2),
            .name = "actor",
            .guaranteed = meddler_value(random),
            .extra = meddler_value(random),
            .weight = meddler_value(random),
            .priority = meddler_value(random),
        };
    if (physmem_policyserver_limits(world->physmem, world->now, limit, count) != 0)
        abort();
}

/* One step. */
static inline void meddler_act(struct meddler *meddler, struct world *world,
                               struct random_source *random, uint32_t last_id)
{
    if (meddler->tables == 0) {
        meddler_move(meddler, world, 8);
        physmem_policyserver_begin(world->physmem, world->now);
    } else if (meddler->tables < MEDDLER_TABLES && random_below(random, 200) == 0) {
        meddler_move(meddler, world, 8 + meddler->tables);
    }
    for (uint32_t i = random_below(random, 10); i > 0; i--)
        meddler_scribble(meddler, world, random, last_id);
    switch (random_below(random, 20)) {
    case 0:
        physmem_policyserver_end(world->physmem, world->now);
        break;
    case 1:
        physmem_policyserver_begin(world->physmem, world->now);
        break;
    case 2:
        meddler_limit(meddler, world, random);
        break;
    default:
        physmem_policyserver_entitled(world->physmem, world->now);
        break;
    }
    world_run(world);
}

#endif
