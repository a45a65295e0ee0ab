/* The physical memory server without its sockets: tasks, contracts, containers, frames, recalls.
 *
 * Pure: every input carries the time (nanoseconds; never taken back: an earlier one counts as the
 * latest seen), and what has to happen outside comes out as effects, to be taken in order with
 * physmem_next_effect after each input, before the next one. Descriptors are numbers that whoever
 * carries out the effects chooses. The libuv server and a world in virtual time are shells around
 * the same functions.
 *
 * BOOKS, checked by physmem_check. Frames: free + soft + sum of held == frames. A task's commitment
 * C is what its running guaranteed and timed contracts promise; the sum of all C never exceeds the
 * frames less the reserve; what a task holds beyond C is its excess, all that can be recalled from
 * it. Hence a request within C can always be served once others have returned their excess, or
 * missed the deadline and lost everything: physmem waits for deadlines, never for a task. Parts of
 * contracts move promises from task to task, and never change their sum.
 *
 * A task is named by pointer from physmem_task_add to physmem_task_gone. Replies carry the `seq` of
 * the request, and positive errno values. */
#ifndef CORE_PHYSMEM_PHYSMEM_H
#define CORE_PHYSMEM_PHYSMEM_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/arbiter.h>
#include <selfpage/contract.h>
#include <selfpage/counters.h>
#include <selfpage/task.h>

#include "base/allocator.h"
#include "base/params.h"
#include "base/random.h"
#include "core/containers/container.h"
#include "shm/frame_stack.h"

struct physmem;
struct physmem_task;

#define PHYSMEM_MAPS_MAX       64u    /* pieces in one reply to map */
#define PHYSMEM_ALLOCATE_MAX   65536u /* slots in one request */
#define PHYSMEM_CONTAINERS_MAX 256u   /* of one task */
#define PHYSMEM_PENDING_MAX    16u    /* requests of one task that wait for frames */
#define PHYSMEM_UNMAPS_MAX     16u    /* unmaps of one task that are not answered */
#define PHYSMEM_RECALLS_MAX    4u     /* recalls of one task that are not met */
#define PHYSMEM_DEAD_MAX       1024u  /* tasks that have gone and stay listed */

/* Of so many frames, those that may be given out as extra frames. The others, the PHYSMEM_KEPT_SHARE'th
 * part and at least one, are kept for requests within guarantees. */
#define PHYSMEM_KEPT_SHARE 32u
static inline uint32_t physmem_extra_frames(uint32_t frames)
{
    return frames - (frames / PHYSMEM_KEPT_SHARE > 0 ? frames / PHYSMEM_KEPT_SHARE : 1);
}

/* A watcher is told of its availability when that has changed by the frames it names, and by at
 * least the PHYSMEM_HYSTERESIS_SHARE'th part of all frames. */
#define PHYSMEM_HYSTERESIS_SHARE 256u

/* An unmap not answered for so long is a breach. */
#define PHYSMEM_UNMAP_GRACE_NS UINT64_C(10000000000)
/* A task that has to be asked but has no control connection may be about to end: it gets so long.
 */
#define PHYSMEM_HANGUP_GRACE_NS UINT64_C(250000000)
/* Grace counted in allocations counts the frames that a task allocates, and each request that is
 * refused for want of frames as one more (who owes gets nothing beyond its commitment). It ends
 * after so long at the latest, or a task that does nothing could keep others waiting for ever. */
#define PHYSMEM_SILENCE_NS UINT64_C(60000000000)

/* How many deadlines a task may miss, less the recalls that it met since, before forbearance (the
 * rungs warn and penalty) is over. Viengoos' 8 counts something else: evictions without a warning,
 * after one failure. Here each warning lengthens the longest wait for the frames by one grace, so it
 * is few. */
#define PHYSMEM_WARNINGS 3u
/* Slots that a task may name as vital (Exokernel's libraries: 5 to 10 pages). */
#define PHYSMEM_VITAL_MAX 16u

struct physmem_config {
    const struct allocator *allocator; /* outlives physmem */
    const struct sp_arbiter *arbiter;  /* outlives physmem */
    double arbiter_params[PARAMS_MAX]; /* in the order of arbiter->params */
    uint32_t frames;                   /* 1 to BUDDY_FRAMES_MAX */
    uint32_t reserve;                  /* of these, never promised; less than frames */
    unsigned max_order;                /* of blocks; at most BUDDY_MAX_ORDER */
    uint64_t max_term_ns;              /* longest term given; 0: SP_FOREVER */
    uint64_t unmap_grace_ns;           /* 0: PHYSMEM_UNMAP_GRACE_NS */
    uint64_t silence_ns;               /* 0: PHYSMEM_SILENCE_NS */
    uint32_t warnings;                 /* 0: PHYSMEM_WARNINGS */
};

