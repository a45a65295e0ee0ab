/* Running policies: against a plain model, in parts, with any number of threads, cancelled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <selfpage/page_list.h>

#include "references.h"

static struct references references;
static struct sp_trace *trace;

static int setup(void **state)
{
    (void)state;
    references_make(&references, 1);
    return sp_trace_from_ids(&trace, references.ids, references.writes, REFERENCES, NULL);
}

static int teardown(void **state)
{
    (void)state;
    sp_trace_close(&trace);
    return 0;
}

static const char *const policies[] = {"lru",    "fifo",  "random",     "arc",
                                       "s3fifo", "lecar", "hyperbolic", "belady"};
static const struct sp_replay_size sizes[] = {{.frames = 50}, {.share = 0.3}};

#define POLICIES (sizeof(policies) / sizeof(policies[0]))
#define RESULTS  (2 * POLICIES)

static const struct sp_replay_options all = {.version = SP_REPLAY_VERSION,
                                             .policies = policies,
                                             .policy_count = POLICIES,
                                             .sizes = sizes,
                                             .size_count = 2,
                                             .seed = 5};

static void run(struct sp_replay_result results[RESULTS], struct sp_trace *of,
                const struct sp_replay_options *options)
{
    struct sp_replay *replay;
    struct sp_error error;

    if (sp_replay_run(&replay, of, options, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(sp_replay_count(replay), RESULTS);
    for (size_t i = 0; i < RESULTS; i++) {
        results[i] = *sp_replay_result(replay, i);
        assert_string_equal(results[i].policy, policies[i % POLICIES]);
        assert_int_equal(results[i].policy_errors, 0);
        results[i].policy = NULL; /* ends with the results */
        results[i].seconds = 0;
    }
    sp_replay_free(&replay);
}

static void test_results_are_those_of_a_plain_model(void **state)
{
    struct sp_replay_result results[RESULTS];
    uint64_t cached[50], misses = 0, writes = 0;
    uint32_t used = 0;

    (void)state;
    for (uint32_t i = 0; i < REFERENCES; i++) { /* the last used is first */
        uint32_t at = 0;
        uint64_t id = references.ids[i];

        while (at < used && cached[at] != id)
            at++;
        if (at == used) {
            misses++;
            if (used < 50)
                used++;
            else
                at = used - 1;
        }
        memmove(cached + 1, cached, at * sizeof(cached[0]));
        cached[0] = id;
        writes += references.writes[i];
    }
    run(results, trace, &all);
    assert_int_equal(results[0].misses, misses);
    for (size_t i = 0; i < RESULTS; i++) {
        assert_int_equal(results[i].references, REFERENCES);
        assert_int_equal(results[i].writes, writes);
        assert_int_equal(results[i].misses - results[i].evictions, results[i].frames);
        assert_int_equal(results[i].frames, i < POLICIES ? 50 : results[i].pages * 3 / 10);
        assert_true(results[i].misses >= results[i - i % POLICIES + POLICIES - 1].misses);
    }
}

static void test_threads_change_nothing(void **state)
{
    struct sp_replay_result one[RESULTS], many[RESULTS];
    struct sp_replay_options options = all;

    (void)state;
    options.threads = 1;
    run(one, trace, &options);
    options.threads = 5;
    run(many, trace, &options);
    assert_memory_equal(one, many, sizeof(one));
}

/* Parts add up, and each has what a run of its end has more than one of its beginning. */
static void test_a_run_comes_in_parts(void **state)
{
    static const uint64_t warm_ups[] = {0, 777};

    (void)state;
    for (size_t w = 0; w < 2; w++) {
        struct sp_replay_options options = all;
        struct sp_replay *replay;

        options.threads = 3;
        options.interval = 7000;
        options.warm_up = warm_ups[w];
        assert_int_equal(sp_replay_run(&replay, trace, &options, NULL), 0);
        for (size_t i = 0; i < RESULTS; i++) {
            const struct sp_replay_result *result = sp_replay_result(replay, i);
            uint64_t counted = 0, misses = 0;
            size_t count;
            const struct sp_replay_moment *m = sp_replay_over_time(replay, i, &count);

            assert_int_equal(count, (REFERENCES - warm_ups[w] + 6999) / 7000);
            for (size_t k = 0; k < count; k++) {
                assert_true(m[k].references == 7000 || k + 1 == count);
                counted += m[k].references;
                misses += m[k].misses;
            }
            assert_int_equal(counted, result->references);
            assert_int_equal(misses, result->misses);
            if (i == 0) { /* the first part is a run that ends there */
                struct sp_replay_options first = all;
                struct sp_replay_result limited[RESULTS];

                first.warm_up = warm_ups[w];
                first.limit = warm_ups[w] + 7000;
                run(limited, trace, &first);
                assert_int_equal(limited[0].misses, m[0].misses);
            }
        }
        sp_replay_free(&replay);
    }
}

