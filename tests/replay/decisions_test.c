/* Decisions made again: those of a policy that forgets nothing it saw, so that whatever was changed in the trace shows in
 * what it names next; and traces that cannot be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "record/code.h"
#include "record/recorder.h"
#include "replay/decisions.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGES        64u
#define STEPS        2500u
#define EVENTS_MOST  (8 * STEPS)

struct event {
    unsigned kind;
    uint32_t number;
    bool bit;
};

/* ---- A policy that forgets nothing ---- */

struct elephant {
    struct sp_policy_env *env;
    uint64_t seen; /* a hash */
    uint32_t count;
    sp_page resident[PAGES];
};

static size_t elephant_size(const struct sp_policy_config *config)
{
    (void)config;
    return sizeof(struct elephant);
}

static void elephant_init(void *self, const struct sp_policy_config *config)
{
    ((struct elephant *)self)->env = config->env;
}

static void see(struct elephant *elephant, uint64_t what, uint64_t page, uint64_t how)
{
    const uint64_t seen[] = {what, page, how, elephant->env->time};

    for (size_t i = 0; i < COUNT(seen); i++) {
        elephant->seen = (elephant->seen ^ seen[i]) * UINT64_C(0x9e3779b97f4a7c15);
        elephant->seen ^= elephant->seen >> 29;
    }
}

static void elephant_insert(void *self, sp_page page, enum sp_access access)
{
    struct elephant *elephant = self;

    see(elephant, 1, page, access);
    elephant->resident[elephant->count++] = page;
}

static void elephant_hit(void *self, sp_page page, enum sp_access access)
{
    see(self, 2, page, access);
}

static sp_page elephant_victim(void *self, sp_page incoming)
{
    struct elephant *elephant = self;
    struct sp_policy_env *env = elephant->env;
    sp_page first = elephant->resident[0];

    see(elephant, 3, incoming, elephant->count);
    see(elephant, 4, first, env->referenced(env, first));
    see(elephant, 5, first, env->dirty(env, first));
    see(elephant, 6, 0, env->random(env, 100));
    return elephant->resident[elephant->seen % elephant->count];
}

static void elephant_remove(void *self, sp_page page, enum sp_removal why)
{
    struct elephant *elephant = self;
    uint32_t at = 0;

    see(elephant, 7, page, why);
    while (elephant->resident[at] != page)
        at++;
    elephant->resident[at] = elephant->resident[--elephant->count];
}

static void elephant_resize(void *self, uint32_t frames)
{
    see(self, 8, frames, 0);
}

static void elephant_hint(void *self, sp_page page, enum sp_hint hint)
{
    see(self, 9, page, hint);
}

static const struct sp_policy elephant = {.abi = SP_POLICY_ABI,
                                          .flags = SP_POLICY_LIVE,
                                          .name = "elephant",
                                          .size = elephant_size,
                                          .init = elephant_init,
                                          .insert = elephant_insert,
                                          .hit = elephant_hit,
                                          .victim = elephant_victim,
                                          .remove = elephant_remove,
                                          .resize = elephant_resize,
                                          .hint = elephant_hint};

/* ---- Its life, recorded ---- */

struct life {
    struct sp_policy_env env; /* first: what the recorder asks */
    struct random_source random;
    struct recorder_setup setup;
    struct event event[EVENTS_MOST];
    size_t events;
    struct decisions_counts counts;
    bool resident[PAGES];
    bool away[PAGES]; /* pinned or skipped */
    uint32_t with_policy;
};

static void take_down(void *context, enum recorder_kind kind, uint32_t number, bool bit)
{
    struct life *life = context;

    assert_true(life->events < EVENTS_MOST);
    life->event[life->events++] = (struct event){kind, number, bit};
}

static bool any_bit(struct sp_policy_env *env, sp_page page)
{
    (void)page;
    return random_below(&((struct life *)env)->random, 2) == 0;
}

