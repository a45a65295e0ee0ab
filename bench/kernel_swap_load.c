#include "kernel_swap_load.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <selfpage/selfpage.h>

#include "base/random.h"

#define WORDS (SP_PAGE_SIZE / sizeof(uint64_t))

/* The exponent that makes a uniform number skewed: a quarter of the pages gets four fifths of the
 * references. */
#define SKEW 6.0

/* An odd number: multiplied by it, neighbours lie far apart, and no two pages become one. */
#define SCATTER UINT32_C(2654435761)

struct worker {
    pthread_t thread;
    struct load *load;
    const struct load_round *round;
    struct random_source random;
    uint32_t number;
    bool good;
};

/* What a word of a page holds; the first word also says how often the page was written. */
static uint64_t content(uint32_t page, uint32_t word, uint32_t version)
{
    uint64_t x = ((uint64_t)page << 32 | word << 16 | 1) + version * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 27;
}

static volatile uint64_t *words(const struct load *load, uint32_t page)
{
    return (volatile uint64_t *)(void *)(load->base + (size_t)page * SP_PAGE_SIZE);
}

bool kernel_swap_load_fill(struct load *load)
{
    load->version = calloc(load->pages, sizeof(*load->version));
    if (load->version == NULL)
        return false;
    for (uint32_t page = 0; page < load->pages; page++)
        for (uint32_t word = 0; word < WORDS; word++)
            words(load, page)[word] = content(page, word, 0);
    return true;
}

static uint32_t page_next(struct worker *worker, uint32_t i)
{
    const struct load *load = worker->load;
    uint32_t share = load->pages / worker->round->threads;

    switch ((enum load_order)worker->round->order) {
    case LOAD_RANDOM:
        return random_below(&worker->random, load->pages);
    case LOAD_SCAN:
        return worker->number * share + i % share;
    case LOAD_SKEWED:
        break;
    }
    return (uint32_t)(pow(random_unit(&worker->random), SKEW) * load->pages) * SCATTER &
           (load->pages - 1);
}

static bool refer(struct worker *worker, uint32_t page, bool write)
{
    struct load *load = worker->load;
    volatile uint64_t *word = words(load, page);

    /* A page is written by one thread, so that its version needs no lock. */
    if (worker->round->threads > 1 && worker->round->writes &&
        page / (load->pages / worker->round->threads) != worker->number)
        return *word != 0;
    if (*word != content(page, 0, load->version[page]))
        return false;
    if (write)
        *word = content(page, 0, ++load->version[page]);
    return true;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    uint32_t references = worker->round->references / worker->round->threads;

    worker->good = true;
    if (worker->load->task != NULL && sp_thread_begin(worker->load->task) != 0)
        worker->good = false;
    for (uint32_t i = 0; worker->good && i < references; i++) {
        bool write = worker->round->writes && random_below(&worker->random, 4) == 0;

        worker->good = refer(worker, page_next(worker, i), write);
    }
    if (worker->load->task != NULL)
        sp_thread_end(worker->load->task);
    return NULL;
}

double kernel_swap_load_run(struct load *load, const struct load_round *round)
{
    struct worker worker[LOAD_THREADS];
    struct timespec begin, end;
    uint32_t started = 0;
    bool good = true;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    while (good && started < round->threads) {
        worker[started] = (struct worker){
            .load = load, .round = round, .random = random_seeded(++load->seed), .number = started};
        good = pthread_create(&worker[started].thread, NULL, work, &worker[started]) == 0;
        started += good;
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(worker[i].thread, NULL);
        good = good && worker[i].good;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!good)
        return -1;
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
           round->references;
}

bool kernel_swap_load_compare(const struct load *load)
{
    for (uint32_t page = 0; page < load->pages; page++)
        for (uint32_t word = 0; word < WORDS; word++)
            if (words(load, page)[word] != content(page, word, word == 0 ? load->version[page] : 0))
                return false;
    return true;
}
