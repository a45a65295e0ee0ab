/* The control thread: hears recalls, unmaps and notices from physmem and answers them, whatever the
 * program's own threads are doing. It never waits for a reply: what it asks of swap comes back to
 * its poll. */
#include "task/entry/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/descriptor.h"
#include "task/containers/windows.h"
#include "task/effects/agreed.h"
#include "task/effects/apart.h"
#include "task/effects/live_trace.h"
#include "task/effects/lost.h"
#include "task/effects/perform.h"
#include "task/effects/sites.h"
#include "task/entry/drops.h"
#include "task/entry/recalls.h"
#include "task/entry/watch.h"
#include "task/state/end.h"
#include "task/state/events.h"
#include "task/state/guard.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

/* How often pages are written ahead, while the task has extra frames that may be recalled at short
 * notice and too few pages that could be dropped. */
#define CLEAN_PERIOD_MS 100

/* How often to try again to pay a debt that could not be paid at once: frames that were in transit or pinned may be
 * free by then. */
#define DEBT_PERIOD_MS 10

/* ---- Unmaps and notices ---- */

/* If any base page of a frame is revoked, the whole frame is. */
static void rights_taken(struct sp_task *task, const struct wire_range *range, uint8_t rights,
                         uint32_t *referenced, uint32_t *dirty)
{
    uint32_t slots = WIRE_SLOTS_MAX;
    uint32_t end = range->start < slots && range->count < slots - range->start
                       ? range->start + range->count
                       : slots;
    uint32_t first = units_in(task, range->start);

    check(hold_is_ours());
    check(end <= slots);
    if (range->start < end)
        pager_rights_taken(&task->pager, first, units_for(task, end) - first, rights, referenced,
                           dirty);
}

static void on_unmap(struct sp_task *task, const struct wire_message *message)
{
    struct wire_message answer = {.type = WIRE_UNMAPPED};
    struct channel_batch batch;
    uint32_t referenced = 0;
    uint32_t dirty = 0;

    apart_forbid(task);
    hold_take(task);
    if (message->unmap.container == task->container)
        for (uint32_t i = 0; i < message->unmap.ranges_count; i++)
            rights_taken(task, &message->unmap.ranges[i], message->unmap.rights, &referenced,
                         &dirty);
    else
        for (uint32_t i = 0; i < message->unmap.ranges_count; i++)
            windows_taken(task, message->unmap.container, &message->unmap.ranges[i]);
    work_carry_out(task);
    hold_release(task);
    apart_leave(task);
    check(dirty <= referenced);
    answer.unmapped.id = message->unmap.id;
    answer.unmapped.referenced = units_base(task, referenced);
    answer.unmapped.dirty = units_base(task, dirty);
    batch.size = 0;
    channel_add(&batch, &answer);
    (void)channel_send(&task->control, &batch, -1);
}

static void on_notice(struct sp_task *task, const struct wire_message *message)
{
    check(!hold_is_ours());
    if (message->notice.what == WIRE_NOTICE_EXPIRING) {
        if (!task->no_renewal)
            agreed_renew(task, message->notice.contract);
        return;
    }
    if (message->notice.what == WIRE_NOTICE_EXPIRED)
        agreed_expired(task, message);
    hold_take(task);
    pager_growth_possible(&task->pager);
    hold_release(task);
    events_signal(task);
}

static void on_revoked(struct sp_task *task, const struct wire_message *message)
{
    check(message->type == WIRE_REVOKED);
    say(task, "revoked by physmem: %s; all its memory is gone", message->revoked.text);
    __atomic_store_n(&task->end, TASK_REVOKED, __ATOMIC_RELEASE);
    futex_wake(&task->end, INT32_MAX);
}

void control_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd)
{
    struct sp_task *task = context;

    (void)channel;
    check(channel == &task->control && !hold_is_ours());
    if (consume_fd >= 0)
        close(consume_fd);
    switch (message->type) {
    case WIRE_RECALL:
        recalls_arrived(task, message);
        break;
    case WIRE_UNMAP:
        on_unmap(task, message);
        break;
    case WIRE_NOTICE:
        on_notice(task, message);
        break;
    case WIRE_AVAILABILITY:
        watch_told(task, message);
        break;
    case WIRE_WARNED:
        lost_warned(task, message);
        break;
    case WIRE_REPOSSESSED:
        lost_note(task, message);
        break;
    case WIRE_CHANGED:
        agreed_changed(task, message);
        break;
    case WIRE_REVOKED:
        on_revoked(task, message);
        break;
    case WIRE_DONE:
    case WIRE_SWAPPED:
        drops_answered(task, message);
        break;
    default:
        break;
    }
}

