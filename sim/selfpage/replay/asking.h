/* From the command line to what the library of selfpage/replay.h is asked, with the progress line. */
#ifndef SELFPAGE_REPLAY_ASKING_H
#define SELFPAGE_REPLAY_ASKING_H

#include <selfpage/replay.h>

#include "selfpage/replay/options.h"
#include "selfpage/replay/progress.h"

struct asking {
    struct sp_replay_options options;
    /* Private. */
    const struct replay_options *command;
    const char **policies; /* one more than there are, for the floor of curves */
    struct sp_replay_size *sizes;
    struct replay_progress progress;
};

/* What to ask for: the policies and sizes of the command line. It must not move. Release with
 * asking_fini in any case. -ENOMEM. */
int asking_init(struct asking *asking, const struct replay_options *command,
                struct sp_error *error);

/* Open the trace of the command line. Returns what sp_trace_open does. */
int asking_open(const struct asking *asking, struct sp_trace **tracep, struct sp_error *error);

/* Ask for one policy more. */
void asking_add(struct asking *asking, const char *policy);

/* Also wipes the progress line. */
void asking_fini(struct asking *asking);

#endif
