/* The command line of `selfpage experiment`. */
#ifndef SELFPAGE_EXPERIMENT_OPTIONS_H
#define SELFPAGE_EXPERIMENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "os/options.h"
#include "selfpage/scenario/vary.h"

struct experiment_options {
    const char *name;    /* or the path of a scenario; NULL: list them */
    const char *seeds;   /* A..B */
    const char *costs;   /* path; NULL: the defaults */
    const char *picture; /* path; NULL: none */
    struct vary vary;    /* nothing: what the figure varies */
    uint32_t runs;       /* of each group, live */
    bool live;
    bool json;
    bool tap;
    const char *junit; /* path; NULL: none */
};

/* Parse argv (argv[0] is "experiment"); strings point into it. */
enum options_verdict experiment_options_parse(int argc, char **argv,
                                              struct experiment_options *options,
                                              struct sp_error *error);

#endif
