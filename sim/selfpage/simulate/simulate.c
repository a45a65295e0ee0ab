/* `selfpage simulate` from its arguments to its exit status. */
#include "selfpage/simulate/simulate.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/json_out.h"
#include "selfpage/scenario/costs.h"
#include "selfpage/scenario/report.h"
#include "selfpage/scenario/save.h"
#include "selfpage/simulate/costs_file.h"
#include "selfpage/simulate/faults.h"
#include "selfpage/simulate/gather.h"
#include "selfpage/simulate/jobs.h"
#include "selfpage/simulate/locate.h"
#include "selfpage/simulate/many.h"
#include "selfpage/simulate/minimise.h"
#include "selfpage/simulate/options.h"
#include "selfpage/simulate/simulation.h"
#include "selfpage/simulate/twice.h"

/* With faults: costs 8 % of the time of a small play. */
#define CHECK_EVERY 64u

/* What a play is, from the command line and the scenario. */
static int settle(const struct simulate_options *options, const struct scenario *scenario,
                  struct simulation_options *play, struct sp_error *error)
{
    const char *name;
    int result = 0;

    *play = (struct simulation_options){.costs = costs_default(),
                                        .check_every = options->check_every,
                                        .shuffled = options->shuffle_ties,
                                        .kernel_bits = options->kernel_bits};
    play->seed = options->seed_given           ? options->first_seed
                 : scenario->physmem.seed != 0 ? scenario->physmem.seed
                                               : 1;
    if (play->check_every == 0 && scenario->faults != NULL)
        play->check_every = CHECK_EVERY;
    if (options->costs != NULL)
        result = costs_file_read(options->costs, &play->costs, error);
    if (result == 0) /* scenario_check has looked at them */
        (void)costs_apply(scenario->costs, &play->costs, &name);
    return result;
}

static int show(const struct simulate_options *options, const struct outcome *outcome)
{
    struct report report;
    int result, status = outcome_passed(outcome) ? EXIT_YES : EXIT_NO;

    report_init(&report, options->json || options->tap, false, true);
    report_summary(&report, outcome, (double)outcome->virtual_ns / 1e9);
    if (outcome->varied != NULL)
        fprintf(report.out, "%s: ", outcome->varied);
    fprintf(report.out, "seed %llu, %llu events, hash %016llx\n", (unsigned long long)outcome->seed,
            (unsigned long long)outcome->events_played, (unsigned long long)outcome->hash);
    result = options->json ? report_json(stdout, outcome) : 0;
    return result == 0 ? status : json_out_cannot(result);
}

/* It cannot be played: say why, to people and to programs that show verdicts. */
static int cannot(struct verdicts *verdicts, const char *suite, const struct sp_error *error)
{
    verdicts_add_error(verdicts, suite, error->text);
    return commands_cannot(error);
}

static int play_once(const struct simulate_options *options, struct cast *cast,
                     const struct simulation_options *play, struct verdicts *verdicts)
{
    struct outcome outcome;
    struct sp_error error;
    int result = options->check_determinism ? twice_run(cast, play, &outcome, &error)
                                            : simulation_run(cast, play, &outcome, &error);
    const char *suite = play->varied != NULL ? play->varied : options->scenario;
    int status = result != 0 ? cannot(verdicts, suite, &error) : show(options, &outcome);

    if (result == 0)
        verdicts_add_outcome(verdicts, suite, &outcome);
    if (result == 0 && play->timeline != NULL &&
        timeline_finish(play->timeline, outcome.virtual_ns, &outcome, &error) != 0)
        status = commands_cannot(&error);
    result = play->series != NULL ? series_close(play->series) : 0;
    if (result != 0) {
        error_set(&error, -result, "%.160s: cannot write: %s", options->series, strerror(-result));
        status = commands_cannot(&error);
    }
    outcome_fini(&outcome);
    return status;
}

/* Write the play down that failed, if it is wanted. Returns the exit status. */
static int keep(const struct simulate_options *options, struct scenario *scenario,
                struct simulation_options *play, uint64_t seed)
{
    struct sp_error error;
    char why[200];
    int result;

    play->seed = scenario->physmem.seed = seed;
    snprintf(why, sizeof why, "Fails: selfpage simulate %.100s%s%s", options->save,
             options->shuffle_ties ? " --shuffle-ties" : "",
             options->kernel_bits ? " --kernel-bits" : "");
    result = options->minimise
                 ? minimise_scenario(scenario, options->policy, play, options->save, &error)
                 : save_scenario(scenario, options->save, why, &error);
    return result == 0 ? EXIT_NO : commands_cannot(&error);
}

/* Say where the play that failed went wrong. Returns the exit status. */
static int locate(const struct simulate_options *options, const struct scenario *scenario,
                  struct simulation_options *play, uint64_t seed)
{
    struct sp_error error;

    play->seed = seed;
    play->series = NULL;
    return locate_failure(scenario, options->policy, play, &error) == 0 ? EXIT_NO
                                                                        : commands_cannot(&error);
}

/* Faults of the command line stand for those of the scenario. */
static void take_faults(const struct simulate_options *options, struct scenario *scenario,
                        struct scenario_faults *faults, char *until, size_t size)
{
    if (!options->faults_given)
        return;
    snprintf(until, size, "%lluns", (unsigned long long)options->faults_until_ns);
    *faults = (struct scenario_faults){.until = until, .until_ns = options->faults_until_ns};
    scenario->faults = faults;
}

