/* Starting the test fixture: physmem and swap, ready to serve, in a private directory. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <selfpage/testing.h>

#include "os/clock.h"

static const struct bench_about about = {
    .name = "bench_fixture_start",
    .claim = "the test fixture starts both servers within 50 ms",
    .subject = "fixture",
    .baseline = "two programs",
    .unit = "ns a start",
    .details =
        "Subject: sp_testing_start, until both servers listen. Baseline: the same two programs are\n"
        "started with --version, and waited for: what loading them alone costs. The number judged\n"
        "is the average time of the subject, in milliseconds.",
    .rounds = 41,
};

extern char **environ;

/* The directory of this program, where the servers are too. */
static void program_directory(struct bench *bench, char *directory, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", directory, size - 1);
    char *slash;

    if (length < 0)
        bench_fail(bench, "/proc/self/exe: %s", strerror(errno));
    directory[length] = '\0';
    slash = strrchr(directory, '/');
    if (slash != NULL)
        *slash = '\0';
}

static void run_version(struct bench *bench, const char *directory, const char *program)
{
    char path[PATH_MAX];
    char *argv[] = {path, (char *)"--version", NULL};
    posix_spawn_file_actions_t quiet;
    int status, code;
    pid_t pid;

    if (snprintf(path, sizeof(path), "%s/%s", directory, program) >= (int)sizeof(path))
        bench_fail(bench, "the path of %s is too long", program);
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    code = posix_spawn(&pid, path, &quiet, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (code != 0 || waitpid(pid, &status, 0) != pid || status != 0)
        bench_fail(bench, "%s --version did not run", path);
}

int main(int argc, char **argv)
{
    struct bench bench;
    struct bench_row *row;
    char directory[PATH_MAX];
    double sum = 0;

    bench_init(&bench, &about, argc, argv);
    program_directory(&bench, directory, sizeof(directory));
    row = bench_row(&bench, BENCH_NO_LIMIT, "both servers, ready");
    for (unsigned i = 0; i < bench.rounds; i++) {
        struct sp_testing_options options = {.bindir = directory};
        struct sp_testing *fixture;
        struct sp_error error;
        uint64_t start = clock_now_ns();
        uint64_t subject, baseline;

        if (sp_testing_start(&fixture, &options, &error) != 0)
            bench_fail(&bench, "%s", error.text);
        subject = clock_now_ns() - start;
        if (i == 0) {
            bench_threads(&bench, "physmem", sp_testing_pid(fixture, SP_TESTING_PHYSMEM));
            bench_threads(&bench, "swap", sp_testing_pid(fixture, SP_TESTING_SWAP));
        }
        if (sp_testing_stop(&fixture, &error) != 0)
            bench_fail(&bench, "%s", error.text);
        start = clock_now_ns();
        run_version(&bench, directory, "selfpage-physmem");
        run_version(&bench, directory, "selfpage-swap");
        baseline = clock_now_ns() - start;
        bench_round(&bench, row, (double)subject, (double)baseline);
        sum += (double)subject;
    }
    bench_number(&bench, sum / bench.rounds / 1e6, 50, "milliseconds a start, on average");
    bench_threads(&bench, "starter", 0);
    return bench_finish(&bench);
}
