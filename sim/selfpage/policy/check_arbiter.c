#include "selfpage/policy/check_arbiter.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adapter/arbiter.h"
#include "base/error.h"
#include "base/exits.h"
#include "check/arbiter.h"
#include "os/options.h"
#include "selfpage/command/commands.h"
#include "selfpage/policy/check_child.h"
#include "selfpage/policy/check_guard.h"

#define ROUNDS  100u
#define STEPS   1000u
#define TIMEOUT 20u

/* Frames of the physmem that asks. */
#define FRAMES 1000u

/* Seed of the second instance, so that it does other things at the same time. */
#define BESIDE_SEED 1000003u

static const char about[] =
    "Ask arbiters everything that <selfpage/arbiter.h> says physmem may ask, about random tasks, and\n"
    "say in words which of their rules they break.\n"
    "\n"
    "An ARBITER is NAME[:PARAMS] of one that comes with Selfpage, or the path of a shared object, with\n"
    "a / in it: ./mine.so[:PARAMS].\n";

static const char notes[] =
    "What is looked at: rules (takes are of what may be recalled, and cover what is missing; grants are\n"
    "within what was asked for; only its\n"
    "own state is touched); again (the same seed gives the same answers);\n"
    "beside (no state outside of `self` and `own`); quiet (no system call, allocation or clock).\n";

enum check_arbiter_stage { STAGE_RULES, STAGE_AGAIN, STAGE_BESIDE, STAGE_QUIET, STAGES };

static const char *const stage_names[STAGES] = {"rules", "again", "beside", "quiet"};

struct check_arbiter_command {
    bool all, no_sandbox;
    uint64_t seed;
    uint32_t rounds, steps, timeout;
    char **arbiters; /* that were named, NULL at the end; NULL: none was */
};

/* Memory that the processes of a check share. */
struct check_arbiter_shared {
    struct check_log log;
    uint64_t seed; /* of the round */
    struct check_child child;
    bool not_quiet;     /* the sandbox cannot be set up */
    uint64_t answers[]; /* by round, of the first stage */
};

struct check_arbiter_run {
    const struct check_arbiter_command *command;
    const struct arbiter_choice *choice;
    struct check_arbiter_shared *shared;
    enum check_arbiter_stage stage;
};

static struct guarded guards[4]; /* known to the signal handler: self and owns, twice */

/* One arbiter with guarded state. */
static bool side_begin(const struct check_arbiter_run *run, struct check_arbiter *side,
                       struct guarded *guard, uint64_t seed)
{
    if (!check_guard_init(&guard[0], check_arbiter_self_size(run->choice, FRAMES), seed % 2 == 0) ||
        !check_guard_init(&guard[1], check_arbiter_owns_size(run->choice, FRAMES), true))
        return false;
    check_arbiter_begin(side, run->choice, FRAMES, seed, &run->shared->log, guard[0].self,
                        guard[1].self);
    return true;
}

static void side_end(const struct check_arbiter_run *run, struct guarded *guard)
{
    for (int i = 0; i < 2; i++) {
        check_guard_check(&guard[i], &run->shared->log);
        check_guard_fini(&guard[i]);
    }
}

static bool round_run(const struct check_arbiter_run *run, uint64_t seed, bool beside,
                      uint64_t *answers)
{
    static struct check_arbiter side, other;

    run->shared->seed = seed;
    alarm(run->command->timeout);
    if (!side_begin(run, &side, &guards[0], seed) ||
        (beside && !side_begin(run, &other, &guards[2], seed + BESIDE_SEED)))
        return false;
    for (uint32_t step = 0; step < run->command->steps && check_arbiter_step(&side); step++)
        if (beside && !check_arbiter_step(&other))
            break;
    side_end(run, &guards[0]);
    if (beside)
        side_end(run, &guards[2]);
    *answers = side.answers;
    return true;
}

static bool stage_rounds(const struct check_arbiter_run *run, enum check_arbiter_stage stage)
{
    struct check_arbiter_shared *shared = run->shared;

    for (uint32_t i = 0; i < run->command->rounds && shared->log.breach[0] == '\0'; i++) {
        uint64_t answers;

        if (!round_run(run, run->command->seed + i, stage == STAGE_BESIDE, &answers))
            return false;
        if (stage == STAGE_RULES)
            shared->answers[i] = answers;
        else if (shared->log.breach[0] == '\0' && answers != shared->answers[i])
            check_text_breach(&shared->log,
                              stage == STAGE_AGAIN
                                  ? "the same questions have other answers in another run "
                                    "(does it go by addresses, or read a clock?)"
                                  : "with another physmem beside it, it has other answers: "
                                    "it keeps state outside of `self` and `own` (in static "
                                    "variables?)");
    }
    return true;
}

static size_t allocated_now(void)
{
#if defined(__GLIBC__)
    return mallinfo2().uordblks;
#else
    return 0;
#endif
}

static void invoke_quietly(void *context, void (*work)(void *), void *argument)
{
    size_t before = allocated_now();

    work(argument);
    if (allocated_now() != before)
        check_text_breach(context, "it allocates memory, which no arbiter may");
}

static bool stage_quiet(const struct check_arbiter_run *run)
{
    static struct check_arbiter side;
    struct check_log *log = &run->shared->log;

    side.invoke = invoke_quietly;
    side.context = log;
    run->shared->seed = run->command->seed;
    alarm(run->command->timeout);
    if (!check_guard_init(&guards[0], check_arbiter_self_size(run->choice, FRAMES), true) ||
        !check_guard_init(&guards[1], check_arbiter_owns_size(run->choice, FRAMES), true))
        return false;
    if (CHECK_GUARD_SANITIZED || !check_guard_system_calls()) {
        run->shared->not_quiet = true;
        return true;
    }
    check_arbiter_begin(&side, run->choice, FRAMES, run->command->seed, log, guards[0].self,
                        guards[1].self);
    for (uint32_t step = 0; step < run->command->steps && check_arbiter_step(&side); step++)
        ;
    return true;
}

