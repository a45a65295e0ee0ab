/* Starting and ending a physmem to be measured. */
#include "selfpage/bench/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "selfpage/bench/ratio.h"
#include "launch/program.h"
#include "launch/spawn.h"
#include "launch/strings.h"
#include "launch/child.h"

void stage_init(struct stage *stage)
{
    *stage = (struct stage){.directory.fd = -1, .log = {-1, -1}};
    observer_init(&stage->observer);
}

static int physmem_start(struct stage *stage, const struct bench_options *options, uint32_t frames,
                         const char *arbiter, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = stage->guardian.group};
    struct strings argv = {0};
    char program[4096];
    int result = program_find(NULL, "selfpage-physmem", program, sizeof(program), error);

    if (result != 0)
        return result;
    strings_add(&argv, "selfpage-physmem");
    strings_format(&argv, "--ready-fd=%d", SPAWN_PASSED_FD);
    strings_format(&argv, "--socket=%s", stage->directory.physmem);
    strings_format(&argv, "--frames=%u", frames);
    /* Physmem gives no longer grace than this. */
    strings_format(&argv, "--max-grace=%" PRIu64 "ns",
                   options->grace_ns > options->silent_grace_ns ? options->grace_ns
                                                                : options->silent_grace_ns);
    if (arbiter != NULL)
        strings_format(&argv, "--arbiter=%s", arbiter);
    spawn.program = program;
    spawn.argv = argv.items;
    if (argv.failed)
        result = error_set(error, ENOMEM, "out of memory");
    if (result == 0 && machine_pin(options->core[1]) != 0)
        result = error_set(error, EINVAL, "cannot run on core %d", options->core[1]);
    if (result == 0)
        result = launched_start(&stage->physmem, "physmem", &spawn, &stage->log, error);
    machine_pin(options->core[0]);
    if (result == 0)
        result = launched_await(&stage->physmem, &stage->log, BENCH_PATIENCE_MS, error);
    strings_fini(&argv);
    return result;
}

/* The limits of one task: all that they say is its priority. */
static int limit_say(struct stage *stage, const struct bench_options *options, uint32_t task)
{
    struct wire_message message = {.type = WIRE_LIMIT};

    message.limit.whom = WIRE_WHOM_NAME;
    message.limit.guaranteed = message.limit.extra = message.limit.weight = UINT32_MAX;
    message.limit.priority = bench_value(&options->priorities, task, 0);
    snprintf(message.limit.name, sizeof(message.limit.name), "bench%u", task);
    return caller_send(stage->policy, &message, -1);
}

/* Take control, and set the priorities; physmem's arbiter still decides how much each task gets. */
static int priorities_say(struct stage *stage, const struct bench_options *options,
                          struct sp_error *error)
{
    static const struct hello hello = {.role = WIRE_ROLE_POLICY, .name = "bench"};
    struct wire_message message = {.type = WIRE_GET_CONTROL}, reply;
    int rc, fd = -1;

    if (options->priorities.count == 0)
        return 0;
    stage->policy = malloc(sizeof(*stage->policy));
    if (stage->policy == NULL)
        return error_set(error, ENOMEM, "out of memory");
    caller_init(stage->policy, "physmem", BENCH_PATIENCE_MS);
    rc = caller_open(stage->policy, stage->directory.physmem, &hello, NULL, error);
    if (rc != 0)
        return rc;
    rc = caller_ask(stage->policy, &message, -1, &reply, &fd);
    if (fd >= 0)
        close(fd); /* the table: not written to */
    for (uint32_t task = 0; task < options->all && rc == 0; task++)
        rc = limit_say(stage, options, task);
    message = (struct wire_message){.type = WIRE_LIMITS};
    message.limits.count = options->all;
    if (rc != 0)
        return error_set(error, -rc, "physmem does not take priorities: %s", strerror(-rc));
    return caller_ask_for(stage->policy, &message, WIRE_DONE, &reply, NULL, error);
}

int stage_start(struct stage *stage, const struct bench_options *options, uint32_t frames,
                const char *arbiter, struct sp_error *error)
{
    int result = guardian_start(&stage->guardian, &stage->directory, NULL, false, error);

    if (result != 0)
        return result;
    if (launched_log_memory(&stage->log) != 0)
        result = error_set(error, ENOMEM, "no memory for physmem's log");
    if (result == 0)
        result = physmem_start(stage, options, frames, arbiter, error);
    if (result == 0)
        result = observer_connect(&stage->observer, stage->directory.physmem, "bench", error);
    if (result == 0)
        result = priorities_say(stage, options, error);
    return result;
}

void stage_end(struct stage *stage)
{
    int status;

    if (stage->policy != NULL)
        caller_close(stage->policy);
    free(stage->policy);
    stage->policy = NULL;
    observer_fini(&stage->observer);
    if (stage->physmem.pid != 0)
        child_end(stage->physmem.pid, SIGTERM, BENCH_PATIENCE_MS, &status);
    if (stage->guardian.pid != 0)
        guardian_stop(&stage->guardian);
    launched_log_fini(&stage->log);
    directory_fini(&stage->directory);
}

int stage_look(struct stage *stage, struct observed_physmem *counters, struct sp_error *error)
{
    if (observer_refresh(&stage->observer, BENCH_PATIENCE_MS, error) != 0)
        return -EIO;
    *counters = stage->observer.physmem;
    return 0;
}

double stage_private_bytes(const struct stage *stage)
{
    unsigned long kilobytes;
    double bytes = -1;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)stage->physmem.pid);
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (bytes < 0 && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1)
            bytes = 1024.0 * (double)kilobytes;
    fclose(file);
    return bytes;
}
