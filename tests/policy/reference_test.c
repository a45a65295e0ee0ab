/* The policies against the miss counts of another simulator, libCacheSim: to the last miss where an
 * algorithm leaves no choice, within half a percentage point of the miss ratio elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "policy/registry.h"
#include "replay_engine.h"
#include "trace_source.h"

static const char *const exact[] = {"fifo", "lru", "clock", "sieve", "belady"};

/* Share of the references by which the misses of the others may differ. */
#define TOLERANCE 0.005

static bool is_exact(const char *policy)
{
    for (size_t i = 0; i < sizeof(exact) / sizeof(exact[0]); i++)
        if (strcmp(policy, exact[i]) == 0)
            return true;
    return false;
}

/* ---- Counts that the project carries ---- */

static const struct {
    const char *policy;
    uint32_t frames;
    uint64_t misses; /* of libCacheSim, commit aa0fc40, default parameters */
} carried[] = {
    {"fifo", 1000, 515389},      {"fifo", 10000, 286229},  {"lru", 1000, 510780},
    {"lru", 10000, 257058},      {"clock", 1000, 505936},  {"clock", 10000, 246058},
    {"sieve", 1000, 399056},     {"sieve", 10000, 156586}, {"belady", 1000, 392492},
    {"belady", 10000, 127488},   {"arc", 1000, 399663},    {"arc", 10000, 160749},
    {"lirs", 1000, 400039},      {"lirs", 10000, 151162},  {"2q", 1000, 426874},
    {"2q", 10000, 210292},       {"s3fifo", 1000, 408571}, {"s3fifo", 10000, 179935},
    {"slru", 1000, 420840},      {"slru", 10000, 196991},  {"wtinylfu", 1000, 411993},
    {"wtinylfu", 10000, 157399},
};

static void check(const char *name, const struct trace *trace, const char *policy, uint32_t frames,
                  uint64_t expected)
{
    uint64_t misses =
        replay_run(policy, trace->references, trace->length, trace->pages, frames, false);
    double apart = ((double)misses - (double)expected) / (double)trace->length;

    if (is_exact(policy) ? misses != expected : apart > TOLERANCE || apart < -TOLERANCE)
        fail_msg("%s on %s, %u frames: %lu misses, not %lu (%+.3f points)", policy, name, frames,
                 (unsigned long)misses, (unsigned long)expected, 100 * apart);
}

static void test_carried_counts(void **state)
{
    struct trace trace;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    assert_true(trace_generate(&trace, "loopscan", 1000000, 100000, 1));
    for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++)
        check("loopscan", &trace, carried[i].policy, carried[i].frames, carried[i].misses);
    trace_fini(&trace);
}

/* ---- Counts of our own, of policies for which there is no other, so that none changes unseen ----
 */

static const struct {
    const char *choice;
    uint64_t zipf, loopscan, phases; /* 100,000 references, 10,000 pages, seed 1; 500 frames */
} noted[] = {
    {"mru", 93297, 96862, 94917},        {"random", 58853, 40118, 39603},
    {"gclock", 51646, 41985, 33987},     {"nru", 55900, 42065, 36764},
    {"wsclock", 53073, 42370, 33744},    {"ws", 54397, 42825, 34189},
    {"pff", 58464, 42754, 36723},        {"car", 45626, 38928, 34430},
    {"clockpro", 45758, 39030, 35658},   {"lfu", 47151, 40796, 41779},
    {"lru-k", 47032, 38756, 35418},      {"lru-k:k=3", 44958, 36770, 39471},
    {"mq", 43991, 37859, 40267},         {"lecar", 45938, 32103, 33782},
    {"hyperbolic", 51586, 41415, 37446}, {"slru:segments=2", 48826, 39070, 34083},
    {"wtinylfu", 44617, 35019, 52634},   {"mq:out=0.1", 46745, 40036, 39192},
    {"cacheus", 44857, 35561, 35306},
};

static void test_noted_counts(void **state)
{
    static const char *const kinds[] = {"zipf", "loopscan", "phases"};

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    for (size_t k = 0; k < 3; k++) {
        struct trace trace;

        assert_true(trace_generate(&trace, kinds[k], 100000, 10000, 1));
        for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++) {
            const uint64_t expected[] = {noted[i].zipf, noted[i].loopscan, noted[i].phases};
            uint64_t misses = replay_run(noted[i].choice, trace.references, trace.length,
                                         trace.pages, 500, false);

            if (misses != expected[k])
                fail_msg("%s on %s: %lu misses, not %lu", noted[i].choice, kinds[k],
                         (unsigned long)misses, (unsigned long)expected[k]);
        }
        trace_fini(&trace);
    }
}

/* ---- Counts that lie in a folder ---- */

static bool get_trace(struct trace *trace, const char *folder, const char *name)
{
    char path[4096], kind[32];
    unsigned long length;
    unsigned pages, seed;

    if (sscanf(name, "%31s %lu %u %u", kind, &length, &pages, &seed) == 4)
        return trace_generate(trace, kind, length, pages, seed);
    snprintf(path, sizeof(path), "%s/%s.oracleGeneral", folder, name);
    return trace_read(trace, path);
}

/* The folder of traces: as told, or where it lies when the project is built in its usual place. */
static FILE *open_expected(const char **folder)
{
    const char *const folders[] = {getenv("SELFPAGE_TRACES"), TEST_TRACES, "/work/shared/traces"};
    char path[4096];
    FILE *file = NULL;

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && file == NULL; i++) {
        if (folders[i] == NULL)
            continue;
        *folder = folders[i];
        snprintf(path, sizeof(path), "%s/expected.csv", *folder);
        file = fopen(path, "r");
    }
    return file;
}

static void test_shared_counts(void **state)
{
    char line[256], name[64], policy[32], loaded[64] = "";
    struct trace trace = {0};
    const char *folder = NULL;
    unsigned long references, misses;
    unsigned frames, checked = 0;
    FILE *file = open_expected(&folder);

    (void)state;
    if (file == NULL) {
        print_message("no traces in %s (set SELFPAGE_TRACES to their folder): skipped\n",
                      TEST_TRACES);
        skip();
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        if (line[0] == '#' || sscanf(line, "%63[^,],%31[^,],%u,%lu,%lu", name, policy, &frames,
                                     &references, &misses) != 5)
            continue;
        if (RUNNING_ON_VALGRIND && (references > 200000 || frames != 1000))
            continue;
        if (strcmp(name, loaded) != 0) {
            trace_fini(&trace);
            if (!get_trace(&trace, folder, name))
                fail_msg("%s/expected.csv speaks of trace %s, which is not there", folder, name);
            strcpy(loaded, name);
        }
        assert_int_equal(trace.length, references);
        check(name, &trace, policy, frames, misses);
        checked++;
    }
    trace_fini(&trace);
    fclose(file);
    print_message("%u counts checked\n", checked);
    assert_true(checked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carried_counts),
        cmocka_unit_test(test_noted_counts),
        cmocka_unit_test(test_shared_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
