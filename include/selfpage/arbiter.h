/* Selfpage: the interface of an arbitration policy, an arbiter. Interface version 1.
 *
 * An arbiter decides, inside the physical memory server, which task gets extra frames and which task
 * gives some back when frames are short. It is one constant struct of pure functions: (state, request, now) ->
 * (grant, recalls). An arbiter does not decide what happens to a task that does not give back: contracts say so
 * (on_breach).
 *
 * THE WHOLE STORY, in the order in which physmem calls:
 *
 *   size(config)             how many bytes of state the arbiter wants               [NULL: none]
 *   task_size(config)        and how many more for each task                         [NULL: none]
 *   init(self, config)       `self` is that state, FILLED WITH ZEROS      [NULL: zeros suffice]
 *   due(self)                when (ns) the next SP_ARBITER_TICK is wanted          [NULL: never]
 *   decide(self, now, tasks, count, request, takes)
 *   available(self, now, tasks, count, request)                      [NULL: see there]
 *
 * Each task that is there has an entry in `tasks`, in ascending order of id; tasks[i].own is its
 * state, zeros when the task has just come, and freed when it goes. decide is called for three
 * reasons (request->event):
 *
 *   SP_ARBITER_SHORT  `frames` frames are missing for requests within guarantees and leases, which
 *                     are always served: say which tasks give them, takes[i] frames from tasks[i].
 *   SP_ARBITER_EXTRA  tasks[request->task] asks for `frames` frames beyond its guarantee. Return how
 *                     many it may have; to refuse, return 0. It gets those of them that are there
 *                     (spare); what is recalled (takes) in its favour reaches it when it asks
 *                     again: it is told when frames come.
 *                     Asked only of an arbiter that has SP_ARBITER_GRANTS, and only when there is
 *                     not enough for all that asked within the last second; with plenty, or without
 *                     that flag, a task gets what its contracts allow and what is there.
 *   SP_ARBITER_TICK   the time that `due` named has come. takes may be filled here, too. `count` may
 *                     be 0; otherwise there is at least the task that waits or asks.
 *
 * Rules physmem keeps, whatever an arbiter says:
 *   - takes[i] never goes above tasks[i].recallable: guaranteed frames and leases are not recalled
 *     inside their terms. A grant never goes above request->frames.
 *   - A task that owes frames, or asks while requests within guarantees wait, gets no extra frames.
 *   - If takes do not cover a SHORT although there is enough that is recallable, physmem takes what
 *     is missing itself, from the task that has most.
 *   - How often an arbiter was overruled in one of these ways is counted (`overruled`: in the
 *     table of `selfpage run`, as physmem.overruled in its JSON and expectations, and in
 *     `selfpage bench attacks --json`); it can be unjust, but it cannot break the books or
 *     another's guarantee.
 *
 * Rules an arbiter keeps:
 *   - No function may block, allocate, do I/O, read a clock, or keep state anywhere but in `self`
 *     and tasks[i].own. Time is an argument, and never runs backwards.
 *   - decide takes time at most about proportional to `count`.
 *
 * Fields physmem cannot know by itself are 0 when unknown (see struct sp_arbiter_task). An arbiter
 * must give a sensible answer then, too. Weights and bids are what tasks wrote into their contracts,
 * unless a policy server says otherwise: an arbiter that believes them gives most to the task that claims
 * most.
 *
 * A complete arbiter: all tasks are entitled to the same. With equal(level) frames for each, the
 * level is found at which what lies above it covers what is missing.
 *
 *   #include <selfpage/arbiter.h>
 *
 *   static uint64_t above(const struct sp_arbiter_task *t, size_t n, uint32_t level,
 *                         bool extra, uint32_t *takes)
 *   {
 *       uint64_t sum = 0;
 *
 *       for (size_t i = 0; i < n; i++) {
 *           uint32_t asks = extra ? t[i].wanted : 0;
 *           uint32_t most = t[i].recallable + asks;
 *           uint32_t has = t[i].held - t[i].owed + asks;
 *           uint32_t cut = has > level ? has - level : 0;
 *
 *           takes[i] = cut < most ? cut : most;
 *           sum += takes[i];
 *       }
 *       return sum;
 *   }
 *
 *   static uint32_t equal_decide(void *self, uint64_t now, const struct sp_arbiter_task *t,
 *                                size_t n, const struct sp_arbiter_request *r, uint32_t *takes)
 *   {
 *       bool extra = r->event == SP_ARBITER_EXTRA;
 *       int64_t missing = extra ? -(int64_t)r->spare - r->coming : r->frames;
 *       uint32_t level = UINT32_MAX, grant = r->frames;
 *
 *       (void)self, (void)now;
 *       for (size_t i = 0; extra && i < n; i++)
 *           missing += t[i].wanted;
 *       if (missing <= 0)
 *           return grant;
 *       for (uint32_t bit = UINT32_C(1) << 31; bit > 0; bit /= 2)
 *           if (above(t, n, level - bit, extra, takes) < (uint64_t)missing)
 *               level -= bit;
 *       above(t, n, level == 0 ? 0 : level - 1, extra, takes);
 *       for (size_t i = 0; extra && i < n; i++) {    // first refuse, then recall
 *           uint32_t refused = takes[i] < t[i].wanted ? takes[i] : t[i].wanted;
 *
 *           takes[i] -= refused;
 *           if (i == r->task)
 *               grant = t[i].wanted - refused;
 *       }
 *       return grant;
 *   }
 *
 *   const struct sp_arbiter sp_arbiter_plugin = {
 *       .abi = SP_ARBITER_ABI, .flags = SP_ARBITER_GRANTS, .name = "equal",
 *       .decide = equal_decide };
 *
 * Built with `cc -shared -fPIC equal.c -o equal.so` it is used by `selfpage-physmem --arbiter
 * ./equal.so`, or in a scenario as `physmem: {arbiter: ./equal.so}`. What it is worth:
 *
 *   selfpage check-arbiter ./equal.so                             whether it keeps the rules
 *   selfpage bench attacks --arbiter fcfs,maxmin,./equal.so       what cheating gains under it
 *   selfpage bench contracts --compare fcfs,maxmin,./equal.so     under load, side by side
 *
 * Bump rule: fields are only added at the end of a struct, with NULL or 0 meaning "as before"; any
 * other change raises SP_ARBITER_ABI, and a loader refuses an arbiter of another version.
 *   2026-11 version 1; later: sp_arbiter_task.demand, SP_ARBITER_NO_WEIGHTS, SP_ARBITER_NO_BIDS */
