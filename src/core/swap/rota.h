/* Whose pages are moved next: turns of clients that have something waiting.
 *
 * FAIRNESS. Clients take turns (deficit round robin: Shreedhar and Varghese 1995): a turn is worth so many pages, and what
 * it does not use up is kept while the client has something waiting. A client that begins to ask for something, having had
 * nothing when its last turn came, is fresh: it has one turn before those that have waited, and is one of them from then on
 * (the new flows of RFC 8290). A task that faults now and then does not wait for the queues of those that do nothing but
 * store.
 *
 * CONTRACTS. A turn is as long as the client's shares say. A client with a rate that is due has its turn among the fresh
 * ones, and one that is not due has none (bandwidth.h). A turn that had to be broken off, for want of a thread or of memory,
 * goes on before others of its kind have theirs: otherwise all turns would be of one job where these are short.
 *
 * What waits, and in which order, is for the caller. Pure; nothing is allocated. */
#ifndef CORE_SWAP_ROTA_H
#define CORE_SWAP_ROTA_H

#include <stdbool.h>
#include <stdint.h>

#include "core/swap/bandwidth.h"

/* Of one client; all zeros: nothing waits, and there is no contract. */
struct rota_client {
    struct rota_client *next;
    struct bandwidth bandwidth;
    uint32_t
        deficit; /* pages that it may still have moved in its turn: for the caller to subtract from */
    bool has_turn; /* it is in a list of turns */
    bool fresh;    /* its first turn is still to come */
    bool holds;    /* its turn was broken off, and goes on with what is left of it */
};

/* All zeros: nobody has a turn. */
struct rota {
    struct rota_client *fresh_first, *fresh_last; /* before the others */
    struct rota_client *first, *last;
    uint32_t count; /* of both */
    uint32_t early; /* of `count`, clients whose rate is not due, when rota_due last looked */
};

/* Something of the client waits. Returns whether it had no turn to come until now; it has one then until rota_return says
 * that it has not. */
bool rota_come(struct rota *turns, struct rota_client *client);

/* The client whose turn it is, with its deficit raised, where a turn of one share is so many pages. Some client must have
 * one. Give it back, once, by one of the next two. */
struct rota_client *rota_take(struct rota *turns, uint32_t pages);

/* `waiting`: something of it still waits. Returns false if it has no turn to come. */
bool rota_return(struct rota *turns, struct rota_client *client, bool waiting);

/* Its turn is broken off: it is the next one, but for those that are fresh. */
void rota_hold(struct rota *turns, struct rota_client *client);

/* Clients whose rates are due by now are fresh. Returns when the next one of the others is due (turns->early counts them);
 * UINT64_MAX: none will be. */
uint64_t rota_due(struct rota *turns, uint64_t now);

/* Whether the client's contract lets pages of it be moved now, as rota_due has found it. */
static inline bool rota_may(const struct rota *turns, const struct rota_client *client,
                            uint64_t now)
{
    return client->bandwidth.terms.rate == 0 ||
           bandwidth_may(&client->bandwidth, now, turns->count < turns->early);
}

/* A client that has a turn to come, and was not taken, has it no more: it goes. Nothing if it has none. */
void rota_leave(struct rota *turns, struct rota_client *client);

#endif
