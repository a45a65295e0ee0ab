/* One contract: which moves there are, and how proposals are answered. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string.h>

#include "core/contracts/contract.h"

static const struct contract_limits limits = {
    .frames = 100,
    .committed = 60,
    .max_order = 4,
    .max_term_ns = 1000,
    .max_grace_ns = UINT64_C(10000000000),
    .now = 50,
    .next_end = 80,
};

static struct sp_terms wish(enum sp_contract_kind kind, uint32_t min, uint32_t frames)
{
    return (struct sp_terms){.kind = (uint8_t)kind, .min = min, .frames = frames, .term_ns = 500};
}

static struct sp_offer answer(struct sp_terms terms)
{
    struct sp_offer offer;

    contract_answer(&limits, &terms, &offer);
    return offer;
}

static void expect_refusal(struct sp_terms terms, enum sp_reason reason)
{
    struct sp_offer offer = answer(terms);

    assert_int_equal(offer.answer, SP_REFUSED);
    assert_int_equal(offer.reason, reason);
    assert_int_equal(offer.retry_ns, 0);
}

static void test_bad_terms(void **state)
{
    struct sp_terms terms;

    (void)state;
    expect_refusal(wish(SP_CONTRACT_KINDS, 1, 1), SP_REASON_UNKNOWN_KIND);
    expect_refusal(wish(SP_GUARANTEED, 0, 0), SP_REASON_ZERO_FRAMES);
    expect_refusal(wish(SP_GUARANTEED, 3, 2), SP_REASON_MIN_ABOVE_FRAMES);
    terms = wish(SP_GUARANTEED, 1, 2);
    terms.on_breach = SP_BREACH_ACTIONS;
    expect_refusal(terms, SP_REASON_UNKNOWN_KIND);
    terms = wish(SP_GUARANTEED, 1, 2);
    terms.grace_unit = SP_GRACE_UNITS;
    expect_refusal(terms, SP_REASON_UNKNOWN_KIND);
    terms = wish(SP_GUARANTEED, 1, 2);
    terms.term_ns = 0;
    expect_refusal(terms, SP_REASON_ZERO_TERM);
    terms = wish(SP_GUARANTEED, 1, 32);
    terms.order = 5;
    expect_refusal(terms, SP_REASON_ORDER);
    terms.order = 4;
    terms.frames = 24; /* no whole number of blocks */
    expect_refusal(terms, SP_REASON_ORDER);
}

static void test_admission(void **state)
{
    struct sp_offer offer = answer(wish(SP_GUARANTEED, 40, 40));

    (void)state;
    assert_int_equal(offer.answer, SP_ACCEPTED);
    assert_int_equal(offer.reason, SP_REASON_NONE);

    offer = answer(wish(SP_TIMED, 30, 41)); /* leases are promised just as well */
    assert_int_equal(offer.answer, SP_COUNTERED);
    assert_int_equal(offer.reason, SP_REASON_OVERCOMMITTED);
    assert_int_equal(offer.terms.frames, 40);

    offer = answer(wish(SP_GUARANTEED, 41, 50));
    assert_int_equal(offer.answer, SP_REFUSED);
    assert_int_equal(offer.reason, SP_REASON_OVERCOMMITTED);
    assert_int_equal(offer.retry_ns, 30); /* when the next commitment ends */
    assert_int_equal(offer.terms.frames, 40);
    assert_int_equal(offer.terms.min, 41);

    offer = answer(wish(SP_GUARANTEED, 101, 200));
    assert_int_equal(offer.answer, SP_REFUSED);
    assert_int_equal(offer.retry_ns, 0); /* it never can */

    offer = answer(wish(SP_EXTRA, 1, 100)); /* extra frames are not promised */
    assert_int_equal(offer.answer, SP_ACCEPTED);
    offer = answer(wish(SP_EXTRA, 1, 1000));
    assert_int_equal(offer.answer, SP_COUNTERED);
    assert_int_equal(offer.terms.frames, 100);
}

static void test_counter_in_whole_blocks(void **state)
{
    struct sp_terms terms = wish(SP_GUARANTEED, 1, 64);
    struct sp_offer offer;

    (void)state;
    terms.order = 4;
    offer = answer(terms);
    assert_int_equal(offer.answer, SP_COUNTERED);
    assert_int_equal(offer.terms.frames, 32); /* of the 40 there are */
}

static void test_long_term(void **state)
{
    struct sp_terms terms = wish(SP_GUARANTEED, 1, 10);
    struct sp_offer offer;

    (void)state;
    terms.term_ns = SP_FOREVER;
    offer = answer(terms);
    assert_int_equal(offer.answer, SP_COUNTERED);
    assert_int_equal(offer.reason, SP_REASON_LONG_TERM);
    assert_int_equal(offer.terms.term_ns, 1000);
    terms.term_ns = 1000;
    assert_int_equal(answer(terms).answer, SP_ACCEPTED);
}

static void test_defaults(void **state)
{
    struct sp_terms terms = wish(SP_GUARANTEED, 1, 10);
    struct sp_offer offer = answer(terms);

    (void)state;
    assert_int_equal(offer.terms.weight, 1);
    assert_int_equal(offer.terms.t_clean, SP_DEFAULT_T_CLEAN_NS);
    assert_int_equal(offer.terms.t_drop, SP_DEFAULT_T_DROP_NS);
    terms.grace_unit = SP_GRACE_ALLOCATIONS;
    offer = answer(terms);
    assert_int_equal(offer.terms.t_clean, CONTRACT_CLEAN_ALLOCATIONS);
    assert_int_equal(offer.terms.t_drop, CONTRACT_DROP_ALLOCATIONS);
    terms.weight = 3;
    terms.t_clean = 4;
    terms.t_drop = 5;
    offer = answer(terms);
    assert_int_equal(offer.terms.weight, 3);
    assert_int_equal(offer.terms.t_clean, 4);
    assert_int_equal(offer.terms.t_drop, 5);
}

/* Whether a move is a bug: a child that makes it aborts. */
static bool move_aborts(unsigned from, unsigned to)
{
    const struct rlimit no_core = {0};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct contract contract = {.state = (uint8_t)from};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        contract_move(&contract, to);
        _exit(contract.state == to ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_moves(void **state)
{
    /* Rows: from; columns: to, in the order of enum sp_contract_state. */
    static const char *const table[SP_CONTRACT_STATES] = {
        [SP_CONTRACT_NONE] = ".ca....",     [SP_CONTRACT_COUNTERED] = ".ca..xb",
        [SP_CONTRACT_ACTIVE] = "..ae.xb",   [SP_CONTRACT_EXPIRED] = "..a.rxb",
        [SP_CONTRACT_RECALLED] = "...e.xb", [SP_CONTRACT_CLOSED] = ".......",
        [SP_CONTRACT_BREACHED] = ".......",
    };

    (void)state;
    for (unsigned from = 0; from < SP_CONTRACT_STATES; from++) {
        for (unsigned to = 0; to < SP_CONTRACT_STATES; to++) {
            bool allowed = table[from][to] != '.';

            assert_int_equal(move_aborts(from, to), !allowed);
        }
        assert_true(strlen(contract_state_text(from)) > 0);
    }
    assert_string_equal(contract_state_text(99), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_terms),
        cmocka_unit_test(test_admission),
        cmocka_unit_test(test_counter_in_whole_blocks),
        cmocka_unit_test(test_long_term),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_moves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
