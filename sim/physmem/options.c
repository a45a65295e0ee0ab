/* The command line of selfpage-physmem. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include <selfpage/contract.h>

#include "base/error.h"
#include "core/frames/buddy.h"
#include "core/contracts/terms_text.h"

static const char about[] =
    "The physical memory server: gives frames to tasks under contracts, and takes them back.\n";

static const char notes[] = "SIGTERM and SIGINT end the server cleanly.\n";

static int max_term_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    uint64_t *term_ns = &((struct physmem_options *)options)->max_term_ns;

    if (terms_text_time(text, strlen(text), term_ns) != 0 || *term_ns == 0)
        return error_set(error, EINVAL,
                         "--%s: \"%s\" is not a time above zero, as 500ms, 30s or forever", name,
                         text);
    return 0;
}

/* A time above zero that is not forever. */
static int finite_take(uint64_t *ns, const char *name, const char *text, struct sp_error *error)
{
    if (terms_text_time(text, strlen(text), ns) != 0 || *ns == 0 || *ns == SP_FOREVER)
        return error_set(error, EINVAL, "--%s: \"%s\" is not a time above zero, as 500ms or 30s",
                         name, text);
    return 0;
}

static int max_grace_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return finite_take(&((struct physmem_options *)options)->max_grace_ns, name, text, error);
}

static int silence_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    return finite_take(&((struct physmem_options *)options)->silence_ns, name, text, error);
}

static int swap_patience_take(void *options, const char *name, const char *text,
                              struct sp_error *error)
{
    return finite_take(&((struct physmem_options *)options)->swap_patience_ns, name, text, error);
}

static int sample_period_take(void *options, const char *name, const char *text,
                              struct sp_error *error)
{
    uint64_t *period_ns = &((struct physmem_options *)options)->sample_period_ns;

    if (terms_text_time(text, strlen(text), period_ns) != 0 ||
        *period_ns < SAMPLE_PERIOD_LEAST_NS || *period_ns > SAMPLE_PERIOD_MOST_NS)
        return error_set(error, EINVAL,
                         "--%s: \"%s\" is not a time from 1ms to 1h, as 500ms or 30s", name, text);
    return 0;
}

#define FIELD(name) offsetof(struct physmem_options, name)

static const struct option_row rows[] = {
    {"frames", OPTION_U32, FIELD(frames), 1, BUDDY_FRAMES_MAX, .value = "N",
     .help = "frames of one page (4 KiB) each"},
    {"socket", OPTION_TEXT, FIELD(socket), .value = "PATH",
     .help = "where tasks and observers connect"},
    {"upstream", OPTION_TEXT, FIELD(upstream), .value = "PATH",
     .help = "instead of frames of its own, give out those that the physmem at this socket grants"},
    {"contract", OPTION_TEXT, FIELD(contract), .value = "TERMS",
     .help = "with it: what to hold there, as guaranteed=500;extra=200,drop=2s"},
    {"name", OPTION_TEXT, FIELD(name), .value = "NAME",
     .help = "with it: the name of this task there (default: physmem)"},
    {"swap", OPTION_TEXT, FIELD(swap), .value = "PATH",
     .help =
         "socket of the swap server that stores what tasks give to swap out of their containers "
         "(sp_swap), each on its own account there. Its user must be that of this server, or "
         "this server run as root, if tasks of other users are to use it"},
    {"swap-patience", OPTION_CALL, .take = swap_patience_take, .value = "TIME",
     .help =
         "longest wait for an answer of it, after which a task's request fails; what is in swap "
         "stays there (default: 60s)"},
    {"reserve", OPTION_U32, FIELD(reserve), 0, BUDDY_FRAMES_MAX - 1, .value = "N",
     .help = "frames that no contract is promised (default: 0)"},
    {"user-guaranteed", OPTION_U32, FIELD(user_guaranteed), 1, BUDDY_FRAMES_MAX, .value = "N",
     .help =
         "most frames that contracts promise to all tasks of one user together, unless a policy "
         "server's limit for that user says otherwise (default: all)"},
    {"user-extra", OPTION_U32, FIELD(user_extra), 1, BUDDY_FRAMES_MAX, .value = "N",
     .help = "the same for frames beyond, so that a user with many tasks leaves some to others "
             "(default: all)"},
    {"max-term", OPTION_CALL, .take = max_term_take, .value = "TIME",
     .help = "longest term of a contract, as 500ms, 30s or 2h (default: forever)"},
    {"max-grace", OPTION_CALL, .take = max_grace_take, .value = "TIME",
     .help = "longest grace of a contract; a longer one is countered (default: 60s)"},
    {"silence", OPTION_CALL, .take = silence_take, .value = "TIME",
     .help = "when a grace that is counted in allocations ends at the latest (default: 60s)"},
    {"warnings", OPTION_U32, FIELD(warnings), 1, WARNINGS_MOST, .value = "N",
     .help = "how many deadlines a task may miss, with a warning only, if its contract says "
             "breach=warn or penalty; a recall that is met in time takes one off (default: 3)"},
    {"arbiter", OPTION_TEXT, FIELD(arbiter), .value = "NAME[:PARAMETER=VALUE,...] or PATH[:...]",
     .help =
         "which tasks get extra frames, and which give some back: fcfs, excess (default), maxmin, "
         "esx, viengoos, karma, market, auction, cliffhanger, midas, or a shared object that was "
         "written to <selfpage/arbiter.h>, as ./mine.so"},
    {"sample-period", OPTION_CALL, .take = sample_period_take, .value = "TIME",
     .help = "find out how idle tasks are, from one dozen pages of each a period (default: "
             "500ms if the arbiter wants to know, as esx does; else never)"},
    {"chaos-unmap", OPTION_RATE, FIELD(chaos_unmap), .most = CHAOS_RATE_MAX, .value = "RATE",
     .help = "ask tasks to unmap random slots, so many times a second, for tests"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX, .value = "S",
     .help = "which slots (default: 1)"},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX, .value = "FD",
     .help = "write one byte to FD, and close it, once the server listens"},
    {"verbose", OPTION_FLAG, FIELD(verbose), .help = "print every message"},
};

static int check(void *arg, struct sp_error *error)
{
    const struct physmem_options *options = arg;

    if ((options->upstream != NULL) != (options->contract != NULL))
        return error_set(error, EINVAL, "--upstream and --contract belong together (see --help)");
    if (options->frames != 0 && options->upstream != NULL)
        return error_set(error, EINVAL,
                         "--frames and --upstream exclude each other: the frames are those of "
                         "--contract");
    if (options->frames == 0 && options->upstream == NULL)
        return error_set(error, EINVAL, "--frames is missing (see --help)");
    if (options->swap != NULL && options->upstream != NULL)
        return error_set(error, EINVAL,
                         "--swap and --upstream exclude each other: memory of another physmem is "
                         "not given to a swap server");
    if (options->socket == NULL)
        return error_set(error, EINVAL, "--socket is missing (see --help)");
    if (options->upstream == NULL && options->reserve >= options->frames)
        return error_set(error, EINVAL, "--reserve %u leaves none of --frames %u", options->reserve,
                         options->frames);
    return 0;
}

const struct options_syntax physmem_options_syntax = {
    .program = "selfpage-physmem",
    .version = SELFPAGE_VERSION,
    .usage = "--frames N --socket PATH [options]\n"
             "       selfpage-physmem --upstream PATH --contract TERMS --socket PATH [options]",
    .about = about,
    .notes = notes,
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};
