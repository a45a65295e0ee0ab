/* What containers cost: moving pages for a copy, breaking one, mapping and unmapping, and what others feel
 * while mappings are taken away. */
#include "common.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <selfpage/container.h>
#include <selfpage/l4.h>

#include "base/assert.h"
#include "os/clock.h"
#include "peer.h"

static const struct bench_about about = {
    .name = "bench_containers",
    .claim =
        "copies whose pages move cost at most 1.3 times, and writes that break one at most 1.3 times, the "
        "bare work of the kernel",
    .subject = "containers",
    .baseline = "Linux",
    .unit = "ns a page (the last row: a round trip)",
    .details =
        "moved first: COPY of 64 slots whose pages their task could write. Baseline: a new memfd, sealed, and\n"
        "64 pages read and written there by pread and pwrite, and a bare ping-pong.\n"
        "broken: MAP with force of one slot that is a copy. Baseline: a page by pread and pwrite, and MAP of a\n"
        "slot, with nothing to do.\n"
        "map, unmap N: sp_container_map and sp_container_unmap of N slots, each of which is read in between.\n"
        "Baseline: mmap and munmap of N pages of a memfd, read, too.\n"
        "l4 map, protect, unprotect, unmap N: the model of selfpage/l4.h. Baseline: mmap, mprotect, mprotect,\n"
        "munmap.\n"
        "beside a revocation: the 99th percentile of another task's MAP while a container with 10,000 mapped\n"
        "slots is destroyed. Baseline: the same without that.",
    .rounds = 21,
};

#define COPIED  64u
#define FORCE   (WIRE_ACCESS_FORCE_BOTH)
#define BYTES   ((size_t)COPIED * SP_PAGE_SIZE)
#define REVOKED 10000u
#define ASKED   400u

static const uint32_t sizes[] = {1, 16, 256, 2048};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* ---- Requests ---- */

static void copy_slots(struct bench *bench, struct peer *peer, uint32_t from, uint32_t to,
                       uint32_t count)
{
    struct wire_message message = {.type = WIRE_COPY}, reply;

    message.copy.from = from;
    message.copy.to = to;
    message.copy.pieces_count = 1;
    message.copy.pieces[0] = (struct wire_piece){0, 0, count};
    peer_ask(bench, peer, &message, WIRE_DONE, &reply);
}

static void map_slots(struct bench *bench, struct peer *peer, uint32_t container, uint32_t start,
                      uint32_t count, uint8_t access)
{
    struct wire_message message = {.type = WIRE_MAP}, reply;

    message.map.container = container;
    message.map.start = start;
    message.map.count = count;
    message.map.rights = access;
    peer_ask(bench, peer, &message, WIRE_MAPPED, &reply);
}

static void unmap_slots(struct bench *bench, struct peer *peer, uint32_t container, uint32_t count)
{
    struct wire_message message = {.type = WIRE_UNMAP_OWN}, reply;

    message.unmap_own.container = container;
    message.unmap_own.ranges_count = 1;
    message.unmap_own.ranges[0] = (struct wire_range){0, count};
    peer_ask(bench, peer, &message, WIRE_DONE, &reply);
}

static uint32_t another_container(struct bench *bench, struct peer *peer, uint32_t slots)
{
    struct wire_message message = {.type = WIRE_CONTAINER_CREATE}, reply;

    message.container_create.slots = slots;
    peer_ask(bench, peer, &message, WIRE_CONTAINER, &reply);
    return reply.container.container;
}

/* ---- Copies that move, and copies that break ---- */

struct copying {
    struct peer peer;
    struct bench_echo echo;
    uint32_t from, to;
    int source, target; /* memfds */
    char bytes[BYTES];
};

static int new_memfd(struct bench *bench, size_t size)
{
    int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) != 0)
        bench_fail(bench, "no memfd of %zu bytes", size);
    return fd;
}

static void copying_start(struct bench *bench, struct copying *copying)
{
    peer_open(bench, &copying->peer);
    copying->from = peer_contract(bench, &copying->peer, 2 * COPIED, COPIED);
    copying->to = another_container(bench, &copying->peer, COPIED);
    peer_allocate(bench, &copying->peer, copying->from, 0, COPIED, true);
    peer_allocate(bench, &copying->peer, copying->to, 0, COPIED, true);
    unmap_slots(bench, &copying->peer, copying->from, COPIED);
    unmap_slots(bench, &copying->peer, copying->to, COPIED);
    copying->source = new_memfd(bench, BYTES);
    copying->target = new_memfd(bench, BYTES);
    memset(copying->bytes, 'x', BYTES);
    if (pwrite(copying->source, copying->bytes, BYTES, 0) != (ssize_t)BYTES ||
        pwrite(copying->target, copying->bytes, BYTES, 0) != (ssize_t)BYTES)
        bench_fail(bench, "cannot fill a memfd");
    bench_echo_start(bench, &copying->echo);
}

