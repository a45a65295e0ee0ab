/* All that is outside a pager: the kernel, physmem, swap, and the program's threads. Everything that a live
 * task meets can happen here, in any order; there is no clock. A real physmem and a real swap would do only
 * some of it, and in virtual time: for these there are src/world and src/play.
 *
 * It stands around the shell of the pager (world/pager_shell.h), which is its kernel: it looks at each effect before that
 * carries it out, and refuses mappings afterwards. Contents of a page are one number. It knows what the pager
 * cannot: what the frames and the swap slots really hold, what the kernel maps, what physmem and swap think,
 * and what the program last wrote. Each disagreement ends the test with the seed and the step.
 *
 * outside.c: effects, physmem, swap, and the check of everything against everything;
 * outside_program.c: the program's threads, and which thing happens next;
 * strict_policy.c: a policy that checks the engine. */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include "base/random.h"
#include "core/pager/pager.h"
#include "world/pager_shell.h"

#define OUTSIDE_THREADS 4u
#define OUTSIDE_OPS     1024u
#define OUTSIDE_UNMAPS  16u

struct outside_options {
    const struct sp_policy *policy;
    const double *params; /* of the policy */
    uint64_t seed;
    uint32_t pages, slots, extent_pages;
    uint32_t map_limit;    /* as the pager is told */
    uint32_t kernel_limit; /* as the kernel keeps it; 0: a mapping never fails */
    uint32_t guaranteed, extra;
    uint32_t batch;      /* stores and returns of one call; 0: PAGER_BATCH */
    uint32_t read_ahead; /* pages; threads then often go on with the next page */
    bool evicts_later;   /* pages leave once a load is under way */
    bool evicts_apart;   /* and are unmapped after others have called the pager again */
    bool pins;           /* the program pins pages */
    bool failures;       /* swap fails now and then */
    bool chaos;          /* physmem takes rights at any moment */
    bool losses;         /* physmem takes frames by force */
    bool recalls;        /* physmem wants frames back, and contracts change */
    bool bits;           /* the kernel notes references, for policies that sample */
    uint32_t stack;      /* places of the frame stack, from which physmem takes; 0: there is none */
};

/* A round trip that has not ended: the other side acts first, its answer comes later. */
struct outside_op {
    struct pager_effect effect;
    bool acted;
    bool lost;          /* its frame was taken before the other side acted on it */
    uint64_t content;   /* STORE, LOAD, REFILL: what was read or made */
    uint32_t count;     /* ALLOCATE: frames given */
    bool zero;          /* ALLOCATE: they hold zeros */
    uint8_t rights[32]; /* GRANT: given to each slot */
    int thread;         /* that waits for it; -1: none */
    bool write;         /* LOAD, REFILL: the thread's fault was one */
};

enum outside_thread_state {
    THREAD_IDLE,
    THREAD_ACCESS, /* about to touch its page */
    THREAD_SLEEP,  /* until anything ends */
    THREAD_CALL,   /* until its own round trips have ended */
};

struct outside_thread {
    enum outside_thread_state state;
    sp_page page;
    bool write;
    uint64_t seen;  /* ends that had happened when it went to sleep */
    uint32_t calls; /* its round trips */
};

/* What the program knows of a page. */
struct outside_page {
    uint32_t place; /* the slot that its address was mapped to last */
    uint64_t value;
    bool undefined; /* value says nothing */
    bool lost;      /* dropped since the program last asked */
    uint8_t pins;
    uint8_t state; /* of the pager's page, after the last step */
    bool touched;  /* since it was mapped or armed, by the program */
};

/* What physmem knows of a slot. */
struct outside_slot {
    bool allocated;
    bool lost_unheard; /* its frame was given and taken before the pager heard of it */
    uint8_t rights;
    uint32_t unmaps; /* on their way to the task */
    uint64_t frame;  /* contents */
};

struct outside_unmap {
    uint32_t slot, count;
    uint8_t rights;
};

