/* What the files of physmem do for each other, by file. */
#ifndef CORE_PHYSMEM_INTERNAL_H
#define CORE_PHYSMEM_INTERNAL_H

#include "core/physmem/state.h"

/* ---- physmem.c ---- */

/* Take note of the time. */
void physmem_advance(struct physmem *physmem, uint64_t now);

/* A new effect to fill in; valid until the next one. */
struct physmem_effect *physmem_emit(struct physmem *physmem, enum physmem_effect_kind kind,
                                    struct physmem_task *task);

/* A reply; `error` is 0 or a positive errno value. */
struct physmem_effect *physmem_reply(struct physmem *physmem, enum physmem_effect_kind kind,
                                     const struct physmem_request *request, int error,
                                     const char *text);
void physmem_reply_done(struct physmem *physmem, const struct physmem_request *request, int error,
                        uint32_t count, const char *text);

/* Start on a request. False, and it is answered, if the task has been revoked. */
bool physmem_begin(struct physmem *physmem, uint64_t now, const struct physmem_request *request);

/* The end of every input: serve who waits, recall what they lack, tell who wanted extra frames. */
void physmem_settle(struct physmem *physmem);

/* ---- physmem_task.c ---- */

/* A breach: the task loses everything. Numbers as in the effect `revoked`. */
void task_revoke(struct physmem *physmem, struct physmem_task *task, enum sp_reason reason,
                 uint32_t asked, uint32_t missing);

/* ---- physmem_contract.c ---- */

/* The task's contract of this number, or NULL. */
struct contract *contract_find(struct physmem_task *task, uint32_t number);

/* A new contract in state NONE, at the end of the task's list; NULL without memory. */
struct contract *contract_add(struct physmem *physmem, struct physmem_task *task);

/* Promise frames under contracts of a kind to a task, or no longer. The sum of all promises is the
 * business of sums_add and sums_subtract. */
void task_promise(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                  uint32_t frames);
void task_unpromise(struct physmem *physmem, struct physmem_task *task, uint8_t kind,
                    uint32_t frames);
void sums_add(struct physmem *physmem, const struct contract *contract, uint32_t frames);
void sums_subtract(struct physmem *physmem, const struct contract *contract, uint32_t frames);

/* A term of the contract's begins now. */
void contract_activate(struct physmem *physmem, struct contract *contract);

/* Change what an active contract is about, after the sums have been changed. What the task then
 * holds beyond all it may have is recalled. */
