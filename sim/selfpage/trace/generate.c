/* `selfpage generate`. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/exits.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/trace/commands.h"
#include "selfpage/trace/copy.h"
#include "generator/mix.h"

static const char about[] =
    "Write a trace of references that are drawn by a rule. A GENERATOR is KIND, or KIND:PARAM=VALUE,...;\n"
    "several are mixed, in bursts, and each has pages of its own. The same words and seed give the\n"
    "same trace.\n";

static const char notes[] =
    "Examples:\n"
    "  selfpage generate zipf:pages=1000000,exponent=0.9 -n 10000000 -o zipf.oracleGeneral\n"
    "  selfpage generate zipf:pages=5000,weight=6 loop:pages=3000,weight=3 scan -n 1000000 -o mix.sptrace\n";

struct generate_options {
    struct copy_options copy;
    const char *texts[MIX_MOST];
    size_t count;
    uint64_t references, seed;
    uint32_t size;
};

static int operand_take(void *arg, char **word, struct sp_error *error)
{
    struct generate_options *command = arg;

    if (command->count == MIX_MOST)
        return error_set(error, EINVAL, "more than %u generators in a mix", MIX_MOST);
    command->texts[command->count++] = word[0];
    return 0;
}

static int check_options(void *arg, struct sp_error *error)
{
    const struct generate_options *command = arg;

    if (command->copy.path == NULL)
        return error_set(error, EINVAL, "where to? Say -o FILE, or -o - for standard output");
    return 0;
}

static void print_kinds(FILE *out)
{
    const struct sp_policy_param *param;
    const char *name, *summary;

    fputs("\nGenerators, with their parameters, presets and limits:\n", out);
    for (size_t i = 0; (name = generator_kind_name(i, &summary, &param)) != NULL; i++) {
        fprintf(out, "  %-12s %s\n", name, summary);
        for (; param->name != NULL; param++)
            fprintf(out, "    %-14s %.10g (%.10g to %.10g): %s\n", param->name, param->preset,
                    param->least, param->most, param->help);
    }
}

#define FIELD(name) offsetof(struct generate_options, name)

static const struct option_row rows[] = {
    {"output", OPTION_TEXT, FIELD(copy.path), .letter = 'o', .value = "FILE",
     .help =
         "the file to write, or - for standard output; compressed if its name ends in .zst, .gz, "
         ".xz, .bz2 or .lz4"},
    {"references", OPTION_U64, FIELD(references), 1, UINT64_MAX, .letter = 'n', .value = "N",
     .help = "references to write (1000000)"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "seed of what is drawn (1)"},
    {"to", OPTION_TEXT, FIELD(copy.format), .value = "FORMAT",
     .help = "as for selfpage convert (by the name of FILE; otherwise native)"},
    {"object-size", OPTION_U32, FIELD(size), 1, UINT32_MAX, .value = "BYTES",
     .help = "size of each reference, where the format has sizes (4096)"},
    {"quiet", OPTION_FLAG, FIELD(copy.quiet), .help = "no progress line"},
};

static const struct options_syntax syntax = {
    .program = "selfpage generate",
    .usage = "GENERATOR... -o FILE [options]",
    .about = about,
    .notes = notes,
    .more = print_kinds,
    .exit_statuses = "0 done; 2 it could not be done.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "GENERATOR...",
    .least = 1,
    .most = MIX_MOST,
    .operand = operand_take,
    .check = check_options,
};

/* The source that the trace is read from. */
struct making {
    struct mix at_first, now;
    uint32_t size;
};

static void fill(void *context, uint64_t index, struct trace_reference *references, size_t count)
{
    struct making *making = context;

    if (index == 0)
        making->now = making->at_first;
    for (size_t i = 0; i < count; i++) {
        struct generated_reference made = mix_next(&making->now);

        references[i] = (struct trace_reference){
            .id = made.page, .next = TRACE_NEVER, .size = making->size, .write = made.write};
    }
}

static int generate(const struct generate_options *command)
{
    struct making making = {.size = command->size};
    const struct trace_supply supply = {.fill = fill,
                                        .context = &making,
                                        .count = command->references,
                                        .name = "the generator",
                                        .carries_sizes = true};
    struct copy_counts counts;
    struct sp_error error = {0};
    struct trace trace;
    int result = mix_init(&making.at_first, command->texts, command->count, command->seed, &error);

    if (result != 0)
        return commands_cannot(&error);
    result = trace_open_supply(&trace, &supply, &error);
    if (result == 0)
        result = copy_run(&trace, &command->copy, &counts, &error);
    trace_fini(&trace);
    return result == 0 ? EXIT_YES : commands_cannot(&error);
}

int generate_command(int argc, char **argv)
{
    struct generate_options command = {
        .copy = {.what = "generating"}, .references = 1000000, .seed = 1, .size = 4096};
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    return generate(&command);
}
