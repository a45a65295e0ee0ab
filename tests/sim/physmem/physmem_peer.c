#include "physmem_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int physmem_start(struct server_process *server, const char *frames, const char *const more[])
{
    const char *args[16] = {"--frames", frames};

    for (unsigned i = 0; more != NULL && more[i] != NULL && i < 12; i++)
        args[2 + i] = more[i];
    return server_process_start(server, PHYSMEM_PROGRAM, args);
}

int physmem_peer_open(struct physmem_peer *peer, const struct server_process *server,
                      const char *name)
{
    int rc;

    memset(peer, 0, sizeof(*peer));
    peer->control.fd = -1;
    rc = wire_client_open(&peer->request, server->socket, WIRE_ROLE_TASK, 0, 0, name, NULL);
    if (rc != 0)
        return rc;
    rc = wire_client_open(&peer->control, server->socket, WIRE_ROLE_CONTROL, peer->request.id,
                          peer->request.key, name, NULL);
    if (rc != 0)
        wire_client_close(&peer->request);
    return rc;
}

void physmem_peer_close(struct physmem_peer *peer)
{
    wire_client_close(&peer->request);
    wire_client_close(&peer->control);
}

/* A request over the request connection. Returns the negative of the reply's error. */
static int call(struct physmem_peer *peer, struct wire_message *message, struct wire_message *reply)
{
    int rc = wire_client_call(&peer->request, message, -1, reply);

    return rc != 0 ? rc : -(int)reply->error;
}

int physmem_propose(struct physmem_peer *peer, enum sp_contract_kind kind, uint32_t frames,
                    uint64_t t_drop_ns)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;
    int rc;

    message.propose.kind = (uint8_t)kind;
    message.propose.min = frames;
    message.propose.frames = frames;
    message.propose.term_ns = SP_FOREVER;
    message.propose.t_drop = t_drop_ns;
    rc = call(peer, &message, &reply);
    return rc == 0 && reply.offer.answer != SP_ACCEPTED ? -ENOMEM : rc;
}

int physmem_container(struct physmem_peer *peer, uint32_t slots)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE}, reply;
    int rc;

    message.container_create.slots = slots;
    rc = call(peer, &message, &reply);
    if (rc == 0)
        peer->container = reply.container.container;
    return rc;
}

int64_t physmem_allocate_blocks(struct physmem_peer *peer, uint32_t start, uint32_t count,
                                unsigned order, unsigned flags)
{
    struct wire_message message = {.type = WIRE_ALLOCATE}, reply;
    int rc;

    message.allocate.container = peer->container;
    message.allocate.start = start;
    message.allocate.count = count;
    message.allocate.flags = (uint8_t)flags;
    message.allocate.order = (uint8_t)order;
    rc = call(peer, &message, &reply);
    return rc != 0 ? rc : (int64_t)reply.allocated.count;
}

int64_t physmem_allocate(struct physmem_peer *peer, uint32_t start, uint32_t count, unsigned flags)
{
    return physmem_allocate_blocks(peer, start, count, 0, flags);
}

int64_t physmem_give_back(struct physmem_peer *peer, enum wire_type type, uint32_t start,
                          uint32_t count)
{
    struct wire_message message = {.type = (uint8_t)type}, reply;
    int rc;

    /* DEALLOCATE and RELEASE have the same body. */
    message.deallocate.container = peer->container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){start, count};
    rc = call(peer, &message, &reply);
    return rc != 0 ? rc : (int64_t)reply.done.count;
}

