/* selfpage/world.h, as a test of somebody else's project uses it: through the header and the library alone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <selfpage/world.h>

#define MS UINT64_C(1000000)

static struct sp_error error;

static struct sp_world *new_world(const char *arbiter, uint32_t frames, uint64_t seed)
{
    const struct sp_world_options options = {
        .version = SP_WORLD_VERSION, .frames = frames, .arbiter = arbiter, .seed = seed};
    struct sp_world *world;

    if (sp_world_new(&world, &options, &error) != 0)
        fail_msg("%s", error.text);
    return world;
}

static int add(struct sp_world *world, const char *name, const char *contract, const char *workload)
{
    const struct sp_world_task task = {
        .version = SP_WORLD_VERSION, .name = name, .contract = contract, .workload = workload};
    int number = sp_world_add(world, &task, &error);

    if (number < 0)
        fail_msg("%s", error.text);
    return number;
}

static void run(struct sp_world *world)
{
    if (sp_world_run(world, &error) != 0)
        fail_msg("%s", error.text);
}

static void expect(struct sp_world *world, const char *text)
{
    if (sp_world_expect(world, text, &error) != 1)
        fail_msg("%s", error.text);
}

static uint64_t get(struct sp_world *world, const char *name)
{
    uint64_t value = 0;

    if (sp_world_get(world, name, &value, &error) != 0)
        fail_msg("%s", error.text);
    return value;
}

/* ---- A run ---- */

static void tasks_run_and_are_counted(void **state)
{
    struct sp_world *world = new_world("maxmin", 100, 1);
    int db = add(world, "db", "guaranteed=20;extra=60", "pages=200;zipf=0.9,writes=0.2");
    struct sp_stats stats;

    (void)state;
    assert_int_equal(db, 0);
    assert_int_equal(add(world, "scan", "guaranteed=10", "pages=50,kind=discardable;scan=1"), 1);
    assert_int_equal(sp_world_exit_status(world, db), -1);
    assert_int_equal(sp_world_run_until(world, 5 * MS, &error), 0);
    expect(world, "db.held > 0");
    run(world);
    assert_int_equal(sp_world_exit_status(world, db), 0);
    expect(world, "scan.faults == 50");
    expect(world, "db.exit_status == 0");
    expect(world, "swap.stores > 0");
    assert_int_equal(sp_world_stats(world, db, &stats), 0);
    assert_int_equal(stats.faults, get(world, "db.faults"));
    assert_int_equal(get(world, "physmem.free"), 100);
    sp_world_free(&world);
    assert_null(world);
    sp_world_free(&world);
}

static uint64_t hash_of(uint64_t seed)
{
    struct sp_world *world = new_world("karma", 60, seed);
    uint64_t hash;

    add(world, "a", "guaranteed=10;extra=60", "pages=80;zipf=0.5,writes=0.5");
    add(world, "b", "guaranteed=10;extra=60", "pages=80;zipf=0.5,writes=0.5");
    run(world);
    hash = sp_world_hash(world);
    sp_world_free(&world);
    return hash;
}

static void a_seed_gives_the_same_each_time(void **state)
{
    (void)state;
    assert_true(hash_of(1) == hash_of(1));
    assert_true(hash_of(1) != hash_of(2));
}

/* ---- Step by step ---- */

static void time_passes_as_far_as_it_is_let(void **state)
{
    struct sp_world *world = new_world(NULL, 100, 1);
    int a = add(world, "a", "guaranteed=20", "pages=30,kind=discardable;idle=50ms;scan=1");
    uint64_t events;

    (void)state;
    assert_int_equal(sp_world_run_until(world, 20 * MS, &error), 0);
    assert_int_equal(sp_world_now(world), 20 * MS);
    assert_int_equal(get(world, "a.faults"), 0);
    assert_int_equal(get(world, "a.guaranteed"), 20);
    events = sp_world_events(world);
    assert_int_equal(sp_world_step(world, &error), 1);
    assert_int_equal(sp_world_events(world), events + 1);
    assert_int_equal(sp_world_run_until(world, UINT64_MAX, &error), 1);
    assert_int_equal(sp_world_step(world, &error), 0);
    assert_int_equal(sp_world_exit_status(world, a), 0);
    add(world, "b", NULL, "pages=5,kind=discardable;scan=1"); /* one more, later */
    run(world);
    expect(world, "b.faults == 5");
    sp_world_free(&world);
}

