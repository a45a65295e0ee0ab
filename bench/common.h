/* What the benchmarks share: options, pinning, servers, rounds, and the report.
 *
 * A benchmark compares a subject (what Selfpage does) with a baseline (the least that the kernel
 * makes anybody do for the same). Both are measured in the same run, in turns, round by round. Each
 * round gives one ratio; what counts is the median of these, since a machine whose speed drifts
 * changes both sides of a round alike.
 *
 * Whatever cannot be done ends the program with status 2 and a message: a benchmark has no use for
 * half a result. The servers end with it, and their directory is removed by a guardian. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/selfpage.h>

#include "launch/directory.h"
#include "launch/guardian.h"
#include "launch/launched.h"

#define BENCH_ROWS     96
#define BENCH_THREADS  32
#define BENCH_NOTES    12
#define BENCH_NAME     64
#define BENCH_NOTE     240
#define BENCH_PATH     4096
#define BENCH_EXTENT   256u /* pages of a baseline's memfd: as many as physmem puts into one */
#define BENCH_NO_LIMIT 0.0

/* What a program says about itself. */
struct bench_about {
    const char *name;
    const char *claim;    /* one line: subject, baseline and the highest ratio */
    const char *subject;  /* heading of the subject's column */
    const char *baseline; /* heading of the baseline's column */
    const char *unit;     /* of the numbers: "ns a fault" */
    const char *details;  /* for --help: what both sides do */
    unsigned rounds;      /* unless --rounds says otherwise */
    bool anywhere;        /* nothing is pinned: both sides use all cores */
};

/* One comparison. A row without rounds is a measured number: `baseline` is not set then, and the
 * limit holds for the number itself. */
struct bench_row {
    char name[BENCH_NAME];
    double limit; /* highest ratio (or number); BENCH_NO_LIMIT: shown, not judged */
    bool number;
    unsigned rounds; /* so far */
    double *subject; /* one value a round */
    double *baseline;
};

/* The middle of some values, and the quarters beside it. */
struct bench_quartiles {
    double low, median, high;
};

/* A thread that took part, as the kernel knows it. */
struct bench_thread {
    char process[BENCH_NAME];
    char name[BENCH_NAME];
    pid_t pid, tid;
    int allowed; /* the one core it may run on; -1: several */
    int last;    /* the core it ran on last */
};

struct bench {
    const struct bench_about *about;
    bool json, smoke, different;
    unsigned rounds;
    const char *picture;        /* --picture; NULL: none */
    const char *only;           /* --only; NULL: all rows */
    const char *file_directory; /* --directory; NULL: the benchmark's default */
    int core[2];                /* of the measuring thread; of servers, peers and handler threads */
    int other_core;             /* one that is not core[0]; -1: there is none */
    struct bench_row row[BENCH_ROWS];
    unsigned rows;
    struct bench_thread thread[BENCH_THREADS];
    unsigned threads;
    char note[BENCH_NOTES][BENCH_NOTE];
    unsigned notes;
    bool served; /* directory and guardian exist */
    struct directory directory;
    struct guardian guardian;
    struct launched physmem, swap, stacked, fileserver;
    char stacked_path[DIRECTORY_SOCKET_MAX + 1]; /* socket of `stacked` */
    struct launched_log log;
    char swap_file[BENCH_PATH];
};

/* ---- The program ---- */

/* Read the options, and pin the calling thread to the first core. Ends the program on --help and on
 * options that make no sense. */
void bench_init(struct bench *bench, const struct bench_about *about, int argc, char **argv);

/* Print the report, end the servers. Returns the exit status: 0 every limit holds (or --smoke),
 * 1 not. */
int bench_finish(struct bench *bench);

/* End with status 2 and a message. */
_Noreturn void bench_fail(const struct bench *bench, const char *format, ...) SP_PRINTF(2, 3);

/* Add a line of text to the report. */
void bench_note(struct bench *bench, const char *format, ...) SP_PRINTF(2, 3);

/* `full`, or `least` with --smoke. */
unsigned bench_scale(const struct bench *bench, unsigned full, unsigned least);

/* ---- Rounds ---- */

/* A new comparison. */
struct bench_row *bench_row(struct bench *bench, double limit, const char *format, ...)
    SP_PRINTF(3, 4);

/* Does --only ask for a row of this name? For benchmarks whose rows take long. */
bool bench_wants(const struct bench *bench, const char *name);

