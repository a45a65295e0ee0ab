/* The control thread: hears recalls, unmaps and notices from physmem and answers them, whatever the
 * program's own threads are doing. It never waits for a reply: what it asks of swap comes back to
 * its poll. */
#include "task/units.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"

/* How often pages are written ahead, while the task has extra frames that may be recalled at short
 * notice and too few pages that could be dropped. */
#define CLEAN_PERIOD_MS 100

/* How often a debt is looked at that could not be paid at once: frames that were in transit or pinned
 * may have come free. */
#define DEBT_PERIOD_MS 10

/* Frames returned, or stores started, in one go: the lock is free in between. */
#define PAY_STEP 32u

/* ---- Recalls ---- */

/* Return what is owed as far as that is possible now. Stores that are under way return their
 * frames when they are answered. */
static void pay_debts(struct sp_task *task)
{
    bool drop_only = !task->recall_may_clean;

    for (;;) {
        struct work work;
        uint32_t before, owed;
        bool stores_pending;

        task_enter(task, &work, NULL);
        before = task->pager.owed;
        owed = before == 0 ? 0 : pager_debts_pay(&task->pager, PAY_STEP, drop_only);
        stores_pending = task->pager.leaving > 0;
        task_leave(task, NULL);
        work_perform(task, &work, &task->cleaner, false, false);
        if (owed == 0)
            return;
        if (owed == before && work.stores == 0) {
            if (!drop_only || stores_pending)
                return;
            drop_only = false; /* nothing droppable is left: write, and hope to be in time */
        }
    }
}

/* Frames may be leaving by stores that the program's threads sent, who read the answers when they
 * next need a frame: an idle program's debts must not wait for that. */
static int read_answers(struct sp_task *task)
{
    struct work work;
    bool wanted;

    task_enter(task, &work, NULL);
    wanted = task->has_swap && task->pager.owed > 0 && task->pager.leaving > 0;
    task_leave(task, NULL);
    return wanted ? channel_poll(&task->swap) : 0;
}

static void on_recall(struct sp_task *task, const struct wire_message *message)
{
    struct sp_recall recall = {.id = message->recall.id,
                               .frames = message->recall.frames,
                               .may_clean = message->recall.may_clean,
                               .grace_unit = message->recall.grace_unit,
                               .grace = message->recall.grace};
    enum sp_recall_answer answer = SP_RECALL_COMPLY;
    struct work work;

    if (task->on_recall != NULL)
        answer = task->on_recall(task->on_recall_arg, &recall);
    task_enter(task, &work, NULL);
    task->stats->recalls_heard++;
    if (answer == SP_RECALL_COMPLY) {
        task->recalls_open++;
        task->recall_may_clean = recall.may_clean;
        pager_debts_owe(&task->pager, units_for(task, recall.frames));
    }
    task_leave(task, NULL);
    if (answer == SP_RECALL_COMPLY) {
        watch_recalled(task);
        pay_debts(task);
    }
}

/* ---- Unmaps and notices ---- */

/* Who may not use a part of a frame may not use it. */
static void rights_taken(struct sp_task *task, const struct wire_range *range, uint8_t rights,
                         uint32_t *referenced, uint32_t *dirty)
{
    uint32_t slots = WIRE_SLOTS_MAX;
    uint32_t end = range->start < slots && range->count < slots - range->start
                       ? range->start + range->count
                       : slots;
    uint32_t first = units_in(task, range->start);

    if (range->start < end)
        pager_rights_taken(&task->pager, first, units_for(task, end) - first, rights, referenced,
                           dirty);
}

static void on_unmap(struct sp_task *task, const struct wire_message *message)
{
    struct wire_message answer = {.type = WIRE_UNMAPPED};
    struct channel_batch batch;
    struct work work;
    uint32_t referenced = 0;
    uint32_t dirty = 0;

    task_enter(task, &work, NULL);
    if (message->unmap.container == task->container)
        for (uint32_t i = 0; i < message->unmap.ranges_count; i++)
            rights_taken(task, &message->unmap.ranges[i], message->unmap.rights, &referenced,
                         &dirty);
    task_leave(task, NULL);
    answer.unmapped.id = message->unmap.id;
    answer.unmapped.referenced = units_base(task, referenced);
    answer.unmapped.dirty = units_base(task, dirty);
    batch.size = 0;
    channel_add(&batch, &answer);
    (void)channel_send(&task->control, &batch, -1);
}

