#include "client/observer/observer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/hello.h"
#include "os/clock.h"
#include "os/sock.h"

static const char server[] = "the server";

void observer_init(struct observer *observer)
{
    memset(observer, 0, offsetof(struct observer, buffer));
    link_init(&observer->link, -1, observer->buffer, sizeof(observer->buffer));
}

void observer_disconnect(struct observer *observer)
{
    link_close(&observer->link);
}

void observer_fini(struct observer *observer)
{
    observer_disconnect(observer);
    free(observer->tasks);
    observer_init(observer);
}

/* The messages sent here are few and small: a server whose socket does not take one is not
 * receiving, and is given up. */
static int send_message(struct observer *observer, const struct wire_message *message)
{
    int result = observer->link.fd < 0 ? -EPIPE : link_send(&observer->link, message, -1);

    if (result == 0 || result == -EINVAL)
        return result;
    observer_disconnect(observer);
    return -EPIPE;
}

int observer_connect(struct observer *observer, const char *path, const char *name,
                     struct sp_error *error)
{
    const struct hello hello = {.role = WIRE_ROLE_OBSERVER, .name = name};
    struct wire_message message;
    int fd = link_connect(path, error);

    observer_disconnect(observer);
    if (fd < 0)
        return fd;
    link_init(&observer->link, fd, observer->buffer, sizeof(observer->buffer));
    observer->task_count = 0;
    observer->done_seq = 0;
    observer->detail.task = 0;
    hello_fill(&message, &hello);
    message.seq = observer->hello_seq = link_next_seq(&observer->link);
    if (send_message(observer, &message) == 0)
        return 0;
    return error_set(error, EPIPE, "the server at %.160s has closed the connection", path);
}

static int ask_after(struct observer *observer, uint32_t after)
{
    struct wire_message message = {.type = WIRE_STATUS};

    message.status.after = after;
    message.seq = observer->status_seq = link_next_seq(&observer->link);
    observer->listed = 0;
    return send_message(observer, &message);
}

int observer_ask(struct observer *observer)
{
    return ask_after(observer, 0);
}

int observer_recall(struct observer *observer, const char *task, uint32_t frames)
{
    struct wire_message message = {.type = WIRE_RECALL_TASK};
    int result;

    message.recall_task.frames = frames;
    snprintf(message.recall_task.name, sizeof(message.recall_task.name), "%s", task);
    message.seq = link_next_seq(&observer->link);
    result = send_message(observer, &message);
    return result != 0 ? result : (int)message.seq;
}

/* ---- What arrives ---- */

