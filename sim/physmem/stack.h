/* Frame stacks: memory that physmem and a task share. Effects of the core. */
#ifndef PHYSMEM_STACK_H
#define PHYSMEM_STACK_H

#include "service.h"

/* PHYSMEM_STACK_CREATE, PHYSMEM_REPLY_STACK, PHYSMEM_STACK_DESTROY. */
void stack_make(struct service *service, const struct physmem_effect *effect);
void stack_send(struct service *service, const struct physmem_effect *effect);
void stack_unmap(const struct physmem_effect *effect);

#endif
