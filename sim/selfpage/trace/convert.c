/* `selfpage convert`. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "base/params.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/trace/copy.h"
#include "selfpage/trace/filter.h"
#include "selfpage/trace/commands.h"

static const char about[] =
    "Write a trace in another format. IN and OUT are files, or - for standard input and output.\n";

static const char notes[] =
    "dense is the format to replay again and again: pages are numbered, and nothing is looked up.\n"
    "What a format has no place for is lost: native and dense have no sizes, oracleGeneral no writes,\n"
    "text neither. OUT must not be IN; what was there before is replaced once all is written.\n"
    "oracleGeneral gets the index of each id's next reference, computed in a first pass,\n"
    "and the reference's own index for its time. csv has a header and the columns id, size (0: not\n"
    "known) and operation (r or w): csv:obj-id-col=1,obj-size-col=2,op-col=3,has-header=true\n";

struct convert_options {
    struct trace_options trace;
    struct copy_options copy;
    const char *filter; /* NULL: none */
    uint32_t filter_frames;
    const char *in;
};

static int operand_take(void *arg, char **word, struct sp_error *error)
{
    struct convert_options *command = arg;

    (void)error;
    if (command->in == NULL)
        command->in = word[0];
    else
        command->copy.path = word[0];
    return 0;
}

/* A share above 0 and up to 1, or of a hundred. */
static int sample_take(void *arg, const char *name, const char *text, struct sp_error *error)
{
    struct convert_options *command = arg;
    double values[PARAMS_MAX];
    char assignment[64];
    static const struct sp_policy_param params[] = {{"share", 1, 0, 1, "of the pages"}, {NULL}};
    int length = snprintf(assignment, sizeof(assignment), "share=%s", text);

    if (length < 0 || (size_t)length >= sizeof(assignment) || strchr(text, ',') != NULL ||
        params_parse("option", name, params, assignment, values, NULL) != 0 || values[0] <= 0)
        return error_set(error, EINVAL,
                         "--sample: \"%.40s\" is not a share above 0 and up to 1 (or 100%%)", text);
    command->copy.sample = values[0];
    return 0;
}

#define FIELD(name) offsetof(struct convert_options, name)

static const struct option_row rows[] = {
    {"from", OPTION_TEXT, FIELD(trace.format), .value = "FORMAT",
     .help = "format of IN, as for selfpage replay --format (by its name, then by content)"},
    {"to", OPTION_TEXT, FIELD(copy.format), .value = "FORMAT",
     .help =
         "format of OUT: native, dense, oracleGeneral, csv or text (by its name: .sptrace, .spdense, "
         ".oracleGeneral, .csv, .txt; otherwise native). OUT is compressed if its "
         "name ends in .zst, .gz, .xz, .bz2 or .lz4"},
    {"page-size", OPTION_U32, FIELD(trace.page_size), 1, TRACE_PAGE_SIZE_MOST, .value = "BYTES",
     .help = "split references into pages, as for selfpage replay"},
    {"id-unit", OPTION_U64, FIELD(trace.id_unit), 1, UINT32_MAX, .value = "BYTES",
     .help = "ids are addresses that count so many bytes, as for selfpage replay"},
    {"skip", OPTION_U64, FIELD(copy.skip), 1, UINT64_MAX / 2, .value = "N",
     .help = "leave the first N references out"},
    {"num-req", OPTION_U64, FIELD(copy.limit), 1, UINT64_MAX / 2, .value = "N",
     .help = "write no more than the next N references"},
    {"sample", OPTION_CALL, .take = sample_take, .value = "SHARE",
     .help =
         "write this share of the pages (0.01, 1%), with all of their references: a page is in "
         "or out by a hash of its id. A cache of the same share of the frames behaves alike, unless "
         "few pages have most of the references: then it matters which of them are in the sample, and the "
         "--curve of selfpage replay over the whole trace is nearer"},
    {"filter", OPTION_TEXT, FIELD(filter), .value = "POLICY",
     .help =
         "leave out references that hit in a cache in front, with this policy and --filter-frames: "
         "what is written are its misses, as a second level sees them"},
    {"filter-frames", OPTION_U32, FIELD(filter_frames), 1, 1u << 27, .value = "N",
     .help = "frames of that cache"},
    {"merge", OPTION_FLAG, FIELD(copy.merge),
     .help = "consecutive references to one id become one, a write if any was"},
    {"quiet", OPTION_FLAG, FIELD(copy.quiet), .help = "no progress line"},
};

static int check_options(void *arg, struct sp_error *error)
{
    const struct convert_options *command = arg;

    if ((command->filter != NULL) != (command->filter_frames != 0))
        return error_set(error, EINVAL, "--filter and --filter-frames: both, or neither");
    return 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage convert",
    .usage = "IN OUT [options]",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "IN and OUT",
    .least = 2,
    .most = 2,
    .operand = operand_take,
    .check = check_options,
};

static int convert(struct convert_options *command)
{
    struct trace trace;
    struct copy_counts counts;
    struct sp_error error = {0};
    struct filter filter;
    int result = trace_open(&trace, command->in, &command->trace, &error);

    if (command->filter != NULL) {
        int made = filter_init(&filter, command->filter, command->filter_frames, &error);

        result = result == 0 ? made : result;
        command->copy.filter = &filter;
    }
    if (result == 0)
        result = copy_run(&trace, &command->copy, &counts, &error);
    if (command->filter != NULL)
        filter_fini(&filter);
    trace_fini(&trace);
    return result == 0 ? EXIT_YES : commands_cannot(&error);
}

int convert_command(int argc, char **argv)
{
    struct convert_options command = {.copy = {.what = "converting"}};
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    return convert(&command);
}
