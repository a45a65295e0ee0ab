/* Selfpage: the policy laboratory as a library. Interface version 1.
 *
 * Opens a trace of references, or takes one that lies in memory, runs eviction policies over it at
 * several sizes in one pass, and gives counts and miss-ratio curves. It is what `selfpage replay` is
 * made of, without its output: nothing here prints, exits, installs a signal handler or changes
 * global state.
 *
 *   struct sp_trace *trace;
 *   struct sp_replay *replay;
 *   struct sp_error error;
 *   const char *const policies[] = {"lru", "s3fifo:small=0.2", "./mine.so"};
 *   const struct sp_replay_size sizes[] = {{.frames = 1000}, {.share = 0.1}};
 *   const struct sp_replay_options options = {
 *       .version = SP_REPLAY_VERSION, .policies = policies, .policy_count = 3,
 *       .sizes = sizes, .size_count = 2};
 *
 *   if (sp_trace_open(&trace, "web.oracleGeneral.zst", NULL, &error) != 0 ||
 *       sp_replay_run(&replay, trace, &options, &error) != 0)
 *       errx(1, "%s", error.text);
 *   for (size_t i = 0; i < sp_replay_count(replay); i++) {
 *       const struct sp_replay_result *r = sp_replay_result(replay, i);
 *       printf("%s %u %f\n", r->policy, r->frames, (double)r->misses / r->references);
 *   }
 *   sp_replay_free(&replay);
 *   sp_trace_close(&trace);
 *
 * RESULTS are a function of the trace, the options and the seed; the number of threads changes
 * nothing but the time.
 *
 * THREADS. Different traces may be used by different threads at the same time; one trace, and what
 * was made of it, by one thread at a time. Threads that a call starts have ended when it returns.
 *
 * ERRORS. A function that can fail returns 0 or a negated errno value, and fills `error`, which may
 * be NULL, with a line for a person. Objects that were to be made are NULL then. Arguments are
 * borrowed for the duration of the call, unless the function says otherwise.
 *
 * LINKING. CMake: selfpage::replay. pkg-config: selfpage-replay.
 *
 * VERSIONS. Structs of options are compiled into the caller, and say the version that it was compiled
 * against; a later library reads only the fields that this version had. Bump rule: a field that is
 * added, at the end and with 0 or NULL meaning "as before", raises the version. struct
 * sp_replay_size and sp_curve_point lie in arrays, and never change.
 *   2026-11 version 1 */
#ifndef SELFPAGE_REPLAY_H
#define SELFPAGE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface. */
#define SP_REPLAY_VERSION 1

/** The version that the library was built with: SP_REPLAY_VERSION of its header. */
SP_EXPORT int sp_replay_version(void);

/* ---- Traces ---- */

/** A trace: references in order. */
struct sp_trace;

/** How to read a trace. Zeros are the presets, but for the version. */
struct sp_trace_options {
    unsigned version; /**< SP_REPLAY_VERSION */
    /** "oracleGeneral", "csv:obj-id-col=2", ...: what `selfpage replay --help` lists. NULL: by the
     *  file's name, then by its content. */
    const char *format;
    /** Split references into pages of so many bytes, a power of two from 16 to 2^30; 0: an id is a
     *  page. */
    uint32_t page_size;
    /** Ids are addresses that count units of so many bytes; 0: they are not addresses. */
    uint64_t id_unit;
    /** The most different pages to prepare for, where the size of the trace does not tell; 0: 2^27. */
    uint32_t pages_most;
};

/** Open the file `path`, plain or compressed; "-" is standard input. The file stays open until
 *  sp_trace_close, and is read anew by each run; a pipe can be read by one run only. `options` may
 *  be NULL.
 *
 *  Returns 0; -EPROTO: options of a version that this library does not know; -EINVAL: an option, or
 *  the format's name, is wrong; -EILSEQ: it is not a trace of this
 *  format; -ENOMEM; or what opening and reading the file gave (-ENOENT, -EACCES, -EIO ...). */
SP_EXPORT int sp_trace_open(struct sp_trace **tracep, const char *path,
                            const struct sp_trace_options *options, struct sp_error *error);

/** The same for a trace file that lies in memory, `size` bytes of it. They are not copied, and must
 *  not change before sp_trace_close. Same returns, without those of files. */
SP_EXPORT int sp_trace_from_bytes(struct sp_trace **tracep, const void *bytes, size_t size,
                                  const struct sp_trace_options *options, struct sp_error *error);

