#include "selfpage/faults/options.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

static const char about[] =
    "Run a program that is a task, and say which lines of its source fault, and on which regions: pages\n"
    "that got a frame, evictions that this took, pages that came from swap, and those that were read\n"
    "ahead. Lines come from what the compiler notes with -g. Without SELFPAGE_PHYSMEM in the environment,\n"
    "or with an option about servers, a physmem and a swap server are started for the program.\n";

static const char notes[] =
    "Faults of code without lines (as of the C library, where its debug package is missing) are shown by\n"
    "file and function, or by the offset in the file. A page that a system call or sp_pin brings in is\n"
    "counted for its region, and for no line. Mappings of containers are not counted.\n";

static int contract_take(void *options, const char *name, const char *value, struct sp_error *error)
{
    struct faults_options *faults = options;

    (void)name, (void)error;
    faults->contract = value;
    faults->own_servers = true;
    return 0;
}

static int program_take(void *options, char **word, struct sp_error *error)
{
    (void)error;
    ((struct faults_options *)options)->program = word;
    return 0;
}

/* Something to show, from one place. */
static int check_whole(void *given, struct sp_error *error)
{
    struct faults_options *options = given;

    if ((options->program == NULL) == (options->from == NULL))
        return error_set(error, EINVAL,
                         options->from == NULL
                             ? "which PROGRAM? Or name tables that are there by --from"
                             : "--from has tables read that are there, and starts no PROGRAM");
    if (options->from != NULL && options->keep != NULL)
        return error_set(error, EINVAL, "--keep is for a PROGRAM: tables of --from stay");
    if (getenv("SELFPAGE_PHYSMEM") == NULL || options->frames > 0 || options->swap_slots > 0)
        options->own_servers = true;
    return 0;
}

#define FIELD(name) offsetof(struct faults_options, name)

static const struct option_row rows[] = {
    {"frames", OPTION_U32, FIELD(frames), 8, UINT32_MAX / 8, .value = "N",
     .help = "frames that the program may have, by a contract guaranteed=N (256)"},
    {"contract", OPTION_CALL, .take = contract_take, .value = "CONTRACT",
     .help = "another contract than that, of as many frames as --frames says at most"},
    {"swap-slots", OPTION_U32, FIELD(swap_slots), 1, UINT32_MAX / 8, .value = "N",
     .help = "pages that swap has room for (65536)"},
    {"policy", OPTION_TEXT, FIELD(policy), .value = "POLICY",
     .help = "eviction policy of the program (clock)"},
    {"lines", OPTION_U32, FIELD(lines), 0, UINT32_MAX, .letter = 'n', .value = "N",
     .help = "show the N lines with most faults; 0: all (20)"},
    {"json", OPTION_FLAG, FIELD(json),
     .help =
         "print one JSON object with all lines and regions of each task; what the program prints "
         "goes to standard error"},
    {"hints", OPTION_TEXT, FIELD(hints), .value = "FILE",
     .help =
         "write what the numbers suggest to FILE; started with SELFPAGE_HINTS=FILE, the same build "
         "of the program has pages loaded ahead where that helps"},
    {"keep", OPTION_TEXT, FIELD(keep), .value = "DIR",
     .help = "leave the program's tables in the directory DIR, which is made if it is missing"},
    {"from", OPTION_TEXT, FIELD(from), .value = "PATH",
     .help = "start nothing, and show the table PATH, or all tables of the directory PATH, as "
             "selfpage run --faults and SELFPAGE_FAULTS leave them"},
};

static const struct options_syntax syntax = {
    .program = "selfpage faults",
    .usage = "[options] -- PROGRAM [ARGUMENT...]",
    .about = about,
    .notes = notes,
    .exit_statuses =
        "0 done; 1 done, but the program failed (a message says how); 2 it could not run.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "PROGRAM",
    .operand = program_take,
    .rest = true,
    .check = check_whole,
};

enum options_verdict faults_options_parse(int argc, char **argv, struct faults_options *options,
                                          struct sp_error *error)
{
    *options = (struct faults_options){.lines = 20};
    return options_parse(argc, argv, &syntax, options, error);
}
