/* Passes over whole traces: numbering of pages, futures, and threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "base/random.h"
#include "policy/registry.h"
#include "replay/engine.h"
#include "replay/pass.h"
#include "trace/mix.h"

#define ENGINES 64u

struct world {
    struct trace trace;
    struct page_table table;
    struct pass pass;
    struct future future;
    struct engine engines[ENGINES];
    struct pool_job jobs[ENGINES];
    size_t count;
    struct sp_error error;
    char *bytes;
    size_t size;
};

/* A trace of oracleGeneral records, whose indices count from `base`. */
static void make_trace(struct world *world, uint32_t count, uint32_t pages, uint64_t base)
{
    struct random_source random = random_seeded(11);
    uint64_t *last = malloc(pages * sizeof(*last));

    assert_non_null(last);
    world->size = count * (size_t)24;
    world->bytes = calloc(1, world->size);
    assert_non_null(world->bytes);
    for (uint32_t i = 0; i < pages; i++)
        last[i] = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = random_below(&random, 1 + random_below(&random, pages));
        uint64_t id = page * UINT64_C(0x9e3779b97f4a7c15);

        memcpy(world->bytes + i * (size_t)24 + 4, &id, 8);
    }
    for (uint32_t i = count; i-- > 0;) {
        uint64_t id, at;

        memcpy(&id, world->bytes + i * (size_t)24 + 4, 8);
        for (at = 0; at * UINT64_C(0x9e3779b97f4a7c15) != id; at++)
            ;
        memcpy(world->bytes + i * (size_t)24 + 16, &last[at], 8);
        last[at] = i + base;
    }
    free(last);
}

static void run_engine(void *context, const struct batch *batch)
{
    engine_run(context, batch->references, batch->next, batch->count);
}

/* Run every policy at `frames`; `carried`: by the future that the trace carries. */
static int run(struct world *world, unsigned threads, bool carried)
{
    const struct source_origin origin = {.bytes = world->bytes, .size = world->size};
    struct trace_options options = {"oracleGeneral", 0, 0};
    const struct sp_policy *policy;
    uint32_t most;
    int result;

    assert_int_equal(trace_open_source(&world->trace, &origin, &options, &world->error), 0);
    most = pass_pages_most(&world->trace, PASS_PAGES_MOST);
    assert_int_equal(page_table_init(&world->table, most), 0);
    assert_int_equal(future_init(&world->future, carried, most, &world->error), 0);
    world->pass =
        (struct pass){.trace = &world->trace, .table = &world->table, .future = &world->future};
    if (!carried) {
        assert_int_equal(pass_scan(&world->pass, &world->error), 0);
        assert_int_equal(trace_rewind(&world->trace, &world->error), 0);
    }
    for (world->count = 0; (policy = policy_registry_builtin(world->count)) != NULL;
         world->count++) {
        struct engine *engine = &world->engines[world->count];
        struct policy_choice choice;

        assert_true(world->count < ENGINES);
        assert_int_equal(policy_params_choose(&choice, policy->name, &world->error), 0);
        assert_int_equal(engine_init(engine, &choice, 20, most, 3, true, &world->error), 0);
        world->jobs[world->count] = (struct pool_job){.run = run_engine, .context = engine};
    }
    result = pass_run(&world->pass, world->jobs, world->count, threads, &world->error);
    for (size_t i = 0; i < world->count; i++)
        engine_fini(&world->engines[i]);
    future_fini(&world->future);
    page_table_fini(&world->table);
    trace_fini(&world->trace);
    return result;
}

static void test_threads_change_nothing(void **state)
{
    static struct world one, many;
    uint32_t count = RUNNING_ON_VALGRIND ? 40000 : 400000;

    (void)state;
    make_trace(&one, count, 200, 0);
    many.bytes = one.bytes;
    many.size = one.size;
    assert_int_equal(run(&one, 1, false), 0);
    for (unsigned threads = 2; threads < 6; threads++) {
        assert_int_equal(run(&many, threads, threads % 2), 0);
        for (size_t i = 0; i < one.count; i++)
            assert_memory_equal(&one.engines[i].counts, &many.engines[i].counts,
                                sizeof(struct engine_counts));
    }
    free(one.bytes);
}

static void test_carried_future(void **state)
{
    static struct world noted, carried;
    uint64_t wrong = 7;

    (void)state;
    for (uint64_t base = 0; base < 2; base++) {
        make_trace(&carried, 5000, 60, base);
        noted.bytes = carried.bytes;
        noted.size = carried.size;
        assert_int_equal(run(&noted, 1, false), 0);
        assert_int_equal(run(&carried, 1, true), 0);
        for (size_t i = 0; i < carried.count; i++)
            assert_memory_equal(&noted.engines[i].counts, &carried.engines[i].counts,
                                sizeof(struct engine_counts));
        memcpy(carried.bytes + 2000 * 24 + 16, &wrong, 8);
        assert_int_equal(run(&carried, 1, true), -EILSEQ);
        assert_non_null(strstr(carried.error.text, "are wrong here"));
        free(carried.bytes);
    }
}

