#include "selfpage/simulate/twice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

/* The hash after each event of the first play. */
struct recorded_play {
    uint64_t *hash;
    size_t count, room;
    bool failed;
    size_t compared; /* events of the second play */
    uint64_t differs_at_ns;
    bool differs;
};

static bool take_down(void *arg, const struct play *play)
{
    struct recorded_play *record = arg;

    if (record->count == record->room) {
        size_t room = record->room > 0 ? 2 * record->room : 4096;
        uint64_t *hash = reallocarray(record->hash, room, sizeof *hash);

        if (hash == NULL) {
            record->failed = true;
            return false;
        }
        record->hash = hash;
        record->room = room;
    }
    record->hash[record->count++] = play->hash;
    return true;
}

static bool compare(void *arg, const struct play *play)
{
    struct recorded_play *record = arg;
    size_t index = record->compared++;

    if (!record->differs && (index >= record->count || record->hash[index] != play->hash)) {
        record->differs = true;
        record->compared = index;
        record->differs_at_ns = play->scene.now;
    }
    return !record->differs;
}

static int expect_sameness(struct outcome *outcome, const struct recorded_play *record,
                           uint64_t seed)
{
    char why[120];

    snprintf(why, sizeof why, "with seed %llu, event %zu differs, at %.9f s",
             (unsigned long long)seed, record->compared + 1, (double)record->differs_at_ns / 1e9);
    return outcome_expect(outcome, "a second play is the same event by event", !record->differs,
                          record->differs ? why : NULL);
}

int twice_run(struct cast *cast, const struct simulation_options *options, struct outcome *outcome,
              struct sp_error *error)
{
    struct simulation_options watched = *options;
    struct recorded_play record = {.hash = NULL};
    int result;

    watched.watch = take_down;
    watched.arg = &record;
    result = simulation_run(cast, &watched, outcome, error);
    if (result == 0) {
        outcome_fini(outcome);
        watched.watch = compare;
        result = simulation_run(cast, &watched, outcome, error);
    }
    if (record.failed)
        result = error_set(error, ENOMEM, "no memory for the hashes of %zu events", record.count);
    if (result == 0 || (result == -ECANCELED && record.differs))
        result = expect_sameness(outcome, &record, options->seed) == 0
                     ? 0
                     : error_set(error, ENOMEM, "out of memory");
    free(record.hash);
    return result;
}
