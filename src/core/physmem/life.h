/* How contracts and parts of contracts begin, change and end: the moves that change what is promised.
 * What is written about a state is in core/contracts/contract.h. */
#ifndef CORE_PHYSMEM_LIFE_H
#define CORE_PHYSMEM_LIFE_H

#include "core/physmem/state.h"

/* A term of the contract begins now. The frames that were kept under it are promised again. */
void life_activate(struct physmem *physmem, struct contract *contract);

/* Change the frames of an active contract, after the sums have been changed. Frames that the task then holds beyond
 * all it may have are recalled. */
void life_grow(struct physmem *physmem, struct contract *contract, uint32_t frames);
void life_shrink(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* An active contract is over: EXPIRED, or RECALLED if something is being recalled. The parts below
 * it are over as well; their frames are kept until asked for (`keep`) or recalled at once. */
void life_retire(struct physmem *physmem, struct contract *contract, bool keep);

/* Recall the frames that are kept under a retired contract at once. The contract ends when they have come back. */
void life_dissolve(struct physmem *physmem, struct contract *contract);

/* The contract comes to this end, and is freed. Parts of it are recalled. */
void life_end(struct physmem *physmem, struct contract *contract, enum sp_contract_state state);

/* The same for all contracts of a task. */
void life_end_all(struct physmem *physmem, struct physmem_task *task, enum sp_contract_state state);

/* The deadline of a contract has come: notice is given, or the term is over. */
void life_due(struct physmem *physmem, struct contract *contract);

/* Take a part back from the task that has it. `keep` as for life_retire. */
void life_call_back(struct physmem *physmem, struct part *part, bool keep, enum sp_reason why);

/* The holder of a part does with fewer frames; the others belong to the contract above again. */
void life_part_less(struct physmem *physmem, struct part *part, uint32_t frames);

#endif
