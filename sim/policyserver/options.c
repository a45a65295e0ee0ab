/* The command line of selfpage-policyserver. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "core/contracts/terms_text.h"
#include "os/clock.h"

static const char about[] =
    "Takes control of a physmem: sets limits for users and tasks, and says how many frames\n"
    "each task is entitled to; with --swap also of a swap server, for its slots and the bandwidth of paging.\n"
    "One policy server has control at a time; it runs as the server's user, or as root.\n";

static const char notes[] =
    "FILE is YAML; every field may be left out, and numbers are frames:\n"
    "\n"
    "  defaults: { guaranteed: 500, extra: 1000, weight: 1, priority: 0 }   # of each task\n"
    "  users:                                        # names or numbers\n"
    "    - { user: alice, guaranteed: 2000, extra: 4000 }  # of all her tasks together\n"
    "    - { user: 1001, weight: 3 }                       # of each of his tasks\n"
    "  tasks:\n"
    "    - { name: kvstore, extra: 3000, priority: 5 }     # of each task of this name\n"
    "    - { name: kvstore, user: alice, extra: 3500 }     # the narrowest entry counts\n"
    "\n"
    "Each entry can also say what the tasks have of swap (--swap):\n"
    "\n"
    "  slots: 4000               # slots that each may reserve; for a user, all of the user's tasks together:\n"
    "                            # in the place of swap's --quota and --user-quota\n"
    "  bandwidth: shares=4       # of each task: shares=N, rate=PAGES a second, or rate=PAGES,extra: what it has\n"
    "                            # without a contract of its own, and the most that it can have by one\n"
    "\n"
    "A task is called what it calls itself: say the user, too, where users do not trust each other.\n"
    "\n"
    "SIGHUP: read FILE again; with a mistake in it, all stays as it was, and the log says so.\n"
    "SIGTERM and SIGINT: give control back and end: there are no limits any more, and physmem's own\n"
    "arbiter decides. If this program dies instead, physmem goes on with what it said last, until\n"
    "another policy server takes control.\n";

static int period_take(void *options, const char *name, const char *text, struct sp_error *error)
{
    uint64_t *period_ns = &((struct policyserver_options *)options)->period_ns;

    if (terms_text_time(text, strlen(text), period_ns) != 0 || *period_ns < CLOCK_NS_PER_MS ||
        *period_ns > 3600 * CLOCK_NS_PER_S)
        return error_set(error, EINVAL, "--%s: \"%s\" is not a time from 1ms to 1h, as 100ms", name,
                         text);
    return 0;
}

#define FIELD(name) offsetof(struct policyserver_options, name)

static const struct option_row rows[] = {
    {"physmem", OPTION_TEXT, FIELD(physmem), .value = "PATH",
     .help = "the socket of the physmem to control"},
    {"swap", OPTION_TEXT, FIELD(swap), .value = "PATH",
     .help = "the socket of the swap server to control, too"},
    {"entitlements", OPTION_TEXT, FIELD(entitlements), .value = "FILE",
     .help = "limits, weights and priorities; read again on SIGHUP"},
    {"arbiter", OPTION_TEXT, FIELD(arbiter), .value = "NAME[:PARAMETER=VALUE,...] or PATH[:...]",
     .help = "what each task is entitled to while there is not enough for all: one of those that "
             "selfpage-physmem --arbiter takes (default: physmem's own decides, with the "
             "weights and priorities of the file)"},
    {"period", OPTION_CALL, .take = period_take, .value = "TIME",
     .help = "look at all tasks so often, and whenever one lacks frames (default: 100ms)"},
    {"take-over", OPTION_FLAG, FIELD(take_over),
     .help = "have the policy server that has control hand it over to this one, while tasks "
             "run; without one, the same as leaving it out"},
    {"ready-fd", OPTION_INT, FIELD(ready_fd), 0, INT_MAX, .value = "FD",
     .help = "write one byte to FD, and close it, once this one has control"},
    {"verbose", OPTION_FLAG, FIELD(verbose),
     .help = "print what each task is entitled to, whenever it changes"},
};

static int check(void *arg, struct sp_error *error)
{
    const struct policyserver_options *options = arg;

    if (options->physmem == NULL)
        return error_set(error, EINVAL, "--physmem is missing (see --help)");
    return 0;
}

const struct options_syntax policyserver_options_syntax = {
    .program = "selfpage-policyserver",
    .version = SELFPAGE_VERSION,
    .usage = "--physmem PATH [options]",
    .about = about,
    .notes = notes,
    .exit_statuses =
        "0 it was told to end, or handed over; 2 it could not run, or physmem is gone.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = check,
};
