/* What `selfpage bench contracts` prints for people. */
#include "selfpage/bench/bench.h"

#include <stdio.h>

static double percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

/* Microseconds at some quantiles. */
static void print_latency(const char *name, const struct histogram *histogram,
                          const struct histogram *measured, double seconds)
{
    static const double shares[] = {0.5, 0.9, 0.99, 0.999, 0.9999, 1};

    if (measured->count == 0)
        return;
    printf("%-12s %9llu %9.0f", name, (unsigned long long)measured->count,
           (double)measured->count / seconds);
    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
        printf(" %9.1f", (double)histogram_quantile(histogram, shares[i]) / 1000);
    printf("\n");
}

static void print_latencies(const struct bench_result *result)
{
    static const char head[] =
        "us               count  a second       p50       p90       p99     p99.9    p99.99      most";
    uint64_t count = 0;

    printf("\n%s\n", head);
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        print_latency(bench_kind_names[i], &result->corrected[i], &result->latency[i],
                      result->seconds);
        count += result->latency[i].count;
    }
    print_latency("return", &result->recall, &result->recall, result->seconds);
    print_latency("reuse", &result->reuse, &result->reuse, result->seconds);
    printf("%llu requests, %.0f a second. Not requests: return, from a RECALL until all of it was\n"
           "returned; reuse, from a missed deadline until the frames could be used again\n",
           (unsigned long long)count, (double)count / result->seconds);
    if (result->interval_ns > 0)
        printf(
            "Latencies of requests are corrected for coordinated omission (one expected each %.1f us)\n",
            (double)result->interval_ns / 1000);
}

/* Every recall of the measurement, those that were under way when it began included, is in one of the
 * numbers behind the first. */
static void print_recalls(const struct bench_result *result)
{
    struct bench_recalls recalls = bench_use_recalls(result);

    printf(
        "recalls      %llu, of which %llu were under way before: %llu met, %llu missed, %llu under "
        "way at\n"
        "             the end or gone with their task; revoked: %u silent, %u compliant tasks\n",
        (unsigned long long)recalls.all, (unsigned long long)recalls.before,
        (unsigned long long)recalls.met, (unsigned long long)recalls.missed,
        (unsigned long long)recalls.left, result->revoked, result->revoked_compliant);
}

static void print_answers(const struct bench_result *result)
{
    uint64_t proposals = BENCH_COUNTED(result, proposals);

    printf("\nproposals    %llu: %.1f %% accepted, %.1f %% countered, %.1f %% refused\n",
           (unsigned long long)proposals, percent(BENCH_COUNTED(result, accepted), proposals),
           percent(BENCH_COUNTED(result, countered), proposals),
           percent(BENCH_COUNTED(result, refused), proposals));
    printf("allocations  %.1f %% refused; %.1f %% of requested recalls found nothing to recall\n",
           percent(result->failed[BENCH_ALLOCATE], result->latency[BENCH_ALLOCATE].count),
           percent(result->failed[BENCH_RECALL], result->latency[BENCH_RECALL].count));
    print_recalls(result);
    printf(
        "use          %.1f %% of %u frames held, from %.1f %% at the beginning to %.1f %% at the end\n"
        "fairness     Jain's index %.3f of useful frames / weighted max-min share of the demands;\n"
        "             least / median of that, over all the time, %.3f\n",
        100 * bench_use_mean(result->utilisation, result->samples), result->frames,
        100 * result->utilisation[0],
        100 * result->utilisation[result->samples > 0 ? result->samples - 1 : 0],
        bench_use_mean(result->fairness, result->samples), result->disparity);
    if (result->rising)
        printf(
            "             Use had not settled when the measurement began: give a longer --warmup\n");
    if (result->unsent > 0)
        printf("overload     %llu requests found no task free before the end\n",
               (unsigned long long)result->unsent);
}

