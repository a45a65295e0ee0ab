/* The command line of selfpage-physmem. */
#ifndef PHYSMEM_OPTIONS_H
#define PHYSMEM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

/* Most unmap requests a second that may be asked for. */
#define CHAOS_RATE_MAX 1000000

struct physmem_options {
    uint32_t frames;
    uint32_t reserve;
    const char *socket;
    const char *arbiter;  /* NAME[:PARAMS] or PATH[:PARAMS] */
    uint64_t max_term_ns; /* SP_FOREVER: no limit */
    double chaos_unmap;   /* unmap requests a second; 0: none */
    uint64_t seed;
    int ready_fd; /* -1: none */
    bool verbose;
};

enum physmem_options_verdict {
    PHYSMEM_OPTIONS_RUN,  /* *options is complete */
    PHYSMEM_OPTIONS_EXIT, /* --help or --version: printed, all is done */
    PHYSMEM_OPTIONS_BAD,  /* *error says what */
};

/* Parse argv into *options, whose strings then point into argv. */
enum physmem_options_verdict physmem_options_parse(int argc, char **argv,
                                                   struct physmem_options *options,
                                                   struct sp_error *error);

#endif
