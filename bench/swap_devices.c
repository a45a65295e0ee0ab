/* Devices of the swap server: a page loaded from memory, and pages that are compressed. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "backend/registry.h"
#include "client/caller.h"
#include "os/clock.h"
#include "os/extent.h"

static const struct bench_about about = {
    .name = "bench_swap_devices",
    .claim =
        "loading a page from mem: costs at most 1.2 times a ping-pong and a copy of 4 KiB; zstd: "
        "stores at 0.9 of the rate of zstd alone",
    .subject = "swap",
    .baseline = "bare",
    .unit = "ns a page",
    .details =
        "Load. Subject: a client without the task library sends LOAD for one page to selfpage-swap\n"
        "--device mem:, and waits for the answer. Baseline: a ping-pong of 64 bytes with another\n"
        "process, and one page written to a memfd by pwrite.\n"
        "Store. Subject: 64 pages are written to a device zstd:mem: (or lz4:mem:), without the server.\n"
        "Baseline: ZSTD_compressCCtx at level 1 of the same pages, one by one, into a buffer that stays\n"
        "in the cache. Both in processor time. The pages are those of this program's file.",
    .rounds = 41,
};

#define PAGES 64u

/* ---- Loading from memory ---- */

struct load {
    struct caller caller;
    struct bench_echo echo;
    int extent; /* PAGES pages, which the server has, too */
    uint32_t slot[PAGES];
};

static void ask(struct bench *bench, struct load *load, struct wire_message *message, int fd,
                enum wire_type expected, struct wire_message *reply)
{
    int code = caller_ask(&load->caller, message, fd, reply, NULL);

    if (code < 0 || reply->type != expected || reply->error != 0)
        bench_fail(bench, "swap refuses a request: %s", strerror(code < 0 ? -code : EPROTO));
}

static void load_open(struct bench *bench, struct load *load, const uint8_t *pages)
{
    const struct hello hello = {.role = WIRE_ROLE_TASK, .name = about.name};
    struct wire_message message = {.type = WIRE_RESERVE}, reply;
    struct sp_error error;

    caller_init(&load->caller, "swap", 10000);
    if (caller_open(&load->caller, bench->directory.swap, &hello, NULL, &error) < 0)
        bench_fail(bench, "%s", error.text);
    message.reserve.add = PAGES;
    ask(bench, load, &message, -1, WIRE_RESERVED, &reply);
    load->extent = extent_create("bench", PAGES, &error);
    if (load->extent < 0 ||
        pwrite(load->extent, pages, PAGES * SP_PAGE_SIZE, 0) != (ssize_t)(PAGES * SP_PAGE_SIZE))
        bench_fail(bench, "no extent: %s", strerror(errno));
    message = (struct wire_message){.type = WIRE_GIVE_EXTENT};
    message.give_extent.extent = 1;
    message.give_extent.pages = PAGES;
    ask(bench, load, &message, load->extent, WIRE_DONE, &reply);
    message = (struct wire_message){.type = WIRE_STORE};
    message.store.pages_count = PAGES;
    for (uint32_t i = 0; i < PAGES; i++)
        message.store.pages[i] = (struct wire_place){.extent = 1, .offset = i};
    ask(bench, load, &message, -1, WIRE_STORED, &reply);
    for (uint32_t i = 0; i < PAGES; i++)
        load->slot[i] = reply.stored.slots[i].slot;
}

static double load_subject(struct bench *bench, struct load *load, uint32_t count)
{
    struct wire_message message = {.type = WIRE_LOAD}, reply;
    uint64_t start = clock_now_ns();

    message.load.pages_count = 1;
    for (uint32_t i = 0; i < count; i++) {
        message.load.pages[0] =
            (struct wire_loading){.slot = load->slot[i % PAGES], .extent = 1, .offset = i % PAGES};
        ask(bench, load, &message, -1, WIRE_LOADED, &reply);
        if (reply.loaded.errors[0].value != 0)
            bench_fail(bench, "a page cannot be loaded");
    }
    return (double)(clock_now_ns() - start) / count;
}

static double load_baseline(struct bench *bench, const struct load *load, const uint8_t *pages,
                            uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (!bench_echo_ask(&load->echo) ||
            pwrite(load->extent, pages + (size_t)(i % PAGES) * SP_PAGE_SIZE, SP_PAGE_SIZE,
                   (off_t)(i % PAGES) * SP_PAGE_SIZE) != (ssize_t)SP_PAGE_SIZE)
            bench_fail(bench, "the baseline broke off");
    return (double)(clock_now_ns() - start) / count;
}

