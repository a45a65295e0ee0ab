#include "core/physmem/punch.h"

#include "core/physmem/emit.h"

void punch_flush(struct physmem *physmem, struct punch *punch)
{
    struct physmem_effect *effect;

    if (punch->extent == NULL)
        return;
    ensure(punch->extent->handle != 0 && punch->first + punch->count <= punch->extent->pages);
    effect = emit_effect(
        physmem, punch->when == PUNCH_NEVER ? PHYSMEM_EXTENT_KEEP : PHYSMEM_EXTENT_PUNCH, NULL);
    effect->extent.extent = punch->extent->handle;
    effect->extent.descriptor = punch->extent->descriptor;
    effect->extent.offset = punch->first;
    effect->extent.count = punch->count;
    effect->extent.later = punch->when == PUNCH_LATER;
    punch->extent = NULL;
}

void punch_add(struct physmem *physmem, struct punch *punch, struct extent *extent, uint32_t slot)
{
    uint32_t page = slot % EXTENT_PAGES;

    check(slot % EXTENT_PAGES < extent->pages);
    check(slot / EXTENT_PAGES == extent->number);
    if (extent->handle == 0 || extent->pending || (extent->cut > 0 && page >= extent->cut))
        return;
    if (punch->extent == extent && page == punch->first + punch->count) {
        punch->count++;
        return;
    }
    punch_flush(physmem, punch);
    *punch = (struct punch){.extent = extent, .first = page, .count = 1, .when = punch->when};
}
