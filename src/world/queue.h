/* What will happen in the world, and when: messages on their way, and moments that an actor waits
 * for.
 *
 * Entries come out in the order of their times; those of one time in the order in which they went in, or in one that
 * is drawn from a seed, so that a run depends on nothing but its input. Only the code that adds an entry knows what it
 * means. */
#ifndef WORLD_QUEUE_H
#define WORLD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/allocator.h"
#include "base/random.h"

/* Entries at once. */
#define QUEUE_MOST (UINT32_C(1) << 24)

/* No entry. */
#define QUEUE_NEVER UINT64_MAX

struct queue_entry {
    uint64_t when; /* ns */
    uint32_t kind; /* these are for the caller */
    uint32_t to;
    uint64_t value[2];
};

/* The key of an entry. */
struct queue_node {
    uint64_t when;
    uint64_t
        order; /* among those of one time: a number that grows, or a random one; and the entry's place */
};

/* A heap of keys; the entries do not move. */
struct queue {
    const struct allocator *allocator;
    struct queue_node *node;
    uint32_t entries;
    uint32_t capacity; /* of nodes */
    struct queue_entry *entry;
    uint32_t room;   /* of entries */
    uint32_t unused; /* the first entry that was used and is not */
    uint64_t order;  /* of the next entry */
    bool shuffled;
    struct random_source random; /* of orders, if it is */
};

/* An empty queue with memory from `allocator`, which outlives it. */
void world_queue_init(struct queue *queue, const struct allocator *allocator);

/* From now on, entries of one time come out in an order that is drawn from `random`. */
void world_queue_shuffle(struct queue *queue, struct random_source random);

/* Free the queue. What entries point to is not freed. */
void world_queue_fini(struct queue *queue);

/* Add an entry in O(log n). Returns 0, or -ENOMEM (also for more than QUEUE_MOST), and then nothing has changed. */
int world_queue_add(struct queue *queue, struct queue_entry entry);

/* When the first entry is due; QUEUE_NEVER if there is none. */
uint64_t world_queue_due(const struct queue *queue);

/* The entry that is taken next, unless one is added before it; NULL if there is none. Those that may come soon after it are
 * expected to be in the processor's cache then. */
const struct queue_entry *world_queue_peek(const struct queue *queue);

/* Take the first entry if it is due at time `now`, in O(log n). False if none is. */
bool world_queue_take(struct queue *queue, uint64_t now, struct queue_entry *entry);

#endif