/* Look ids up many times over, and compare with what the first look-up of each said. `id` makes an id of a number. */
static void check_page_table(uint32_t rounds, uint64_t (*id)(uint32_t number))
{
    struct random_source random = random_seeded(12);
    struct trace_reference references[TRACE_BATCH] = {0};
    uint32_t out[TRACE_BATCH], numbers[TRACE_BATCH], pages = rounds * 100, *known;
    struct page_table table;

    known = calloc(pages, sizeof(*known));
    assert_non_null(known);
    assert_int_equal(page_table_init(&table, pages), 0);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < TRACE_BATCH; i++) {
            numbers[i] = random_below(&random, pages);
            references[i].id = id(numbers[i]);
            references[i].write = random_below(&random, 2);
        }
        assert_int_equal(page_table_look_up(&table, references, TRACE_BATCH, out), 0);
        for (uint32_t i = 0; i < TRACE_BATCH; i++) {
            uint32_t *page_plus1 = &known[numbers[i]];

            if (*page_plus1 == 0)
                *page_plus1 = (out[i] >> 1) + 1;
            assert_int_equal(*page_plus1, (out[i] >> 1) + 1);
            assert_int_equal(out[i] & 1, references[i].write);
            assert_true(out[i] >> 1 < table.count);
        }
    }
    page_table_close(&table);
    references[0].id = 5;
    assert_int_equal(page_table_look_up(&table, references, 1, out), -ENOSPC);
    page_table_fini(&table);
    free(known);
}

static uint64_t far_apart(uint32_t number)
{
    return (number + 1) * (UINT64_C(1) << 33);
}

/* What trace_mix makes `hash` of. Both multipliers are odd: each has an inverse modulo 2^64, found by Newton's method. */
static uint64_t unmix(uint64_t hash)
{
    static const uint64_t multipliers[] = {UINT64_C(0xc4ceb9fe1a85ec53),
                                           UINT64_C(0xff51afd7ed558ccd)};

    for (int i = 0; i < 2; i++) {
        uint64_t inverse = multipliers[i];

        for (int step = 0; step < 6; step++)
            inverse *= 2 - multipliers[i] * inverse;
        hash = (hash ^ hash >> 33) * inverse;
    }
    return hash ^ hash >> 33;
}

/* Two at each place of the table, one place beside the other: bits from the fourth on are the place. */
static uint64_t crowded(uint32_t number)
{
    return unmix((uint64_t)number << 40 | (uint64_t)(number / 2) << 4);
}

static void test_ids_have_pages(void **state)
{
    (void)state;
    check_page_table(RUNNING_ON_VALGRIND ? 20 : 3000, far_apart);
}

static void test_ids_that_were_chosen_to_collide(void **state)
{
    (void)state;
    assert_int_equal(trace_mix(crowded(1235)) & 0xfffffffff, 617 << 4);
    check_page_table(20, crowded);
}

/* 8 bytes a slot, and 39 to 78 hundredths of the slots are full; of more than half a million, at least 57. */
static void test_memory_of_a_page(void **state)
{
    struct trace_reference references[TRACE_BATCH] = {0};
    uint32_t out[TRACE_BATCH];
    struct page_table table;
    double most = 0, most_of_large = 0;

    (void)state;
    assert_int_equal(page_table_init(&table, 1u << 20), 0);
    for (uint32_t done = 0; done < (RUNNING_ON_VALGRIND ? 100000 : 1000000); done += TRACE_BATCH) {
        for (uint32_t i = 0; i < TRACE_BATCH; i++)
            references[i].id = done + i;
        assert_int_equal(page_table_look_up(&table, references, TRACE_BATCH, out), 0);
        if (table.count > 65536) {
            double bytes = (double)table.narrow_count * 8 / table.count;
            double *most_here = table.narrow_count > 524288 ? &most_of_large : &most;

            *most_here = bytes > *most_here ? bytes : *most_here;
        }
    }
    assert_null(table.wide);
    assert_true(most < 20.6);
    assert_true(most_of_large < 14.2);
    page_table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_have_pages),
        cmocka_unit_test(test_ids_that_were_chosen_to_collide),
        cmocka_unit_test(test_memory_of_a_page),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_carried_future),
    };

    return cmocka_run_group_tests_name("replay/pass", tests, NULL, NULL);
}
