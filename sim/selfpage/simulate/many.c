#include "selfpage/simulate/many.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "launch/child.h"
#include "selfpage/command/commands.h"
#include "selfpage/simulate/many_report.h"
#include "selfpage/simulate/rows.h"
#include "selfpage/simulate/twice.h"

/* Most memory for the results of all plays. */
#define RESULTS_MAX ((size_t)4 << 30)

#define JOBS_MAX 1024u

/* Processor time for one event. */
#define STUCK_SECONDS 10u

/* Shared by all processes. */
struct shared_results {
    _Atomic uint64_t next;            /* the next play to take, from 0 */
    _Atomic uint64_t taken[JOBS_MAX]; /* the play of each process, plus 1; 0: none */
    struct play_progress progress[JOBS_MAX];
    _Atomic uint32_t told;  /* a process writes, or has written, texts */
    char texts[MANY_TEXTS]; /* of the expectations, as in struct many_results */
};

struct many {
    const struct simulate_options *options;
    struct cast *cast;
    const struct simulation_options *play;
    struct many_results results;
    struct shared_results *shared;
    size_t mapped;
    uint32_t jobs;
    pid_t pid[JOBS_MAX];
};

/* ---- In a process of its own ---- */

static const char *first_failure(const struct outcome *outcome, char *text, size_t size)
{
    for (size_t i = 0; i < outcome->expectation_count; i++)
        if (!outcome->expectations[i].passed) {
            snprintf(text, size, "%s%s%s", outcome->expectations[i].text,
                     outcome->expectations[i].why != NULL ? ": " : "",
                     outcome->expectations[i].why != NULL ? outcome->expectations[i].why : "");
            return text;
        }
    return "";
}

/* The first play to end says what is expected; it is the same for all. Those that have no room are told as one. */
static void tell_texts(struct shared_results *shared, const struct outcome *outcome)
{
    static const char others[] = "further expectations";
    size_t at = 0;

    if (atomic_exchange(&shared->told, 1) != 0)
        return;
    for (size_t i = 0; i < outcome->expectation_count && i < MANY_EXPECTATIONS; i++) {
        const char *text = outcome->expectations[i].text;
        size_t length = strlen(text) + 1;

        if (i == MANY_EXPECTATIONS - 1 || at + length + sizeof others + 1 > MANY_TEXTS) {
            memcpy(shared->texts + at, others, sizeof others);
            return;
        }
        memcpy(shared->texts + at, text, length);
        at += length;
    }
}

