/* nbd: and nbd+unix: against nbdkit: servers that are killed, that fail, that are slow, and that cannot be used. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "backend/nbd_queue.h"
#include "backend/registry.h"
#include "base/random.h"
#include "nbd_server.h"
#include "os/clock.h"

#define PAGES   256u
#define THREADS 64u /* as many requests as a device has in flight */

struct device {
    const struct swap_backend *backend;
    char name[192];
    void *state;
    struct swap_backend_facts facts;
    struct sp_error error;
};

/* Open a device: `options` stand before the URI, as in "settle=0:". */
static int device_open(struct device *device, const char *uri, const char *options, bool sync)
{
    struct swap_backend_wish wish = {.pages = PAGES, .sync = sync, .find = backend_registry_find};
    const char *colon = strchr(uri, ':') + 1;
    int code;

    memset(device, 0, sizeof(*device));
    snprintf(device->name, sizeof(device->name), "%.*s%s%s", (int)(colon - uri), uri, options,
             colon);
    device->backend = backend_registry_find(device->name, &wish.place);
    assert_non_null(device->backend);
    code = device->backend->open(&device->state, &wish, &device->facts, &device->error);
    if (code == 0)
        code = device->backend->finish(device->state, &device->facts, &device->error);
    return code;
}

static void page_fill(uint64_t *page, uint32_t number, uint64_t version)
{
    for (uint32_t i = 0; i < SWAP_PAGE / 8; i++)
        page[i] = ((uint64_t)number << 40 | version) + i;
}

/* The version of a page; UINT64_MAX: it is none. */
static uint64_t page_version(const uint64_t *page, uint32_t number)
{
    for (uint32_t i = 1; i < SWAP_PAGE / 8; i++)
        if (page[i] != page[0] + i)
            return UINT64_MAX;
    return page[0] >> 40 == number ? page[0] & ((UINT64_C(1) << 40) - 1) : UINT64_MAX;
}

static int page_write(const struct device *device, uint32_t number, uint64_t version)
{
    uint64_t *page = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code;

    page_fill(page, number, version);
    code = device->backend->write(device->state, number, 1, page);
    free(page);
    return code;
}

static int page_read(const struct device *device, uint32_t number, uint64_t *version)
{
    uint64_t *page = aligned_alloc(SWAP_PAGE, SWAP_PAGE);
    int code = device->backend->read(device->state, number, 1, page);

    *version = page_version(page, number);
    free(page);
    return code;
}

static uint64_t reconnects(const struct device *device)
{
    struct swap_backend_counts counts = {0};

    device->backend->count(device->state, &counts);
    return counts.reconnects;
}

static uint64_t in_flight(const struct device *device)
{
    struct swap_backend_counts counts = {0};

    device->backend->count(device->state, &counts);
    return counts.in_flight;
}

/* Between two looks at what other threads bring about: they need the processor. */
static void pause_shortly(void)
{
    (void)poll(NULL, 0, 1);
}

/* ---- Killed ---- */

struct writer {
    const struct device *device;
    uint32_t first; /* of its pages */
    uint64_t seed;
    atomic_bool *stop;
    uint64_t written, refused;
    const char *problem;
};

/* Write versions of pages of one's own, and read them back: never an older one than was acknowledged. */
static void *writer_run(void *arg)
{
    struct writer *writer = arg;
    struct random_source random = random_seeded(writer->seed);
    uint64_t certain[PAGES / THREADS] = {0}, tried[PAGES / THREADS] = {0}, version = 0;

    while (!atomic_load(writer->stop) && writer->problem == NULL) {
        uint32_t i = random_below(&random, PAGES / THREADS), page = writer->first + i;
        uint64_t got;

        tried[i] = ++version;
        if (page_write(writer->device, page, version) == 0) {
            certain[i] = version;
            writer->written++;
        } else {
            writer->refused++;
        }
        if (certain[i] == 0 || page_read(writer->device, page, &got) < 0)
            continue;
        if (got < certain[i])
            writer->problem = "an older version";
        else if (got > tried[i])
            writer->problem = "no version at all";
    }
    return NULL;
}

