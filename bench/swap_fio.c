/* Pages at random from the file of the swap server, beside fio on the same file. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "client/caller.h"
#include "os/clock.h"
#include "os/extent.h"

static const struct bench_about about = {
    .name = "bench_swap_fio",
    .claim = "the swap server loads pages at random at 0.9 of fio's rate at least",
    .subject = "swap",
    .baseline = "fio",
    .unit = "ns a page",
    .details =
        "Subject: a client without the task library sends LOAD for one page at random to selfpage-swap\n"
        "on a file with O_DIRECT, as many at a time as the row says, and waits for all answers; each\n"
        "page is compared with its checksum, and written into the client's memory.\n"
        "Baseline: fio reads blocks of 4 KiB at random from the same file with O_DIRECT and the same\n"
        "depth, by io_uring, or by libaio where that is forbidden; its own figure of reads a second.\n"
        "Without fio pread is the baseline, one at a time. The file lies in --directory (/var/tmp).",
    .rounds = 11,
};

#define PAGES 8192u /* 32 MiB */
#define DEPTH 16u   /* at most; each has a page of the extent */

struct client {
    struct caller caller;
    int extent; /* WIRE_BATCH pages, which the server has, too */
    uint32_t slot[PAGES];
    struct random_source random;
};

extern char **environ;

/* ---- The subject ---- */

static void ask(struct bench *bench, struct client *client, struct wire_message *message, int fd,
                enum wire_type expected, struct wire_message *reply)
{
    int code = caller_ask(&client->caller, message, fd, reply, NULL);

    if (code < 0 || reply->type != expected || reply->error != 0)
        bench_fail(bench, "swap refuses a request: %s", strerror(code < 0 ? -code : EPROTO));
}

/* Store a batch of pages, no two of which are equal. */
static void store(struct bench *bench, struct client *client, uint32_t first)
{
    struct wire_message message = {.type = WIRE_STORE}, reply;
    uint64_t page[SP_PAGE_SIZE / sizeof(uint64_t)];

    message.store.pages_count = WIRE_BATCH;
    for (uint32_t i = 0; i < WIRE_BATCH; i++) {
        for (size_t j = 0; j < SP_PAGE_SIZE / sizeof(uint64_t); j++)
            page[j] = random_below(&client->random, UINT32_MAX);
        if (pwrite(client->extent, page, SP_PAGE_SIZE, (off_t)i * SP_PAGE_SIZE) !=
            (ssize_t)SP_PAGE_SIZE)
            bench_fail(bench, "cannot write a page: %s", strerror(errno));
        message.store.pages[i] = (struct wire_place){.extent = 1, .offset = i};
    }
    ask(bench, client, &message, -1, WIRE_STORED, &reply);
    for (uint32_t i = 0; i < WIRE_BATCH; i++) {
        if (reply.stored.slots[i].error != 0)
            bench_fail(bench, "a page cannot be stored: %s",
                       strerror((int)reply.stored.slots[i].error));
        client->slot[first + i] = reply.stored.slots[i].slot;
    }
}

static void client_open(struct bench *bench, struct client *client)
{
    const struct hello hello = {.role = WIRE_ROLE_TASK, .name = about.name};
    struct wire_message message = {.type = WIRE_RESERVE}, reply;
    struct sp_error error;

    client->random = random_seeded(1);
    caller_init(&client->caller, "swap", 60000);
    if (caller_open(&client->caller, bench->directory.swap, &hello, NULL, &error) < 0)
        bench_fail(bench, "%s", error.text);
    message.reserve.add = PAGES;
    ask(bench, client, &message, -1, WIRE_RESERVED, &reply);
    client->extent = extent_create("bench", WIRE_BATCH, &error);
    if (client->extent < 0)
        bench_fail(bench, "%s", error.text);
    message = (struct wire_message){.type = WIRE_GIVE_EXTENT};
    message.give_extent.extent = 1;
    message.give_extent.pages = WIRE_BATCH;
    ask(bench, client, &message, client->extent, WIRE_DONE, &reply);
    for (uint32_t i = 0; i < PAGES; i += WIRE_BATCH)
        store(bench, client, i);
}

