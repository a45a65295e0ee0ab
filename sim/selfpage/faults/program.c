#include "selfpage/faults/program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/testing.h>

#include "base/assert.h"
#include "base/error.h"
#include "launch/child.h"
#include "launch/passing.h"
#include "launch/spawn.h"
#include "launch/strings.h"

#define FRAMES     256u
#define SWAP_SLOTS 65536u
#define PATH_MOST  4095

/* Where the shell would find the program. */
static int find_program(const char *name, char *path, size_t size, struct sp_error *error)
{
    const char *at = strchr(name, '/') != NULL ? NULL : getenv("PATH");

    if (at == NULL) {
        if (snprintf(path, size, "%s", name) >= (int)size)
            return error_set(error, ENAMETOOLONG, "the program's path is too long");
        return 0;
    }
    for (; *at != '\0'; at += strcspn(at, ":"), at += *at == ':') {
        snprintf(path, size, "%.*s/%s", (int)strcspn(at, ":"), at, name);
        if (access(path, X_OK) == 0)
            return 0;
    }
    return error_set(error, ENOENT, "there is no program %.100s in $PATH", name);
}

static int start_servers(const struct faults_options *options, struct sp_testing **fixturep,
                         struct sp_error *error)
{
    struct sp_testing_options servers = {
        .physmem_frames = options->frames > 0 ? options->frames : FRAMES,
        .swap_slots = options->swap_slots > 0 ? options->swap_slots : SWAP_SLOTS};

    /* As many go to the task; physmem keeps none back. */
    return sp_testing_start(fixturep, &servers, error);
}

static int make_environment(const struct faults_options *options, const struct sp_testing *fixture,
                            const char *directory, struct strings *list, struct sp_error *error)
{
    char contract[32];

    snprintf(contract, sizeof contract, "guaranteed=%u",
             options->frames > 0 ? options->frames : FRAMES);
    strings_add_all(list, (const char *const *)environ);
    if (fixture != NULL) {
        strings_set(list, "SELFPAGE_PHYSMEM", sp_testing_socket(fixture, SP_TESTING_PHYSMEM));
        strings_set(list, "SELFPAGE_SWAP", sp_testing_socket(fixture, SP_TESTING_SWAP));
        strings_set(list, "SELFPAGE_CONTRACT",
                    options->contract != NULL ? options->contract : contract);
    }
    if (options->policy != NULL)
        strings_set(list, "SELFPAGE_POLICY", options->policy);
    strings_set(list, "SELFPAGE_FAULTS", directory);
    return list->failed ? error_set(error, ENOMEM, "no memory for the environment") : 0;
}

static int run_to_end(const struct faults_options *options, const char *path, char *const *envp,
                      int *statusp, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .program = path, .argv = options->program, .envp = envp,
                          .inherits = true};
    int status, result;
    pid_t pid;

    spawn.input = STDIN_FILENO;
    if (options->json)
        spawn.output = STDERR_FILENO;
    fflush(NULL);
    result = spawn_program(&spawn, &pid, error);
    if (result != 0)
        return result;
    passing_to(pid);
    result = passing_wait(pid, &status);
    if (result != 0)
        return error_set(error, -result, "cannot wait for the program: %s", strerror(-result));
    *statusp = child_exit_status(status);
    check(*statusp >= 0);
    return 0;
}

int program_run(const struct faults_options *options, const char *directory, int *statusp,
                struct sp_error *error)
{
    char path[PATH_MOST + 1];
    struct strings environment = {.count = 0};
    struct sp_testing *fixture = NULL;
    int result = find_program(options->program[0], path, sizeof(path), error);

    if (result == 0 && options->own_servers)
        result = start_servers(options, &fixture, error);
    if (result == 0)
        result = make_environment(options, fixture, directory, &environment, error);
    if (result == 0)
        result = run_to_end(options, path, environment.items, statusp, error);
    strings_fini(&environment);
    sp_testing_stop(&fixture, NULL);
    return result;
}