/* Kill the server with requests in flight, and start it again, many times. SELFPAGE_NBD_KILLS says how often. */
static void an_older_version_never_comes_back(void **state)
{
    const char *options = *state, *times = getenv("SELFPAGE_NBD_KILLS");
    unsigned kills = times != NULL ? (unsigned)atoi(times) : RUNNING_ON_VALGRIND ? 3 : 15;
    uint32_t threads = RUNNING_ON_VALGRIND ? THREADS / 4 : THREADS;
    struct scratch scratch;
    char file[128];
    const char *const arguments[] = {"file", file, NULL};
    struct writer writer[THREADS];
    pthread_t thread[THREADS];
    atomic_bool stop = false;
    struct nbd_server server;
    struct device device;
    uint64_t written = 0, refused = 0, flying = 0;
    int fd;

    scratch_init(&scratch);
    snprintf(file, sizeof(file), "%s", scratch_path(&scratch, "disk"));
    fd = open(file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, PAGES * SWAP_PAGE), 0);
    close(fd);
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, options, false), 0);
    for (uint32_t i = 0; i < threads; i++) {
        writer[i] = (struct writer){
            .device = &device, .first = i * (PAGES / THREADS), .seed = i + 1, .stop = &stop};
        assert_int_equal(pthread_create(&thread[i], NULL, writer_run, &writer[i]), 0);
    }
    for (unsigned i = 0; i < kills; i++) {
        while (reconnects(&device) < i) /* requests are under way over the new connection */
            pause_shortly();
        flying += in_flight(&device);
        nbd_server_kill(&server);
        nbd_server_start(&server);
    }
    while (reconnects(&device) < kills)
        pause_shortly();
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        if (writer[i].problem != NULL)
            fail_msg("%s", writer[i].problem);
        written += writer[i].written;
        refused += writer[i].refused;
    }
    print_message("%u kills, %u requests in flight on average: %u pages written, %u refused\n",
                  kills, (unsigned)(flying / kills), (unsigned)written, (unsigned)refused);
    assert_true(written > kills);
    device.backend->close(device.state);
    nbd_server_fini(&server);
    unlink(file);
    scratch_fini(&scratch);
}

static void *write_second(void *arg)
{
    return page_write(arg, 7, 2) == 0 ? arg : NULL;
}

/* The first server may still write what it was sent: until that is settled, the page is not written anew. */
static void a_page_whose_write_is_in_doubt_is_not_written_anew(void **state)
{
    static const char *const arguments[] = {"--filter=delay", "memory", "2M", "wdelay=100", NULL};
    struct nbd_server server;
    struct device device;
    pthread_t thread;
    uint64_t version;
    void *good;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.tcp_uri, "", false), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_second, &device), 0);
    while (in_flight(&device) == 0)
        pause_shortly();
    server.argument[3] = "wdelay=0";
    nbd_server_kill(&server);
    nbd_server_start(&server);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_ptr_equal(good, &device); /* it was sent again */
    assert_int_equal(page_write(&device, 7, 3), -EIO);
    assert_int_equal(page_read(&device, 7, &version), 0);
    assert_int_equal(version, 2);
    assert_int_equal(page_write(&device, 9, 1), 0);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

static void a_sync_fails_if_the_connection_broke_after_a_write(void **state)
{
    static const char *const arguments[] = {"memory", "2M", NULL};
    struct nbd_server server;
    struct device device;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "settle=0:", true), 0);
    assert_int_equal(page_write(&device, 1, 1), 0);
    assert_int_equal(device.backend->sync(device.state), 0);
    assert_int_equal(page_write(&device, 3, 1), 0);
    nbd_server_kill(&server);
    nbd_server_start(&server);
    while (reconnects(&device) == 0)
        pause_shortly();
    assert_int_equal(device.backend->sync(device.state), -EIO);
    assert_int_equal(device.backend->sync(device.state), 0);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

static void *write_one(void *arg)
{
    struct writer *writer = arg;

    if (page_write(writer->device, writer->first, 1) < 0)
        writer->problem = "a write failed";
    return NULL;
}

/* The server comes back with an export that is too small, and then with the right one: what was asked meanwhile waits for
 * that, and nothing is written to the other. It ends when the device has left it. */
static void an_export_that_came_back_too_small_is_not_used(void **state)
{
    static const char *const arguments[] = {"--filter=exitlast", "memory", "2M", NULL};
    struct writer writer;
    pthread_t thread;
    struct nbd_server server;
    struct device device;
    uint64_t version;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "settle=0:", false), 0);
    assert_int_equal(page_write(&device, 1, 5), 0);
    nbd_server_kill(&server);
    server.argument[2] = "64K";
    writer = (struct writer){.device = &device, .first = 200};
    assert_int_equal(pthread_create(&thread, NULL, write_one, &writer), 0);
    nbd_server_start(&server);
    nbd_server_await(&server);
    server.argument[2] = "2M";
    nbd_server_start(&server);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_null(writer.problem);
    assert_int_equal(page_read(&device, 200, &version), 0);
    assert_int_equal(version, 1);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