static void on_notice(struct sp_task *task, const struct wire_message *message)
{
    struct work work;

    if (message->notice.what == WIRE_NOTICE_EXPIRING) {
        if (!task->no_renewal)
            contract_renew(task, message->notice.contract);
        return;
    }
    task_enter(task, &work, NULL);
    if (message->notice.what == WIRE_NOTICE_EXPIRED) {
        for (uint32_t i = 0; i < TERMS_MAX; i++)
            if (task->contract[i].number == message->notice.contract)
                task->contract[i].state = SP_CONTRACT_EXPIRED;
        units_allow(task, message->notice.guaranteed, message->notice.extra);
    }
    pager_growth_possible(&task->pager);
    task_leave(task, NULL);
    task_signal_event(task);
}

static void on_revoked(struct sp_task *task, const struct wire_message *message)
{
    task_say(task, "revoked by physmem: %s; all its memory is gone", message->revoked.text);
    __atomic_store_n(&task->end, TASK_REVOKED, __ATOMIC_RELEASE);
    futex_wake(&task->end, INT32_MAX);
}

void control_on_message(void *context, struct channel *channel, const struct wire_message *message,
                        int consume_fd)
{
    struct sp_task *task = context;

    (void)channel;
    if (consume_fd >= 0)
        close(consume_fd);
    switch (message->type) {
    case WIRE_RECALL:
        on_recall(task, message);
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
        contract_changed(task, message);
        break;
    case WIRE_REVOKED:
        on_revoked(task, message);
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

    task_enter(task, &work, NULL);
    extra =
        task->pager.held > task->pager.guaranteed ? task->pager.held - task->pager.guaranteed : 0;
    if (task->has_swap && task->pager.owed == 0 && extra > task->pager.free)
        pager_evict_clean(&task->pager, extra - task->pager.free);
    task_leave(task, NULL);
    work_perform(task, &work, &task->cleaner, false, false);
}

static bool stopping(const struct sp_task *task)
{
    return __atomic_load_n(&task->stopping, __ATOMIC_ACQUIRE);
}

static void physmem_closed(struct sp_task *task)
{
    if (!stopping(task) && __atomic_load_n(&task->end, __ATOMIC_ACQUIRE) != TASK_REVOKED)
        task_die(task, "physmem is gone, and with it all contracts and frames");
}

/* How long to sleep if nobody says anything. */
static int pause_ms(struct sp_task *task)
{
    struct work work;
    bool owing, sharing;

    task_enter(task, &work, NULL);
    owing = task->pager.owed > 0;
    sharing = task->has_swap && task->pager.extra > 0;
    task_leave(task, NULL);
    return owing ? DEBT_PERIOD_MS : sharing ? CLEAN_PERIOD_MS : -1;
}

static void *control_main(void *argument)
{
    struct sp_task *task = argument;
    struct pollfd fds[3] = {{.fd = task->wake_fd, .events = POLLIN},
                            {.fd = task->control.fd, .events = POLLIN},
                            {.fd = task->has_swap ? task->cleaner.fd : -1, .events = POLLIN}};

    while (!stopping(task)) {
        int timeout = pause_ms(task);
        uint64_t count;
        int ready = poll(fds, 3, timeout);

        if (ready < 0 && errno != EINTR)
            task_die(task, "poll: %s", strerror(errno));
        if (fds[0].revents != 0 && read(task->wake_fd, &count, sizeof(count)) < 0 &&
            errno != EAGAIN)
            task_die(task, "eventfd: %s", strerror(errno));
        if (ready > 0 && fds[1].revents != 0 && channel_poll(&task->control) != 0) {
            physmem_closed(task);
            fds[1].fd = -1;
        }
        if (ready > 0 && fds[2].revents != 0 && channel_poll(&task->cleaner) != 0 &&
            !stopping(task))
            task_die(task, "the swap server is gone, and with it the pages that it kept");
        live_trace_write(task);
        if (read_answers(task) != 0 && !stopping(task))
            task_die(task, "the swap server is gone, and with it the pages that it kept");
        pay_debts(task);
        write_ahead(task);
    }
    return NULL;
}

int control_start(struct sp_task *task, struct sp_error *error)
{
    sigset_t saved;
    int result;

    task->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (task->wake_fd < 0)
        return error_set(error, errno, "eventfd: %s", strerror(errno));
    task_block_signals(&saved);
    result = pthread_create(&task->control_thread, NULL, control_main, task);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (result != 0) {
        close(task->wake_fd);
        task->wake_fd = -1;
        return error_set(error, result, "cannot start the control thread: %s", strerror(result));
    }
    return 0;
}

void control_stop(struct sp_task *task)
{
    __atomic_store_n(&task->stopping, true, __ATOMIC_RELEASE);
    task_poke(task);
    pthread_join(task->control_thread, NULL);
    close(task->wake_fd);
    task->wake_fd = -1;
}
