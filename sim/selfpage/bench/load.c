/* When tasks of the benchmark ask for something, and what is measured.
 *
 * Open loop: arrivals are a Poisson process whose moments do not depend on how fast physmem answers;
 * one that finds no task free waits, and its latency counts from when it was to be sent, so that
 * waiting is not hidden. Closed loop: the next request is made when one is answered. */
#include "selfpage/bench/load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/error.h"
#include "os/clock.h"

/* How often slow tasks are looked at. */
#define SLOW_PERIOD_MS 5u

/* After the measurement, requests that are under way may take so long to be answered. */
#define DRAIN_MS 2000u

/* Tasks that are connected at the same time: fewer than a listener lets wait. */
#define OPENING_MAX 32u

/* While the load warms up: looks at the use in half of its time; what may change from half to half; and how often the
 * time is taken at most. */
#define LOOKS        20u
#define SETTLED      0.02
#define WARMUPS_MOST 10u

/* ---- Requests ---- */

static void arrive(struct bench_load *load, uint64_t intended_ns)
{
    if (load->idle_count > 0)
        bench_pool_ask(load, intended_ns);
    else if (load->waiting_end - load->waiting_first < WAITING_MAX)
        load->waiting[load->waiting_end++ % WAITING_MAX] = intended_ns;
    else
        load->result->unsent++;
}

