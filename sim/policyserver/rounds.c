#include "rounds.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "os/heap.h"

_Static_assert(ENTITLE_STEPS == CONTROL_STEPS, "the table has room for all steps");

/* A task, and where in the table it was found. */
struct rounds_task {
    struct sp_arbiter_task task;
    uint32_t row;
};

void rounds_init(struct rounds *rounds)
{
    *rounds = (struct rounds){.shared = {.fd = -1}};
}

void rounds_fini(struct rounds *rounds)
{
    if (rounds->entitle.allocator != NULL)
        entitle_fini(&rounds->entitle);
    shared_close(&rounds->shared);
    free(rounds->found);
    free(rounds->tasks);
    free(rounds->entitlement);
    rounds_init(rounds);
}

static struct control_table *table_of(const struct rounds *rounds)
{
    return rounds->shared.memory;
}

/* Room for all rows of a table. */
static int reserve(struct rounds *rounds, uint32_t rows)
{
    struct rounds_task *found = reallocarray(rounds->found, rows, sizeof(*found));
    struct sp_arbiter_task *tasks = reallocarray(rounds->tasks, rows, sizeof(*tasks));
    struct entitlement *entitlement = reallocarray(rounds->entitlement, rows, sizeof(*entitlement));

    rounds->found = found != NULL ? found : rounds->found;
    rounds->tasks = tasks != NULL ? tasks : rounds->tasks;
    rounds->entitlement = entitlement != NULL ? entitlement : rounds->entitlement;
    if (found == NULL || tasks == NULL || entitlement == NULL)
        return -ENOMEM;
    rounds->capacity = rows;
    return 0;
}

int rounds_table(struct rounds *rounds, int consume_fd, struct sp_error *error)
{
    struct shared shared;
    const struct control_table *table;
    int code = shared_open(&shared, consume_fd, error);

    if (code != 0)
        return code;
    table = shared.memory;
    if (!control_table_is_valid(table, shared.size))
        code = error_set(error, EPROTO, "physmem's table is of another version");
    else if (table->rows > rounds->capacity && reserve(rounds, table->rows) != 0)
        code = error_set(error, ENOMEM, "no memory for %u tasks", table->rows);
    if (code != 0) {
        shared_close(&shared);
        return code;
    }
    shared_close(&rounds->shared);
    rounds->shared = shared;
    return 0;
}

int rounds_arbiter(struct rounds *rounds, const struct arbiter_choice *choice)
{
    rounds->decides = true;
    return entitle_init(&rounds->entitle, &heap_allocator, choice, table_of(rounds)->frames);
}

static int by_id(const void *a, const void *b)
{
    const struct rounds_task *left = a, *right = b;

    return left->task.id < right->task.id ? -1 : left->task.id > right->task.id;
}

/* Find all tasks, in the order of their numbers. */
static uint32_t find(struct rounds *rounds, uint64_t now)
{
    const struct control_table *table = table_of(rounds);
    uint32_t used = atomic_load_explicit(&table->used, memory_order_acquire);
    uint32_t count = 0, unique = 0, uid;

    for (uint32_t row = 0; row < used && row < rounds->capacity && row < table->rows; row++) {
        if (!control_table_read(&table->row[row], now, &rounds->found[count].task, &uid))
            continue;
        rounds->found[count++].row = row;
    }
    qsort(rounds->found, count, sizeof(*rounds->found), by_id);
    for (uint32_t i = 0; i < count; i++) {
        if (unique > 0 && rounds->found[unique - 1].task.id == rounds->found[i].task.id)
            continue;
        rounds->found[unique] = rounds->found[i];
        rounds->tasks[unique] = rounds->found[i].task;
        unique++;
    }
    return unique;
}

int64_t rounds_run(struct rounds *rounds, uint64_t now, struct log *log)
{
    struct control_table *table = table_of(rounds);
    const struct entitle_books books = {
        .spare = atomic_load_explicit(&table->spare, memory_order_relaxed),
        .coming = atomic_load_explicit(&table->coming, memory_order_relaxed),
    };
    uint32_t count;
    int64_t changed = 0;

    if (!rounds->decides) {
        atomic_store_explicit(&table->decides, 0, memory_order_relaxed);
        return 0;
    }
    count = find(rounds, now);
    if (entitle_round(&rounds->entitle, now, rounds->tasks, count, &books, rounds->entitlement) !=
        0)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        const struct entitlement *from = &rounds->entitlement[i];
        const struct rounds_task *task = &rounds->found[i];
        struct control_entitlement to = {control_table_basis(&task->task), from->frames, {0}};

        for (unsigned step = 0; step < CONTROL_STEPS; step++)
            to.gives[step] = from->gives[step];
        if (!control_table_entitle(&table->row[task->row], task->task.id, &to))
            continue;
        changed++;
        if (log != NULL)
            log_line(log, "entitled", "task %u: holds %u, wants %u more, is entitled to %u",
                     task->task.id, task->task.held, task->task.wanted, to.entitled);
    }
    /* Only now, or for a moment everybody would be entitled to nothing. */
    atomic_store_explicit(&table->decides, 1, memory_order_release);
    return changed;
}

void rounds_give_back(struct rounds *rounds)
{
    if (table_of(rounds) != NULL)
        atomic_store_explicit(&table_of(rounds)->decides, 0, memory_order_release);
    rounds->decides = false;
}

uint64_t rounds_due(const struct rounds *rounds)
{
    return rounds->decides ? entitle_due(&rounds->entitle) : UINT64_MAX;
}
