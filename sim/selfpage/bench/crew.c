#include "selfpage/bench/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "selfpage/bench/ratio.h"
#include "launch/spawn.h"
#include "launch/child.h"
#include "os/clock.h"

/* From the order to run until all workers do. */
#define START_NS (20 * CLOCK_NS_PER_MS)

/* For a worker to end. */
#define WORKER_PATIENCE_MS 20000u

enum order_kind { ORDER_OPEN = 1, ORDER_RUN };

/* Orders to a worker, and its answers. */
struct order {
    uint32_t kind;
    uint32_t count;    /* ORDER_OPEN: tasks of this worker */
    uint64_t start_ns; /* ORDER_RUN */
};
struct answer {
    int32_t code;
    struct sp_error error;
};

struct crew_worker {
    struct bench_options options;
    struct bench_result result;
    const char *path;
    struct bench_use *use; /* of its tasks */
    int fd;                /* the parent's, to the worker */
    int parent_fd;         /* the worker's, to the parent */
    int core;
    pid_t pid;
};

/* ---- A worker ---- */

static void wait_until(uint64_t when_ns)
{
    struct timespec when = {.tv_sec = (time_t)(when_ns / CLOCK_NS_PER_S),
                            .tv_nsec = (long)(when_ns % CLOCK_NS_PER_S)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
        continue;
}

static int order_obey(struct crew_worker *worker, struct bench_load *load,
                      const struct order *order, struct sp_error *error)
{
    if (order->kind == ORDER_OPEN)
        return bench_load_open(load, order->count, error);
    load->use = worker->use;
    wait_until(order->start_ns);
    return bench_load_run(load, NULL, NULL, error);
}

static int worker_main(void *arg)
{
    struct crew_worker *worker = arg;
    struct bench_load *load = calloc(1, sizeof(*load));
    struct answer answer = {0};
    struct order order;

    if (load == NULL || machine_pin(worker->core) != 0)
        return 1;
    answer.code =
        bench_load_init(load, &worker->options, &worker->result, worker->path, &answer.error);
    while (recv(worker->parent_fd, &order, sizeof(order), MSG_WAITALL) == sizeof(order)) {
        if (answer.code == 0)
            answer.code = order_obey(worker, load, &order, &answer.error);
        if (send(worker->parent_fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
            break;
    }
    bench_load_fini(load);
    free(load);
    return 0;
}

/* ---- The crew ---- */

/* How many of `whole` are the share of worker `i`. */
static uint32_t share_of(uint32_t whole, unsigned i, unsigned workers)
{
    return (uint32_t)((uint64_t)whole * (i + 1) / workers - (uint64_t)whole * i / workers);
}

static void worker_set(struct crew *crew, unsigned i, const char *path)
{
    const struct bench_options *options = crew->options;
    struct crew_worker *worker = &crew->worker[i];
    struct bench_options *own = &worker->options;
    unsigned workers = crew->workers;
    uint32_t first = (uint32_t)((uint64_t)options->tasks * i / workers);

    *own = *options;
    own->first = first;
    own->tasks = share_of(options->tasks, i, workers);
    own->slow = share_of(options->slow, i, workers);
    own->silent = share_of(options->silent, i, workers);
    /* Shares are rounded differently; the slow ones come first. */
    if (own->slow > own->tasks)
        own->slow = own->tasks;
    if (own->silent > own->tasks - own->slow)
        own->silent = own->tasks - own->slow;
    own->settle = false; /* all measure at the same time */
    own->rate = options->rate * own->tasks / options->tasks;
    own->outstanding = share_of(options->outstanding, i, workers);
    own->requests = (options->requests + workers - 1) / workers;
    own->seed = options->seed + i;
    worker->path = path;
    worker->use = crew->use + (size_t)first * BENCH_SAMPLES;
    worker->core = options->worker_core[i % options->worker_cores];
}

static int worker_start(struct crew_worker *worker, pid_t group, struct sp_error *error)
{
    struct spawn spawn = {SPAWN_DEFAULTS, .group = group};
    int fds[2], code;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return error_set(error, errno, "socketpair: %s", strerror(errno));
    worker->fd = fds[0];
    worker->parent_fd = fds[1];
    spawn.closed = fds[0];
    fflush(NULL);
    code = spawn_function(&spawn, worker_main, worker, &worker->pid, error);
    close(fds[1]);
    return code;
}

static void *shared_memory(size_t size)
{
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return base == MAP_FAILED ? NULL : base;
}

static int workers_start(struct crew *crew, const char *path, pid_t group, struct sp_error *error)
{
    int code = 0;

    crew->worker_size = crew->workers * sizeof(*crew->worker);
    crew->worker = shared_memory(crew->worker_size);
    if (crew->worker == NULL)
        return error_set(error, ENOMEM, "out of memory");
    for (unsigned i = 0; i < crew->workers; i++)
        crew->worker[i].fd = -1;
    for (unsigned i = 0; i < crew->workers && code == 0; i++) {
        worker_set(crew, i, path);
        code = worker_start(&crew->worker[i], group, error);
    }
    return code;
}

int crew_start(struct crew *crew, const struct bench_options *options, const char *path,
               pid_t group, struct bench_result *result, struct sp_error *error)
{
    *crew = (struct crew){.options = options, .result = result, .workers = options->processes};
    crew->use_size = (size_t)options->tasks * BENCH_SAMPLES * sizeof(*crew->use);
    crew->use = shared_memory(crew->use_size);
    if (crew->use == NULL)
        return error_set(error, ENOMEM, "out of memory");
    result->frames = options->frames;
    if (crew->workers > 0)
        return workers_start(crew, path, group, error);
    crew->own = calloc(1, sizeof(*crew->own));
    if (crew->own == NULL)
        return error_set(error, ENOMEM, "out of memory");
    crew->own->use = crew->use;
    return bench_load_init(crew->own, options, result, path, error);
}

void crew_watch(const struct crew *crew, struct machine *machine)
{
    machine_watch(machine, getpid(), crew->options->core[0]);
    for (unsigned i = 0; i < crew->workers; i++)
        machine_watch(machine, crew->worker[i].pid, crew->worker[i].core);
}

static int worker_order(struct crew_worker *worker, const struct order *order,
                        struct sp_error *error)
{
    if (send(worker->fd, order, sizeof(*order), MSG_NOSIGNAL) == sizeof(*order))
        return 0;
    return error_set(error, EPIPE, "a process of tasks has ended");
}

static int worker_answer(struct crew_worker *worker, struct sp_error *error)
{
    struct answer answer;

    if (recv(worker->fd, &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
        return error_set(error, EPIPE, "a process of tasks has ended");
    if (answer.code != 0)
        *error = answer.error;
    return answer.code;
}

int crew_open(struct crew *crew, uint32_t count, struct sp_error *error)
{
    struct order order = {.kind = ORDER_OPEN};
    int code = 0;

    if (crew->own != NULL)
        return bench_load_open(crew->own, count, error);
    /* One after the other: fewer at once than physmem's listener lets wait. */
    for (unsigned i = 0; i < crew->workers && code == 0; i++) {
        order.count = share_of(count, i, crew->workers);
        if (order.count > crew->worker[i].options.tasks)
            order.count = crew->worker[i].options.tasks;
        code = worker_order(&crew->worker[i], &order, error);
        if (code == 0)
            code = worker_answer(&crew->worker[i], error);
    }
    return code;
}

/* Add what a worker has measured. */
static void result_add(struct bench_result *sum, const struct bench_result *part, bool first)
{
    for (unsigned i = 0; i < BENCH_KIND_COUNT; i++) {
        histogram_add(&sum->latency[i], &part->latency[i]);
        sum->failed[i] += part->failed[i];
    }
    histogram_add(&sum->recall, &part->recall);
    histogram_add(&sum->reuse, &part->reuse);
    if (part->seconds > sum->seconds)
        sum->seconds = part->seconds;
    if (part->warmup_ns > sum->warmup_ns)
        sum->warmup_ns = part->warmup_ns;
    sum->revoked += part->revoked;
    sum->revoked_compliant += part->revoked_compliant;
    sum->slow_recalls += part->slow_recalls;
    sum->unsent += part->unsent;
    if (first || part->samples < sum->samples)
        sum->samples = part->samples;
    for (uint32_t i = 0; first && i < part->samples; i++)
        sum->times[i] = part->times[i];
}

static int workers_run(struct crew *crew, void (*between)(void *arg), void *arg,
                       struct sp_error *error)
{
    struct order order = {.kind = ORDER_RUN, .start_ns = clock_now_ns() + START_NS};
    int code = 0;

    for (unsigned i = 0; i < crew->workers && code == 0; i++)
        code = worker_order(&crew->worker[i], &order, error);
    if (code != 0)
        return code;
    wait_until(order.start_ns + crew->options->warmup_ns);
    between(arg);
    for (unsigned i = 0; i < crew->workers && code == 0; i++) {
        code = worker_answer(&crew->worker[i], error);
        result_add(crew->result, &crew->worker[i].result, i == 0);
    }
    if (code == 0)
        between(arg);
    return code;
}

/* Keep the samples beyond the end of the crew, and say what they come to. */
static int samples_finish(struct crew *crew, struct sp_error *error)
{
    struct bench_result *result = crew->result;

    result->use = malloc(crew->use_size);
    if (result->use == NULL)
        return error_set(error, ENOMEM, "out of memory");
    memcpy(result->use, crew->use, crew->use_size);
    if (bench_use_finish(crew->options, result) != 0)
        return error_set(error, ENOMEM, "out of memory");
    return 0;
}

int crew_run(struct crew *crew, void (*between)(void *arg), void *arg, struct sp_error *error)
{
    int code = crew->own != NULL ? bench_load_run(crew->own, between, arg, error)
                                 : workers_run(crew, between, arg, error);

    bench_use_correct(crew->result, crew->options->outstanding);
    return code == 0 ? samples_finish(crew, error) : code;
}

void crew_end(struct crew *crew)
{
    int status;

    if (crew->own != NULL)
        bench_load_fini(crew->own);
    free(crew->own);
    for (unsigned i = 0; i < crew->workers && crew->worker != NULL; i++) {
        if (crew->worker[i].fd >= 0) {
            /* The end of its orders; close would not do, since later workers have a copy. */
            shutdown(crew->worker[i].fd, SHUT_RDWR);
            close(crew->worker[i].fd);
        }
        if (crew->worker[i].pid != 0)
            child_end(crew->worker[i].pid, 0, WORKER_PATIENCE_MS, &status);
    }
    if (crew->worker != NULL)
        munmap(crew->worker, crew->worker_size);
    if (crew->use != NULL)
        munmap(crew->use, crew->use_size);
    *crew = (struct crew){0};
}
