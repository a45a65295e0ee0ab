/* Audits: whether extents have no more pages than their tasks have frames for. */
#include "core/physmem/answer.h"
#include "core/physmem/copies.h"
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/repossess.h"
#include "core/physmem/revoke.h"
#include "core/physmem/settle.h"
#include "core/physmem/slots.h"

/* The pages of an extent are on their way from swap: no slot names them yet, and they are not surplus. */
static bool is_filled(const struct extent *extent)
{
    check(extent->clean == NULL || !extent->clean->filling || extent->allocated == 0);
    return extent->clean != NULL && extent->clean->filling;
}

void physmem_audit_done(struct physmem *physmem, uint64_t now, uint32_t handle, uint32_t allowed,
                        uint64_t pages)
{
    struct extent *extent = handles_object(&physmem->extents, handle);
    struct container *container;

    input_advance(physmem, now);
    if (extent == NULL)
        return;
    physmem->counters.audits++;
    if (pages <= allowed || is_filled(extent))
        return;
    if (extent->clean != NULL) {
        /* Somebody has read pages that no slot names: a page comes into being for that. Any task that has the
         * descriptor may have done it, and none is punished. */
        copies_clear_unused(physmem, extent);
        return;
    }
    container = handles_object(&physmem->containers, extent->container);
    ensure(container != NULL);
    if (container->owner == &physmem->nobody)
        return;
    if (repossess_is_all(container->owner)) {
        repossess_extent(physmem, container, extent);
        settle_input(physmem);
        return;
    }
    revoke_breach(physmem, container->owner, SP_REASON_OVERDRAFT, allowed,
                  (uint32_t)(pages - allowed));
    settle_input(physmem);
}

/* Extents that have room for pages that nobody may touch are audited in at most this many
 * rounds. */
#define ROUNDS_ALL 10u
/* Full extents, in which only memory beyond their end could be a surplus, wait this many times as
 * long. */
#define FULL_TURNS 8u
/* Most extents in one round. */
#define ROUND_MOST 1024u

/* Whether auditing an extent now may pay. Extents take turns to be audited although they are
 * full. */
static bool pays(const struct physmem *physmem, const struct extent *extent, uint32_t turn)
{
    check((uint32_t)extent->allocated + extent->soft <= extent->pages);
    return (uint32_t)extent->allocated + extent->soft < extent->pages ||
           (turn + physmem->audit_turn) % FULL_TURNS == 0;
}

/* The next extent going round that is worth an audit, or NULL. */
static struct extent *next_extent(struct physmem *physmem)
{
    struct extent *extent;
    uint32_t turn;

    if (physmem->audit_cursor >= physmem->extents.used) {
        physmem->audit_cursor = 0;
        physmem->audit_turn++;
    }
    turn = physmem->audit_cursor++;
    extent = physmem->extents.entry[turn].object;
    return extent != NULL && !extent->pending && !is_filled(extent) && pays(physmem, extent, turn)
               ? extent
               : NULL;
}

void physmem_audit_round(struct physmem *physmem, uint32_t count)
{
    uint32_t share = smaller(physmem->extents.used / ROUNDS_ALL, ROUND_MOST);

    input_advance(physmem, physmem->now);
    if (count < share)
        count = share;
    for (uint32_t seen = 0; seen < physmem->extents.used && count > 0; seen++) {
        struct extent *extent = next_extent(physmem);

        if (extent == NULL)
            continue;
        ensure(extent->handle != 0);
        slots_extent_audit(physmem, extent);
        count--;
    }
}