static void print_quiet(const struct bench_options *options, const struct bench_result *result)
{
    double few = (double)histogram_quantile(&result->quiet_few, 0.99) / 1000;
    double all = (double)histogram_quantile(&result->quiet_all, 0.99) / 1000;

    if (result->ratios == 0)
        return;
    printf("\nNegotiation of one more task, beside %u idle ones, in messages a second:\n",
           options->tasks);
    printf("%-26s %10s %12s %7s %7s\n", "", "physmem", "bare socket", "ratio", "wanted");
    for (unsigned i = 0; i < result->ratios; i++)
        printf("%-26s %10.0f %12.0f %7.2f %7.2f\n", result->ratio[i].name, result->ratio[i].subject,
               result->ratio[i].baseline, result->ratio[i].ratio, result->ratio[i].limit);
    if (options->tasks > result->few && few > 0)
        printf(
            "p99 of a proposal: %.1f us beside %u tasks, %.1f us beside %u: %.2f times (at most 3 "
            "wanted)\n",
            few, result->few, all, options->tasks, all / few);
}

static void print_slow_side(const char *name, const double *p99)
{
    printf("%-26s %10.1f %12.1f %7.2f\n", name, p99[0] / 1000, p99[1] / 1000,
           p99[0] > 0 ? p99[1] / p99[0] : 1);
}

static void print_slow(const struct bench_slow *slow)
{
    if (!slow->done)
        return;
    printf(
        "\nOne task that answers recalls as late as it may: it got %llu, and owed frames %.0f %% of\n"
        "the time. The others, without it and with it, in the middle one of %u turns by ratio:\n",
        (unsigned long long)slow->recalls, 100 * slow->owing, slow->turns);
    printf("%-26s %10s %12s %7s\n", "p99, us", "without", "with it", "ratio");
    print_slow_side("negotiation", slow->negotiation_p99);
    print_slow_side("allocation", slow->allocation_p99);
}

static void print_great(const struct bench_recall *great)
{
    if (!great->done)
        return;
    printf(
        "\nRecall of %u frames from %u tasks at once: %llu messages in %llu pass%s of physmem's loop;\n"
        "all tasks were told after %.1f ms, all frames had come back after %.1f ms\n",
        great->frames, great->tasks, (unsigned long long)great->messages,
        (unsigned long long)great->passes, great->passes == 1 ? "" : "es",
        (double)great->sent_ns / 1e6, (double)great->all_ns / 1e6);
}

static void print_values(const char *name, const struct bench_values *values)
{
    if (values->count == 0)
        return;
    printf("; %s ", name);
    for (uint32_t i = 0; i < values->count; i++)
        printf("%s%u", i > 0 ? "," : "", values->value[i]);
}

/* What the tasks differ in. */
static void print_demand(const struct bench_options *options)
{
    if (options->demand.kind == DEMAND_NONE && options->weights.count == 0 &&
        options->bids.count == 0 && options->priorities.count == 0)
        return;
    printf("demand %s, of %.1f frames a task on average, %u tasks idle",
           demand_name(&options->demand), options->demand.mean, options->idle);
    print_values("weights", &options->weights);
    print_values("bids", &options->bids);
    print_values("priorities", &options->priorities);
    printf("\n");
}

static void print_cores(const struct bench_options *options, const struct bench_result *result)
{
    printf("%.2f s after %.2f s of warm-up; tasks in ", result->seconds,
           (double)result->warmup_ns / 1e9);
    if (options->processes == 0) {
        printf("this process on core %d", options->core[0]);
    } else {
        printf("%u process%s on core%s", options->processes, options->processes == 1 ? "" : "es",
               options->processes == 1 ? "" : "s");
        for (unsigned i = 0; i < options->processes; i++)
            printf(" %d", options->worker_core[i % options->worker_cores]);
    }
    printf(", physmem on core %d\n", options->core[1]);
}

