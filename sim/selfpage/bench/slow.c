/* One task that answers recalls as slowly as it may, for ever, and what that does to the others.
 *
 * The same tasks at the same physmem run the same load in turns, so that a machine that becomes
 * slower meanwhile slows both sides down: in every other turn the first task answers at the last
 * moment. Only what the others asked for is counted. */
#include "selfpage/bench/cases.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "selfpage/bench/load.h"
#include "selfpage/bench/ratio.h"
#include "selfpage/bench/stage.h"
#include "os/clock.h"

#define TURNS 5u /* of each side */

struct sides {
    struct bench_options options[2]; /* without, and with a slow task */
    struct bench_result result[2];   /* of one turn */
    double p99[2][TURNS][2];         /* of negotiation, of allocation; without, with */
    uint64_t looks, owing;
};

/* Put the latencies of one turn together, add them to those of all, and return their p99. */
static double collect(const struct bench_result *result, const enum bench_kind *kinds,
                      unsigned count, struct histogram *all)
{
    struct histogram *turn = calloc(1, sizeof(*turn));
    double p99;

    if (turn == NULL)
        return 0;
    for (unsigned i = 0; i < count; i++)
        histogram_add(turn, &result->latency[kinds[i]]);
    histogram_add(all, turn);
    p99 = (double)histogram_quantile(turn, 0.99);
    free(turn);
    return p99;
}

static void turn_end(struct sides *sides, unsigned turn, struct bench_slow *slow)
{
    static const enum bench_kind negotiation[] = {BENCH_PROPOSE, BENCH_RENEW, BENCH_RELEASE,
                                                  BENCH_ACCEPT};
    static const enum bench_kind allocation[] = {BENCH_ALLOCATE, BENCH_DEALLOCATE};
    const struct bench_result *with = &sides->result[1];

    for (unsigned side = 0; side < 2; side++) {
        sides->p99[0][turn][side] =
            collect(&sides->result[side], negotiation, 4, &slow->negotiation[side]);
        sides->p99[1][turn][side] =
            collect(&sides->result[side], allocation, 2, &slow->allocation[side]);
    }
    slow->recalls += with->slow_recalls;
    sides->looks += with->slow_looks;
    sides->owing += with->slow_owing;
}

static int turns(struct sides *sides, struct bench_load *load, struct bench_slow *slow,
                 struct sp_error *error)
{
    int code = bench_load_open(load, load->options->tasks, error);

    for (unsigned turn = 0; turn < TURNS && code == 0; turn++) {
        for (unsigned side = 0; side < 2 && code == 0; side++) {
            memset(&sides->result[side], 0, sizeof(sides->result[side]));
            load->options = &sides->options[side];
            load->result = &sides->result[side];
            load->task[0].temper = side == 1 ? BENCH_SLOW : BENCH_PROMPT;
            bench_task_look(&load->task[0], clock_now_ns());
            code = bench_load_run(load, NULL, NULL, error);
        }
        turn_end(sides, turn, slow);
    }
    return code;
}

static void options_set(struct sides *sides, const struct bench_options *options)
{
    struct bench_options *without = &sides->options[0];

    *without = *options;
    without->slow = without->silent = 0;
    without->unmeasured = 1;
    without->requests = (options->requests + 2 * TURNS - 1) / (2 * TURNS);
    without->duration_ns /= 2 * TURNS;
    without->warmup_ns /= 2 * TURNS;
    without->settle = false;
    sides->options[1] = *without;
    sides->options[1].slow = 1;
}

static int measure(struct sides *sides, struct stage *stage, struct bench_slow *slow,
                   struct sp_error *error)
{
    struct bench_load *load = calloc(1, sizeof(*load));
    int code;

    if (load == NULL)
        return error_set(error, ENOMEM, "out of memory");
    code = bench_load_init(load, &sides->options[0], &sides->result[0], stage->directory.physmem,
                           error);
    if (code == 0)
        code = turns(sides, load, slow, error);
    bench_load_fini(load);
    free(load);
    return code;
}

/* The p99 of the turn whose ratio is the median. */
static void middle_turn(double turns_p99[TURNS][2], double *p99)
{
    double ratio[TURNS];
    unsigned middle;

    for (unsigned turn = 0; turn < TURNS; turn++)
        ratio[turn] = turns_p99[turn][0] > 0 ? turns_p99[turn][1] / turns_p99[turn][0] : 1;
    middle = bench_ratio_middle(ratio, TURNS);
    p99[0] = turns_p99[middle][0];
    p99[1] = turns_p99[middle][1];
}

int bench_slow_measure(const struct bench_options *options, const char *arbiter,
                       struct bench_slow *slow, struct sp_error *error)
{
    struct sides *sides = calloc(1, sizeof(*sides));
    struct stage stage;
    int code;

    if (sides == NULL)
        return error_set(error, ENOMEM, "out of memory");
    options_set(sides, options);
    stage_init(&stage);
    code = stage_start(&stage, options, options->frames, arbiter, error);
    if (code == 0)
        code = measure(sides, &stage, slow, error);
    stage_end(&stage);
    if (code == 0) {
        slow->turns = TURNS;
        middle_turn(sides->p99[0], slow->negotiation_p99);
        middle_turn(sides->p99[1], slow->allocation_p99);
        slow->owing = sides->looks > 0 ? (double)sides->owing / (double)sides->looks : 0;
        slow->done = true;
    }
    free(sides);
    return code;
}