static void load_send(struct bench *bench, struct client *client, uint32_t place)
{
    struct wire_message message = {.type = WIRE_LOAD, .seq = place + 1};

    message.load.pages_count = 1;
    message.load.pages[0] = (struct wire_loading){
        .slot = client->slot[random_below(&client->random, PAGES)], .extent = 1, .offset = place};
    if (caller_send(&client->caller, &message, -1) < 0)
        bench_fail(bench, "swap takes no requests");
}

/* Load `count` pages, `depth` at a time. Returns the time of one. */
static double subject(struct bench *bench, struct client *client, uint32_t depth, uint32_t count)
{
    struct wire_message reply;
    uint64_t start = clock_now_ns();
    uint32_t sent = 0;

    for (; sent < depth && sent < count; sent++)
        load_send(bench, client, sent);
    for (uint32_t done = 0; done < count; done++) {
        if (caller_receive(&client->caller, &reply, NULL) < 0 || reply.type != WIRE_LOADED ||
            reply.loaded.errors[0].value != 0)
            bench_fail(bench, "a page cannot be loaded");
        if (sent < count) {
            load_send(bench, client, reply.seq - 1);
            sent++;
        }
    }
    return (double)(clock_now_ns() - start) / count;
}

/* ---- The baseline ---- */

/* The server's file has no name: find it among the descriptors of the server, by its directory. */
static void file_find(struct bench *bench, char *path, size_t size)
{
    size_t directory = (size_t)(strrchr(bench->swap_file, '/') + 1 - bench->swap_file);
    char target[BENCH_PATH + 16];

    for (int fd = 3; fd < 256; fd++) {
        ssize_t length;

        snprintf(path, size, "/proc/%d/fd/%d", (int)bench->swap.pid, fd);
        length = readlink(path, target, sizeof(target) - 1);
        if (length > (ssize_t)directory && strncmp(target, bench->swap_file, directory) == 0)
            return;
    }
    bench_fail(bench, "the swap server has no file in the directory of %s", bench->swap_file);
}

