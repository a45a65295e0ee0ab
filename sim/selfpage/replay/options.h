/* The command line of `selfpage replay`. */
#ifndef SELFPAGE_REPLAY_OPTIONS_H
#define SELFPAGE_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "adapter/load.h"
#include "launch/gnuplot.h"
#include "launch/strings.h"
#include "os/options.h"
#include "policy/params.h"
#include "trace/trace.h"

/* Policies, and sizes, of one command. */
#define REPLAY_POLICIES_MOST 1000u
#define REPLAY_SIZES_MOST    1000u

#define REPLAY_THREADS_MOST 1024u

/* A policy to replay. */
struct replay_policy {
    const char *label; /* as the user typed it */
    struct policy_choice choice;
    struct policy_handle handle;
};

/* A size to replay it at. */
struct replay_size {
    const char *text; /* as the user typed it */
    double share;     /* of the trace's pages; 0: frames are given */
    uint32_t frames;
};

struct replay_options {
    const char *path; /* "-": standard input */
    struct trace_options trace;
    struct strings labels, size_texts; /* own the texts of the next two */
    struct replay_policy *policies;
    size_t policy_count;
    struct replay_size *sizes;
    size_t size_count;
    struct strings assertions;
    struct strings curves;    /* files to write */
    struct strings over_time; /* the same, of miss ratios over time */
    struct gnuplot_look look; /* of those that are pictures */
    uint64_t seed;
    uint32_t threads; /* 0: as many as there are cores */
    uint32_t pages_most;
    uint64_t limit, warm_up; /* references; 0: all; none */
    uint64_t interval;       /* references; of over_time */
    const char *baseline;    /* of curves; NULL: none */
    bool no_floor;           /* curves without belady */
    const char *heat;        /* picture to write; NULL: none */
    bool score;
    uint32_t time_limit, memory_limit; /* of a score: seconds, MiB; 0: none */
    bool json, csv, bytes, list_jobs, quiet;
    char *csv_format; /* owned: "csv:" and what -t said */
};

/* Parse argv (argv[0] is "replay"); strings point into it. Policies are found, or loaded. Release
 * with replay_options_fini in any case. */
enum options_verdict replay_options_parse(int argc, char **argv, struct replay_options *options,
                                          struct sp_error *error);

void replay_options_fini(struct replay_options *options);

#endif
