/* Selfpage: a world in virtual time, as a library. Interface version 1.
 *
 * The physical memory server, swap, and tasks that page themselves, in one process, without a server, a socket or
 * a clock: the same code of physmem, pager, policies and arbiters as in real processes, driven by events. A test
 * of an eviction policy, of an arbiter or of a contract takes about a millisecond, and gives the same every time.
 *
 *   struct sp_world *world;
 *   struct sp_error error;
 *   const struct sp_world_options options = {
 *       .version = SP_WORLD_VERSION, .frames = 100, .arbiter = "maxmin", .seed = 7};
 *   const struct sp_world_task task = {
 *       .version = SP_WORLD_VERSION, .name = "db", .contract = "guaranteed=20;extra=60",
 *       .policy = "clock", .workload = "pages=200;zipf=0.9,writes=0.2,references=20000"};
 *
 *   if (sp_world_new(&world, &options, &error) != 0 ||
 *       sp_world_add(world, &task, &error) < 0 ||
 *       sp_world_run(world, &error) != 0 ||
 *       sp_world_expect(world, "db.faults < 12000", &error) != 1)
 *       errx(1, "%s", error.text);
 *   sp_world_free(&world);
 *
 * A WORLD is a function of its options, its tasks and what is called, at which virtual time: nothing else changes
 * what happens, on no machine. Each task has random numbers of its own, by its name, so one task more or less
 * changes none of another's.
 *
 * EACH EVENT IS CHECKED: that no frame is lost or belongs to two tasks, and that each page holds what was written
 * there last. A call that lets time pass fails with -ENOTRECOVERABLE as soon as that is broken.
 *
 * LIVE AS WELL: selfpage/testing.h has a fixture whose tests run in a world or with real processes, as an
 * environment variable says.
 *
 * THREADS. Different worlds may be used by different threads at the same time; one world by one thread at a time.
 * Nothing here prints, exits, installs a signal handler or changes global state.
 *
 * ERRORS. A function that can fail returns 0 or more, or a negated errno value, and then fills `error`, which may be
 * NULL, with a line for a person. Arguments are borrowed for the duration of the call, unless the function
 * says otherwise.
 *
 * LINKING. CMake: selfpage::world. pkg-config: selfpage-world. A static library, which exports only sp_world_*.
 *
 * VERSIONS. Structs of options are compiled into the caller, and say the version that it was compiled against; a
 * later library reads only the fields that this version had. Bump rule: a field that is added, at the end and with
 * 0 or NULL meaning "as before", raises the version.
 *   2026-11 version 1 */
#ifndef SELFPAGE_WORLD_H
#define SELFPAGE_WORLD_H

#include <stdint.h>

#include <selfpage/arbiter.h>
#include <selfpage/error.h>
#include <selfpage/policy.h>
#include <selfpage/stats.h>
#include <selfpage/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface. */
#define SP_WORLD_VERSION 1

/** The version that the library was built with: SP_WORLD_VERSION of its header. */
SP_EXPORT int sp_world_version(void);

/** A world: physmem, perhaps swap, and tasks. */
struct sp_world;

/** Value of sp_world_options.swap_slots for a world without swap. */
#define SP_WORLD_NO_SWAP UINT32_MAX

/** How a world is. Zero or NULL means the default in brackets. */
struct sp_world_options {
    unsigned version;    /**< SP_WORLD_VERSION */
    uint32_t frames;     /**< that physmem has [1024] */
    uint32_t reserve;    /**< frames of these that no contract guarantees [0] */
    uint32_t swap_slots; /**< pages that swap has [4096]; SP_WORLD_NO_SWAP: there is no swap */
    uint32_t tasks;      /**< the most that will be added [16] */
    uint64_t seed;       /**< of all that is random [1] */
    /** NAME[:PARAMS] of an arbiter that comes with Selfpage, or ./FILE.so[:PARAMS] ["excess"] */
    const char *arbiter;
    /** An arbiter of the caller's instead; `arbiter` is then its PARAMS. It must outlive the world. */
    const struct sp_arbiter *own_arbiter;
    double chaos_unmap; /**< physmem unmaps pages at random, this many times a second [0] */
    double fail_writes; /**< share of the writes to swap that fail, 0 to 1 [0] */
    /** Faults, of the kinds and as often as the seed draws, until this time in ns: late messages, tasks that hang,
     *  die and come again, swap that is slow, full or failing. They strike tasks that were added before the first
     *  event. [0: none] */
    uint64_t faults_until_ns;
};