/* ---- Slow, and failing ---- */

/* The same, again where nobody answers for so long that it is given up. */
static void *write_at_last(void *arg)
{
    struct writer *writer = arg;

    while (page_write(writer->device, writer->first, 1) < 0)
        writer->refused++;
    return NULL;
}

/* A server that answers nothing for now has 64 writes to answer, and never more; then it is killed, and another one
 * gets all of them. */
static void many_commands_are_in_flight(void **state)
{
    static const char *const arguments[] = {"--filter=delay", "memory", "2M", "wdelay=300", NULL};
    struct writer writer[70];
    pthread_t thread[70];
    struct nbd_server server;
    struct device device;
    uint64_t start = clock_now_ns(), refused = 0, version;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "settle=0:", false), 0);
    for (uint32_t i = 0; i < 70; i++) {
        writer[i] = (struct writer){.device = &device, .first = i};
        assert_int_equal(pthread_create(&thread[i], NULL, write_at_last, &writer[i]), 0);
    }
    /* On a busy machine the first has waited too long before the last has begun. */
    while (in_flight(&device) < 64) {
        nbd_server_revive(&server);
        pause_shortly();
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_true(in_flight(&device) <= 64);
        pause_shortly();
    }
    server.argument[3] = "wdelay=0";
    nbd_server_kill(&server);
    nbd_server_start(&server);
    for (uint32_t i = 0; i < 70; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(page_read(&device, i, &version), 0);
        assert_int_equal(version, 1);
        refused += writer[i].refused;
    }
    /* Where nobody can have waited too long, nothing was given up. */
    if (clock_now_ns() - start < NBD_PATIENCE_MS * CLOCK_NS_PER_MS)
        assert_int_equal(refused, 0);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

static void a_server_that_fails_costs_those_pages_alone(void **state)
{
    static const char *const arguments[] = {"--filter=error", "memory",         "2M",
                                            "error=EIO",      "error-rate=20%", NULL};
    uint64_t certain[PAGES] = {0}, got;
    struct nbd_server server;
    struct device device;
    unsigned failed = 0;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "retries=0:", false), 0);
    for (uint32_t i = 0; i < 4 * PAGES; i++) {
        int code = page_write(&device, i % PAGES, i + 1);

        assert_true(code == 0 || code == -EIO);
        failed += code != 0;
        if (code == 0)
            certain[i % PAGES] = i + 1;
    }
    for (uint32_t i = 0; i < PAGES; i++)
        if (certain[i] != 0 && page_read(&device, i, &got) == 0)
            assert_int_equal(got, certain[i]);
    assert_in_range(failed, PAGES / 4, 2 * PAGES);
    assert_int_equal(reconnects(&device), 0);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

static void a_server_that_fails_for_a_moment_costs_nothing(void **state)
{
    static const char *const arguments[] = {"--filter=error", "memory",         "2M",
                                            "error=EIO",      "error-rate=20%", NULL};
    struct nbd_server server;
    struct device device;
    uint64_t got;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "retries=30:", false), 0);
    for (uint32_t i = 0; i < 4 * PAGES; i++)
        assert_int_equal(page_write(&device, i % PAGES, i + 1), 0);
    for (uint32_t i = 0; i < PAGES; i++) {
        assert_int_equal(page_read(&device, i, &got), 0);
        assert_int_equal(got, 3 * PAGES + i + 1);
    }
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

/* What is failed for ever fails at last, and what another error is said for at once. */
static void a_server_that_fails_for_ever_is_given_up(void **state)
{
    static const char *const arguments[] = {"--filter=error",         "memory", "2M", "error=EIO",
                                            "error-pwrite-rate=100%", NULL};
    struct nbd_server server;
    struct device device;

    (void)state;
    nbd_server_init(&server, arguments);
    assert_int_equal(device_open(&device, server.unix_uri, "", false), 0);
    assert_int_equal(page_write(&device, 1, 1), -EIO);
    device.backend->close(device.state);
    nbd_server_fini(&server);
}

/* ---- The head ---- */

/* A head on an export that takes whole pages alone: bytes that are not aligned are written into the blocks in which they
 * lie, and what stands around them stays. */
