/* Driving an eviction policy through everything that the rules of <selfpage/policy.h> allow an
 * engine to do, in random order, and seeing whether it keeps its own rules.
 *
 * Pure: a driver gives the memory, so that it can be guarded, and steps it, so that two can run
 * side by side. A breach is told in words; the driver must see what a policy does to the process
 * (crashes, loops, system calls), and finds in the log what was going on. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/policy.h>

#include "base/random.h"
#include "policy/params.h"

enum check_kind {
    CHECK_NOTHING = 0,
    CHECK_SIZE,
    CHECK_INIT,
    CHECK_INSERT,
    CHECK_HIT,
    CHECK_VICTIM,
    CHECK_REMOVE,
    CHECK_RESIZE,
    CHECK_HINT,
};

/* One call of the policy. */
struct check_call {
    uint8_t kind;   /* enum check_kind */
    uint8_t detail; /* access, removal or hint */
    sp_page page;   /* of VICTIM: the incoming one; of RESIZE: frames */
    sp_page answer; /* of VICTIM */
};

#define CHECK_RECENT 8u /* calls that a log remembers, a power of two */
#define CHECK_TEXT   320u

/* What goes on; the driver may keep it in memory shared with another process. */
struct check_log {
    uint64_t step;  /* counted from 1; 0: before the first reference */
    uint64_t calls; /* begun so far; the last is recent[(calls - 1) % ...] */
    struct check_call recent[CHECK_RECENT];
    bool inside;             /* a call is under way */
    char breach[CHECK_TEXT]; /* what rule was broken, and how; empty: none */
};

struct check_setup {
    const struct policy_choice *choice;
    uint32_t pages;
    uint32_t frames;
    uint32_t steps; /* references */
    uint64_t seed;
    bool live; /* show the policy only what a live task would */
    struct check_log *log;
    sp_page *victims; /* NULL, or room for `victims_most` answers, in their order */
    uint32_t victims_most;
    /* How to call the policy: NULL: simply; otherwise it has to call work(argument) once. */
    void (*invoke)(void *context, void (*work)(void *argument), void *argument);
    void *context;
};

/* Sizes, pattern and mode that a seed stands for. */
struct check_setup check_setup_by_seed(const struct policy_choice *choice, uint64_t seed,
                                       uint32_t steps);

enum check_standing { CHECK_ABSENT = 0, CHECK_RESIDENT, CHECK_PINNED, CHECK_SKIPPED };

struct check_page {
    uint8_t standing;   /* enum check_standing */
    uint8_t left_plus1; /* enum sp_removal plus one, of the last time it left; 0: never was in */
    bool referenced;
    bool dirty;
    bool watched;
    uint32_t upcoming; /* index of its next reference; steps: none */
};

struct check {
    struct sp_policy_env env; /* first, so that the policy's calls find the rest */
    struct sp_policy_env env_expected;
    struct sp_policy_config config;
    double params[POLICY_PARAMS_MAX];
    struct check_setup setup;
    struct check_page *page;
    uint32_t *reference; /* page << 1, plus 1 for a write */
    uint32_t *next;      /* by reference: index of the next one to the same page */
    void *self;
    struct random_source random;        /* of the driver */
    struct random_source policy_random; /* of env->random */
    uint32_t at;                        /* next reference */
    uint32_t frames;
    uint32_t used;        /* frames that hold a page: resident, pinned or skipped */
    uint32_t with_policy; /* pages that victim may name */
    uint32_t skipped;
    uint32_t victims;
    uint64_t questions; /* to the environment */
    bool ended;
    struct check_call call;
};

/* Bytes that check_begin needs beside struct check, 64-byte aligned. */
size_t check_tables_size(const struct check_setup *setup);

/* Bytes of state that the policy asks for. `check` need not be begun. */
size_t check_state_size(struct check *check, const struct check_setup *setup);

/* Start: `tables` and `self` (64-byte aligned) are zeros, as large as said. The policy is
 * initialised. */
void check_begin(struct check *check, const struct check_setup *setup, void *tables, void *self);

/* Go on by one reference and what comes before it; at the end, take all pages away. False: it is
 * over, by the end or by a breach. */
bool check_step(struct check *check);

/* A call, as a C programmer would write it. Returns `text`. */
const char *check_text_call(const struct check_call *call, char *text, size_t size);

/* Note a breach in the log, unless there is one. */
void check_text_breach(struct check_log *log, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Rules that can be checked without running the policy: flags must not contradict each other, and live_form must
 * name a policy that runs live. True if they are kept. */
bool check_text_declaration(const struct policy_choice *choice, struct check_log *log);

/* ---- cost.c ---- */

struct check_cost {
    double hit, insert, evict, discard; /* nanoseconds a call; 0: the policy has no such function */
};

/* Measure what calls cost with `pages` pages, when half of them fit, by `clock` (nanoseconds).
 * `memory` has check_tables_size bytes for a setup of 1 step. */
struct check_cost check_cost_measure(const struct policy_choice *choice, uint32_t pages,
                                     uint64_t seed, struct check_log *log, void *tables, void *self,
                                     uint64_t (*clock)(void));

/* Compare: calls that cost more and more with the number of pages break a rule. */
bool check_cost_all(const struct check_cost *few, uint32_t few_pages, const struct check_cost *many,
                    uint32_t many_pages, struct check_log *log);

#endif