/* Start fio with its output in a pipe. Returns the descriptor to read, or a negative errno. */
static int fio_start(char *const *argv, pid_t *pidp)
{
    posix_spawn_file_actions_t actions;
    int fds[2], code;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    code = posix_spawnp(pidp, "fio", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (code == 0)
        return fds[0];
    close(fds[0]);
    return -code;
}

/* Run fio, and keep the beginning of what it says in `text`. Returns its exit status, or a negative errno. */
static int fio_run(char *const *argv, char *text, size_t size)
{
    size_t have = 0;
    pid_t pid;
    ssize_t got;
    int status, fd = fio_start(argv, &pid);

    if (fd < 0)
        return fd;
    while ((got = read(fd, text + have, size - 1 - have)) > 0 && have < size - 1)
        have += (size_t)got;
    text[have] = '\0';
    close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static bool fio_exists(void)
{
    char *const argv[] = {"fio", "--version", NULL};
    char text[64];

    return fio_run(argv, text, sizeof(text)) == 0;
}

/* The time of one read, as fio says. Returns 0 if this engine does not work here. */
static double fio_reads(struct bench *bench, const char *engine, uint32_t depth, uint32_t count)
{
    static char text[65536];
    char path[64], file[96], io[32], iodepth[32], number[32], size[32];
    char *const argv[] = {"fio",
                          "--name=bench",
                          "--rw=randread",
                          "--bs=4k",
                          "--direct=1",
                          "--readonly",
                          "--randrepeat=0",
                          "--norandommap",
                          "--output-format=json",
                          file,
                          io,
                          iodepth,
                          number,
                          size,
                          NULL};
    const char *found;
    struct stat facts;
    double rate;

    file_find(bench, path, sizeof(path));
    snprintf(file, sizeof(file), "--filename=%s", path);
    snprintf(io, sizeof(io), "--ioengine=%s", engine);
    snprintf(iodepth, sizeof(iodepth), "--iodepth=%u", depth);
    snprintf(number, sizeof(number), "--number_ios=%u", count);
    if (stat(path, &facts) != 0)
        bench_fail(bench, "cannot look at %s: %s", path, strerror(errno));
    snprintf(size, sizeof(size), "--size=%lld", (long long)facts.st_size);
    if (fio_run(argv, text, sizeof(text)) != 0)
        return 0;
    found = strstr(text, "\"read\" :");
    found = found != NULL ? strstr(found, "\"iops\" :") : NULL;
    rate = found != NULL ? strtod(found + strlen("\"iops\" :"), NULL) : 0;
    if (rate <= 0)
        bench_fail(bench, "fio says no rate of reads: is it version 3?");
    return (double)CLOCK_NS_PER_S / rate;
}

/* The time of one read by pread, past the page cache. */
static double pread_reads(struct bench *bench, struct client *client, uint32_t count)
{
    void *page = aligned_alloc(SP_PAGE_SIZE, SP_PAGE_SIZE);
    char path[64];
    uint64_t start;
    int fd;

    file_find(bench, path, sizeof(path));
    fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0 || page == NULL)
        bench_fail(bench, "cannot open the file of the swap server: %s", strerror(errno));
    start = clock_now_ns();
    for (uint32_t i = 0; i < count; i++)
        if (pread(fd, page, SP_PAGE_SIZE,
                  (off_t)random_below(&client->random, PAGES) * SP_PAGE_SIZE) !=
            (ssize_t)SP_PAGE_SIZE)
            bench_fail(bench, "cannot read the file of the swap server");
    start = clock_now_ns() - start;
    close(fd);
    free(page);
    return (double)start / count;
}

/* `engine`: of fio; NULL: there is none. */
static void measure(struct bench *bench, struct client *client, const char *engine, uint32_t depth)
{
    struct bench_row *row = bench_row(bench, 1 / 0.9, "at random, %u at a time", depth);
    uint32_t count = bench_scale(bench, 2000, 50);

    for (unsigned round = 0; round < bench->rounds; round++) {
        double ours = subject(bench, client, depth, count);

        bench_round(bench, row, ours,
                    engine != NULL ? fio_reads(bench, engine, depth, count)
                                   : pread_reads(bench, client, count));
    }
}

/* The engine by which fio reads here; NULL: there is no fio. */
static const char *engine_find(struct bench *bench)
{
    const char *engine = "io_uring";

    if (!fio_exists()) {
        bench_note(bench, "fio is not installed: the baseline is pread, one at a time");
        return NULL;
    }
    if (fio_reads(bench, engine, 1, 10) == 0)
        engine = "libaio";
    if (fio_reads(bench, engine, 1, 10) == 0)
        bench_fail(bench, "fio cannot read the file of the swap server");
    bench_note(bench, "fio reads by %s", engine);
    return engine;
}

int main(int argc, char **argv)
{
    static struct client client;
    const char *engine;
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    if (bench.file_directory == NULL)
        bench.file_directory = "/var/tmp"; /* on a disk, as a rule */
    bench_start_swap_direct(&bench, PAGES);
    client_open(&bench, &client);
    engine = engine_find(&bench);
    if (bench_wants(&bench, "1 at a time"))
        measure(&bench, &client, engine, 1);
    if (engine != NULL && bench_wants(&bench, "16 at a time"))
        measure(&bench, &client, engine, DEPTH);
    bench_threads(&bench, "swap", bench.swap.pid);
    caller_close(&client.caller);
    close(client.extent);
    return bench_finish(&bench);
}