static void recalls_and_signals_come_from_outside(void **state)
{
    struct sp_world *world = new_world(NULL, 100, 1);
    int a =
        add(world, "a", "extra=50,drop=5s", "pages=40,kind=discardable,rounds=2;scan=1;idle=1s");

    (void)state;
    assert_int_equal(sp_world_recall(world, a, 10, &error), -ESRCH);
    assert_int_equal(sp_world_recall(world, 7, 10, &error), -ENOENT);
    assert_int_equal(sp_world_run_until(world, 500 * MS, &error), 0);
    assert_int_equal(sp_world_recall(world, a, 0, &error), -EINVAL);
    assert_int_equal(sp_world_recall(world, a, 10, &error), 10);
    assert_int_equal(sp_world_run_until(world, 600 * MS, &error), 0);
    expect(world, "a.recalls_met == 1");
    assert_int_equal(sp_world_signal(world, a, SIGTERM, &error), 0);
    assert_int_equal(sp_world_signal(world, a, SIGTERM, &error), -ESRCH);
    run(world);
    assert_int_equal(sp_world_exit_status(world, a), 128 + SIGTERM);
    sp_world_free(&world);
}

static void a_task_that_does_not_end_is_named(void **state)
{
    struct sp_world *world = new_world(NULL, 100, 1);

    (void)state;
    add(world, "lazy", "guaranteed=8", "pages=4,kind=discardable;idle=90m;scan=1");
    assert_int_equal(sp_world_run(world, &error), -ETIME);
    assert_non_null(strstr(error.text, "lazy"));
    run(world);
    expect(world, "lazy.faults == 4");
    sp_world_free(&world);
}

/* ---- Things of the caller's ---- */

/* Page `number` of ten, back and forth, a hundred times. */
static int back_and_forth(void *arg, uint32_t life, uint64_t number, struct sp_world_step *step)
{
    uint32_t *calls = arg;

    assert_int_equal(life, 1);
    assert_int_equal(number, (*calls)++);
    step->page = number / 10 % 2 == 0 ? (uint32_t)(number % 10) : 9 - (uint32_t)(number % 10);
    step->write = number % 10 == 0;
    return number < 100;
}

static int off_the_end(void *arg, uint32_t life, uint64_t number, struct sp_world_step *step)
{
    (void)arg;
    (void)life;
    step->page = (uint32_t)number;
    return 1;
}

static void a_program_may_be_a_function(void **state)
{
    struct sp_world *world = new_world(NULL, 100, 1);
    uint32_t calls = 0;
    struct sp_world_task task = {.version = SP_WORLD_VERSION,
                                 .name = "f",
                                 .contract = "guaranteed=10",
                                 .workload = "pages=10,kind=discardable",
                                 .next = back_and_forth,
                                 .arg = &calls};

    (void)state;
    assert_int_equal(sp_world_add(world, &task, &error), 0);
    task.name = "g";
    task.next = off_the_end;
    assert_int_equal(sp_world_add(world, &task, &error), 1);
    run(world);
    assert_int_equal(calls, 101);
    expect(world, "f.faults == 10");
    assert_int_equal(sp_world_exit_status(world, 1), 2);
    sp_world_free(&world);
}

/* The page that came last goes first: the worst policy for a loop that does not fit by one page is the best. */
struct newest {
    uint32_t count;
    sp_page page[64];
};

static size_t newest_size(const struct sp_policy_config *config)
{
    (void)config;
    return sizeof(struct newest);
}

static void newest_insert(void *self, sp_page page, enum sp_access access)
{
    struct newest *newest = self;

    (void)access;
    newest->page[newest->count++] = page;
}

static sp_page newest_victim(void *self, sp_page incoming)
{
    const struct newest *newest = self;

    (void)incoming;
    return newest->count > 0 ? newest->page[newest->count - 1] : SP_NO_PAGE;
}

