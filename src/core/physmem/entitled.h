/* What the policy server's table decides about the candidates.
 *
 * All that the table says is read once, and is only a wish: what comes of it is at most what tasks can
 * give and what was asked for. Works on the candidates that candidates_list has listed. */
#ifndef CORE_PHYSMEM_ENTITLED_H
#define CORE_PHYSMEM_ENTITLED_H

#include "core/physmem/state.h"

/* Whether the table, not the arbiter, decides. */
bool entitled_decides(const struct physmem *physmem);

/* Whether anybody decides which tasks get extra frames: the table, or an arbiter that grants. */
bool entitled_or_arbiter_grants(const struct physmem *physmem);

/* Decide by the table: arguments, candidates and takes as for sp_arbiter.decide. */
uint32_t entitled_decide(struct physmem *physmem, uint32_t count,
                         const struct sp_arbiter_request *request);

/* What the table would let the asking task have: arguments as for sp_arbiter.available. */
uint32_t entitled_available(struct physmem *physmem, uint32_t count,
                            const struct sp_arbiter_request *request);

/* Of `frames` more, those that a candidate is entitled to, as read by the last entitled_decide. */
uint32_t entitled_more(const struct physmem *physmem, uint32_t i, uint32_t frames);

#endif