/* ---- The thread ---- */

/* Keep as many pages droppable as there are frames that can be recalled without time to write. */
static void write_ahead(struct sp_task *task)
{
    struct work work;
    uint32_t extra;

    work_clear(&work);
    hold_take(task);
    extra =
        task->pager.held > task->pager.guaranteed ? task->pager.held - task->pager.guaranteed : 0;
    if (task->has_swap && task->pager.owed == 0 && extra > task->pager.free)
        pager_evict_clean(&task->pager, extra - task->pager.free);
    work_collect(task, &work);
    hold_release(task);
    check(work.loads == 0 && !work.refill && !work.allocate);
    perform_work(task, &work, &task->cleaner, false, false);
}

static bool stopping(const struct sp_task *task)
{
    return __atomic_load_n(&task->stopping, __ATOMIC_ACQUIRE);
}

static void physmem_closed(struct sp_task *task)
{
    check(!hold_is_ours());
    if (!stopping(task) && __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_REVOKED)
        end_control_gone(task);
}

/* How long to sleep if no message comes. */
static int pause_ms(struct sp_task *task)
{
    bool owing, sharing;

    hold_take(task);
    owing = task->pager.owed > 0 || drops_are_owed(task);
    sharing = task->has_swap && task->pager.extra > 0;
    check(task->pager.owed == 0 || task->pager.held > 0 || task->pager.allocating);
    hold_release(task);
    return owing ? DEBT_PERIOD_MS : sharing ? CLEAN_PERIOD_MS : -1;
}

static void *control_main(void *argument)
{
    struct sp_task *task = argument;
    struct pollfd fds[3] = {{.fd = task->wake_fd, .events = POLLIN},
                            {.fd = task->control.link.fd, .events = POLLIN},
                            {.fd = task->has_swap ? task->cleaner.link.fd : -1, .events = POLLIN}};

    while (!stopping(task)) {
        int timeout = pause_ms(task);
        uint64_t count;
        int ready = poll(fds, 3, timeout);

        if (ready < 0 && errno != EINTR)
            say_and_die(task, "poll: %s", strerror(errno));
        if (fds[0].revents != 0 && read(task->wake_fd, &count, sizeof(count)) < 0 &&
            errno != EAGAIN)
            end_closed(task);
        if (ready > 0 && fds[1].revents != 0 && channel_poll(&task->control) != 0) {
            physmem_closed(task);
            fds[1].fd = -1;
        }
        if (ready > 0 && fds[2].revents != 0 && channel_poll(&task->cleaner) != 0 &&
            !stopping(task))
            end_swap_gone(task);
        check(!hold_is_ours());
        live_trace_write(task);
        sites_look(task);
        if (recalls_read_answers(task) != 0 && !stopping(task))
            end_swap_gone(task);
        drops_pay(task);
        recalls_pay(task);
        write_ahead(task);
    }
    return NULL;
}

int control_start(struct sp_task *task, struct sp_error *error)
{
    struct guard guard;
    int result;

    check(task->wake_fd < 0);
    task->wake_fd = descriptor_raise(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (task->wake_fd < 0)
        return error_set(error, errno, "eventfd: %s", strerror(errno));
    check(!__atomic_load_n(&task->stopping, __ATOMIC_ACQUIRE));
    guard_begin(&guard);
    result = pthread_create(&task->control_thread, NULL, control_main, task);
    guard_end(&guard);
    if (result != 0) {
        close(task->wake_fd);
        task->wake_fd = -1;
        return error_set(error, result, "cannot start the control thread: %s", strerror(result));
    }
    return 0;
}

void control_stop(struct sp_task *task)
{
    check(task->wake_fd >= 0 && !hold_is_ours());
    __atomic_store_n(&task->stopping, true, __ATOMIC_RELEASE);
    events_poke(task);
    pthread_join(task->control_thread, NULL);
    close(task->wake_fd);
    task->wake_fd = -1;
}
