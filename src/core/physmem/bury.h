/* Containers of tasks that have ended, or were destroyed, are freed in slices.
 *
 * A task of one gigabyte has 262,144 frames in 1,024 extents: freeing them in one go would keep
 * everybody else waiting. What a dead container has counts as available at once (frames_available),
 * and is freed when somebody needs it, or by and by, a slice at a time. */
#ifndef CORE_PHYSMEM_BURY_H
#define CORE_PHYSMEM_BURY_H

#include "core/physmem/state.h"

/* Frames in one slice, which ends with an extent; extents count as BURY_EXTENT frames each. A full extent is a
 * slice: others wait no longer than for one. */
#define BURY_SLICE  256u
#define BURY_EXTENT 64u

/* From one slice to the next. */
#define BURY_NS UINT64_C(250000)

/* The deadline. Returns 0 or -ENOMEM. */
int bury_start(struct physmem *physmem);
void bury_end(struct physmem *physmem);

/* Free up to `budget` frames of dead containers now, and see to it that the rest follows. */
void bury_slice(struct physmem *physmem, uint32_t budget);

/* Free dead containers until `free` frames are free, or nothing is left. */
void bury_until_free(struct physmem *physmem, uint32_t free);

/* A container of a task dies: a slice of it at once. Returns the frames that were held. */
uint32_t bury_container(struct physmem *physmem, struct container *container);

#endif
