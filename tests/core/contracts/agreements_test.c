/* A task's books of its contracts, whatever overtakes what. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/random.h"
#include "core/contracts/agreements.h"

static struct sp_offer offer_of(uint32_t number, enum sp_answer answer, enum sp_contract_kind kind,
                                uint32_t frames)
{
    return (struct sp_offer){.answer = answer,
                             .contract = number,
                             .terms = {.kind = kind, .frames = frames, .term_ns = 5000000}};
}

static void accept(struct agreements *books, uint32_t number, uint32_t frames, uint32_t change)
{
    struct sp_offer offer = offer_of(number, SP_ACCEPTED, SP_GUARANTEED, frames);

    agreements_offered(books, &offer, SP_CONTRACT_ACTIVE, change);
}

static uint32_t guaranteed(const struct agreements *books)
{
    return agreements_sum(books).guaranteed;
}

static void active_contracts_add_up(void **state)
{
    struct agreements books = {.offered = 0};
    struct sp_offer extra = offer_of(2, SP_ACCEPTED, SP_EXTRA, 30);

    (void)state;
    accept(&books, 1, 20, 1);
    agreements_offered(&books, &extra, SP_CONTRACT_ACTIVE, 1);
    assert_int_equal(guaranteed(&books), 20);
    assert_int_equal(agreements_sum(&books).extra, 30);
    agreements_expired(&books, 1, 2);
    assert_int_equal(guaranteed(&books), 0);
    accept(&books, 1, 20, 3); /* renewed */
    assert_int_equal(guaranteed(&books), 20);
    agreements_closed(&books, 1);
    assert_int_equal(guaranteed(&books), 0);
    assert_null(agreements_find(&books, 1));
}

/* A term of a few milliseconds may be over before the answer to the proposal has come. */
static void an_expiry_may_overtake_its_offer(void **state)
{
    struct agreements books = {.offered = 0};

    (void)state;
    agreements_expired(&books, 1, 2);
    assert_int_equal(guaranteed(&books), 0);
    accept(&books, 1, 20, 1);
    assert_int_equal(guaranteed(&books), 0);
    assert_int_equal(agreements_find(&books, 1)->state, SP_CONTRACT_EXPIRED);
    assert_int_equal(agreements_find(&books, 1)->terms.term_ns, 5000000); /* so it can be renewed */
    accept(&books, 1, 20, 3);
    assert_int_equal(guaranteed(&books), 20);
}

/* The same for a counter-offer that the task has accepted. */
static void an_expiry_may_overtake_the_answer_to_an_acceptance(void **state)
{
    struct agreements books = {.offered = 0};
    struct sp_offer counter = offer_of(1, SP_COUNTERED, SP_GUARANTEED, 10);

    (void)state;
    agreements_offered(&books, &counter, SP_CONTRACT_COUNTERED, 0);
    agreements_expired(&books, 1, 2);
    accept(&books, 1, 10, 1);
    assert_int_equal(guaranteed(&books), 0);
}

static void an_end_may_overtake_its_offer(void **state)
{
    struct agreements books = {.offered = 0};

    (void)state;
    assert_true(agreements_changed(&books, 1, SP_CONTRACT_CLOSED, 20, 3));
    accept(&books, 1, 20, 1);
    assert_null(agreements_find(&books, 1));
    assert_int_equal(guaranteed(&books), 0);
}

static void news_of_a_contract_that_is_no_more_is_passed_over(void **state)
{
    struct agreements books = {.offered = 0};

    (void)state;
    accept(&books, 1, 20, 1);
    agreements_closed(&books, 1);
    assert_false(agreements_changed(&books, 1, SP_CONTRACT_CLOSED, 20, 4));
    agreements_expired(&books, 1, 5);
    assert_null(agreements_find(&books, 1));
    assert_false(agreements_changed(&books, 0, SP_CONTRACT_ACTIVE, 20, 4));
}