static void note_unmet(struct many_result *result, const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->expectation_count; i++) {
        size_t bit = i < MANY_EXPECTATIONS ? i : MANY_EXPECTATIONS - 1;

        if (!outcome->expectations[i].passed)
            result->unmet[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
}

static void play_one(struct many *many, uint64_t index, struct play_progress *progress)
{
    struct many_result *result = many_report_result(&many->results, index);
    struct simulation_options play = *many->play;
    struct outcome outcome;
    struct sp_error error;
    int rc;

    play.seed = many->options->first_seed + index;
    play.progress = progress;
    atomic_store(&progress->events, 0);
    atomic_store(&progress->now_ns, 0);
    patience_begin(progress, many->options->time_limit, STUCK_SECONDS);
    rc = many->options->check_determinism ? twice_run(many->cast, &play, &outcome, &error)
                                          : simulation_run(many->cast, &play, &outcome, &error);
    if (rc != 0) {
        snprintf(result->why, sizeof result->why, "%s", error.text);
        result->state = MANY_CANNOT;
    } else {
        tell_texts(many->shared, &outcome);
        note_unmet(result, &outcome);
        result->hash = outcome.hash;
        result->events = outcome.events_played;
        result->virtual_ns = outcome.virtual_ns;
        rows_fill(&outcome, result->row);
        result->state = outcome_passed(&outcome) ? MANY_PASSED : MANY_FAILED;
        first_failure(&outcome, result->why, sizeof result->why);
    }
    patience_end();
    outcome_fini(&outcome);
}

static void work(struct many *many, uint32_t job)
{
    uint64_t index;

    while ((index = atomic_fetch_add(&many->shared->next, 1)) < many->results.count) {
        atomic_store(&many->shared->taken[job], index + 1);
        play_one(many, index, &many->shared->progress[job]);
        atomic_store(&many->shared->taken[job], 0);
    }
    _exit(0);
}

/* ---- The process that waits for them ---- */

static int start_job(struct many *many, uint32_t job)
{
    many->pid[job] = fork();
    if (many->pid[job] == 0)
        work(many, job);
    return many->pid[job] > 0 ? 0 : -errno;
}

/* A process has ended. If it died, its play has failed, and another one takes its place. */
static int job_ended(struct many *many, uint32_t job, int status)
{
    uint64_t taken = atomic_load(&many->shared->taken[job]);
    const struct play_progress *progress = &many->shared->progress[job];
    struct many_result *result;

    many->pid[job] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (taken == 0)
        return -ECHILD;
    result = many_report_result(&many->results, taken - 1);
    result->state = MANY_DIED;
    if (!patience_explain(child_exit_status(status), progress, many->options->time_limit,
                          result->why, sizeof result->why))
        snprintf(result->why, sizeof result->why,
                 "the process that played it died (status %d) after event %llu, at %.9f s",
                 child_exit_status(status), (unsigned long long)atomic_load(&progress->events),
                 (double)atomic_load(&progress->now_ns) / 1e9);
    atomic_store(&many->shared->taken[job], 0);
    return start_job(many, job);
}

static int wait_for_all(struct many *many)
{
    int result = 0;

    for (uint32_t left = many->jobs; left > 0;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        uint32_t job = 0;

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return -errno;
        while (job < many->jobs && many->pid[job] != pid)
            job++;
        if (job == many->jobs)
            continue;
        if (result == 0)
            result = job_ended(many, job, status);
        left -= many->pid[job] <= 0;
    }
    return result;
}

static int share(struct many *many, struct sp_error *error)
{
    uint64_t count = many->options->last_seed - many->options->first_seed + 1;
    size_t size = many_report_size(many->cast->scenario);
    unsigned char *memory;

    if (count > RESULTS_MAX / size)
        return error_set(error, ENOMEM, "results of %llu plays would take more than 4 GiB",
                         (unsigned long long)count);
    many->mapped = sizeof(struct shared_results) + count * size;
    memory = mmap(NULL, many->mapped, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return error_set(error, errno, "no memory for results: %s", strerror(errno));
    many->shared = (struct shared_results *)(void *)memory;
    many->results = (struct many_results){.scenario = many->cast->scenario,
                                          .varied = many->play->varied,
                                          .count = count,
                                          .size = size,
                                          .texts = many->shared->texts,
                                          .results = memory + sizeof(struct shared_results)};
    for (uint64_t i = 0; i < count; i++)
        many_report_result(&many->results, i)->seed = many->options->first_seed + i;
    return 0;
}

static int play_all(struct many *many, struct sp_error *error)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int result = share(many, error);

    if (result != 0)
        return result;
    many->jobs = many->options->jobs > 0 ? many->options->jobs : cores > 0 ? (uint32_t)cores : 1;
    if (many->jobs > JOBS_MAX)
        many->jobs = JOBS_MAX;
    if (many->jobs > many->results.count)
        many->jobs = (uint32_t)many->results.count;
    fflush(NULL);
    for (uint32_t job = 0; job < many->jobs && result == 0; job++) {
        result = start_job(many, job);
        if (result != 0)
            many->jobs = job;
    }
    if (wait_for_all(many) != 0 || result != 0)
        return error_set(error, result != 0 ? -result : ECHILD, "a process that plays was lost");
    return 0;
}

int many_run(const struct simulate_options *options, struct cast *cast,
             const struct simulation_options *play, struct verdicts *verdicts, uint64_t *failedp)
{
    const struct many_look look = {
        .json = options->json, .rows = options->rows, .aside = options->tap};
    struct many many = {.options = options, .cast = cast, .play = play};
    struct sp_error error;
    int status;

    if (play_all(&many, &error) != 0)
        status = commands_cannot(&error);
    else
        status = many_report_show(&many.results, &look, failedp);
    if (status != EXIT_CANNOT || many.mapped > 0)
        many_report_judge(&many.results, play->varied != NULL ? play->varied : options->scenario,
                          verdicts);
    if (many.mapped > 0)
        munmap(many.shared, many.mapped);
    return status;
}
