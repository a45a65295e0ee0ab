/* Which job begins next: clients take turns, and in a client's queue loads pass stores.
 *
 * FAIRNESS. Each client has a queue of its own; queues take turns (deficit round robin: Shreedhar and
 * Varghese 1995): a turn is worth so many pages, and what it does not use up is kept while the queue is not
 * empty. A client that begins to ask for something, having had nothing in its queue when its last turn came,
 * is fresh: it has one turn before those that have waited, and is one of them from then on (the new flows of
 * RFC 8290). A task that faults now and then does not wait for the queues of those that do nothing but store.
 *
 * CONTRACTS. A turn is as long as the client's shares say. A client with a rate that is due has its turn among
 * the fresh ones, and one that is not due has none (core/swap/bandwidth.h). A turn that had to be broken off, for
 * want of a thread or of memory, goes on before others of its kind have theirs: otherwise all turns would be of
 * one job where these are short.
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

/* The client whose turn it is, with its deficit raised; none is left if turns->count is 0, and then this must
 * not be called. Give it back with fair_return, once. */
struct client *fair_take(struct swap_turns *turns);
void fair_return(struct swap_turns *turns, struct client *client);

/* Give it back, its turn broken off: it is the next one, but for those that are fresh. */
void fair_hold(struct swap_turns *turns, struct client *client);

/* Clients whose rates are due by now are fresh. Returns when the next one of the others is due (turns->early counts them);
 * UINT64_MAX: none will be. */
uint64_t fair_due(struct swap_turns *turns, uint64_t now);

/* The first job of a client begins, or is dropped: it leaves the queue. */
void fair_pop(struct swap_turns *turns, struct client *client);

/* What a job takes of its client's turn, in pages. */
uint32_t fair_cost(const struct swap_job *job);

#endif