static void measure_load(struct bench *bench, const uint8_t *pages)
{
    static struct load load;
    uint32_t count = bench_scale(bench, 1000, 10);
    struct bench_row *row = bench_row(bench, 1.2, "mem:, a load");

    bench_start_swap_on(bench, 2 * PAGES, "mem:");
    load_open(bench, &load, pages);
    bench_echo_start(bench, &load.echo);
    for (unsigned round = 0; round < bench->rounds; round++) {
        double subject = load_subject(bench, &load, count);

        bench_round(bench, row, subject, load_baseline(bench, &load, pages, count));
    }
    bench_threads(bench, "swap", bench->swap.pid);
    bench_threads(bench, "ping-pong", load.echo.pid);
    bench_echo_stop(&load.echo);
    caller_close(&load.caller);
    close(load.extent);
}

/* ---- Storing compressed ---- */

/* Processor time of this thread: nothing waits here, and others may be at work. */
static uint64_t processor_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void *device_start(struct bench *bench, const struct swap_backend *backend, uint32_t pages)
{
    const struct swap_backend_wish wish = {
        .place = "mem:", .pages = pages, .find = backend_registry_find};
    struct swap_backend_facts facts = {0};
    struct sp_error error;
    void *device;

    if (backend->open(&device, &wish, &facts, &error) < 0 ||
        backend->finish(device, &facts, &error) < 0)
        bench_fail(bench, "%s", error.text);
    return device;
}

static double store_subject(struct bench *bench, const struct swap_backend *backend, void *device,
                            const uint8_t *pages, uint32_t count)
{
    uint64_t start = processor_ns();

    for (uint32_t i = 0; i < count; i++)
        if (backend->write(device, 0, PAGES, pages) < 0)
            bench_fail(bench, "a page cannot be stored");
    return (double)(processor_ns() - start) / count / PAGES;
}

static double store_baseline(struct bench *bench, ZSTD_CCtx *context, const uint8_t *pages,
                             uint32_t count)
{
    static uint8_t to[2 * SP_PAGE_SIZE];
    uint64_t start = processor_ns();

    for (uint32_t i = 0; i < count * PAGES; i++)
        if (ZSTD_isError(ZSTD_compressCCtx(context, to, sizeof(to),
                                           pages + (size_t)(i % PAGES) * SP_PAGE_SIZE, SP_PAGE_SIZE,
                                           1)))
            bench_fail(bench, "zstd fails");
    return (double)(processor_ns() - start) / count / PAGES;
}

static void measure_store(struct bench *bench, const struct swap_backend *backend, double limit,
                          const uint8_t *pages)
{
    struct bench_row *row = bench_row(bench, limit, "%s:mem:, a store", backend->name);
    void *device = device_start(bench, backend, PAGES);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    uint32_t count = bench_scale(bench, 10, 1);

    if (context == NULL)
        bench_fail(bench, "out of memory");
    for (unsigned round = 0; round < bench->rounds; round++) {
        double subject = store_subject(bench, backend, device, pages, count);

        bench_round(bench, row, subject, store_baseline(bench, context, pages, count));
    }
    ZSTD_freeCCtx(context);
    backend->close(device);
}

/* Fill the pages with this program's file, over and over if it is short. */
static void pages_read(struct bench *bench, uint8_t *pages)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    off_t from = 0;

    if (fd < 0)
        bench_fail(bench, "cannot read this program: %s", strerror(errno));
    for (uint32_t i = 0; i < PAGES; i++, from += SP_PAGE_SIZE) {
        ssize_t got = pread(fd, pages + (size_t)i * SP_PAGE_SIZE, SP_PAGE_SIZE, from);

        if (got < 0 || (got < (ssize_t)SP_PAGE_SIZE && from == 0))
            bench_fail(bench, "cannot read this program");
        if (got < (ssize_t)SP_PAGE_SIZE) {
            i--;
            from = -(off_t)SP_PAGE_SIZE;
        }
    }
    close(fd);
}

int main(int argc, char **argv)
{
    uint8_t *pages = aligned_alloc(SP_PAGE_SIZE, PAGES * SP_PAGE_SIZE);
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    if (pages == NULL)
        bench_fail(&bench, "out of memory");
    pages_read(&bench, pages);
    measure_load(&bench, pages);
    measure_store(&bench, &backend_zstd, 1 / 0.9, pages);
    measure_store(&bench, &backend_lz4, BENCH_NO_LIMIT, pages);
    free(pages);
    return bench_finish(&bench);
}