/** A trace of `count` references: to pages with the ids ids[i], any 64-bit numbers; reference i is a
 *  write if writes[i] is not 0 (`writes` may be NULL: all are reads). The arrays are not copied, and
 *  must not change before sp_trace_close.
 *
 *  Returns 0, -EINVAL (`ids` is NULL, and `count` is not 0) or -ENOMEM. */
SP_EXPORT int sp_trace_from_ids(struct sp_trace **tracep, const uint64_t *ids,
                                const uint8_t *writes, size_t count, struct sp_error *error);

/** True if several runs, and runs that need two passes, can read the trace: it is not a pipe. */
SP_EXPORT bool sp_trace_rereadable(const struct sp_trace *trace);

/** Close a trace, and set *tracep to NULL. NULL is allowed. What was made of it stays valid. */
SP_EXPORT void sp_trace_close(struct sp_trace **tracep);

/* ---- Running policies ---- */

/** The i-th policy that comes with Selfpage, or NULL past the last. Valid for ever. */
SP_EXPORT const struct sp_policy *sp_replay_policy(size_t i);

/** A number of frames: exactly `frames` if that is not 0, otherwise `share`, from above 0 to 1, of the
 *  different pages of the trace, rounded down, and at least 1. */
struct sp_replay_size {
    uint32_t frames;
    double share;
};

/** What a run does at the moment. */
enum sp_replay_phase {
    SP_REPLAY_READING = 0,   /**< the first of two passes over the trace */
    SP_REPLAY_REPLAYING = 1, /**< the pass that runs the policies */
};

/** How far a run is. */
struct sp_replay_progress {
    enum sp_replay_phase phase;
    uint32_t pages;       /**< different pages so far */
    uint64_t references;  /**< in this pass so far */
    uint64_t bytes_done;  /**< of the trace as it is stored */
    uint64_t bytes_total; /**< 0: not known */
};

/** What to run. Zeros are the presets, but for the version. */
struct sp_replay_options {
    unsigned version; /**< SP_REPLAY_VERSION */
    /** Policies, as users type them: NAME, NAME:PARAM=VALUE,..., or ./FILE.so. NULL where
     *  `policy_ops` has the policy. */
    const char *const *policies;
    /** The caller's own policies: policy_ops[i], if it is there and not NULL, is run instead of the
     *  policy that policies[i] names. policies[i] is then its parameters (PARAM=VALUE,...), or NULL. */
    const struct sp_policy *const *policy_ops;
    size_t policy_count;
    /** Every policy is run at every size. Curves: at these; none: at sizes chosen evenly on a
     *  logarithmic scale. */
    const struct sp_replay_size *sizes;
    size_t size_count;
    uint64_t seed;    /**< of everything random; 0 is a seed like any other */
    unsigned threads; /**< 0: as many as there are cores to run on; at most 1024 */
    /** Called by the calling thread after every 262,144 references or so, with `context`; may be NULL.
     *  A negated errno value ends the run, which then returns it. */
    int (*progress)(void *context, const struct sp_replay_progress *progress);
    /** Called by the calling thread, with `context` and a line for a person, when something is odd and
     *  no error. The text is valid during the call. May be NULL. */
    void (*note)(void *context, const char *text);
    void *context; /**< for both */
    /** References to read at most; 0: all. Shares are of the pages up to there. */
    uint64_t limit;
    /** So many references at the beginning fill the frames, and are not counted. Curves ignore it. */
    uint64_t warm_up;
    /** Counted references between two moments of sp_replay_over_time; 0: there are none. 16 bytes each,
     *  for each policy and size. Curves ignore it. */
    uint64_t interval;
    int bytes; /**< 1: count bytes, too, where the trace tells sizes; takes about a tenth more time */
};

/** What one policy did at one size. A first reference to a page is a miss like any other. */
struct sp_replay_result {
    const char *policy;  /**< as in the options; of the caller's policies: the name in the struct */
    size_t policy_index; /**< in the options */
    size_t size_index;
    uint32_t frames;
    uint32_t pages;      /**< different pages of the trace, those of the warm-up included */
    uint64_t references; /**< counted */
    uint64_t writes;     /**< among them */
    uint64_t misses;
    uint64_t evictions;
    uint64_t dirty_evictions; /**< of pages written to since they came in */
    uint64_t policy_errors;   /**< victims that were not resident; another page left instead */
    /** Processor time, as if the policy had been alone: reading, looking up, and its simulation. */
    double seconds;
    uint64_t bytes;        /**< sum of the sizes of the references; 0: not asked for, or the
                                trace tells none */
    uint64_t missed_bytes; /**< of those that missed, among them */
};