static void copying_end(struct copying *copying)
{
    bench_echo_stop(&copying->echo);
    peer_close(&copying->peer);
    close(copying->source);
    close(copying->target);
}

/* All slots are at home, and nothing is mapped. */
static void bring_home(struct bench *bench, struct copying *copying)
{
    map_slots(bench, &copying->peer, copying->from, 0, COPIED, FORCE);
    map_slots(bench, &copying->peer, copying->to, 0, COPIED, FORCE);
    unmap_slots(bench, &copying->peer, copying->from, COPIED);
    unmap_slots(bench, &copying->peer, copying->to, COPIED);
}

static void moved_round(struct bench *bench, struct copying *copying, struct bench_row *row,
                        uint32_t count)
{
    uint64_t subject = 0, baseline = 0, start;

    for (uint32_t i = 0; i < count; i++) {
        int fd;

        bring_home(bench, copying);
        start = clock_now_ns();
        copy_slots(bench, &copying->peer, copying->from, copying->to, COPIED);
        subject += clock_now_ns() - start;
        start = clock_now_ns();
        fd = new_memfd(bench, BYTES);
        if (pread(copying->source, copying->bytes, BYTES, 0) != (ssize_t)BYTES ||
            pwrite(fd, copying->bytes, BYTES, 0) != (ssize_t)BYTES ||
            !bench_echo_ask(&copying->echo))
            bench_fail(bench, "cannot copy 64 pages to a memfd");
        baseline += clock_now_ns() - start;
        close(fd);
    }
    bench_round(bench, row, (double)subject / count / COPIED, (double)baseline / count / COPIED);
}

static void broken_round(struct bench *bench, struct copying *copying, struct bench_row *row,
                         uint32_t count)
{
    uint64_t subject = 0, baseline = 0, start;

    for (uint32_t i = 0; i < count; i++) {
        bring_home(bench, copying);
        copy_slots(bench, &copying->peer, copying->from, copying->to, COPIED);
        start = clock_now_ns();
        for (uint32_t slot = 0; slot < COPIED; slot++)
            map_slots(bench, &copying->peer, copying->to, slot, 1, FORCE);
        subject += clock_now_ns() - start;
        start = clock_now_ns();
        for (uint32_t slot = 0; slot < COPIED; slot++) {
            off_t at = (off_t)slot * SP_PAGE_SIZE;

            if (pread(copying->source, copying->bytes, SP_PAGE_SIZE, at) != SP_PAGE_SIZE ||
                pwrite(copying->target, copying->bytes, SP_PAGE_SIZE, at) != SP_PAGE_SIZE)
                bench_fail(bench, "cannot copy a page");
            map_slots(bench, &copying->peer, copying->to, slot, 1, WIRE_ACCESS_BOTH);
        }
        baseline += clock_now_ns() - start;
    }
    bench_round(bench, row, (double)subject / count / COPIED, (double)baseline / count / COPIED);
}

/* ---- Mappings of a task ---- */

/* Read a byte of each page. */
static void touch(const volatile char *memory, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        (void)memory[(size_t)i * SP_PAGE_SIZE];
}

struct mapping_rows {
    struct bench_row *map, *unmap, *l4_map, *l4_protect, *l4_unprotect, *l4_unmap;
};

static void mapping_round(struct bench *bench, struct sp_task *task, sp_container container,
                          int memfd, const struct mapping_rows *rows, uint32_t pages,
                          uint32_t count)
{
    uint64_t time[4] = {0}, start;

    for (uint32_t i = 0; i < count; i++) {
        size_t size = (size_t)pages * SP_PAGE_SIZE;
        struct sp_error error;
        void *memory;

        start = clock_now_ns();
        if (sp_container_map(task, container, 0, pages, SP_MAP_WRITE, &memory, &error) != 0)
            bench_fail(bench, "%s", error.text);
        touch(memory, pages);
        time[0] += clock_now_ns() - start;
        start = clock_now_ns();
        sp_container_unmap(task, memory, NULL);
        time[1] += clock_now_ns() - start;
        start = clock_now_ns();
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (memory == MAP_FAILED)
            bench_fail(bench, "cannot map a memfd");
        touch(memory, pages);
        time[2] += clock_now_ns() - start;
        start = clock_now_ns();
        munmap(memory, size);
        time[3] += clock_now_ns() - start;
    }
    bench_round(bench, rows->map, (double)time[0] / count / pages, (double)time[2] / count / pages);
    bench_round(bench, rows->unmap, (double)time[1] / count / pages,
                (double)time[3] / count / pages);
}

