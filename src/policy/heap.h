/* A heap of pages by a 64-bit key: the page with the largest key, and changes of any page's key, in
 * logarithmic time. For the few policies whose definition is a total order that changes anywhere.
 *
 * Four children a node: half as deep as with two, and one cache line a level. Memory filled with
 * zeros is an empty heap. */
#ifndef POLICY_HEAP_H
#define POLICY_HEAP_H

#include <selfpage/policy.h>

struct heap_entry {
    uint64_t key;
    sp_page page;
    uint32_t place; /* entry p: where page p stands */
};

struct heap {
    uint32_t count;
    struct heap_entry *entries; /* entries 0 to count - 1 are the heap; `place` is by page */
};

/* Bytes that the entries of a heap of pages 0 to pages - 1 take. */
size_t heap_size(uint32_t pages);

/* Use `memory`, of heap_size(pages) zeros, aligned to 8 bytes. */
void heap_init(struct heap *heap, void *memory);

/* Add a page that is not there. */
void heap_add(struct heap *heap, sp_page page, uint64_t key);

/* Give a page that is there another key. */
void heap_change(struct heap *heap, sp_page page, uint64_t key);

/* Take off a page that is there. */
void heap_remove(struct heap *heap, sp_page page);

/* A page with the largest key; the heap is not empty. */
static inline sp_page heap_top(const struct heap *heap)
{
    return heap->entries[0].page;
}

static inline uint64_t heap_key(const struct heap *heap, sp_page page)
{
    return heap->entries[heap->entries[page].place].key;
}

#endif
