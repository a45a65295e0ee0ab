#include "selfpage/policy/check_run.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "selfpage/policy/check_child.h"
#include "selfpage/policy/check_forgets.h"
#include "selfpage/policy/check_guard.h"

/* Rounds of the stages that repeat those of the first, at most. */
#define REPEATED_MOST 40u

/* No policy needs more state than this, in bytes. */
#define STATE_BASE     (16u << 20)
#define STATE_PER_PAGE 4096u

/* The large state whose parts init should not touch. */
#define SPARSE_PAGES  (1u << 20)
#define SPARSE_FRAMES (1u << 19)
#define SPARSE_LEAST  (1u << 20) /* bytes of state from which it matters */
#define SPARSE_SHARE  4u         /* it may touch a quarter */

/* Seed of the second instance, so that it does other things at the same time. */
#define BESIDE_SEED 1000003u

/* Memory that the processes of a check share. */
struct check_run_shared {
    struct check_result result;
    struct check_child child;
    uint32_t victims_most; /* by round */
    uint32_t counts_most;
    uint32_t victims[]; /* counts by round, then answers by round */
};

struct stage_run {
    const struct policy_handle *policy;
    const struct check_options *options;
    struct check_run_shared *shared;
};

static sp_page *victims_of(struct check_run_shared *shared, uint32_t round)
{
    return shared->victims + shared->counts_most + (size_t)round * shared->victims_most;
}

/* ---- One round ---- */

/* One driver and the guarded memory of its policy. */
struct side {
    struct check check;
    struct check_setup setup;
    unsigned char *tables;
    size_t tables_size;
};

static struct guarded guards[2]; /* known to the signal handler */

