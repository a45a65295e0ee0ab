/* What a physmem has been promised by the one above it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/deadlines.h"
#include "core/leases/tenancy.h"

#define SECOND UINT64_C(1000000000)

/* Conclude contract `number` of a text that has one contract, as it was proposed at `since`. */
static void conclude(struct tenancy *tenancy, const char *text, uint32_t number, uint64_t since)
{
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_offer offer = {.answer = SP_ACCEPTED, .contract = number};

    assert_int_equal(terms_text_parse(text, wanted, NULL), 1);
    assert_null(tenancy_prepare(wanted));
    offer.terms = wanted->terms;
    if (wanted->token != 0)
        offer.terms.term_ns = SECOND;
    tenancy_concluded(tenancy, wanted, &offer, SP_CONTRACT_ACTIVE, 1, since);
}

static void promised(struct tenancy *tenancy, uint32_t frames, uint64_t until)
{
    assert_true(tenancy_promise(tenancy));
    assert_int_equal(tenancy->promised, frames);
    assert_true(tenancy->until == until);
    assert_false(tenancy_promise(tenancy)); /* that is no news */
}

static void what_is_promised_lasts_as_long_as_the_first_contract(void **state)
{
    struct tenancy tenancy = {.frames = 0};

    (void)state;
    conclude(&tenancy, "guaranteed=20", 1, SECOND);
    promised(&tenancy, 20, DEADLINE_NEVER);
    conclude(&tenancy, "timed=30,term=5s", 2, SECOND);
    conclude(&tenancy, "timed=4,term=3s", 3, 2 * SECOND);
    conclude(&tenancy, "extra=100,term=1s", 4, SECOND);
    promised(&tenancy, 54, 5 * SECOND);
    assert_int_equal(tenancy.frames, 154);
    tenancy_changed(&tenancy, 3, SP_CONTRACT_CLOSED, 0, 2);
    promised(&tenancy, 50, 6 * SECOND);
    tenancy_changed(&tenancy, 1, SP_CONTRACT_ACTIVE, 500, 2); /* more than it can have */
    promised(&tenancy, 154, 6 * SECOND);
}

static void a_renewed_term_counts_from_when_it_was_asked_for(void **state)
{
    struct tenancy tenancy = {.frames = 0};
    struct sp_offer offer = {.answer = SP_ACCEPTED, .contract = 1};

    (void)state;
    conclude(&tenancy, "guaranteed=20,term=4s", 1, 0);
    promised(&tenancy, 20, 4 * SECOND);
    assert_true(tenancy_renew(&tenancy, 1, 3 * SECOND) == 4 * SECOND);
    assert_true(tenancy_renew(&tenancy, 2, 3 * SECOND) == 0); /* there is none of this number */
    tenancy_expired(&tenancy, 1, 2);
    promised(&tenancy, 0, DEADLINE_NEVER);
    offer.terms = tenancy.agreements.agreement[0].terms;
    tenancy_renewed(&tenancy, &offer, SP_CONTRACT_ACTIVE, 3);
    promised(&tenancy, 20, 7 * SECOND);
    /* A contract that the answer does not name, and one that is not renewed. */
    offer.contract = 9;
    tenancy_renewed(&tenancy, &offer, SP_CONTRACT_ACTIVE, 1);
    offer = (struct sp_offer){.answer = SP_REFUSED, .contract = 1};
    tenancy_renewed(&tenancy, &offer, SP_CONTRACT_ACTIVE, 3);
    assert_false(tenancy_promise(&tenancy));
}

/* The answer was given before the term was over, and is heard behind that. */
static void news_that_was_overtaken_is_passed_over(void **state)
{
    struct tenancy tenancy = {.frames = 0};
    struct sp_offer offer = {.answer = SP_ACCEPTED, .contract = 1};

    (void)state;
    conclude(&tenancy, "guaranteed=20,term=4s", 1, 0);
    promised(&tenancy, 20, 4 * SECOND);
    assert_true(tenancy_renew(&tenancy, 1, 3 * SECOND) > 0);
    offer.terms = tenancy.agreements.agreement[0].terms;
    tenancy_expired(&tenancy, 1, 5);
    promised(&tenancy, 0, DEADLINE_NEVER);
    tenancy_renewed(&tenancy, &offer, SP_CONTRACT_ACTIVE, 4);
    assert_false(tenancy_promise(&tenancy));
    tenancy_changed(&tenancy, 1, SP_CONTRACT_ACTIVE, 10, 3);
    assert_false(tenancy_promise(&tenancy));
}

static void a_part_is_not_renewed(void **state)
{
    struct tenancy tenancy = {.frames = 0};

    (void)state;
    conclude(&tenancy, "claim=77", 1, 0);
    assert_true(tenancy_renew(&tenancy, 1, 0) == 0);
}

static void contracts_are_for_base_pages_and_grace_in_time(void **state)
{
    static const char *const texts[] = {"guaranteed=16,order=2", "extra=9,drop=5a", "guaranteed=16",
                                        "guaranteed=16,breach=penalty"};
    struct tenancy tenancy = {.frames = 0};
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_error error;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        if (terms_text_parse(texts[i], wanted, &error) != 1)
            fail_msg("%s", error.text);
        assert_int_equal(tenancy_prepare(wanted) != NULL, i < 2);
        assert_int_equal(wanted->terms.on_breach == SP_BREACH_REPOSSESS, i == 2);
    }
    /* Each contract of a text for itself. */
    assert_int_equal(terms_text_parse("guaranteed=4,breach=warn;extra=4", wanted, NULL), 2);
    assert_null(tenancy_prepare(&wanted[0]));
    assert_null(tenancy_prepare(&wanted[1]));
    assert_int_equal(wanted[0].terms.on_breach, SP_BREACH_WARN);
    assert_int_equal(wanted[1].terms.on_breach, SP_BREACH_REPOSSESS);
    assert_true(tenancy_grace(&tenancy, SECOND) == SECOND);
    conclude(&tenancy, "guaranteed=4,clean=30ms,drop=20ms", 1, 0);
    conclude(&tenancy, "extra=4,clean=90ms,drop=40ms", 2, 0);
    assert_true(tenancy_grace(&tenancy, SECOND) == SECOND / 1000 * 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_promised_lasts_as_long_as_the_first_contract),
        cmocka_unit_test(a_renewed_term_counts_from_when_it_was_asked_for),
        cmocka_unit_test(news_that_was_overtaken_is_passed_over),
        cmocka_unit_test(a_part_is_not_renewed),
        cmocka_unit_test(contracts_are_for_base_pages_and_grace_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
