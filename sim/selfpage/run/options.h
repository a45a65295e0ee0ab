/* The command line of `selfpage run`. */
#ifndef SELFPAGE_RUN_OPTIONS_H
#define SELFPAGE_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "launch/strings.h"
#include "os/options.h"
#include "selfpage/scenario/vary.h"

struct run_options {
    const char *scenario;  /* path */
    const char *directory; /* NULL: a private one */
    const char *series;    /* path; NULL: none is written */
    const char *perfetto;  /* path of a file to write; NULL: none */
    const char *faults;    /* directory; NULL: no table of faults is kept */
    const char *policy;    /* for all tasks; NULL: as the scenario says */
    bool json;
    bool workloads; /* run them in place of programs */
    bool tap;
    const char *junit; /* path of a file to write; NULL: none */
    bool table;        /* a table even where there is no terminal */
    bool no_table;     /* none, even where there is one */
    bool seed_given;
    uint64_t seed;
    bool chaos_given;
    double chaos_unmap;
    struct strings definitions; /* NAME=VALUE */
    struct vary set;            /* one value each */
};

/* Parse argv (argv[0] is "run"); strings point into it. Release with run_options_fini in any case.
 */
enum options_verdict run_options_parse(int argc, char **argv, struct run_options *options,
                                       struct sp_error *error);

void run_options_fini(struct run_options *options);

#endif
