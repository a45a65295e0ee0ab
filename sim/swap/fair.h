/* Which job begins next: clients take turns, and in a client's queue loads pass stores.
 *
 * FAIRNESS. Each client has a queue of its own, and queues take turns: see core/swap/rota.h.
 *
 * LOADS FIRST. A thread waits for a load, and nobody for a store. A load passes stores and frees of its client
 * that have not begun, unless they name one of its places or slots: for the client everything happens as if
 * in order. */
#ifndef SWAP_FAIR_H
#define SWAP_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "job.h"

/* Pages of a turn. */
#define FAIR_PAGES WIRE_BATCH

/* Put a job into its client's queue. */
void fair_add(struct swap_turns *turns, struct client *client, struct swap_job *job);

/* The client whose turn it is, with its deficit raised; none is left if turns->rota.count is 0, and then this must
 * not be called. Give it back with fair_return, once. */
struct client *fair_take(struct swap_turns *turns);
void fair_return(struct swap_turns *turns, struct client *client);

/* Give it back, its turn broken off: it is the next one, but for those that are fresh. */
void fair_hold(struct swap_turns *turns, struct client *client);

/* The first job of a client begins, or is dropped: it leaves the queue. */
void fair_pop(struct swap_turns *turns, struct client *client);

/* What a job takes of its client's turn, in pages. */
uint32_t fair_cost(const struct swap_job *job);

#endif