static void any_bytes_of_a_head_can_be_written_and_read(void **state)
{
    static const char *const arguments[] = {"--filter=blocksize-policy",
                                            "memory",
                                            "2M",
                                            "blocksize-minimum=4096",
                                            "blocksize-preferred=4096",
                                            "blocksize-maximum=1M",
                                            "blocksize-error-policy=error",
                                            NULL};
    static uint8_t head[5 * SWAP_PAGE], got[5 * SWAP_PAGE];
    struct swap_backend_wish wish = {
        .pages = PAGES, .head = sizeof(head), .keep = true, .find = backend_registry_find};
    struct random_source random = random_seeded(5);
    struct swap_backend_facts facts;
    struct nbd_server server;
    struct sp_error error;
    void *device;

    (void)state;
    nbd_server_init(&server, arguments);
    wish.place = strchr(server.unix_uri, ':') + 1;
    assert_int_equal(backend_nbd_unix.open(&device, &wish, &facts, &error), 0);
    assert_false(facts.existed);
    for (unsigned step = 0; step < 200; step++) {
        /* Every fourth is of whole blocks, and every eighth the whole head. */
        uint32_t unit = step % 4 == 0 ? SWAP_PAGE : 1, all = sizeof(head) / unit;
        uint32_t offset = step % 8 == 0 ? 0 : random_below(&random, all) * unit;
        uint32_t count =
            step % 8 == 0 ? all * unit : (1 + random_below(&random, all - offset / unit)) * unit;

        for (uint32_t i = 0; i < count; i++)
            head[offset + i] = (uint8_t)random_below(&random, 256);
        assert_int_equal(backend_nbd_unix.head_write(device, offset, head + offset, count), 0);
        offset = random_below(&random, sizeof(head));
        count = 1 + random_below(&random, (uint32_t)sizeof(head) - offset);
        memset(got, 0, sizeof(got));
        assert_int_equal(backend_nbd_unix.head_read(device, offset, got + offset, count), 0);
        assert_memory_equal(got + offset, head + offset, count);
        assert_true(offset == 0 || got[offset - 1] == 0);
        assert_true(offset + count == sizeof(got) || got[offset + count] == 0);
    }
    /* Its pages begin behind it. */
    memset(got, 7, SWAP_PAGE);
    assert_int_equal(backend_nbd_unix.write(device, 0, 1, got), 0);
    backend_nbd_unix.close(device);
    assert_int_equal(backend_nbd_unix.open(&device, &wish, &facts, &error), 0);
    assert_true(facts.existed);
    assert_int_equal(backend_nbd_unix.head_read(device, 0, got, sizeof(got)), 0);
    assert_memory_equal(got, head, sizeof(head));
    backend_nbd_unix.close(device);
    nbd_server_fini(&server);
}

/* ---- Of no use ---- */

static void an_export_that_cannot_be_used_is_refused(void **state)
{
    static const char *const small[] = {"memory", "64K", NULL};
    static const char *const written[] = {"--filter=nozero", "-r", "memory", "2M", NULL};
    struct nbd_server server;
    struct device device;

    (void)state;
    nbd_server_init(&server, small);
    assert_int_equal(device_open(&device, server.unix_uri, "", false), -ENOSPC);
    assert_non_null(strstr(device.error.text, "256 slots need 1024 KiB"));
    assert_true(device_open(&device, server.tcp_uri, "settle=x:", false) < 0);
    nbd_server_fini(&server);
    nbd_server_init(&server, written);
    assert_int_equal(device_open(&device, server.tcp_uri, "", false), -EROFS);
    nbd_server_fini(&server);
    assert_true(device_open(&device, "nbd+unix:///?socket=/nowhere/at/all", "", false) < 0);
    assert_non_null(strstr(device.error.text, "cannot connect to nbd+unix:"));
}

int main(void)
{
    static char killed[] = "settle=0:", settled[] = "settle=0.3:";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(an_older_version_never_comes_back, killed),
        cmocka_unit_test_prestate(an_older_version_never_comes_back, settled),
        cmocka_unit_test(a_page_whose_write_is_in_doubt_is_not_written_anew),
        cmocka_unit_test(a_sync_fails_if_the_connection_broke_after_a_write),
        cmocka_unit_test(an_export_that_came_back_too_small_is_not_used),
        cmocka_unit_test(many_commands_are_in_flight),
        cmocka_unit_test(a_server_that_fails_costs_those_pages_alone),
        cmocka_unit_test(a_server_that_fails_for_a_moment_costs_nothing),
        cmocka_unit_test(a_server_that_fails_for_ever_is_given_up),
        cmocka_unit_test(any_bytes_of_a_head_can_be_written_and_read),
        cmocka_unit_test(an_export_that_cannot_be_used_is_refused),
    };

    if (!nbd_server_exists()) {
        print_message("nbdkit is not installed: nothing is tested\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