static uint32_t any_number(struct sp_policy_env *env, uint32_t bound)
{
    return random_below(&((struct life *)env)->random, bound);
}

static void life_insert(struct life *life, const struct sp_policy *policy, void *self, sp_page page)
{
    policy->insert(self, page, random_below(&life->random, 2) ? SP_WRITE : SP_READ);
    life->counts.faults += !life->away[page];
    life->away[page] = false;
    life->resident[page] = true;
    life->with_policy++;
}

static void life_remove(struct life *life, const struct sp_policy *policy, void *self, sp_page page,
                        enum sp_removal why)
{
    policy->remove(self, page, why);
    life->away[page] = why == SP_PINNED || why == SP_SKIPPED;
    life->resident[page] = false;
    life->with_policy--;
}

static void life_victim(struct life *life, const struct sp_policy *policy, void *self,
                        sp_page incoming)
{
    sp_page page = policy->victim(self, incoming);

    assert_true(page < PAGES && life->resident[page]);
    life->counts.victims++;
    life_remove(life, policy, self, page,
                random_below(&life->random, 5) == 0 ? SP_SKIPPED : SP_EVICTED);
}

static void life_step(struct life *life, const struct sp_policy *policy, void *self)
{
    sp_page page = random_below(&life->random, PAGES);
    unsigned what = random_below(&life->random, 20);

    if (what == 0) {
        policy->resize(self, 1 + random_below(&life->random, 2 * PAGES));
    } else if (!life->resident[page]) {
        if (life->with_policy > PAGES / 2)
            life_victim(life, policy, self, what < 4 ? SP_NO_PAGE : page);
        life_insert(life, policy, self, page);
    } else if (what == 1) {
        policy->hint(self, page, (enum sp_hint)random_below(&life->random, 4));
    } else if (what < 4) {
        life_remove(life, policy, self, page, what == 2 ? SP_PINNED : SP_DISCARDED);
    } else {
        policy->hit(self, page, random_below(&life->random, 2) ? SP_WRITE : SP_READ);
        life->counts.soft_faults++;
    }
}

/* A life, which ends with all pages evicted one by one: what was seen shows there, at the latest. */
static void live(struct life *life)
{
    struct sp_policy policy = recorder_around(&elephant);
    struct sp_policy_config config = {.pages = PAGES, .frames = 1};
    void *self;

    *life = (struct life){.env = {.referenced = any_bit, .dirty = any_bit, .random = any_number},
                          .random = random_seeded(11),
                          .setup = {.inner = &elephant, .emit = take_down, .context = life}};
    config.params = life->setup.params;
    config.env = &life->env;
    self = calloc(1, policy.size(&config));
    assert_non_null(self);
    policy.init(self, &config);
    for (uint32_t i = 0; i < STEPS; i++) {
        life->env.time += random_below(&life->random, 3);
        life_step(life, &policy, self);
    }
    while (life->with_policy > 0)
        life_victim(life, &policy, self, SP_NO_PAGE);
    take_down(life, RECORDER_END, 0, false);
    life->counts.events = life->events;
    free(self);
}

/* ---- Made again ---- */

static int check_bytes(const uint8_t *bytes, size_t size, const struct sp_policy *policy,
                       struct decisions_counts *counts, struct sp_error *error)
{
    const struct source_origin origin = {.bytes = bytes, .size = size, .name = "memory"};
    const struct trace_options options = {0};
    const struct policy_choice choice = {.policy = policy};
    struct trace trace;
    int result;

    assert_int_equal(trace_open_source(&trace, &origin, &options, error), 0);
    result = decisions_check(&trace, &choice, counts, error);
    trace_fini(&trace);
    return result;
}

static size_t put_header(uint8_t *bytes, uint32_t flags)
{
    trace_code_header(bytes, 4096, flags, 0, 0);
    trace_code_number(bytes + TRACE_NATIVE_HEADER, PAGES, 4);
    trace_code_number(bytes + TRACE_NATIVE_HEADER + 4, 0, 4);
    return TRACE_NATIVE_HEADER + (flags != 0 ? 8 : 0);
}

