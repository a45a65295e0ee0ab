/* How far every policy that can run live is, on what a live task shows it, from its replay; and the
 * page of documentation that says so: src/policy/README.md, whose tables are made here.
 *
 * If a change of a policy moves a figure, this test fails and says so. To write the tables anew:
 *
 *   SELFPAGE_REGENERATE=1 build/release/tests/test_policy_live_distance
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "live_pager.h"
#include "policy/registry.h"
#include "replay_engine.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- Ten traces and sizes ---- */

/* A Zipf set of 400 pages; each fourth reference is to a page that never comes again. */
static void make_once(struct trace *trace)
{
    struct trace hot;
    uint32_t page = 400;

    assert_true(trace_generate(&hot, "zipf", 50000, 400, 3));
    trace_blank(trace, hot.length, 400 + (uint32_t)hot.length / 4);
    for (size_t i = 0; i < hot.length; i++)
        trace->references[i] = i % 4 == 0 ? page++ : hot.references[i];
    trace_fini(&hot);
}

/* 300 pages, round and round, or up and down. */
static void make_loop(struct trace *trace)
{
    trace_blank(trace, 20000, 300);
    for (size_t i = 0; i < trace->length; i++)
        trace->references[i] = (sp_page)(i % 300);
}

static void make_zigzag(struct trace *trace)
{
    trace_blank(trace, 20000, 301);
    for (size_t i = 0; i < trace->length; i++)
        trace->references[i] = (sp_page)(i % 600 <= 300 ? i % 600 : 600 - i % 600);
}

static const struct {
    const char *trace;
    uint32_t frames;
    bool smooth; /* no cliff that a few frames more or less lie on this or that side of */
} runs[] = {
    {"zipf", 32, true},   {"zipf", 512, true},    {"loopscan", 32, true}, {"loopscan", 512, true},
    {"phases", 32, true}, {"phases", 512, true},  {"once", 64, true},     {"once", 256, true},
    {"loop", 256, false}, {"zigzag", 256, false},
};

static void make_trace(struct trace *trace, const char *name)
{
    if (strcmp(name, "once") == 0)
        make_once(trace);
    else if (strcmp(name, "loop") == 0)
        make_loop(trace);
    else if (strcmp(name, "zigzag") == 0)
        make_zigzag(trace);
    else
        assert_true(trace_generate(trace, name, 100000, 5000, 1));
}

/* ---- The distances ---- */

#define POLICIES_MOST 64u

struct distance {
    double replay, live; /* misses or faults, per 100 references */
    double full;         /* misses of a replay with all frames of the task */
    double soft;         /* soft faults, per 100 references */
    uint32_t resident;   /* pages of the live task, on average; frames of the replay */
};

static struct distance distances[POLICIES_MOST][COUNT(runs)];

static bool is_live(size_t i)
{
    return (policy_registry_builtin(i)->flags & SP_POLICY_LIVE) != 0;
}

static double misses(const char *choice, const struct trace *trace, uint32_t frames)
{
    return (double)replay_run(choice, trace->references, trace->length, trace->pages, frames,
                              false) *
           100.0 / (double)trace->length;
}

/* The replay is one at the same resident pages. */
static struct distance measure(const char *choice, const struct trace *trace, uint32_t frames)
{
    struct rehearsal_counts live = live_pager_run(choice, trace, frames);
    double percent = 100.0 / (double)trace->length;

    return (struct distance){.replay = misses(choice, trace, live.resident),
                             .full = misses(choice, trace, frames),
                             .live = (double)live.faults * percent,
                             .soft = (double)live.soft_faults * percent,
                             .resident = live.resident};
}

static int measure_all(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(runs) && !RUNNING_ON_VALGRIND; r++) {
        struct trace trace;

        make_trace(&trace, runs[r].trace);
        for (size_t i = 0; policy_registry_builtin(i) != NULL; i++)
            if (is_live(i))
                distances[i][r] = measure(policy_registry_builtin(i)->name, &trace, runs[r].frames);
        trace_fini(&trace);
    }
    return 0;
}

