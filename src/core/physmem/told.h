/* Tasks are told that a part they split off has become smaller, but not again and again.
 *
 * The holder of a part can resize it as often as it likes. If each change were a message, it could fill
 * the control connection of the task above, which would then be revoked. One message a part is under
 * way at most every TOLD_NS; what changes in between is told by the next one, which carries the state
 * of then. */
#ifndef CORE_PHYSMEM_TOLD_H
#define CORE_PHYSMEM_TOLD_H

#include "core/physmem/state.h"

#define TOLD_NS UINT64_C(100000000)

/* The deadline. Returns 0 or -ENOMEM. */
int told_start(struct physmem *physmem);

/* A part has become smaller. */
void told_part(struct physmem *physmem, struct part *part);

/* The part ends, and its task learns this by another message: the task need not be told of it. */
void told_forget(struct physmem *physmem, struct part *part);

/* Send the notices that are due. */
void told_due(struct physmem *physmem);

#endif
