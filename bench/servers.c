/* Physmem and swap, started for a benchmark, and attaching to them. */
#include "common.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launch/program.h"
#include "launch/spawn.h"
#include "launch/strings.h"
#include "launch/child.h"

#define SERVER_TIMEOUT_MS 20000u

/* The directory for sockets, and the guardian that removes it. */
static void serve(struct bench *bench)
{
    struct sp_error error;

    if (bench->served)
        return;
    if (guardian_start(&bench->guardian, &bench->directory, NULL, false, &error) != 0)
        bench_fail(bench, "%s", error.text);
    if (launched_log_memory(&bench->log) != 0)
        bench_fail(bench, "no memory for the log of the servers");
    bench->served = true;
}

/* Start a program with `options`, which are freed, on the core of servers, and wait until it
 * listens. */
static void start(struct bench *bench, struct launched *server, const char *name,
                  const char *program, struct strings *options)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = bench->guardian.group};
    struct strings argv = {0};
    struct sp_error error;
    char path[BENCH_PATH];
    int result = program_find(NULL, program, path, sizeof(path), &error);

    if (result != 0)
        bench_fail(bench, "%s", error.text);
    strings_add(&argv, program);
    strings_format(&argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_add_all(&argv, (const char *const *)options->items);
    if (argv.failed || options->failed)
        bench_fail(bench, "out of memory");
    spawn.program = path;
    spawn.argv = argv.items;
    bench_pin(bench, 1);
    result = launched_start(server, name, &spawn, &bench->log, &error);
    bench_pin(bench, 0);
    if (result == 0)
        result = launched_await(server, &bench->log, SERVER_TIMEOUT_MS, &error);
    if (result != 0)
        bench_fail(bench, "%s", error.text);
    strings_fini(&argv);
    strings_fini(options);
}

void bench_start_physmem(struct bench *bench, uint32_t frames)
{
    struct strings options = {0};

    serve(bench);
    strings_format(&options, "--frames=%u", frames);
    strings_format(&options, "--socket=%s", bench->directory.physmem);
    start(bench, &bench->physmem, "physmem", "selfpage-physmem", &options);
}

void bench_start_stacked(struct bench *bench, const char *contract)
{
    struct strings options = {0};

    snprintf(bench->stacked_path, sizeof(bench->stacked_path), "%.*s2",
             (int)sizeof(bench->stacked_path) - 2, bench->directory.physmem);
    strings_format(&options, "--upstream=%s", bench->directory.physmem);
    strings_format(&options, "--contract=%s", contract);
    strings_format(&options, "--socket=%s", bench->stacked_path);
    start(bench, &bench->stacked, "physmem on physmem", "selfpage-physmem", &options);
}

void bench_start_fileserver(struct bench *bench, const char *root)
{
    struct strings options = {0};

    strings_format(&options, "--physmem=%s", bench->directory.physmem);
    strings_format(&options, "--socket=%s", bench->directory.files);
    strings_format(&options, "--root=%s", root);
    strings_add(&options, "--cache=64");
    start(bench, &bench->fileserver, "file server", "selfpage-fileserver", &options);
}

static void start_swap(struct bench *bench, uint32_t slots, const char *how)
{
    const char *directory = bench->file_directory != NULL ? bench->file_directory : "/dev/shm";
    struct strings options = {0};

    serve(bench);
    /* The server takes the name away as soon as it has the file. */
    snprintf(bench->swap_file, sizeof(bench->swap_file), "%.3000s/selfpage-bench-%d.img", directory,
             (int)getpid());
    strings_format(&options, "--slots=%u", slots);
    strings_format(&options, "--socket=%s", bench->directory.swap);
    strings_format(&options, "--file=%s", bench->swap_file);
    strings_add(&options, how);
    start(bench, &bench->swap, "swap", "selfpage-swap", &options);
}

void bench_start_swap(struct bench *bench, uint32_t slots)
{
    start_swap(bench, slots, "--buffered");
}

void bench_start_swap_direct(struct bench *bench, uint32_t slots)
{
    start_swap(bench, slots, "--direct");
}

void bench_start_swap_on(struct bench *bench, uint32_t slots, const char *device)
{
    struct strings options = {0};

    serve(bench);
    strings_format(&options, "--slots=%u", slots);
    strings_format(&options, "--socket=%s", bench->directory.swap);
    strings_format(&options, "--device=%s", device);
    start(bench, &bench->swap, "swap", "selfpage-swap", &options);
}

static void stop(struct bench *bench, struct launched *server)
{
    int status = 0;

    if (server->pid == 0)
        return;
    if (child_end(server->pid, SIGTERM, SERVER_TIMEOUT_MS, &status) != 0 || status != 0)
        bench_fail(bench, "%s ended with exit status %d", server->name, child_exit_status(status));
    server->pid = 0;
}

void bench_stop_servers(struct bench *bench)
{
    if (!bench->served)
        return;
    stop(bench, &bench->fileserver);
    stop(bench, &bench->stacked);
    stop(bench, &bench->physmem);
    stop(bench, &bench->swap);
    guardian_stop(&bench->guardian);
    directory_fini(&bench->directory);
    launched_log_fini(&bench->log);
    bench->served = false;
}

struct sp_task *bench_attach(struct bench *bench, struct sp_attach_options options)
{
    struct sp_error error;
    struct sp_task *task;

    options.name = bench->about->name;
    options.physmem_path = bench->directory.physmem;
    options.swap_path = bench->swap.pid != 0 ? bench->directory.swap : NULL;
    if (sp_attach(&task, &options, &error) != 0)
        bench_fail(bench, "cannot attach: %s", error.text);
    return task;
}

void *bench_region(struct bench *bench, struct sp_task *task,
                   const struct sp_region_options *options)
{
    struct sp_error error;
    void *base;

    if (sp_region_create(task, options, &base, &error) != 0)
        bench_fail(bench, "cannot make a region: %s", error.text);
    return base;
}
