#include "world/queue.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

/* Of a node of the heap. Their keys lie side by side, in one cache line. */
#define CHILDREN 4u

/* An entry that is not used is in the list of those: its value[0] is the next one. */
#define NONE UINT32_MAX

void world_queue_init(struct queue *queue, const struct allocator *allocator)
{
    *queue = (struct queue){.allocator = allocator, .unused = NONE};
}

void world_queue_shuffle(struct queue *queue, struct random_source random)
{
    queue->shuffled = true;
    queue->random = random;
}

void world_queue_fini(struct queue *queue)
{
    memory_free(queue->allocator, queue->entry, queue->room * sizeof(*queue->entry));
    memory_free(queue->allocator, queue->node, queue->capacity * sizeof(*queue->node));
    world_queue_init(queue, queue->allocator);
}

/* Bits of a place, below those of the order. */
#define PLACE_BITS 24u
#define ORDER_BITS (64u - PLACE_BITS)

static inline uint32_t place_of(const struct queue_node *node)
{
    return (uint32_t)node->order & (QUEUE_MOST - 1);
}

/* One comparison of 128 bits: no branch to guess. */
static inline bool is_before(const struct queue_node *a, const struct queue_node *b)
{
    return ((unsigned __int128)a->when << 64 | a->order) <
           ((unsigned __int128)b->when << 64 | b->order);
}

/* Room for one more entry: where it goes, or NONE. */
static uint32_t find_room(struct queue *queue)
{
    uint32_t place = queue->unused;

    if (queue->entries == QUEUE_MOST ||
        memory_reserve(queue->allocator, &queue->node, &queue->capacity, sizeof(*queue->node),
                       queue->entries + 1) != 0)
        return NONE;
    if (place != NONE) {
        queue->unused = (uint32_t)queue->entry[place].value[0];
        return place;
    }
    if (memory_reserve(queue->allocator, &queue->entry, &queue->room, sizeof(*queue->entry),
                       queue->entries + 1) != 0)
        return NONE;
    return queue->entries; /* all that were ever used are pending */
}

int world_queue_add(struct queue *queue, struct queue_entry entry)
{
    uint32_t place = find_room(queue), at = queue->entries;
    struct queue_node node = {.when = entry.when};

    if (place == NONE)
        return -ENOMEM;
    node.order = queue->shuffled ? random_bits(&queue->random) >> PLACE_BITS : queue->order++;
    check(node.order >> ORDER_BITS == 0);
    node.order = node.order << PLACE_BITS | place;
    queue->entry[place] = entry;
    queue->entries++;
    while (at > 0 && is_before(&node, &queue->node[(at - 1) / CHILDREN])) {
        queue->node[at] = queue->node[(at - 1) / CHILDREN];
        at = (at - 1) / CHILDREN;
    }
    queue->node[at] = node;
    return 0;
}

uint64_t world_queue_due(const struct queue *queue)
{
    return queue->entries > 0 ? queue->node[0].when : QUEUE_NEVER;
}

const struct queue_entry *world_queue_peek(const struct queue *queue)
{
    if (queue->entries == 0)
        return NULL;
    for (uint32_t at = 1; at <= CHILDREN && at < queue->entries; at++)
        __builtin_prefetch(&queue->entry[place_of(&queue->node[at])]);
    return &queue->entry[place_of(&queue->node[0])];
}

/* The first node is gone: the last one finds its place from there. */
static void settle(struct queue *queue)
{
    struct queue_node last = queue->node[--queue->entries];
    uint32_t at = 0;

    for (;;) {
        uint32_t first = CHILDREN * at + 1, least = first;

        for (uint32_t child = first + 1; child < first + CHILDREN && child < queue->entries;
             child++)
            if (is_before(&queue->node[child], &queue->node[least]))
                least = child;
        if (first >= queue->entries || !is_before(&queue->node[least], &last))
            break;
        queue->node[at] = queue->node[least];
        at = least;
    }
    queue->node[at] = last;
}

bool world_queue_take(struct queue *queue, uint64_t now, struct queue_entry *entry)
{
    uint32_t place;

    if (queue->entries == 0 || queue->node[0].when > now)
        return false;
    place = place_of(&queue->node[0]);
    *entry = queue->entry[place];
    queue->entry[place].value[0] = queue->unused;
    queue->unused = place;
    settle(queue);
    check(queue->entries == 0 || queue->node[0].when >= entry->when);
    return true;
}