/* ---- What must hold ---- */

static double apart(const struct distance *distance)
{
    double points = distance->live - distance->replay;

    return points < 0 ? -points : points;
}

/* Points of the miss ratio that a live form may be off where there is no cliff. */
static double bound_of(const char *policy)
{
    static const struct {
        const char *policy;
        double points;
    } bounds[] = {{"fifo", 0.5},         {"random", 0.5}, {"clock", 0.5},       {"lru", 0.5},
                  {"ws", 0.5},           {"mglru", 0.7},  {"nru", 1.3},         {"gclock", 1},
                  {"car", 1.2},          {"sieve", 3},    {"wsclock", 3.5},     {"linux", 6},
                  {"clockproplus", 0.5}, {"s4fifo", 0.5}, {"clock2qplus", 0.5}, {"wtinylfu", 5.6}};

    for (size_t i = 0; i < COUNT(bounds); i++)
        if (strcmp(bounds[i].policy, policy) == 0)
            return bounds[i].points;
    return 2;
}

/* Why a live form is more than NEAR points off somewhere. Each that is must be here, and no other. */
#define NEAR 2.0

static const struct {
    const char *policy;
    const char *why;
} reasons[] = {
    {"clock", "On a cliff a bit that is seen one turn later keeps other pages."},
    {"nru",
     "The tick comes to one page after the other, and not to all at once, where the replay of a "
     "loop has pages of one class most of the time."},
    {"wsclock",
     "Which pages of a loop are outside the window is a matter of few frames: with 484 to 496 of "
     "them the replay of loopscan has 36.0 to 28.1."},
    {"car", "As clock."},
    {"clockpro",
     "A reference within a test period is seen as a soft fault, at the time of the first: "
     "up and down a loop other pages become hot."},
    {"s3fifo",
     "What the bit of a page in the main queue tells counts beside the hit: other pages of a loop stay. If only "
     "hits counted, this would be -4.3, and loop +8.8."},
    {"linux",
     "Which pages of a scan that is longer than the lists go up is a matter of few frames: with 463 "
     "to 490 of them the replay has 28.6 to 35.1."},
    {"clockproplus",
     "Pages that are there only until others are evicted in advance are no good in a loop: of 231, "
     "seven on average."},
    {"s4fifo",
     "Up and down a loop, runs of pages come and go together. Live, eviction in advance breaks them up, and at the "
     "turns the newest eight pages are not seen to be used (with four: -2.0)."},
    {"clock2qplus", "As s4fifo."},
    {"wtinylfu",
     "Live the window is larger by the pages that are evicted in advance: that is better where other "
     "pages come to be used (phases), and on a loop more of it passes by."},
    {"sieve", "Of 30 pages the newest eight tell nothing (with two: +0.9)."},
};

static const char *reason_of(const char *policy)
{
    for (size_t i = 0; i < COUNT(reasons); i++)
        if (strcmp(reasons[i].policy, policy) == 0)
            return reasons[i].why;
    return NULL;
}

static double farthest(size_t policy)
{
    double most = 0;

    for (size_t r = 0; r < COUNT(runs); r++)
        most = apart(&distances[policy][r]) > most ? apart(&distances[policy][r]) : most;
    return most;
}

static void test_what_is_far_off_has_a_reason(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        const char *name = policy_registry_builtin(i)->name;

        if (is_live(i) && (farthest(i) > NEAR) != (reason_of(name) != NULL))
            fail_msg("%s is at most %.1f points off, and the page gives %s", name, farthest(i),
                     reason_of(name) != NULL ? "a reason" : "no reason");
    }
}

static void test_live_policies_are_near_their_replay(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++)
        for (size_t r = 0; r < COUNT(runs); r++)
            if (runs[r].smooth &&
                apart(&distances[i][r]) > bound_of(policy_registry_builtin(i)->name))
                fail_msg("%s on %s, %u frames: live %.2f faults in 100 references, replay %.2f",
                         policy_registry_builtin(i)->name, runs[r].trace, runs[r].frames,
                         distances[i][r].live, distances[i][r].replay);
}

