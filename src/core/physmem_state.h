/* What the files of physmem share: its state, and the functions between them. */
#ifndef CORE_PHYSMEM_STATE_H
#define CORE_PHYSMEM_STATE_H

#include "core/contract.h"
#include "core/deadlines.h"
#include "core/frame_table.h"
#include "core/handles.h"
#include "core/memory.h"
#include "core/part_table.h"
#include "core/physmem.h"
#include "core/physmem_control.h"

/* A task may have so many extents, and one more for each EXTENT_SHARE frames of its contracts: far
 * more than it needs, but it cannot use up the descriptors of all. */
#define EXTENTS_PER_TASK 16u
#define EXTENT_SHARE     32u

/* What a deadline is for. */
enum purpose {
    PURPOSE_CONTRACT = 1,
    PURPOSE_RECALL,
    PURPOSE_UNMAP,
    PURPOSE_TICK,
    PURPOSE_LOOK,
};

/* Frames that a task was asked to return. Unused if missing is 0. */
struct recall {
    uint64_t id;
    uint32_t asked : 31;
    uint32_t overdue : 1;      /* its first deadline was missed */
    uint32_t missing;          /* not returned yet */
    uint64_t demands;          /* of the task, at which grace ends; UINT64_MAX: counts by time */
    struct contract *contract; /* whose kept frames they are; NULL: extra frames */
    struct deadline deadline;
    struct physmem_task *task;
};

/* A slot whose extent is not to be repossessed while it has a frame. */
struct vital {
    uint32_t container;
    uint32_t slot;
};

/* Rights that a task was asked to give up. */
struct unmap {
    uint64_t id;
    uint64_t deadline;
    uint32_t container;
    struct physmem_range range;
    uint8_t rights;
    bool answered;
};

/* What limits come to for a task; PHYSMEM_UNLIMITED: no limit. */
struct task_limit {
    uint32_t guaranteed;
    uint32_t extra;
    uint32_t user_guaranteed; /* of all tasks of its user */
    uint32_t user_extra;
    uint32_t weight; /* 0: as its contracts say */
    uint32_t priority;
};

/* A task without a row in the table. */
#define NO_ROW UINT32_MAX

/* A map request that waits for an extent. */
struct mapping {
    struct container *container; /* NULL: none waits */
    uint32_t seq;
    struct physmem_range range;
    uint8_t rights;
    bool control;
};

/* An allocation within a commitment that waits for frames. */
struct pending {
    struct pending *next;
    struct physmem_request request;
    struct physmem_allocation allocation;
    uint32_t need; /* frames */
};

enum task_state {
    TASK_THERE,
    TASK_REVOKED, /* has nothing any more, but is still connected */
    TASK_GONE,    /* listed only */
};

struct physmem_task {
    struct physmem_identity identity;
    uint32_t id;
    uint8_t state; /* enum task_state */
    uint8_t reason;
    bool breached;
    bool control;       /* has a control connection */
    bool watches;       /* is told when the availability changes */
    bool unheard;       /* and has not answered the last message about it */
    bool wants_extra;   /* was refused extra frames for pressure: is in the list of those */
    uint8_t pending;    /* requests that wait */
    uint8_t unmap_head; /* first unanswered entry of unmaps[] */
    uint8_t unmap_count;

    uint32_t guaranteed; /* by running contracts */
    uint32_t leased;
    uint32_t extra;
    uint32_t held;    /* frames of all containers */
    uint32_t soft;    /* given up softly and not reused yet; not held */
    uint32_t owed;    /* sum of recalls[].missing */
    uint32_t overdue; /* of these, of recalls that are overdue */
    uint32_t misses;  /* deadlines missed, less recalls met since; what is forborne has an end */
    uint32_t waiting; /* sum of need of its pending requests */
    uint32_t wanted;  /* extra frames that it asked for and has not got */
    uint32_t extents;
    uint32_t containers;
    uint32_t contracts;
    uint32_t contract_number; /* the last one given, to a contract or a part */
    uint32_t parts;           /* split off from its contracts, and not come back */

    uint64_t allocations;
    uint64_t demands; /* frames allocated, and requests refused for want of frames */
    uint64_t recalled;
    uint64_t recalls_met;
    uint64_t recalls_missed;
    uint64_t warnings;
    uint64_t penalty; /* charged for missed deadlines */
    uint64_t repossessed;
    uint64_t unmapped;
    uint64_t wanted_until; /* after that, wanted tells nothing */
    void *arbiter_own;     /* the arbiter's state for it */

    struct task_limit limit;
    uint32_t row;   /* in the policy server's table, or NO_ROW */
    uint32_t basis; /* control_basis, as the row has it */
    uint32_t told;  /* it was told when it was entitled to so many frames */
    bool changed;   /* since the row was written: is in the list of those */
    struct physmem_task *next_changed;

