/* Selfpage: the interface of an eviction policy. Interface version 1.
 *
 * An eviction policy decides which page of a task leaves when a frame is needed. It is one struct
 * of functions, and runs unchanged in three engines: over a trace, in virtual time, and in a live
 * task with real page faults. The engine knows which pages are resident, dirty and pinned; the
 * policy only keeps them in order.
 *
 * THE WHOLE STORY, in the order in which an engine calls:
 *
 *   size(config)          how many bytes of state the policy wants for this configuration
 *   init(self, config)    `self` is that state: 64-byte aligned and FILLED WITH ZEROS
 *   insert(self, p, a)    page p was not resident, has been given a frame, and is referenced
 *   hit(self, p, a)       page p is resident and was referenced          [may be NULL]
 *   victim(self, in)      name a resident page to evict; `in` is the page that needs the frame
 *   remove(self, p, why)  page p is no longer resident
 *   resize(self, n)       the number of frames is now n                  [may be NULL]
 *   hint(self, p, h)      the program said something about page p        [may be NULL]
 *   ahead(self, p)        may page p be read ahead?                      [may be NULL]
 *
 * Rules an engine keeps:
 *   - Pages are numbers from 0 to config->pages - 1. An array indexed by page is all a policy needs.
 *   - insert comes only for a page that is not resident; hit, hint and remove only for one that is.
 *   - After victim returned p the engine calls remove(p, SP_EVICTED). When it cannot let p go at
 *     this moment (a recall leaves no time to write it) it calls remove(p, SP_SKIPPED) and then
 *     insert(p) once it is done choosing, so that p is not named again at once.
 *   - There may be fewer pages with the policy than frames (free frames, pinned pages), and victim
 *     may be called at any time while at least one page is with the policy, also with
 *     in == SP_NO_PAGE: a live task evicts ahead of need.
 *   - Calls are serialised; a policy needs no lock.
 *
 * Rules a policy keeps:
 *   - victim returns a page that was inserted and not removed. An engine checks; a policy that
 *     names another page is overruled (and the blunder counted in `policy_errors`).
 *   - No function may block, allocate, do I/O, or read a clock: in a live task they run inside the
 *     fault handler, on a signal stack of which they may use 8 KiB. Randomness comes from
 *     config->env->random.
 *   - insert, hit and remove take constant time; victim, amortised constant time.
 *   - The pages referenced last, eight or so, are not watched: one instruction may touch several
 *     pages, and would fault for ever if each fault watched the page of another.
 *   - State is only what lies in `self`. Since it starts as zeros and may be large, do not write to
 *     all of it in init: a live task counts on untouched memory costing nothing.
 *
 * What a live task shows: a page that is mapped is referenced without anyone seeing it. `hit` then
 * comes only for soft faults. A policy asks for more by env->referenced (sampled bits, as CLOCK
 * wants) or env->watch (the next reference to this page shall be a hit, as LRU wants). In a replay
 * every reference is a hit, env->referenced answers exactly, and env->watch does nothing.
 *
 * A complete policy, first in first out (see selfpage/page_list.h for the list):
 *
 *   struct fifo { struct sp_list queue; struct sp_link links[]; };
 *
 *   static size_t fifo_size(const struct sp_policy_config *c)
 *   { return sizeof(struct fifo) + (size_t)c->pages * sizeof(struct sp_link); }
 *   static void fifo_insert(void *self, sp_page p, enum sp_access a)
 *   { struct fifo *f = self; (void)a; sp_list_push_front(&f->queue, f->links, p); }
 *   static sp_page fifo_victim(void *self, sp_page in)
 *   { struct fifo *f = self; (void)in; return sp_list_back(&f->queue); }
 *   static void fifo_remove(void *self, sp_page p, enum sp_removal why)
 *   { struct fifo *f = self; (void)why; sp_list_remove(&f->queue, f->links, p); }
 *
 *   const struct sp_policy sp_policy_plugin = {
 *       .abi = SP_POLICY_ABI, .name = "my-fifo", .flags = SP_POLICY_LIVE,
 *       .size = fifo_size, .insert = fifo_insert, .victim = fifo_victim, .remove = fifo_remove };
 *
 * Built with `cc -shared -fPIC my-fifo.c -o my-fifo.so` it is used as `policy: ./my-fifo.so` in a
 * scenario, as SELFPAGE_POLICY=./my-fifo.so in the environment of any task, or, without a shared
 * object, as `.policy_ops = &sp_policy_plugin` in struct sp_attach_options.
 *
 * Bump rule: fields are only added at the end of a struct, with NULL or 0 meaning "as before"; any
 * other change raises SP_POLICY_ABI, and a loader refuses a policy of another version.
 *   2026-11 version 1
 *   2026-11 SP_POLICY_SAMPLES: without it, as before, every watched reference is a fault */