/* Flags of an allocation: those of the wire. */
#define PHYSMEM_PARTIAL 1u
#define PHYSMEM_SQUASH  2u
#define PHYSMEM_EXTRA   4u
#define PHYSMEM_ZERO    8u
#define PHYSMEM_FLAGS   16u

/* `count` slots from `start`. */
struct physmem_range {
    uint32_t start;
    uint32_t count;
};

/* One piece of a mapping. */
struct physmem_map_item {
    uint32_t slot;
    uint32_t count;
    uint32_t extent;
    uint32_t offset; /* pages */
};

enum physmem_notice {
    PHYSMEM_EXPIRING = 0,
    PHYSMEM_EXPIRED = 1,
    PHYSMEM_AVAILABLE = 2,
};

enum physmem_effect_kind {
    /* Replies, over the connection that the request came by. */
    PHYSMEM_REPLY_DONE,         /* count */
    PHYSMEM_REPLY_ALLOCATED,    /* allocated */
    PHYSMEM_REPLY_MAPPED,       /* mapped */
    PHYSMEM_REPLY_CONTAINER,    /* container */
    PHYSMEM_REPLY_AVAILABILITY, /* availability */
    PHYSMEM_REPLY_PART,         /* part */
    PHYSMEM_REPLY_STACK,        /* stack: send the descriptor, then close it */
    PHYSMEM_REPLY_OFFER,        /* offer; the last of the replies */
    /* To be sent over the control connection. */
    PHYSMEM_SEND_RECALL,       /* recall */
    PHYSMEM_SEND_UNMAP,        /* unmap */
    PHYSMEM_SEND_NOTICE,       /* notice */
    PHYSMEM_SEND_CHANGED,      /* changed */
    PHYSMEM_SEND_WARNED,       /* warned; and tell the log */
    PHYSMEM_SEND_REPOSSESSED,  /* repossessed; and tell the log */
    PHYSMEM_SEND_AVAILABILITY, /* availability: answered by physmem_availability_heard */
    /* A breach: tell the task (control connection, if it has one) and the log. */
    PHYSMEM_SEND_REVOKED, /* revoked */
    PHYSMEM_CLOSE_CONTROL,
    PHYSMEM_KILL, /* send SIGKILL to its pid */
    /* Extents. */
    PHYSMEM_EXTENT_CREATE,  /* extent: make `count` pages; answered by physmem_extent_ready */
    PHYSMEM_EXTENT_SEND,    /* extent: give the descriptor to the task (request connection) */
    PHYSMEM_EXTENT_PUNCH,   /* extent: clear `count` pages from `offset` */
    PHYSMEM_EXTENT_AUDIT,   /* extent: may have `count` pages; answered by physmem_audited */
    PHYSMEM_EXTENT_DESTROY, /* extent: cut to nothing, close */
    /* The policy server: see core/physmem/control.h. */
    PHYSMEM_CONTROL_RING, /* ring: tell it; not again before physmem_control_entitled */
    PHYSMEM_CONTROL_GROW, /* a larger table is needed: answered by physmem_control_table */
    /* Frame stacks. */
    PHYSMEM_STACK_CREATE, /* stack: make one of at least `places`, zeros, of sealed size, and map it;
                              answered by physmem_stack_ready, with seq and control of the effect */
    PHYSMEM_STACK_DESTROY, /* stack: unmap it */
};

/* Who decides. */
enum physmem_control {
    PHYSMEM_UNCONTROLLED = 0, /* no policy server has been there yet */
    PHYSMEM_CONTROLLED = 1,
    PHYSMEM_LEFT = 2, /* it is gone: its last table stands */
};

/* How much a task could have: see struct sp_availability. */
struct physmem_availability {
    uint32_t available;
    uint32_t held;
    uint32_t promised;
    uint32_t pressure;
};

