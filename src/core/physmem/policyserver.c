/* The policy server comes and goes, sends limits, and writes the table. */
#include "core/physmem/policyserver.h"

#include "core/physmem/arbiter.h"
#include "core/physmem/books.h"
#include "core/physmem/bounds.h"
#include "core/physmem/candidates.h"
#include "core/physmem/entitled.h"
#include "core/physmem/extra.h"
#include "core/physmem/input.h"
#include "core/physmem/recall.h"
#include "core/physmem/rows.h"
#include "core/physmem/settle.h"

/* Rows of the smallest table. */
#define ROWS_LEAST 64u

/* ---- Coming and going ---- */

void physmem_policyserver_begin(struct physmem *physmem, uint64_t now)
{
    struct policyserver_state *server = &physmem->policyserver;

    input_advance(physmem, now);
    check(server->table == NULL || server->free_rows <= server->rows);
    server->state = PHYSMEM_CONTROLLED;
    server->controllers++;
    server->rung = false;
    settle_input(physmem);
}

bool physmem_policyserver_end(struct physmem *physmem, uint64_t now)
{
    struct policyserver_state *server = &physmem->policyserver;
    bool stands;

    input_advance(physmem, now);
    check(server->free_rows <= server->rows);
    stands = server->limits > 0 || entitled_decides(physmem);
    server->state = stands ? PHYSMEM_LEFT : PHYSMEM_UNCONTROLLED;
    server->ring = 0;
    return stands;
}

/* ---- The table ---- */

uint32_t physmem_policyserver_rows(const struct physmem *physmem)
{
    uint32_t tasks = physmem->tasks_there;

    return tasks < ROWS_LEAST / 2 ? ROWS_LEAST : tasks < UINT32_MAX / 2 ? 2 * tasks : tasks;
}

int physmem_policyserver_table(struct physmem *physmem, uint64_t now, struct control_table *table,
                               uint32_t rows)
{
    int rc;

    input_advance(physmem, now);
    rc = rows_move(physmem, table, rows);
    check(rc != 0 || (physmem->policyserver.table == table && rows >= physmem->tasks_there));
    if (rc == 0)
        settle_input(physmem);
    return rc;
}

/* ---- Limits ---- */

/* Recall what a task has beyond the limit of its extra frames. */
static void enforce(struct physmem *physmem, struct physmem_task *task)
{
    uint32_t excess = task_recallable(task);

    check(task->state == STANDING_THERE);
    if (excess > task->limit.extra)
        recall_task(physmem, task, excess - task->limit.extra);
}

/* Keep a copy of the limits. Returns 0, -EINVAL or -ENOMEM. */
static int keep(struct physmem *physmem, const struct limit *limits, uint32_t count)
{
    struct policyserver_state *server = &physmem->policyserver;
    struct limit *copy = NULL;

    check((server->limit == NULL) == (server->limits == 0));
    if (count > LIMITS_MAX)
        return -EINVAL;
    if (count > 0) {
        copy = memory_new(physmem->allocator, count * sizeof(*copy));
        if (copy == NULL)
            return -ENOMEM;
        memcpy(copy, limits, count * sizeof(*copy));
    }
    memory_free(physmem->allocator, server->limit, server->limits * sizeof(*copy));
    server->limit = copy;
    server->limits = count;
    return 0;
}

int physmem_policyserver_limits(struct physmem *physmem, uint64_t now, const struct limit *limits,
                                uint32_t count)
{
    int rc;

    input_advance(physmem, now);
    rc = keep(physmem, limits, count);
    check(rc != 0 || physmem->policyserver.limits == count);
    if (rc != 0)
        return rc;
    for (struct physmem_task *task = physmem->first; task != NULL; task = task->next) {
        bounds_find(physmem, task);
        books_row_changed(physmem, task);
        enforce(physmem, task);
    }
    books_availability_changed(physmem);
    settle_input(physmem);
    return 0;
}

/* ---- Entitlements ---- */

/* Whether to tell a task that it can have some of `spare` frames, when it is entitled to `more`: if
 * it gets all it asked for, or if it was not told of that many before. (Otherwise a task that asks
 * for more than there is, and takes no less, would ask again and again.) */
static bool is_news(struct physmem_task *task, uint32_t entitled, uint32_t more, uint32_t wanted,
                    uint32_t spare)
{
    ensure(more <= wanted);
    if (!task->wants_extra || more == 0)
        return false;
    task->told = smaller(task->told, entitled);
    return entitled != task->told || (more == wanted && spare >= more);
}

/* Tell the tasks that were refused extra frames, and are entitled to some now that are there. */
static void tell_entitled(struct physmem *physmem, uint32_t count)
{
    check(count == physmem->tasks_there);
    int32_t spare = candidates_spare(physmem, 0);

    if (physmem->pending_first != NULL)
        return;
    for (uint32_t i = 0; i < count && spare > 0; i++) {
        struct physmem_task *task = physmem->candidate_task[i];
        uint32_t entitled = physmem->policyserver.entitlement[i].entitled;
        uint32_t wanted = physmem->candidate[i].wanted;
        uint32_t more = entitled_more(physmem, i, wanted);

        if (!is_news(task, entitled, more, wanted, (uint32_t)spare))
            continue;
        task->told = entitled;
        spare -= (int32_t)smaller(more, (uint32_t)spare);
        extra_tell(physmem, task);
    }
}

void physmem_policyserver_entitled(struct physmem *physmem, uint64_t now)
{
    input_advance(physmem, now);
    check(physmem->policyserver.free_rows <= physmem->policyserver.rows);
    physmem->policyserver.rung = false;
    physmem->policyserver.entitlements++;
    books_availability_changed(physmem);
    if (entitled_decides(physmem)) {
        arbiter_tick(physmem);
        tell_entitled(physmem, physmem->tasks_there);
    }
    settle_input(physmem);
}
