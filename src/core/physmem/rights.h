/* Rights to slots: asked back from a task, and taken in the books. */
#ifndef CORE_PHYSMEM_RIGHTS_H
#define CORE_PHYSMEM_RIGHTS_H

#include "core/physmem/state.h"

/* Take rights away from slots in the books: from all, or only from those that the task was asked to
 * unmap and has not mapped again since. Returns how many had some. */
uint32_t rights_take(struct container *container, struct physmem_range range, uint8_t rights,
                     bool only_unmapping);

/* Ask a task to unmap slots of one extent that have rights. False if it cannot be asked now. */
bool rights_ask_back(struct physmem *physmem, struct physmem_task *task,
                     struct container *container, struct physmem_range range);

/* The same for the physmem above, which wants an answer in `grace_ns`: PHYSMEM_UPSTREAM_UNMAPPED, with the
 * token `above`, follows when the task has answered, or has lost everything. */
bool rights_ask_back_above(struct physmem *physmem, struct physmem_task *task,
                           struct container *container, struct physmem_range range,
                           uint64_t grace_ns, uint32_t above);

/* The task tells, before it answers, how many of the slots were used. */
void rights_note(struct physmem_task *task, uint64_t id, uint32_t referenced, uint32_t dirty);

/* The task answered an unmap: the rights are gone, but for those to slots that it has mapped again since. Returns 0, and
 * *containerp is that of the slots, or NULL if it is gone; or -ENOENT: the task was not asked. */
int rights_answered(struct physmem *physmem, struct physmem_task *task, uint64_t id,
                    struct container **containerp);

/* The unmap that a task has not answered for the longest time. There is one. */
const struct unmap *rights_oldest(const struct physmem_task *task);

/* Forget what the task was asked. */
void rights_end(struct physmem *physmem, struct physmem_task *task);

#endif