/* ---- The model of L4 ---- */

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

/* The four phases in turns: by the model, and by Linux. */
static void l4_round(struct bench *bench, int memfd, const struct mapping_rows *rows,
                     uint32_t pages, uint32_t count)
{
    static const struct sp_l4_memory memory = {resize, NULL};
    const struct sp_l4_options options = {.memory = &memory, .frames = 4096};
    uint64_t size = (uint64_t)pages * SP_L4_PAGE, model[4] = {0}, linux_ns[4] = {0}, start;
    struct sp_l4 *l4;
    uint32_t space, mapped;
    sp_fpage all, write;

    if (sp_l4_create(&l4, &options) != 0 || sp_l4_space_create(l4, &space) != 0 ||
        sp_fpage_make(0, size, SP_L4_RIGHTS, &all) != 0 ||
        sp_fpage_make(0, size, SP_L4_WRITE, &write) != 0)
        bench_fail(bench, "no memory for a model of %u pages", pages);
    for (uint32_t i = 0; i < count; i++) {
        const struct sp_l4_item item = {.fpage = all};
        void *address;

        for (unsigned phase = 0; phase < 4; phase++) {
            sp_fpage taken = phase == 1 ? write : all;
            int failed;

            start = clock_now_ns();
            if (phase == 0 || phase == 2)
                failed = sp_l4_map(l4, SP_L4_SIGMA0, space, &item, SP_FPAGE_COMPLETE, &mapped);
            else
                failed = sp_l4_unmap(l4, SP_L4_SIGMA0, &taken, 1, false);
            model[phase] += clock_now_ns() - start;
            if (failed != 0)
                bench_fail(bench, "the model refuses phase %u", phase);
        }
        start = clock_now_ns();
        address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
        if (address == MAP_FAILED)
            bench_fail(bench, "cannot map a memfd");
        touch(address, pages);
        linux_ns[0] += clock_now_ns() - start;
        start = clock_now_ns();
        mprotect(address, size, PROT_READ);
        linux_ns[1] += clock_now_ns() - start;
        start = clock_now_ns();
        mprotect(address, size, PROT_READ | PROT_WRITE);
        linux_ns[2] += clock_now_ns() - start;
        start = clock_now_ns();
        munmap(address, size);
        linux_ns[3] += clock_now_ns() - start;
    }
    sp_l4_destroy(&l4);
    bench_round(bench, rows->l4_map, (double)model[0] / count / pages,
                (double)linux_ns[0] / count / pages);
    bench_round(bench, rows->l4_protect, (double)model[1] / count / pages,
                (double)linux_ns[1] / count / pages);
    bench_round(bench, rows->l4_unprotect, (double)model[2] / count / pages,
                (double)linux_ns[2] / count / pages);
    bench_round(bench, rows->l4_unmap, (double)model[3] / count / pages,
                (double)linux_ns[3] / count / pages);
}

static void make_rows(struct bench *bench, struct mapping_rows *rows, uint32_t pages)
{
    rows->map = bench_row(bench, BENCH_NO_LIMIT, "map %u", pages);
    rows->unmap = bench_row(bench, BENCH_NO_LIMIT, "unmap %u", pages);
    rows->l4_map = bench_row(bench, BENCH_NO_LIMIT, "l4 map %u", pages);
    rows->l4_protect = bench_row(bench, BENCH_NO_LIMIT, "l4 protect %u", pages);
    rows->l4_unprotect = bench_row(bench, BENCH_NO_LIMIT, "l4 unprotect %u", pages);
    rows->l4_unmap = bench_row(bench, BENCH_NO_LIMIT, "l4 unmap %u", pages);
}

/* ---- What others feel ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The 99th percentile of a bystander's round trips, while the container of another task, with `revoked`
 * mapped slots, is destroyed (0: it is not). */