/* Whether what follows may be called a measurement. */
static void print_machine(const struct machine *machine)
{
    double taken = 100 * machine_taken(machine);

    if (machine->unknown)
        printf(
            "NOT A MEASUREMENT: /proc/PID/schedstat does not say whether the machine was ours\n");
    else if (!machine_was_ours(machine))
        printf(
            "NOT A MEASUREMENT: for %.1f %% of the time other processes or the host had our core\n",
            taken);
    else
        printf("The machine was ours but for %.1f %% of the time\n", taken);
}

void bench_report(const struct bench_options *options, const struct bench_result *result)
{
    if (result->arbiter != NULL)
        printf("Arbitration policy %s\n", result->arbiter);
    printf("%u tasks (%u slow, %u silent), %u frames, contention %.1f, seed %llu, ", options->tasks,
           options->slow, options->silent, result->frames, options->contention,
           (unsigned long long)options->seed);
    if (options->outstanding > 0)
        printf("closed loop, %u outstanding\n", options->outstanding);
    else
        printf("open loop, %.0f a second\n", options->rate);
    print_demand(options);
    print_cores(options, result);
    print_machine(&result->machine);
    print_latencies(result);
    print_answers(result);
    print_quiet(options, result);
    print_slow(&result->slow);
    print_great(&result->great);
    if (result->task_bytes >= 0)
        printf("\nphysmem needs %.0f bytes for each task connected and holding a contract\n",
               result->task_bytes);
    printf("\nAt the end %u of %u frames are free, %u are promised, %u tasks are there: the books "
           "are %s\n",
           result->end.free, result->end.frames, result->end.guaranteed + result->end.leased,
           result->end.tasks, result->books_right ? "right" : "WRONG");
}

/* The 99th percentile in us; "-": nothing was asked. */
static const char *p99_text(char *text, size_t size, const struct histogram *latency)
{
    if (latency->count == 0)
        return "-";
    snprintf(text, size, "%.1f", (double)histogram_quantile(latency, 0.99) / 1000);
    return text;
}

void bench_report_compare(struct bench_result *const *results, size_t count)
{
    printf("\n%-20s %9s %9s %9s %8s %8s %8s %7s %6s %6s %6s\n", "arbiter", "a second", "propose",
           "allocate", "no offer", "no frame", "recalls", "missed", "held", "Jain", "least");
    printf("%-20s %9s %9s %9s %8s %8s %8s %7s %6s %6s %6s\n", "", "requests", "p99 us", "p99 us",
           "%", "%", "", "", "%", "", "/mid");
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *result = results[i];
        const struct histogram *latency = result->latency;
        char propose[32], allocate[32];
        uint64_t requests = 0;

        for (unsigned kind = 0; kind < BENCH_KIND_COUNT; kind++)
            requests += latency[kind].count;
        printf("%-20s%c%9.0f %9s %9s %8.1f %8.1f %8llu %7llu %6.1f %6.3f %6.3f\n", result->arbiter,
               machine_was_ours(&result->machine) ? ' ' : '*', (double)requests / result->seconds,
               p99_text(propose, sizeof(propose), &result->corrected[BENCH_PROPOSE]),
               p99_text(allocate, sizeof(allocate), &result->corrected[BENCH_ALLOCATE]),
               percent(BENCH_COUNTED(result, refused), BENCH_COUNTED(result, proposals)),
               percent(result->failed[BENCH_ALLOCATE], latency[BENCH_ALLOCATE].count),
               (unsigned long long)BENCH_COUNTED(result, recalls),
               (unsigned long long)BENCH_COUNTED(result, recalls_missed),
               100 * bench_use_mean(result->utilisation, result->samples),
               bench_use_mean(result->fairness, result->samples), result->disparity);
    }
    for (size_t i = 0; i < count; i++) {
        if (!machine_was_ours(&results[i]->machine)) {
            printf("* not a measurement: the machine was not ours\n");
            break;
        }
    }
}
