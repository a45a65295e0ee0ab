#include "selfpage/replay/asking.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

static int step(void *context, const struct sp_replay_progress *progress)
{
    struct asking *asking = context;

    progress_step(&asking->progress, progress);
    return 0;
}

static void note(void *context, const char *text)
{
    struct asking *asking = context;

    progress_end(&asking->progress);
    if (!asking->command->quiet)
        fprintf(stderr, "selfpage: note: %s\n", text);
}

int asking_init(struct asking *asking, const struct replay_options *command, struct sp_error *error)
{
    *asking = (struct asking){
        .command = command,
        .policies = calloc(command->policy_count + 1, sizeof(*asking->policies)),
        .sizes = calloc(command->size_count + 1, sizeof(*asking->sizes)),
    };
    if (asking->policies == NULL || asking->sizes == NULL)
        return error_set(error, ENOMEM, "no memory for the policies");
    for (size_t i = 0; i < command->policy_count; i++)
        asking->policies[i] = command->policies[i].label;
    for (size_t i = 0; i < command->size_count; i++)
        asking->sizes[i] = (struct sp_replay_size){.frames = command->sizes[i].frames,
                                                   .share = command->sizes[i].share};
    progress_begin(&asking->progress, command->quiet);
    asking->options = (struct sp_replay_options){
        .version = SP_REPLAY_VERSION,
        .policies = asking->policies,
        .policy_count = command->policy_count,
        .sizes = asking->sizes,
        .size_count = command->size_count,
        .seed = command->seed,
        .threads = command->threads,
        .progress = step,
        .note = note,
        .context = asking,
        .limit = command->limit,
        .warm_up = command->warm_up,
        .interval = command->over_time.count > 0 ? command->interval : 0,
        .bytes = command->json || command->csv || command->bytes || command->assertions.count > 0};
    return 0;
}

int asking_open(const struct asking *asking, struct sp_trace **tracep, struct sp_error *error)
{
    const struct replay_options *command = asking->command;
    const struct sp_trace_options options = {.version = SP_REPLAY_VERSION,
                                             .format = command->trace.format,
                                             .page_size = command->trace.page_size,
                                             .id_unit = command->trace.id_unit,
                                             .pages_most = command->pages_most};

    return sp_trace_open(tracep, command->path, &options, error);
}

void asking_add(struct asking *asking, const char *policy)
{
    asking->policies[asking->options.policy_count++] = policy;
}

void asking_fini(struct asking *asking)
{
    progress_end(&asking->progress);
    free(asking->policies);
    free(asking->sizes);
}