void contract_grow(struct physmem *physmem, struct contract *contract, uint32_t frames);
void contract_shrink(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* An active contract is over: EXPIRED, or RECALLED if something is being recalled. So are the parts
 * below it, whose frames are kept until asked for (`keep`) or recalled at once. */
void contract_retire(struct physmem *physmem, struct contract *contract, bool keep);

/* Recall at once what is kept under a retired contract, which then ends. */
void contract_dissolve(struct physmem *physmem, struct contract *contract);

/* Free a contract, which comes to this end. Parts of it are recalled. */
void contract_end(struct physmem *physmem, struct contract *contract, enum sp_contract_state state);

/* Tell the task what became of its contract, or of a part split off from it (0: none). */
void contract_tell(struct physmem *physmem, struct contract *contract, uint32_t part,
                   enum sp_reason why);

void contract_due(struct physmem *physmem, struct contract *contract);

/* Frames kept under a contract were returned, or are no longer asked for. */
void contract_returned(struct physmem *physmem, struct contract *contract, uint32_t frames);
void contract_forgiven(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* Free all contracts of a task, which end in this state. */
void contracts_end(struct physmem *physmem, struct physmem_task *task,
                   enum sp_contract_state state);

/* ---- physmem_negotiate.c ---- */

/* The contract of a request, if it can take the step; else the request is answered. */
struct contract *contract_of_request(struct physmem *physmem, const struct physmem_request *request,
                                     uint32_t number, enum contract_step step);

/* Whether the task may have another contract; those that are over make room. */
bool contract_has_room(struct physmem *physmem, struct physmem_task *task);

/* Answer with an offer about a contract (NULL: there is none). */
struct physmem_effect *contract_reply(struct physmem *physmem,
                                      const struct physmem_request *request,
                                      const struct sp_offer *offer,
                                      const struct contract *contract);

/* ---- physmem_part.c ---- */

/* A part's frames are those of the contract above again. The part is freed. */
void part_return(struct physmem *physmem, struct part *part);

/* Whoever has the part does with fewer frames; the others are those of the contract above. */
void part_shrink(struct physmem *physmem, struct part *part, uint32_t frames);

/* All parts of a contract come back, and all below them; see contract_retire. */
void parts_end(struct physmem *physmem, struct contract *contract, bool keep);

/* ---- physmem_container.c ---- */

/* The task's container, or NULL; the request is then answered. */
struct container *container_of_request(struct physmem *physmem,
                                       const struct physmem_request *request, uint32_t handle);

/* The same for a request about ranges, all of which must lie within the container. */
struct container *begin_ranges(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t handle,
                               const struct physmem_range *ranges, uint32_t count);

/* Free a container with its frames and extents, without paying debts. Returns the frames that were
 * held. */
uint32_t container_destroy(struct physmem *physmem, struct container *container);

/* Gather pages to be cleared, of extents that are backed; punch_flush emits what was gathered. */
void punch_add(struct physmem *physmem, struct punch *punch, struct extent *extent, uint32_t slot);
void punch_flush(struct physmem *physmem, struct punch *punch);

/* Take the frame of a slot that has one, and clear it. */
void slot_drop(struct physmem *physmem, struct container *container, struct extent *extent,
               uint32_t slot, struct punch *punch);

/* Give up an extent's backing. */
void extent_destroy(struct physmem *physmem, struct physmem_task *task, struct extent *extent);

/* Take the oldest soft frame from its slot. There must be one. */
void soft_reuse(struct physmem *physmem, struct punch *punch);

/* ---- physmem_allocate.c ---- */

void pending_serve(struct physmem *physmem);

/* Drop what waits for a task, or for one container of it; answered with `error` unless 0. */
void pending_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text);

/* ---- physmem_extra.c ---- */

/* How many of `frames` more a task may have now beyond its commitment, while it takes `within`
 * frames within it. *pressurep: fewer than its contracts would allow; it is then told when there
 * are more. */
uint32_t extra_allowed(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames, bool *pressurep);

/* Tell those who were refused extra frames, if there are enough now. */
void extra_notify(struct physmem *physmem);

/* Tell one of them that there are some, and that it waits no longer. */
void extra_tell(struct physmem *physmem, struct physmem_task *task);

/* The task is told nothing any more. */
void extra_unwant(struct physmem *physmem, struct physmem_task *task);

/* ---- physmem_available.c ---- */

/* The deadline for looking at watchers. Returns 0 or -ENOMEM. */
int availability_start(struct physmem *physmem);
void availability_end(struct physmem *physmem);

/* A contract or a debt has changed: look at the watchers at the end of this input. */
void availability_changed(struct physmem *physmem);

/* At the end of an input: tell watchers what is new, pressure above all; and, after the recalls that
 * came of it, see to it that the rest are looked at soon. */
void availability_settle(struct physmem *physmem);
void availability_later(struct physmem *physmem);

/* The task is about to be asked for frames: if it watches, it hears of the pressure first. */
void availability_before_recall(struct physmem *physmem, struct physmem_task *task,
                                uint32_t frames);

/* The task is told nothing any more. */
void availability_unwatch(struct physmem *physmem, struct physmem_task *task);

/* ---- physmem_arbiter.c ---- */

/* The arbiter's state, made and freed. Returns 0 or -ENOMEM. */
int arbiter_start(struct physmem *physmem);
void arbiter_end(struct physmem *physmem);
int arbiter_task_start(struct physmem *physmem, struct physmem_task *task);
void arbiter_task_end(struct physmem *physmem, struct physmem_task *task);

/* Recall `missing` frames, or as many as can be, and up to `ahead` if that is more. */
void arbiter_short(struct physmem *physmem, uint32_t missing, uint32_t ahead);

/* A task asks for extra frames while there are not enough for all. Returns how many it gets. */
uint32_t arbiter_extra(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                       uint32_t frames);

/* The task wants so many extra frames, which it has not got. */
void arbiter_wants(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

void arbiter_tick(struct physmem *physmem);

/* What the arbiter would let the task have in all if it asked for
 * `frames` beyond its commitment, of which it has yet to claim `within`. */
uint32_t arbiter_available(struct physmem *physmem, struct physmem_task *task, uint32_t within,
                           uint32_t frames);

/* Whether there is someone to decide who gets extra frames. */
bool arbiter_grants(const struct physmem *physmem);

/* Describe one task. */
void arbiter_describe(const struct physmem *physmem, struct physmem_task *task,
                      struct sp_arbiter_task *out);

/* Frames that may be given out as extra now, when `within` are about to be taken within a
 * commitment; negative: so many have to come back first. */
int32_t arbiter_spare(const struct physmem *physmem, uint32_t within);

/* ---- physmem_control.c ---- */

void control_finish(struct physmem *physmem);

/* Room for one more task. Returns 0 or -ENOMEM. */
int control_reserve(struct physmem *physmem, uint32_t tasks);
void control_task_start(struct physmem *physmem, struct physmem_task *task);
void control_task_end(struct physmem *physmem, struct physmem_task *task);

/* Bound what the task can be promised by the limits for it and its user. */
void control_bound(const struct physmem *physmem, const struct physmem_task *task,
                   struct contract_limits *limits);

/* The table's row of the task is out of date. */
void control_changed(struct physmem *physmem, struct physmem_task *task);

/* The policy server is to be told (PHYSMEM_RING_*), if there is one. */
void control_ring(struct physmem *physmem, uint8_t what);

/* At the end of every input: write the rows that changed, and ring. */
void control_publish(struct physmem *physmem);

/* Whether the table, not the arbiter, decides. */
bool control_decides(const struct physmem *physmem);

/* Decide by the table: arguments, candidates and takes as for sp_arbiter.decide. */
uint32_t control_decide(struct physmem *physmem, uint32_t count,
                        const struct sp_arbiter_request *request);

/* What the table would let the asking task have: arguments as for sp_arbiter.available. */
uint32_t control_available(struct physmem *physmem, uint32_t count,
                           const struct sp_arbiter_request *request);

/* NULL if the table tells what the books say. */
const char *control_check(const struct physmem *physmem);

/* ---- physmem_recall.c ---- */

/* Whether another recall can be sent to the task. */
bool recall_is_possible(const struct physmem_task *task);

/* Recall so many frames of a task, at most what can be: unused extra frames are taken at once, the
 * others asked for. Returns how many. */
uint32_t recall_task(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* The control connection has ended: what was asked over it is due soon. */
void recall_hurry(struct physmem *physmem, struct physmem_task *task);

/* Recall frames that a contract of the task kept. */
uint32_t recall_kept(struct physmem *physmem, struct contract *contract, uint32_t frames);

/* Recall what those who wait still lack. True if frames came at once. */
bool recall_for_pending(struct physmem *physmem);

/* Frames came back: the recall that is due first counts them. */
void recall_pay(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* What is owed may not exceed the excess: after the commitment grew, forgive the rest. */
void recall_forgive(struct physmem *physmem, struct physmem_task *task);

/* The task allocated so many frames; 0: it asked and was refused. Grace that is counted so may have
 * run out, and the task be revoked. */
void recall_count_demand(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* The grace that a recall on account of a contract (NULL: of extra frames) has. */
struct grace {
    uint64_t grace;
    uint8_t unit; /* enum sp_grace_unit */
    bool may_clean;
};
struct grace recall_grace(const struct physmem_task *task, const struct contract *contract);

/* Grace begins again, for a recall whose deadline was missed. */
void recall_restart(struct physmem *physmem, struct recall *recall);

/* So many of the frames of a recall were taken from the task. */
void recall_settle(struct physmem *physmem, struct recall *recall, uint32_t frames);

void recalls_end(struct physmem *physmem, struct physmem_task *task);

/* Ask tasks that are overdue, before anybody else. Returns how many frames of `missing` were asked
 * for. */
uint32_t recall_from_late(struct physmem *physmem, uint32_t missing);

/* ---- physmem_stack.c ---- */

/* Take up to `frames` unused frames of a task, which physmem may take as things stand. Returns how
 * many. */
uint32_t stack_take(struct physmem *physmem, struct physmem_task *task, uint32_t frames);

/* Faults on pages evicted lately, as the task says: it may lie, but the number never falls. */
uint64_t stack_ghost_hits(struct physmem_task *task);

/* Frames that the task says it would use now, in all: any number; 0: it does not say. */
uint32_t stack_demand(const struct physmem_task *task);

/* Give the task's frame stack up. */
void stack_close(struct physmem *physmem, struct physmem_task *task);

/* ---- physmem_breach.c ---- */

/* The deadline of a recall has passed: do what the contract says. */
void recall_missed(struct physmem *physmem, struct recall *recall);

/* ---- physmem_repossess.c ---- */

/* Take frames that are missing from a recall, and say which. False if those that are not vital are
 * too few; nothing is taken then. */
bool repossess(struct physmem *physmem, struct recall *recall);

/* Forget the vital slots of one container, or (0) of all. */
void vital_forget(struct physmem *physmem, struct physmem_task *task, uint32_t container);

/* ---- physmem_sample.c ---- */

/* The part of what the task holds that it does not use, of SP_ARBITER_WHOLE; 0 if not known. */
uint32_t sample_idle(const struct physmem_task *task);

/* The task asks for rights to so many slots, of which it needs the first. Returns how many it may have
 * at once: up to the next whose use is watched for. */
uint32_t sample_mapped(struct physmem_task *task, uint32_t container, uint32_t start,
                       uint32_t count);

/* A slot lost its frame. */
void sample_lost(struct physmem_task *task, uint32_t container, uint32_t slot);
void sample_end(struct physmem *physmem, struct physmem_task *task);

/* ---- physmem_map.c ---- */

/* Have an extent audited, if it is backed. */
void extent_audit(struct physmem *physmem, struct extent *extent);

/* ---- physmem_unmap.c ---- */

/* Ask a task to unmap slots of one extent that have rights. False if it cannot be asked now. */
bool unmap_issue(struct physmem *physmem, struct physmem_task *task, struct container *container,
                 struct physmem_range range);

/* The oldest unmap was not answered in time. */
void unmap_due(struct physmem *physmem, struct physmem_task *task);

#endif
