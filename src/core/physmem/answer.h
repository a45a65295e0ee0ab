/* Answers from outside: what became of the effects that expect one. For shells. */
#ifndef CORE_PHYSMEM_ANSWER_H
#define CORE_PHYSMEM_ANSWER_H

#include <stdint.h>

#include "core/physmem/request.h"

struct frame_stack;

/* PHYSMEM_STACK_CREATE was carried out: `error` is 0 or a positive errno value. The memory stays
 * readable and writable, whatever the task does, until PHYSMEM_STACK_DESTROY. */
void physmem_stack_ready(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, struct frame_stack *stack,
                         uint32_t places, uint32_t descriptor, uint32_t error);

/* PHYSMEM_EXTENT_CREATE was carried out: `error` is 0 or a positive errno value. If the extent is no
 * longer wanted, PHYSMEM_EXTENT_DESTROY follows. */
void physmem_extent_ready(struct physmem *physmem, uint64_t now, uint32_t extent,
                          uint32_t descriptor, uint32_t error);

/* The task answered an unmap. Returns 0, or -ENOENT: it was not asked. */
int physmem_unmap_answered(struct physmem *physmem, uint64_t now, struct physmem_task *task,
                           uint64_t id);

/* Before that: the task tells how many of the slots were used, and written, since it last told. */
void physmem_unmap_status(struct physmem_task *task, uint64_t id, uint32_t referenced,
                          uint32_t dirty);

/* PHYSMEM_EXTENT_AUDIT was carried out: the extent has `pages` pages. More than `allowed`, the
 * effect's count, is a breach. */
void physmem_audit_done(struct physmem *physmem, uint64_t now, uint32_t extent, uint32_t allowed,
                        uint64_t pages);

/* The task has heard the last message about its availability. The next one may follow. */
void physmem_availability_heard(struct physmem *physmem, uint64_t now, struct physmem_task *task);

#endif