static void newest_remove(void *self, sp_page page, enum sp_removal why)
{
    struct newest *newest = self;
    uint32_t kept = 0;

    (void)why;
    for (uint32_t i = 0; i < newest->count; i++)
        if (newest->page[i] != page)
            newest->page[kept++] = newest->page[i];
    newest->count = kept;
}

static const struct sp_policy newest = {.abi = SP_POLICY_ABI,
                                        .flags = SP_POLICY_LIVE,
                                        .name = "newest",
                                        .size = newest_size,
                                        .insert = newest_insert,
                                        .victim = newest_victim,
                                        .remove = newest_remove};

static void a_policy_may_be_the_callers(void **state)
{
    struct sp_world *world = new_world(NULL, 100, 1);
    struct sp_world_task task = {.version = SP_WORLD_VERSION,
                                 .name = "fifo",
                                 .contract = "guaranteed=10",
                                 .policy = "fifo",
                                 .workload = "pages=15,kind=discardable;loop=15,references=300"};

    (void)state;
    sp_world_add(world, &task, &error);
    task.name = "mine";
    task.policy = NULL;
    task.own_policy = &newest;
    if (sp_world_add(world, &task, &error) != 1)
        fail_msg("%s", error.text);
    run(world);
    expect(world, "fifo.faults == 300"); /* what a loop does to first in, first out */
    expect(world, "mine.faults < 150");
    expect(world, "mine.policy_errors == 0");
    sp_world_free(&world);
}

/* Nobody is given anything beyond a guarantee. */
static uint32_t give_nothing(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                             size_t count, const struct sp_arbiter_request *request,
                             uint32_t *takes)
{
    (void)self;
    (void)now;
    (void)tasks;
    (void)count;
    (void)request;
    (void)takes;
    return 0;
}

static const struct sp_arbiter mean = {
    .abi = SP_ARBITER_ABI, .flags = SP_ARBITER_GRANTS, .name = "mean", .decide = give_nothing};

static void an_arbiter_may_be_the_callers(void **state)
{
    static const char *const workload = "pages=60,kind=discardable;zipf=0.2,references=2000";
    uint64_t faults[2];

    (void)state;
    for (unsigned own = 0; own < 2; own++) {
        const struct sp_world_options options = {
            .version = SP_WORLD_VERSION, .frames = 60, .own_arbiter = own ? &mean : NULL};
        struct sp_world *world;

        assert_int_equal(sp_world_new(&world, &options, &error), 0);
        add(world, "a", "guaranteed=10;extra=60", workload);
        add(world, "b", "guaranteed=10;extra=60", workload);
        run(world);
        faults[own] = get(world, "a.faults") + get(world, "b.faults");
        sp_world_free(&world);
    }
    assert_true(faults[1] > faults[0]);
}

/* ---- Faults ---- */

static void faults_strike_and_all_finish(void **state)
{
    unsigned comes_again = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        const struct sp_world_options options = {.version = SP_WORLD_VERSION,
                                                 .frames = 60,
                                                 .seed = seed,
                                                 .faults_until_ns = 300 * MS,
                                                 .chaos_unmap = 1000};
        struct sp_world *world;

        assert_int_equal(sp_world_new(&world, &options, &error), 0);
        add(world, "a", "guaranteed=10;extra=60", "pages=60;zipf=0.5,writes=0.5");
        add(world, "b", "guaranteed=20", "pages=60;zipf=0.5,writes=0.5;idle=100ms;scan=1");
        run(world);
        assert_int_equal(sp_world_exit_status(world, 0), 0);
        assert_int_equal(sp_world_exit_status(world, 1), 0);
        comes_again += get(world, "physmem.proposals") > 3;
        sp_world_free(&world);
    }
    assert_true(comes_again > 5);
}

/* ---- Mistakes ---- */

