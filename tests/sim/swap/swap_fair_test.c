/* Which job begins next: turns between clients, and loads that pass stores. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "fair.h"

#define CLIENTS   8u
#define JOBS_MOST 400u

struct scene {
    struct swap_turns turns;
    struct client *client[CLIENTS];
    struct swap_job *job[JOBS_MOST];
    uint32_t jobs;
};

static int scene_begin(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    if (scene == NULL)
        return -1;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        scene->client[i] = calloc(1, sizeof(*scene->client[i]));
        if (scene->client[i] == NULL)
            return -1;
        scene->client[i]->references = 1;
        scene->client[i]->number = i;
    }
    *state = scene;
    return 0;
}

static int scene_end(void **state)
{
    struct scene *scene = *state;

    while (scene->turns.rota.count > 0) {
        struct client *client = fair_take(&scene->turns);

        while (client->first_job != NULL)
            fair_pop(&scene->turns, client);
        fair_return(&scene->turns, client);
    }
    for (uint32_t i = 0; i < scene->jobs; i++)
        free(scene->job[i]);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(scene->client[i]->references, 1); /* none is left behind */
        free(scene->client[i]);
    }
    free(scene);
    return 0;
}

/* A job of `count` pages at places, or of slots, from `first` on. Its sequence number says which it is. */
static void add(struct scene *scene, uint32_t client, enum swap_job_kind kind, uint32_t first,
                uint32_t count)
{
    struct swap_job *job = calloc(1, sizeof(*job) + count * sizeof(job->page[0]));

    assert_non_null(job);
    assert_true(scene->jobs < JOBS_MOST);
    job->kind = (uint8_t)kind;
    job->count = (uint16_t)count;
    job->number = client;
    job->seq = scene->jobs;
    for (uint32_t i = 0; i < count; i++) {
        job->page[i].offset = first + i;
        job->page[i].slot = first + i;
    }
    scene->job[scene->jobs++] = job;
    fair_add(&scene->turns, scene->client[client], job);
}

/* The jobs of one client stand in this order. */
static void expect_order(struct scene *scene, uint32_t client, const uint32_t *order,
                         uint32_t count)
{
    const struct swap_job *job = scene->client[client]->first_job;

    for (uint32_t i = 0; i < count; i++, job = job->next) {
        assert_non_null(job);
        assert_int_equal(job->seq, order[i]);
    }
    assert_null(job);
}

/* A client has a turn, which it uses as far as it goes. Returns its number; the pages are added to *pages. */
static uint32_t take_turn(struct scene *scene, uint32_t *pages)
{
    struct client *client = fair_take(&scene->turns);
    uint32_t number = client->number;

    while (client->first_job != NULL && client->turn.deficit >= fair_cost(client->first_job)) {
        uint32_t cost = fair_cost(client->first_job);

        client->turn.deficit -= cost;
        *pages += cost;
        fair_pop(&scene->turns, client);
    }
    fair_return(&scene->turns, client);
    return number;
}

static void a_load_passes_stores_and_frees(void **state)
{
    static const uint32_t order[] = {2, 0, 1};

    add(*state, 0, SWAP_JOB_STORE, 0, 4);
    add(*state, 0, SWAP_JOB_FREE, 10, 4);
    add(*state, 0, SWAP_JOB_LOAD, 20, 2);
    expect_order(*state, 0, order, 3);
}

static void a_load_keeps_behind_what_names_its_places_or_slots(void **state)
{
    static const uint32_t order[] = {0, 2, 1}, freed[] = {3, 4};

    add(*state, 0, SWAP_JOB_STORE, 18, 4); /* reads place 20, which the load overwrites */
    add(*state, 0, SWAP_JOB_STORE, 40, 4);
    add(*state, 0, SWAP_JOB_LOAD, 20, 2);
    expect_order(*state, 0, order, 3);
    add(*state, 1, SWAP_JOB_FREE, 5, 1); /* afterwards there is nothing to load */
    add(*state, 1, SWAP_JOB_LOAD, 5, 1);
    expect_order(*state, 1, freed, 2);
}

static void a_load_keeps_behind_loads_and_reservations(void **state)
{
    static const uint32_t order[] = {1, 3, 0, 2}, reserved[] = {4, 5};

    add(*state, 0, SWAP_JOB_STORE, 0, 1);
    add(*state, 0, SWAP_JOB_LOAD, 20, 1);
    add(*state, 0, SWAP_JOB_STORE, 1, 1);
    add(*state, 0, SWAP_JOB_LOAD, 21, 1);
    expect_order(*state, 0, order, 4);
    add(*state, 1, SWAP_JOB_RESERVE, 0, 0);
    add(*state, 1, SWAP_JOB_LOAD, 20, 1);
    expect_order(*state, 1, reserved, 2);
}

