/* Shared by all steps of negotiation: the present limits, room for a contract, finding the contract of a step, and
 * offers as replies. */
#ifndef CORE_PHYSMEM_OFFERS_H
#define CORE_PHYSMEM_OFFERS_H

#include "core/physmem/state.h"

/* The frames that physmem can give to a task now. */
struct contract_limits offers_limits(const struct physmem *physmem,
                                     const struct physmem_task *task);

/* Start on a request that names a contract of the task and takes a step. NULL, and the request is
 * answered, if there is no such contract, or its state does not permit the step. */
struct contract *offers_decode(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t number,
                               enum contract_step step);

/* How many contracts the task may have besides those that it has; expired ones that keep nothing make
 * room. Changes nothing. */
uint32_t offers_room(const struct physmem_task *task);

/* Close as many of those, oldest first, as one more contract needs. offers_room is not 0. */
void offers_make_room(struct physmem *physmem, struct physmem_task *task);

/* Answer with an offer about a contract (NULL: there is none, state NONE). Returns the reply. */
struct physmem_effect *offers_reply(struct physmem *physmem, const struct physmem_request *request,
                                    const struct sp_offer *offer, const struct contract *contract);

#endif
