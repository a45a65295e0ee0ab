/* The command line of selfpage-physmem. */
#ifndef PHYSMEM_OPTIONS_H
#define PHYSMEM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "os/options.h"

/* Most unmap requests a second that may be asked for. */
#define SAMPLE_PERIOD_LEAST_NS UINT64_C(1000000)
#define SAMPLE_PERIOD_MOST_NS  UINT64_C(3600000000000)
#define CHAOS_RATE_MAX         1000000

/* Most misses that the option can permit. */
#define WARNINGS_MOST 1000

struct physmem_options {
    uint32_t frames;
    uint32_t reserve;
    const char *socket;
    const char *upstream;      /* socket of the physmem above; NULL: none */
    const char *contract;      /* with it */
    const char *name;          /* there */
    const char *swap;          /* socket of the swap server; NULL: none */
    uint64_t swap_patience_ns; /* longest wait for it */
    const char *arbiter;       /* NAME[:PARAMS] or PATH[:PARAMS] */
    uint64_t max_term_ns;      /* SP_FOREVER: no limit */
    uint64_t max_grace_ns;     /* 0: the default */
    uint64_t silence_ns;       /* 0: the default */
    uint32_t warnings;         /* 0: the default */
    uint32_t user_guaranteed;  /* 0: all */
    uint32_t user_extra;       /* 0: all */
    uint64_t sample_period_ns; /* 0: not given */
    double chaos_unmap;        /* unmap requests a second; 0: none */
    uint64_t seed;
    int ready_fd; /* -1: none */
    bool verbose;
};

/* The options, with their defaults. */
#define PHYSMEM_OPTIONS_DEFAULTS                                                                   \
    {                                                                                              \
        .arbiter = "excess", .name = "physmem", .max_term_ns = SP_FOREVER, .seed = 1,              \
        .swap_patience_ns = UINT64_C(60000000000), .ready_fd = -1                                  \
    }

/* Of a struct physmem_options, whose strings then point into argv. */
extern const struct options_syntax physmem_options_syntax;

#endif
