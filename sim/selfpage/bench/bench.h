/* `selfpage bench contracts`: what is asked for, and what was measured. */
#ifndef SELFPAGE_BENCH_BENCH_H
#define SELFPAGE_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "base/histogram.h"
#include "selfpage/bench/demand.h"
#include "selfpage/bench/machine.h"
#include "client/observer/observer.h"
#include "launch/strings.h"
#include "os/options.h"

/* Kinds of request. The first six are those of --mix; an ACCEPT follows a counter-offer, and a
 * DEALLOCATE comes instead of an ALLOCATE when a task holds all that it wishes for. A RECALL asks
 * physmem, as an administrator does, to have some task return frames. */
#define BENCH_KINDS(X)                                                                             \
    X(PROPOSE, propose)                                                                            \
    X(RENEW, renew)                                                                                \
    X(RESIZE, resize)                                                                              \
    X(RECALL, recall)                                                                              \
    X(RELEASE, release)                                                                            \
    X(ALLOCATE, allocate)                                                                          \
    X(ACCEPT, accept)                                                                              \
    X(DEALLOCATE, deallocate)

enum bench_kind {
#define BENCH_KIND(NAME, name) BENCH_##NAME,
    BENCH_KINDS(BENCH_KIND)
#undef BENCH_KIND
        BENCH_KIND_COUNT,
};
#define BENCH_MIXED 6 /* kinds that --mix may name: the first ones */

/* "propose", ...: static. */
extern const char *const bench_kind_names[BENCH_KIND_COUNT];

#define BENCH_CONTENTION_MAX 4.0
#define BENCH_SAMPLES        100u
#define BENCH_ARBITERS       16u
#define BENCH_RATIOS         2u
#define BENCH_TERM_KINDS     3u  /* of contracts: guaranteed, extra, timed */
#define BENCH_PROCESSES      64u /* most that may drive tasks */
#define BENCH_CORES          64u /* of these, most that are used */
#define BENCH_VALUES         64u /* of a list that tasks take in turn */

/* Values that tasks take in turn: task i has value[i % count]. */
struct bench_values {
    uint32_t value[BENCH_VALUES];
    uint32_t count; /* 0: no task has one */
};

struct bench_options {
    uint32_t tasks;       /* that one process drives: see bench_crew.h */
    uint32_t all;         /* tasks in all processes */
    uint32_t first;       /* number of this process's first task */
    uint32_t unmeasured;  /* first tasks whose requests are not counted */
    uint32_t processes;   /* that drive tasks; 0: this one does */
    uint32_t slow;        /* of these, answer recalls when three quarters of the grace are over */
    uint32_t silent;      /* of these, never answer a recall */
    uint32_t frames;      /* 0: by the number of tasks */
    uint32_t outstanding; /* closed loop; 0: open loop */
    double rate;          /* requests a second; open loop */
    double contention;
    uint64_t duration_ns;
    uint64_t warmup_ns;
    bool settle;              /* warm up for longer, until use has settled */
    uint64_t requests;        /* to be measured, whatever the duration; 0: as many as come */
    uint64_t grace_ns;        /* of contracts */
    uint64_t slow_after_ns;   /* so late slow tasks answer; 0: as late as they may */
    uint64_t silent_grace_ns; /* of those of silent tasks; 0: the same */
    uint64_t seed;
    struct demand demand; /* what tasks would use; DEMAND_NONE: the frames of their contracts */
    struct bench_values weights, bids, priorities;
    uint32_t idle; /* of the tasks, the last: hold what they get, and use none of it */
    unsigned mix[BENCH_MIXED];
    bool mixed;                       /* --mix was given */
    unsigned kinds[BENCH_TERM_KINDS]; /* shares of kinds of contract, by enum sp_contract_kind */
    uint32_t order;                   /* largest of contracts and allocations */
    uint32_t recall_tasks;            /* of the great recall; 0: there is none */
    uint32_t recall_frames;
    bool different; /* cores */
    bool json;
    bool baseline;                /* measure the ratios too */
    const char *picture;          /* path; NULL: none */
    struct strings arbiters;      /* one run for each; none: physmem's own choice */
    int core[2];                  /* of this process, and of physmem */
    int worker_core[BENCH_CORES]; /* of the processes that drive tasks, in turn */
    unsigned worker_cores;
};

/* Subject and baseline, measured in turns: the round whose ratio is the median of all. */
struct bench_ratio {
    const char *name;
    double subject;  /* a second */
    double baseline; /* a second */
    double ratio;    /* of these two */
    double limit;    /* the least that is wanted */
};

/* One task that answers recalls as slowly as it may, and what that does to the others. */
struct bench_slow {
    unsigned turns; /* of each side: it answers at once (0), or as late as it may (1) */
    /* The others' p99 in ns, in the turn whose ratio is the median: without, with the slow task. */
    double negotiation_p99[2];
    double allocation_p99[2];
    struct histogram negotiation[2]; /* ns, of the others, in all turns */
    struct histogram allocation[2];
    uint64_t recalls; /* that the slow one got */
    double owing;     /* share of the time in which it owed frames */
    bool done;        /* it was measured */
};

