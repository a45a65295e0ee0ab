/* Turns of clients: how many pages each gets, and that none is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/random.h"
#include "core/swap/rota.h"

#define CLIENTS 6u
#define TURN    64u

struct queue {
    struct rota_client turns; /* first */
    uint32_t waiting;         /* jobs */
    uint64_t pages;           /* that were moved */
};

struct device {
    struct rota rota;
    struct queue queue[CLIENTS];
    struct random_source random;
    uint64_t now;
};

static void ask(struct device *device, uint32_t client, uint32_t jobs)
{
    device->queue[client].waiting += jobs;
    (void)rota_come(&device->rota, &device->queue[client].turns);
}

/* One client has its turn, with jobs of random size. Returns which. */
static uint32_t have_turn(struct device *device, bool may_break)
{
    struct queue *queue = (struct queue *)(void *)rota_take(&device->rota, TURN);

    while (queue->waiting > 0) {
        uint32_t cost = 1 + random_below(&device->random, TURN);

        if (queue->turns.deficit < cost || !rota_may(&device->rota, &queue->turns, device->now))
            break;
        if (may_break && random_below(&device->random, 8) == 0) {
            rota_hold(&device->rota, &queue->turns);
            return (uint32_t)(queue - device->queue);
        }
        queue->waiting--;
        queue->pages += cost;
        queue->turns.deficit -= cost;
        bandwidth_spend(&queue->turns.bandwidth, device->now, cost);
    }
    (void)rota_return(&device->rota, &queue->turns, queue->waiting > 0);
    return (uint32_t)(queue - device->queue);
}

static void clients_with_1_2_and_4_shares_get_pages_as_1_to_2_to_4(void **state)
{
    struct device device = {.random = random_seeded(3)};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        device.queue[i].turns.bandwidth.terms.shares = 1u << i;
        ask(&device, i, 1000000);
    }
    for (uint32_t i = 0; i < 3000; i++)
        (void)have_turn(&device, true);
    for (uint32_t i = 1; i < 3; i++) {
        uint64_t expected = device.queue[0].pages << i;

        assert_in_range(device.queue[i].pages, expected * 95 / 100, expected * 105 / 100);
    }
}

static void a_client_that_had_nothing_comes_first_once(void **state)
{
    struct device device = {.random = random_seeded(4)};

    (void)state;
    ask(&device, 0, 1000);
    ask(&device, 1, 1000);
    for (uint32_t i = 0; i < 5; i++)
        (void)have_turn(&device, false);
    ask(&device, 2, 1000);
    assert_int_equal(have_turn(&device, false), 2);
    assert_int_not_equal(have_turn(&device, false), 2);
    assert_int_not_equal(have_turn(&device, false), 2);
}

static void a_rate_that_is_due_comes_first_and_another_one_not_at_all(void **state)
{
    struct device device = {.random = random_seeded(5), .now = 1000000000};

    (void)state;
    device.queue[0].turns.bandwidth = (struct bandwidth){.terms.rate = 10, .due_ns = 1000000001};
    device.queue[1].turns.bandwidth = (struct bandwidth){.terms.rate = 10, .due_ns = 999999999};
    for (uint32_t i = 0; i < 3; i++)
        ask(&device, 2 - i, 1000);
    for (uint32_t i = 0; i < 3; i++)
        (void)rota_return(&device.rota, rota_take(&device.rota, TURN), true); /* none is fresh */
    assert_int_equal(rota_due(&device.rota, device.now), 1000000001);
    assert_int_equal(device.rota.early, 1);
    assert_int_equal(have_turn(&device, false), 1);
    assert_true(device.queue[1].pages > 0);
    for (uint32_t i = 0; i < 4; i++)
        (void)have_turn(&device, false);
    assert_int_equal(device.queue[0].pages, 0);
    assert_true(device.queue[2].pages > 0);
}

/* Clients come, ask, and leave: each one that waits has its turn, and those that left none. */
static void no_client_is_forgotten(void **state)
{
    struct device device = {.random = random_seeded(6)};
    uint64_t left;

    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t client = random_below(&device.random, CLIENTS);

        device.now += random_below(&device.random, 100000000);
        switch (random_below(&device.random, 5)) {
        case 0:
            device.queue[client].waiting = 0;
            rota_leave(&device.rota, &device.queue[client].turns);
            device.queue[client].turns.bandwidth =
                (struct bandwidth){.terms.shares = random_below(&device.random, 4),
                                   .terms.rate = random_below(&device.random, 2) * 1000};
            break;
        case 1:
            (void)rota_due(&device.rota, device.now);
            break;
        case 2:
            if (device.rota.count > 0)
                (void)have_turn(&device, true);
            break;
        default:
            ask(&device, client, 1 + random_below(&device.random, 3));
            break;
        }
        for (uint32_t c = 0; c < CLIENTS; c++)
            assert_true(device.queue[c].turns.has_turn || device.queue[c].waiting == 0);
    }
    for (uint32_t i = 0; device.rota.count > 0 && i < 1000000; i++) {
        device.now += 1000000;
        (void)rota_due(&device.rota, device.now);
        (void)have_turn(&device, false);
    }
    left = device.rota.count;
    for (uint32_t c = 0; c < CLIENTS; c++)
        left += device.queue[c].waiting;
    assert_int_equal(left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_with_1_2_and_4_shares_get_pages_as_1_to_2_to_4),
        cmocka_unit_test(a_client_that_had_nothing_comes_first_once),
        cmocka_unit_test(a_rate_that_is_due_comes_first_and_another_one_not_at_all),
        cmocka_unit_test(no_client_is_forgotten),
    };

    return cmocka_run_group_tests_name("core_swap_rota", tests, NULL, NULL);
}