#ifndef SELFPAGE_POLICY_H
#define SELFPAGE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this interface; every policy states it in its field `abi`. */
#define SP_POLICY_ABI 1

/** The name under which a shared object exports its `const struct sp_policy`. */
#define SP_POLICY_SYMBOL "sp_policy_plugin"

/** A page of a task, or of a trace: a dense number. */
typedef uint32_t sp_page;

/** No page. */
#define SP_NO_PAGE UINT32_MAX

/** How a page was referenced. */
enum sp_access {
    SP_READ = 0,
    SP_WRITE = 1,
};

/** Why a page is no longer resident. */
enum sp_removal {
    SP_EVICTED = 0,   /**< to free its frame; it may come back, so a ghost list remembers it */
    SP_DISCARDED = 1, /**< the program dropped it, or its region is gone: forget it altogether */
    SP_PINNED = 2,  /**< still resident, but not the policy's to evict until it is inserted again */
    SP_SKIPPED = 3, /**< named by victim but cannot go now; it will be inserted again soon */
};

/** What a program says about a page (sp_advise). */
enum sp_hint {
    SP_HINT_WILL_NEED = 0, /**< it will be referenced soon */
    SP_HINT_DONT_NEED = 1, /**< it will not be referenced soon: a good victim */
    SP_HINT_READ_ONCE = 2, /**< it is part of a scan: one reference, then none */
    SP_HINT_SCRATCH = 3,   /**< it is cheap to lose */
};

/** What an engine offers to a policy. The policy passes `env` itself as the first argument, and
 *  only about pages that are resident. What may be NULL says so. */
struct sp_policy_env {
    /** True if the page was referenced since this was last asked, or since its insert (whose own
     *  reference does not count in a replay; in a live task it cannot be told apart); asking
     *  clears the bit. In a live task a true answer costs a protection change (about 2 us) and
     *  one soft fault when the page is next used; a false one costs nothing. Where the kernel keeps
     *  the bit (see SP_POLICY_SAMPLES) it costs a third of that, and a false answer a share of a look
     *  at the page table, which serves 64 pages. A page that was
     *  read ahead counts as referenced there until the run that it was read for has gone on. */
    bool (*referenced)(struct sp_policy_env *env, sp_page page);
    /** Make the next reference to this page arrive as a hit. Same cost, at once. */
    void (*watch)(struct sp_policy_env *env, sp_page page);
    /** True if evicting this page would need a write to swap. Costs nothing. */
    bool (*dirty)(struct sp_policy_env *env, sp_page page);
    /** A number from 0 to bound - 1, uniform, from the run's seeded generator; bound > 0. */
    uint32_t (*random)(struct sp_policy_env *env, uint32_t bound);
    /** References (replay) or faults (live) so far: the policy's clock. Only the engine writes. */
    uint64_t time;
    /** When the page will be referenced next, on the clock of `time`; UINT64_MAX: never. The policy may also ask
     *  about the page just referenced, or incoming. NULL where the future is unknown: in
     *  a live task, and in a replay unless the policy has SP_POLICY_NEEDS_FUTURE, or has
     *  SP_POLICY_TAKES_FUTURE and the future is known anyway. */
    uint64_t (*next_reference)(struct sp_policy_env *env, sp_page page);
    /** True if every reference arrives as a hit, as in a replay: there is no use in `watch`. */
    bool sees_all;
    /** The id that a page has in the trace; also for the incoming page. NULL unless
     *  the policy has SP_POLICY_WANTS_IDS, in a live task, and where pages are sampled: then there is
     *  nothing but page numbers. */
    uint64_t (*id)(struct sp_policy_env *env, sp_page page);
    /** The policy knows nothing more of this page, which is not resident, or is being removed for good. NULL unless
     *  the policy has SP_POLICY_TELLS, and where the engine does not want to be told. */
    void (*forgotten)(struct sp_policy_env *env, sp_page page);
    /** `count` numbers, the same as from as many calls of `random`. NULL where the engine does not offer it. */
    void (*random_many)(struct sp_policy_env *env, uint32_t bound, uint32_t *numbers,
                        uint32_t count);
    /** By page, if it is resident or being inserted: a number that it always has, for a policy that has SP_POLICY_TELLS
     *  and hashes pages, or puts those that are equal in an order. NULL where that is the page itself. */
    const uint32_t *numbers;
};