static void mistakes_are_explained(void **state)
{
    static const struct {
        struct sp_world_task task;
        int code;
        const char *says;
    } cases[] = {
        {{.version = 99, .name = "a", .workload = "pages=1;scan=1"}, -EPROTO, "version 99"},
        {{.version = 1, .workload = "pages=1;scan=1"}, -EINVAL, "name"},
        {{.version = 1, .name = "a b", .workload = "pages=1;scan=1"}, -EINVAL, "letters"},
        {{.version = 1, .name = "swap", .workload = "pages=1;scan=1"}, -EINVAL, "something else"},
        {{.version = 1, .name = "here", .workload = "pages=1;scan=1"}, -EEXIST, "here"},
        {{.version = 1, .name = "a"}, -EINVAL, "workload"},
        {{.version = 1, .name = "a", .workload = "pages=1;dance=1"}, -EINVAL, "dance"},
        {{.version = 1, .name = "a", .workload = "pages=1;scan=1", .contract = "much"},
         -EINVAL,
         "much"},
        {{.version = 1,
          .name = "a",
          .workload = "pages=1;scan=1",
          .contract = "guaranteed=16,order=2;extra=8"},
         -EINVAL,
         "all pages of a task have one size"},
        {{.version = 1, .name = "a", .workload = "pages=1;scan=1", .policy = "best"},
         -ENOENT,
         "best"},
        {{.version = 1, .name = "a", .workload = "pages=1;scan=1", .policy = "belady"},
         -ENOTSUP,
         "belady"},
    };
    struct sp_world *world = new_world(NULL, 100, 1);
    uint64_t value;

    (void)state;
    add(world, "here", NULL, "pages=1,kind=discardable;scan=1");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int code = sp_world_add(world, &cases[i].task, &error);

        if (code != cases[i].code || strstr(error.text, cases[i].says) == NULL)
            fail_msg("case %zu: %d, %s", i, code, error.text);
        assert_int_equal(sp_world_add(world, &cases[i].task, NULL), code);
    }
    assert_int_equal(sp_world_get(world, "nobody.faults", &value, &error), -ENOENT);
    assert_int_equal(sp_world_get(world, "here.wishes", &value, &error), -EINVAL);
    assert_int_equal(sp_world_get(world, "here", &value, &error), -ENOENT);
    assert_int_equal(sp_world_expect(world, "here.faults <", &error), -EINVAL);
    assert_int_equal(sp_world_expect(world, "here.faults > 7", &error), 0);
    assert_non_null(strstr(error.text, "here.faults > 7: it is 0"));
    assert_int_equal(sp_world_exit_status(world, 5), -ENOENT);
    assert_int_equal(sp_world_find(world, "here"), 0);
    assert_int_equal(sp_world_find(world, "there"), -ENOENT);
    run(world); /* none of that has done any harm */
    sp_world_free(&world);
}

static void wrong_options_are_refused(void **state)
{
    static const struct {
        struct sp_world_options options;
        int code;
    } cases[] = {
        {{.version = 0}, -EPROTO},
        {{.version = 1, .frames = 10, .reserve = 10}, -EINVAL},
        {{.version = 1, .chaos_unmap = -1}, -EINVAL},
        {{.version = 1, .fail_writes = 1.5}, -EINVAL},
        {{.version = 1, .arbiter = "kindness"}, -ENOENT},
        {{.version = 1, .tasks = UINT32_MAX}, -EINVAL},
        {{.version = 1, .swap_slots = UINT32_MAX - 1}, -EINVAL},
    };
    struct sp_world *world;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sp_world_new(&world, &cases[i].options, &error), cases[i].code);
        assert_null(world);
    }
    assert_int_equal(sp_world_new(&world, NULL, NULL), 0);
    for (int i = 0; i < 16; i++) {
        char name[2] = {(char)('a' + i), '\0'};

        add(world, name, NULL, "pages=1,kind=discardable;scan=1");
    }
    assert_int_equal(sp_world_add(world,
                                  &(struct sp_world_task){.version = SP_WORLD_VERSION,
                                                          .name = "more",
                                                          .workload = "pages=1;scan=1"},
                                  &error),
                     -ENOSPC);
    run(world);
    sp_world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_and_are_counted),
        cmocka_unit_test(a_seed_gives_the_same_each_time),
        cmocka_unit_test(time_passes_as_far_as_it_is_let),
        cmocka_unit_test(recalls_and_signals_come_from_outside),
        cmocka_unit_test(a_task_that_does_not_end_is_named),
        cmocka_unit_test(a_program_may_be_a_function),
        cmocka_unit_test(a_policy_may_be_the_callers),
        cmocka_unit_test(an_arbiter_may_be_the_callers),
        cmocka_unit_test(faults_strike_and_all_finish),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(wrong_options_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
