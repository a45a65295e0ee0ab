/* References of workloads: what each pattern means, and that they are the same everywhere. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "os/heap.h"
#include "workload/walk.h"
#include "workload/workload_text.h"

struct play {
    struct walk_tables tables;
    struct workload_walk walk;
};

static void begin(struct play *play, const char *text, uint64_t seed)
{
    struct workload workload;
    struct sp_error error;

    if (workload_text_parse(&workload, text, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(walk_tables_init(&play->tables, &workload, &heap_allocator), 0);
    walk_init(&play->walk, &play->tables, seed);
}

static void end(struct play *play)
{
    walk_tables_fini(&play->tables);
}

/* The pages of a whole walk, "0w1 2 " with a w for a write, and pauses in ns as "+5 ". */
static const char *story(const char *text, uint64_t seed)
{
    static char told[4096];
    size_t length = 0;
    struct walk_step step;
    struct play play;

    begin(&play, text, seed);
    *told = '\0';
    while (walk_next(&play.walk, &step)) {
        if (step.page != UINT32_MAX)
            length += (size_t)snprintf(told + length, sizeof(told) - length, "%u%s", step.page,
                                       step.write ? "w" : " ");
        if (step.pause_ns > 0)
            length += (size_t)snprintf(told + length, sizeof(told) - length, "+%llu ",
                                       (unsigned long long)step.pause_ns);
        assert_true(length < sizeof(told));
    }
    end(&play);
    return told;
}

static void patterns_are_what_their_names_say(void **state)
{
    (void)state;
    assert_string_equal(story("pages=5;scan=1", 1), "0 1 2 3 4 ");
    assert_string_equal(story("pages=5;scan=2,references=7", 1), "0 2 4 1 3 0 2 ");
    assert_string_equal(story("pages=9;loop=3,references=7,first=4", 1), "4 5 6 4 5 6 4 ");
    assert_string_equal(story("pages=3;scan=1,writes=1", 1), "0w1w2w");
    assert_string_equal(story("pages=1;zipf=1,references=3", 1), "0 0 0 ");
    assert_string_equal(story("pages=4,rounds=2;scan=1;idle=7ns", 1), "0 1 2 3 +7 0 1 2 3 +7 ");
    assert_string_equal(story("pages=4;scan=1,think=5ns", 1), "0 +5 1 +5 2 +5 3 +5 ");
    assert_string_equal(story("pages=4;scan=1,burst=2,pause=9ns,think=1ns", 1),
                        "0 +1 1 +10 2 +1 3 +10 ");
}

/* Two steps of a trace, of which the second is a write: once, or as often as there are references. Without its steps
 * the phase is over at once. */
static void a_trace_is_followed_step_by_step(void **state)
{
    static const char *const texts[] = {"pages=9;first=4,trace=x", "pages=9;trace=x,references=3"};
    static const uint32_t pages[2][3] = {{7, 6}, {3, 2, 3}};
    static const unsigned counts[] = {2, 3};

    (void)state;
    assert_string_equal(story("pages=9;trace=x;scan=9", 1), "0 ");
    for (unsigned i = 0; i < 2; i++) {
        struct walk_step step;
        struct play play;

        begin(&play, texts[i], 1);
        play.tables.trace[0] = (struct walk_trace){
            .steps = memory_new(&heap_allocator, 2 * sizeof(uint32_t)), .count = 2, .room = 2};
        play.tables.trace[0].steps[0] = 3 << 1;
        play.tables.trace[0].steps[1] = 2 << 1 | 1;
        for (unsigned k = 0; k < counts[i]; k++) {
            assert_true(walk_next(&play.walk, &step));
            assert_int_equal(step.page, pages[i][k]);
            assert_int_equal(step.write, k == 1);
        }
        assert_false(walk_next(&play.walk, &step));
        end(&play);
    }
}

/* The same steps, however many are taken at once. */
static void steps_can_be_taken_many_at_a_time(void **state)
{
    static const char *const texts[] = {
        "pages=1000,rounds=2;zipf=1,references=100,writes=0.3,think=5ns;idle=7ns;"
        "zipf=0.5,references=13,first=3;scan=300,writes=0.5",
        "pages=50;zipf=1,references=40,burst=3,pause=9ns;loop=4"};

    (void)state;
    for (unsigned t = 0; t < 2; t++)
        for (uint32_t most = 1; most < 20; most++) {
            struct walk_step steps[20], one;
            struct play by_one, many;
            uint32_t taken;

            begin(&by_one, texts[t], 5);
            begin(&many, texts[t], 5);
            do {
                taken = walk_take(&many.walk, steps, most);
                for (uint32_t i = 0; i < taken; i++) {
                    assert_true(walk_next(&by_one.walk, &one));
                    assert_int_equal(steps[i].page, one.page);
                    assert_int_equal(steps[i].pause_ns, one.pause_ns);
                    assert_true(one.page == WALK_NOTHING || steps[i].write == one.write);
                }
            } while (taken == most);
            assert_false(walk_next(&by_one.walk, &one));
            end(&by_one);
            end(&many);
        }
}