struct physmem_effect {
    enum physmem_effect_kind kind;
    uint32_t seq;              /* replies */
    uint32_t error;            /* replies: 0, or a positive errno value */
    bool control;              /* replies: the request came over the control connection */
    const char *text;          /* replies: static text about the error, or NULL */
    struct physmem_task *task; /* NULL: concerns no task that is there */
    union {
        uint32_t count;
        struct {
            uint32_t count;
            bool zeroed;
        } allocated;
        struct {
            uint32_t first; /* of physmem_map_items */
            uint32_t count;
            uint8_t rights;
        } mapped;
        struct {
            uint32_t container;
        } container;
        struct {
            struct sp_offer offer;
            uint32_t change; /* counts what became of the contract: the higher, the newer */
            uint8_t state;
        } offer;
        struct {
            struct sp_part part;
            uint32_t change; /* of the contract */
        } part;
        struct { /* a contract, not by a request about it */
            uint32_t contract;
            uint32_t part;   /* split off from it, that this is about; 0: none */
            uint32_t frames; /* of the contract now */
            uint32_t change;
            uint8_t state; /* enum sp_contract_state */
            uint8_t why;   /* enum sp_reason */
        } changed;
        struct {
            uint64_t id;
            uint64_t grace;
            uint32_t frames;
            uint8_t unit;
            bool may_clean;
        } recall;
        struct {
            uint64_t id;
            uint32_t container;
            struct physmem_range range;
            uint8_t rights;
        } unmap;
        struct {
            uint8_t what; /* enum physmem_notice */
            uint32_t contract;
            uint32_t guaranteed;
            uint32_t extra;
        } notice;
        struct physmem_availability availability;
        struct {         /* a deadline was missed, and there is another */
            uint64_t id; /* of the recall */
            uint64_t grace;
            uint64_t charged;
            uint32_t missing;
            uint32_t left; /* so many misses more */
            uint8_t unit;
        } warned;
        struct { /* slots were taken by force; physmem_map_items: slot and count of each piece */
            uint64_t id;
            uint32_t container;
            uint32_t first;
            uint32_t count; /* at most half of EXTENT_PAGES */
            uint32_t frames;
        } repossessed;
        struct {
            uint8_t reason;   /* enum sp_reason */
            uint32_t asked;   /* frames or pages that were asked for, or allowed */
            uint32_t missing; /* of these, not returned; or beyond what was allowed */
            uint32_t lost;    /* frames that are taken from the task */
        } revoked;
        struct {
            uint32_t extent;
            uint32_t descriptor;
            uint32_t offset;
            uint32_t count;
        } extent;
        uint32_t ring; /* PHYSMEM_RING_* */
        struct {
            struct frame_stack *stack;
            uint32_t places;
            uint32_t descriptor;
        } stack;
    };
};

/* Who a task is. */
struct physmem_identity {
    char name[SP_NAME_MAX];
    uint32_t pid;
    uint32_t uid;
    uint64_t key; /* that its control connection must show */
    void *peer;   /* for whoever carries out effects */
};

/* What a request needs to be answered. */
struct physmem_request {
    struct physmem_task *task;
    uint32_t seq;
    bool control; /* came over the control connection */
};

struct physmem_allocation {
    uint32_t container;
    uint32_t start;
    uint32_t count;
    uint8_t flags;
    uint8_t order;
};

