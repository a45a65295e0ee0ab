/* The state of physmem: its tasks, their contracts and recalls, and the frames. For the files of
 * this folder.
 *
 * INVARIANTS between inputs (physmem_check counts everything again; sums are over all tasks there):
 *     buddy.free + frames.soft + sum of task.held + nobody.held   == config.frames
 *     upstream.away            <= buddy.free; upstream.due == sum of upstream.recall[].missing
 *     task.held                == sum of container.allocated;  task.soft == sum of container.soft
 *     task.guaranteed          == sum of terms.frames of its ACTIVE guaranteed contracts;
 *                                 also for task.leased (timed), task.extra (extra)
 *     physmem.guaranteed       == sum of task.guaranteed + unclaimed[SP_GUARANTEED];
 *                                 also for leased
 *     guaranteed + leased      <= frames_promisable
 *     task.owed                == sum of recalls[].missing <= task_excess(task)
 *     task.overdue             == that sum over recalls that are overdue
 *     contract.recalling       == sum of missing over its recalls <= contract.kept
 *     task.waiting             == sum of need of its pending requests
 *     pending_least            <= the least frames that any waiting request can be served with
 *     physmem.owed, overdue, waiting, extent_count == the sums over tasks
 *     clean extents            see core/physmem/copies.h
 *     weak references          see core/physmem/shares.h
 *     part.frames              == frames of the contract it was claimed as, and of all parts below
 *     a task is in the list of changed rows        iff task.changed; only if it has a row
 *     a recall's deadline runs                     iff recall.missing > 0 */
#ifndef CORE_PHYSMEM_STATE_H
#define CORE_PHYSMEM_STATE_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/assert.h"
#include "base/deadlines.h"
#include "base/handles.h"
#include "base/memory.h"
#include "core/containers/container.h"
#include "core/containers/stored.h"
#include "core/contracts/contract.h"
#include "core/contracts/limit.h"
#include "core/contracts/part_table.h"
#include "core/frames/frame_table.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "shm/control_table.h"
#include "shm/frame_stack.h"

/* A task without a row in the policy server's table. */
#define NO_ROW UINT32_MAX

/* Tasks that may have a weak reference to one container. */
#define SHARES_PER_CONTAINER 16u
/* Weak references that were given to one task by its number and that it has not taken yet. */
#define SHARES_GIVEN_MAX 256u

/* What a deadline is for. */
enum purpose {
    PURPOSE_CONTRACT = 1,
    PURPOSE_RECALL,
    PURPOSE_UNMAP,
    PURPOSE_TICK,
    PURPOSE_LOOK,
    PURPOSE_WORK,
    PURPOSE_FREE,
    PURPOSE_TELL,
    PURPOSE_LOCK,
    PURPOSE_UPSTREAM,
    PURPOSE_SWAP,
};

/* Frames that a task was asked to return. Unused if missing is 0. */
struct recall {
    uint64_t id;
    uint32_t asked : 29;
    uint32_t overdue : 1;      /* its first deadline was missed */
    uint32_t place : 2;        /* among those of its task */
    uint32_t missing;          /* not returned yet */
    uint64_t demands;          /* of the task, at which grace ends; UINT64_MAX: counts by time */
    struct contract *contract; /* whose kept frames they are; NULL: extra frames */
    struct deadline deadline;
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
    uint32_t above;      /* token of what was asked for by the physmem above; 0: it was not */
    uint32_t referenced; /* slots, as far as the task has told */
    uint32_t dirty;
    uint8_t rights;
    bool answered;
};

/* A map request that waits for an extent. */
struct mapping {
    struct container *container; /* NULL: none waits */
    uint32_t seq;
    struct physmem_range range;
    uint8_t rights;
    bool control;
};

/* A request to copy that waits for a clean extent. */
struct copying {
    uint32_t seq;
    uint32_t extent; /* handle; 0: no request waits */
    uint32_t from;   /* handles of containers */
    uint32_t to;
    uint32_t pieces;
    bool control;
    struct physmem_piece piece[PHYSMEM_PIECES_MAX];
};

/* What a request to swap waits for. */
enum swapping_step {
    SWAPPING_NONE,   /* there is no request */
    SWAPPING_STORE,  /* its pages to be stored */
    SWAPPING_OTHERS, /* pages that other tasks are having stored or loaded */
    SWAPPING_EXTENT, /* a clean extent to load into */
    SWAPPING_LOAD,   /* its pages to be loaded */
};