static void test_without_an_interval_there_are_no_parts(void **state)
{
    struct sp_replay *replay;
    size_t count = 7;

    (void)state;
    assert_int_equal(sp_replay_run(&replay, trace, &all, NULL), 0);
    assert_null(sp_replay_over_time(replay, 0, &count));
    assert_int_equal(count, 0);
    sp_replay_free(&replay);
}

/* A limit is where the trace ends, also for what looks into the future. */
static void test_a_limit_cuts_the_trace(void **state)
{
    struct sp_replay_result limited[RESULTS], cut[RESULTS];
    struct sp_replay_options options = all;
    struct sp_trace *shorter;

    (void)state;
    options.limit = 12345;
    run(limited, trace, &options);
    assert_int_equal(sp_trace_from_ids(&shorter, references.ids, references.writes, 12345, NULL),
                     0);
    run(cut, shorter, &all);
    assert_memory_equal(limited, cut, sizeof(cut));
    sp_trace_close(&shorter);
}

static void test_warm_up_and_rest_are_the_whole(void **state)
{
    static const uint64_t parts[] = {1, 511, 512, 513, 20000, REFERENCES - 1};
    struct sp_replay_result whole[RESULTS], before[RESULTS], after[RESULTS];
    static const struct sp_replay_size fixed[] = {{.frames = 50}, {.frames = 200}};
    struct sp_replay_options options = all;

    (void)state;
    options.sizes = fixed;
    run(whole, trace, &options);
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        options.warm_up = parts[p];
        options.limit = 0;
        run(after, trace, &options);
        options.warm_up = 0;
        options.limit = parts[p];
        run(before, trace, &options);
        for (size_t i = 0; i < RESULTS; i++) {
            if (i % POLICIES == POLICIES - 1)
                continue; /* belady decides otherwise where the trace ends earlier */
            assert_int_equal(before[i].references + after[i].references, REFERENCES);
            assert_int_equal(before[i].misses + after[i].misses, whole[i].misses);
            assert_int_equal(before[i].evictions + after[i].evictions, whole[i].evictions);
            assert_int_equal(before[i].dirty_evictions + after[i].dirty_evictions,
                             whole[i].dirty_evictions);
        }
    }
    options.limit = 0;
    options.warm_up = REFERENCES + 1; /* then nothing is left to count */
    run(after, trace, &options);
    for (size_t i = 0; i < RESULTS; i++)
        assert_int_equal(after[i].references + after[i].misses, 0);
}

/* ---- The caller's functions ---- */

struct heard {
    unsigned steps;
    uint64_t last;
    int answer;
};

static int on_progress(void *context, const struct sp_replay_progress *progress)
{
    struct heard *heard = context;

    heard->steps++;
    assert_true(progress->references > 0);
    heard->last = progress->references;
    return heard->answer;
}

static void test_cancelling_leaves_the_trace_usable(void **state)
{
    static uint64_t many[600000];
    struct heard heard = {.answer = -ECANCELED};
    struct sp_replay_options options = all;
    struct sp_trace *longer;
    struct sp_replay *replay;
    struct sp_error error;

    (void)state;
    for (size_t i = 0; i < 600000; i++)
        many[i] = references.ids[i % REFERENCES];
    assert_int_equal(sp_trace_from_ids(&longer, many, NULL, 600000, NULL), 0);
    options.policy_count = 2;
    options.size_count = 1;
    options.progress = on_progress;
    options.context = &heard;
    assert_int_equal(sp_replay_run(&replay, longer, &options, &error), -ECANCELED);
    assert_null(replay);
    assert_int_equal(heard.steps, 1);
    assert_non_null(strstr(error.text, "cancelled"));
    heard = (struct heard){.answer = 0};
    assert_int_equal(sp_replay_run(&replay, longer, &options, &error), 0);
    assert_int_equal(sp_replay_result(replay, 0)->references, 600000);
    assert_true(heard.steps >= 2 && heard.last <= 600000);
    sp_replay_free(&replay);
    sp_trace_close(&longer);
}

