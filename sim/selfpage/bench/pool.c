/* The tasks that are free to ask for something, and what becomes of their requests. */
#include "selfpage/bench/load.h"

#include <errno.h>

#include "os/clock.h"

static enum bench_kind draw_kind(struct bench_load *load)
{
    const unsigned *mix = load->options->mix;
    uint32_t sum = 0;
    uint32_t at;
    unsigned kind = 0;

    for (unsigned i = 0; i < BENCH_MIXED; i++)
        sum += mix[i];
    for (at = random_below(&load->random, sum); at >= mix[kind]; kind++)
        at -= mix[kind];
    return (enum bench_kind)kind;
}

/* Have some idle task make a request; there must be one. */
void bench_pool_ask(struct bench_load *load, uint64_t intended_ns)
{
    uint32_t place = random_below(&load->random, load->idle_count);
    struct bench_task *task = load->idle[place];

    load->idle[place] = load->idle[--load->idle_count];
    bench_ask_kind(task, draw_kind(load), intended_ns);
}

void bench_pool_done(struct bench_task *task, uint32_t error)
{
    struct bench_load *load = task->load;
    struct bench_result *result = load->result;

    if (!bench_meter_is_on(load, task->intended_ns) || task->index < load->options->unmeasured)
        return;
    if (error != 0)
        result->failed[task->kind]++;
    histogram_record(&result->latency[task->kind], clock_now_ns() - task->intended_ns);
    if (++load->measured == load->options->requests)
        uv_stop(&load->loop);
}

void bench_pool_idle(struct bench_task *task)
{
    struct bench_load *load = task->load;

    load->idle[load->idle_count++] = task;
    if (!load->running)
        return;
    if (load->options->outstanding > 0)
        bench_pool_ask(load, clock_now_ns());
    else if (load->waiting_first < load->waiting_end)
        bench_pool_ask(load, load->waiting[load->waiting_first++ % WAITING_MAX]);
}

void bench_pool_ready(struct bench_task *task)
{
    struct bench_load *load = task->load;

    if (task->busy) { /* revoked while it waited for an answer */
        task->busy = false;
        bench_pool_done(task, EPIPE);
        bench_pool_idle(task);
    } else if (load->options->outstanding == 0) {
        bench_pool_idle(task);
    } else {
        load->idle[load->idle_count++] = task;
    }
    if (task->counted)
        return;
    task->counted = true;
    load->ready++;
    uv_stop(&load->loop);
}

void bench_pool_lost(struct bench_task *task)
{
    struct bench_load *load = task->load;

    for (uint32_t i = 0; i < load->idle_count; i++) {
        if (load->idle[i] == task) {
            load->idle[i] = load->idle[--load->idle_count];
            return;
        }
    }
}
