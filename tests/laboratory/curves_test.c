/* Curves: the same points as runs at these sizes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "references.h"

static struct references references;

/* At chosen sizes a curve has a point each: exact for lru, and where a trace is small for all. */
static void test_points_are_what_runs_give(void **state)
{
    static const char *const policies[] = {"lru", "fifo", "s3fifo"};
    static const struct sp_replay_size sizes[] = {{.frames = 20}, {.frames = 100}, {.frames = 400}};
    const struct sp_replay_options options = {.version = SP_REPLAY_VERSION,
                                              .policies = policies,
                                              .policy_count = 3,
                                              .sizes = sizes,
                                              .size_count = 3};
    struct sp_trace *trace;
    struct sp_curves *curves;
    struct sp_replay *replay;
    struct sp_error error;

    (void)state;
    references_make(&references, 2);
    assert_int_equal(sp_trace_from_ids(&trace, references.ids, references.writes, REFERENCES, NULL),
                     0);
    if (sp_curves_run(&curves, trace, &options, &error) != 0 ||
        sp_replay_run(&replay, trace, &options, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(sp_curves_count(curves), 3);
    assert_int_equal(sp_curves_references(curves), REFERENCES);
    assert_int_equal(sp_curves_pages(curves), sp_replay_result(replay, 0)->pages);
    for (size_t policy = 0; policy < 3; policy++) {
        size_t count;
        const struct sp_curve_point *points = sp_curves_points(curves, policy, &count);

        assert_int_equal(count, 3);
        for (size_t size = 0; size < count; size++) {
            const struct sp_replay_result *r = sp_replay_result(replay, 3 * size + policy);
            double exact = (double)r->misses / (double)r->references;

            assert_int_equal(points[size].frames, r->frames);
            assert_true(fabs(points[size].miss_ratio - exact) <= 1e-9 + 4 * points[size].error);
        }
    }
    assert_false(sp_curves_sampled(curves, 0));
    sp_replay_free(&replay);
    sp_curves_free(&curves);
    sp_trace_close(&trace);
}

static void test_without_sizes_a_curve_goes_from_one_frame_to_all_pages(void **state)
{
    static const char *const policies[] = {"lru"};
    const struct sp_replay_options options = {
        .version = SP_REPLAY_VERSION, .policies = policies, .policy_count = 1};
    struct sp_trace *trace;
    struct sp_curves *curves;
    const struct sp_curve_point *points;
    size_t count;

    (void)state;
    references_make(&references, 3);
    assert_int_equal(sp_trace_from_ids(&trace, references.ids, NULL, REFERENCES, NULL), 0);
    assert_int_equal(sp_curves_run(&curves, trace, &options, NULL), 0);
    points = sp_curves_points(curves, 0, &count);
    assert_true(count > 100);
    for (size_t i = 1; i < count; i++) {
        assert_true(points[i].frames > points[i - 1].frames);
        assert_true(points[i].miss_ratio <= points[i - 1].miss_ratio); /* lru is a stack policy */
    }
    assert_int_equal(points[count - 1].frames, sp_curves_pages(curves));
    assert_true(fabs(points[count - 1].miss_ratio * REFERENCES - sp_curves_pages(curves)) < 1e-6);
    sp_curves_free(&curves);
    assert_null(curves);
    sp_trace_close(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_are_what_runs_give),
        cmocka_unit_test(test_without_sizes_a_curve_goes_from_one_frame_to_all_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
