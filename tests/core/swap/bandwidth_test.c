/* Contracts for paging bandwidth, in virtual time: a device that moves a page in a fixed time, and clients that ask. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/random.h"
#include "core/swap/bandwidth.h"

#define SECOND UINT64_C(1000000000)
#define MOST   8u

/* A client that asks for a page as soon as it has the last one, `think_ns` later. */
struct pager {
    struct bandwidth bandwidth;
    uint64_t think_ns;
    uint64_t asks_ns; /* when it asks next */
    uint32_t served;
    int64_t deficit;
};

struct device {
    struct pager pager[MOST];
    uint32_t pagers;
    uint64_t page_ns;
    uint64_t now;
    uint32_t turn;
};

static struct device device_of(uint64_t page_ns)
{
    return (struct device){.page_ns = page_ns};
}

static struct pager *join(struct device *device, struct bandwidth_terms terms)
{
    struct pager *pager = &device->pager[device->pagers++];

    *pager = (struct pager){.bandwidth.terms = terms};
    return pager;
}

static bool asks(const struct device *device, const struct pager *pager)
{
    return pager->asks_ns <= device->now;
}

/* Nobody asks for what it has a right to now. */
static bool is_idle(const struct device *device)
{
    for (uint32_t i = 0; i < device->pagers; i++)
        if (asks(device, &device->pager[i]) &&
            bandwidth_when(&device->pager[i].bandwidth) <= device->now)
            return false;
    return true;
}

static void serve(struct device *device, struct pager *pager)
{
    bandwidth_spend(&pager->bandwidth, device->now, 1);
    pager->served++;
    device->now += device->page_ns;
    pager->asks_ns = device->now + pager->think_ns;
}

/* Those with a rate that is due come first; the others have turns of as many pages as they have shares. */
static struct pager *next_pager(struct device *device)
{
    bool alone = is_idle(device);

    for (uint32_t i = 0; i < device->pagers; i++) {
        struct pager *pager = &device->pager[i];

        if (pager->bandwidth.terms.rate > 0 && asks(device, pager) &&
            bandwidth_may(&pager->bandwidth, device->now, alone))
            return pager;
    }
    for (uint32_t tried = 0; tried <= device->pagers; tried++) {
        struct pager *pager = &device->pager[device->turn % device->pagers];

        if (pager->bandwidth.terms.rate == 0 && asks(device, pager)) {
            if (pager->deficit > 0) {
                pager->deficit--;
                return pager;
            }
            pager->deficit = bandwidth_turn(&pager->bandwidth, 1);
        }
        device->turn++;
    }
    return NULL;
}

static void run(struct device *device, uint64_t seconds)
{
    uint64_t end = device->now + seconds * SECOND;

    while (device->now < end) {
        struct pager *pager = next_pager(device);

        if (pager == NULL)
            device->now += device->page_ns / 4;
        else
            serve(device, pager);
    }
}

static void expect_within(uint32_t count, uint32_t expected, uint32_t percent)
{
    assert_in_range(count, expected - expected * percent / 100,
                    expected + expected * percent / 100);
}

static void shares_of_1_2_and_4_are_pages_of_1_2_and_4(void **state)
{
    struct device device = device_of(SECOND / 7000);
    struct pager *pager[3];

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        pager[i] = join(&device, (struct bandwidth_terms){.shares = 1u << i});
    run(&device, 2);
    for (uint32_t i = 0; i < 3; i++)
        expect_within(pager[i]->served, 2000u << i, 5);
}

static void rates_of_1_2_and_4_are_pages_of_1_2_and_4_beside_a_greedy_one(void **state)
{
    struct device device = device_of(SECOND / 8000);
    struct pager *pager[3], *greedy;

    (void)state;
    greedy = join(&device, (struct bandwidth_terms){.shares = BANDWIDTH_SHARES_MOST});
    for (uint32_t i = 0; i < 3; i++) {
        pager[i] = join(&device, (struct bandwidth_terms){.rate = 500u << i});
        pager[i]->think_ns = 40000;
    }
    run(&device, 4);
    for (uint32_t i = 0; i < 3; i++)
        expect_within(pager[i]->served, 2000u << i, 5);
    expect_within(greedy->served, 4 * (8000 - 3500), 5);
}

static void a_rate_is_a_limit_unless_it_says_extra(void **state)
{
    struct device device = device_of(SECOND / 8000);
    struct pager *limited = join(&device, (struct bandwidth_terms){.rate = 1000});
    struct pager *extra = join(&device, (struct bandwidth_terms){.rate = 1000, .extra = true});

    (void)state;
    run(&device, 2);
    expect_within(limited->served, 2000, 5);
    assert_true(extra->served > 10000); /* what the other one leaves */
}