static double bystander_round(struct bench *bench, struct peer *victim, struct peer *bystander,
                              uint32_t slot_of, uint32_t revoked, uint32_t asked)
{
    struct wire_message destroy = {.type = WIRE_CONTAINER_DESTROY}, reply;
    double *times = malloc(asked * sizeof(*times));
    double result;

    if (times == NULL)
        bench_fail(bench, "no memory for %u times", asked);
    if (revoked > 0) {
        uint32_t container = another_container(bench, victim, revoked);

        peer_allocate(bench, victim, container, 0, revoked, true);
        destroy.seq = 1;
        destroy.container_destroy.container = container;
        if (caller_send(&victim->request, &destroy, -1) != 0)
            bench_fail(bench, "cannot ask for a container's end");
    }
    for (uint32_t i = 0; i < asked; i++) {
        uint64_t start = clock_now_ns();

        map_slots(bench, bystander, slot_of, i % COPIED, 1, WIRE_ACCESS_BOTH);
        times[i] = (double)(clock_now_ns() - start);
    }
    do
        if (revoked > 0 && caller_receive(&victim->request, &reply, NULL) != 0)
            bench_fail(bench, "no answer to a container's end");
    while (revoked > 0 && reply.type != WIRE_DONE);
    qsort(times, asked, sizeof(*times), by_size);
    result = times[asked - 1 - asked / 100];
    free(times);
    return result;
}

/* ---- All of it ---- */

static void measure_copies(struct bench *bench)
{
    static struct copying copying;
    struct bench_row *moved = bench_row(bench, 1.3, "moved first");
    struct bench_row *broken = bench_row(bench, 1.3, "broken");
    uint32_t count = bench_scale(bench, 50, 2);

    copying_start(bench, &copying);
    for (unsigned round = 0; round < bench->rounds; round++) {
        moved_round(bench, &copying, moved, count);
        broken_round(bench, &copying, broken, count);
    }
    copying_end(&copying);
}

static void measure_mappings(struct bench *bench)
{
    struct sp_task *task = bench_attach(
        bench, (struct sp_attach_options){.contract = "guaranteed=2048", .max_pages = 1});
    int memfd = new_memfd(bench, (size_t)sizes[SIZES - 1] * SP_PAGE_SIZE);
    struct mapping_rows rows[SIZES];
    sp_container container;
    struct sp_error error;

    if (fallocate(memfd, 0, 0, (off_t)sizes[SIZES - 1] * SP_PAGE_SIZE) != 0)
        bench_fail(bench, "no memory for a memfd");
    if (sp_container_create_with(task, sizes[SIZES - 1], 0, &container, &error) != 0)
        bench_fail(bench, "%s", error.text);
    for (unsigned i = 0; i < SIZES; i++)
        make_rows(bench, &rows[i], sizes[i]);
    for (unsigned round = 0; round < bench->rounds; round++)
        for (unsigned i = 0; i < SIZES; i++) {
            uint32_t count = bench_scale(bench, sizes[i] > 100 ? 20 : 200, 1);

            mapping_round(bench, task, container, memfd, &rows[i], sizes[i], count);
            l4_round(bench, memfd, &rows[i], sizes[i], count);
        }
    close(memfd);
    sp_detach(&task);
}

static void measure_bystander(struct bench *bench)
{
    static struct peer victim, bystander;
    struct bench_row *row = bench_row(bench, 1.5, "p99 beside a revocation");
    uint32_t asked = bench_scale(bench, ASKED, 100), container;

    peer_open(bench, &victim);
    peer_open(bench, &bystander);
    peer_contract(bench, &victim, REVOKED, 1);
    container = peer_contract(bench, &bystander, COPIED, COPIED);
    peer_allocate(bench, &bystander, container, 0, COPIED, true);
    for (unsigned round = 0; round < bench->rounds; round++) {
        double beside = bystander_round(bench, &victim, &bystander, container, REVOKED, asked);

        bench_round(bench, row, beside,
                    bystander_round(bench, &victim, &bystander, container, 0, asked));
    }
    peer_close(&victim);
    peer_close(&bystander);
}

int main(int argc, char **argv)
{
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    bench_start_physmem(&bench, REVOKED + 4096);
    if (bench_wants(&bench, "moved first, broken"))
        measure_copies(&bench);
    if (bench_wants(&bench, "map, unmap, l4 protect, l4 unprotect"))
        measure_mappings(&bench);
    if (bench_wants(&bench, "p99 beside a revocation"))
        measure_bystander(&bench);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    return bench_finish(&bench);
}
