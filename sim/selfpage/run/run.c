/* `selfpage run` from its arguments to its exit status. */
#include "selfpage/run/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "launch/orphans.h"
#include "launch/program.h"
#include "launch/child.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/json_out.h"
#include "selfpage/run/loop.h"
#include "selfpage/run/options.h"
#include "selfpage/run/prepare.h"
#include "selfpage/run/servers.h"
#include "selfpage/run/state.h"
#include "selfpage/run/verdict.h"
#include "selfpage/scenario/verdicts.h"

/* Of rows of a series: each tick of the loop. */
#define SERIES_STEP_NS 1000000u

static int run_init(struct run *run, const struct run_options *options,
                    const struct scenario *scenario)
{
    *run = (struct run){.options = options, .scenario = scenario, .guardian.pipe = -1};
    run->directory.fd = -1;
    run->seed = options->seed_given           ? options->seed
                : scenario->physmem.seed != 0 ? scenario->physmem.seed
                                              : 1;
    report_init(&run->report, options->json || options->tap, options->table, options->no_table);
    for (int i = 0; i < SCENARIO_SERVERS; i++) {
        run->servers[i].run = run;
        run->servers[i].log = (struct launched_log){-1, -1};
        run->servers[i].relay.fd = -1;
        observer_init(&run->servers[i].observer);
    }
    run->tasks = calloc(scenario->tasks_count, sizeof *run->tasks);
    run->events = calloc(scenario->events_count + 1, sizeof *run->events);
    if (run->tasks == NULL || run->events == NULL || outcome_init(&run->outcome, scenario) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < scenario->tasks_count; i++) {
        struct run_task *task = &run->tasks[i];

        task->run = run;
        task->outcome = &run->outcome.tasks[i];
        task->stats_fd = task->output.fd = task->error.fd = -1;
        if (options->policy != NULL)
            task->outcome->asked_policy = options->policy;
    }
    for (uint32_t i = 0; i < scenario->events_count; i++)
        run->events[i] = (struct run_event){.run = run, .event = &scenario->events[i]};
    return 0;
}

static int make_directory(struct run *run, struct sp_error *error)
{
    return guardian_start(&run->guardian, &run->directory, run->options->directory,
                          run->scenario->swap != NULL && run->scenario->swap->keep, error);
}

/* Begin the file for Perfetto, if one is wanted. */
static int start_timeline(struct run *run, struct sp_error *error)
{
    const char *path = run->options->perfetto;

    return path == NULL ? 0
                        : timeline_open(&run->timeline, path, run->scenario,
                                        run->servers[SCENARIO_PHYSMEM].server.pid,
                                        run->servers[SCENARIO_SWAP].server.pid, error);
}

/* From beginning to end: 0, and what happened is in run->outcome; or a negative errno and *error if it
 * could not run. */
static int run_play(struct run *run, const struct run_options *options,
                    const struct scenario *scenario, struct sp_error *error)
{
    int result = run_init(run, options, scenario);

    if (result != 0)
        return error_set(error, -result, "%s", strerror(-result));
    orphans_adopt(); /* without it, what daemons of tasks do at the end is theirs */
    result = program_directory(NULL, run->bindir, sizeof run->bindir, error);
    if (result == 0)
        result = make_directory(run, error);
    if (result == 0 && options->faults != NULL && mkdir(options->faults, 0777) != 0 &&
        errno != EEXIST)
        result = error_set(error, errno, "--faults: cannot make %.150s: %s", options->faults,
                           strerror(errno));
    if (result == 0 && options->series != NULL)
        result = series_open(&run->series, options->series, SERIES_STEP_NS, error);
    if (result == 0)
        result = prepare_all(run, error);
    if (result == 0)
        result = servers_start(run, error);
    if (result == 0)
        result = start_timeline(run, error);
    if (result == 0)
        result = loop_run(run, error);
    if (result == 0)
        result = verdict_find(run, error);
    if (result == 0)
        result = timeline_finish(&run->timeline, state_ns(run), &run->outcome, error);
    return result;
}

