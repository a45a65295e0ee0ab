#include "adapter/ids.h"

#include <stdlib.h>

#define SLOTS_LEAST 64u

static struct ids_slot *slot_of(const struct ids *ids, uint64_t id)
{
    size_t mask = ids->slot_count - 1;
    size_t at = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;

    while (ids->slots[at].page_plus1 != 0 && ids->slots[at].id != id)
        at = (at + 1) & mask;
    return &ids->slots[at];
}

static bool ids_grow(struct ids *ids)
{
    struct ids larger = {.slot_count = ids->slot_count > 0 ? 2 * ids->slot_count : SLOTS_LEAST,
                         .used = ids->used};

    larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return false;
    for (size_t i = 0; i < ids->slot_count; i++)
        if (ids->slots[i].page_plus1 != 0)
            *slot_of(&larger, ids->slots[i].id) = ids->slots[i];
    free(ids->slots);
    *ids = larger;
    return true;
}

bool ids_note(struct ids *ids, uint64_t id, sp_page page)
{
    struct ids_slot *slot;

    if (2 * ids->used >= ids->slot_count && !ids_grow(ids))
        return false;
    slot = slot_of(ids, id);
    ids->used += slot->page_plus1 == 0;
    *slot = (struct ids_slot){.id = id, .page_plus1 = (uint64_t)page + 1};
    return true;
}

sp_page ids_page(const struct ids *ids, uint64_t id)
{
    if (ids->used == 0)
        return SP_NO_PAGE;
    return (sp_page)(slot_of(ids, id)->page_plus1 - 1);
}

void ids_fini(struct ids *ids)
{
    free(ids->slots);
    *ids = (struct ids){.slots = NULL};
}