/* ---- Processes ---- */

static bool stage_main(void *context)
{
    const struct check_arbiter_run *run = context;

    return check_guard_signals(&run->shared->log, guards, sizeof(guards) / sizeof(guards[0])) &&
           (run->stage == STAGE_QUIET ? stage_quiet(run) : stage_rounds(run, run->stage));
}

/* ---- The command ---- */

static int report(const char *text, const struct check_arbiter_run *run)
{
    const struct check_arbiter_shared *shared = run->shared;

    if (shared->log.breach[0] == '\0') {
        printf("%s keeps the rules (%u rounds of %u questions from seed %llu)\n", text,
               run->command->rounds, run->command->steps, (unsigned long long)run->command->seed);
        if (shared->not_quiet || run->command->no_sandbox)
            printf("  not looked at: %s\n", stage_names[STAGE_QUIET]);
        return EXIT_YES;
    }
    printf("%s breaks a rule: %s\n"
           "  at question %llu; again by: selfpage check-arbiter %s --seed %llu --rounds 1\n",
           text, shared->log.breach, (unsigned long long)shared->log.step, text,
           (unsigned long long)shared->seed);
    return EXIT_NO;
}

static int check_choice(const struct check_arbiter_command *command, const char *text,
                        const struct arbiter_choice *choice)
{
    size_t size = sizeof(struct check_arbiter_shared) + command->rounds * sizeof(uint64_t);
    struct check_arbiter_run run = {command, choice, NULL, STAGE_RULES};
    struct sp_error error;
    int result = 0;

    run.shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.shared == MAP_FAILED) {
        error_set(&error, ENOMEM, "no memory for a check");
        return commands_cannot(&error);
    }
    for (int stage = 0; stage < STAGES && result == 0; stage++) {
        if (stage == STAGE_QUIET && command->no_sandbox)
            break;
        run.stage = (enum check_arbiter_stage)stage;
        result = check_child_run(&run.shared->child, &run.shared->log, stage_main, &run, &error);
        if (run.shared->log.breach[0] != '\0')
            break;
    }
    result = result == 0 ? report(text, &run) : commands_cannot(&error);
    fflush(stdout);
    munmap(run.shared, size);
    return result;
}

static int check_one(const struct check_arbiter_command *command, const char *text)
{
    struct arbiter_handle handle;
    struct sp_error error;
    int status;

    if (arbiter_load(&handle, text, &error) != 0)
        status = commands_cannot(&error);
    else
        status = check_choice(command, text, &handle.choice);
    arbiter_unload(&handle);
    return status;
}

static int arbiter_take(void *arg, char **word, struct sp_error *error)
{
    struct check_arbiter_command *command = arg;

    (void)error;
    if (command->arbiters == NULL) /* the first; the others follow it */
        command->arbiters = word;
    return 0;
}

static int check_options(void *arg, struct sp_error *error)
{
    const struct check_arbiter_command *command = arg;

    if (command->all || command->arbiters != NULL)
        return 0;
    return error_set(error, EINVAL, "which ARBITER? (see selfpage check-arbiter --help)");
}

#define FIELD(name) offsetof(struct check_arbiter_command, name)

static const struct option_row rows[] = {
    {"all", OPTION_FLAG, FIELD(all), .help = "all arbiters that come with Selfpage"},
    {"seed", OPTION_U64, FIELD(seed), 0, UINT64_MAX - UINT32_MAX, .value = "S",
     .help = "seed of the first round (1)"},
    {"rounds", OPTION_U32, FIELD(rounds), 1, 100000, .value = "N",
     .help = "rounds, each with a seed of its own (100)"},
    {"steps", OPTION_U32, FIELD(steps), 1, 1000000, .value = "N",
     .help = "questions in a round (1000)"},
    {"timeout", OPTION_U32, FIELD(timeout), 1, 86400, .value = "S",
     .help = "seconds that a round may take (20)"},
    {"no-sandbox", OPTION_FLAG, FIELD(no_sandbox),
     .help = "do not watch system calls and allocations"},
};

static const struct options_syntax syntax = {
    .program = "selfpage check-arbiter",
    .usage = "ARBITER... [options]",
    .about = about,
    .notes = notes,
    .exit_statuses = "0 all rules are kept; 1 one is broken; 2 the check could not be run.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .operands = "ARBITER",
    .most = UINT32_MAX,
    .operand = arbiter_take,
    .check = check_options,
};

int check_arbiter_command(int argc, char **argv)
{
    struct check_arbiter_command command = {
        .seed = 1, .rounds = ROUNDS, .steps = STEPS, .timeout = TIMEOUT};
    const struct sp_arbiter *arbiter;
    int verdict;
    int worst = EXIT_YES;

    verdict = commands_options(argc, argv, &syntax, &command);
    if (verdict >= 0)
        return verdict;
    for (size_t i = 0; command.all && (arbiter = arbiter_registry_builtin(i)) != NULL; i++) {
        int status = check_one(&command, arbiter->name);

        worst = status > worst ? status : worst;
    }
    for (char **word = command.arbiters; word != NULL && *word != NULL; word++) {
        int status = check_one(&command, *word);

        worst = status > worst ? status : worst;
    }
    return worst;
}