static void a_working_set_stays_for_a_while(void **state)
{
    uint32_t low = UINT32_MAX, high = 0, moves = 0;
    struct walk_step step;
    struct play play;

    (void)state;
    begin(&play, "pages=1000;markov=20,stay=500,references=50000", 3);
    while (walk_next(&play.walk, &step)) {
        low = step.page < low ? step.page : low;
        high = step.page > high ? step.page : high;
        if (high - low >= 20) {
            moves++;
            low = high = step.page;
        }
    }
    assert_in_range(moves, 70, 130); /* 100 on average */
    end(&play);
}

static void writes_do_not_change_the_pages(void **state)
{
    struct walk_step one, other;
    struct play reads, writes;
    uint32_t written = 0;

    (void)state;
    begin(&reads, "pages=100;zipf=0.8,references=5000", 7);
    begin(&writes, "pages=100;zipf=0.8,references=5000,writes=0.3", 7);
    while (walk_next(&reads.walk, &one)) {
        assert_true(walk_next(&writes.walk, &other));
        assert_int_equal(one.page, other.page);
        assert_false(one.write);
        written += other.write;
    }
    assert_in_range(written, 1300, 1700);
    end(&reads);
    end(&writes);
}

/* FNV-1a over all references: they are the same with every compiler, at every level of optimisation, on
 * every machine. */
static void references_are_the_same_everywhere(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {
        {"pages=10000;zipf=1.0,writes=0.2,references=20000", UINT64_C(0xbe5acf98fc26d8c2)},
        {"pages=777;zipf=2.5,references=20000", UINT64_C(0xca9f021a3b35b0f7)},
        {"pages=5000;markov=50,stay=100,writes=0.5,references=20000", UINT64_C(0xbe545b1dffc1a6a6)},
        {"pages=100,rounds=3;loop=30,writes=0.1;idle=3ms;zipf=0.5,first=50,burst=7,pause=2us",
         UINT64_C(0x9f0e4e5f819d9583)},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        struct walk_step step;
        struct play play;

        begin(&play, known[i].text, 42);
        while (walk_next(&play.walk, &step)) {
            hash = (hash ^ step.page) * UINT64_C(0x100000001b3);
            hash = (hash ^ step.write) * UINT64_C(0x100000001b3);
            hash = (hash ^ step.pause_ns) * UINT64_C(0x100000001b3);
        }
        end(&play);
        if (hash != known[i].hash)
            fail_msg("%s: %#llx", known[i].text, (unsigned long long)hash);
    }
}

/* From its beginning to its end, once, or as often as the phase says; an empty file, too, is asked for. */
static void a_file_is_read_from_its_beginning_to_its_end(void **state)
{
    static const uint32_t chunks[] = {0, 1, 2, 0, 0, 1, 2, 0, 1};
    static const uint8_t phases[] = {0, 0, 0, 1, 2, 2, 2, 2, 2};
    struct walk_step step;
    struct play play;

    (void)state;
    begin(&play, "pages=3;file=a;file=b/c;file=a,references=5,think=1ms", 1);
    play.tables.file_bytes[0] = play.tables.file_bytes[2] = 2 * WORKLOAD_READ_BYTES + 1;
    for (uint32_t i = 0; i < 9; i++) {
        assert_true(walk_next(&play.walk, &step));
        assert_int_equal(step.page, WALK_READ);
        assert_int_equal(step.chunk, chunks[i]);
        assert_int_equal(step.phase, phases[i]);
        assert_int_equal(step.pause_ns, phases[i] == 2 ? 1000000 : 0);
        assert_false(step.write);
    }
    assert_false(walk_next(&play.walk, &step));
    end(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_what_their_names_say),
        cmocka_unit_test(a_trace_is_followed_step_by_step),
        cmocka_unit_test(steps_can_be_taken_many_at_a_time),
        cmocka_unit_test(a_working_set_stays_for_a_while),
        cmocka_unit_test(writes_do_not_change_the_pages),
        cmocka_unit_test(references_are_the_same_everywhere),
        cmocka_unit_test(a_file_is_read_from_its_beginning_to_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