/* Where the task of this number is, or belongs. The next one of an answer is mostly there. */
static size_t place_of(const struct observer *observer, uint32_t id)
{
    size_t low = 0, high = observer->task_count;

    if (observer->next < high && observer->tasks[observer->next].id == id)
        return observer->next;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (observer->tasks[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Make room for one more task. */
static int reserve(struct observer *observer)
{
    size_t room = observer->task_room == 0 ? WIRE_TASKS : 2 * observer->task_room;
    struct observed_task *tasks;

    if (observer->task_count < observer->task_room)
        return 0;
    tasks = reallocarray(observer->tasks, room, sizeof *tasks);
    if (tasks == NULL)
        return -ENOMEM;
    observer->tasks = tasks;
    observer->task_room = room;
    return 0;
}

static int note_task(struct observer *observer, const struct wire_message *message)
{
    size_t place = place_of(observer, message->task_status.id);
    struct observed_task *task;

    if (reserve(observer) != 0)
        return -ENOMEM;
    task = &observer->tasks[place];
    if (place == observer->task_count || task->id != message->task_status.id) {
        memmove(task + 1, task, (observer->task_count - place) * sizeof *task);
        observer->task_count++;
    }
    memcpy(task, &message->task_status, sizeof *task);
    observer->next = place + 1;
    observer->listed++;
    return 0;
}

/* All tasks of one answer have come. Returns 1, or 0 if there may be more. */
static int note_physmem(struct observer *observer, const struct wire_message *message)
{
    memcpy(&observer->physmem, &message->physmem_status, sizeof observer->physmem);
    if (observer->listed == WIRE_TASKS) /* behind the last one that came, which others may follow */
        return ask_after(observer, observer->tasks[observer->next - 1].id);
    observer->known = true;
    return 1;
}

static int note_swap(struct observer *observer, const struct wire_message *message)
{
    memcpy(&observer->swap, &message->swap_status, sizeof observer->swap);
    observer->known = true;
    return 1;
}

static int note_files(struct observer *observer, const struct wire_message *message)
{
    memcpy(&observer->files, &message->files_status, sizeof observer->files);
    observer->known = true;
    return 1;
}

static int note_detail(struct observer *observer, const struct wire_message *message)
{
    if (message->seq != observer->detail_seq)
        return 0; /* it comes too late: another task was asked about since */
    memcpy(&observer->detail, &message->task_detail, sizeof observer->detail);
    return 1;
}

static int note_done(struct observer *observer, const struct wire_message *message)
{
    observer->done_seq = message->seq;
    observer->done_error = message->error;
    memcpy(observer->done_text, message->done.text, sizeof observer->done_text);
    return 1;
}

static int note_hello(struct observer *observer, const struct wire_message *message,
                      struct sp_error *error)
{
    observer->hello_seq = 0;
    return hello_check(message, server, error) == 0 ? 0 : -EPROTO;
}

/* Returns 1 if the message completes an answer, 0 if not, or a negative errno. */
static int handle(struct observer *observer, const struct wire_message *message,
                  struct sp_error *error)
{
    _Static_assert(sizeof observer->physmem == sizeof message->physmem_status, "same fields");
    _Static_assert(sizeof observer->swap == sizeof message->swap_status, "same fields");
    _Static_assert(sizeof observer->files == sizeof message->files_status, "same fields");
    _Static_assert(sizeof observer->detail == sizeof message->task_detail, "same fields");
    _Static_assert(sizeof *observer->tasks == sizeof message->task_status, "same fields");

    if (message->seq == observer->hello_seq && message->seq != 0)
        return note_hello(observer, message, error);
    switch (message->type) {
    case WIRE_TASK_STATUS:
        return note_task(observer, message);
    case WIRE_PHYSMEM_STATUS:
        return note_physmem(observer, message);
    case WIRE_SWAP_STATUS:
        return note_swap(observer, message);
    case WIRE_FILES_STATUS:
        return note_files(observer, message);
    case WIRE_TASK_DETAIL:
        return note_detail(observer, message);
    case WIRE_DONE:
        return note_done(observer, message);
    default:
        return 0;
    }
}

/* Say why an observer is disconnected, unless that was said. */
static int explain(const struct observer *observer, int code, struct sp_error *error)
{
    switch (code) {
    case -EPIPE:
        return error_set(error, EPIPE, "the server is gone");
    case -EPROTO:
        return observer->link.problem == NULL
                   ? code
                   : error_set(error, EPROTO, "the server sent %s", observer->link.problem);
    default:
        return error_set(error, -code, "cannot read the server's counters: %s", strerror(-code));
    }
}

int observer_receive(struct observer *observer, struct sp_error *error)
{
    struct wire_message message;
    int complete = 0, result = observer->link.fd < 0 ? -EPIPE : 0, fd;

    while (result >= 0 && (result = link_next(&observer->link, &message, &fd)) > 0) {
        if (fd >= 0)
            close(fd); /* no message to an observer carries one */
        result = handle(observer, &message, error);
        complete |= result > 0;
    }
    if (result == 0)
        return complete;
    result = explain(observer, result, error);
    observer_disconnect(observer);
    return result;
}

/* ---- Waiting ---- */

/* Wait until observer_receive has something complete. */
static int wait_for_answer(struct observer *observer, uint64_t deadline_ns, struct sp_error *error)
{
    int result = 0;

    while (result == 0) {
        uint64_t now_ns = clock_now_ns();
        int left_ms =
            now_ns < deadline_ns ? (int)((deadline_ns - now_ns) / CLOCK_NS_PER_MS) + 1 : 0;

        if (sock_wait(observer->link.fd, POLLIN, left_ms) == 0)
            return error_set(error, ETIMEDOUT, "the server does not answer");
        result = observer_receive(observer, error);
    }
    return result < 0 ? result : 0;
}

int observer_refresh(struct observer *observer, unsigned timeout_ms, struct sp_error *error)
{
    if (observer_ask(observer) != 0)
        return error_set(error, EPIPE, "the server is gone");
    return wait_for_answer(observer, clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS, error);
}

int observer_detail_wait(struct observer *observer, uint32_t task, unsigned timeout_ms,
                         struct sp_error *error)
{
    uint64_t deadline_ns = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS;
    struct wire_message message = {.type = WIRE_ASK_TASK_DETAIL};
    int result = 0;

    message.ask_task_detail.task = task;
    message.seq = observer->detail_seq = link_next_seq(&observer->link);
    observer->detail.task = 0;
    if (send_message(observer, &message) != 0)
        return error_set(error, EPIPE, "the server is gone");
    while (result == 0 && observer->detail.task == 0 && observer->done_seq != observer->detail_seq)
        result = wait_for_answer(observer, deadline_ns, error);
    if (result == 0 && observer->detail.task == 0)
        return error_set(error, ENOENT, "%s", observer->done_text);
    return result;
}

int observer_recall_wait(struct observer *observer, const char *task, uint32_t frames,
                         unsigned timeout_ms, struct sp_error *error)
{
    uint64_t deadline_ns = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS;
    int seq = observer_recall(observer, task, frames), result = 0;

    if (seq < 0)
        return error_set(error, EPIPE, "the server is gone");
    while (result == 0 && observer->done_seq != (uint32_t)seq)
        result = wait_for_answer(observer, deadline_ns, error);
    if (result == 0 && observer->done_error != 0)
        return error_set(error, (int)observer->done_error, "%s",
                         *observer->done_text != '\0' ? observer->done_text
                                                      : strerror((int)observer->done_error));
    return result;
}

/* ---- Looking at tasks ---- */

const struct observed_task *observer_task_named(const struct observer *observer, const char *name)
{
    for (size_t i = observer->task_count; i > 0; i--)
        if (strcmp(observer->tasks[i - 1].name, name) == 0)
            return &observer->tasks[i - 1];
    return NULL;
}

const struct observed_task *observer_task_of(const struct observer *observer, uint32_t pid)
{
    for (size_t i = observer->task_count; i > 0; i--)
        if (observer->tasks[i - 1].pid == pid)
            return &observer->tasks[i - 1];
    return NULL;
}
