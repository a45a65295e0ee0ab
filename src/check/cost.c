/* Whether calls take constant time: what each costs with few pages, and with many. */
#include "check/check_internal.h"

/* Calls of one kind that are timed together, so that the clock itself does not count. */
#define BATCH 64u

/* Costs may grow by this factor, since memory gets slower; the number of pages grows by far
 * more. */
#define GROWTH_MOST 16.0

/* Time for measuring one number of pages, in nanoseconds: a policy that is slow shows it early. */
#define BUDGET UINT64_C(400000000)

/* Times below this are not worth a complaint, in nanoseconds. */
#define COST_LEAST 1500.0

struct meter {
    struct check *check;
    uint64_t (*clock)(void);
    sp_page batch[BATCH];
};

static uint64_t time_calls(struct meter *meter, enum check_kind kind, unsigned detail)
{
    uint64_t begin = meter->clock();

    for (uint32_t i = 0; i < BATCH; i++)
        check_call_policy(meter->check, kind, meter->batch[i], detail);
    return meter->clock() - begin;
}

/* Pages of one standing, all different. */
static void choose(struct meter *meter, enum check_standing standing)
{
    struct check *check = meter->check;

    for (uint32_t i = 0; i < BATCH; i++) {
        sp_page page = random_below(&check->random, check->setup.pages);

        while (check->page[page].standing != standing)
            page = page + 1 < check->setup.pages ? page + 1 : 0;
        meter->batch[i] = page;
        check->page[page].standing = CHECK_PINNED; /* chosen already; put right by the caller */
    }
}

static void now_are(struct meter *meter, enum check_standing standing)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        meter->check->page[meter->batch[i]].standing = (uint8_t)standing;
        meter->check->page[meter->batch[i]].left_plus1 = 1;
    }
}

static uint64_t time_evictions(struct meter *meter)
{
    struct check *check = meter->check;
    uint64_t begin = meter->clock();

    for (uint32_t i = 0; i < BATCH; i++) {
        sp_page page;

        check_call_policy(check, CHECK_VICTIM, SP_NO_PAGE, 0);
        page = check->call.answer;
        if (page >= check->setup.pages || check->page[page].standing != CHECK_RESIDENT) {
            check_text_breach(check->setup.log, "victim names page %u, which is not resident",
                              page);
            break;
        }
        check_call_policy(check, CHECK_REMOVE, page, SP_EVICTED);
        check->page[page].standing = CHECK_ABSENT;
        check->page[page].left_plus1 = 1;
    }
    return meter->clock() - begin;
}

/* One round of each kind of call; the number of resident pages is the same afterwards. */
static void measure_round(struct meter *meter, struct check_cost *total)
{
    choose(meter, CHECK_RESIDENT);
    now_are(meter, CHECK_RESIDENT);
    for (uint32_t i = 0; i < BATCH; i++)
        meter->check->page[meter->batch[i]].referenced = true;
    total->hit += (double)time_calls(meter, CHECK_HIT, SP_READ);
    total->evict += (double)time_evictions(meter);
    choose(meter, CHECK_ABSENT);
    now_are(meter, CHECK_RESIDENT);
    total->insert += (double)time_calls(meter, CHECK_INSERT, SP_READ);
    choose(meter, CHECK_RESIDENT);
    now_are(meter, CHECK_RESIDENT);
    total->discard += (double)time_calls(meter, CHECK_REMOVE, SP_DISCARDED);
    now_are(meter, CHECK_ABSENT);
    choose(meter, CHECK_ABSENT);
    now_are(meter, CHECK_RESIDENT);
    total->insert += (double)time_calls(meter, CHECK_INSERT, SP_WRITE);
}

struct check_cost check_cost_measure(const struct policy_choice *choice, uint32_t pages,
                                     uint64_t seed, struct check_log *log, void *tables, void *self,
                                     uint64_t (*clock)(void))
{
    struct check_setup setup = {.choice = choice,
                                .pages = pages,
                                .frames = pages / 2,
                                .steps = 1,
                                .seed = seed,
                                .log = log};
    uint32_t rounds = 0;
    struct check_cost cost = {0};
    struct check check;
    struct meter meter = {.check = &check, .clock = clock};
    uint64_t begin = clock();
    double calls;

    check_begin(&check, &setup, tables, self);
    for (sp_page page = 0; page < pages; page += 2) {
        check.page[page].standing = CHECK_RESIDENT;
        check_call_policy(&check, CHECK_INSERT, page, SP_READ);
    }
    do
        measure_round(&meter, &cost);
    while (++rounds < pages / BATCH && clock() - begin < BUDGET && log->breach[0] == '\0');
    calls = (double)rounds * BATCH;
    return (struct check_cost){.hit = choice->policy->hit != NULL ? cost.hit / calls : 0,
                               .insert = cost.insert / (2 * calls),
                               .evict = cost.evict / calls,
                               .discard = cost.discard / calls};
}

static void compare(const char *what, const char *rule, double few, uint32_t few_pages, double many,
                    uint32_t many_pages, struct check_log *log)
{
    if (many > COST_LEAST && many > few * GROWTH_MOST)
        check_text_breach(
            log,
            "%s takes %.0f ns with %u pages and %.0f ns with %u, where it has to take "
            "%s time",
            what, few, few_pages, many, many_pages, rule);
}

bool check_cost_all(const struct check_cost *few, uint32_t few_pages, const struct check_cost *many,
                    uint32_t many_pages, struct check_log *log)
{
    compare("hit", "constant", few->hit, few_pages, many->hit, many_pages, log);
    compare("insert", "constant", few->insert, few_pages, many->insert, many_pages, log);
    compare("remove", "constant", few->discard, few_pages, many->discard, many_pages, log);
    compare("victim and remove", "amortised constant", few->evict, few_pages, many->evict,
            many_pages, log);
    return log->breach[0] == '\0';
}