/* What is known of a task, alive or gone. */
struct physmem_task_status {
    SP_TASK_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/* free + soft + sum of held == frames. What the server around this core counts stays 0: messages,
 * violations, passes, recall_passes. */
struct physmem_status {
    SP_PHYSMEM_STATUS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

/* A physmem with all frames free. Returns 0, -EINVAL (a number of the configuration is out of
 * range) or -ENOMEM. */
int physmem_new(struct physmem **physmemp, const struct physmem_config *config);

/* Free everything; tasks need not have gone. No effects come of it. */
void physmem_free(struct physmem **physmemp);

/* ---- Time and effects ---- */

/* When physmem_tick is due; DEADLINE_NEVER if nothing runs. */
uint64_t physmem_deadline(const struct physmem *physmem);

/* Carry out what is due: notices, ends of terms, missed deadlines. */
void physmem_tick(struct physmem *physmem, uint64_t now);

/* Take the next effect. False if there is none. */
bool physmem_next_effect(struct physmem *physmem, struct physmem_effect *effect);

/* The pieces of a PHYSMEM_REPLY_MAPPED, until the next input. */
const struct physmem_map_item *physmem_map_items(const struct physmem *physmem, uint32_t first);

/* True once an effect was lost for want of memory: the books no longer tell what is out there, and
 * physmem must end. */
bool physmem_has_failed(const struct physmem *physmem);

/* ---- Tasks ---- */

/* A task has come; its number is physmem_task_id. Returns 0 or -ENOMEM. */
int physmem_task_add(struct physmem *physmem, uint64_t now, const struct physmem_identity *identity,
                     struct physmem_task **taskp);
uint32_t physmem_task_id(const struct physmem_task *task);
const struct physmem_identity *physmem_task_identity(const struct physmem_task *task);

/* The task of this number that is there, or NULL. */
struct physmem_task *physmem_task_find(struct physmem *physmem, uint32_t id);

/* Its control connection is there, or has ended. Without one a task gets no contract, and is in
 * breach PHYSMEM_HANGUP_GRACE_NS after the first recall that should have gone there, or, if it was
 * asked for something before, after the end of the connection. */
void physmem_control_opened(struct physmem *physmem, struct physmem_task *task);
void physmem_control_closed(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* Its control connection took no more messages: a breach. */
void physmem_control_stuck(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* The task is gone: everything it had is free, and the pointer is invalid. */
void physmem_task_gone(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* Recall up to `frames` frames from the first task of this name, though nobody needs them. Returns
 * how many were recalled, or -ENOENT. */
int64_t physmem_recall_from(struct physmem *physmem, uint64_t now, const char *name,
                            uint32_t frames);

/* ---- Requests. Each is answered by one reply, as a rule at once. A task that has been revoked
 * gets EPIPE for every one. ---- */

/* Answered by an offer; ENOTCONN without a control connection, ENOMEM. */
void physmem_propose(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     const struct sp_terms *terms);

/* The following name a contract of the task's. If its state does not permit the step, the errno
 * value and the text tell the state: ENOENT (no contract of this number, or closed), EBUSY
 * (countered), EALREADY (active: there is nothing to accept), ETIME (expired), EINPROGRESS
 * (recalled). */

/* Agree to a counter-offer, to a countered renewal or growth. An offer. */
void physmem_accept(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t contract);

/* A new term from now, of an active or expired contract. An offer; refused for a part. */
void physmem_renew(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t contract, uint64_t term_ns);

/* More or fewer frames, of an active contract. More are answered like a proposal, and refused for a
 * part. Fewer are agreed to at once, and what the task holds too much is recalled. An offer. */
void physmem_resize(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t contract, uint32_t frames);

/* Split a part off from an active contract; `token` is random. A part; EINVAL (frames), EMLINK (too
 * deep), EMFILE (too many), EAGAIN (token), ENOMEM. */
void physmem_split(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t contract, uint32_t frames, uint64_t token);

/* Whoever shows the token gets the part as a contract. An offer; ENOENT (no such token), EALREADY
 * (claimed), EINVAL (by a task above it), ENOTCONN, ENOMEM. */
void physmem_claim(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint64_t token);

/* Take a part back from whoever has it. An offer: the contract it was split off from; ENOENT. */
void physmem_reabsorb(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t part);

/* End a contract, active or expired, or decline a counter-offer. What the task holds beyond its
 * other contracts is recalled. Done. */
void physmem_close_contract(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t contract);

/* How much the task could have. */
void physmem_ask_availability(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request);

/* The same; and from now on (`on`), until it is switched off, the task is told over its control
 * connection: when the figure has changed by `hysteresis` frames, when frames begin to be short,
 * and when they no longer are. Before it is recalled from it has been told of pressure. One message
 * at most is under way: the next comes after physmem_availability_heard, if there still is news. */
void physmem_watch_availability(struct physmem *physmem, uint64_t now,
                                const struct physmem_request *request, bool on,
                                uint32_t hysteresis);
void physmem_availability_heard(struct physmem *physmem, uint64_t now, struct physmem_task *task);

/* A container of holes. EINVAL (slots), EMFILE (too many), ENOMEM. */
void physmem_container_create(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, uint32_t slots);

/* Its frames are free. Done: count of frames; ENOENT. */
void physmem_container_destroy(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t container);

/* Frames for slots. Within the commitment the reply may have to wait for recalls; beyond it (EXTRA)
 * it never does.
 *   EEXIST  a slot is occupied (SQUASH drops it instead); count: slots before it
 *   ENOMEM  not within what the contracts allow, or extra under pressure
 *   ENOENT (container), EINVAL (range, flags, order), EBUSY (too many requests wait)
 * Blocks (order > 0) need no more than as many single frames: what is in the way is moved
 * (core/frames/compact.h). A block keeps its numbers in a row until a part of it goes.
 * PARTIAL makes a success of at least one slot; nothing is allocated otherwise. */
void physmem_allocate(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_allocation *allocation);

/* Give frames back, to the pool or softly. Holes are passed over. Done: count of frames that came
 * back; ENOENT, EINVAL (and then nothing is done). */
void physmem_deallocate(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container,
                        const struct physmem_range *ranges, uint32_t count);
void physmem_release(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* Take soft frames back, with their contents, up to the first failure. Done: count of slots that
 * are allocated now; ENOENT (reused), ENOMEM (not within what the contracts allow), EINVAL. */
void physmem_recover(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* The task gives up its rights to slots. Done: count of slots that had some; ENOENT, EINVAL. */
void physmem_unmap_own(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* Name all slots of a container that are vital: no longer those that were. An extent with a vital
 * slot that has a frame is not repossessed. Done: count; ENOENT, EINVAL, E2BIG (more than 16 in
 * all), ENOMEM. */
void physmem_vital(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* Rights to slots, up to the first hole, or to the next that is sampled. ENOENT (the first slot is a
 * hole, or no such container),
 * EINVAL, EMFILE (no descriptors are left for another extent). If an extent has to be made, the
 * reply follows physmem_extent_ready, and the task's next request must not come before. */
void physmem_map(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                 uint32_t container, uint32_t start, uint32_t count, uint8_t rights);

/* Make a frame stack, of at least so many places, on which the task will list unused frames of this
 * container: up to what may be recalled from it without its saying so, as extra frames, they are
 * taken without a message, and never counted as owed. A reply with the stack. ENOENT (container),
 * EEXIST (the task has one), EINVAL (places), what physmem_stack_ready says. */
void physmem_stack_open(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container, uint32_t places);

/* ---- Answers from outside ---- */

/* PHYSMEM_STACK_CREATE was carried out: `error` is 0 or a positive errno value. The memory stays
 * readable and writable, whatever the task does, until PHYSMEM_STACK_DESTROY. */
void physmem_stack_ready(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, struct frame_stack *stack,
                         uint32_t places, uint32_t descriptor, uint32_t error);

/* PHYSMEM_EXTENT_CREATE was carried out: `error` is 0 or a positive errno value. */
void physmem_extent_ready(struct physmem *physmem, uint64_t now, uint32_t extent,
                          uint32_t descriptor, uint32_t error);

/* The task answered an unmap. Returns 0, or -ENOENT: it was not asked. */
int physmem_unmapped(struct physmem *physmem, uint64_t now, struct physmem_task *task, uint64_t id);

/* PHYSMEM_EXTENT_AUDIT was carried out: the extent has so many pages. More than `allowed`, the
 * effect's count, is a breach. */
void physmem_audited(struct physmem *physmem, uint64_t now, uint32_t extent, uint32_t allowed,
                     uint64_t pages);

/* ---- On physmem's own account ---- */

/* Have the next `count` extents audited, going round. */
void physmem_audit_round(struct physmem *physmem, uint32_t count);

/* Ask the owner of a random container to unmap up to 64 slots at a random place. Returns the number
 * of slots; 0 if there was nothing to unmap. */
uint32_t physmem_unmap_random(struct physmem *physmem, uint64_t now, struct random_source *random);

/* Find out how idle tasks are: a period of sampling ends, and another begins. To be called again
 * after equal times, if the arbiter has SP_ARBITER_IDLE. Costs each task up to 12 unmaps a period,
 * and a map of each page of these that it uses. */
void physmem_sample(struct physmem *physmem, uint64_t now, struct random_source *random);

/* ---- Looking ---- */

void physmem_get_status(const struct physmem *physmem, struct physmem_status *status);
void physmem_task_get_status(const struct physmem_task *task, struct physmem_task_status *status);

/* How much a task could have now. Uses physmem's tables, but changes nothing. */
void physmem_get_availability(struct physmem *physmem, struct physmem_task *task,
                              struct physmem_availability *availability);

/* The task with the lowest id above `after`, gone or not; NULL if there is none. */
const struct physmem_task *physmem_task_after(const struct physmem *physmem, uint32_t after);

/* NULL if all books agree, else what does not. Takes time proportional to frames and slots. */
const char *physmem_check(const struct physmem *physmem);

#endif