/* Many frames recalled at once. */
struct bench_recall {
    uint32_t tasks;
    uint32_t frames;   /* that were asked back */
    uint64_t messages; /* RECALLs */
    uint64_t passes;   /* of physmem's loop that sent RECALLs */
    uint64_t sent_ns;  /* from the request to when the last task had its RECALL */
    uint64_t all_ns;   /* to when the request was granted in full */
    bool done;
};

/* What a task held, and what it would have used, at one moment. */
struct bench_use {
    uint32_t held;
    uint32_t demand;
};

/* What one run against one physmem gave. Large: from the heap. */
struct bench_result {
    const char *arbiter;                          /* NULL: physmem's own choice */
    struct histogram latency[BENCH_KIND_COUNT];   /* ns from when it was to be sent */
    struct histogram corrected[BENCH_KIND_COUNT]; /* the same, for coordinated omission */
    uint64_t interval_ns;    /* that was expected between requests, closed loop; 0: no correction */
    struct histogram recall; /* ns from a RECALL to when all was returned */
    struct histogram reuse;  /* ns from a missed deadline to frames reusable */
    struct histogram quiet_few, quiet_all; /* ns of a negotiation, with few and with all tasks */
    uint64_t failed[BENCH_KIND_COUNT];     /* answered with an error */
    struct observed_physmem before, after; /* around the measurement */
    double seconds;                        /* that were measured */
    uint32_t frames;
    uint32_t revoked;                /* tasks that were, silent ones */
    uint32_t revoked_compliant;      /* and those that answer */
    uint64_t slow_recalls;           /* that slow tasks got */
    uint64_t slow_looks, slow_owing; /* looks at slow tasks, and how often they owed frames */
    uint64_t unsent; /* open loop: arrivals that found no task free before the end */
    uint32_t samples;
    double times[BENCH_SAMPLES];       /* seconds, from the beginning of the measurement */
    uint64_t warmup_ns;                /* that came before */
    double utilisation[BENCH_SAMPLES]; /* share of frames held */
    double filled[BENCH_SAMPLES];      /* see struct bench_filling */
    double fairness[BENCH_SAMPLES];    /* Jain's index of useful frames / fair share */
    double disparity;                  /* least / median of useful frames / fair share, in all */
    bool rising;                       /* use had not settled when the measurement began */
    struct bench_use *use; /* of task i at sample s: use[i * BENCH_SAMPLES + s]; NULL: none */
    struct machine machine;
    uint32_t few; /* tasks connected for quiet_few */
    struct bench_ratio ratio[BENCH_RATIOS];
    unsigned ratios;
    double task_bytes; /* of physmem, for each task more; < 0: unknown */
    struct bench_slow slow;
    struct bench_recall great;
    bool books_right; /* at the end, when all tasks had gone */
    struct observed_physmem end;
};

/* The value for task number `task` in such a list. */
static inline uint32_t bench_value(const struct bench_values *values, uint32_t task, uint32_t none)
{
    return values->count > 0 ? values->value[task % values->count] : none;
}

/* ---- bench_options.c ---- */

/* Parse argv (argv[0] is "contracts"); strings point into it, but for `arbiters`: strings_fini. */
enum options_verdict bench_options_parse(int argc, char **argv, struct bench_options *options,
                                         struct sp_error *error);

/* ---- bench.c ---- */

/* `selfpage bench ...`; argv[0] is "bench". Returns the exit status. */
int bench_command(int argc, char **argv);

/* ---- bench_attacks.c ---- */

/* `selfpage bench attacks ...`; argv[0] is "attacks". Returns the exit status. */
int bench_attacks(int argc, char **argv);
int bench_costs(int argc, char **argv);

/* ---- bench_report.c, bench_json.c, bench_picture.c ---- */

/* Mean of the first `count` of these; 0 if there are none. */
double bench_use_mean(const double *values, uint32_t count);

/* What shows whether use has settled: with demands that change, how much of the frames that tasks could use
 * together they have; without, how many are held. */
struct bench_filling {
    uint64_t held, useful, demand; /* sums over all tasks */
};

/* Add a task at one moment. */
void bench_use_fill(struct bench_filling *filling, struct bench_use use);

/* The share, from 0 to 1. */
double bench_use_filled(const struct bench_filling *filling, const struct bench_options *options,
                        uint32_t frames);

/* The recalls of a measurement: all = met + missed + left. */
struct bench_recalls {
    uint64_t all;    /* sent in it, or under way when it began */
    uint64_t before; /* of these, under way when it began */
    uint64_t met, missed;
    uint64_t left; /* under way when it ended, or gone with their task */
};
struct bench_recalls bench_use_recalls(const struct bench_result *result);

/* What physmem counted during the measurement. */
#define BENCH_COUNTED(result, name) ((result)->after.name - (result)->before.name)

void bench_report(const struct bench_options *options, const struct bench_result *result);

/* Several results side by side. */
void bench_report_compare(struct bench_result *const *results, size_t count);

/* Print one JSON object: of one run, or with a list of those of several. Returns 0 or a negative
 * errno. */
int bench_json(const struct bench_options *options, struct bench_result *const *results,
               size_t count);

/* Draw options->picture by gnuplot. -ENOENT: it is not installed. */
int bench_picture(const struct bench_options *options, const struct bench_result *result,
                  struct sp_error *error);

#endif