static void an_idle_client_catches_up_with_a_burst_and_no_more(void **state)
{
    struct bandwidth bandwidth = {.terms.rate = 1000};
    uint32_t at_once = 0;

    (void)state;
    while (bandwidth_may(&bandwidth, 100 * SECOND, false)) {
        bandwidth_spend(&bandwidth, 100 * SECOND, 1);
        at_once++;
    }
    assert_in_range(at_once, 50, 51);
    assert_true(bandwidth_when(&bandwidth) > 100 * SECOND);
    assert_true(bandwidth_when(&bandwidth) <= 100 * SECOND + SECOND / 1000);
}

static void a_contract_that_cannot_be_kept_is_refused(void **state)
{
    const struct bandwidth_terms nothing = {.shares = 0}, many = {.shares = 65},
                                 loose = {.shares = 1, .extra = true}, rate = {.rate = 601},
                                 fits = {.rate = 600};

    (void)state;
    assert_int_equal(bandwidth_judge(&nothing, 1000, 0), -EINVAL);
    assert_int_equal(bandwidth_judge(&many, 1000, 0), -EINVAL);
    assert_int_equal(bandwidth_judge(&loose, 1000, 0), -EINVAL);
    assert_int_equal(bandwidth_judge(&rate, 1000, 400), -EDQUOT);
    assert_int_equal(bandwidth_judge(&fits, 1000, 400), 0);
}

/* Random contracts that fit: each rate is had, and none is exceeded, whatever the others do. */
static void promised_rates_are_kept(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct random_source random = random_seeded(seed);
        struct device device = device_of(SECOND / 4000);
        uint32_t promised = 0;

        for (uint32_t i = 0; i < MOST; i++) {
            struct bandwidth_terms terms = {.rate = 50 + random_below(&random, 900)};

            if (bandwidth_judge(&terms, 3800, promised) != 0)
                terms = (struct bandwidth_terms){.shares = 1 + random_below(&random, 8)};
            promised += terms.rate;
            join(&device, terms)->think_ns = random_below(&random, 200000);
        }
        run(&device, 2);
        for (uint32_t i = 0; i < MOST; i++) {
            uint32_t rate = device.pager[i].bandwidth.terms.rate;

            if (rate > 0)
                expect_within(device.pager[i].served, 2 * rate, 10);
        }
    }
}

/* What a client has of its own contract and of what it is allowed. */
static void a_client_has_no_more_than_it_is_allowed(void **state)
{
    static const struct {
        struct bandwidth_terms asked, allowed, has;
        bool within;
    } cases[] = {
        {{0, 0, false}, {0, 0, false}, {0, 0, false}, true},
        {{4, 0, false}, {0, 0, false}, {4, 0, false}, true},
        {{0, 0, false}, {4, 0, false}, {4, 0, false}, true},
        {{4, 0, false}, {4, 0, false}, {4, 0, false}, true},
        {{5, 0, false}, {4, 0, false}, {4, 0, false}, false},
        {{0, 0, false}, {0, 100, true}, {0, 100, true}, true},
        {{0, 90, true}, {0, 100, true}, {0, 90, true}, true},
        {{0, 90, true}, {0, 100, false}, {0, 90, false}, false},
        {{0, 90, false}, {0, 100, true}, {0, 90, false}, true},
        {{0, 101, false}, {0, 100, false}, {0, 100, false}, false},
        {{2, 0, false}, {0, 100, true}, {2, 100, true}, true},
        {{0, 90, true}, {2, 0, false}, {2, 90, true}, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bandwidth_terms has = bandwidth_cut(&cases[i].asked, &cases[i].allowed);

        assert_int_equal(has.shares, cases[i].has.shares);
        assert_int_equal(has.rate, cases[i].has.rate);
        assert_int_equal(has.extra, cases[i].has.extra);
        assert_int_equal(bandwidth_is_within(&cases[i].asked, &cases[i].allowed), cases[i].within);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_of_1_2_and_4_are_pages_of_1_2_and_4),
        cmocka_unit_test(rates_of_1_2_and_4_are_pages_of_1_2_and_4_beside_a_greedy_one),
        cmocka_unit_test(a_rate_is_a_limit_unless_it_says_extra),
        cmocka_unit_test(an_idle_client_catches_up_with_a_burst_and_no_more),
        cmocka_unit_test(a_contract_that_cannot_be_kept_is_refused),
        cmocka_unit_test(promised_rates_are_kept),
        cmocka_unit_test(a_client_has_no_more_than_it_is_allowed),
    };

    return cmocka_run_group_tests_name("core_swap_bandwidth", tests, NULL, NULL);
}
