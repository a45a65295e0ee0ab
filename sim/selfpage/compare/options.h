/* The command line of `selfpage compare`. */
#ifndef SELFPAGE_COMPARE_OPTIONS_H
#define SELFPAGE_COMPARE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "launch/strings.h"
#include "os/options.h"

struct compare_options {
    const char *scenario;
    const char *seed;      /* text; NULL: as the scenario says */
    struct strings passed; /* options for both commands */
    uint32_t runs;
    double tolerance;   /* per cent */
    double median, p99; /* tolerances of times, in per cent; negative: none */
    const char *costs;  /* path, for the simulation; NULL: the defaults */
    bool json;
    bool workloads; /* of live runs */
};

/* Parse argv (argv[0] is "compare"). Release with compare_options_fini in any case. */
enum options_verdict compare_options_parse(int argc, char **argv, struct compare_options *options,
                                           struct sp_error *error);

void compare_options_fini(struct compare_options *options);

#endif
