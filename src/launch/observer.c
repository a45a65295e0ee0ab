/* An observer of physmem or swap. */
#include "launch/observer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/wait.h"
#include "os/sock.h"

void observer_init(struct observer *observer)
{
    *observer = (struct observer){.fd = -1};
}

void observer_disconnect(struct observer *observer)
{
    if (observer->fd >= 0)
        close(observer->fd);
    observer->fd = -1;
    observer->have = 0;
}

void observer_fini(struct observer *observer)
{
    observer_disconnect(observer);
    free(observer->tasks);
    observer_init(observer);
}

/* The messages sent here are few and small: a server whose socket does not take one is not
 * receiving, and is given up. */
static int observer_send(struct observer *observer, struct wire_message *message)
{
    unsigned char bytes[WIRE_MESSAGE_MAX];
    size_t size;

    if (observer->fd < 0)
        return -EPIPE;
    message->seq = ++observer->seq;
    size = wire_encode(message, bytes, sizeof bytes);
    if (size == 0)
        return -EINVAL;
    if (sock_send(observer->fd, bytes, size, -1) == (ssize_t)size)
        return 0;
    observer_disconnect(observer);
    return -EPIPE;
}

int observer_connect(struct observer *observer, const char *path, const char *name,
                     struct sp_error *error)
{
    struct wire_message hello = {.type = WIRE_HELLO};
    int fd = sock_connect(path, error);

    observer_disconnect(observer);
    if (fd < 0)
        return fd;
    observer->fd = fd;
    observer->task_count = 0;
    hello.hello.version = WIRE_VERSION;
    hello.hello.role = WIRE_ROLE_OBSERVER;
    snprintf(hello.hello.name, sizeof hello.hello.name, "%s", name);
    if (observer_send(observer, &hello) == 0)
        return 0;
    return error_set(error, EPIPE, "the server at %.160s hung up", path);
}

static int observer_ask_after(struct observer *observer, uint32_t after)
{
    struct wire_message message = {.type = WIRE_STATUS};

    message.status.after = after;
    observer->listed = 0;
    return observer_send(observer, &message);
}

int observer_ask(struct observer *observer)
{
    return observer_ask_after(observer, 0);
}

int observer_recall(struct observer *observer, const char *task, uint32_t frames)
{
    struct wire_message message = {.type = WIRE_RECALL_TASK};
    int result;

    message.recall_task.frames = frames;
    snprintf(message.recall_task.name, sizeof message.recall_task.name, "%s", task);
    result = observer_send(observer, &message);
    return result != 0 ? result : (int)observer->seq;
}

static int observer_note_task(struct observer *observer, const struct wire_message *message)
{
    struct observed_task *tasks = observer->tasks;
    size_t place = observer->task_count;

    while (place > 0 && tasks[place - 1].id >= message->task_status.id)
        place--;
    if (place == observer->task_count || tasks[place].id != message->task_status.id) {
        tasks = reallocarray(tasks, observer->task_count + 1, sizeof *tasks);
        if (tasks == NULL)
            return -ENOMEM;
        memmove(tasks + place + 1, tasks + place, (observer->task_count - place) * sizeof *tasks);
        observer->tasks = tasks;
        observer->task_count++;
    }
    memcpy(&tasks[place], &message->task_status, sizeof tasks[place]);
    observer->listed++;
    return 0;
}

static int observer_handle(struct observer *observer, const struct wire_message *message)
{
    _Static_assert(sizeof observer->physmem == sizeof message->physmem_status, "same fields");
    _Static_assert(sizeof observer->swap == sizeof message->swap_status, "same fields");
    _Static_assert(sizeof *observer->tasks == sizeof message->task_status, "same fields");

    switch (message->type) {
    case WIRE_TASK_STATUS:
        return observer_note_task(observer, message);
    case WIRE_PHYSMEM_STATUS:
        memcpy(&observer->physmem, &message->physmem_status, sizeof observer->physmem);
        if (observer->listed == WIRE_TASKS) /* there may be more */
            return observer_ask_after(observer, observer->tasks[observer->task_count - 1].id);
        observer->known = true;
        return 1;
    case WIRE_SWAP_STATUS:
        memcpy(&observer->swap, &message->swap_status, sizeof observer->swap);
        observer->known = true;
        return 1;
    case WIRE_DONE:
        observer->done_seq = message->seq;
        observer->done_error = message->error;
        memcpy(observer->done_text, message->done.text, sizeof observer->done_text);
        return 1;
    default:
        return 0;
    }
}

/* Handle the messages in the buffer. */
static int observer_digest(struct observer *observer)
{
    struct wire_message message;
    size_t at = 0, used = 0;
    int complete = 0, result = 0;
    enum wire_verdict verdict;

    while (result >= 0 && (verdict = wire_decode(observer->buffer + at, observer->have - at,
                                                 &message, &used)) != WIRE_MORE) {
        if (verdict != WIRE_OK)
            return -EPROTO;
        at += used;
        result = observer_handle(observer, &message);
        complete |= result > 0;
    }
    memmove(observer->buffer, observer->buffer + at, observer->have - at);
    observer->have -= at;
    return result < 0 ? result : complete;
}

int observer_receive(struct observer *observer)
{
    int complete = 0, result = 0, passed;
    ssize_t size = 1;

    while (result >= 0 && observer->fd >= 0) {
        size = sock_receive(observer->fd, observer->buffer + observer->have,
                            sizeof observer->buffer - observer->have, &passed);
        if (size == -EAGAIN)
            return complete;
        if (size > 0 && passed >= 0)
            close(passed);
        result = size > 0 ? 0 : size == 0 ? -EPIPE : (int)size;
        if (result == 0 && passed >= 0)
            result = -EPROTO; /* no message to an observer carries a descriptor */
        if (result == 0) {
            observer->have += (size_t)size;
            result = observer_digest(observer);
            complete |= result > 0;
        }
    }
    observer_disconnect(observer);
    return result < 0 ? result : -EPIPE;
}

/* Wait until observer_receive has something complete. */
static int observer_wait(struct observer *observer, uint64_t deadline, struct sp_error *error)
{
    int result = 0;

    while (result == 0) {
        uint64_t now = clock_now();
        int left_ms = now < deadline ? (int)((deadline - now) / 1000000) + 1 : 0;

        if (sock_wait(observer->fd, POLLIN, left_ms) == 0)
            return error_set(error, ETIMEDOUT, "the server does not answer");
        result = observer_receive(observer);
    }
    return result < 0 ? error_set(error, EPIPE, "the server is gone") : 0;
}

int observer_refresh(struct observer *observer, unsigned timeout_ms, struct sp_error *error)
{
    if (observer_ask(observer) != 0)
        return error_set(error, EPIPE, "the server is gone");
    return observer_wait(observer, clock_now() + timeout_ms * UINT64_C(1000000), error);
}

int observer_recall_wait(struct observer *observer, const char *task, uint32_t frames,
                         unsigned timeout_ms, struct sp_error *error)
{
    uint64_t deadline = clock_now() + timeout_ms * UINT64_C(1000000);
    int seq = observer_recall(observer, task, frames), result = 0;

    if (seq < 0)
        return error_set(error, EPIPE, "the server is gone");
    while (result == 0 && observer->done_seq != (uint32_t)seq)
        result = observer_wait(observer, deadline, error);
    if (result == 0 && observer->done_error != 0)
        return error_set(error, (int)observer->done_error, "%s",
                         *observer->done_text != '\0' ? observer->done_text
                                                      : strerror((int)observer->done_error));
    return result;
}

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
