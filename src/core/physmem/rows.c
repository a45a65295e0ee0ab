#include "core/physmem/rows.h"

#include "core/physmem/books.h"
#include "core/physmem/candidates.h"
#include "core/physmem/emit.h"

int rows_reserve(struct physmem *physmem, uint32_t tasks)
{
    struct policyserver_state *server = &physmem->policyserver;
    int rc;

    rc = memory_reserve(physmem->allocator, &server->entitlement, &server->entitlement_capacity,
                        sizeof(*server->entitlement), tasks);
    if (rc == 0)
        rc = memory_reserve(physmem->allocator, &server->most, &server->most_capacity,
                            sizeof(*server->most), tasks);
    check(rc != 0 || (server->most_capacity >= tasks && server->entitlement_capacity >= tasks));
    return rc;
}

void rows_fini(struct physmem *physmem)
{
    struct policyserver_state *server = &physmem->policyserver;
    const struct allocator *allocator = physmem->allocator;

    ensure(server->changed == NULL); /* every task has gone */
    memory_free(allocator, server->free_row, server->free_row_capacity * sizeof(*server->free_row));
    memory_free(allocator, server->limit, server->limits * sizeof(*server->limit));
    memory_free(allocator, server->entitlement,
                server->entitlement_capacity * sizeof(*server->entitlement));
    memory_free(allocator, server->most, server->most_capacity * sizeof(*server->most));
}

/* Give a row to a task that has none. */
static void row_take(struct physmem *physmem, struct physmem_task *task)
{
    struct policyserver_state *server = &physmem->policyserver;

    check(task->state == STANDING_THERE);
    if (server->table == NULL)
        return;
    if (server->free_rows == 0) {
        if (!server->growing && server->state == PHYSMEM_CONTROLLED)
            emit_effect(physmem, PHYSMEM_POLICYSERVER_GROW, NULL);
        server->growing = true;
        return;
    }
    task->row = server->free_row[--server->free_rows];
    ensure(task->row < server->rows);
    if (task->row >= atomic_load_explicit(&server->table->used, memory_order_relaxed))
        atomic_store_explicit(&server->table->used, task->row + 1, memory_order_release);
    books_row_changed(physmem, task);
}

int rows_move(struct physmem *physmem, struct control_table *table, uint32_t rows)
{
    struct policyserver_state *server = &physmem->policyserver;
    const struct control_table *old = server->table;
    int rc;

    server->growing = false;
    if (table == NULL || rows < physmem->tasks_there)
        return -EINVAL;
    rc = memory_reserve(physmem->allocator, &server->free_row, &server->free_row_capacity,
                        sizeof(*server->free_row), rows);
    if (rc != 0)
        return rc;
    server->table = table;
    server->rows = rows;
    server->free_rows = 0;
    for (uint32_t row = rows; row-- > 0;)
        server->free_row[server->free_rows++] = row;
    if (old != NULL)
        atomic_store(&table->decides, atomic_load(&old->decides));
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        uint32_t before = task->row;

        row_take(physmem, task);
        ensure(task->row != NO_ROW);
        if (old != NULL && before != NO_ROW)
            control_table_copy_entitlement(&table->row[task->row], &old->row[before]);
    }
    check(server->free_rows + physmem->tasks_there == rows);
    return 0;
}

void rows_task_start(struct physmem *physmem, struct physmem_task *task)
{
    check(!task->changed && task->state == STANDING_THERE);
    task->row = NO_ROW;
    row_take(physmem, task);
    books_ring(physmem, PHYSMEM_RING_TASK);
}

void rows_task_end(struct physmem *physmem, struct physmem_task *task)
{
    struct policyserver_state *server = &physmem->policyserver;
    struct physmem_task **linkp = &server->changed;

    if (task->changed) {
        while (*linkp != task)
            linkp = &(*linkp)->next_changed;
        *linkp = task->next_changed;
        task->changed = false;
    }
    if (task->row != NO_ROW) {
        ensure(server->free_rows < server->rows);
        control_table_clear(&server->table->row[task->row]);
        server->free_row[server->free_rows++] = task->row;
    }
    task->row = NO_ROW;
}

static void row_write(struct physmem *physmem, struct physmem_task *task)
{
    struct sp_arbiter_task description;

    check(task->row != NO_ROW);
    candidates_describe(physmem, task, &description);
    if (task->basis != control_table_basis(&description)) {
        task->basis = control_table_basis(&description);
        books_ring(physmem, PHYSMEM_RING_TASK);
    }
    control_table_write(&physmem->policyserver.table->row[task->row], task->identity.uid,
                        &description, task->wanted_until);
}

void rows_publish(struct physmem *physmem)
{
    struct policyserver_state *server = &physmem->policyserver;

    if (server->table == NULL)
        return;
    while (server->changed != NULL) {
        struct physmem_task *task = server->changed;

        check(task->changed && task->row < server->rows);
        server->changed = task->next_changed;
        task->changed = false;
        row_write(physmem, task);
    }
    atomic_store_explicit(&server->table->spare, candidates_spare(physmem, 0),
                          memory_order_relaxed);
    atomic_store_explicit(&server->table->coming, frames_coming(physmem), memory_order_relaxed);
    if (server->ring == 0 || server->rung)
        return;
    emit_effect(physmem, PHYSMEM_POLICYSERVER_RING, NULL)->ring = server->ring;
    server->ring = 0;
    server->rung = true;
    check(server->ring == 0 && server->changed == NULL);
}

static bool row_tells(const struct sp_arbiter_task *told, const struct sp_arbiter_task *expected)
{
    check(told->id == expected->id);
    return told->guaranteed == expected->guaranteed && told->leased == expected->leased &&
           told->extra == expected->extra && told->held == expected->held &&
           told->owed == expected->owed && told->recallable == expected->recallable &&
           told->priority == expected->priority && told->weight == expected->weight &&
           told->parent == expected->parent && told->bid == expected->bid;
}

const char *rows_check(const struct physmem *physmem)
{
    const struct policyserver_state *server = &physmem->policyserver;
    uint32_t rows = 0;

    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        struct sp_arbiter_task expected, told;
        uint32_t uid;

        if (task->row == NO_ROW)
            continue;
        rows++;
        if (task->changed)
            continue;
        candidates_describe(physmem, task, &expected);
        if (!control_table_read(&server->table->row[task->row], 0, &told, &uid) ||
            told.id != expected.id || uid != task->identity.uid)
            return "a row of the policy server's table is not its task's";
        if (!row_tells(&told, &expected))
            return "the policy server's table does not tell what the books say";
    }
    if (server->table != NULL && rows + server->free_rows != server->rows)
        return "rows of the policy server's table are lost";
    return NULL;
}