/* Last in, first out. */
struct lifo {
    struct sp_list stack;
    struct sp_link links[];
};

static size_t lifo_size(const struct sp_policy_config *config)
{
    return sizeof(struct lifo) + (size_t)config->pages * sizeof(struct sp_link);
}

static void lifo_insert(void *self, sp_page page, enum sp_access access)
{
    struct lifo *lifo = self;

    (void)access;
    sp_list_push_front(&lifo->stack, lifo->links, page);
}

static sp_page lifo_victim(void *self, sp_page in)
{
    struct lifo *lifo = self;

    (void)in;
    return sp_list_front(&lifo->stack);
}

static void lifo_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lifo *lifo = self;

    (void)why;
    sp_list_remove(&lifo->stack, lifo->links, page);
}

static const struct sp_policy lifo = {
    .abi = SP_POLICY_ABI,
    .name = "lifo",
    .size = lifo_size,
    .insert = lifo_insert,
    .victim = lifo_victim,
    .remove = lifo_remove,
};

static void test_a_policy_of_the_caller_runs_beside_others(void **state)
{
    static const uint64_t loop[] = {1, 2, 3, 1, 2, 3, 1, 2, 3};
    const struct sp_policy *const own[] = {&lifo, NULL};
    const char *const names[] = {NULL, "lru"};
    struct sp_replay_options options = all;
    struct sp_trace *looped;
    struct sp_replay *replay;
    struct sp_error error;

    (void)state;
    options.policies = names;
    options.policy_ops = own;
    options.policy_count = 2;
    options.sizes = &(struct sp_replay_size){.frames = 2};
    options.size_count = 1;
    assert_int_equal(sp_trace_from_ids(&looped, loop, NULL, 9, NULL), 0);
    if (sp_replay_run(&replay, looped, &options, &error) != 0)
        fail_msg("%s", error.text);
    assert_string_equal(sp_replay_result(replay, 0)->policy, "lifo");
    assert_int_equal(sp_replay_result(replay, 0)->misses, 7); /* 1 stays, and is hit twice */
    assert_int_equal(sp_replay_result(replay, 1)->misses, 9);
    sp_replay_free(&replay);
    sp_trace_close(&looped);
}

/* ---- What is refused ---- */

static void refused(const struct sp_replay_options *options, int code, const char *text)
{
    struct sp_replay *replay = (struct sp_replay *)1;
    struct sp_error error = {0};

    assert_int_equal(sp_replay_run(&replay, trace, options, &error), code);
    assert_null(replay);
    if (strstr(error.text, text) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", text, error.text);
    assert_int_equal(sp_replay_run(&replay, trace, options, NULL), code);
}

static void test_what_cannot_be_run_is_refused(void **state)
{
    struct sp_replay_options options = {.policies = policies};

    (void)state;
    refused(&options, -EPROTO, "SP_REPLAY_VERSION");
    options.version = SP_REPLAY_VERSION + 1;
    refused(&options, -EPROTO, "newer");
    options.version = SP_REPLAY_VERSION;
    refused(&options, -EINVAL, "no policy");
    options.policy_count = 1;
    refused(&options, -EINVAL, "no size");
    options.size_count = 1;
    refused(&options, -EINVAL, "NULL");
    options.sizes = &(struct sp_replay_size){.share = 1.5};
    refused(&options, -EINVAL, "size 0");
    options.sizes = &(struct sp_replay_size){.frames = 0};
    refused(&options, -EINVAL, "size 0");
    options.sizes = sizes;
    options.threads = 100000;
    refused(&options, -EINVAL, "threads");
    options.threads = 0;
    options.policies = (const char *const[]){"nonsense"};
    refused(&options, -ENOENT, "nonsense");
    options.policies = (const char *const[]){"s3fifo:small=7000"};
    refused(&options, -ERANGE, "small");
    options.policies = (const char *const[]){NULL};
    refused(&options, -EINVAL, "neither");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_those_of_a_plain_model),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_a_run_comes_in_parts),
        cmocka_unit_test(test_without_an_interval_there_are_no_parts),
        cmocka_unit_test(test_a_limit_cuts_the_trace),
        cmocka_unit_test(test_warm_up_and_rest_are_the_whole),
        cmocka_unit_test(test_cancelling_leaves_the_trace_usable),
        cmocka_unit_test(test_a_policy_of_the_caller_runs_beside_others),
        cmocka_unit_test(test_what_cannot_be_run_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
