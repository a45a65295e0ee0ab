/* The policy server's limits, and its table: who has which row, and when it is written. What is
 * decided by it stands in physmem_entitled.c. */
#include "core/physmem/control.h"

#include "core/physmem/internal.h"

/* Rows of the smallest table. */
#define ROWS_LEAST 64u

/* ---- Limits ---- */

static bool limit_covers(const struct physmem_limit *limit, const struct physmem_task *task)
{
    return ((limit->whom & PHYSMEM_LIMIT_USER) == 0 || limit->uid == task->identity.uid) &&
           ((limit->whom & PHYSMEM_LIMIT_NAME) == 0 ||
            strncmp(limit->name, task->identity.name, sizeof(limit->name)) == 0);
}

static void limit_say(uint32_t *field, uint32_t value)
{
    if (value != PHYSMEM_UNLIMITED)
        *field = value;
}

/* Find what applies to a task. */
static void limit_find(const struct physmem *physmem, struct physmem_task *task)
{
    struct task_limit *found = &task->limit;

    *found = (struct task_limit){
        PHYSMEM_UNLIMITED, PHYSMEM_UNLIMITED, PHYSMEM_UNLIMITED, PHYSMEM_UNLIMITED, 0, 0};
    for (unsigned whom = 0; whom < PHYSMEM_LIMIT_WHOMS; whom++) {
        bool user = whom == PHYSMEM_LIMIT_USER;

        for (uint32_t i = 0; i < physmem->control.limits; i++) {
            const struct physmem_limit *limit = &physmem->control.limit[i];

            if (limit->whom != whom || !limit_covers(limit, task))
                continue;
            limit_say(user ? &found->user_guaranteed : &found->guaranteed, limit->guaranteed);
            limit_say(user ? &found->user_extra : &found->extra, limit->extra);
            limit_say(&found->weight, limit->weight);
            limit_say(&found->priority, limit->priority);
        }
    }
}

/* What is left of a limit. */
static int64_t left_of(uint32_t limit, uint64_t used)
{
    return limit == PHYSMEM_UNLIMITED ? UINT32_MAX : limit - (int64_t)used;
}

static void bound(int64_t *left, int64_t other)
{
    if (other < *left)
        *left = other;
}

void control_bound(const struct physmem *physmem, const struct physmem_task *task,
                   struct contract_limits *limits)
{
    const struct task_limit *limit = &task->limit;
    uint64_t committed = 0, extra = 0;

    limits->bounded = physmem->control.limits > 0;
    if (!limits->bounded)
        return;
    limits->left_committed = left_of(limit->guaranteed, task_commitment(task));
    limits->left_extra = left_of(limit->extra, task->extra);
    if (limit->user_guaranteed == PHYSMEM_UNLIMITED && limit->user_extra == PHYSMEM_UNLIMITED)
        return;
    for (const struct physmem_task *t = physmem->first; t != NULL; t = t->next) {
        if (t->identity.uid != task->identity.uid)
            continue;
        committed += task_commitment(t);
        extra += t->extra;
    }
    bound(&limits->left_committed, left_of(limit->user_guaranteed, committed));
    bound(&limits->left_extra, left_of(limit->user_extra, extra));
}

/* Recall what a task has beyond the limit of its extra frames. */
static void limit_enforce(struct physmem *physmem, struct physmem_task *task)
{
    uint32_t excess = task_excess(task) - task->owed;

    if (excess > task->limit.extra)
        recall_task(physmem, task, excess - task->limit.extra);
}

int physmem_control_limits(struct physmem *physmem, uint64_t now,
                           const struct physmem_limit *limits, uint32_t count)
{
    struct control *control = &physmem->control;
    struct physmem_limit *copy = NULL;

    physmem_advance(physmem, now);
    if (count > PHYSMEM_LIMITS_MAX)
        return -EINVAL;
    if (count > 0) {
        copy = memory_new(physmem->allocator, count * sizeof(*copy));
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, limits, count * sizeof(*copy));
    }
    memory_free(physmem->allocator, control->limit, control->limits * sizeof(*copy));
    control->limit = copy;
    control->limits = count;
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        limit_find(physmem, task);
        control_changed(physmem, task);
        limit_enforce(physmem, task);
    }
    availability_changed(physmem);
    physmem_settle(physmem);
    return 0;
}

/* ---- Rows ---- */

uint32_t physmem_control_rows(const struct physmem *physmem)
{
    uint32_t tasks = physmem->tasks_there;

    return tasks < ROWS_LEAST / 2 ? ROWS_LEAST : tasks < UINT32_MAX / 2 ? 2 * tasks : tasks;
}

/* Give a row to a task that has none. */
static void row_take(struct physmem *physmem, struct physmem_task *task)
{
    struct control *control = &physmem->control;

    if (control->table == NULL)
        return;
    if (control->free_rows == 0) {
        if (!control->growing && control->state == PHYSMEM_CONTROLLED)
            physmem_emit(physmem, PHYSMEM_CONTROL_GROW, NULL);
        control->growing = true;
        return;
    }
    task->row = control->free_row[--control->free_rows];
    if (task->row >= atomic_load_explicit(&control->table->used, memory_order_relaxed))
        atomic_store_explicit(&control->table->used, task->row + 1, memory_order_release);
    control_changed(physmem, task);
}

static void row_give_back(struct physmem *physmem, struct physmem_task *task)
{
    struct control *control = &physmem->control;
    struct physmem_task **linkp = &control->changed;

    if (task->changed) {
        while (*linkp != task)
            linkp = &(*linkp)->next_changed;
        *linkp = task->next_changed;
        task->changed = false;
    }
    if (task->row != NO_ROW) {
        control_row_clear(&control->table->row[task->row]);
        control->free_row[control->free_rows++] = task->row;
    }
    task->row = NO_ROW;
}

