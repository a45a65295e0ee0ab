#include "selfpage/simulate/locate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/simulate/attempt.h"

struct locating {
    const struct scenario *scenario;
    const char *policy;
    const struct simulation_options *play;
    uint64_t events; /* of the play that failed */
    bool
        broken; /* a rule was, or the process died: others that do otherwise have not failed in this way */
};

/* A continuation that is not over after so many times the events of the play, and so many more, has failed: all must end in
 * bounded time. */
#define LASTS_LONGER 10u
#define LASTS_MORE   100000u

/* Whether all continuations from behind this event fail. 1, 0 or a negative errno. */
static int always_fails(const struct locating *locating, uint64_t event)
{
    struct simulation_options play = *locating->play;

    play.calms = true;
    play.calm_after = event;
    play.until_event = event + LASTS_LONGER * locating->events + LASTS_MORE;
    for (uint32_t i = 1; i <= LOCATE_BRANCHES; i++) {
        struct attempt seen;
        int result;

        play.calm_seed = i;
        result = attempt_fails(locating->scenario, locating->policy, &play, &seen);
        if (result != 1)
            return result;
        if (locating->broken && !seen.broken)
            return 0;
    }
    return 1;
}

/* The first event from which on all continuations fail: behind `last` they do. */
static int find_inevitable(const struct locating *locating, uint64_t last, uint64_t *eventp)
{
    uint64_t low = 0, high = last;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int result = always_fails(locating, middle);

        if (result < 0)
            return result;
        if (result == 1)
            high = middle;
        else
            low = middle + 1;
    }
    *eventp = high;
    return 0;
}

static void say(const char *what, const struct attempt *seen)
{
    fprintf(stderr, "selfpage: %s event %llu, at %.9f s (%s)%s%s\n", what,
            (unsigned long long)seen->events, (double)seen->now_ns / 1e9, seen->last,
            seen->why[0] != '\0' ? ": " : "", seen->why);
}

/* Up to an event, to see what it is. */
static int look_at(const struct locating *locating, uint64_t event, struct attempt *seen)
{
    struct simulation_options play = *locating->play;
    int result;

    play.until_event = event;
    result = attempt_fails(locating->scenario, locating->policy, &play, seen);
    seen->why[0] = '\0';
    return result < 0 ? result : 0;
}

static int locate(struct locating *locating, struct sp_error *error)
{
    struct simulation_options counted = *locating->play;
    struct attempt shown, wrong, seen;
    uint64_t event = 0;
    int result = attempt_fails(locating->scenario, locating->policy, locating->play, &shown);

    if (result == 0)
        return error_set(error, EINVAL, "seed %llu does not fail: there is nothing to locate",
                         (unsigned long long)locating->play->seed);
    locating->events = shown.events;
    locating->broken = shown.broken;
    if (result == 1) {
        say("it shows at", &shown);
        counted.check_every = 1;
        result = attempt_fails(locating->scenario, locating->policy, &counted, &wrong);
    }
    if (result == 1 && wrong.broken)
        say("the books are wrong from", &wrong);
    if (result >= 0)
        result = find_inevitable(locating, shown.events, &event);
    if (result == 0 && event > 0)
        result = look_at(locating, event, &seen);
    if (result < 0)
        return error_set(error, -result, "cannot be located: %s", strerror(-result));
    if (event > 0)
        say("it is inevitable from", &seen);
    else
        fprintf(stderr, "selfpage: it is inevitable from the beginning\n");
    return 0;
}

int locate_failure(const struct scenario *scenario, const char *policy,
                   const struct simulation_options *play, struct sp_error *error)
{
    struct locating locating = {.scenario = scenario, .policy = policy, .play = play};

    return locate(&locating, error);
}