/** A parameter a policy takes: `name:small=0.1,ghost=0.9`. */
struct sp_policy_param {
    const char *name; /**< NULL ends the list */
    double preset;    /**< value when none is given: that of the paper */
    double least;     /**< smallest legal value */
    double most;      /**< largest legal value */
    const char *help; /**< one line */
};

/** What a policy is started with. Valid, as is everything it points to, until the policy's state
 *  is freed by the engine. */
struct sp_policy_config {
    uint32_t pages;            /**< pages are numbered below this */
    uint32_t frames;           /**< frames there are, at least 1; changes by resize */
    struct sp_policy_env *env; /**< services of the engine; NULL while `size` runs */
    const double *params;      /**< values, in the order of the policy's `params` */
};

/** The policy can work with what a live task shows (faults, soft faults, sampled bits). */
#define SP_POLICY_LIVE 1u
/** The policy must know the future: it runs in replay only. */
#define SP_POLICY_NEEDS_FUTURE 2u
/** The policy looks at env->id: an engine that knows ids keeps 8 bytes a page for it. */
#define SP_POLICY_WANTS_IDS 4u
/** The policy uses the future where a trace carries it, and does without elsewhere. */
#define SP_POLICY_TAKES_FUTURE 8u
/** The policy forgets a page when it leaves, for whatever reason but SP_PINNED and SP_SKIPPED, treats pages alike
 *  whatever their numbers are, and does not look at `incoming`. An engine may then name resident pages by other numbers,
 *  of which those that were free are used again, and SP_NO_PAGE as incoming: a replay is faster this way. */
#define SP_POLICY_FORGETS 16u

/** The policy remembers some pages that left, ghosts, and calls env->forgotten, unless that is NULL, as soon as it keeps
 *  nothing of one: when it gives up a ghost, or in remove, unless for SP_PINNED or SP_SKIPPED, if it keeps none. What it
 *  then has of the page is as for one that never came. It treats pages alike whatever their numbers are, and looks at
 *  `incoming` only to see whether it is a ghost. An engine may then name resident pages and ghosts by other numbers, of
 *  which those that were forgotten are used again, and SP_NO_PAGE as incoming where it is no ghost: a replay takes less
 *  memory, and less time where frames are few. Not together with SP_POLICY_FORGETS, nor with the future. */
#define SP_POLICY_TELLS 64u

/** In a live task the policy learns of references by env->referenced alone: it needs no order of references between two
 *  such questions, no moment of a first write, and does not look at env->time, which counts fewer references then.
 *  Where the kernel keeps such bits, the task may then leave references to it: they cost no signal. */
#define SP_POLICY_SAMPLES 32u

/** An eviction policy. Static and constant; all state is in `self`. */
struct sp_policy {
    uint32_t abi;                         /**< SP_POLICY_ABI */
    uint32_t flags;                       /**< SP_POLICY_* */
    const char *name;                     /**< as users type it: a-z, 0-9 and '-' */
    const char *summary;                  /**< one line for --help; may be NULL */
    const char *source;                   /**< the paper; may be NULL */
    const struct sp_policy_param *params; /**< may be NULL */
    size_t (*size)(const struct sp_policy_config *config);           /**< required */
    void (*init)(void *self, const struct sp_policy_config *config); /**< NULL: zeros suffice */
    void (*insert)(void *self, sp_page page, enum sp_access access); /**< required */
    void (*hit)(void *self, sp_page page, enum sp_access access);    /**< NULL: not interested */
    sp_page (*victim)(void *self, sp_page incoming);                 /**< required */
    void (*remove)(void *self, sp_page page, enum sp_removal why);   /**< required */
    void (*resize)(void *self, uint32_t frames);                     /**< NULL: not interested */
    void (*hint)(void *self, sp_page page, enum sp_hint hint);       /**< NULL: not interested */
    /** Without SP_POLICY_LIVE: the name of the nearest policy that has it. */
    const char *live_form;
    /** Where in `self` the array begins, indexed by page, that hits use most, and the size of one of
     *  its elements (0: not told). An engine that knows which page is referenced next may fetch its
     *  element ahead. */
    size_t pages_at;
    size_t page_bytes;
    /** May this page, which is not resident, be loaded with another one, because the engine expects that
     *  it will be referenced soon? If it is loaded, insert follows, with SP_READ, though nobody has
     *  referred to it yet. The answer changes nothing in `self`. NULL: always. Only a live task asks. */
    bool (*ahead)(void *self, sp_page page);
};

/** Defined by a shared object, and by nothing else. Declared here since a constant in C++ is otherwise
 *  seen by its own file only. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct sp_policy sp_policy_plugin;

#ifdef __cplusplus
}
#endif
#endif