static void a_part_leaves_less(void **state)
{
    struct agreements books = {.offered = 0};

    (void)state;
    accept(&books, 1, 20, 1);
    agreements_split(&books, 1, 15, 2);
    assert_int_equal(guaranteed(&books), 15);
    accept(&books, 1, 20, 1); /* an older answer */
    assert_int_equal(guaranteed(&books), 15);
}

static void another_counter_offer_takes_the_place_of_one(void **state)
{
    struct agreements books = {.offered = 0};
    struct sp_offer counter = offer_of(1, SP_COUNTERED, SP_EXTRA, 10);

    (void)state;
    agreements_offered(&books, &counter, SP_CONTRACT_COUNTERED, 0);
    agreements_forget_countered(&books, 1);
    assert_non_null(agreements_find(&books, 1));
    agreements_forget_countered(&books, 0);
    assert_null(agreements_find(&books, 1));
}

/* ---- Any order ---- */

struct message {
    bool is_offer, is_expiry;
    uint8_t state;
    uint32_t frames, change;
};

#define MESSAGES 12u

/* What happens to a contract, as the two connections tell it. Returns the state that it has in the end. */
static struct message live(struct random_source *random, struct message *message)
{
    struct message now = {.is_offer = true, .state = SP_CONTRACT_ACTIVE, .frames = 20, .change = 1};

    for (uint32_t i = 0; i < MESSAGES; i++) {
        message[i] = now;
        now.change++;
        now.is_expiry = now.state == SP_CONTRACT_ACTIVE && random_below(random, 3) == 0;
        now.is_offer = !now.is_expiry && random_below(random, 2) == 0;
        if (!now.is_expiry && !now.is_offer)
            now.frames = 1 + random_below(random, 30);
        now.state = now.is_expiry ? SP_CONTRACT_EXPIRED : SP_CONTRACT_ACTIVE;
    }
    return message[MESSAGES - 1];
}

static void hear(struct agreements *books, const struct message *message)
{
    if (message->is_offer)
        accept(books, 1, message->frames, message->change);
    else if (message->is_expiry)
        agreements_expired(books, 1, message->change);
    else
        agreements_changed(books, 1, message->state, message->frames, message->change);
}

/* Deliver both connections' messages, each in its order, one before the other as it happens. */
static void deliver(struct agreements *books, struct random_source *random,
                    const struct message *message)
{
    uint32_t next[2] = {0, 0};

    for (;;) {
        bool offers = random_below(random, 2) == 0;

        for (unsigned lane = 0; lane < 2; lane++)
            while (next[lane] < MESSAGES && message[next[lane]].is_offer != (lane == 0))
                next[lane]++;
        if (next[0] == MESSAGES && next[1] == MESSAGES)
            break;
        if (next[1] == MESSAGES || (offers && next[0] < MESSAGES))
            hear(books, &message[next[0]++]);
        else
            hear(books, &message[next[1]++]);
    }
}

static void in_any_order_the_latest_holds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20000; seed++) {
        struct random_source random = random_seeded(seed);
        struct agreements books = {.offered = 0};
        struct message message[MESSAGES];
        struct message last = live(&random, message);

        deliver(&books, &random, message);
        if (agreements_find(&books, 1)->state != last.state)
            fail_msg("seed %llu: state %u", (unsigned long long)seed, last.state);
        if (last.state == SP_CONTRACT_ACTIVE)
            assert_int_equal(guaranteed(&books), last.frames);
        else
            assert_int_equal(guaranteed(&books), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(active_contracts_add_up),
        cmocka_unit_test(an_expiry_may_overtake_its_offer),
        cmocka_unit_test(an_expiry_may_overtake_the_answer_to_an_acceptance),
        cmocka_unit_test(an_end_may_overtake_its_offer),
        cmocka_unit_test(news_of_a_contract_that_is_no_more_is_passed_over),
        cmocka_unit_test(a_part_leaves_less),
        cmocka_unit_test(another_counter_offer_takes_the_place_of_one),
        cmocka_unit_test(in_any_order_the_latest_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
