#include "selfpage/simulate/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* Processor time for one play, and for one event of it. */
#define PLAY_SECONDS  20u
#define STUCK_SECONDS 2u

/* Of a process that has played, and failed. */
#define FAILED 1

/* Shared with the process that plays. */
struct shared_attempt {
    struct attempt seen;
    struct play_progress progress;
};

static bool note(void *arg, const struct play *play)
{
    struct attempt *seen = arg;

    seen->events = play->events;
    seen->now_ns = play->scene.now;
    play_describe(play, seen->last, sizeof seen->last);
    seen->broken = play->scene.wrong[0] != '\0';
    return true;
}

static void note_why(struct attempt *seen, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (!outcome->expectations[i].passed) {
            const char *why = outcome->expectations[i].why;

            snprintf(seen->why, sizeof seen->why, "%s%s%s", outcome->expectations[i].text,
                     why != NULL ? ": " : "", why != NULL ? why : "");
            return;
        }
}

/* In the process. */
static void play_and_exit(const struct scenario *scenario, const char *policy,
                          const struct simulation_options *play, struct shared_attempt *shared)
{
    struct simulation_options watched = *play;
    struct outcome outcome;
    struct sp_error error;
    struct cast cast;
    bool passed = true;

    patience_begin(&shared->progress, PLAY_SECONDS, STUCK_SECONDS);
    watched.watch = note;
    watched.arg = &shared->seen;
    watched.progress = &shared->progress;
    if (cast_init(&cast, scenario, policy, &error) == 0 &&
        simulation_run(&cast, &watched, &outcome, &error) == 0) {
        passed = outcome_passed(&outcome);
        note_why(&shared->seen, &outcome);
    }
    _exit(passed ? 0 : FAILED);
}

/* How it has ended. */
static int judge(struct attempt *seen, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) != PATIENCE_STUCK)
        return WEXITSTATUS(status) == FAILED;
    seen->events++; /* of this one it died */
    seen->broken = true;
    if (WIFEXITED(status))
        snprintf(seen->why, sizeof seen->why, "it does not end: the event after: %.80s",
                 seen->last);
    else
        snprintf(seen->why, sizeof seen->why,
                 "the process dies of signal %d, in the event after: %.80s", WTERMSIG(status),
                 seen->last);
    return 1;
}

int attempt_fails(const struct scenario *scenario, const char *policy,
                  const struct simulation_options *play, struct attempt *seen)
{
    struct shared_attempt *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int result, status = 0;
    pid_t pid;

    if (shared == MAP_FAILED)
        return -errno;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(0);
        play_and_exit(scenario, policy, play, shared);
    }
    result = pid < 0 ? -errno : 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (result == 0)
        result = judge(&shared->seen, status);
    if (seen != NULL)
        *seen = shared->seen;
    munmap(shared, sizeof *shared);
    return result;
}
