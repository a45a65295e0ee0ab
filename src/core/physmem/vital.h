/* Slots that a task named as vital. */
#ifndef CORE_PHYSMEM_VITAL_H
#define CORE_PHYSMEM_VITAL_H

#include "core/physmem/state.h"

/* Whether an extent has a vital slot with a frame. */
bool vital_in_extent(const struct physmem_task *task, const struct container *container,
                     const struct extent *extent);

/* Forget the vital slots of one container, or (0) of all. */
void vital_forget(struct physmem *physmem, struct physmem_task *task, uint32_t container);

#endif