/* A policy that is better live than in its replay, as some are on cliffs, has no more faults than was promised. */
static void test_on_nine_of_ten_traces_no_live_policy_is_two_points_worse(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        unsigned worse = 0;

        for (size_t r = 0; r < COUNT(runs); r++)
            worse += distances[i][r].live - distances[i][r].replay > NEAR;
        if (worse > 1)
            fail_msg("%s is more than two points worse on %u traces",
                     policy_registry_builtin(i)->name, worse);
    }
}

/* The pager keeps a sixteenth of the frames free, 16 at most; shares of what is left are no larger
 * than they may be. */
static void test_a_policy_is_told_the_frames_that_pages_may_have(void **state)
{
    static const struct {
        uint32_t frames, told;
    } cases[] = {{8, 8}, {32, 30}, {160, 150}, {256, 240}};
    struct trace trace;

    (void)state;
    make_trace(&trace, "loop");
    trace.length = 1200;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(live_pager_run("clock", &trace, cases[i].frames).frames, cases[i].told);
    trace_fini(&trace);
}

/* A counter that no reference can bring above 1 makes gclock clock. */
static void test_live_gclock_counts(void **state)
{
    struct trace trace;
    struct rehearsal_counts one, two, clock;

    (void)state;
    make_trace(&trace, "once");
    trace.length = RUNNING_ON_VALGRIND ? 2000 : trace.length;
    one = live_pager_run("gclock:bits=1", &trace, 64);
    two = live_pager_run("gclock:bits=2", &trace, 64);
    clock = live_pager_run("clock", &trace, 64);
    trace_fini(&trace);
    assert_int_equal(one.faults, clock.faults);
    assert_true(two.faults < one.faults);
}

static void test_each_policy_names_its_reference(void **state)
{
    (void)state;
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++)
        if (policy_registry_builtin(i)->source == NULL ||
            policy_registry_builtin(i)->summary == NULL)
            fail_msg("policy '%s' does not say where it comes from",
                     policy_registry_builtin(i)->name);
}

/* ---- The page ---- */

#define README SOURCE_DIR "/src/policy/README.md"
#define BEGINS "<!-- The rest is written by tests/policy/live_distance_test.c. -->\n"

struct text {
    char *at;
    size_t length;
    FILE *file;
};

static void text_open(struct text *text)
{
    text->file = open_memstream(&text->at, &text->length);
    assert_non_null(text->file);
}

static void write_policies(FILE *file)
{
    fprintf(file, "\n## The policies\n\n| policy | what it does | live | reference |\n"
                  "| --- | --- | --- | --- |\n");
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        const struct sp_policy *policy = policy_registry_builtin(i);
        const char *live = is_live(i) ? "yes" : policy->live_form;

        fprintf(file, "| %s | %s | %s | %s |\n", policy->name, policy->summary,
                live != NULL ? live : "no", policy->source);
    }
}

static void write_heads(FILE *file)
{
    fprintf(file, "\n| policy |");
    for (size_t r = 0; r < COUNT(runs); r++)
        fprintf(file, " %s %u |", runs[r].trace, runs[r].frames);
    fprintf(file, "\n| --- |");
    for (size_t r = 0; r < COUNT(runs); r++)
        fprintf(file, " --: |");
    fprintf(file, "\n");
}

static void write_distance(FILE *file)
{
    fprintf(file,
            "\n## How far live is from replay\n\n"
            "Faults of a live task less misses of a replay with as many frames as the task had "
            "pages on average, in\npoints of the miss ratio, and behind the stroke the soft "
            "faults that the live form costs in 100 references.\n");
    write_heads(file);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        if (!is_live(i))
            continue;
        fprintf(file, "| %s |", policy_registry_builtin(i)->name);
        for (size_t r = 0; r < COUNT(runs); r++)
            fprintf(file, " %+.1f / %.1f |", distances[i][r].live - distances[i][r].replay,
                    distances[i][r].soft);
        fprintf(file, "\n");
    }
}

