/* The command line of selfpage top. */
#ifndef SELFPAGE_TOP_OPTIONS_H
#define SELFPAGE_TOP_OPTIONS_H

#include <stdint.h>

#include "os/options.h"
#include "selfpage/top/columns.h"

struct top_options {
    const char *physmem; /* its socket */
    const char *swap;    /* NULL: none is watched */
    const char *files;   /* socket of a file server; the same */
    const char *task;    /* the one to show alone; NULL: the list */
    struct selection selection;
    uint64_t interval_ns;
    uint32_t samples; /* 0: no end */
    bool batch;
    bool json;
    char *physmem_path, *swap_path,
        *files_path; /* what these point to, if they were found; owned */
};

/* Fill in *options. */
enum options_verdict top_options_parse(int argc, char **argv, struct top_options *options,
                                       struct sp_error *error);

void top_options_fini(struct top_options *options);

#endif