/** A world in which nothing has happened yet.
 *
 *  \param worldp   set on success, NULL otherwise; released by sp_world_free
 *  \param options  may be NULL: all defaults
 *  \retval 0
 *  \retval -EPROTO  options of a version that this library does not know, or an arbiter of another version
 *  \retval -EINVAL  an option is out of range, or the arbiter cannot be used
 *  \retval -ENOENT  there is no such arbiter, or parameter of it
 *  \retval -ERANGE  a parameter of the arbiter is out of range
 *  \retval -ENOMEM */
SP_EXPORT int sp_world_new(struct sp_world **worldp, const struct sp_world_options *options,
                           struct sp_error *error);

/** Free a world, and set *worldp to NULL. NULL, and a pointer to NULL, are allowed. */
SP_EXPORT void sp_world_free(struct sp_world **worldp);

/** One step of a program. */
struct sp_world_step {
    uint32_t page;     /**< of its region, from 0; UINT32_MAX: no reference, only the pause */
    int write;         /**< 1: it writes there, 0: it reads */
    uint64_t pause_ns; /**< what it then does without its memory takes so long */
};

/** A task. Zero or NULL means the default in brackets. */
struct sp_world_task {
    unsigned version; /**< SP_WORLD_VERSION */
    const char *name; /**< by which counters name it: letters, digits and _; no other task has it */
    const char *contract; /**< as in struct sp_attach_options ["guaranteed=16"] */
    /** NAME[:PARAMS] of an eviction policy that can be used live, or ./FILE.so[:PARAMS] ["clock"] */
    const char *policy;
    /** A policy of the caller's instead; `policy` is then its PARAMS. It must outlive the world. */
    const struct sp_policy *own_policy;
    /** What its program does, as text: "pages=100;zipf=1.0,writes=0.2,references=5000;idle=2s". The first part is
     *  about the whole (pages, kind, rounds, recalls=ignore), each other part is a phase: zipf=EXPONENT,
     *  scan=STRIDE, loop=PAGES, markov=PAGES or idle=TIME, with first, pages, stay, writes, references, think,
     *  burst and pause. selfpage-scenario(5), "workload", says what each means. Required, also with `next`: then only
     *  the first part counts. */
    const char *workload;
    /** Steps of the caller's instead of the phases: fill in *step, number `number` (from 0) of life `life` (from 1,
     *  more where faults end tasks), and return 1; or return 0: the program ends. A page that the region does not have
     *  ends the program with exit status 2. */
    int (*next)(void *arg, uint32_t life, uint64_t number, struct sp_world_step *step);
    void *arg;         /**< for `next` */
    uint64_t start_ns; /**< when it comes; a time that is over means now [0] */
    uint64_t stop_ns;  /**< SIGTERM ends it so long after its start [0: never] */
    int no_renewal;    /**< 1: contracts are not renewed before their terms end [0] */
};

/** Add a task, before the first event or later.
 *
 *  \return its number, from 0, or
 *  \retval -EPROTO   a version that this library does not know
 *  \retval -EINVAL   name, contract, workload or policy are wrong; the error says what
 *  \retval -EEXIST   another task has this name
 *  \retval -ENOENT   there is no such policy, or parameter of it
 *  \retval -ERANGE   a parameter of the policy is out of range
 *  \retval -ENOTSUP  the policy cannot be used live, or the contract asks for what a world does not have (parts)
 *  \retval -ENOSPC   sp_world_options.tasks are there
 *  \retval -ENOMEM */
SP_EXPORT int sp_world_add(struct sp_world *world, const struct sp_world_task *task,
                           struct sp_error *error);