int physmem_map(struct physmem_peer *peer, uint32_t start, uint32_t count, struct wire_map *item)
{
    struct wire_message message = {.type = WIRE_MAP, .seq = 1000000 + start}, reply;
    int fd = -1;
    int rc;

    message.map.container = peer->container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE;
    rc = wire_client_send(&peer->request, &message, -1);
    while (rc == 0) {
        int received = -1;

        rc = wire_client_receive(&peer->request, &reply, &received);
        if (received >= 0) {
            if (fd >= 0)
                close(fd);
            fd = received;
        }
        if (rc == 0 && reply.seq == message.seq)
            break;
    }
    if (rc == 0 && reply.error != 0)
        rc = -(int)reply.error;
    if (rc == 0 && (reply.type != WIRE_MAPPED || reply.mapped.items_count != 1 || fd < 0))
        rc = -EPROTO;
    if (rc != 0 && fd >= 0)
        close(fd);
    if (rc == 0)
        *item = reply.mapped.items[0];
    return rc != 0 ? rc : fd;
}

/* Ask for STATUS from task `after` on. Returns the number of tasks listed, or a negative errno;
 * *lastp is the id of the last one, *heldp grows by what they hold. */
static int ask(struct wire_client *observer, uint32_t after, struct wire_message *status,
               const char *name, struct wire_message *task, bool *foundp, uint32_t *lastp,
               uint32_t *heldp)
{
    struct wire_message message = {.type = WIRE_STATUS, .seq = ++observer->seq};
    int listed = 0;
    int rc;

    message.status.after = after;
    rc = wire_client_send(observer, &message, -1);
    while (rc == 0) {
        rc = wire_client_receive(observer, status, NULL);
        if (rc != 0 || status->type != WIRE_TASK_STATUS)
            break;
        listed++;
        *lastp = status->task_status.id;
        *heldp += status->task_status.held;
        if (name != NULL && strcmp(name, status->task_status.name) == 0) {
            memcpy(task, status, sizeof(*task));
            *foundp = true;
        }
    }
    if (rc == 0 && status->type != WIRE_PHYSMEM_STATUS)
        rc = -EPROTO;
    return rc != 0 ? rc : listed;
}

/* Ask about all tasks. */
static int ask_all(struct wire_client *observer, struct wire_message *status, const char *name,
                   struct wire_message *task, uint32_t *heldp)
{
    bool found = false;
    uint32_t last = 0;
    int listed;

    *heldp = 0;
    do
        listed = ask(observer, last, status, name, task, &found, &last, heldp);
    while (listed == (int)WIRE_TASKS);
    if (listed < 0)
        return listed;
    return name != NULL && !found ? -ENOENT : 0;
}

int physmem_status(struct wire_client *observer, struct wire_message *status, const char *name,
                   struct wire_message *task)
{
    uint32_t held;

    return ask_all(observer, status, name, task, &held);
}

static bool out_of_patience(time_t start)
{
    return time(NULL) - start > SERVER_PATIENCE_MS / 1000;
}

int physmem_await_breach(struct wire_client *observer, const char *name, uint8_t reason)
{
    struct wire_message status, task = {0};
    time_t start = time(NULL);
    int rc;

    do {
        rc = physmem_status(observer, &status, name, &task);
        if (rc == 0 && task.task_status.breached)
            return task.task_status.reason == reason ? 0 : -EPROTO;
    } while (rc == 0 && !out_of_patience(start));
    return rc != 0 ? rc : -ETIMEDOUT;
}

int physmem_await_tasks(struct wire_client *observer, uint32_t tasks)
{
    struct wire_message status;
    time_t start = time(NULL);
    int rc;

    do {
        rc = physmem_status(observer, &status, NULL, NULL);
        if (rc == 0 && status.physmem_status.tasks == tasks)
            return 0;
    } while (rc == 0 && !out_of_patience(start));
    return rc != 0 ? rc : -ETIMEDOUT;
}

bool physmem_books_agree(struct wire_client *observer)
{
    struct wire_message status;
    uint32_t held;

    /* Tasks come and go between the pages of a long list: ask while that happens. */
    for (unsigned i = 0; i < 10; i++)
        if (ask_all(observer, &status, NULL, NULL, &held) == 0 &&
            status.physmem_status.free + status.physmem_status.soft + held ==
                status.physmem_status.frames)
            return true;
    return false;
}
