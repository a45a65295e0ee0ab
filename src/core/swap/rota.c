#include "core/swap/rota.h"

#include <stddef.h>

#include "base/assert.h"

static void append(struct rota *turns, struct rota_client **first, struct rota_client **last,
                   struct rota_client *client)
{
    check(!client->has_turn && (*first == NULL) == (*last == NULL));
    client->next = NULL;
    client->has_turn = true;
    if (*first == NULL)
        *first = client;
    else
        (*last)->next = client;
    *last = client;
    turns->count++;
}

static struct rota_client *take(struct rota *turns, struct rota_client **first,
                                struct rota_client **last)
{
    struct rota_client *client = *first;

    ensure(turns->count > 0 && client != NULL && client->has_turn);
    *first = client->next;
    if (*first == NULL)
        *last = NULL;
    client->has_turn = false;
    turns->count--;
    return client;
}

bool rota_come(struct rota *turns, struct rota_client *client)
{
    if (client->has_turn)
        return false;
    client->fresh = true;
    append(turns, &turns->fresh_first, &turns->fresh_last, client);
    check(turns->count > 0);
    return true;
}

struct rota_client *rota_take(struct rota *turns, uint32_t pages)
{
    struct rota_client *client = turns->fresh_first != NULL
                                     ? take(turns, &turns->fresh_first, &turns->fresh_last)
                                     : take(turns, &turns->first, &turns->last);
    uint32_t turn = bandwidth_turn(&client->bandwidth, pages);

    if (!client->holds && client->deficit < turn)
        client->deficit += turn;
    client->holds = false;
    check(turn >= pages);
    return client;
}

bool rota_return(struct rota *turns, struct rota_client *client, bool waiting)
{
    check(!client->has_turn);
    if (waiting || client->fresh) {
        client->fresh = false;
        append(turns, &turns->first, &turns->last, client);
        return true;
    }
    client->deficit = 0;
    return false;
}

void rota_hold(struct rota *turns, struct rota_client *client)
{
    check(!client->has_turn);
    client->holds = true;
    client->has_turn = true;
    client->next = turns->first;
    turns->first = client;
    if (turns->last == NULL)
        turns->last = client;
    turns->count++;
}

uint64_t rota_due(struct rota *turns, uint64_t now)
{
    struct rota_client *client = turns->first;
    uint64_t next = UINT64_MAX;

    turns->early = 0;
    turns->first = turns->last = NULL;
    while (client != NULL) {
        struct rota_client *behind = client->next;
        uint64_t due = bandwidth_when(&client->bandwidth);
        bool rated = client->bandwidth.terms.rate > 0;

        ensure(client->has_turn && turns->count > 0);
        client->has_turn = false;
        turns->count--;
        if (rated && due <= now)
            append(turns, &turns->fresh_first, &turns->fresh_last, client);
        else
            append(turns, &turns->first, &turns->last, client);
        turns->early += rated && due > now;
        if (rated && due > now && due < next)
            next = due;
        client = behind;
    }
    return next;
}

/* Take a client out of a list, if it is there. */
static bool unlink_client(struct rota_client **first, struct rota_client **last,
                          const struct rota_client *client)
{
    struct rota_client *before = NULL;

    check((*first == NULL) == (*last == NULL));
    for (struct rota_client *at = *first; at != NULL; before = at, at = at->next) {
        if (at != client)
            continue;
        if (before == NULL)
            *first = client->next;
        else
            before->next = client->next;
        if (*last == client)
            *last = before;
        return true;
    }
    return false;
}

void rota_leave(struct rota *turns, struct rota_client *client)
{
    if (client->has_turn) {
        ensure(unlink_client(&turns->fresh_first, &turns->fresh_last, client) ||
               unlink_client(&turns->first, &turns->last, client));
        ensure(turns->count > 0);
        turns->count--;
    }
    *client = (struct rota_client){.bandwidth = client->bandwidth};
    check(!client->has_turn);
}