static int simulate(const struct simulate_options *options, struct scenario *scenario,
                    uint64_t combination, struct verdicts *verdicts)
{
    char varied[400];
    struct series series = {.file = NULL};
    struct timeline timeline = {.tasks = NULL};
    struct simulate_options settled;
    struct scenario_faults *written = scenario->faults, faults;
    uint64_t failed = 0;
    char until[32];
    struct simulation_options play;
    struct sp_error error;
    struct cast cast;
    bool cast_done = false;
    int status;

    take_faults(options, scenario, &faults, until, sizeof until);
    if (cast_init(&cast, scenario, options->policy, &error) != 0 ||
        faults_check(scenario, &error) != 0 || settle(options, scenario, &play, &error) != 0 ||
        (options->series != NULL &&
         series_open(&series, options->series, options->step_ns, &error) != 0) ||
        (options->perfetto != NULL &&
         timeline_open(&timeline, options->perfetto, scenario, SIMULATION_PHYSMEM_PID,
                       SIMULATION_SWAP_PID, &error) != 0))
        status = cannot(verdicts, options->scenario, &error);
    else {
        cast_done = true;
        vary_describe(&options->vary, combination, varied, sizeof varied);
        play.varied = *varied != '\0' ? varied : NULL;
        play.series = options->series != NULL ? &series : NULL;
        play.timeline = options->perfetto != NULL ? &timeline : NULL;
        play.timeline_step_ns = options->step_ns;
        failed = play.seed;
        settled = *options;
        if (!options->seed_given)
            settled.first_seed = settled.last_seed = play.seed;
        /* A play that may fail, in a process that may die of it. */
        status = options->last_seed > options->first_seed || options->save != NULL ||
                         options->locate || options->rows
                     ? many_run(&settled, &cast, &play, verdicts, &failed)
                     : play_once(options, &cast, &play, verdicts);
    }
    cast_fini(&cast);
    timeline_fini(&timeline);
    if (options->locate && status != EXIT_YES && cast_done)
        status = locate(options, scenario, &play, failed);
    if (options->save != NULL && status != EXIT_YES && cast_done)
        status = keep(options, scenario, &play, failed);
    scenario->faults = written;
    return status;
}

/* What is done with the scenario of each combination of what varies. */
typedef int combination_act(const struct simulate_options *options, struct scenario *scenario,
                            uint64_t combination, struct verdicts *verdicts);

/* See whether it can be played, so that a mistake in the last one is found before the first one is played. */
static int try_cast(const struct simulate_options *options, struct scenario *scenario,
                    uint64_t combination, struct verdicts *verdicts)
{
    struct sp_error error;
    struct cast cast;
    int result = cast_init(&cast, scenario, options->policy, &error);

    (void)combination;
    cast_fini(&cast);
    return result == 0 ? EXIT_YES : cannot(verdicts, options->scenario, &error);
}

static int with_scenario(struct simulate_options *options, uint64_t combination,
                         combination_act *act, struct verdicts *verdicts)
{
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct sp_error error;
    int status;

    if (scenario_load(options->scenario, &options->definitions, &scenario, &positions, &error) !=
            0 ||
        vary_apply(&options->vary, combination, scenario, &error) != 0)
        status = cannot(verdicts, options->scenario, &error);
    else
        status = act(options, scenario, combination, verdicts);
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    return status;
}

static int with_definitions(struct simulate_options *options, uint64_t combination,
                            combination_act *act, struct verdicts *verdicts)
{
    const struct strings given = options->definitions;
    struct strings definitions = {0};
    int status = EXIT_CANNOT;

    for (size_t d = 0; d < given.count; d++)
        strings_add(&definitions, given.items[d]);
    if (vary_define(&options->vary, combination, &definitions) == 0) {
        options->definitions = definitions;
        status = with_scenario(options, combination, act, verdicts);
        options->definitions = given;
    }
    strings_fini(&definitions);
    return status;
}

static int simulate_all(struct simulate_options *options, struct verdicts *verdicts)
{
    uint64_t combinations = vary_combinations(&options->vary);
    int worst = EXIT_YES;

    for (uint64_t i = 0; i < combinations && combinations > 1 && worst == EXIT_YES; i++)
        if (vary_is_single(&options->vary, i))
            worst = with_definitions(options, i, try_cast, verdicts);
    for (uint64_t i = 0; i < combinations && worst != EXIT_CANNOT; i++) {
        int status = with_definitions(options, i, simulate, verdicts);

        worst = status > worst ? status : worst;
    }
    return worst;
}

int simulate_command(int argc, char **argv)
{
    struct simulate_options options;
    struct verdicts verdicts = {0};
    struct sp_error error;
    int status = EXIT_YES;

    switch (simulate_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        break;
    case OPTIONS_BAD:
        status = commands_cannot(&error);
        break;
    case OPTIONS_RUN:
        if (verdicts_check(options.junit, &error) != 0) {
            status = commands_cannot(&error);
            break;
        }
        status = options.list_jobs          ? jobs_list(stdout, &options)
                 : options.merged.count > 0 ? gather_results(&options, &verdicts)
                                            : simulate_all(&options, &verdicts);
        if (status == EXIT_CANNOT && verdicts.count == 0) /* of many seeds, or what is merged */
            verdicts_add_error(&verdicts, options.scenario, "standard error says why");
        if (verdicts_write(&verdicts, options.junit, options.tap, &error) != 0)
            status = commands_cannot(&error);
        break;
    }
    verdicts_fini(&verdicts);
    simulate_options_fini(&options);
    return status;
}
