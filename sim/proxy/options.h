/* The command line of selfpage-proxy. */
#ifndef PROXY_OPTIONS_H
#define PROXY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/options.h"

struct proxy_options {
    const char *physmem; /* its socket */
    const char *socket;  /* this one's */
    const char *log;     /* NULL: standard error */
    uint32_t most;       /* frames that the contracts of one task may have; 0: no limit */
    int ready_fd;        /* -1: none */
    bool quiet;
};

/* The options, with their defaults. */
#define PROXY_OPTIONS_DEFAULTS                                                                     \
    {                                                                                              \
        .ready_fd = -1                                                                             \
    }

/* Of a struct proxy_options, whose strings then point into argv. */
extern const struct options_syntax proxy_options_syntax;

#endif
