#include "policy/heap.h"

#define CHILDREN 4u

size_t heap_size(uint32_t pages)
{
    return (size_t)pages * sizeof(struct heap_entry);
}

void heap_init(struct heap *heap, void *memory)
{
    heap->count = 0;
    heap->entries = memory;
}

static void heap_set(struct heap *heap, uint32_t place, sp_page page, uint64_t key)
{
    heap->entries[place].page = page;
    heap->entries[place].key = key;
    heap->entries[page].place = place;
}

/* Let the hole at `place` rise until `key` may stand there. */
static uint32_t heap_rise(struct heap *heap, uint32_t place, uint64_t key)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / CHILDREN;

        if (heap->entries[parent].key >= key)
            break;
        heap_set(heap, place, heap->entries[parent].page, heap->entries[parent].key);
        place = parent;
    }
    return place;
}

static uint32_t heap_sink(struct heap *heap, uint32_t place, uint64_t key)
{
    for (;;) {
        uint64_t first = (uint64_t)place * CHILDREN + 1, end = first + CHILDREN;
        uint64_t largest = first;

        if (first >= heap->count)
            return place;
        if (end > heap->count)
            end = heap->count;
        for (uint64_t child = first + 1; child < end; child++)
            if (heap->entries[child].key > heap->entries[largest].key)
                largest = child;
        if (heap->entries[largest].key <= key)
            return place;
        heap_set(heap, place, heap->entries[largest].page, heap->entries[largest].key);
        place = (uint32_t)largest;
    }
}

static void heap_fill(struct heap *heap, uint32_t place, sp_page page, uint64_t key)
{
    uint32_t risen = heap_rise(heap, place, key);

    if (risen == place)
        risen = heap_sink(heap, place, key);
    heap_set(heap, risen, page, key);
}

void heap_add(struct heap *heap, sp_page page, uint64_t key)
{
    heap_set(heap, heap_rise(heap, heap->count++, key), page, key);
}

void heap_change(struct heap *heap, sp_page page, uint64_t key)
{
    heap_fill(heap, heap->entries[page].place, page, key);
}

void heap_remove(struct heap *heap, sp_page page)
{
    uint32_t place = heap->entries[page].place;
    struct heap_entry last = heap->entries[--heap->count];

    if (last.page != page)
        heap_fill(heap, place, last.page, last.key);
}