static void arm_arrival(struct bench_load *load)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(load->next_arrival_ns / CLOCK_NS_PER_S),
                     .tv_nsec = (long)(load->next_arrival_ns % CLOCK_NS_PER_S)},
    };

    if (timerfd_settime(load->arrival_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        bench_meter_fail(load, "timerfd_settime: %s", strerror(errno));
}

static void on_arrival(uv_poll_t *poll, int status, int events)
{
    struct bench_load *load = poll->data;
    uint64_t now = clock_now_ns();
    uint64_t count;
    double gap;

    (void)status;
    (void)events;
    if (read(load->arrival_fd, &count, sizeof(count)) != (ssize_t)sizeof(count))
        return; /* armed anew meanwhile */
    while (load->running && load->next_arrival_ns <= now) {
        arrive(load, load->next_arrival_ns);
        gap = -log(1 - random_unit(&load->random)) / load->options->rate;
        load->next_arrival_ns += (uint64_t)(gap * (double)CLOCK_NS_PER_S);
    }
    if (load->running)
        arm_arrival(load);
}

/* ---- Timers ---- */

static void on_sample(uv_timer_t *timer)
{
    bench_use_sample(timer->data);
}

static void on_slow(uv_timer_t *timer)
{
    struct bench_load *load = timer->data;
    uint64_t now = clock_now_ns();

    for (uint32_t i = 0; i < load->options->slow; i++) {
        if (bench_meter_is_on(load, now)) {
            load->result->slow_looks++;
            load->result->slow_owing += load->task[i].owed > 0;
        }
        bench_task_look(&load->task[i], now);
    }
}

static void on_phase(uv_timer_t *timer)
{
    struct bench_load *load = timer->data;

    uv_stop(&load->loop);
}

/* ---- Life ---- */

static bool has_demand(const struct bench_options *options)
{
    return options->demand.kind != DEMAND_NONE;
}

static uint32_t mean_wish(const struct bench_options *options)
{
    /* Of its contracts a task has about half on average. */
    double mean = options->contention * options->frames / options->all / (BENCH_CONTRACTS / 2);

    return mean < 1 ? 1 : (uint32_t)mean;
}

int bench_load_init(struct bench_load *load, const struct bench_options *options,
                    struct bench_result *result, const char *path, struct sp_error *error)
{
    load->options = options;
    load->result = result;
    load->path = path;
    load->on_message = bench_task_receive;
    load->on_ended = bench_task_ended;
    load->arrival_fd = -1;
    load->random = random_seeded(options->seed);
    load->mean = mean_wish(options);
    load->slots = has_demand(options) ? options->frames : 4 * BENCH_CONTRACTS * load->mean;
    for (unsigned i = 0; i < BENCH_TERM_KINDS; i++)
        load->kinds += options->kinds[i];
    load->measure_from = load->measure_until = UINT64_MAX;
    result->frames = options->frames;
    if (uv_loop_init(&load->loop) != 0)
        return error_set(error, EMFILE, "cannot make a loop");
    load->looped = true;
    load->task = calloc(options->tasks, sizeof(*load->task));
    load->idle = calloc(options->tasks, sizeof(struct bench_task *));
    load->asking = calloc(options->tasks, sizeof(struct bench_task *));
    load->waiting = calloc(WAITING_MAX, sizeof(*load->waiting));
    load->arrival_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (load->task == NULL || load->idle == NULL || load->asking == NULL || load->waiting == NULL ||
        load->arrival_fd < 0)
        return error_set(error, ENOMEM, "out of memory or descriptors");
    if (uv_poll_init(&load->loop, &load->arrival, load->arrival_fd) != 0)
        return error_set(error, ENOMEM, "cannot watch a timer");
    uv_timer_init(&load->loop, &load->sample);
    uv_timer_init(&load->loop, &load->slow);
    uv_timer_init(&load->loop, &load->phase);
    load->arrival.data = load->sample.data = load->slow.data = load->phase.data = load;
    return 0;
}

static int load_result(const struct bench_load *load, struct sp_error *error)
{
    if (!load->failed)
        return 0;
    *error = load->error;
    return -EIO;
}

int bench_load_open(struct bench_load *load, uint32_t count, struct sp_error *error)
{
    if (load->begun_ns == 0)
        load->begun_ns = clock_now_ns();
    if (load->observer.load == NULL) {
        load->observer.load = load;
        bench_link_open(&load->observer.request, &load->observer, WIRE_ROLE_OBSERVER);
    }
    while (load->ready < count && !load->failed) {
        while (load->tasks < count && load->tasks - load->ready < OPENING_MAX && !load->failed) {
            struct bench_task *task = &load->task[load->tasks];

            task->load = load;
            task->stack.fd = -1;
            task->index = load->tasks++;
            if (task->index < load->options->slow)
                task->temper = BENCH_SLOW;
            else if (task->index < load->options->slow + load->options->silent)
                task->temper = BENCH_SILENT;
            bench_task_open(task);
        }
        if (!load->failed)
            uv_run(&load->loop, UV_RUN_DEFAULT);
    }
    return load_result(load, error);
}

/* Run the loop for so long. */
static void run_for(struct bench_load *load, uint64_t ns)
{
    if (load->failed)
        return;
    uv_timer_start(&load->phase, on_phase, ns / CLOCK_NS_PER_MS, 0);
    uv_run(&load->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&load->phase);
}

/* Run the loop for so long, and return how much of what could be used was, on average. */
static double run_looking(struct bench_load *load, uint64_t ns)
{
    double sum = 0;

    for (unsigned look = 0; look < LOOKS; look++) {
        struct bench_filling filling = {0};

        run_for(load, ns / LOOKS);
        for (uint32_t i = 0; i < load->tasks; i++)
            bench_use_fill(&filling, (struct bench_use){bench_task_held(&load->task[i]),
                                                        bench_ask_demand(&load->task[i])});
        sum += bench_use_filled(&filling, load->options, load->options->frames);
    }
    return sum / LOOKS;
}

/* So long as was said; or until use is as it was half of that time before, several times as long at most. */
static void warm_up(struct bench_load *load)
{
    const struct bench_options *options = load->options;
    uint64_t half = options->warmup_ns / 2;
    uint64_t done = options->warmup_ns;
    double before, now;

    if (options->settle) {
        before = run_looking(load, half);
        now = run_looking(load, half);
        while (fabs(now - before) > SETTLED && done < WARMUPS_MOST * options->warmup_ns &&
               !load->failed) {
            before = now;
            now = run_looking(load, half);
            done += half;
        }
    } else {
        run_for(load, done);
    }
    load->result->warmup_ns = done;
}

/* Until the measurement is over. */
static void run_measured(struct bench_load *load)
{
    if (load->options->requests == 0)
        run_for(load, load->options->duration_ns);
    while (load->measured < load->options->requests && !load->failed)
        uv_run(&load->loop, UV_RUN_DEFAULT);
}

static void start_requests(struct bench_load *load)
{
    load->running = true;
    uv_update_time(&load->loop);
    if (load->options->slow > 0)
        uv_timer_start(&load->slow, on_slow, SLOW_PERIOD_MS, SLOW_PERIOD_MS);
    if (load->options->outstanding > 0) {
        for (uint32_t i = 0; i < load->options->outstanding && load->idle_count > 0; i++)
            bench_pool_ask(load, clock_now_ns());
        return;
    }
    uv_poll_start(&load->arrival, UV_READABLE, on_arrival);
    load->next_arrival_ns = clock_now_ns();
    arm_arrival(load);
}

/* No more requests; let those under way be answered, for some time at most. */
static void stop_requests(struct bench_load *load)
{
    uint64_t until = clock_now_ns() + DRAIN_MS * CLOCK_NS_PER_MS;

    load->running = false;
    uv_poll_stop(&load->arrival);
    for (uint32_t i = 0; i < load->options->slow; i++) {
        load->task[i].temper = BENCH_PROMPT; /* all is measured: do not wait for them */
        bench_task_look(&load->task[i], clock_now_ns());
    }
    while (load->idle_count < load->tasks && clock_now_ns() < until && !load->failed)
        run_for(load, CLOCK_NS_PER_MS);
    uv_timer_stop(&load->slow);
    load->result->unsent += load->waiting_end - load->waiting_first;
    load->waiting_first = load->waiting_end;
}

int bench_load_run(struct bench_load *load, void (*between)(void *arg), void *arg,
                   struct sp_error *error)
{
    const struct bench_options *options = load->options;
    uint64_t period = options->duration_ns / BENCH_SAMPLES / CLOCK_NS_PER_MS;

    start_requests(load);
    warm_up(load);
    if (load->failed)
        return load_result(load, error);
    if (between != NULL)
        between(arg);
    load->next_arrival_ns = clock_now_ns(); /* those that we missed meanwhile were not measured */
    load->measure_from = load->next_arrival_ns;
    load->measure_until =
        options->requests > 0 ? UINT64_MAX : load->measure_from + options->duration_ns;
    load->measured = 0;
    uv_update_time(&load->loop);
    period = period > 0 ? period : 1;
    uv_timer_start(&load->sample, on_sample, period, period);
    run_measured(load);
    load->measure_until = clock_now_ns();
    load->result->seconds = (double)(clock_now_ns() - load->measure_from) / CLOCK_NS_PER_S;
    uv_timer_stop(&load->sample);
    bench_use_sample(load); /* at least one */
    stop_requests(load);
    if (!load->failed && between != NULL)
        between(arg);
    return load_result(load, error);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void bench_load_fini(struct bench_load *load)
{
    bench_link_close(&load->observer.request);
    for (uint32_t i = 0; i < load->tasks; i++) {
        bench_link_close(&load->task[i].control);
        bench_link_close(&load->task[i].request);
        bench_map_fini(&load->task[i]);
        shared_close(&load->task[i].stack);
    }
    if (load->looped) {
        uv_walk(&load->loop, close_handle, NULL);
        uv_run(&load->loop, UV_RUN_DEFAULT);
        uv_loop_close(&load->loop);
    }
    if (load->arrival_fd >= 0)
        close(load->arrival_fd);
    free(load->task);
    free(load->idle);
    free(load->asking);
    free(load->waiting);
}
