/* The tasks as an arbiter sees them. Looking only: nothing here decides or acts. */
#ifndef CORE_PHYSMEM_CANDIDATES_H
#define CORE_PHYSMEM_CANDIDATES_H

#include "core/physmem/state.h"

/* Describe one task. */
void candidates_describe(const struct physmem *physmem, struct physmem_task *task,
                         struct sp_arbiter_task *out);

/* Describe every task that is there, in physmem->candidate[] and candidate_task[], with take[] zero.
 * *askingp becomes the index of `asking` (NULL: it stays). Returns how many there are. */
uint32_t candidates_list(struct physmem *physmem, const struct physmem_task *asking,
                         uint32_t *askingp);

/* Frames that may be given out as extra now, when `within` are about to be taken within a
 * commitment. Negative: this many must come back first. */
int32_t candidates_spare(const struct physmem *physmem, uint32_t within);

#endif
