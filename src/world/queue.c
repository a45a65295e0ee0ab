#include "world/queue.h"

#include "base/assert.h"
#include "base/memory.h"

void world_queue_init(struct queue *queue, const struct allocator *allocator)
{
    *queue = (struct queue){.allocator = allocator};
}

void world_queue_shuffle(struct queue *queue, struct random_source random)
{
    queue->shuffled = true;
    queue->random = random;
}

void world_queue_fini(struct queue *queue)
{
    memory_free(queue->allocator, queue->entry, queue->capacity * sizeof(*queue->entry));
    world_queue_init(queue, queue->allocator);
}

static bool is_before(const struct queue_entry *a, const struct queue_entry *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

int world_queue_add(struct queue *queue, struct queue_entry entry)
{
    uint32_t place = queue->entries;
    int rc = memory_reserve(queue->allocator, &queue->entry, &queue->capacity,
                            sizeof(*queue->entry), queue->entries + 1);

    if (rc != 0)
        return rc;
    entry.order = queue->shuffled ? random_bits(&queue->random) : queue->order++;
    queue->entries++;
    while (place > 0 && is_before(&entry, &queue->entry[(place - 1) / 2])) {
        queue->entry[place] = queue->entry[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    queue->entry[place] = entry;
    return 0;
}

uint64_t world_queue_due(const struct queue *queue)
{
    return queue->entries > 0 ? queue->entry[0].when : QUEUE_NEVER;
}

bool world_queue_take(struct queue *queue, uint64_t now, struct queue_entry *entry)
{
    uint32_t place = 0;
    struct queue_entry last;

    if (queue->entries == 0 || queue->entry[0].when > now)
        return false;
    *entry = queue->entry[0];
    last = queue->entry[--queue->entries];
    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child + 1 < queue->entries && is_before(&queue->entry[child + 1], &queue->entry[child]))
            child++;
        if (child >= queue->entries || !is_before(&queue->entry[child], &last))
            break;
        queue->entry[place] = queue->entry[child];
        place = child;
    }
    queue->entry[place] = last;
    check(queue->entries == 0 || !is_before(&queue->entry[0], entry));
    return true;
}
