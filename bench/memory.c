/* What Selfpage costs in memory: in physmem a frame and a task, in a task a managed page. */
#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/limits.h"
#include "peer.h"

static const struct bench_about about = {
    .name = "bench_memory",
    .claim = "physmem needs at most 64 bytes a frame and 2048 bytes a task at rest, a task at most "
             "48 bytes a managed page",
    .unit = "bytes",
    .details =
        "Private memory is what /proc/PID/smaps_rollup calls Anonymous: heap, stacks and data that\n"
        "were touched, not the memory that is managed. Each number is the difference between a large\n"
        "and a small case, divided by how much larger it is, so that what a process costs anyway\n"
        "does not count:\n"
        "  a frame: physmem with 2^18 and with 2^12 frames; idle, and all allocated to one task\n"
        "  (in one container of so many slots) and mapped by it;\n"
        "  a task: 1,000 tasks and none, each with a request and a control connection, a guaranteed\n"
        "  contract of one frame, and a container of 4,096 slots;\n"
        "  a managed page: all pages of a region touched and resident, 20,480 and 4,096 of them.\n"
        "The kernel's own memory (sockets, page tables, mappings) is not counted.",
    .rounds = 1,
};

/* Frames that the task keeps free at the end, so that no page leaves. */
#define SPARE 64u

#define FRAME_LIMIT 64
#define TASK_LIMIT  2048
#define PAGE_LIMIT  48

/* Bytes of private memory that a process has touched. */
static double private_bytes(struct bench *bench, pid_t pid)
{
    unsigned long kilobytes;
    bool found = false;
    char path[64], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        bench_fail(bench, "%s: %s", path, strerror(errno));
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "Anonymous: %lu kB", &kilobytes) == 1;
    fclose(file);
    if (!found)
        bench_fail(bench, "%s says nothing about anonymous memory", path);
    return 1024.0 * (double)kilobytes;
}

/* ---- A frame ---- */

struct frame_cost {
    double idle, allocated;
};

static struct frame_cost measure_frames(struct bench *bench, uint32_t frames)
{
    static struct peer peer;
    struct frame_cost cost;
    uint32_t container;

    bench_start_physmem(bench, frames);
    cost.idle = private_bytes(bench, bench->physmem.pid);
    peer_open(bench, &peer);
    container = peer_contract(bench, &peer, frames, frames);
    peer_allocate(bench, &peer, container, 0, frames, true);
    cost.allocated = private_bytes(bench, bench->physmem.pid);
    peer_close(&peer);
    bench_stop_servers(bench);
    return cost;
}

static void measure_frame(struct bench *bench)
{
    uint32_t small = 1u << 12, large = bench_scale(bench, 1u << 18, 1u << 13);
    struct frame_cost few = measure_frames(bench, small);
    struct frame_cost many = measure_frames(bench, large);

    bench_number(bench, (many.idle - few.idle) / (large - small), FRAME_LIMIT,
                 "physmem, a frame, idle");
    bench_number(bench, (many.allocated - few.allocated) / (large - small), FRAME_LIMIT,
                 "physmem, a frame, allocated and mapped");
}

/* ---- A task ---- */

static void measure_task(struct bench *bench)
{
    uint32_t tasks = bench_scale(bench, 1000, 10);
    struct peer *peer = calloc(tasks, sizeof(*peer));
    double before;

    if (peer == NULL)
        bench_fail(bench, "out of memory");
    bench_start_physmem(bench, 4096);
    before = private_bytes(bench, bench->physmem.pid);
    for (uint32_t i = 0; i < tasks; i++) {
        peer_open(bench, &peer[i]);
        peer_contract(bench, &peer[i], 1, 4096);
    }
    bench_number(bench, (private_bytes(bench, bench->physmem.pid) - before) / tasks, TASK_LIMIT,
                 "physmem, a task at rest");
    for (uint32_t i = 0; i < tasks; i++)
        peer_close(&peer[i]);
    free(peer);
    bench_stop_servers(bench);
}

/* ---- A managed page ---- */

struct page_case {
    const char *policy;
    uint32_t pages;
    int result; /* pipe */
};

struct page_cost {
    double attached; /* bytes that attaching took */
    double all;      /* of the whole process, when all pages are resident */
};

/* In a child: attach, touch every page, and tell how much memory that took. */
static void touch_pages(struct bench *bench, void *arg)
{
    const struct page_case *c = arg;
    struct sp_attach_options options = {.policy = c->policy};
    unsigned char *managed;
    struct sp_task *task;
    struct sp_stats stats;
    char contract[64];
    struct page_cost cost;

    cost.attached = -private_bytes(bench, getpid());
    snprintf(contract, sizeof(contract), "guaranteed=%u", c->pages + SPARE);
    options.contract = contract;
    task = bench_attach(bench, options);
    cost.attached += private_bytes(bench, getpid());
    managed = bench_region(bench, task,
                           &(struct sp_region_options){.pages = c->pages, .kind = SP_DISCARDABLE});
    for (uint32_t i = 0; i < c->pages; i++)
        managed[(size_t)i * SP_PAGE_SIZE] = 1;
    sp_get_stats(task, &stats);
    if (stats.resident != c->pages)
        bench_fail(bench, "%llu of %u pages are resident", (unsigned long long)stats.resident,
                   c->pages);
    cost.all = private_bytes(bench, getpid());
    if (write(c->result, &cost, sizeof(cost)) != (ssize_t)sizeof(cost))
        _exit(2);
    sp_detach(&task);
}

static struct page_cost measure_pages(struct bench *bench, const char *policy, uint32_t pages)
{
    struct page_case c = {.policy = policy, .pages = pages};
    struct page_cost cost;
    int fds[2];
    int status;
    pid_t pid;

    if (pipe(fds) != 0)
        bench_fail(bench, "pipe: %s", strerror(errno));
    c.result = fds[1];
    pid = bench_fork(bench, touch_pages, &c);
    close(fds[1]);
    if (read(fds[0], &cost, sizeof(cost)) != (ssize_t)sizeof(cost) ||
        waitpid(pid, &status, 0) != pid || status != 0)
        bench_fail(bench, "the task with policy %s failed", policy);
    close(fds[0]);
    return cost;
}

static void measure_page(struct bench *bench)
{
    uint32_t few = bench_scale(bench, 4096, 1024), many = bench_scale(bench, 20480, 1536);
    const struct sp_policy *policy;
    double attached = 0;

    bench_start_physmem(bench, 2 * many);
    for (size_t i = 0; (policy = sp_builtin_policy(i)) != NULL; i++) {
        struct page_cost small, large;

        if ((policy->flags & SP_POLICY_LIVE) == 0)
            continue;
        small = measure_pages(bench, policy->name, few);
        large = measure_pages(bench, policy->name, many);
        bench_number(bench, (large.all - small.all) / (many - few), PAGE_LIMIT,
                     "task, a managed page, policy %s", policy->name);
        attached = large.attached;
    }
    bench_number(bench, attached, BENCH_NO_LIMIT, "task, attached, with no page touched");
    bench_threads(bench, "bench", 0);
    bench_threads(bench, "physmem", bench->physmem.pid);
    bench_stop_servers(bench);
}

int main(int argc, char **argv)
{
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    limits_raise_files();
    measure_frame(&bench);
    measure_task(&bench);
    measure_page(&bench);
    return bench_finish(&bench);
}