/* What one round measured. */
void bench_round(struct bench *bench, struct bench_row *row, double subject, double baseline);

/* A row that is one measured number. */
void bench_number(struct bench *bench, double value, double limit, const char *format, ...)
    SP_PRINTF(4, 5);

/* The quartiles of `count` values, at least one. */
struct bench_quartiles bench_quartiles_of(const struct bench *bench, const double *values,
                                          unsigned count);

/* The ratios of a row's rounds. */
struct bench_quartiles bench_ratios(const struct bench *bench, const struct bench_row *row);

/* Draw the ratios into bench->picture. */
void picture_draw(struct bench *bench);

/* ---- Where things run ---- */

/* Pin the calling thread, and what it starts from now on: 0 is the core of the measuring thread,
 * 1 that of all others (the same one, unless --cores different). */
void bench_pin(const struct bench *bench, int which);

/* Take note of where the threads of a process (0: this one) run, for the report. */
void bench_threads(struct bench *bench, const char *process, pid_t pid);

/* ---- Servers ---- */

/* Start physmem. Its socket is bench->directory.physmem. */
void bench_start_physmem(struct bench *bench, uint32_t frames);

/* Start another one that holds this contract with it. Its socket is bench->stacked_path. */
void bench_start_stacked(struct bench *bench, const char *contract);

/* Start a file server that serves this directory. Its socket is bench->directory.files. */
void bench_start_fileserver(struct bench *bench, const char *root);

/* Start swap on a buffered file of `slots` slots in --directory, or else in /dev/shm. */
void bench_start_swap(struct bench *bench, uint32_t slots);

/* The same past the page cache (O_DIRECT), which not every file system can: a directory on a disk. */
void bench_start_swap_direct(struct bench *bench, uint32_t slots);

/* The same on another device, as for --device. */
void bench_start_swap_on(struct bench *bench, uint32_t slots, const char *device);

/* End the servers that run. */
void bench_stop_servers(struct bench *bench);

/* Attach to the servers that run. */
struct sp_task *bench_attach(struct bench *bench, struct sp_attach_options options);

/* Create a region. */
void *bench_region(struct bench *bench, struct sp_task *task,
                   const struct sp_region_options *options);

/* ---- Helpers for baselines ---- */

/* Fork a child that runs function(bench, arg) on the core of servers. It dies with this process. */
pid_t bench_fork(struct bench *bench, void (*function)(struct bench *bench, void *arg), void *arg);

/* A process on the core of servers that answers every 64 bytes with 64 bytes: the least that a
 * request to a server costs. */
struct bench_echo {
    pid_t pid;
    int fd;
};

#define BENCH_ECHO_BYTES 64

void bench_echo_start(struct bench *bench, struct bench_echo *echo);
void bench_echo_stop(struct bench_echo *echo);

/* One round trip. Async-signal-safe; false if it failed. */
bool bench_echo_ask(const struct bench_echo *echo);

/* Frames of a baseline: memfds of BENCH_EXTENT pages, like physmem's extents, all pages present. */
struct bench_frames {
    uint32_t count;
    int *fd;
    unsigned char **window; /* each memfd mapped as a whole */
};

void bench_frames_init(struct bench *bench, struct bench_frames *frames, uint32_t count);
void bench_frames_fini(struct bench_frames *frames);

/* Map a frame for reading and writing at `address`. Async-signal-safe; false if it failed. */
bool bench_frame_map(const struct bench_frames *frames, uint32_t frame, void *address);
unsigned char *bench_frame_window(const struct bench_frames *frames, uint32_t frame);

/* So many frames, made and mapped side by side. */
unsigned char *bench_frames_mapped(struct bench *bench, struct bench_frames *frames,
                                   uint32_t count);

/* A handler of SIGSEGV that gives back all access to the page that was touched, and no more. */
void bench_frames_on_fault(int number, siginfo_t *info, void *context);

/* Addresses for `pages` pages without access. */
unsigned char *bench_reserve(struct bench *bench, uint32_t pages);

/* Fill `order` with 0 .. count - 1, in order or shuffled; `seed` makes the shuffle. */
void bench_order(uint32_t *order, uint32_t count, bool shuffled, uint64_t seed);

/* Nanoseconds it takes to write one byte to each of these pages, per page. */
double bench_touch(unsigned char *base, const uint32_t *order, uint32_t count);

#endif
