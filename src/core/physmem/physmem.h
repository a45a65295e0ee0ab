/* The physical memory server without its sockets: tasks, contracts, containers, frames, recalls.
 *
 * Pure: every input carries the time (nanoseconds; an earlier one counts as the latest seen), and
 * what has to happen outside comes out as effects (core/physmem/effect.h). The libuv server and a
 * world in virtual time are shells around the same functions. Requests of tasks are in
 * core/physmem/request.h, the tasks themselves in task.h, answers to effects in answer.h, the policy
 * server in policyserver.h, a physmem above in upstream.h, numbers in status.h. Not for several threads at once.
 *
 * BOOKS, checked by physmem_check:
 *     free + soft + sum of held            == frames
 *     C(task)                              == what its running guaranteed and timed contracts promise
 *     sum of C + parts not claimed yet     <= frames - reserve
 *     excess(task)                         == max(0, held - C), all that can be recalled from it
 *     owed(task)                           <= excess(task)
 * Hence a request within C can always be served once other tasks have returned their excess, or have
 * missed the deadline and lost everything. Physmem waits for deadlines, never for a task. Parts of
 * contracts move promises from task to task, and never change their sum.
 *
 * WORK. No input costs more than some two milliseconds, whatever it asks for: a large request is
 * carried out in slices, and what a task had that has ended is freed in slices (it counts as free at
 * once, and is freed first where somebody needs it). Slices are deadlines, so that a shell that calls
 * physmem_tick when it is due need do nothing else.
 *
 * HOW LONG A REQUEST WITHIN C WAITS. Let G be the longest grace: the larger of max_grace_ns and
 * silence_ns.
 *   - If as many frames are free as it needs when it comes, it does not wait: frames that are not
 *     enough for the requests that came before are of no use to these now. It overtakes them. (Only a
 *     request of its own task, or one that has waited for G already, is not overtaken.)
 *   - Otherwise it waits for at most 2 G if no task that owes frames gets more time for them (breach=warn,
 *     penalty). For G it may be overtaken, each time by a request within a guarantee, whose frames
 *     are recalled anew; after that it is not, and what it then lacks is on its way back, for which G
 *     is the longest grace. Each warning that a task gets lengthens the second G by one G, and a task
 *     that has PHYSMEM_RECALLS_MAX recalls open can only be asked for more when one of them ends (but for
 *     what a physmem above wants: core/physmem/upstream.h).
 * tests/model/queue.pml searches this protocol for a request that waits longer. */
#ifndef CORE_PHYSMEM_PHYSMEM_H
#define CORE_PHYSMEM_PHYSMEM_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/arbiter.h>

#include "base/allocator.h"
#include "base/params.h"
#include "base/random.h"
#include "core/physmem/effect.h"

struct physmem;
struct physmem_task;

#define PHYSMEM_UNMAPS_MAX  16u   /* unmaps of one task that are not answered */
#define PHYSMEM_RECALLS_MAX 4u    /* recalls of one task that are not met */
#define PHYSMEM_DEAD_MAX    1024u /* tasks that have gone and stay listed */

/* Of `frames` frames, those that may be given out as extra frames. The others, the
 * PHYSMEM_KEPT_SHARE'th part and at least one, are kept for requests within guarantees. */
#define PHYSMEM_KEPT_SHARE 32u
static inline uint32_t physmem_extra_frames(uint32_t frames)
{
    return frames - (frames / PHYSMEM_KEPT_SHARE > 0 ? frames / PHYSMEM_KEPT_SHARE : 1);
}

/* A watcher is told of its availability when that has changed by the frames it names, and by at
 * least the PHYSMEM_HYSTERESIS_SHARE'th part of all frames. */
#define PHYSMEM_HYSTERESIS_SHARE 256u

/* An unmap not answered for this long is a breach. */
#define PHYSMEM_UNMAP_GRACE_NS UINT64_C(10000000000)
/* A task that has to be asked but has no control connection may be about to end: it gets this long. */
#define PHYSMEM_HANGUP_GRACE_NS UINT64_C(250000000)
/* The longest grace that a contract can have. A longer one is countered with this. Without a bound a
 * task could keep every other waiting for ever for frames that are guaranteed to them. */
#define PHYSMEM_MAX_GRACE_NS UINT64_C(60000000000)
/* Grace counted in allocations counts the frames that a task allocates, and each request that is
 * refused for want of frames as one more (a task that owes gets nothing beyond its commitment). It
 * ends after this long at the latest, for the same reason. */
#define PHYSMEM_SILENCE_NS UINT64_C(60000000000)

