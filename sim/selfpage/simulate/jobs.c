#include "selfpage/simulate/jobs.h"

#include <unistd.h>

#include "base/exits.h"

/* Seeds of a job at most. */
#define SEEDS_EACH 100u

/* A text as a shell reads it. */
static void put_text(FILE *out, const char *text)
{
    fputs(" '", out);
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

static void put_option(FILE *out, const char *option, const char *text)
{
    if (text == NULL)
        return;
    fprintf(out, " --%s", option);
    put_text(out, text);
}

/* What is the same for all jobs. */
static void put_same(FILE *out, const struct simulate_options *options)
{
    put_text(out, options->scenario);
    fputs(" --json --rows --jobs 1", out);
    put_option(out, "policy", options->policy);
    put_option(out, "costs", options->costs);
    for (size_t i = 0; i < options->definitions.count; i++)
        put_option(out, "define", options->definitions.items[i]);
    if (options->faults_given)
        fprintf(out, " --faults %lluns", (unsigned long long)options->faults_until_ns);
    if (options->shuffle_ties)
        fputs(" --shuffle-ties", out);
    if (options->kernel_bits)
        fputs(" --kernel-bits", out);
    if (options->check_determinism)
        fputs(" --check-determinism", out);
    if (options->check_every > 0)
        fprintf(out, " --check-every %u", options->check_every);
}

static void put_job(FILE *out, const struct simulate_options *options, const char *program,
                    const struct strings *varied, uint64_t from, uint64_t to)
{
    put_text(out, program);
    fputs(" simulate", out);
    put_same(out, options);
    for (size_t i = 0; i < varied->count; i++)
        put_text(out, varied->items[i]);
    if (options->seed_given)
        fprintf(out, " --seeds %llu..%llu", (unsigned long long)from, (unsigned long long)to);
    fputc('\n', out);
}

int jobs_list(FILE *out, const struct simulate_options *options)
{
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    uint64_t combinations = vary_combinations(&options->vary);

    program[length > 0 ? length : 0] = '\0';
    for (uint64_t i = 0; i < combinations; i++) {
        struct strings varied = {0};
        uint64_t from = options->first_seed, left = options->last_seed - from;

        if (vary_arguments(&options->vary, i, "--vary", &varied) != 0)
            return EXIT_CANNOT;
        for (;;) {
            uint64_t more = left < SEEDS_EACH - 1 ? left : SEEDS_EACH - 1;

            put_job(out, options, length > 0 ? program : "selfpage", &varied, from, from + more);
            if (more == left)
                break;
            from += more + 1;
            left -= more + 1;
        }
        strings_fini(&varied);
    }
    return fflush(out) == 0 ? EXIT_YES : EXIT_CANNOT;
}
