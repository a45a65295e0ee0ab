/* `selfpage replay`. */
#ifndef SELFPAGE_REPLAY_REPLAY_H
#define SELFPAGE_REPLAY_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/replay.h>

#include "replay/engine.h"
#include "selfpage/replay/options.h"

/* What one policy did at one size. */
struct replay_result {
    const struct replay_policy *policy;
    const struct replay_size *size;
    uint32_t frames;
    uint64_t pages; /* different ones in the trace */
    struct engine_counts counts;
    uint64_t bytes;                   /* of the references; 0: not known */
    double seconds;                   /* of processor time, reading included */
    struct sp_replay_moment *moments; /* owned; NULL: there are none */
    size_t moment_count;
};

/* All of them: for each size, for each policy, in the order given. */
struct replay_results {
    struct replay_result *results;
    size_t count;
};

/* Run what the options say, but for --list-jobs and output. Release with replay_results_fini in any
 * case. */
int replay_run(const struct replay_options *options, struct replay_results *results,
               struct sp_error *error);

void replay_results_fini(struct replay_results *results);

/* The whole command; argv[0] is "replay". Returns the exit status. */
int replay_command(int argc, char **argv);

#endif