/* Each job that is passed is compared page by page: a client must not have the server do much of that. */
static void a_load_does_not_pass_a_long_queue(void **state)
{
    struct scene *scene = *state;

    for (uint32_t i = 0; i < 17; i++)
        add(scene, 0, SWAP_JOB_STORE, i, 1);
    add(scene, 0, SWAP_JOB_LOAD, 100, 1);
    assert_int_equal(scene->client[0]->last_job->kind, SWAP_JOB_LOAD);
}

static void clients_get_the_same_pages_whatever_their_jobs_have(void **state)
{
    static const uint32_t sizes[3] = {1, 7, 64};
    uint32_t pages[3] = {0}, least = UINT32_MAX, most = 0;
    struct scene *scene = *state;

    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t sum = 0; sum < 200 && scene->jobs < JOBS_MOST - 8; sum += sizes[i])
            add(scene, i, SWAP_JOB_STORE, 0, sizes[i]);
    for (uint32_t turn = 0; turn < 6; turn++) {
        uint32_t got = 0, number = take_turn(scene, &got);

        pages[number] += got;
    }
    for (uint32_t i = 0; i < 3; i++) {
        least = pages[i] < least ? pages[i] : least;
        most = pages[i] > most ? pages[i] : most;
    }
    assert_in_range(most - least, 0, FAIR_PAGES);
    assert_in_range(least, FAIR_PAGES, 3 * FAIR_PAGES);
}

static void a_client_that_had_nothing_comes_before_those_that_wait(void **state)
{
    struct scene *scene = *state;
    uint32_t pages = 0;

    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t n = 0; n < 8; n++)
            add(scene, i, SWAP_JOB_STORE, n, 64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_turn(scene, &pages), i);
    add(scene, 7, SWAP_JOB_LOAD, 0, 1);
    assert_int_equal(take_turn(scene, &pages), 7);
    /* Asking again at once does not make it fresh again: each of the others has its turn first. */
    add(scene, 7, SWAP_JOB_LOAD, 0, 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(take_turn(scene, &pages), i);
    assert_int_equal(take_turn(scene, &pages), 7);
}

/* Thousands of random steps: each job leaves its queue once, loads in the order of their coming, and so do the
 * others. */
static void jobs_leave_once_and_in_order(void **state)
{
    struct random_source random = random_seeded(7);
    uint32_t last[CLIENTS][2] = {{0}}, popped = 0;
    struct scene *scene = *state;

    for (uint32_t step = 0; step < 4000; step++) {
        if (scene->jobs < JOBS_MOST && random_below(&random, 2) == 0) {
            add(scene, random_below(&random, CLIENTS),
                random_below(&random, 3) == 0 ? SWAP_JOB_LOAD : SWAP_JOB_STORE,
                random_below(&random, 64), 1 + random_below(&random, 8));
        } else if (scene->turns.rota.count > 0) {
            struct client *client = fair_take(&scene->turns);

            if (client->first_job != NULL && random_below(&random, 4) != 0) {
                const struct swap_job *job = client->first_job;
                bool load = job->kind == SWAP_JOB_LOAD;

                assert_true(job->seq + 1 > last[client->number][load]);
                last[client->number][load] = job->seq + 1;
                fair_pop(&scene->turns, client);
                popped++;
            }
            fair_return(&scene->turns, client);
        }
    }
    for (uint32_t guard = 0; scene->turns.rota.count > 0 && guard < 100000; guard++) {
        struct client *client = fair_take(&scene->turns);

        if (client->first_job != NULL) {
            fair_pop(&scene->turns, client);
            popped++;
        }
        fair_return(&scene->turns, client);
    }
    assert_int_equal(popped, scene->jobs);
    assert_int_equal(scene->turns.loads, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_load_passes_stores_and_frees),
        STORY(a_load_keeps_behind_what_names_its_places_or_slots),
        STORY(a_load_keeps_behind_loads_and_reservations),
        STORY(a_load_does_not_pass_a_long_queue),
        STORY(clients_get_the_same_pages_whatever_their_jobs_have),
        STORY(a_client_that_had_nothing_comes_before_those_that_wait),
        STORY(jobs_leave_once_and_in_order),
    };

    return cmocka_run_group_tests_name("swap_fair", tests, NULL, NULL);
}