/* How many deadlines a task may miss, less the recalls that it met since, until its deadline is
 * not extended any more (the rungs warn and penalty). Viengoos' 8 counts something else: evictions without a warning,
 * after one failure. Here each warning lengthens the longest wait for the frames by one grace;
 * they are therefore few. */
#define PHYSMEM_WARNINGS 3u

struct physmem_config {
    const struct allocator *allocator; /* outlives physmem */
    const struct sp_arbiter *arbiter;  /* outlives physmem */
    double arbiter_params[PARAMS_MAX]; /* in the order of arbiter->params */
    uint32_t frames;                   /* 1 to BUDDY_FRAMES_MAX */
    uint32_t reserve;                  /* of these, never promised; less than frames */
    unsigned max_order;                /* of blocks; at most BUDDY_MAX_ORDER */
    uint64_t max_term_ns;              /* longest term given; 0: SP_FOREVER */
    uint64_t unmap_grace_ns;           /* 0: PHYSMEM_UNMAP_GRACE_NS */
    uint64_t max_grace_ns;             /* 0: PHYSMEM_MAX_GRACE_NS */
    uint64_t silence_ns;               /* 0: PHYSMEM_SILENCE_NS */
    uint32_t warnings;                 /* 0: PHYSMEM_WARNINGS */
    /* Most frames that contracts may promise all tasks of one user together, and that they may have beyond,
     * unless a policy server's limit for the user says otherwise; 0: all. */
    uint32_t user_guaranteed;
    uint32_t user_extra;
    /* It is itself a task of another physmem, and has only the frames that it is granted there, at
     * most `frames`: see core/physmem/upstream.h. */
    bool stacked;
    bool swap; /* the shell carries out PHYSMEM_SWAP_*: see core/physmem/swap.h */
};

/* A physmem with all frames free. Returns 0, -EINVAL (a number of the configuration is out of
 * range) or -ENOMEM. */
int physmem_new(struct physmem **physmemp, const struct physmem_config *config);

/* Free everything; tasks need not have gone. No effects come of it. *physmemp becomes NULL; it may be
 * NULL before. */
void physmem_free(struct physmem **physmemp);

/* ---- Time and effects ---- */

/* When physmem_tick is due; DEADLINE_NEVER if nothing runs. */
uint64_t physmem_deadline(const struct physmem *physmem);

/* Carry out what is due: notices, ends of terms, missed deadlines. */
void physmem_tick(struct physmem *physmem, uint64_t now);

/* Free at once what tasks and containers that are gone have left: at the end nobody waits any more. */
void physmem_bury(struct physmem *physmem);

/* Take the next effect. False if there is none. */
bool physmem_next_effect(struct physmem *physmem, struct physmem_effect *effect);

/* The pieces of a PHYSMEM_REPLY_MAPPED or PHYSMEM_SEND_REPOSSESSED, until the next input. */
const struct physmem_map_item *physmem_map_items(const struct physmem *physmem, uint32_t first);

/* True once an effect was lost for want of memory. The books then no longer tell what is out there,
 * and physmem must end. */
bool physmem_has_failed(const struct physmem *physmem);

/* ---- On physmem's own account ---- */

/* Recall up to `frames` frames from the first task of this name, though nobody needs them. Returns how
 * many were recalled; -ENOENT: there is no such task; -EBUSY: as many recalls of it are running as
 * may (PHYSMEM_RECALLS_MAX). */
int64_t physmem_recall_from(struct physmem *physmem, uint64_t now, const char *name,
                            uint32_t frames);

/* Have the next `count` extents audited, going round; or a tenth of all, if that is more, up to 1,024. An
 * extent whose every slot has a frame has no room for pages beyond that, but past its end: it is
 * audited every eighth time round. */
void physmem_audit_round(struct physmem *physmem, uint32_t count);

/* Ask the owner of a random container to unmap up to 64 slots at a random place. Returns the number
 * of slots; 0 if there was nothing to unmap. */
uint32_t physmem_unmap_random(struct physmem *physmem, uint64_t now, struct random_source *random);

/* Find out how idle tasks are: a period of sampling ends, and another begins. To be called again
 * after equal times, if the arbiter has SP_ARBITER_IDLE. Costs each task up to 12 unmaps a period,
 * and a map of each page of these that it uses. */
void physmem_sample(struct physmem *physmem, uint64_t now, struct random_source *random);

/* NULL if all books agree, else what does not. Takes time proportional to frames and slots. */
const char *physmem_check(const struct physmem *physmem);

#endif
