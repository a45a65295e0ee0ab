/* `selfpage convert`. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/trace/copy.h"
#include "selfpage/trace/commands.h"

enum { EXIT_DONE = 0, EXIT_CANNOT = 2 };

static const char help[] =
    "Usage: selfpage convert IN OUT [options]\n"
    "\n"
    "Write a trace in another format. IN and OUT are files, or - for standard input and output.\n"
    "\n"
    "  --from FORMAT        of IN, as for selfpage replay --format (by its name, then by content)\n"
    "  --to FORMAT          of OUT: native, oracleGeneral, csv or text (by its name: .sptrace,\n"
    "                       .oracleGeneral, .csv, .txt; otherwise native). OUT is compressed by zstd\n"
    "                       if its name ends in .zst\n"
    "  --page-size BYTES    split references into pages, as for selfpage replay\n"
    "  --id-unit BYTES      ids are addresses that count so many bytes, as for selfpage replay\n"
    "  --merge              consecutive references to one id become one, a write if any was\n"
    "  --quiet              no progress line\n"
    "  --help\n"
    "\n"
    "What a format has no place for is lost: native has no sizes, oracleGeneral no writes, text\n"
    "neither. oracleGeneral gets the index of each id's next reference, computed in a first pass,\n"
    "and the reference's own index for its time. csv has a header and the columns id, size (0: not\n"
    "known) and operation (r or w): csv:obj-id-col=1,obj-size-col=2,op-col=3,has-header=true\n"
    "\n"
    "Exit status: 0 done; 2 it could not be done.\n";

enum option_key {
    OPTION_FROM = 256,
    OPTION_TO,
    OPTION_PAGE_SIZE,
    OPTION_ID_UNIT,
    OPTION_MERGE,
    OPTION_QUIET,
    OPTION_HELP
};

static const struct option option_table[] = {
    {"from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"page-size", required_argument, NULL, OPTION_PAGE_SIZE},
    {"id-unit", required_argument, NULL, OPTION_ID_UNIT},
    {"merge", no_argument, NULL, OPTION_MERGE},
    {"quiet", no_argument, NULL, OPTION_QUIET},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

struct command {
    struct trace_options trace;
    struct copy_options copy;
    const char *in;
};

static int cannot(const struct sp_error *error)
{
    fprintf(stderr, "selfpage: %s\n", error->text);
    return EXIT_CANNOT;
}

int trace_number_parse(const char *option, const char *text, uint64_t most, uint64_t *number,
                       struct sp_error *error)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number > 0 &&
        *number <= most)
        return 0;
    return error_set(error, EINVAL, "%s: \"%.60s\" is no whole number from 1 to %llu", option, text,
                     (unsigned long long)most);
}

static int option_take(int key, char **argv, struct command *command, struct sp_error *error)
{
    uint64_t number = 0;
    int result;

    switch (key) {
    case OPTION_FROM:
        command->trace.format = optarg;
        return 0;
    case OPTION_TO:
        command->copy.format = optarg;
        return 0;
    case OPTION_PAGE_SIZE:
        result = trace_number_parse("--page-size", optarg, TRACE_PAGE_SIZE_MOST, &number, error);
        command->trace.page_size = (uint32_t)number;
        return result;
    case OPTION_ID_UNIT:
        return trace_number_parse("--id-unit", optarg, UINT32_MAX, &command->trace.id_unit, error);
    case OPTION_MERGE:
        command->copy.merge = true;
        return 0;
    case OPTION_QUIET:
        command->copy.quiet = true;
        return 0;
    case ':':
        return error_set(error, EINVAL, "%s needs a value (see selfpage convert --help)",
                         argv[optind - 1]);
    default:
        return error_set(error, EINVAL, "unknown option %.100s (see selfpage convert --help)",
                         argv[optind - 1]);
    }
}

static int convert(const struct command *command)
{
    struct trace trace;
    struct copy_counts counts;
    struct sp_error error = {0};
    int result = trace_open(&trace, command->in, &command->trace, &error);

    if (result == 0)
        result = copy_run(&trace, &command->copy, &counts, &error);
    trace_fini(&trace);
    return result == 0 ? EXIT_DONE : cannot(&error);
}

int convert_command(int argc, char **argv)
{
    struct command command = {.copy = {.what = "converting"}};
    struct sp_error error = {0};
    int key;

    opterr = 0;
    optind = 1;
    while ((key = getopt_long(argc, argv, ":", option_table, NULL)) != -1) {
        if (key == OPTION_HELP) {
            fputs(help, stdout);
            return EXIT_DONE;
        }
        if (option_take(key, argv, &command, &error) != 0)
            return cannot(&error);
    }
    if (argc - optind != 2) {
        error_set(&error, EINVAL, "one IN and one OUT, please (see selfpage convert --help)");
        return cannot(&error);
    }
    command.in = argv[optind];
    command.copy.path = argv[optind + 1];
    return convert(&command);
}
