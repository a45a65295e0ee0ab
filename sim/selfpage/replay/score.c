/* The score of a policy: by how much it misses less than fifo, of fifo's misses; the mean over all traces
 * and sizes. Where it misses more, the difference is by its own misses, so that one bad trace counts at
 * most 1, as in the evaluation of S3-FIFO (Yang et al. 2023).
 *
 * A child computes it; this process watches over its time and memory, and ends it when it has too much.
 * That is for policies that loop or leak, not for malicious ones: these have the rights of the user. */
#include "selfpage/replay/score.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "selfpage/command/commands.h"
#include "selfpage/replay/replay.h"

/* Nanoseconds between two looks at the child. */
#define LOOK 5000000

struct score {
    double sum;
    size_t count; /* of traces and sizes */
    size_t traces;
};

/* ---- The traces ---- */

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* The regular files of a folder, by name; or the file itself. */
static int find_traces(const char *path, struct strings *traces, struct sp_error *error)
{
    struct dirent **entries;
    struct stat info;
    int count;

    if (strcmp(path, "-") == 0 || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        strings_add(traces, path); /* that it cannot be opened is said later */
        return 0;
    }
    count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0)
        return error_set(error, errno, "%s: cannot read the folder: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char name[4096];

        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (stat(name, &info) == 0 && S_ISREG(info.st_mode))
            strings_add(traces, name);
        free(entries[i]);
    }
    free(entries);
    if (traces->count == 0)
        return error_set(error, ENOENT, "%s: there is no trace in this folder", path);
    return 0;
}

/* ---- The score ---- */

/* How much better `misses` is than `baseline`, from -1 to 1. */
static double gain_of(uint64_t misses, uint64_t baseline)
{
    uint64_t most = misses > baseline ? misses : baseline;

    return most > 0 ? ((double)baseline - (double)misses) / (double)most : 0;
}

static int add_trace(struct score *score, const struct replay_options *all, const char *path,
                     struct sp_error *error)
{
    struct replay_options options = *all;
    struct replay_results results;
    int result;

    options.path = path;
    result = replay_run(&options, &results, error);
    for (size_t i = 0; result == 0 && i + 1 < results.count; i += 2) {
        score->sum +=
            gain_of(results.results[i].counts.misses, results.results[i + 1].counts.misses);
        score->count++;
    }
    score->traces++;
    replay_results_fini(&results);
    return result;
}

static int print_json(const struct replay_options *options, const struct score *score, double mean)
{
    json_t *object = json_pack("{s:s, s:s, s:f, s:I, s:I}", "policy", options->policies[0].label,
                               "baseline", SCORE_BASELINE, "score", mean, "traces",
                               (json_int_t)score->traces, "sizes", (json_int_t)options->size_count);
    int result = object != NULL ? json_dumpf(object, stdout, JSON_REAL_PRECISION(12)) : -1;

    json_decref(object);
    return result == 0 && putchar('\n') != EOF ? 0 : -1;
}

static int print(const struct replay_options *options, const struct score *score)
{
    double mean = score->count > 0 ? score->sum / (double)score->count : 0;
    int result = options->json ? print_json(options, score, mean) : printf("%.9f\n", mean) < 0;

    return result == 0 && fflush(stdout) == 0 ? EXIT_YES : EXIT_CANNOT;
}

/* What the child does. */
static int compute(const struct replay_options *options)
{
    struct strings traces = {.count = 0};
    struct score score = {.count = 0};
    struct sp_error error = {0};
    int result = find_traces(options->path, &traces, &error);

    for (size_t i = 0; i < traces.count && result == 0; i++)
        result = add_trace(&score, options, traces.items[i], &error);
    strings_fini(&traces);
    return result == 0 ? print(options, &score) : commands_cannot(&error);
}

/* ---- Watching over it ---- */

/* Bytes of memory that a process has; 0: not known. */
static uint64_t memory_of(pid_t pid)
{
    unsigned long long size, resident = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* End a child that has had too much. */
static int end(pid_t child, const char *what, uint32_t limit, const char *unit)
{
    int status;

    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    fprintf(stderr, "selfpage: the policy took more than %u %s of %s, and was ended\n", limit, unit,
            what);
    return EXIT_NO;
}

static int watch(pid_t child, const struct replay_options *options)
{
    const struct timespec pause = {.tv_nsec = LOOK};
    double until = now() + options->time_limit;
    uint64_t memory = (uint64_t)options->memory_limit << 20;
    int status;

    for (;;) {
        pid_t done = waitpid(child, &status, WNOHANG);

        if (done == child)
            break;
        if (done < 0 && errno != EINTR)
            return EXIT_CANNOT;
        if (options->time_limit > 0 && now() > until)
            return end(child, "time", options->time_limit, "seconds");
        if (memory > 0 && memory_of(child) > memory)
            return end(child, "memory", options->memory_limit, "MiB");
        nanosleep(&pause, NULL);
    }
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "selfpage: the policy ended the process by signal %d (%s)\n", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    return EXIT_NO;
}

int score_run(const struct replay_options *options)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0)
        _exit(compute(options));
    if (child < 0) {
        fprintf(stderr, "selfpage: cannot start a process: %s\n", strerror(errno));
        return EXIT_CANNOT;
    }
    return watch(child, options);
}