static size_t put_events(uint8_t *bytes, const struct event *event, size_t events)
{
    size_t size = put_header(bytes, TRACE_NATIVE_EVENTS);
    uint64_t previous = 0;

    for (size_t i = 0; i < events; i++)
        size += trace_code_reference(
            bytes + size, &previous,
            (uint64_t)event[i].number << RECORDER_KIND_BITS | event[i].kind, event[i].bit);
    return size;
}

static int check_events(const struct event *event, size_t events, const struct sp_policy *policy,
                        struct decisions_counts *counts, struct sp_error *error)
{
    uint8_t *bytes = malloc(TRACE_NATIVE_HEADER + 8 + events * TRACE_NATIVE_RECORD);
    int result;

    assert_non_null(bytes);
    result = check_bytes(bytes, put_events(bytes, event, events), policy, counts, error);
    free(bytes);
    return result;
}

static int setup(void **state)
{
    *state = malloc(sizeof(struct life));
    assert_non_null(*state);
    live(*state);
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void a_recorded_life_is_the_same_again_and_counted(void **state)
{
    const struct life *life = *state;
    struct decisions_counts counts;
    struct sp_error error;

    assert_true(life->events > 2 * TRACE_BATCH && life->counts.victims > 100);
    if (check_events(life->event, life->events, &elephant, &counts, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(counts.events, life->events);
    assert_int_equal(counts.faults, life->counts.faults);
    assert_int_equal(counts.soft_faults, life->counts.soft_faults);
    assert_int_equal(counts.victims, life->counts.victims);
}

static bool bit_matters(unsigned kind)
{
    return kind <= RECORDER_HIT || kind == RECORDER_REFERENCED || kind == RECORDER_DIRTY;
}

/* Change one event. False: nothing can tell. */
static bool change(struct life *life, size_t at, unsigned how)
{
    struct event *event = &life->event[at];

    switch (how) {
    case 0:
        event->bit = !event->bit;
        return bit_matters(event->kind);
    case 1:
        event->number ^= 1;
        return true;
    case 2:
        memmove(event, event + 1, (life->events - at - 1) * sizeof(*event));
        life->events--;
        return true;
    default:
        memmove(event + 1, event, (life->events - at) * sizeof(*event));
        life->events++;
        return true;
    }
}

static void whatever_is_changed_is_noticed(void **state)
{
    const struct life *life = *state;
    struct life *changed = malloc(sizeof(*changed));
    struct random_source random = random_seeded(5);

    assert_non_null(changed);
    for (unsigned i = 0; i < 300; i++) {
        size_t at = random_below(&random, (uint32_t)(life->events - 400));
        unsigned how = random_below(&random, 4);
        struct decisions_counts counts;
        struct sp_error error;
        int result;

        *changed = *life;
        if (!change(changed, at, how))
            continue;
        result = check_events(changed->event, changed->events, &elephant, &counts, &error);
        if (result != 1 && result != -EILSEQ)
            fail_msg("event %zu, of kind %u, changed in way %u: %d", at, life->event[at].kind, how,
                     result);
        assert_true(counts.events >= at);
    }
    free(changed);
}

/* ---- Traces that cannot be ---- */

/* One that asks, and names the page that came first of all. */
static sp_page plain_victim(void *self, sp_page incoming)
{
    struct elephant *plain = self;
    sp_page page = plain->resident[0];

    (void)incoming;
    (void)plain->env->referenced(plain->env, page);
    (void)plain->env->random(plain->env, 4);
    return page;
}

/* Neither hits nor hints nor sizes are for it. */
static const struct sp_policy plain = {.abi = SP_POLICY_ABI,
                                       .name = "plain",
                                       .size = elephant_size,
                                       .init = elephant_init,
                                       .insert = elephant_insert,
                                       .victim = plain_victim,
                                       .remove = elephant_remove};

#define END                                                                                        \
    {                                                                                              \
        RECORDER_END, 0, false                                                                     \
    }

static const struct {
    const char *name;
    struct event event[8];
    size_t events;
    int result;
    const char *said;
} cases[] = {
    {"a life",
     {{RECORDER_INSERT, PAGES - 1, false},
      {RECORDER_VICTIM, SP_NO_PAGE, false},
      {RECORDER_REFERENCED, PAGES - 1, true},
      {RECORDER_RANDOM, 3, false},
      {RECORDER_ANSWER, PAGES - 1, false},
      {RECORDER_REMOVE, PAGES - 1, false},
      END},
     7,
     0,
     ""},
    {"what the policy does not ask to hear",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_HIT, 5, false},
      {RECORDER_HINT, 5, false},
      {RECORDER_RESIZE, 1, false},
      {RECORDER_TIME, 1, false},
      END},
     6,
     0,
     ""},
    {"a page that does not exist",
     {{RECORDER_INSERT, PAGES, false}, END},
     2,
     -EILSEQ,
     "event 1: insert of 64 is not possible"},
    {"a page that comes twice",
     {{RECORDER_INSERT, 5, false}, {RECORDER_BACK, 5, false}, END},
     3,
     -EILSEQ,
     "event 2: insert of 5 is not possible"},
    {"a page that does not exist is hit",
     {{RECORDER_HIT, PAGES, false}, END},
     2,
     -EILSEQ,
     "event 1: hit of 64 is"},
    {"a page that is absent is hit",
     {{RECORDER_HIT, 5, false}, END},
     2,
     -EILSEQ,
     "event 1: hit of 5 is"},
    {"a page that is absent leaves",
     {{RECORDER_REMOVE + 3, 5, false}, END},
     2,
     -EILSEQ,
     "event 1: remove of 5 is"},
    {"a page leaves twice",
     {{RECORDER_INSERT, 5, false}, {RECORDER_REMOVE, 5, false}, {RECORDER_REMOVE, 5, false}, END},
     4,
     -EILSEQ,
     "event 3: remove of 5 is"},
    {"a hint about an absent one",
     {{RECORDER_HINT + 3, 5, false}, END},
     2,
     -EILSEQ,
     "event 1: hint of 5 is"},
    {"a victim of none", {{RECORDER_VICTIM, 5, false}, END}, 2, -EILSEQ, "event 1: victim of 5 is"},
    {"a victim when all have left",
     {{RECORDER_INSERT, 5, false}, {RECORDER_REMOVE, 5, false}, {RECORDER_VICTIM, 6, false}, END},
     4,
     -EILSEQ,
     "event 3: victim of 6 is"},
    {"a victim for a page that does not exist",
     {{RECORDER_INSERT, 5, false}, {RECORDER_VICTIM, PAGES, false}, END},
     3,
     -EILSEQ,
     "event 2: victim of 64 is"},
    {"no frames", {{RECORDER_RESIZE, 0, false}, END}, 2, -EILSEQ, "event 1: resize of 0 is"},
    {"no event", {{RECORDER_KINDS, 7, false}, END}, 2, -EILSEQ, "event 1: unknown of 7 is"},
    {"something behind the end",
     {END, {RECORDER_TIME, 1, false}},
     2,
     -EILSEQ,
     "event 2: time of 1 is"},
    {"no end", {{RECORDER_INSERT, 5, false}}, 1, -EILSEQ, "cut off behind event 1:"},
    {"an answer to nothing",
     {{RECORDER_INSERT, 5, false}, {RECORDER_ANSWER, 5, false}, END},
     3,
     1,
     "event 2: the policy's next step is nothing of 0 now, and was the answer of victim of 5"},
    {"another page was asked about",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_REFERENCED, 4, false},
      {RECORDER_RANDOM, 3, false},
      {RECORDER_ANSWER, 5, false},
      END},
     6,
     1,
     "event 3: the policy's next step is env->referenced of 5 now, and was env->referenced of 4"},
    {"something else was asked",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_DIRTY, 5, false},
      {RECORDER_RANDOM, 3, false},
      {RECORDER_ANSWER, 5, false},
      END},
     6,
     1,
     "event 3: the policy's next step is env->referenced of 5 now, and was env->dirty of 5"},
    {"a number that could not be drawn",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_REFERENCED, 5, false},
      {RECORDER_RANDOM, 4, false},
      {RECORDER_ANSWER, 5, false},
      END},
     6,
     1,
     "event 4: the policy's next step is env->random of 4 now, and was env->random of 4"},
    {"no number was drawn",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_REFERENCED, 5, false},
      {RECORDER_HIT, 3, false},
      {RECORDER_ANSWER, 5, false},
      END},
     6,
     1,
     "event 4: the policy's next step is env->random of 4 now, and was hit of 3"},
    {"another victim",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_INSERT, 4, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_REFERENCED, 5, false},
      {RECORDER_RANDOM, 3, false},
      {RECORDER_ANSWER, 4, false},
      END},
     7,
     1,
     "event 6: the policy's next step is the answer of victim of 5 now, and was the answer of victim of 4"},
    {"no victim",
     {{RECORDER_INSERT, 5, false},
      {RECORDER_VICTIM, 6, false},
      {RECORDER_REFERENCED, 5, false},
      {RECORDER_RANDOM, 3, false},
      {RECORDER_RESIZE, 5, false},
      END},
     6,
     1,
     "and was resize of 5"},
    {"a victim that was never answered",
     {{RECORDER_INSERT, 5, false}, {RECORDER_VICTIM, 6, false}},
     2,
     -EILSEQ,
     "cut off behind event 2:"},
};