int physmem_control_table(struct physmem *physmem, uint64_t now, struct control_table *table,
                          uint32_t rows)
{
    struct control *control = &physmem->control;
    const struct control_table *old = control->table;
    int rc;

    physmem_advance(physmem, now);
    control->growing = false;
    if (table == NULL || rows < physmem->tasks_there)
        return -EINVAL;
    rc = memory_reserve(physmem->allocator, &control->free_row, &control->free_row_capacity,
                        sizeof(*control->free_row), rows);
    if (rc != 0)
        return rc;
    control->table = table;
    control->rows = rows;
    control->free_rows = 0;
    for (uint32_t row = rows; row-- > 0;)
        control->free_row[control->free_rows++] = row;
    if (old != NULL)
        atomic_store(&table->decides, atomic_load(&old->decides));
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        uint32_t before = task->row;

        row_take(physmem, task);
        if (old != NULL && before != NO_ROW)
            control_row_copy_entitlement(&table->row[task->row], &old->row[before]);
    }
    physmem_settle(physmem);
    return 0;
}

/* ---- Tasks ---- */

int control_reserve(struct physmem *physmem, uint32_t tasks)
{
    struct control *control = &physmem->control;
    int rc;

    rc = memory_reserve(physmem->allocator, &control->entitlement, &control->entitlement_capacity,
                        sizeof(*control->entitlement), tasks);
    if (rc == 0)
        rc = memory_reserve(physmem->allocator, &control->most, &control->most_capacity,
                            sizeof(*control->most), tasks);
    return rc;
}

void control_task_start(struct physmem *physmem, struct physmem_task *task)
{
    task->row = NO_ROW;
    limit_find(physmem, task);
    row_take(physmem, task);
    control_ring(physmem, PHYSMEM_RING_TASK);
}

void control_task_end(struct physmem *physmem, struct physmem_task *task)
{
    row_give_back(physmem, task);
}

void control_changed(struct physmem *physmem, struct physmem_task *task)
{
    if (task->changed || task->row == NO_ROW)
        return;
    task->changed = true;
    task->next_changed = physmem->control.changed;
    physmem->control.changed = task;
}

void control_finish(struct physmem *physmem)
{
    struct control *control = &physmem->control;
    const struct allocator *allocator = physmem->allocator;

    memory_free(allocator, control->free_row,
                control->free_row_capacity * sizeof(*control->free_row));
    memory_free(allocator, control->limit, control->limits * sizeof(*control->limit));
    memory_free(allocator, control->entitlement,
                control->entitlement_capacity * sizeof(*control->entitlement));
    memory_free(allocator, control->most, control->most_capacity * sizeof(*control->most));
}

/* ---- What the policy server is told ---- */

void control_ring(struct physmem *physmem, uint8_t what)
{
    if (physmem->control.state == PHYSMEM_CONTROLLED)
        physmem->control.ring |= what;
}

void control_publish(struct physmem *physmem)
{
    struct control *control = &physmem->control;
    struct sp_arbiter_task description;

    if (control->table == NULL)
        return;
    while (control->changed != NULL) {
        struct physmem_task *task = control->changed;

        control->changed = task->next_changed;
        task->changed = false;
        arbiter_describe(physmem, task, &description);
        if (task->basis != control_basis(&description)) {
            task->basis = control_basis(&description);
            control_ring(physmem, PHYSMEM_RING_TASK);
        }
        control_row_write(&control->table->row[task->row], task->identity.uid, &description,
                          task->wanted_until);
    }
    atomic_store_explicit(&control->table->spare, arbiter_spare(physmem, 0), memory_order_relaxed);
    atomic_store_explicit(&control->table->coming, frames_coming(physmem), memory_order_relaxed);
    if (control->ring == 0 || control->rung)
        return;
    physmem_emit(physmem, PHYSMEM_CONTROL_RING, NULL)->ring = control->ring;
    control->ring = 0;
    control->rung = true;
}

void physmem_control_begin(struct physmem *physmem, uint64_t now)
{
    struct control *control = &physmem->control;

    physmem_advance(physmem, now);
    control->state = PHYSMEM_CONTROLLED;
    control->controllers++;
    control->rung = false;
    physmem_settle(physmem);
}

void physmem_control_end(struct physmem *physmem, uint64_t now)
{
    physmem_advance(physmem, now);
    physmem->control.state = PHYSMEM_LEFT;
    physmem->control.ring = 0;
}

const char *control_check(const struct physmem *physmem)
{
    const struct control *control = &physmem->control;
    uint32_t rows = 0;

    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        struct sp_arbiter_task expected, told;
        uint32_t uid;

        if (task->row == NO_ROW)
            continue;
        rows++;
        if (task->changed)
            continue;
        arbiter_describe(physmem, task, &expected);
        if (!control_row_read(&control->table->row[task->row], 0, &told, &uid) ||
            told.id != expected.id || uid != task->identity.uid)
            return "a row of the policy server's table is not its task's";
        if (told.guaranteed != expected.guaranteed || told.leased != expected.leased ||
            told.extra != expected.extra || told.held != expected.held ||
            told.owed != expected.owed || told.recallable != expected.recallable ||
            told.priority != expected.priority || told.weight != expected.weight ||
            told.parent != expected.parent || told.bid != expected.bid)
            return "the policy server's table does not tell what the books say";
    }
    if (control->table != NULL && rows + control->free_rows != control->rows)
        return "rows of the policy server's table are lost";
    return NULL;
}
