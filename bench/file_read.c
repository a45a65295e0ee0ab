/* A cached read of 64 KiB through the file server. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <selfpage/file.h>

#include "client/observer/observer.h"
#include "os/clock.h"

static const struct bench_about about = {
    .name = "bench_file_read",
    .claim = "a cached read of 64 KiB through the file server takes at most four round trips",
    .subject = "file server",
    .baseline = "without",
    .unit = "ns for 64 KiB",
    .details =
        "Subject: sp_file_read of 64 KiB that lie in the page cache of selfpage-fileserver: a request to it,\n"
        "lock, copy and unlock from there, mapping, copying the bytes out, and giving the mapping up.\n"
        "Baselines: pread of the same 64 KiB from the system's page cache; a bare ping-pong of 64 bytes.\n"
        "'round trips' are passes of both servers' loops that found input, for each read.",
    .rounds = 41,
};

#define BYTES 65536u

struct reading {
    struct sp_task *task;
    struct sp_files *files;
    uint32_t file;
    int fd; /* the same file */
    struct bench_echo echo;
};

static char bytes[BYTES];

/* A directory with one file, which lose their names when both are open. */
static void make_file(struct bench *bench, struct reading *reading, char *directory, char *path)
{
    snprintf(directory, BENCH_PATH, "%.3000s/selfpage-bench-%d",
             bench->file_directory != NULL ? bench->file_directory : "/dev/shm", (int)getpid());
    snprintf(path, BENCH_PATH, "%.3000s/file", directory);
    if (mkdir(directory, 0700) != 0)
        bench_fail(bench, "cannot make %s: %s", directory, strerror(errno));
    reading->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    memset(bytes, 'x', sizeof(bytes));
    if (reading->fd < 0 || write(reading->fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
        bench_fail(bench, "cannot write %s: %s", path, strerror(errno));
}

static void prepare(struct bench *bench, struct reading *reading)
{
    static char directory[BENCH_PATH], path[BENCH_PATH];
    struct sp_file_info info;
    struct sp_error error;

    make_file(bench, reading, directory, path);
    bench_start_physmem(bench, 256);
    bench_start_fileserver(bench, directory);
    reading->task = bench_attach(bench, (struct sp_attach_options){.contract = "guaranteed=64"});
    if (sp_files_connect(reading->task, bench->directory.files, &reading->files, &error) != 0 ||
        sp_file_open(reading->files, "file", &info, &error) != 0)
        bench_fail(bench, "%s", error.text);
    reading->file = info.file;
    bench_echo_start(bench, &reading->echo);
    if (unlink(path) != 0 || rmdir(directory) != 0)
        bench_fail(bench, "cannot remove %s: %s", directory, strerror(errno));
}

static double served_round(struct bench *bench, const struct reading *reading, uint32_t count)
{
    struct sp_error error;
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (sp_file_read(reading->files, reading->file, 0, bytes, BYTES, &error) != BYTES)
            bench_fail(bench, "cannot read: %s", error.text);
    return (double)(clock_now_ns() - start) / count;
}

static double pread_round(struct bench *bench, const struct reading *reading, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (pread(reading->fd, bytes, BYTES, 0) != BYTES)
            bench_fail(bench, "cannot read: %s", strerror(errno));
    return (double)(clock_now_ns() - start) / count;
}

static double trip_round(struct bench *bench, const struct reading *reading, uint32_t count)
{
    uint64_t start = clock_now_ns();

    for (uint32_t i = 0; i < count; i++)
        if (!bench_echo_ask(&reading->echo))
            bench_fail(bench, "no echo");
    return (double)(clock_now_ns() - start) / count;
}

static void measure(struct bench *bench, const struct reading *reading, const char *name,
                    double (*baseline)(struct bench *, const struct reading *, uint32_t))
{
    struct bench_row *row = bench_row(bench, BENCH_NO_LIMIT, "%s", name);
    uint32_t count = bench_scale(bench, 200, 5);

    if (row == NULL)
        return;
    for (unsigned round = 0; round < bench->rounds; round++) {
        double subject = served_round(bench, reading, count);

        bench_round(bench, row, subject, baseline(bench, reading, count));
    }
}

/* Passes of physmem's loop that found input, and messages to the file server, which are its passes: it has one
 * client that waits. However busy the machine is, what was sent together is found together. */
static uint64_t count_passes(struct bench *bench, struct observer *physmem, struct observer *files)
{
    struct sp_error error;

    if (observer_refresh(physmem, 10000, &error) != 0 ||
        observer_refresh(files, 10000, &error) != 0)
        bench_fail(bench, "%s", error.text);
    return physmem->physmem.passes + files->files.messages;
}

static void count_round_trips(struct bench *bench, const struct reading *reading)
{
    static struct observer physmem, files;
    uint32_t count = bench_scale(bench, 200, 20);
    struct sp_error error;
    uint64_t before;

    observer_init(&physmem);
    observer_init(&files);
    if (observer_connect(&physmem, bench->directory.physmem, "bench", &error) != 0 ||
        observer_connect(&files, bench->directory.files, "bench", &error) != 0)
        bench_fail(bench, "%s", error.text);
    (void)count_passes(bench, &physmem, &files);
    before = count_passes(bench, &physmem, &files);
    served_round(bench, reading, count);
    /* Those of looking are two. */
    bench_number(bench, (double)(count_passes(bench, &physmem, &files) - before - 2) / count, 4.0,
                 "round trips");
    observer_fini(&physmem);
    observer_fini(&files);
}

int main(int argc, char **argv)
{
    static struct reading reading;
    struct bench bench;

    bench_init(&bench, &about, argc, argv);
    prepare(&bench, &reading);
    served_round(&bench, &reading, 2); /* from now on it is cached */
    measure(&bench, &reading, "against pread(2)", pread_round);
    measure(&bench, &reading, "against a bare round trip", trip_round);
    count_round_trips(&bench, &reading);
    bench_threads(&bench, "physmem", bench.physmem.pid);
    bench_threads(&bench, "file server", bench.fileserver.pid);
    bench_echo_stop(&reading.echo);
    sp_files_disconnect(&reading.files);
    sp_detach(&reading.task);
    close(reading.fd);
    return bench_finish(&bench);
}
