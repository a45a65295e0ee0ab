/* What messages say of the task's contracts, into its books (core/contracts/agreements.h) and to the pager. */
#ifndef TASK_EFFECTS_AGREED_H
#define TASK_EFFECTS_AGREED_H

#include "task/state/state.h"

/* Take note of an offer that physmem made. */
void agreed_note(struct sp_task *task, const struct wire_message *message);

/* Take note of what became of a contract by itself. */
void agreed_changed(struct sp_task *task, const struct wire_message *message);

/* A contract's term is over. */
void agreed_expired(struct sp_task *task, const struct wire_message *message);

/* Take note of the part that was split off. */
void agreed_part(struct sp_task *task, const struct wire_message *message);

/* Forget counter-offers that were refused or replaced by another proposal, except that of the contract `but` (0:
 * forget all). */
void agreed_forget_countered(struct sp_task *task, uint32_t but);

/* A contract of the program's was closed. */
void agreed_closed(struct sp_task *task, uint32_t number);

/* Copy what is known of a contract. False: there is none of this number. */
bool agreed_get(struct sp_task *task, uint32_t number, struct sp_contract_info *info);

/* Ask for a new term like the old one; the answer comes to agreed_note. Does not wait. */
void agreed_renew(struct sp_task *task, uint32_t number);

#endif
