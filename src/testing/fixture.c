/* The fixture of selfpage/testing.h: physmem and swap, started and ended. */
#include "testing/fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/program.h"
#include "launch/child.h"
#include "testing/inworld.h"

enum { DEFAULT_FRAMES = 1024, DEFAULT_SLOTS = 4096, DEFAULT_TIMEOUT_MS = 120000 };

static const char *const programs[SP_TESTING_SERVERS] = {"selfpage-physmem", "selfpage-swap"};
static const char *const names[SP_TESTING_SERVERS] = {"physmem", "swap"};

static int options_check(const struct sp_testing_options *options, struct sp_error *error)
{
    if (!(options->chaos_unmap >= 0 && options->chaos_unmap <= 1e6))
        return error_set(error, EINVAL, "chaos_unmap is %g, and may be 0 to a million a second",
                         options->chaos_unmap);
    if (options->timeout_ms > INT_MAX)
        return error_set(error, EINVAL, "timeout_ms is %u, and at most %d is possible",
                         options->timeout_ms, INT_MAX);
    return 0;
}

/* Whether the test says itself how swap should reach its device. */
static bool names_a_mode(const char *const *arguments)
{
    for (; arguments != NULL && *arguments != NULL; arguments++)
        if (strcmp(*arguments, "--direct") == 0 || strcmp(*arguments, "--buffered") == 0)
            return true;
    return false;
}

static int options_prepare(struct sp_testing *fixture, const struct sp_testing_options *options)
{
    struct strings *physmem = &fixture->servers[SP_TESTING_PHYSMEM].arguments;
    struct strings *swap = &fixture->servers[SP_TESTING_SWAP].arguments;

    fixture->seed = options->seed != 0 ? options->seed : 1;
    strings_format(physmem, "--frames=%u",
                   options->physmem_frames != 0 ? options->physmem_frames : DEFAULT_FRAMES);
    strings_format(physmem, "--socket=%s", fixture->directory.physmem);
    strings_format(physmem, "--seed=%llu", (unsigned long long)fixture->seed);
    if (options->chaos_unmap > 0)
        strings_format(physmem, "--chaos-unmap=%.9g", options->chaos_unmap);
    if (options->arbiter != NULL)
        strings_format(physmem, "--arbiter=%s", options->arbiter);
    if (options->swap_slots != SP_TESTING_NO_SWAP)
        strings_format(physmem, "--swap=%s", fixture->directory.swap);
    strings_add_all(physmem, options->physmem_args);
    if (options->swap_slots != SP_TESTING_NO_SWAP) {
        strings_format(swap, "--slots=%u",
                       options->swap_slots != 0 ? options->swap_slots : DEFAULT_SLOTS);
        strings_format(swap, "--socket=%s", fixture->directory.swap);
        strings_format(swap, "--file=%s", fixture->directory.swap_file);
        if (!names_a_mode(options->swap_args))
            strings_add(swap, "--buffered");
        strings_add_all(swap, options->swap_args);
    }
    return physmem->failed || swap->failed ? -ENOMEM : 0;
}

