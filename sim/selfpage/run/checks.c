/* The commands that a scenario runs at its end. */
#include "selfpage/run/checks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "launch/child.h"

static int command_environment(const struct run *run, struct strings *list)
{
    strings_add_all(list, (const char *const *)environ);
    for (size_t i = 0; i < run->variables.count; i++) {
        char *name = strdup(run->variables.items[i]), *sign;

        if (name == NULL)
            return -ENOMEM;
        sign = strchr(name, '=');
        *sign = '\0';
        strings_set(list, name, sign + 1);
        free(name);
    }
    strings_set(list, "SELFPAGE_PHYSMEM", run->directory.physmem);
    strings_set(list, "SELFPAGE_SWAP", run->directory.swap);
    return list->failed ? -ENOMEM : 0;
}

/* Show what a command wrote. */
static void show_log(struct run *run, const struct launched_log *log)
{
    struct relay relay = {.report = &run->report, .name = "check", .fd = log->read};

    relay_drain(&relay);
}

/* Run one command. Returns its exit status, or a negative errno with *error set. */
static int command_run(struct run *run, const struct scenario_command *command,
                       struct sp_error *error)
{
    char *argv[] = {"sh", "-c", command->command, NULL};
    struct spawn spawn = {SPAWN_DEFAULTS, .program = "/bin/sh", .argv = argv,
                          .directory = run->directory.path, .group = run->guardian.group};
    struct strings envp = {0};
    struct launched_log log;
    pid_t pid;
    int result = launched_log_memory(&log), status = 0;

    if (result == 0)
        result = command_environment(run, &envp);
    if (result != 0) {
        error_set(error, -result, "%s", strerror(-result));
    } else {
        spawn.envp = envp.items;
        spawn.output = spawn.error = log.write;
        result = spawn_program(&spawn, &pid, error);
    }
    if (result == 0) {
        unsigned ms = (unsigned)(run->scenario->timeout_ns / 1000000);

        if (child_wait(pid, ms, &status) == -ETIMEDOUT) {
            child_end(pid, SIGKILL, RUN_PATIENCE_MS, &status);
            report_line(&run->report, "check", "timeout: %s", command->text);
        }
        show_log(run, &log);
        result = child_exit_status(status);
    }
    launched_log_fini(&log);
    strings_fini(&envp);
    return result;
}

int checks_run(struct run *run, struct sp_error *error)
{
    int result = 0;

    for (uint32_t i = 0; i < run->scenario->check_count && result == 0; i++) {
        const struct scenario_command *command = &run->scenario->check[i];
        int status = command_run(run, command, error);
        char why[40];

        if (status < 0)
            return status;
        snprintf(why, sizeof why, "exit status %d", status);
        result =
            outcome_expect(&run->outcome, command->text, status == 0, status == 0 ? NULL : why);
    }
    return result == 0 ? 0 : error_set(error, -result, "%s", strerror(-result));
}
