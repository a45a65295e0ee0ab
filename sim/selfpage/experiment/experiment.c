/* `selfpage experiment NAME`: a published experiment, with many seeds. */
#include "selfpage/experiment/experiment.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "launch/program.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/json_out.h"
#include "selfpage/experiment/options.h"
#include "selfpage/experiment/drawing.h"
#include "selfpage/experiment/results.h"
#include "selfpage/experiment/table.h"

/* Find the directory of experiments: that beside the programs, whether they are installed, in whatever place, or in
 * a build tree, or else where they were configured to be installed. No path of the source is in the program, which
 * would then be another one with each place where it is built. */
static bool find_directory(char path[PATH_MAX])
{
    char programs[PATH_MAX];

    if (program_directory(NULL, programs, sizeof programs, NULL) == 0 &&
        snprintf(path, PATH_MAX, "%s/../share/selfpage/experiments", programs) < PATH_MAX &&
        access(path, R_OK | X_OK) == 0)
        return true;
    snprintf(path, PATH_MAX, "%s", SELFPAGE_EXPERIMENTS);
    return access(path, R_OK | X_OK) == 0;
}

static bool ends_in_yaml(const char *name)
{
    size_t length = strlen(name);

    return length > 5 && strcmp(name + length - 5, ".yaml") == 0;
}

static int is_scenario(const struct dirent *entry)
{
    return ends_in_yaml(entry->d_name);
}

/* The first comment of a scenario, as far as it is on its first line. */
static void show_title(const char *directory, const char *file)
{
    char path[PATH_MAX + 300], line[200] = "";
    FILE *in;

    snprintf(path, sizeof path, "%s/%s", directory, file);
    in = fopen(path, "re");
    if (in != NULL && fgets(line, sizeof line, in) != NULL)
        line[strcspn(line, "\n")] = '\0';
    if (in != NULL)
        fclose(in);
    printf("%-12.*s %s\n", (int)strlen(file) - 5, file, line[0] == '#' ? line + 2 : line);
}

static int list(const char *directory)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_scenario, alphasort);

    for (int i = 0; i < count; i++) {
        show_title(directory, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count > 0 ? EXIT_YES : EXIT_CANNOT;
}

/* Show results. Returns the exit status. */
static int show(const struct results *results)
{
    const struct experiment_options *options = results->options;
    bool passed = results->passed == results->plays && results->runs_passed == results->runs;
    struct sp_error error;
    int result;

    table_print(options->json || options->tap ? stderr : stdout, results);
    result = options->json ? table_json(stdout, results) : 0;
    if (result != 0)
        return json_out_cannot(result);
    if (options->picture != NULL && drawing_make(results, &error) != 0)
        return commands_cannot(&error);
    if (verdicts_write(&results->verdicts, options->junit, options->tap, &error) != 0)
        return commands_cannot(&error);
    return passed ? EXIT_YES : EXIT_NO;
}

/* It cannot be played: say why, to people and to programs that show verdicts. */
static int cannot(struct verdicts *verdicts, const struct experiment_options *options,
                  const char *path, const struct sp_error *error)
{
    struct sp_error another;

    verdicts_add_error(verdicts, path, error->text);
    if (verdicts_write(verdicts, options->junit, options->tap, &another) != 0)
        commands_cannot(&another);
    return commands_cannot(error);
}

static int play(const char *path, const struct experiment_options *options)
{
    struct yaml_index positions = {0};
    struct scenario *scenario = NULL;
    struct results results = {NULL};
    struct sp_error error;
    int status;

    if (verdicts_check(options->junit, &error) != 0)
        status = commands_cannot(&error);
    else if (scenario_load(path, NULL, &scenario, &positions, &error) != 0 ||
             results_find(&results, options, scenario, path, &error) != 0)
        status = cannot(&results.verdicts, options, path, &error);
    else
        status = show(&results);
    results_fini(&results);
    scenario_free(&scenario);
    yaml_index_fini(&positions);
    return status;
}

static int play_named(const struct experiment_options *options, struct sp_error *error)
{
    char directory[PATH_MAX], path[PATH_MAX + 100];

    if (options->name != NULL && ends_in_yaml(options->name))
        return play(options->name, options);
    if (!find_directory(directory)) {
        error_set(error, ENOENT, "%s is missing", SELFPAGE_EXPERIMENTS);
        return commands_cannot(error);
    }
    if (options->name == NULL)
        return list(directory);
    snprintf(path, sizeof path, "%s/%.80s.yaml", directory, options->name);
    if (strchr(options->name, '/') == NULL && access(path, R_OK) == 0)
        return play(path, options);
    error_set(error, ENOENT, "there is no experiment %.80s: selfpage experiment lists them",
              options->name);
    return commands_cannot(error);
}

int experiment_command(int argc, char **argv)
{
    struct experiment_options options;
    struct sp_error error;

    switch (experiment_options_parse(argc, argv, &options, &error)) {
    case OPTIONS_EXIT:
        return EXIT_YES;
    case OPTIONS_BAD:
        return commands_cannot(&error);
    case OPTIONS_RUN:
        break;
    }
    return play_named(&options, &error);
}
