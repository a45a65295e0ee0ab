/* The command line of selfpage-fileserver. */
#ifndef FILESERVER_OPTIONS_H
#define FILESERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cache/chunks.h"
#include "os/options.h"

struct fileserver_options {
    const char *socket;
    const char *root;
    const char *physmem;  /* NULL: SELFPAGE_PHYSMEM */
    const char *contract; /* NULL: SELFPAGE_CONTRACT, or one for the cache */
    uint32_t cache;       /* pages */
    bool read_only;
    int ready_fd;
    bool verbose;
};

#define FILESERVER_OPTIONS_DEFAULTS                                                                \
    {                                                                                              \
        .cache = CHUNKS_CACHE_USUAL, .ready_fd = -1                                                \
    }

extern const struct options_syntax fileserver_options_syntax;

#endif
