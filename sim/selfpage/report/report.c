#include "selfpage/report/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/new_file.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/report/page.h"
#include "selfpage/report/results.h"

static const char about[] =
    "Make one page of pictures and tables, which opens in a browser without a network, of what other\n"
    "commands printed with --json: selfpage run, simulate, bench and replay; and with --series, run and\n"
    "simulate (also as CSV), or top --json, for numbers over time. A RUN (- is standard input) may hold\n"
    "the JSON of several, one behind the other:\n"
    "\n"
    "  selfpage run scenario.yaml --json > run.json\n"
    "  selfpage report run.json -o run.html\n";

struct report_options {
    const char *output;
    const char *title;
    char **files; /* NULL at the end */
};

static int file_take(void *options, char **word, struct sp_error *error)
{
    struct report_options *command = options;

    (void)error;
    if (command->files == NULL) /* the first; the others follow it */
        command->files = word;
    return 0;
}

/* A file that is read cannot be written to. */
static int check(void *options, struct sp_error *error)
{
    const struct report_options *command = options;

    for (char **file = command->files; *file != NULL; file++)
        if (new_file_is_input(command->output, *file))
            return error_set(error, EINVAL, "--output %.100s: this is a file that is read",
                             command->output);
    return 0;
}

#define FIELD(name) offsetof(struct report_options, name)

static const struct option_row rows[] = {
    {"output", OPTION_TEXT, FIELD(output), .letter = 'o', .value = "FILE",
     .help = "the page (report.html); - is standard output"},
    {"title", OPTION_TEXT, FIELD(title), .value = "TEXT",
     .help = "title of the page (Selfpage report)"},
};

static const struct options_syntax syntax = {
    .program = "selfpage report",
    .usage = "[options] RUN...",
    .about = about,
    .notes =
        "Of a long series the page shows up to a thousand points a line, with the least and the\n"
        "greatest number of each stretch; of many tasks it shows the 32 that held most. It says so\n"
        "where it does.\n",
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "RUN",
    .least = 1,
    .most = UINT32_MAX,
    .operand = file_take,
    .check = check,
};

static int write_page(FILE *out, const struct report_options *command, const json_t *results,
                      struct sp_error *error)
{
    int code = out == NULL ? -errno : page_write(out, results, command->title);

    return code == 0 ? 0
                     : error_set(error, -code, "%.100s: cannot write: %s", command->output,
                                 strerror(-code));
}

static int write_file(const struct report_options *command, const json_t *results,
                      struct sp_error *error)
{
    struct new_file file;
    int code = new_file_open(&file, command->output, error);
    FILE *out;

    if (code != 0)
        return code;
    out = fdopen(dup(file.fd), "w");
    code = write_page(out, command, results, error);
    if (out != NULL)
        fclose(out);
    if (code == 0)
        code = new_file_finish(&file, error);
    new_file_fini(&file);
    return code;
}

static int report(const struct report_options *command, struct sp_error *error)
{
    json_t *results = json_array();
    int code = results != NULL ? 0 : error_set(error, ENOMEM, "no memory");

    for (char **file = command->files; code == 0 && *file != NULL; file++)
        code = results_read(results, *file, error);
    if (code == 0 && strcmp(command->output, "-") == 0)
        code = write_page(stdout, command, results, error);
    else if (code == 0)
        code = write_file(command, results, error);
    json_decref(results);
    return code;
}

int report_command(int argc, char **argv)
{
    struct report_options command = {.output = "report.html", .title = "Selfpage report"};
    struct sp_error error = {0};
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    return report(&command, &error) == 0 ? EXIT_YES : commands_cannot(&error);
}
