/* Frames are taken out of their slots here, and extents and containers away from their tasks. Callers keep account
 * of what the task owes, and tell it. */
#ifndef CORE_PHYSMEM_SLOTS_H
#define CORE_PHYSMEM_SLOTS_H

#include "core/physmem/punch.h"

/* Take the frame, used or soft, of a slot that has one, and gather its page for clearing. */
void slots_drop(struct physmem *physmem, struct container *container, struct extent *extent,
                uint32_t slot, struct punch *punch);

/* Take the oldest soft frame from its slot. There must be one. */
void slots_reuse_softest(struct physmem *physmem, struct punch *punch);

/* A soft slot is allocated again: its frame was not reused. */
void slots_soften(struct physmem *physmem, struct container *container, struct extent *extent,
                  uint32_t slot);
void slots_harden(struct physmem *physmem, struct container *container, struct extent *extent,
                  uint32_t slot);

/* Give up an extent's backing, if it has one. */
void slots_extent_destroy(struct physmem *physmem, struct physmem_task *task,
                          struct extent *extent);

/* Take the memory from the page of a slot on, which is not the first of its extent, away from the backing. The frames of
 * these slots leave with slots_drop. */
void slots_extent_cut(struct physmem *physmem, struct extent *extent, uint32_t slot);

/* Slots of an extent are about to get frames: if it was cut and has none any more, a whole one takes the place of its
 * backing. */
void slots_extent_renew(struct physmem *physmem, struct container *container,
                        struct extent *extent);

/* Have an extent audited, if it is backed. */
void slots_extent_audit(struct physmem *physmem, struct extent *extent);

/* Take a container from its task, with its frames and extents. They are freed little by little
 * (core/physmem/bury.h). Returns the frames that were held. */
uint32_t slots_container_take(struct physmem *physmem, struct container *container);

/* Free a container that has no frames and no backed extents. */
void slots_container_free(struct physmem *physmem, struct container *container);

#endif
