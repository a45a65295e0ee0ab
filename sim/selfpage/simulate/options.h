/* The command line of `selfpage simulate`. */
#ifndef SELFPAGE_SIMULATE_OPTIONS_H
#define SELFPAGE_SIMULATE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "launch/strings.h"
#include "os/options.h"
#include "selfpage/scenario/vary.h"

struct simulate_options {
    const char *scenario; /* path */
    const char *policy;   /* for all tasks; NULL: as the scenario says */
    const char *costs;    /* path; NULL: the defaults */
    bool json;
    bool rows; /* with the JSON object of many seeds: all counters of each */
    bool tap;
    const char *junit; /* path; NULL: none */
    bool list_jobs;
    struct strings merged; /* paths of what jobs printed; none: play */
    bool check_determinism;
    bool minimise, locate;
    bool shuffle_ties;
    bool kernel_bits;
    struct vary vary;
    const char *series;   /* path; NULL: none */
    const char *perfetto; /* path; NULL: none */
    uint64_t step_ns;
    bool faults_given;
    uint64_t faults_until_ns;
    const char *save; /* where a play that fails is written; NULL: nowhere */
    uint32_t check_every;
    bool seed_given;
    uint64_t first_seed, last_seed; /* --seed: both the same */
    uint32_t time_limit;            /* seconds of processor time for each play of many */
    uint32_t jobs;                  /* 0: as many as there are cores */
    struct strings definitions;     /* NAME=VALUE */
};

/* Parse argv (argv[0] is "simulate"); strings point into it. Release with simulate_options_fini in any
 * case. */
enum options_verdict simulate_options_parse(int argc, char **argv, struct simulate_options *options,
                                            struct sp_error *error);

void simulate_options_fini(struct simulate_options *options);

#endif