static void write_reasons(FILE *file)
{
    fprintf(file,
            "\nMore than %.0f points off somewhere, and why:\n\n| policy | most | why |\n"
            "| --- | --: | --- |\n",
            NEAR);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++)
        if (is_live(i) && reason_of(policy_registry_builtin(i)->name) != NULL)
            fprintf(file, "| %s | %.1f | %s |\n", policy_registry_builtin(i)->name, farthest(i),
                    reason_of(policy_registry_builtin(i)->name));
}

/* What live forms cost beside soft faults. */
static void write_pages(FILE *file)
{
    fprintf(file,
            "\nThe pages of the task, and frames of the replay; behind the stroke what the frames "
            "without pages cost: misses of\nthe replay with them less those with all frames, in "
            "points:\n");
    write_heads(file);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        if (!is_live(i))
            continue;
        fprintf(file, "| %s |", policy_registry_builtin(i)->name);
        for (size_t r = 0; r < COUNT(runs); r++)
            fprintf(file, " %u / %.1f |", distances[i][r].resident,
                    distances[i][r].replay - distances[i][r].full);
        fprintf(file, "\n");
    }
}

static void write_replay(FILE *file)
{
    fprintf(file, "\nThe misses of the replay, in 100 references:\n");
    write_heads(file);
    for (size_t i = 0; policy_registry_builtin(i) != NULL; i++) {
        if (!is_live(i))
            continue;
        fprintf(file, "| %s |", policy_registry_builtin(i)->name);
        for (size_t r = 0; r < COUNT(runs); r++)
            fprintf(file, " %.1f |", distances[i][r].replay);
        fprintf(file, "\n");
    }
}

static void read_readme(struct text *text)
{
    FILE *file = fopen(README, "r");
    int c;

    if (file == NULL)
        fail_msg("%s is not there", README);
    text_open(text);
    while ((c = getc(file)) != EOF)
        putc(c, text->file);
    fclose(file);
    fclose(text->file);
}

static void write_readme(const char *head, size_t head_length, const char *tables)
{
    FILE *file = fopen(README, "w");

    assert_non_null(file);
    fwrite(head, 1, head_length, file);
    fputs(tables, file);
    assert_int_equal(fclose(file), 0);
}

static void test_the_page_says_how_far_live_is_from_replay(void **state)
{
    struct text is, wanted;
    char *tables;

    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip();
    text_open(&wanted);
    write_policies(wanted.file);
    write_distance(wanted.file);
    write_reasons(wanted.file);
    write_pages(wanted.file);
    write_replay(wanted.file);
    fclose(wanted.file);
    read_readme(&is);
    tables = strstr(is.at, BEGINS);
    assert_non_null(tables);
    tables += strlen(BEGINS);
    if (getenv("SELFPAGE_REGENERATE") != NULL)
        write_readme(is.at, (size_t)(tables - is.at), wanted.at);
    else if (strcmp(tables, wanted.at) != 0)
        fail_msg("the tables of %s are out of date; SELFPAGE_REGENERATE=1 %s writes them", README,
                 "test_policy_live_distance");
    free(is.at);
    free(wanted.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_policies_are_near_their_replay),
        cmocka_unit_test(test_what_is_far_off_has_a_reason),
        cmocka_unit_test(test_on_nine_of_ten_traces_no_live_policy_is_two_points_worse),
        cmocka_unit_test(test_a_policy_is_told_the_frames_that_pages_may_have),
        cmocka_unit_test(test_live_gclock_counts),
        cmocka_unit_test(test_each_policy_names_its_reference),
        cmocka_unit_test(test_the_page_says_how_far_live_is_from_replay),
    };

    return cmocka_run_group_tests(tests, measure_all, NULL);
}