/** Let time pass until all tasks have ended, whose last frames then come back to physmem.
 *
 *  \retval 0
 *  \retval -ETIME           an hour of virtual time has passed, or nothing can happen any more, and tasks have not
 *                           ended: the error names them, and what they wait for
 *  \retval -ENOTRECOVERABLE a rule of the system is broken; the error says which, by which event. Nothing more
 *                           happens in this world
 *  \retval -ENOMEM          nothing more happens in this world */
SP_EXPORT int sp_world_run(struct sp_world *world, struct sp_error *error);

/** Let time pass until `ns`, or until all tasks have ended. What happens at `ns` has happened then.
 *
 *  \retval 1  all tasks have ended
 *  \retval 0  they have not
 *  Errors as of sp_world_run, without -ETIME. */
SP_EXPORT int sp_world_run_until(struct sp_world *world, uint64_t ns, struct sp_error *error);

/** Let the next event happen: a message arrives, a task goes on, a deadline passes.
 *
 *  \retval 1  it has
 *  \retval 0  all tasks have ended
 *  Errors as of sp_world_run, without -ETIME. */
SP_EXPORT int sp_world_step(struct sp_world *world, struct sp_error *error);

/** Virtual time, in ns since the world began. */
SP_EXPORT uint64_t sp_world_now(const struct sp_world *world);

/** When the next event happens, in ns since the world began; UINT64_MAX: nothing can happen any more. */
SP_EXPORT uint64_t sp_world_due(const struct sp_world *world);

/** Events that have happened. */
SP_EXPORT uint64_t sp_world_events(const struct sp_world *world);

/** A hash of all that has happened: equal for equal worlds, on every machine. */
SP_EXPORT uint64_t sp_world_hash(const struct sp_world *world);

/** Have physmem recall frames from a task, as an operator may.
 *
 *  \param task    number of the task
 *  \param frames  how many, at least 1
 *  \return how many are recalled, which may be fewer, or
 *  \retval -EINVAL  zero frames, or nothing can be recalled from it
 *  \retval -ENOENT  there is no task of this number
 *  \retval -ESRCH   it has not come yet, or has ended
 *  \retval -EBUSY   as many recalls are running as may */
SP_EXPORT int64_t sp_world_recall(struct sp_world *world, int task, uint32_t frames,
                                  struct sp_error *error);

/** Send a signal to a task: SIGSTOP (it does nothing and hears nothing), SIGCONT, or one that ends it.
 *
 *  \retval 0
 *  \retval -ENOENT  there is no task of this number
 *  \retval -ESRCH   it has not come yet, or has ended */
SP_EXPORT int sp_world_signal(struct sp_world *world, int task, int signal, struct sp_error *error);

/** The number of the task of this name. \return it, or \retval -ENOENT there is none */
SP_EXPORT int sp_world_find(const struct sp_world *world, const char *name);

/** How a task has ended: 0 to 255, 128 + n if signal n or physmem (SIGBUS) has ended it; -1: it has not. -ENOENT:
 *  there is no task of this number. */
SP_EXPORT int sp_world_exit_status(const struct sp_world *world, int task);

/** The counters that a task counts itself. \retval 0 \retval -ENOENT there is no task of this number */
SP_EXPORT int sp_world_stats(const struct sp_world *world, int task, struct sp_stats *stats);

/** One counter, by the name that expectations of scenarios use: "TASK.faults", "physmem.recalls_met",
 *  "swap.stores", "TASK.exit_status". selfpage/counters.h has them.
 *
 *  \param valuep  set on success; an exit status of a task that has not ended is UINT64_MAX
 *  \retval 0
 *  \retval -ENOENT  there is no such task, or no swap
 *  \retval -EINVAL  it has no such counter */
SP_EXPORT int sp_world_get(struct sp_world *world, const char *name, uint64_t *valuep,
                           struct sp_error *error);

/** Whether an expectation holds, in the language of scenarios: "db.faults < 1000",
 *  "sum(tasks.held) + physmem.free + physmem.soft == physmem.frames".
 *
 *  \retval 1       it holds
 *  \retval 0       it does not; the error says what was found
 *  \retval -EINVAL it cannot be read, or names what there is not; the error says where */
SP_EXPORT int sp_world_expect(struct sp_world *world, const char *expectation,
                              struct sp_error *error);

#ifdef __cplusplus
}
#endif
#endif
