#include "rounds/rounds.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

_Static_assert(ENTITLE_STEPS == CONTROL_STEPS, "the table has room for all steps");

/* A task, and where in the table it was found. */
struct rounds_task {
    struct sp_arbiter_task task;
    uint32_t row;
};

void rounds_init(struct rounds *rounds, const struct allocator *allocator)
{
    *rounds = (struct rounds){.allocator = allocator};
}

static void free_room(struct rounds *rounds)
{
    const struct allocator *allocator = rounds->allocator;

    memory_free(allocator, rounds->found, rounds->capacity * sizeof(*rounds->found));
    memory_free(allocator, rounds->tasks, rounds->capacity * sizeof(*rounds->tasks));
    memory_free(allocator, rounds->entitlement, rounds->capacity * sizeof(*rounds->entitlement));
}

void rounds_fini(struct rounds *rounds)
{
    if (rounds->entitle.allocator != NULL)
        entitle_fini(&rounds->entitle);
    free_room(rounds);
    rounds_init(rounds, rounds->allocator);
}

/* Room for all rows of a table; what is there now is scratch. */
static int reserve(struct rounds *rounds, uint32_t rows)
{
    struct rounds room = {.allocator = rounds->allocator, .capacity = rows};

    room.found = memory_new(room.allocator, rows * sizeof(*room.found));
    room.tasks = memory_new(room.allocator, rows * sizeof(*room.tasks));
    room.entitlement = memory_new(room.allocator, rows * sizeof(*room.entitlement));
    if (room.found == NULL || room.tasks == NULL || room.entitlement == NULL) {
        free_room(&room);
        return -ENOMEM;
    }
    free_room(rounds);
    rounds->found = room.found;
    rounds->tasks = room.tasks;
    rounds->entitlement = room.entitlement;
    rounds->capacity = rows;
    return 0;
}

int rounds_table(struct rounds *rounds, struct control_table *table)
{
    if (table->rows > rounds->capacity && reserve(rounds, table->rows) != 0)
        return -ENOMEM;
    rounds->table = table;
    return 0;
}

int rounds_arbiter(struct rounds *rounds, const struct arbiter_choice *choice)
{
    ensure(rounds->table != NULL && !rounds->decides);
    rounds->decides = true;
    return entitle_init(&rounds->entitle, rounds->allocator, choice, rounds->table->frames);
}

/* Put tasks in the order of their numbers, by Shell's method. They are nearly in order, but where rows were used
 * again. */
static void sort(struct rounds_task *found, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2)
        for (uint32_t i = gap; i < count; i++) {
            struct rounds_task moved = found[i];
            uint32_t at = i;

            for (; at >= gap && found[at - gap].task.id > moved.task.id; at -= gap)
                found[at] = found[at - gap];
            found[at] = moved;
        }
}

/* Find all tasks, in the order of their numbers. */
static uint32_t find(struct rounds *rounds, uint64_t now)
{
    const struct control_table *table = rounds->table;
    uint32_t used = atomic_load_explicit(&table->used, memory_order_acquire);
    uint32_t count = 0, unique = 0, uid;

    for (uint32_t row = 0; row < used && row < rounds->capacity && row < table->rows; row++) {
        if (!control_table_read(&table->row[row], now, &rounds->found[count].task, &uid))
            continue;
        rounds->found[count++].row = row;
    }
    sort(rounds->found, count);
    for (uint32_t i = 0; i < count; i++) {
        if (unique > 0 && rounds->found[unique - 1].task.id == rounds->found[i].task.id)
            continue;
        rounds->found[unique] = rounds->found[i];
        rounds->tasks[unique] = rounds->found[i].task;
        unique++;
    }
    return unique;
}

int64_t rounds_run(struct rounds *rounds, uint64_t now, rounds_changed *told, void *context)
{
    struct control_table *table = rounds->table;
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
        if (told != NULL)
            told(context, &task->task, to.entitled);
    }
    /* Only now, or for a moment everybody would be entitled to nothing. */
    atomic_store_explicit(&table->decides, 1, memory_order_release);
    return changed;
}

void rounds_give_back(struct rounds *rounds)
{
    if (rounds->table != NULL)
        atomic_store_explicit(&rounds->table->decides, 0, memory_order_release);
    rounds->decides = false;
}

uint64_t rounds_due(const struct rounds *rounds)
{
    return rounds->decides ? entitle_due(&rounds->entitle) : UINT64_MAX;
}