#ifndef SELFPAGE_ARBITER_H
#define SELFPAGE_ARBITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface; every arbiter states it in its field `abi`. */
#define SP_ARBITER_ABI 1

/** The name under which a shared object exports its `const struct sp_arbiter`. */
#define SP_ARBITER_SYMBOL "sp_arbiter_plugin"

/** Idleness is counted in parts of this. */
#define SP_ARBITER_WHOLE 1000u

/** What is known of a task. Counts are frames. */
struct sp_arbiter_task {
    uint32_t id;
    uint32_t parent;   /**< id of the task that split off a part of its contract for this one (of
                            several, the one for the oldest contract); 0: none */
    uint32_t priority; /**< the higher, the later it gives; 0 until a policy server assigns some */
    uint32_t weight;   /**< of its extra contracts: the largest; 1 if it has none */
    uint32_t guaranteed; /**< by running contracts */
    uint32_t leased;     /**< by running timed contracts */
    uint32_t extra;      /**< allowed beyond */
    uint32_t held;
    uint32_t owed;       /**< recalled already, and not returned yet; at most held */
    uint32_t recallable; /**< the most that may be asked for: held - guaranteed - leased - owed, or
                            0 while too many recalls of this task are running */
    uint32_t wanted; /**< extra frames it asked for within the last second and has not got, those
                            of the present request included */
    uint32_t idle; /**< part of what it holds that it does not use, of SP_ARBITER_WHOLE; 0: none, or
                      not known. Physmem finds out by itself, for an arbiter with SP_ARBITER_IDLE: it
                      unmaps a few pages at random and sees which are used again. A task that asks
                      for all of them again looks busier than it is; none can look idler */
    uint64_t ghost_hits; /**< faults, ever, on pages that it had evicted so lately that twice its
                            frames would have kept them; 0: none, or not known. The task says so in
                            memory that it shares with physmem (see SP_ATTACH_NO_FRAME_STACK), and
                            may lie */
    uint64_t bid;        /**< the highest of its contracts: price offered per frame; 0: none */
    void *own;           /**< the arbiter's state for this task; NULL without task_size */
    uint64_t penalty;    /**< charged so far for missed recalls (SP_BREACH_PENALTY), in the unit of
                            bids */
    uint32_t demand; /**< frames that it would use now, in all: at least held - owed + wanted, and
                            at most what its contracts allow. A task that pages asks for its frames
                            in small batches, so that `wanted` shows only the next one; how many it
                            would use it states in memory that it shares with physmem, from how long
                            ago the pages were evicted on which it faults. The statement counts for a
                            second after the task last asked for extra frames; it may be a lie */
};