static int server_launch(struct sp_testing *fixture, enum sp_testing_server which,
                         const char *const *more, struct sp_error *error)
{
    struct fixture_server *server = &fixture->servers[which];
    struct spawn spawn = {SPAWN_DEFAULTS, .group = fixture->guardian.group};
    struct strings argv = {0};
    char path[PATH_MAX];
    int result = program_find(fixture->bindir, programs[which], path, sizeof path, error);

    if (result != 0)
        return result;
    strings_add(&argv, programs[which]);
    strings_format(&argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_add_all(&argv, (const char *const *)server->arguments.items);
    strings_add_all(&argv, more);
    spawn.program = path;
    spawn.argv = argv.items;
    spawn.directory = fixture->directory.path;
    if (argv.failed)
        result = error_set(error, ENOMEM, "out of memory");
    else
        result = launched_start(&server->server, names[which], &spawn, &server->log, error);
    strings_fini(&argv);
    return result;
}

/* Start those servers that the fixture has, at the same time, and wait for both. */
static int servers_start(struct sp_testing *fixture, struct sp_error *error)
{
    int result = 0;

    for (int i = 0; i < SP_TESTING_SERVERS && result == 0; i++) {
        int code = launched_log_memory(&fixture->servers[i].log);

        if (code != 0)
            return error_set(error, -code, "memfd_create: %s", strerror(-code));
        if (fixture->servers[i].arguments.count != 0)
            result = server_launch(fixture, (enum sp_testing_server)i, NULL, error);
    }
    for (int i = 0; i < SP_TESTING_SERVERS && result == 0; i++)
        if (fixture->servers[i].server.pid != 0)
            result = launched_await(&fixture->servers[i].server, &fixture->servers[i].log,
                                    fixture->timeout_ms, error);
    return result;
}

/* Remember the first thing that went wrong with a server. */
static void fixture_note_trouble(struct sp_testing *fixture, enum sp_testing_server which,
                                 int result, int status)
{
    char tail[4096];

    if (result == 0 && status == 0)
        return;
    if (!fixture->trouble) {
        if (result == -ETIMEDOUT)
            error_set(&fixture->trouble_error, ECHILD, "%s did not end within %u ms; it was killed",
                      names[which], fixture->timeout_ms);
        else
            error_set(&fixture->trouble_error, ECHILD, "%s ended with exit status %d", names[which],
                      child_exit_status(status));
    }
    fixture->trouble = true;
    parts_log_tail(&fixture->servers[which].log, tail, sizeof tail);
    fprintf(stderr, "%s: %s\n%s", names[which], fixture->trouble_error.text, tail);
}

/* Notice a server that has ended unasked. */
static void server_look(struct sp_testing *fixture, enum sp_testing_server which)
{
    struct launched *server = &fixture->servers[which].server;
    int status = 0;

    if (server->pid == 0 || child_wait(server->pid, 0, &status) == -ETIMEDOUT)
        return;
    server->pid = 0;
    if (!fixture->trouble)
        error_set(&fixture->trouble_error, ECHILD, "%s ended unasked, with exit status %d",
                  names[which], child_exit_status(status));
    fixture->trouble = true;
}

/* What <selfpage/testing.h> defines in a program that is built with the CMake package. */
extern const char *sp_testing_package_bindir __attribute__((weak));

/* The directory of the servers if it was given; NULL otherwise. */
static const char *bindir_of(const struct sp_testing_options *options)
{
    const char *environment = getenv("SELFPAGE_BINDIR");

    if (options->bindir != NULL || (environment != NULL && *environment != '\0'))
        return options->bindir;
    return &sp_testing_package_bindir != NULL ? sp_testing_package_bindir : NULL;
}

int sp_testing_start(struct sp_testing **fixturep, const struct sp_testing_options *options,
                     struct sp_error *error)
{
    const struct sp_testing_options defaults = {0};
    struct sp_testing *fixture;
    int result;

    if (options == NULL)
        options = &defaults;
    result = options_check(options, error);
    if (result == 0)
        result = inworld_wanted(options, error);
    if (result < 0)
        return result;
    fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return error_set(error, ENOMEM, "out of memory");
    fixture->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    fixture->guardian.pipe = -1;
    fixture->directory.fd = -1;
    for (int i = 0; i < SP_TESTING_SERVERS; i++) {
        fixture->servers[i].log = (struct launched_log){-1, -1};
        observer_init(&fixture->servers[i].observer);
    }
    if (result == 1) {
        result = inworld_start(fixture, options, error);
        if (result == 0)
            *fixturep = fixture;
        else
            free(fixture);
        return result;
    }
    result = guardian_start(&fixture->guardian, &fixture->directory, NULL, false, error);
    if (result == 0)
        result =
            program_directory(bindir_of(options), fixture->bindir, sizeof fixture->bindir, error);
    if (result == 0 && options_prepare(fixture, options) != 0)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0)
        result = servers_start(fixture, error);
    if (result == 0)
        *fixturep = fixture;
    else
        sp_testing_stop(&fixture, NULL);
    return result;
}

/* End the servers, at the same time. */
static void servers_end(struct sp_testing *fixture)
{
    for (int i = 0; i < SP_TESTING_SERVERS; i++) {
        server_look(fixture, (enum sp_testing_server)i);
        if (fixture->servers[i].server.pid != 0)
            kill(fixture->servers[i].server.pid, SIGTERM);
    }
    for (int i = 0; i < SP_TESTING_SERVERS; i++) {
        struct launched *server = &fixture->servers[i].server;
        int status = 0, result;

        if (server->pid == 0)
            continue;
        if (server->ready >= 0)
            close(server->ready);
        result = child_end(server->pid, 0, fixture->timeout_ms, &status); /* it has its signal */
        fixture_note_trouble(fixture, (enum sp_testing_server)i, result, status);
        server->pid = 0;
    }
}