    struct contract *contract_list;
    struct container *container_list;
    struct sampling *sampling; /* NULL: it was not sampled yet */
    struct frame_stack *stack; /* NULL: none, or not ready */
    uint32_t stack_places;
    uint32_t stack_container; /* handle; 0: none */
    uint64_t frames_recalled;
    uint64_t recalls_transparent;
    uint64_t frames_transparent;
    uint64_t ghost_hits; /* as it said last */
    struct recall recalls[PHYSMEM_RECALLS_MAX];
    struct vital *vital; /* PHYSMEM_VITAL_MAX entries; NULL until the first is named */
    uint32_t vitals;
    struct unmap *unmaps;           /* ring of PHYSMEM_UNMAPS_MAX; NULL until the first */
    struct deadline unmap_deadline; /* of the oldest */
    struct mapping mapping;
    struct physmem_task *next; /* of those that are TASK_THERE, by id */
    struct physmem_task *prev;
    struct physmem_task *next_wanting;
    struct physmem_task *next_watching;
    struct physmem_task *prev_watching;
    struct physmem_availability heard; /* what it was told last */
    uint32_t hysteresis;               /* what has to change before it is told again */
};

/* The policy server's part; see core/physmem_control.h. */
struct control {
    uint8_t state; /* enum physmem_control */
    uint8_t ring;  /* PHYSMEM_RING_*: what it has not been told yet */
    bool rung;     /* it has not answered yet */
    bool growing;  /* a larger table was asked for */
    uint32_t controllers;
    uint64_t entitlements;
    struct control_table *table; /* NULL: there is none */
    uint32_t rows;
    uint32_t *free_row; /* a stack of those not used */
    uint32_t free_rows;
    uint32_t free_row_capacity;
    struct physmem_limit *limit;
    uint32_t limits;
    struct physmem_task *changed; /* whose rows are to be written */
    /* What the table says of each candidate, read once. */
    struct control_entitlement *entitlement;
    uint32_t entitlement_capacity;
    uint32_t *most; /* scratch: the most each candidate can give in the present step */
    uint32_t most_capacity;
};

struct physmem {
    struct physmem_config config;
    const struct allocator *allocator;
    uint64_t now;
    struct frame_table frames;
    struct handles containers; /* struct container */
    struct handles extents;    /* struct extent */
    struct deadlines deadlines;
    struct deadlines ends; /* of committed contracts, for retry hints */
    struct part_table parts;
    uint32_t watermark; /* extra frames are given above it */
    uint32_t available; /* frames that could be had when an input was last settled */

    uint32_t guaranteed; /* sums over tasks, and over parts that nobody has claimed yet */
    uint32_t leased;
    uint32_t unclaimed[SP_CONTRACT_KINDS]; /* frames of such parts */
    uint32_t owed;
    uint32_t overdue;
    uint32_t waiting;
    uint32_t extent_count;
    uint32_t audit_cursor; /* entry of extents */

    struct physmem_task **task; /* by id, those gone included */
    uint32_t tasks;
    uint32_t task_capacity;
    uint32_t tasks_there;
    uint32_t tasks_gone;
    uint32_t last_id;
    struct physmem_task *first; /* TASK_THERE */
    struct physmem_task *last;
    struct physmem_task *wanting_first; /* who was refused extra frames, in that order */
    struct physmem_task *wanting_last;
    struct pending *pending_first;
    struct pending *pending_last;

    struct physmem_task *watching;  /* who is told of its availability */
    struct physmem_task *look_next; /* of these, who is to be looked at next; NULL: none */
    struct deadline look;           /* when to go on */
    uint32_t moved;      /* frames that came or went since all were looked at; UINT32_MAX: look */
    uint32_t watch_step; /* look again when so many have */
    bool pressed;        /* frames are short */

    struct sp_arbiter_config arbiter_config;
    double arbiter_params[PARAMS_MAX];
    void *arbiter_self;
    size_t arbiter_size;
    size_t arbiter_task_size;
    struct deadline tick;    /* the arbiter's */
    uint64_t wanted_until;   /* until then some task wants extra frames */
    bool recalled_for_extra; /* who was refused extra frames is told as soon as some can be given */

    struct control control;

    /* For the arbiter, with room for every task. */
    struct sp_arbiter_task *candidate;
    struct physmem_task **candidate_task;
    uint32_t *take;
    uint32_t candidate_capacity;
    uint32_t candidate_task_capacity;
    uint32_t take_capacity;

    struct physmem_effect *effect;
    uint32_t effect_next;
    uint32_t effects;
    uint32_t effect_capacity;
    struct physmem_effect lost; /* written instead of an effect there is no memory for */
    struct physmem_map_item *item;
    uint32_t items;
    uint32_t item_capacity;
    bool failed;

    struct physmem_status counters; /* only what is not counted above */
};

/* Pages of one extent to be cleared, gathered. */
struct punch {
    struct extent *extent; /* NULL: none */
    uint32_t first;
    uint32_t count;
};

static inline uint32_t task_commitment(const struct physmem_task *task)
{
    return task->guaranteed + task->leased;
}

static inline uint32_t task_excess(const struct physmem_task *task)
{
    uint32_t commitment = task_commitment(task);

    return task->held > commitment ? task->held - commitment : 0;
}

/* Excess that has not been asked for yet. */
static inline uint32_t task_recallable(const struct physmem_task *task)
{
    return task_excess(task) - task->owed;
}

/* Frames that were asked for and may be expected in time. */
static inline uint32_t frames_coming(const struct physmem *physmem)
{
    return physmem->owed - physmem->overdue;
}

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

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