/* What a task has in swap, and its request about that which waits. */
struct swapping {
    struct stored_account *account;
    uint8_t step;  /* enum swapping_step */
    uint8_t tries; /* times that pages were to be stored which others could not store */
    bool in;       /* the request is to have pages back */
    bool control;
    uint32_t seq;
    uint32_t container; /* handle */
    uint64_t version;   /* of that, when pages were last looked at: any other is in the way */
    uint64_t turn;      /* requests that came before go first */
    uint32_t start;
    uint32_t count;
    uint32_t extent;                   /* handle of the clean extent; 0: none */
    uint32_t loads;                    /* pages on the way to it, ... */
    uint32_t load[PHYSMEM_SWAP_MAX];   /* ... which are for these slots, from `start` on */
    uint32_t number[PHYSMEM_SWAP_MAX]; /* references by slot; 0: its page is back */
};

/* A request to give many frames back that is carried out in slices. */
struct freeing {
    struct physmem_request request;
    struct deadline deadline; /* when to go on */
    uint32_t container;       /* handle */
    uint32_t frames;          /* that came back so far */
    uint32_t count;           /* of ranges */
    uint32_t next;            /* those before are done */
    struct physmem_range ranges[];
};

/* A weak reference to a container: another task may copy from and to slots that the owner pays for. */
struct share {
    struct container *container;
    struct physmem_task *task; /* that has it, or may take it; NULL: any that shows the token */
    struct share *next;        /* of the container */
    struct share *next_of_task;
    struct share *prev_of_task;
    uint64_t token;   /* 0: it was given to the task by its number */
    uint64_t lock_ns; /* the longest lock; 0: none */
    uint32_t number;  /* among those of the container */
    uint8_t rights;
    bool adopted; /* the task has taken it */
    bool last;    /* the owner wants it back: it locks no more */
};

/* With which tasks a container is shared, and which of them has locked it.
 * INVARIANT: the deadline runs iff locker is not NULL; waits only then. */
struct sharing {
    struct container *container;
    struct share *first;
    struct share *locker;     /* NULL: the container is not locked */
    struct deadline deadline; /* of the lock */
    uint32_t shares;
    uint32_t numbers; /* given so far */
    uint32_t seq;     /* of the request to lock, while that waits for the owner to unmap */
    bool control;
    bool waits;
};

/* An allocation within a commitment that waits for frames. */
struct pending {
    struct pending *next;
    uint64_t patient_until; /* later requests may overtake it before that */
    struct physmem_request request;
    struct physmem_allocation allocation;
    uint32_t need; /* frames */
};

enum task_standing {
    STANDING_THERE,
    STANDING_REVOKED, /* has lost everything, but is still connected */
    STANDING_GONE,    /* listed only */
};

struct physmem_task {
    struct physmem_identity identity;
    uint32_t id;
    uint8_t state; /* enum task_standing */
    uint8_t reason;
    bool breached;
    bool control;       /* has a control connection */
    bool watches;       /* is told when the availability changes */
    bool unheard;       /* and has not answered the last message about it */
    bool wants_extra;   /* was refused extra frames for pressure: is in the list of those */
    uint8_t pending;    /* requests that wait */
    bool stale;         /* something changed that their plans depend on */
    uint8_t unmap_head; /* first unanswered entry of unmaps[] */
    uint8_t unmap_count;

    uint32_t guaranteed; /* by running contracts */
    uint32_t leased;
    uint32_t extra;
    uint32_t held;    /* frames of all containers */
    uint32_t soft;    /* given up softly and not reused yet; not held */
    uint32_t owed;    /* sum of recalls[].missing */
    uint32_t overdue; /* of these, of recalls that are overdue */
    uint32_t misses;  /* deadlines missed, less recalls met since; see PHYSMEM_WARNINGS */
    uint32_t waiting; /* sum of need of its pending requests */
    uint32_t passed;  /* the last pass through the queue in which one of them went on waiting */
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
    uint64_t wanted_until;  /* after that, wanted tells nothing */
    uint64_t refused_until; /* extra frames; until then the arbiter is not asked again */
    uint64_t refused_at;    /* generation of the books then: see core/physmem/extra.c */
    void *arbiter_own;      /* the arbiter's state for it */

    struct limits_found limit;
    uint32_t row;          /* in the policy server's table, or NO_ROW */
    uint32_t basis;        /* control_table_basis, as the row has it */
    uint32_t told;         /* its entitlement when last told; falls with it */
    bool changed;          /* since the row was written: is in the list of those */
    uint16_t shares_given; /* weak references from others that it has not taken yet */
    struct physmem_task *next_changed;

