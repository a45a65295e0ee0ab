/* `selfpage interleave`. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/new_file.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/trace/commands.h"
#include "selfpage/trace/copy.h"
#include "selfpage/trace/strands.h"

static const char about[] =
    "Merge several traces into one, as if the programs had run side by side: each is a task with pages\n"
    "of its own.\n";

static const char notes[] =
    "The ids of the first trace stay as they are; those of the second are 2^48 more, and so on: the upper 16\n"
    "bits of an id say which task it is of. An id that does not fit into 48 bits is replaced by a hash.\n"
    "\n"
    "Example:\n"
    "  selfpage interleave sort.sptrace.zst grep.sptrace.zst -o both.spdense --run 1000\n";

struct interleave_options {
    struct trace_options trace;
    struct copy_options copy;
    struct strands strands;
    char *paths[STRANDS_MOST];
    size_t count;
};

static int operand_take(void *arg, char **word, struct sp_error *error)
{
    struct interleave_options *command = arg;

    if (command->count == STRANDS_MOST)
        return error_set(error, EINVAL, "more than %u traces", STRANDS_MOST);
    command->paths[command->count++] = word[0];
    return 0;
}

static int rule_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    static const struct {
        const char *name;
        enum strands_rule rule;
    } rules[] = {{"turns", STRANDS_TURNS}, {"time", STRANDS_TIME}, {"together", STRANDS_TOGETHER}};
    struct interleave_options *command = arg;

    (void)name;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(text, rules[i].name) == 0) {
            command->strands.rule = rules[i].rule;
            return 0;
        }
    return error_set(error, EINVAL, "--by: \"%.40s\" is not turns, time or together", text);
}

static int check_options(void *arg, struct sp_error *error)
{
    const struct interleave_options *command = arg;
    size_t standard = 0;

    if (command->copy.path == NULL)
        return error_set(error, EINVAL, "where to? Say -o FILE, or -o - for standard output");
    for (size_t i = 0; i < command->count; i++)
        standard += strcmp(command->paths[i], "-") == 0;
    for (size_t i = 0; i < command->count; i++)
        if (new_file_is_input(command->copy.path, command->paths[i]))
            return error_set(error, EINVAL,
                             "%.150s: this is a trace that is read, which cannot be written over",
                             command->copy.path);
    if (standard > 1)
        return error_set(error, EINVAL, "only one of the traces can be standard input");
    return 0;
}

#define FIELD(name) offsetof(struct interleave_options, name)

static const struct option_row rows[] = {
    {"output", OPTION_TEXT, FIELD(copy.path), .letter = 'o', .value = "FILE",
     .help =
         "the file to write, or - for standard output; compressed if its name ends in .zst, .gz, "
         ".xz, .bz2 or .lz4"},
    {"by", OPTION_CALL, .take = rule_take, .value = "RULE",
     .help =
         "which trace comes next. turns: each in turn (the default); time: the one whose next reference is earliest, "
         "for traces with times; together: in proportion, so that all end together"},
    {"run", OPTION_U64, FIELD(strands.run), 1, UINT64_MAX, .value = "N",
     .help = "with turns: references of a turn (1)"},
    {"shared", OPTION_FLAG, FIELD(strands.shared),
     .help = "an id is the same page in all traces: ids stay as they are"},
    {"from", OPTION_TEXT, FIELD(trace.format), .value = "FORMAT",
     .help =
         "of all the traces, as for selfpage replay --format (by their names, then by content)"},
    {"to", OPTION_TEXT, FIELD(copy.format), .value = "FORMAT",
     .help = "as for selfpage convert (by the name of FILE; otherwise native)"},
    {"num-req", OPTION_U64, FIELD(copy.limit), 1, UINT64_MAX / 2, .value = "N",
     .help = "write the first N references only"},
    {"quiet", OPTION_FLAG, FIELD(copy.quiet), .help = "no progress line"},
};

static const struct options_syntax syntax = {
    .program = "selfpage interleave",
    .usage = "TRACE TRACE... -o FILE [options]",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "TRACE",
    .least = 1,
    .most = STRANDS_MOST,
    .operand = operand_take,
    .check = check_options,
};

static int interleave(struct interleave_options *command)
{
    const struct copy_from from = {
        .read = strands_read, .rewind = strands_rewind, .context = &command->strands};
    struct copy_counts counts;
    struct sp_error error = {0};
    int result =
        strands_open(&command->strands, command->paths, command->count, &command->trace, &error);

    command->copy.from = &from;
    command->copy.from_files = strands_rereadable(&command->strands);
    if (result == 0)
        result = copy_run(strands_first(&command->strands), &command->copy, &counts, &error);
    strands_fini(&command->strands);
    return result == 0 ? EXIT_YES : commands_cannot(&error);
}

int interleave_command(int argc, char **argv)
{
    struct interleave_options command = {.copy = {.what = "merging"}, .strands = {.run = 1}};
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    return interleave(&command);
}
