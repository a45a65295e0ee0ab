#include "base/handles.h"

#include "base/memory.h"

void handles_init(struct handles *handles, const struct allocator *allocator)
{
    *handles = (struct handles){.allocator = allocator};
}

void handles_fini(struct handles *handles)
{
    memory_free(handles->allocator, handles->entry, handles->capacity * sizeof(*handles->entry));
    handles_init(handles, handles->allocator);
}

uint32_t handles_new(struct handles *handles, void *object)
{
    struct handle_entry *entry;

    if (handles->free != 0) {
        entry = &handles->entry[handles->free - 1];
        handles->free = entry->next_free;
    } else {
        if (handles->used == HANDLES_MAX ||
            memory_reserve(handles->allocator, &handles->entry, &handles->capacity, sizeof(*entry),
                           handles->used + 1) != 0)
            return 0;
        entry = &handles->entry[handles->used++];
        entry->generation = 0;
    }
    entry->object = object;
    entry->next_free = 0;
    return entry->generation << 20 | (uint32_t)(entry - handles->entry + 1);
}

void handles_free(struct handles *handles, uint32_t handle)
{
    struct handle_entry *entry = &handles->entry[(handle & HANDLES_MAX) - 1];

    entry->object = NULL;
    entry->generation = (entry->generation + 1) & 0xfff;
    entry->next_free = handles->free;
    handles->free = (uint32_t)(entry - handles->entry + 1);
}