static bool side_begin(struct side *side, struct guarded *guard, bool at_end)
{
    struct check_log *log = side->setup.log;
    size_t size = check_state_size(&side->check, &side->setup);

    if (size > STATE_BASE + (size_t)STATE_PER_PAGE * side->setup.pages)
        check_text_breach(log, "its function size asks for %zu bytes of state for %u pages", size,
                          side->setup.pages);
    if (log->breach[0] != '\0')
        return true;
    side->tables_size = check_tables_size(&side->setup);
    side->tables =
        mmap(NULL, side->tables_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (side->tables == MAP_FAILED || !check_guard_init(guard, size, at_end))
        return false;
    check_begin(&side->check, &side->setup, side->tables, guard->self);
    return true;
}

static void side_end(struct side *side, struct guarded *guard)
{
    if (guard->mapping == NULL)
        return;
    check_guard_check(guard, side->setup.log);
    check_guard_fini(guard);
    munmap(side->tables, side->tables_size);
}

static struct check_setup round_setup(const struct stage_run *run, uint64_t seed)
{
    struct check_result *result = &run->shared->result;
    struct check_setup setup = check_setup_by_seed(&run->policy->choice, seed, run->options->steps);

    setup.log = &result->log;
    result->log.calls = 0;
    result->log.step = 0;
    result->seed = seed;
    result->pages = setup.pages;
    result->frames = setup.frames;
    result->live = setup.live;
    result->in_round = true;
    return setup;
}

/* ---- Stages ---- */

static void check_sizes(const struct stage_run *run)
{
    struct check_log *log = &run->shared->result.log;
    size_t before = 0;

    for (uint32_t pages = 1; pages != 0; pages <<= 1) {
        struct check_setup setup = {
            .choice = &run->policy->choice, .pages = pages, .frames = 1000, .log = log};
        struct check check;
        size_t size = check_state_size(&check, &setup);

        if (size < before)
            check_text_breach(log,
                              "its function size asks for fewer bytes (%zu) for %u pages than for "
                              "fewer pages (%zu): a number of 32 bits that is too small?",
                              size, pages, before);
        before = size;
        if (pages == SPARSE_PAGES)
            run->shared->result.bytes_per_page = (double)size / SPARSE_PAGES;
    }
}

static bool stage_declared(const struct stage_run *run)
{
    if (check_text_declaration(&run->policy->choice, &run->shared->result.log))
        check_sizes(run);
    return true;
}

static bool stage_rules(const struct stage_run *run)
{
    struct check_run_shared *shared = run->shared;
    struct check_log *log = &shared->result.log;
    static struct side side;

    for (uint32_t round = 0; round < run->options->rounds && log->breach[0] == '\0'; round++) {
        side.setup = round_setup(run, run->options->seed + round);
        if (round < shared->counts_most) {
            side.setup.victims = victims_of(shared, round);
            side.setup.victims_most = shared->victims_most;
        }
        alarm(run->options->timeout);
        if (!side_begin(&side, &guards[0], round % 2 == 0))
            return false;
        while (check_step(&side.check))
            ;
        if (round < shared->counts_most)
            shared->victims[round] = side.check.victims;
        side_end(&side, &guards[0]);
    }
    return true;
}

static void compare_victims(const struct stage_run *run, uint32_t round, const sp_page *victims,
                            uint32_t count, const char *what)
{
    struct check_run_shared *shared = run->shared;
    uint32_t expected = shared->victims[round];
    const sp_page *before = victims_of(shared, round);

    for (uint32_t i = 0; i < count && i < expected && i < shared->victims_most; i++)
        if (victims[i] != before[i]) {
            check_text_breach(&shared->result.log,
                              "victim %u of this run is page %u, and was page %u "
                              "before: %s",
                              i + 1, victims[i], before[i], what);
            return;
        }
    if (count != expected)
        check_text_breach(&shared->result.log, "this run has %u victims, and had %u before: %s",
                          count, expected, what);
}

static bool repeat(const struct stage_run *run, bool beside, const char *what)
{
    struct check_run_shared *shared = run->shared;
    struct check_log *log = &shared->result.log;
    size_t room = shared->victims_most * sizeof(sp_page);
    sp_page *victims = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    static struct side side, other;

    if (victims == MAP_FAILED)
        return false;
    for (uint32_t round = 0; round < shared->counts_most && log->breach[0] == '\0'; round++) {
        bool more = true, other_more = beside;

        alarm(run->options->timeout);
        other.setup = round_setup(run, run->options->seed + round + BESIDE_SEED);
        side.setup = round_setup(run, run->options->seed + round);
        side.setup.victims = victims;
        side.setup.victims_most = shared->victims_most;
        if (!side_begin(&side, &guards[0], round % 2 == 1) ||
            (beside && !side_begin(&other, &guards[1], true)))
            return false;
        while (more || other_more) {
            more = more && check_step(&side.check);
            other_more = other_more && check_step(&other.check);
        }
        if (log->breach[0] == '\0')
            compare_victims(run, round, victims, side.check.victims, what);
        side_end(&side, &guards[0]);
        if (beside)
            side_end(&other, &guards[1]);
    }
    munmap(victims, room);
    return true;
}

static bool stage_again(const struct stage_run *run)
{
    return repeat(run, false,
                  "the same seed has to give the same victims (does it draw randomness from "
                  "elsewhere than env->random, read a clock, or go by addresses?)");
}

static bool stage_beside(const struct stage_run *run)
{
    return repeat(run, true,
                  "with another engine beside it, it does other things, so that it keeps state "
                  "outside of `self` (in static variables?)");
}

/* All memory is mapped before system calls end. */
static bool stage_quiet(const struct stage_run *run)
{
    struct check_log *log = &run->shared->result.log;
    struct side_stack *stack = check_guard_stack_new(log);
    static struct side side;

    side.setup = round_setup(run, run->options->seed);
    side.setup.pages = 64;
    side.setup.frames = 24;
    side.setup.live = false; /* more calls */
    side.setup.invoke = check_guard_invoke;
    side.setup.context = stack;
    run->shared->result.pages = side.setup.pages;
    run->shared->result.frames = side.setup.frames;
    run->shared->result.live = false;
    if (stack == NULL)
        return false;
    {
        size_t size = check_state_size(&side.check, &side.setup);

        side.tables_size = check_tables_size(&side.setup);
        side.tables = mmap(NULL, side.tables_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (side.tables == MAP_FAILED || !check_guard_init(&guards[0], size, true))
            return false;
    }
    alarm(run->options->timeout);
    if (!check_guard_system_calls()) {
        run->shared->result.skipped[CHECK_STAGE_QUIET] = true;
        return true;
    }
    check_begin(&side.check, &side.setup, side.tables, guards[0].self);
    while (check_step(&side.check))
        ;
    return true;
}

static size_t touched_bytes(const struct guarded *guard, size_t page)
{
    static unsigned char present[4096];
    size_t touched = 0;

    for (size_t at = 0; at < guard->inner_size; at += sizeof(present) * page) {
        size_t rest = guard->inner_size - at, count;

        count = rest < sizeof(present) * page ? rest / page : sizeof(present);
        if (mincore(guard->self + at, count * page, present) != 0)
            return 0;
        for (size_t i = 0; i < count; i++)
            touched += (present[i] & 1) * page;
    }
    return touched;
}

static bool stage_sparse(const struct stage_run *run)
{
    struct check_result *result = &run->shared->result;
    static struct side side;
    size_t size, touched;

    result->in_round = false;
    side.setup = (struct check_setup){.choice = &run->policy->choice,
                                      .pages = SPARSE_PAGES,
                                      .frames = SPARSE_FRAMES,
                                      .steps = 1,
                                      .log = &result->log};
    size = check_state_size(&side.check, &side.setup);
    if (size < SPARSE_LEAST)
        return true;
    alarm(run->options->timeout);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); /* so that a touch counts for one small page */
    if (!side_begin(&side, &guards[0], false))
        return false;
    touched = touched_bytes(&guards[0], (size_t)sysconf(_SC_PAGESIZE));
    if (touched > size / SPARSE_SHARE)
        check_text_breach(
            &result->log,
            "init touches %zu of the %zu bytes of a state for %u pages, which starts as "
            "zeros so that it need not: untouched memory costs a live task nothing",
            touched, size, SPARSE_PAGES);
    return true;
}

static bool stage_forgets(const struct stage_run *run)
{
    struct check_result *result = &run->shared->result;

    result->in_round = false;
    alarm(run->options->timeout);
    return check_forgets(&run->policy->choice, run->options->seed, &result->log) == 0;
}

static uint64_t thread_clock(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool measure(const struct stage_run *run, uint32_t pages, struct check_cost *cost)
{
    struct check_log *log = &run->shared->result.log;
    struct check_setup setup = {.choice = &run->policy->choice,
                                .pages = pages,
                                .frames = pages / 2,
                                .steps = 1,
                                .log = log};
    static struct check check;
    size_t size = check_state_size(&check, &setup), tables_size = check_tables_size(&setup);
    unsigned char *tables =
        mmap(NULL, tables_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (tables == MAP_FAILED || !check_guard_init(&guards[0], size, false))
        return false;
    *cost = check_cost_measure(&run->policy->choice, pages, run->options->seed, log, tables,
                               guards[0].self, thread_clock);
    check_guard_fini(&guards[0]);
    munmap(tables, tables_size);
    return true;
}

static bool stage_cost(const struct stage_run *run)
{
    struct check_result *result = &run->shared->result;

    result->in_round = false;
    alarm(run->options->timeout);
    if (!measure(run, CHECK_FEW_PAGES, &result->few) ||
        !measure(run, CHECK_MANY_PAGES, &result->many))
        return false;
    if (result->log.breach[0] == '\0')
        check_cost_all(&result->few, CHECK_FEW_PAGES, &result->many, CHECK_MANY_PAGES,
                       &result->log);
    return true;
}

/* Nothing that comes out is a breach but a live task that cannot go on. */
static bool stage_live(const struct stage_run *run)
{
    struct check_result *result = &run->shared->result;
    struct sp_error error = {0};
    int measured;

    result->in_round = false;
    alarm(run->options->timeout);
    measured =
        check_live_measure(&run->policy->choice, run->options->seed, result->distances, &error);
    if (measured == -EPROTO)
        check_text_breach(&result->log, "in a live task: %s", error.text);
    return measured == 0 || measured == -EPROTO;
}

static bool (*const stages[CHECK_STAGES])(const struct stage_run *run) = {
    [CHECK_STAGE_DECLARED] = stage_declared, [CHECK_STAGE_RULES] = stage_rules,
    [CHECK_STAGE_AGAIN] = stage_again,       [CHECK_STAGE_BESIDE] = stage_beside,
    [CHECK_STAGE_QUIET] = stage_quiet,       [CHECK_STAGE_SPARSE] = stage_sparse,
    [CHECK_STAGE_FORGETS] = stage_forgets,   [CHECK_STAGE_COST] = stage_cost,
    [CHECK_STAGE_LIVE] = stage_live,
};

/* ---- Processes ---- */

static bool stage_main(void *context)
{
    struct stage_run *run = context;
    struct check_result *result = &run->shared->result;

    return check_guard_signals(&result->log, guards, 2) && stages[result->stage](run);
}

static int run_stage(struct stage_run *run, enum check_stage stage, struct sp_error *error)
{
    run->shared->result.stage = stage;
    return check_child_run(&run->shared->child, &run->shared->result.log, stage_main, run, error);
}

/* What a policy that was written for another simulator need not be able to do. */
static bool applies(const struct stage_run *run, enum check_stage stage)
{
    if (stage == CHECK_STAGE_LIVE && (run->policy->choice.policy->flags & SP_POLICY_LIVE) == 0)
        return false;
    if (stage == CHECK_STAGE_QUIET)
        return !run->policy->foreign && !run->options->no_sandbox && !CHECK_GUARD_SANITIZED;
    return !run->policy->foreign || (stage != CHECK_STAGE_SPARSE && stage != CHECK_STAGE_COST);
}

int check_run(const struct policy_handle *policy, const struct check_options *options,
              struct check_result *result, struct sp_error *error)
{
    uint32_t rounds = options->rounds < REPEATED_MOST ? options->rounds : REPEATED_MOST;
    size_t size = sizeof(struct check_run_shared) +
                  ((size_t)rounds + (size_t)rounds * options->steps) * sizeof(uint32_t);
    struct check_run_shared *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct stage_run run = {.policy = policy, .options = options, .shared = shared};
    int status = 0;

    if (shared == MAP_FAILED)
        return error_set(error, ENOMEM, "no memory for the check");
    shared->counts_most = rounds;
    shared->victims_most = options->steps;
    for (int stage = 0; stage < CHECK_STAGES && status == 0; stage++) {
        if (shared->result.log.breach[0] != '\0')
            break;
        if (applies(&run, (enum check_stage)stage))
            status = run_stage(&run, (enum check_stage)stage, error);
        else
            shared->result.skipped[stage] = true;
    }
    shared->result.passed = shared->result.log.breach[0] == '\0';
    *result = shared->result;
    munmap(shared, size);
    return status;
}
