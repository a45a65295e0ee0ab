#include "selfpage/policy/check_forgets.h"

#include <errno.h>

#include "base/random.h"
#include "replay/engine.h"

#define PAGES      500u
#define PAGES_MOST ENGINE_ENTRIES_FROM /* then policies that tell what they forget are believed */
#define BATCH      50u
#define BATCHES    200u
#define LOOP       120u /* pages of the loop, of which some sizes have less */
#define SIZE_COUNT 5u

static const uint32_t sizes[SIZE_COUNT] = {1, 2, 3, 17, 100};

/* A skewed choice, with a loop and pages that never come again in between. */
static uint32_t draw(struct random_source *random, uint32_t index)
{
    uint32_t page, kind = random_below(random, 4), write = random_below(random, 4) == 0;

    if (kind == 0)
        page = index % LOOP;
    else if (kind == 1)
        page = random_below(random, PAGES);
    else
        page = random_below(random, 1 + random_below(random, 1 + random_below(random, PAGES)));
    return page << 1 | write;
}

static bool differ(const struct engine *one, const struct engine *other)
{
    return one->counts.misses != other->counts.misses ||
           one->counts.evictions != other->counts.evictions ||
           one->counts.dirty_evictions != other->counts.dirty_evictions ||
           one->counts.policy_errors != other->counts.policy_errors;
}

static void say(const struct engine *by_entry, const struct engine *by_page, uint32_t frames,
                uint32_t references, struct check_log *log)
{
    bool tells = by_entry->tells;

    check_text_breach(
        log,
        "it claims to %s, but of the first %u references with %u frames, %llu miss and %llu dirty "
        "pages leave with pages named by %s, and %llu and %llu with their own numbers; mistakes: "
        "%llu and %llu. Does it keep notes of a page that %s, go by page numbers, or look at "
        "`incoming`?",
        tells ? "tell what it forgets (SP_POLICY_TELLS)"
              : "forget pages that leave (SP_POLICY_FORGETS)",
        references, frames, (unsigned long long)by_entry->counts.misses,
        (unsigned long long)by_entry->counts.dirty_evictions,
        tells ? "other numbers, used again" : "their frames",
        (unsigned long long)by_page->counts.misses,
        (unsigned long long)by_page->counts.dirty_evictions,
        (unsigned long long)by_entry->counts.policy_errors,
        (unsigned long long)by_page->counts.policy_errors,
        tells ? "it called forgotten, call it for a resident one" : "has left");
}

static void run_both(struct engine *by_entry, struct engine *by_page, uint32_t frames,
                     uint64_t seed, struct check_log *log)
{
    struct random_source random = random_seeded(seed);
    uint32_t references[BATCH], index = 0;

    for (uint32_t batch = 0; batch < BATCHES && !differ(by_entry, by_page); batch++) {
        for (uint32_t i = 0; i < BATCH; i++)
            references[i] = draw(&random, index++);
        engine_run(by_entry, references, NULL, BATCH);
        engine_run(by_page, references, NULL, BATCH);
        if (batch % 40 == 39) {
            uint32_t changed = 1 + random_below(&random, 2 * frames);

            engine_resize(by_entry, changed);
            engine_resize(by_page, changed);
        }
    }
    if (differ(by_entry, by_page))
        say(by_entry, by_page, frames, index, log);
}

int check_forgets(const struct policy_choice *choice, uint64_t seed, struct check_log *log)
{
    struct sp_policy remembers = *choice->policy;
    struct policy_choice other = *choice;
    static struct engine by_entry, by_page;
    struct sp_error ignored;

    if ((choice->policy->flags & (SP_POLICY_FORGETS | SP_POLICY_TELLS)) == 0)
        return 0;
    remembers.flags &= ~(SP_POLICY_FORGETS | SP_POLICY_TELLS);
    other.policy = &remembers;
    for (uint32_t i = 0; i < SIZE_COUNT && log->breach[0] == '\0'; i++) {
        int result = engine_init(&by_entry, choice, sizes[i], PAGES_MOST, seed, false, &ignored);
        int result_too = engine_init(&by_page, &other, sizes[i], PAGES_MOST, seed, false, &ignored);

        if (result == 0 && result_too == 0)
            run_both(&by_entry, &by_page, sizes[i], seed + i, log);
        engine_fini(&by_entry);
        engine_fini(&by_page);
        if (result != 0 || result_too != 0)
            return -ENOMEM;
    }
    return 0;
}