    struct contract *contract_list;
    struct container *container_list;
    struct share *share_list;  /* to the containers of others; those it has not taken yet, too */
    struct sampling *sampling; /* NULL: it was not sampled yet */
    struct frame_stack *stack; /* NULL: none, or not ready */
    uint32_t stack_places;
    uint32_t stack_container; /* handle; 0: none */
    uint64_t frames_recalled;
    uint64_t recalls_transparent;
    uint64_t frames_transparent;
    uint64_t ghost_hits; /* as it said last */
    struct recall recalls[PHYSMEM_RECALLS_MAX];
    struct vital *vital;            /* PHYSMEM_VITAL_MAX entries; NULL until the first is named */
    struct unmap *unmaps;           /* ring of PHYSMEM_UNMAPS_MAX; NULL until the first */
    struct deadline unmap_deadline; /* of the oldest */
    struct mapping mapping;
    struct copying *copying;   /* NULL until the first */
    struct swapping *swapping; /* NULL until the first */
    struct freeing *freeing;   /* NULL: none */
    struct physmem_task *next; /* of those that are STANDING_THERE, by id */
    struct physmem_task *prev;
    struct physmem_task *next_wanting;
    struct physmem_task *next_watching;
    struct physmem_task *prev_watching;
    struct physmem_availability heard; /* what it was told last */
    uint32_t hysteresis;               /* what has to change before it is told again */
    uint32_t vitals;                   /* of vital */
};

/* Recalls from above that are counted each for itself. There can be more than PHYSMEM_RECALLS_MAX: the physmem above may
 * have added several to one of its own. */
#define UPSTREAM_RECALLS 16u

/* Frames that the physmem above has recalled, and that are not free yet. Unused if missing is 0. */
struct upstream_recall {
    uint32_t missing;
    uint64_t when; /* tasks that are asked must have answered by then */
};

/* What concerns the physmem above: see core/physmem/upstream.h. All zeros where there is none. */
struct upstream_state {
    uint32_t away;      /* of config.frames, not held above now; they lie free in the frame table */
    uint32_t committed; /* frames that contracts above promise, until ... */
    uint64_t ends;      /* ... then; DEADLINE_NEVER */
    uint32_t due;       /* sum of recall[].missing */
    uint32_t asked;     /* frames that were asked for above, and not answered yet */
    bool refused;       /* above has no more, until it says otherwise */
    struct upstream_recall recall[UPSTREAM_RECALLS];
    struct deadline deadline; /* of the recall that is due first */
};

/* What concerns the policy server: see core/physmem/policyserver.h. */
struct policyserver_state {
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
    struct limit *limit;
    uint32_t limits;
    struct physmem_task *changed; /* tasks whose rows must be written */
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
    struct contract
        *spare; /* memory of the last contract that ended, for the next one; may be NULL */
    struct part_table parts;
    struct part *untold; /* parts whose last change was not told yet */
    struct deadline tell;
    uint32_t watermark; /* extra frames are given above it */
    uint32_t available; /* frames_available when an input was last settled */

    uint32_t guaranteed; /* sums over tasks, and over parts that nobody has claimed yet */
    uint32_t leased;
    uint32_t unclaimed[SP_CONTRACT_KINDS]; /* frames of such parts */
    uint64_t promised_changes;             /* of any task's promises so far */
    uint32_t owed;
    uint32_t overdue;
    uint32_t waiting;
    uint32_t extent_count; /* homes */
    uint32_t cleans;       /* clean extents */
    uint32_t pages_shared; /* their pages that more than one slot names */
    uint64_t copy_pass;    /* the last number of a request to copy: see copies_mark */
    struct stored stored;  /* pages in swap */
    uint64_t swap_turn;    /* the last one given */
    struct deadline
        swap_work; /* when to give up what tasks that have gone had there, and look at requests that wait */
    uint32_t audit_cursor; /* entry of extents */
    uint32_t audit_turn;   /* times that it went round */

    struct physmem_task **task; /* by id, those gone included */
    uint32_t tasks;
    uint32_t task_capacity;
    uint32_t tasks_there;
    uint32_t tasks_gone;
    uint32_t last_id;
    /* Owner of the containers that are being freed, slice by slice: their frames, soft frames and
     * extents count here, like those of a task. It is in no list, and not STANDING_THERE. */
    struct physmem_task nobody;
    struct deadline work;       /* when to go on freeing */
    struct physmem_task *first; /* STANDING_THERE */
    struct physmem_task *last;
    struct physmem_task *wanting_first; /* tasks that were refused extra frames, in that order */
    struct physmem_task *wanting_last;
    struct pending *pending_first;
    struct pending *pending_last;
    uint64_t patience_ns;   /* how long a request may be overtaken: the longest grace */
    uint32_t pending_pass;  /* passes through the queue, counted */
    uint32_t pending_cuts;  /* times that requests were cancelled */
    uint32_t pending_least; /* no request can be served while fewer frames are free */
    bool pending_stale;     /* something changed that the plan of a waiting request depends on */