/** Why an arbiter is asked. */
enum sp_arbiter_event {
    SP_ARBITER_SHORT = 0,
    SP_ARBITER_EXTRA = 1,
    SP_ARBITER_TICK = 2,
};

/** What an arbiter is asked. */
struct sp_arbiter_request {
    enum sp_arbiter_event event;
    uint32_t task;   /**< EXTRA: the task that asks, an index in `tasks` */
    uint32_t frames; /**< SHORT: missing; EXTRA: asked for; TICK: 0 */
    int32_t spare;   /**< frames that may be given out as extra now; negative: this many must come
                        back first */
    uint32_t coming; /**< recalled already, of all tasks, and not returned yet */
};

/** What an arbiter is started with. Valid until its state is freed. */
struct sp_arbiter_config {
    uint32_t frames; /**< frames that tasks can have in all while they ask for extra ones: those
                               there are, less those that are reserved, less 1/32 of all, which
                               physmem keeps for requests within guarantees */
    const double *params; /**< values, in the order of the arbiter's `params` */
};

/** The arbiter decides on extra frames (SP_ARBITER_EXTRA), and not only on recalls. */
#define SP_ARBITER_GRANTS 1u

/** The arbiter uses sp_arbiter_task.idle: tasks are sampled for it (`selfpage-physmem
 *  --sample-period`), which costs each of them a dozen soft faults a period at most. */
#define SP_ARBITER_IDLE 2u

/** The weights of contracts, or their bids, have no effect under this arbiter. Physmem says so in its log
 *  when a contract has one. */
#define SP_ARBITER_NO_WEIGHTS 4u
#define SP_ARBITER_NO_BIDS    8u

/** An arbitration policy. Static and constant; all state is in `self` and in tasks[i].own, both
 *  aligned for any object. */
struct sp_arbiter {
    uint32_t abi;                         /**< SP_ARBITER_ABI */
    uint32_t flags;                       /**< SP_ARBITER_* */
    const char *name;                     /**< as users type it: a-z, 0-9 and '-' */
    const char *summary;                  /**< one line for --help; may be NULL */
    const char *source;                   /**< the paper or system; may be NULL */
    const struct sp_policy_param *params; /**< as eviction policies have them; may be NULL */
    size_t (*size)(const struct sp_arbiter_config *config);           /**< NULL: no state */
    size_t (*task_size)(const struct sp_arbiter_config *config);      /**< NULL: no state */
    void (*init)(void *self, const struct sp_arbiter_config *config); /**< NULL: zeros suffice */
    /** Required. takes[] has `count` elements, all 0 on entry. Returns the grant; ignored unless
     *  the event is EXTRA. */
    uint32_t (*decide)(void *self, uint64_t now, const struct sp_arbiter_task *tasks, size_t count,
                       const struct sp_arbiter_request *request, uint32_t *takes);
    /** Time (ns, on the clock of `now`) of the next TICK, which comes 1 ms later at the earliest;
     *  UINT64_MAX: none. Asked after init and after each decide. */
    uint64_t (*due)(const void *self);
    /** The frames that tasks[request->task] could have in all, for tasks that adapt to it: those that it holds, and
     *  those that decide would grant if the task asked for request->frames more, including frames that others would
     *  have to return first. The event is
     *  EXTRA; frames that the task is promised are shown as held, and request->frames as wanted by it. Must not
     *  change the state that decide uses. Physmem keeps the figure from falling below what is
     *  held and promised, and from going above what the contracts allow. Not asked while there is
     *  enough for all. NULL, or without SP_ARBITER_GRANTS: what is held and what is there. */
    uint32_t (*available)(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                          size_t count, const struct sp_arbiter_request *request);
};

/** Defined by a shared object, and by nothing else. Declared here since a constant in C++ is otherwise
 *  seen by its own file only. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct sp_arbiter sp_arbiter_plugin;

#ifdef __cplusplus
}
#endif
#endif
