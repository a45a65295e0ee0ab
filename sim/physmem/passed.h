/* Unmaps that the physmem above asks for, passed on to tasks here. */
#ifndef PHYSMEM_PASSED_H
#define PHYSMEM_PASSED_H

#include "service.h"

/* An UNMAP from above. The rights are given up, and asked for again as soon as tasks map the pages anew.
 * Tasks that have mapped them are asked first; their answers make the one above. Without memory the answer
 * comes at once, and their mappings stay: the physmem above takes memory itself by cutting the extent,
 * which needs nobody's help. */
void passed_down(struct relet *relet, const struct wire_message *message);

/* PHYSMEM_UPSTREAM_UNMAPPED: a task has answered one of the questions that an UNMAP from above makes. */
void passed_answered(struct service *service, uint32_t token, uint32_t referenced, uint32_t dirty);

/* Forget all, at the end. */
void passed_forget(struct relet *relet);

#endif