/** The results of a run. */
struct sp_replay;

/** Run every policy at every size over the trace, from its beginning, in one pass (two, where sizes are
 *  shares and the trace does not say how many pages it has, or where a policy must know the
 *  future and the trace does not carry it). The results are ordered by size, then by policy, as the
 *  options are. Release them with sp_replay_free.
 *
 *  Returns 0; -EINVAL: no policy, no size, a size that is none, malformed parameters; -ENOENT: no
 *  such policy, parameter or shared object; -ERANGE: a parameter out of its limits; -EPROTO: a policy,
 *  or options, of a version that this library does not know; -ESPIPE: the trace can be read only once, and must be read
 *  again; -ENOSPC: more than pages_most different pages; -EFBIG: more than 2^32 - 2 references,
 *  where the future must be known; -EILSEQ, -EIO: the trace is damaged; what `progress` returned;
 *  -ENOMEM; -EAGAIN: no more threads. */
SP_EXPORT int sp_replay_run(struct sp_replay **replayp, struct sp_trace *trace,
                            const struct sp_replay_options *options, struct sp_error *error);

/** How many results there are: policies times sizes. */
SP_EXPORT size_t sp_replay_count(const struct sp_replay *replay);

/** The i-th result, i < sp_replay_count. Valid until sp_replay_free. */
SP_EXPORT const struct sp_replay_result *sp_replay_result(const struct sp_replay *replay, size_t i);

/** A part of a run: `references` counted references after those of the parts before, and the misses among
 *  them. Lies in arrays, and never changes. */
struct sp_replay_moment {
    uint64_t references;
    uint64_t misses;
};

/** The i-th run, i < sp_replay_count, in parts of options->interval references, the last one of those that
 *  are left: *countp of them. NULL, and *countp is 0, without an interval. Valid until
 *  sp_replay_free. */
SP_EXPORT const struct sp_replay_moment *sp_replay_over_time(const struct sp_replay *replay,
                                                             size_t i, size_t *countp);

/** Free the results, and set *replayp to NULL. NULL is allowed. */
SP_EXPORT void sp_replay_free(struct sp_replay **replayp);

/* ---- Curves ---- */

/** A point of a miss-ratio curve. */
struct sp_curve_point {
    uint32_t frames;
    double miss_ratio; /**< from 0 to 1 */
    double error; /**< of the miss ratio: standard error and bias of sampling; 0: it is exact */
};

/** A curve for each policy of a run. */
struct sp_curves;

/** Find the miss-ratio curve of each policy: exact for `lru` (Mattson's stack distances, every size in
 *  one pass; a thousand of them unless sizes are given), for the others by simulating at each
 *  size samples of the pages (SHARDS, Waldspurger et al. 2015 and 2017), or all of them where there are
 *  few. Sizes at which a sample would have fewer than 16 frames are left out. Reads the trace twice, unless all policies
 *  are `lru`. Parameters and returns as for sp_replay_run, but that no size need be given. */
SP_EXPORT int sp_curves_run(struct sp_curves **curvesp, struct sp_trace *trace,
                            const struct sp_replay_options *options, struct sp_error *error);

/** How many curves there are: one for each policy, in the order of the options. */
SP_EXPORT size_t sp_curves_count(const struct sp_curves *curves);

/** References of the trace. */
SP_EXPORT uint64_t sp_curves_references(const struct sp_curves *curves);

/** Different pages of the trace. */
SP_EXPORT uint32_t sp_curves_pages(const struct sp_curves *curves);

/** The points of the i-th curve, i < sp_curves_count, by rising size: *countp of them. Valid until sp_curves_free. */
SP_EXPORT const struct sp_curve_point *sp_curves_points(const struct sp_curves *curves, size_t i,
                                                        size_t *countp);

/** True if the i-th curve comes from samples. */
SP_EXPORT bool sp_curves_sampled(const struct sp_curves *curves, size_t i);

/** Free the curves, and set *curvesp to NULL. NULL is allowed. */
SP_EXPORT void sp_curves_free(struct sp_curves **curvesp);

#ifdef __cplusplus
}
#endif
#endif
