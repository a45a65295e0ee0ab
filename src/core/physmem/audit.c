/* Audits: whether extents have no more pages than their tasks have frames for. */
#include "core/physmem/answer.h"
#include "core/physmem/input.h"
#include "core/physmem/revoke.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"

void physmem_audit_done(struct physmem *physmem, uint64_t now, uint32_t handle, uint32_t allowed,
                        uint64_t pages)
{
    struct extent *extent = handle_object(&physmem->extents, handle);
    const struct container *container;

    input_advance(physmem, now);
    if (extent == NULL)
        return;
    physmem->counters.audits++;
    if (pages <= allowed)
        return;
    container = handle_object(&physmem->containers, extent->container);
    ensure(container != NULL);
    if (container->owner == &physmem->nobody)
        return;
    revoke_breach(physmem, container->owner, SP_REASON_OVERDRAFT, allowed,
                  (uint32_t)(pages - allowed));
    settle_input(physmem);
}

/* The next extent going round, or NULL. */
static struct extent *next_extent(struct physmem *physmem)
{
    if (physmem->audit_cursor >= physmem->extents.used)
        physmem->audit_cursor = 0;
    return physmem->extents.entry[physmem->audit_cursor++].object;
}

void physmem_audit_round(struct physmem *physmem, uint32_t count)
{
    input_advance(physmem, physmem->now);
    for (uint32_t seen = 0; seen < physmem->extents.used && count > 0; seen++) {
        struct extent *extent = next_extent(physmem);

        if (extent == NULL || extent->pending)
            continue;
        check(extent->handle != 0);
        slots_extent_audit(physmem, extent);
        count--;
    }
}
