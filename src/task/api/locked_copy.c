/* A copy under a lock, in one round trip. */
#include <errno.h>
#include <string.h>

#include <selfpage/container.h>

#include "base/assert.h"
#include "base/error.h"
#include "task/api/ask.h"
#include "task/containers/windows.h"
#include "task/state/attached.h"
#include "task/state/guard.h"

/* Slots of one request to copy. */
#define COPY_MOST 256u

/* The requests, in order. */
enum step { LOCK, COPY, UNLOCK, STEPS };

/* All of them under way at once: a message serves for the request, and for its reply. */
struct locked {
    struct wire_message message[STEPS];
    struct channel_call call[STEPS];
};

static void fill(struct locked *locked, const struct sp_locked_copy *copy)
{
    struct wire_message *message = locked->message;

    check(copy->locked == copy->from || copy->locked == copy->to);
    message[LOCK].type = WIRE_LOCK;
    message[LOCK].lock.container = copy->locked;
    message[LOCK].lock.lock_ns = copy->lock_ns;
    message[COPY].type = WIRE_COPY;
    message[COPY].copy.from = copy->from;
    message[COPY].copy.to = copy->to;
    message[COPY].copy.pieces_count = 1;
    message[COPY].copy.pieces[0] =
        (struct wire_piece){copy->from_first, copy->to_first, copy->count};
    message[UNLOCK].type = WIRE_UNLOCK;
    message[UNLOCK].unlock.container = copy->locked;
}

/* Send them, and wait for all replies. Returns 0 or -EPIPE. Inside a guard. */
static int exchange(struct sp_task *task, struct locked *locked)
{
    struct channel_batch batch = {.size = 0};
    int result = 0;

    check(locked->message[LOCK].type == WIRE_LOCK);
    for (unsigned i = 0; i < STEPS; i++) {
        channel_expect(&task->physmem, &locked->call[i], &locked->message[i], &locked->message[i]);
        channel_add(&batch, &locked->message[i]);
    }
    (void)channel_send(&task->physmem, &batch, -1); /* if it fails, so does each wait */
    for (unsigned i = 0; i < STEPS; i++)
        if (channel_wait(&task->physmem, &locked->call[i]) != 0)
            result = -EPIPE;
    check(result != 0 || locked->message[UNLOCK].type != WIRE_UNLOCK);
    return result;
}

/* The copy had to wait until physmem had moved contents, and the lock was over before, or others have used the
 * container. Nothing was checked, then: make it again, step by step. */
static int copy_slowly(struct sp_task *task, const struct sp_locked_copy *copy,
                       struct sp_error *error)
{
    struct sp_container_state before, after;
    int result = sp_container_lock(task, copy->locked, copy->lock_ns, 0, &before, error);
    int unlocked;

    if (result != 0)
        return result;
    result = sp_container_copy(task, copy->from, copy->from_first, copy->to, copy->to_first,
                               copy->count, NULL, error);
    unlocked = sp_container_unlock(task, copy->locked, &after, result == 0 ? error : NULL);
    if (result != 0 || unlocked != 0)
        return result != 0 ? result : unlocked;
    check(copy->count > 0);
    if (after.version == before.version + 1 + (copy->locked == copy->to))
        return 0;
    return error_set(error, ESTALE, "container %u was used by others meanwhile", copy->locked);
}

int sp_container_copy_locked(struct sp_task *task, const struct sp_locked_copy *copy,
                             struct sp_error *error)
{
    struct locked locked = {.message = {{.type = 0}}};
    const struct wire_message *reply = locked.message;
    uint64_t steps;
    struct guard guard;
    int result;

    check(attached_task() == task);
    if (copy->count == 0 || copy->count > COPY_MOST ||
        (copy->locked != copy->from && copy->locked != copy->to))
        return error_set(error, EINVAL, "a copy under a lock: %u slots, container %u is locked",
                         copy->count, copy->locked);
    fill(&locked, copy);
    guard_begin(&guard);
    windows_give_up(task, copy->from, (struct wire_range){copy->from_first, copy->count}, false);
    windows_give_up(task, copy->to, (struct wire_range){copy->to_first, copy->count}, false);
    result = exchange(task, &locked);
    guard_end(&guard);
    if (result != 0)
        return ask_gone(error);
    for (unsigned i = 0; i < STEPS; i++) {
        result = ask_check(&reply[i], i == COPY ? WIRE_DONE : WIRE_VERSION_IS, error);
        if (result != 0)
            return result;
    }
    steps = reply[UNLOCK].version_is.version - reply[LOCK].version_is.version;
    if (steps == 1 + (copy->locked == copy->to))
        return 0;
    return copy_slowly(task, copy, error);
}
