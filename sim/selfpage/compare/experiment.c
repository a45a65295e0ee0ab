/* `selfpage experiment NAME`: a published experiment, with many seeds. */
#include "selfpage/compare/compare.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/compare/self.h"

/* Where experiments are, installed and in the source. */
static const char *const directories[] = {SELFPAGE_EXPERIMENTS, SELFPAGE_EXPERIMENTS_SOURCE};

struct experiment_options {
    const char *name; /* NULL: list them */
    const char *seeds;
    const char *vary;
    bool json;
};

static int name_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct experiment_options *)options)->name = word[0];
    return 0;
}

#define FIELD(name) offsetof(struct experiment_options, name)

static const struct option_row rows[] = {
    {"seeds", OPTION_TEXT, FIELD(seeds), .value = "A..B", .help = "seeds to play with (1..20)"},
    {"vary", OPTION_TEXT, FIELD(vary), .value = "KEY=A,B,...",
     .help = "as selfpage simulate --vary"},
    {"json", OPTION_FLAG, FIELD(json), .help = "as selfpage simulate --json"},
};

static const struct options_syntax syntax = {
    .program = "selfpage experiment",
    .usage = "[NAME] [options]",
    .about =
        "Play a published experiment in virtual time with many seeds, and check that its result comes out.\n"
        "Without NAME, list what there is. Each experiment is a scenario, which selfpage simulate and\n"
        "selfpage run play as well.\n",
    .exit_statuses =
        "0 the published result came out with each seed; 1 it did not; 2 it could not be played.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "NAME",
    .least = 0,
    .most = 1,
    .operand = name_take,
};

/* The directory of experiments; NULL: there is none. */
static const char *find_directory(void)
{
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        if (access(directories[i], R_OK | X_OK) == 0)
            return directories[i];
    return NULL;
}

static int is_scenario(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return length > 5 && strcmp(entry->d_name + length - 5, ".yaml") == 0;
}

/* The first comment of a scenario, as far as it is on its first line. */
static void show_title(const char *directory, const char *file)
{
    char path[PATH_MAX], line[200] = "";
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

static int play(const char *directory, const struct experiment_options *options)
{
    char path[PATH_MAX], seeds[80], vary[400];
    char *argv[] = {"selfpage", "simulate", path, seeds, NULL, NULL, NULL};
    struct sp_error error;
    size_t next = 4;

    snprintf(path, sizeof path, "%s/%.80s.yaml", directory, options->name);
    snprintf(seeds, sizeof seeds, "--seeds=%.60s",
             options->seeds != NULL ? options->seeds : "1..20");
    snprintf(vary, sizeof vary, "--vary=%.380s", options->vary != NULL ? options->vary : "");
    if (options->json)
        argv[next++] = "--json";
    if (options->vary != NULL)
        argv[next++] = vary;
    if (strchr(options->name, '/') != NULL || access(path, R_OK) != 0)
        error_set(&error, ENOENT, "there is no experiment %.80s: selfpage experiment lists them",
                  options->name);
    else
        (void)self_become(argv, &error);
    return commands_cannot(&error);
}

int compare_experiment_command(int argc, char **argv)
{
    struct experiment_options options = {NULL};
    const char *directory = find_directory();
    struct sp_error error;

    switch (options_parse(argc, argv, &syntax, &options, &error)) {
    case OPTIONS_EXIT:
        return EXIT_YES;
    case OPTIONS_BAD:
        return commands_cannot(&error);
    case OPTIONS_RUN:
        break;
    }
    if (directory == NULL) {
        error_set(&error, ENOENT, "%s is missing", SELFPAGE_EXPERIMENTS);
        return commands_cannot(&error);
    }
    return options.name != NULL ? play(directory, &options) : list(directory);
}