int sp_testing_stop(struct sp_testing **fixturep, struct sp_error *error)
{
    struct sp_testing *fixture = fixturep != NULL ? *fixturep : NULL;
    int result = 0;

    if (fixture == NULL)
        return 0;
    task_end_all(fixture);
    if (fixture->world != NULL) {
        if (fixture->trouble)
            result = error_set(error, ECHILD, "%s", fixture->trouble_error.text);
        sp_world_free(&fixture->world);
        free(fixture);
        *fixturep = NULL;
        return result;
    }
    for (int i = 0; i < SP_TESTING_SERVERS; i++)
        observer_fini(&fixture->servers[i].observer);
    servers_end(fixture);
    guardian_stop(&fixture->guardian);
    if (fixture->directory.fd >= 0)
        directory_remove(&fixture->directory); /* in case that somebody has killed the guardian */
    directory_fini(&fixture->directory);
    for (int i = 0; i < SP_TESTING_SERVERS; i++) {
        launched_log_fini(&fixture->servers[i].log);
        strings_fini(&fixture->servers[i].arguments);
    }
    if (fixture->trouble)
        result = error_set(error, ECHILD, "%s", fixture->trouble_error.text);
    free(fixture);
    *fixturep = NULL;
    return result;
}

int sp_testing_setup(void **state)
{
    struct sp_testing *fixture;
    struct sp_error error;

    if (sp_testing_start(&fixture, *state, &error) != 0) {
        fprintf(stderr, "sp_testing_setup: %s\n", error.text);
        return -1;
    }
    *state = fixture;
    return 0;
}

int sp_testing_teardown(void **state)
{
    struct sp_testing *fixture = *state;
    struct sp_error error;
    int result = sp_testing_stop(&fixture, &error);

    *state = NULL;
    if (result != 0)
        fprintf(stderr, "sp_testing_teardown: %s\n", error.text);
    return result != 0 ? -1 : 0;
}

pid_t sp_testing_pid(const struct sp_testing *fixture, enum sp_testing_server server)
{
    return fixture->servers[server].server.pid;
}

int sp_testing_kill(struct sp_testing *fixture, enum sp_testing_server server)
{
    struct fixture_server *killed = &fixture->servers[server];
    int status;

    if (fixture->world != NULL)
        return -ENOTSUP;
    server_look(fixture, server);
    if (killed->server.pid == 0)
        return -ESRCH;
    child_end(killed->server.pid, SIGKILL, fixture->timeout_ms, &status);
    killed->server.pid = 0;
    observer_disconnect(&killed->observer);
    return 0;
}

int sp_testing_end(struct sp_testing *fixture, enum sp_testing_server server)
{
    struct fixture_server *ended = &fixture->servers[server];
    int status = 0, result;

    if (fixture->world != NULL)
        return -ENOTSUP;
    server_look(fixture, server);
    if (ended->server.pid == 0)
        return -ESRCH;
    kill(ended->server.pid, SIGTERM);
    result = child_wait(ended->server.pid, fixture->timeout_ms, &status);
    if (result == -ETIMEDOUT)
        return result;
    ended->server.pid = 0;
    observer_disconnect(&ended->observer);
    return child_exit_status(status);
}

int sp_testing_restart(struct sp_testing *fixture, enum sp_testing_server server,
                       const char *const *args, struct sp_error *error)
{
    struct fixture_server *started = &fixture->servers[server];
    int result;

    if (fixture->world != NULL)
        return error_set(error, ENOTSUP, "a world has no servers to restart");
    server_look(fixture, server);
    if (started->server.pid != 0)
        return error_set(error, EBUSY, "%s is running", names[server]);
    if (started->arguments.count == 0)
        return error_set(error, ENOENT, "the fixture was started without %s", names[server]);
    result = server_launch(fixture, server, args, error);
    if (result == 0)
        result = launched_await(&started->server, &started->log, fixture->timeout_ms, error);
    return result;
}

size_t sp_testing_log(const struct sp_testing *fixture, enum sp_testing_server server, char *buffer,
                      size_t size)
{
    return parts_log_tail(&fixture->servers[server].log, buffer, size);
}
