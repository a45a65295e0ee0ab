/* The command line of selfpage-policyserver. */
#ifndef POLICYSERVER_OPTIONS_H
#define POLICYSERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/options.h"

struct policyserver_options {
    const char *physmem;      /* path of its socket */
    const char *swap;         /* path of its socket; NULL: swap is not controlled */
    const char *arbiter;      /* NAME[:PARAMS] or PATH[:PARAMS]; NULL: physmem's own */
    const char *entitlements; /* path; NULL: no limits */
    uint64_t period_ns;
    bool take_over;
    int ready_fd; /* -1: none */
    bool verbose;
};

/* The options, with their defaults. */
#define POLICYSERVER_OPTIONS_DEFAULTS                                                              \
    {                                                                                              \
        .period_ns = 100000000, .ready_fd = -1                                                     \
    }

/* Of a struct policyserver_options, whose strings then point into argv. */
extern const struct options_syntax policyserver_options_syntax;

#endif