/* Whatever still runs is ended by the guardian. */
static void run_fini(struct run *run)
{
    unsigned left;

    (void)series_close(&run->series); /* if it was not closed yet */
    left = guardian_stop(&run->guardian);
    left += orphans_end();
    if (left > 0)
        report_line(&run->report, "selfpage", "killed %u process%s that tasks had left behind",
                    left, left == 1 ? "" : "es");
    if (run->directory.fd >= 0)
        directory_remove(&run->directory); /* in case that somebody has killed the guardian */
    for (uint32_t i = 0; run->tasks != NULL && i < run->scenario->tasks_count; i++) {
        struct run_task *task = &run->tasks[i];
        int status;

        if (task->outcome != NULL && task->outcome->state == OUTCOME_RUNNING)
            child_end(task->outcome->pid, SIGKILL, RUN_PATIENCE_MS, &status);
        strings_fini(&task->argv);
        free(task->policy);
        relay_fini(&task->output);
        relay_fini(&task->error);
        if (task->stats_fd >= 0)
            close(task->stats_fd);
    }
    for (int i = 0; i < SCENARIO_SERVERS; i++) {
        struct run_server *server = &run->servers[i];
        int status;

        if (server->server.pid != 0)
            child_end(server->server.pid, SIGKILL, RUN_PATIENCE_MS, &status);
        if (server->relay.fd == server->log.read)
            server->relay.fd = -1; /* the log's to close */
        if (server->log.write > 0)
            launched_log_fini(&server->log);
        observer_fini(&server->observer);
        strings_fini(&server->argv);
    }
    timeline_fini(&run->timeline);
    strings_fini(&run->variables);
    outcome_fini(&run->outcome);
    directory_fini(&run->directory);
    free(run->tasks);
    free(run->events);
}

/* Returns the exit status if they cannot be written, else EXIT_YES. */
static int write_verdicts(const struct run *run)
{
    struct verdicts verdicts = {0};
    struct sp_error error;
    int status = EXIT_YES;

    verdicts_add_outcome(&verdicts, run->options->scenario, &run->outcome);
    if (verdicts_write(&verdicts, run->options->junit, run->options->tap, &error) != 0)
        status = commands_cannot(&error);
    verdicts_fini(&verdicts);
    return status;
}

/* It could not run: say why, to people and to programs that show verdicts. */
static int cannot(const struct run_options *options, const struct sp_error *error)
{
    struct verdicts verdicts = {0};
    struct sp_error another;

    verdicts_add_error(&verdicts, options->scenario, error->text);
    if (verdicts_write(&verdicts, options->junit, options->tap, &another) != 0)
        commands_cannot(&another);
    verdicts_fini(&verdicts);
    return commands_cannot(error);
}

static int run_scenario(const struct run_options *options, const struct scenario *scenario)
{
    struct run run;
    struct sp_error error;
    int result, status = EXIT_CANNOT;

    if (run_play(&run, options, scenario, &error) != 0) {
        status = cannot(options, &error);
    } else {
        report_summary(&run.report, &run.outcome, state_seconds(&run));
        status = outcome_passed(&run.outcome) ? EXIT_YES : EXIT_NO;
        result = series_close(&run.series);
        if (result != 0) {
            error_set(&error, -result, "%.160s: cannot write: %s", options->series,
                      strerror(-result));
            status = commands_cannot(&error);
        }
        if (write_verdicts(&run) != EXIT_YES)
            status = EXIT_CANNOT;
        result = options->json ? report_json(stdout, &run.outcome) : 0;
        if (result != 0)
            status = json_out_cannot(result);
    }
    run_fini(&run);
    return status;
}

/* Read the scenario, with what the command line sets. */
static int load(struct run_options *options, struct scenario **scenariop,
                struct yaml_index *positions, struct sp_error *error)
{
    int result;

    if (vary_define(&options->set, 0, &options->definitions) != 0)
        return error_set(error, ENOMEM, "out of memory");
    result = scenario_load(options->scenario, &options->definitions, scenariop, positions, error);
    return result == 0 ? vary_apply(&options->set, 0, *scenariop, error) : result;
}

int run_command(int argc, char **argv)
{
    struct run_options options;
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct sp_error error;
    int status = EXIT_YES;

    switch (run_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        if (verdicts_check(options.junit, &error) != 0)
            status = commands_cannot(&error);
        else if (load(&options, &scenario, &positions, &error) != 0)
            status = cannot(&options, &error);
        else
            status = run_scenario(&options, scenario);
        break;
    }
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    run_options_fini(&options);
    return status;
}