static void what_cannot_be_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct decisions_counts counts;
        struct sp_error error = {0};
        int result = check_events(cases[i].event, cases[i].events, &plain, &counts, &error);

        if (result != cases[i].result || strstr(error.text, cases[i].said) == NULL)
            fail_msg("%s: %d, %s", cases[i].name, result, error.text);
    }
}

static void a_trace_of_references_has_no_decisions(void **state)
{
    uint8_t bytes[TRACE_NATIVE_HEADER + TRACE_NATIVE_RECORD];
    size_t size = put_header(bytes, 0);
    struct decisions_counts counts;
    struct sp_error error;
    uint64_t previous = 0;

    (void)state;
    size += trace_code_reference(bytes + size, &previous, 5, false);
    assert_int_equal(check_bytes(bytes, size, &plain, &counts, &error), -EINVAL);
    assert_non_null(strstr(error.text, "memory: this is not a trace of a live task"));
}

static void bytes_that_are_no_event_are_damage(void **state)
{
    const struct event event[] = {{RECORDER_INSERT, 5, false}, END};
    uint8_t bytes[TRACE_NATIVE_HEADER + 8 + 3 * TRACE_NATIVE_RECORD];
    size_t size = put_events(bytes, event, COUNT(event));
    struct decisions_counts counts;
    struct sp_error error;

    (void)state;
    bytes[size++] = 0x80; /* another byte follows */
    assert_int_equal(check_bytes(bytes, size, &plain, &counts, &error), -EILSEQ);
    assert_non_null(strstr(error.text, "ends in the middle"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_recorded_life_is_the_same_again_and_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(whatever_is_changed_is_noticed, setup, teardown),
        cmocka_unit_test(what_cannot_be_is_named),
        cmocka_unit_test(a_trace_of_references_has_no_decisions),
        cmocka_unit_test(bytes_that_are_no_event_are_damage),
    };

    return cmocka_run_group_tests_name("replay_decisions", tests, NULL, NULL);
}