struct outside {
    struct outside_options options;
    struct pager pager;
    struct sp_stats stats;
    struct pager_shell shell; /* the kernel */
    void *memory;             /* of the pager */
    struct random_source random;
    uint32_t step;

    struct outside_page *page;
    struct outside_thread thread[OUTSIDE_THREADS];
    uint64_t written; /* values given out */

    struct outside_slot *slot;
    uint32_t allocated;
    uint32_t pool; /* extra frames that physmem can give now */
    uint32_t owed;
    uint32_t losses; /* frames taken by force */
    uint32_t deaths; /* faults on dead pages */
    struct outside_unmap unmap[OUTSIDE_UNMAPS];
    uint32_t unmaps;

    struct frame_stack *stack; /* NULL: none */
    uint32_t taken;            /* from it, ever */
    uint32_t told;             /* of these, the pager could know */

    uint64_t *swap;
    bool *swap_used;
    uint32_t swap_slots;

    struct outside_op op[OUTSIDE_OPS]; /* in the order of their beginning */
    uint32_t ops;
    uint64_t ends;
    bool generous; /* nobody refuses anything now */

    /* About the current call. */
    int caller; /* thread; -1: none */
    bool caller_writes;
    bool taking_rights;
    bool losing; /* frames are being taken by force */
    bool map_failed;
    uint32_t emitted[EFFECT_RETURN + 1];
};

/* Memory comes from malloc; outside_fini frees it. */
void outside_init(struct outside *outside, const struct outside_options *options);

/* Let one thing happen, and check everything. */
void outside_step(struct outside *outside);

/* End all that is under way, nobody refusing anything; then see that faults come to their end in a
 * bounded number of rounds. */
void outside_settle(struct outside *outside);

/* Give everything back, see that nothing is left, and free the memory. */
void outside_fini(struct outside *outside);

/* ---- Between these files ---- */

/* End the test, saying what is wrong and where. */
_Noreturn void outside_fail(const struct outside *outside, const char *what);

static inline void outside_require(const struct outside *outside, bool good, const char *what)
{
    if (!good)
        outside_fail(outside, what);
}

static inline uint32_t outside_random(struct outside *outside, uint32_t bound)
{
    return random_below(&outside->random, bound);
}

/* Around each call into the pager. */
void outside_enter(struct outside *outside, int thread, bool write);
void outside_leave(struct outside *outside);

/* What a refill makes of a page, and what a page holds that was never written or was dropped. */
uint64_t outside_fresh_value(const struct outside *outside, sp_page page);

/* Note that the contents of a page are gone. */
void outside_forget(struct outside *outside, sp_page page);

/* Physmem takes up to so many frames from the frame stack, at a moment of its own. */
void outside_take(struct outside *outside, uint32_t frames);

/* Physmem takes what frames there are in a range by force, and says so. */
void outside_lose(struct outside *outside, uint32_t slot, uint32_t count);

/* Frames that were taken, and that the pager has not noticed. */
uint32_t outside_unnoticed(const struct outside *outside);

/* The program accesses a page that the kernel maps. */
void outside_kernel_refer(struct outside *outside, sp_page page);

void outside_op_progress(struct outside *outside, uint32_t index);
void outside_unmap_send(struct outside *outside);
void outside_unmap_deliver(struct outside *outside);
void outside_drain(struct outside *outside);
void outside_check(struct outside *outside);

/* ---- strict_policy.c ---- */

/* A policy that does what `inner` does, and ends the test if the engine breaks a rule of
 * selfpage/policy.h. Only the last one asked for is valid. */
const struct sp_policy *strict_policy(const struct sp_policy *inner);

/* True if the engine has told the strict policy that the page is there. */
bool strict_policy_has(const void *self, sp_page page);
uint32_t strict_policy_count(const void *self);

/* End the test if a page that was skipped has not come back. */
void strict_policy_call_ended(const void *self);

#endif
