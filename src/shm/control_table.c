#include "shm/control_table.h"

/* Nearly all accesses need no order among themselves. */
#define GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define SET(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

uint32_t control_table_basis(const struct sp_arbiter_task *task)
{
    /* Odd factors far apart: no two changes of a few frames cancel out. */
    return task->guaranteed * UINT32_C(0x9e3779b1) + task->leased * UINT32_C(0x85ebca77) +
           task->extra * UINT32_C(0xc2b2ae3d);
}

size_t control_table_size(uint32_t rows)
{
    return sizeof(struct control_table) + rows * sizeof(struct control_row);
}

void control_table_init(struct control_table *table, uint32_t rows, uint32_t frames)
{
    table->magic = CONTROL_MAGIC;
    table->version = CONTROL_VERSION;
    table->rows = rows;
    table->frames = frames;
}

bool control_table_is_valid(const struct control_table *table, size_t size)
{
    return size >= sizeof(*table) && table->magic == CONTROL_MAGIC &&
           table->version == CONTROL_VERSION && control_table_size(table->rows) <= size;
}

void control_table_write(struct control_row *row, uint32_t uid, const struct sp_arbiter_task *task,
                         uint64_t wanted_until)
{
    if (GET(row->id) != task->id) {
        SET(row->id, 0);
        atomic_thread_fence(memory_order_release);
    }
    SET(row->uid, uid);
    SET(row->parent, task->parent);
    SET(row->priority, task->priority);
    SET(row->weight, task->weight);
    SET(row->guaranteed, task->guaranteed);
    SET(row->leased, task->leased);
    SET(row->extra, task->extra);
    SET(row->held, task->held);
    SET(row->owed, task->owed);
    SET(row->recallable, task->recallable);
    SET(row->wanted, task->wanted);
    SET(row->wanted_until, wanted_until);
    SET(row->ghost_hits, task->ghost_hits);
    SET(row->bid, task->bid);
    SET(row->idle, task->idle);
    SET(row->penalty, task->penalty);
    SET(row->demand, task->demand);
    atomic_store_explicit(&row->id, task->id, memory_order_release);
}

void control_table_clear(struct control_row *row)
{
    SET(row->id, 0);
}

bool control_table_read(const struct control_row *row, uint64_t now, struct sp_arbiter_task *out,
                        uint32_t *uidp)
{
    uint32_t id = atomic_load_explicit(&row->id, memory_order_acquire);

    if (id == 0)
        return false;
    *out = (struct sp_arbiter_task){
        .id = id,
        .parent = GET(row->parent),
        .priority = GET(row->priority),
        .weight = GET(row->weight),
        .guaranteed = GET(row->guaranteed),
        .leased = GET(row->leased),
        .extra = GET(row->extra),
        .held = GET(row->held),
        .owed = GET(row->owed),
        .recallable = GET(row->recallable),
        .wanted = GET(row->wanted),
        .idle = GET(row->idle),
        .ghost_hits = GET(row->ghost_hits),
        .bid = GET(row->bid),
        .penalty = GET(row->penalty),
        .demand = GET(row->demand),
    };
    *uidp = GET(row->uid);
    if (now >= GET(row->wanted_until))
        out->wanted = out->demand = 0;
    /* The fields are of different moments; arbiters may rely on these. */
    if (out->owed > out->held)
        out->owed = out->held;
    if (out->recallable > out->held - out->owed)
        out->recallable = out->held - out->owed;
    if (out->demand < out->held - out->owed + out->wanted)
        out->demand = out->held - out->owed + out->wanted;
    atomic_thread_fence(memory_order_acquire);
    return GET(row->id) == id;
}

bool control_table_entitle(struct control_row *row, uint32_t id,
                           const struct control_entitlement *entitlement)
{
    bool changed =
        GET(row->entitled) != entitlement->entitled || GET(row->basis) != entitlement->basis;
    bool other = GET(row->entitled_id) != id;

    if (other) {
        SET(row->entitled_id, 0);
        atomic_thread_fence(memory_order_release);
    }
    SET(row->entitled, entitlement->entitled);
    SET(row->basis, entitlement->basis);
    for (unsigned i = 0; i < CONTROL_STEPS; i++)
        SET(row->gives[i], entitlement->gives[i]);
    if (other)
        atomic_store_explicit(&row->entitled_id, id, memory_order_release);
    return changed || other;
}

bool control_table_entitlement(const struct control_row *row, uint32_t id,
                               struct control_entitlement *entitlement)
{
    if (atomic_load_explicit(&row->entitled_id, memory_order_acquire) != id)
        return false;
    entitlement->entitled = GET(row->entitled);
    entitlement->basis = GET(row->basis);
    for (unsigned i = 0; i < CONTROL_STEPS; i++)
        entitlement->gives[i] = GET(row->gives[i]);
    atomic_thread_fence(memory_order_acquire);
    return GET(row->entitled_id) == id;
}

void control_table_copy_entitlement(struct control_row *to, const struct control_row *from)
{
    struct control_entitlement entitlement;
    uint32_t id = GET(from->entitled_id);

    if (id != 0 && control_table_entitlement(from, id, &entitlement))
        control_table_entitle(to, id, &entitlement);
}