    struct physmem_task *watching;  /* tasks that are told of their availability */
    struct physmem_task *look_next; /* of these, the next to be looked at; NULL: none */
    struct deadline look;           /* when to go on */
    uint32_t moved;      /* frames that came or went since all were looked at; UINT32_MAX: look */
    uint32_t watch_step; /* look again when so many have */
    bool pressed;        /* frames are short */

    struct sp_arbiter_config arbiter_config;
    double arbiter_params[PARAMS_MAX];
    void *arbiter_self;
    size_t arbiter_size;
    size_t arbiter_task_size;
    struct deadline tick;    /* of the arbiter */
    uint64_t wanted_until;   /* until then some task wants extra frames */
    bool recalled_for_extra; /* tasks refused extra frames are told as soon as some can be given */

    struct policyserver_state policyserver;
    struct upstream_state upstream;

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

/* The task that was asked for frames. */
static inline struct physmem_task *recall_debtor(struct recall *recall)
{
    check(recall->place < PHYSMEM_RECALLS_MAX);
    char *first = (char *)(recall - recall->place);

    return (struct physmem_task *)(void *)(first - offsetof(struct physmem_task, recalls));
}

static inline uint32_t task_commitment(const struct physmem_task *task)
{
    check(task->leased <= UINT32_MAX - task->guaranteed);
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
    check(task->owed <= task_excess(task));
    return task_excess(task) - task->owed;
}

/* Whether another recall of the task may run beside those that do. */
static inline bool task_can_recall(const struct physmem_task *task)
{
    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++)
        if (task->recalls[i].missing == 0)
            return true;
    return false;
}

/* Whether a task may be asked for frames now: it has fewer recalls open than it may have, or the physmem above waits, and
 * the frames can be added to one of them. */
static inline bool task_may_be_asked(const struct physmem *physmem, const struct physmem_task *task)
{
    check(task->overdue <= task->owed);
    return task_can_recall(task) || (physmem->upstream.due > 0 && task->overdue < task->owed);
}

/* The frames in the pool now. Under another physmem they may be fewer than the configuration says. */
static inline uint32_t frames_there(const struct physmem *physmem)
{
    check(physmem->upstream.away <= physmem->config.frames);
    return physmem->config.frames - physmem->upstream.away;
}

/* Frames that contracts may promise in all: extra frames from above can be recalled at any time,
 * and are therefore nothing to promise. */
static inline uint32_t frames_promisable(const struct physmem *physmem)
{
    uint32_t most = physmem->config.stacked ? physmem->upstream.committed : physmem->config.frames;

    check(most <= physmem->config.frames);
    return most > physmem->config.reserve ? most - physmem->config.reserve : 0;
}

/* Frames that physmem can give out now, soft ones included: those of containers that are being
 * freed are free as soon as a task needs them. */
static inline uint32_t frames_available(const struct physmem *physmem)
{
    check(physmem->nobody.held <= physmem->frames.used);
    check(physmem->upstream.away <= physmem->frames.buddy.free);
    return frame_table_available(&physmem->frames) + physmem->nobody.held - physmem->upstream.away;
}

/* Frames that were asked for and may be expected in time. */
static inline uint32_t frames_coming(const struct physmem *physmem)
{
    check(physmem->overdue <= physmem->owed);
    return physmem->owed - physmem->overdue;
}

static inline uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline bool container_is_locked(const struct container *container)
{
    check(container->sharing == NULL || container->sharing->container == container);
    return container->sharing != NULL && container->sharing->locker != NULL;
}

/* Something changed that the plans of the task's waiting requests depend on. */
static inline void task_plans_stale(struct physmem *physmem, struct physmem_task *task)
{
    if (task->pending == 0)
        return;
    check(task->pending <= PHYSMEM_PENDING_MAX);
    task->stale = true;
    physmem->pending_stale = true;
}

/* The end of the extent that a slot lies in, or `end` if that comes first. */
static inline uint32_t extent_end(uint32_t slot, uint32_t end)
{
    check(slot < end);
    return smaller(end, (slot / EXTENT_PAGES + 1) * EXTENT_PAGES);
}

#endif
