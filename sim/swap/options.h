/* The command line of selfpage-swap. */
#ifndef SWAP_OPTIONS_H
#define SWAP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/registry.h"
#include "os/options.h"

/* Largest --slots: 256 GiB of 4 KiB pages. */
#define SWAP_SLOTS_MAX (1u << 26)

struct swap_options {
    uint32_t slots;
    uint32_t quota;      /* slots that one client may reserve */
    uint32_t bandwidth;  /* pages a second that rates of clients may sum up to; 0: no contracts */
    uint32_t user_quota; /* slots that all clients of one user may reserve */
    const char *socket;
    const char *device; /* as it was given, for messages */
    const struct swap_backend *backend;
    const char *file; /* the place of the device, for its backend */
    /* How a filter finds the backend below it; NULL: in the registry. */
    const struct swap_backend *(*find)(const char *device, const char **place);
    enum swap_mode mode;
    bool keep;
    bool sync;
    bool verbose;
    bool list_clients;    /* of a kept device, instead of serving */
    uint32_t drop_client; /* the same: drop the client of this id; 0: none */
    int ready_fd;         /* -1: none */
    double fail_writes;   /* injected faults: the share of pages, 0 to 1 */
    double fail_reads;
    uint64_t seed;
};

/* The options, with their defaults. */
#define SWAP_OPTIONS_DEFAULTS                                                                      \
    {                                                                                              \
        .ready_fd = -1, .seed = 1                                                                  \
    }

/* Of a struct swap_options, whose strings then point into argv. */
extern const struct options_syntax swap_options_syntax;

#endif
