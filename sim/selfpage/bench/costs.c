/* `selfpage bench costs`: what references, faults, round trips and the swap device cost on this machine, as a file
 * that `selfpage simulate --costs` reads.
 *
 * selfpage-load plays workloads in which one thing happens often, and says how long each phase took:
 *
 *   soft       pages are touched for the first time, then again while the policy watches them, then often
 *   hard       each reference needs the frame of another page
 *   made       the same, and a callback makes the page
 *   alone      pages are written for the first time, in so few frames that each waits until another one is stored
 *   ordered    pages of a region that does not fit are read back in their order
 *   scattered  and in no order
 *   rewritten  the same, and each is written, so that another one is stored which nobody waits for
 *
 * Where nothing has to be waited for, the time of the processor counts. Of all times that a phase was measured the median
 * does, for tasks that wait will wait as long when they are compared. A piece is what it takes to map, and to take away,
 * neighbours whose frames are none. Costs are what is left of a phase when what is known already is
 * taken off. A read of n pages takes read_start and n times read_page, for tasks read their pages themselves; pages in order
 * come many at once, others one by one, which gives two equations. A page is taken to be written as fast as it is read: the
 * rest of a write that is waited for, less the round trip, is its start. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/exits.h"
#include "launch/guardian.h"
#include "launch/strings.h"
#include "os/new_file.h"
#include "os/options.h"
#include "os/stdio.h"
#include "selfpage/bench/bench.h"
#include "selfpage/command/commands.h"
#include "selfpage/command/self.h"

#define PHASES 3u

/* Pages that are mapped in one go, and how often. */
#define PIECES       64u
#define PIECE_ROUNDS 101u

/* What selfpage-load --times asks physmem before it begins. */
#define LOAD_ROUND_TRIPS 101

struct costs_options {
    const char *output; /* NULL: standard output */
    const char *device; /* NULL: a file of the run */
    uint32_t runs;
};

/* ---- The workloads ---- */

enum trial { SOFT, HARD, MADE, ALONE, ORDERED, SCATTERED, REWRITTEN, PLAYS };

/* Phases of a workload beside those that differ from it: as many as a workload may have. */
#define REPEATED 13u

static const struct {
    const char *name, *policy;
    uint32_t guaranteed;
    uint32_t phases;      /* that differ: further ones are like the last */
    bool computes;        /* nothing in it waits: what counts is the time of the processor */
    const char *workload; /* all but the last */
    const char *last;     /* behind the page that it begins at */
} plays[PLAYS] = {
    [SOFT] = {"soft", "clock", 1100, 3, true,
              "pages=1000,kind=discardable;scan=1,writes=1;scan=1,writes=1",
              "zipf=0.8,writes=0.5,references=20000"},
    [HARD] = {"hard", "fifo", 500, 2, true, "pages=2000,kind=discardable;scan=1",
              "zipf=0,references=1000"},
    [MADE] = {"made", "fifo", 500, 2, true, "pages=2000,kind=remanufacturable;scan=1",
              "zipf=0,references=1000"},
    [ALONE] = {"alone", "fifo", 4, 2, false, "pages=6000;scan=1,pages=100,writes=1",
               "pages=100,scan=1,writes=1"},
    [ORDERED] = {"ordered", "fifo", 300, 3, false, "pages=2000;scan=1,writes=1;scan=1",
                 "pages=400,scan=1"},
    [SCATTERED] = {"scattered", "fifo", 300, 3, false,
                   "pages=2000;scan=1,writes=1;zipf=0,references=400",
                   "pages=1600,zipf=0,references=100"},
    [REWRITTEN] = {"rewritten", "fifo", 300, 3, false,
                   "pages=2000;scan=1,writes=1;zipf=0,writes=1,references=400",
                   "pages=1600,zipf=0,writes=1,references=100"},
};

/* Where a further phase begins. */
static uint32_t first_page(enum trial play, uint32_t number)
{
    switch (play) {
    case SOFT:
    case HARD:
    case MADE:
        return 0;
    case SCATTERED:
    case REWRITTEN:
        return number % 2 * 400;
    case ALONE:
        return (number + 1) * 400;
    case ORDERED:
    case PLAYS:
        break;
    }
    return number % 5 * 400;
}

static void write_workload(FILE *out, enum trial play)
{
    fputs(plays[play].workload, out);
    for (uint32_t i = 0; i < REPEATED; i++)
        fprintf(out, ";first=%u,%s", first_page(play, i), plays[play].last);
}

/* What a phase took and counted. */
struct phase {
    double ns, references, faults, soft_faults, swapped_out, swapped_in;
};

struct measured {
    struct phase *sample[PHASES]; /* each time that it was measured */
    size_t samples[PHASES];
    struct phase phase[PHASES]; /* the one that counts */
    double round_trip;
    double start;                       /* of the process, and its end */
    double pages_a_read, pages_a_write; /* of swap's device */
};

/* ---- Running them ---- */

static int write_scenario(const char *path, const char *times, enum trial play,
                          const struct costs_options *options, struct sp_error *error)
{
    FILE *out = fopen(path, "we");

    if (out == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    fprintf(out, "physmem: { frames: 4400 }\nswap: { slots: 8192");
    if (options->device != NULL)
        fputs(", device: \"${DEVICE}\"", out);
    fprintf(out,
            " }\ntimeout: 2m\ntasks:\n- name: %s\n  program: load\n  policy: %s\n"
            "  contract: guaranteed=%u\n  arguments: [ --times, \"%s\", \"",
            plays[play].name, plays[play].policy, plays[play].guaranteed, times);
    write_workload(out, play);
    fputs("\" ]\n", out);
    return fclose(out) == 0
               ? 0
               : error_set(error, errno, "%.160s: cannot write: %s", path, strerror(errno));
}

static double by_reference(const struct phase *phase)
{
    return phase->references > 0 ? phase->ns / phase->references : 0;
}

static int keep_sample(struct measured *measured, unsigned kind, const struct phase *phase)
{
    struct phase *grown = reallocarray(measured->sample[kind], measured->samples[kind] + 1,
                                       sizeof *measured->sample[kind]);

    if (grown == NULL)
        return -ENOMEM;
    measured->sample[kind] = grown;
    grown[measured->samples[kind]++] = *phase;
    return 0;
}

static int read_times(const char *path, enum trial play, double start, struct measured *measured,
                      struct sp_error *error)
{
    FILE *in = fopen(path, "re");
    unsigned number, count = 0;
    double round_trip = 0;
    char line[400];
    int result = 0;

    if (in == NULL)
        return error_set(error, errno, "%.160s: %s", path, strerror(errno));
    while (result == 0 && fgets(line, sizeof line, in) != NULL) {
        struct phase next;
        double cpu_ns;

        if (sscanf(line, "round_trip %lf", &round_trip) == 1)
            continue;
        if (sscanf(line,
                   "round %*u phase %u ns %lf cpu_ns %lf references %lf faults %lf soft_faults %lf "
                   "swapped_out %lf swapped_in %lf",
                   &number, &next.ns, &cpu_ns, &next.references, &next.faults, &next.soft_faults,
                   &next.swapped_out, &next.swapped_in) != 8)
            continue;
        start -= next.ns;
        if (plays[play].computes)
            next.ns = cpu_ns;
        number = number < plays[play].phases ? number : plays[play].phases - 1;
        result = keep_sample(measured, number, &next);
        count++;
    }
    fclose(in);
    if (count == 0 || round_trip <= 0)
        return error_set(error, EPROTO, "%.160s: selfpage-load wrote no times", path);
    measured->round_trip = fmin(measured->round_trip, round_trip);
    measured->start = fmin(measured->start, start - LOAD_ROUND_TRIPS * round_trip);
    return result == 0 ? 0 : error_set(error, ENOMEM, "out of memory");
}

static double share(const json_t *swap, const char *pages, const char *transfers)
{
    double count = json_number_value(json_object_get(swap, transfers));

    return count > 0 ? json_number_value(json_object_get(swap, pages)) / count : 0;
}

static int play_once(const char *directory, enum trial play, const struct costs_options *options,
                     struct measured *measured, struct sp_error *error)
{
    char scenario[200], times[200], device[4100];
    char *argv[] = {"selfpage", "run", scenario, "--json", "--no-table", NULL, NULL};
    json_t *run, *swap;
    double start;
    int result;

    snprintf(scenario, sizeof scenario, "%s/costs.yaml", directory);
    snprintf(times, sizeof times, "%s/times", directory);
    snprintf(device, sizeof device, "--define=DEVICE=%s",
             options->device != NULL ? options->device : "");
    if (options->device != NULL)
        argv[5] = device;
    result = write_scenario(scenario, times, play, options, error);
    if (result != 0)
        return result;
    run = self_json(argv, error);
    if (run == NULL)
        return -EIO;
    swap = json_object_get(run, "swap");
    measured->pages_a_read = share(swap, "loads", "reads");
    measured->pages_a_write = share(swap, "stores", "writes");
    if (!json_is_true(json_object_get(run, "passed")))
        result =
            error_set(error, EIO, "the workload \"%s\" failed, as said above", plays[play].name);
    start = 1000 * json_number_value(json_object_get(
                       json_array_get(json_object_get(run, "tasks"), 0), "microseconds"));
    json_decref(run);
    return result == 0 ? read_times(times, play, start, measured, error) : result;
}

static int by_time(const void *a, const void *b)
{
    double x = by_reference(a), y = by_reference(b);

    return (x > y) - (x < y);
}

/* The sample that counts of each phase. */
static void choose(struct measured *measured)
{
    for (unsigned i = 0; i < PHASES; i++) {
        size_t count = measured->samples[i];

        if (count == 0)
            continue;
        qsort(measured->sample[i], count, sizeof *measured->sample[i], by_time);
        measured->phase[i] = measured->sample[i][count / 2];
        free(measured->sample[i]);
        measured->sample[i] = NULL;
    }
}

static int measure(const struct costs_options *options, struct measured *measured,
                   struct sp_error *error)
{
    struct directory directory;
    struct guardian guardian;
    int result;

    /* In virtual time each reference to a watched page is a fault: that is what a fault costs. */
    if (setenv("SELFPAGE_BITS", "signals", 1) != 0)
        return error_set(error, errno, "out of memory");
    result = guardian_start(&guardian, &directory, NULL, false, error);
    if (result != 0)
        return result;
    for (unsigned play = 0; play < PLAYS; play++) {
        measured[play].round_trip = measured[play].start = INFINITY;
        for (uint32_t i = 0; i < options->runs && result == 0; i++)
            result = play_once(directory.path, (enum trial)play, options, &measured[play], error);
        choose(&measured[play]);
    }
    guardian_stop(&guardian);
    directory_fini(&directory);
    return result;
}

/* ---- Costs ---- */

struct found {
    double start, reference, fault, frame, watch, round_trip, refill, message;
    double write_start, write_page, read_start, read_page, piece;
};

static double at_least(double value, double least)
{
    return value > least ? value : least;
}

/* What a page takes of a phase that reads pages back, without its faults. */
static double page_of(const struct phase *phase, const struct found *found)
{
    double known = phase->references * found->reference + phase->soft_faults * found->fault +
                   phase->faults * (found->fault + found->frame);

    return phase->swapped_in > 0 ? at_least(phase->ns - known, 0) / phase->swapped_in : 0;
}

static void find_reads(const struct measured *measured, struct found *found)
{
    double many = at_least(measured[ORDERED].pages_a_read, 1);
    double few = at_least(measured[SCATTERED].pages_a_read, 1);
    double ordered = page_of(&measured[ORDERED].phase[2], found);
    double scattered = page_of(&measured[SCATTERED].phase[2], found);
    double begin = many > few ? (scattered - ordered) / (1 / few - 1 / many) : scattered * few;

    found->read_start = at_least(begin, 0);
    found->read_page = at_least(ordered - begin / many, 100);
}

/* What a message with pages takes that nobody waits for: the same references, with it and without. */
static void find_message(const struct measured *measured, struct found *found)
{
    const struct phase *phase = &measured[REWRITTEN].phase[2];
    double messages = phase->swapped_out / at_least(measured[REWRITTEN].pages_a_write, 1);
    double without = phase->references * by_reference(&measured[SCATTERED].phase[2]);

    found->message = messages > 0 ? at_least((phase->ns - without) / messages, 0) : 0;
}

static void find_writes(const struct measured *measured, struct found *found)
{
    const struct phase *phase = &measured[ALONE].phase[1];
    double pages = at_least(measured[ALONE].pages_a_write, 1);
    double known =
        phase->references * found->reference + phase->faults * (found->fault + found->frame);
    double write =
        phase->swapped_out > 0 ? at_least(phase->ns - known, 0) / phase->swapped_out * pages : 0;

    write = at_least(write - found->message - found->round_trip, 0);
    found->write_page = at_least(fmin(found->read_page, write / pages), 100);
    found->write_start = at_least(write - pages * found->write_page, 0);
}

/* ---- Calls of the kernel ---- */

static double elapsed_ns(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - since->tv_sec) * 1e9 + (double)(now.tv_nsec - since->tv_nsec);
}

/* Map pages over addresses: from the last to the first, which are no neighbours then, or in one go. */
static bool map_pages(char *addresses, int memory, bool apart, int rights)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const int flags = MAP_SHARED | MAP_FIXED | MAP_POPULATE;
    bool there = true;

    for (size_t i = 0; i < PIECES && apart; i++)
        there = there && mmap(addresses + i * page, page, rights, flags, memory,
                              (off_t)((PIECES - 1 - i) * page)) != MAP_FAILED;
    return apart ? there : mmap(addresses, PIECES * page, rights, flags, memory, 0) != MAP_FAILED;
}

static bool unmap_pages(char *addresses)
{
    return mmap(addresses, PIECES * (size_t)sysconf(_SC_PAGESIZE), PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* How long it takes to map pages, and to take them away. Negative: it was not possible. */
static double time_mapping(char *addresses, int memory, bool apart)
{
    struct timespec before;

    clock_gettime(CLOCK_MONOTONIC, &before);
    return map_pages(addresses, memory, apart, PROT_READ) && unmap_pages(addresses)
               ? elapsed_ns(&before)
               : -1;
}

/* How long it takes to have references to pages noted, which were used: written, too, as the pages of a task were when it
 * first had them. Taking the rights to a page that was never written is many times cheaper on some machines. */
static double time_watching(char *addresses, int memory, bool apart)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t step = apart ? page : PIECES * page;
    bool done = map_pages(addresses, memory, apart, PROT_READ | PROT_WRITE);
    struct timespec before;
    double taken;

    for (size_t at = 0; done && at < PIECES * page; at += page)
        *(volatile char *)(addresses + at) = 1;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (size_t at = 0; done && at < PIECES * page; at += step)
        done = mprotect(addresses + at, step, PROT_NONE) == 0;
    taken = elapsed_ns(&before);
    return unmap_pages(addresses) && done ? taken : -1;
}

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* What each further call takes: the median of some times. 0: it was not possible. */
static double find_call(double (*time)(char *addresses, int memory, bool apart))
{
    const size_t size = PIECES * (size_t)sysconf(_SC_PAGESIZE);
    void *addresses = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int memory = memfd_create("pieces", MFD_CLOEXEC);
    double taken[PIECE_ROUNDS];
    bool failed = addresses == MAP_FAILED || memory < 0 || ftruncate(memory, (off_t)size) != 0 ||
                  time(addresses, memory, false) < 0;

    for (unsigned i = 0; i < PIECE_ROUNDS && !failed; i++) {
        double one = time(addresses, memory, false), many = time(addresses, memory, true);

        failed = one < 0 || many < 0;
        taken[i] = (many - one) / (PIECES - 1);
    }
    if (addresses != MAP_FAILED)
        munmap(addresses, size);
    if (memory >= 0)
        close(memory);
    if (failed)
        return 0;
    qsort(taken, PIECE_ROUNDS, sizeof *taken, by_number);
    return at_least(taken[PIECE_ROUNDS / 2], 0);
}

static struct found find(const struct measured *measured)
{
    const struct phase *soft = measured[SOFT].phase;
    const struct phase *hard = &measured[HARD].phase[1], *made = &measured[MADE].phase[1];
    struct found found = {.round_trip = INFINITY, .start = INFINITY};

    for (unsigned i = 0; i < PLAYS; i++) {
        found.round_trip = fmin(found.round_trip, measured[i].round_trip);
        found.start = fmin(found.start, at_least(measured[i].start, 0));
    }
    found.reference = soft[2].ns / at_least(soft[2].references, 1);
    found.fault = at_least(soft[1].ns - soft[1].references * found.reference, 0) /
                  at_least(soft[1].soft_faults, 1);
    found.frame = at_least(hard->ns / at_least(hard->faults, 1) - found.reference - found.fault, 0);
    found.refill = at_least(
        made->ns / at_least(made->faults, 1) - found.reference - found.fault - found.frame, 0);
    find_reads(measured, &found);
    find_message(measured, &found);
    find_writes(measured, &found);
    found.watch = find_call(time_watching);
    found.piece = find_call(time_mapping);
    return found;
}

/* ---- The file ---- */

static void write_costs(FILE *out, const struct costs_options *options, const struct found *found)
{
    struct utsname name;

    if (uname(&name) != 0)
        return;
    fprintf(out,
            "# What things take on a machine with %s %s (%s), for selfpage simulate --costs\n"
            "# The swap device is %s. Measured by selfpage bench costs.\n",
            name.sysname, name.release, name.machine,
            options->device != NULL ? options->device : "a file");
#define LINE(cost, meaning)                                                                        \
    fprintf(out, "%-11s: %lluns # %s\n", #cost, (unsigned long long)llround(found->cost), meaning);
    LINE(start, "a process: until its first request, and its end")
    LINE(reference, "a reference to a page that is mapped")
    LINE(fault, "a page fault")
    LINE(frame, "what a fault takes beyond that, if the page needs a frame")
    LINE(watch, "having the next reference to a page noted")
    LINE(round_trip, "a request and its reply")
    LINE(refill, "a call of a refill callback")
    LINE(message, "sending pages to swap without waiting for it")
    LINE(write_start, "a write to the swap device")
    LINE(write_page, "each page of it")
    LINE(read_start, "a read from the swap device")
    LINE(read_page, "each page of it")
    LINE(piece, "each further run of neighbours that is mapped, written or read with it")
#undef LINE
    fputs(
        "depth      : 4 # reads and writes that the device does at once: the threads of selfpage-swap\n",
        out);
}

static int write_file(const struct costs_options *options, const struct found *found,
                      struct sp_error *error)
{
    struct new_file file;
    int result, copy;
    FILE *out;

    if (options->output == NULL) {
        write_costs(stdout, options, found);
        return 0;
    }
    result = new_file_open(&file, options->output, error);
    if (result != 0)
        return result;
    copy = dup(file.fd);
    out = copy >= 0 ? fdopen(copy, "w") : NULL;
    result = out == NULL ? -errno : 0;
    if (out != NULL) {
        write_costs(out, options, found);
        result = stdio_finish(out);
        if (fclose(out) != 0 && result == 0)
            result = -errno;
    }
    result = result != 0 ? error_set(error, -result, "%.160s: cannot write: %s", options->output,
                                     strerror(-result))
                         : new_file_finish(&file, error);
    new_file_fini(&file);
    return result;
}

/* ---- The command line ---- */

#define FIELD(name) offsetof(struct costs_options, name)

static const struct option_row rows[] = {
    {"output", OPTION_TEXT, FIELD(output), .letter = 'o', .value = "FILE",
     .help = "where the costs are written (standard output)"},
    {"device", OPTION_TEXT, FIELD(device), .value = "DEVICE",
     .help =
         "the swap device, as selfpage-swap --device (a file in the private directory of a run)"},
    {"runs", OPTION_U32, FIELD(runs), 1, 1000, .value = "N",
     .help = "runs of each workload, of which the shortest counts (5)"},
};

static int device_check(void *arg, struct sp_error *error)
{
    const struct costs_options *options = arg;

    if (options->device != NULL && strpbrk(options->device, "\"'\\\n ") != NULL)
        return error_set(error, EINVAL,
                         "--device: a device with blanks or quotes cannot be measured");
    return 0;
}

static const struct options_syntax syntax = {
    .program = "selfpage bench costs",
    .usage = "[options]",
    .about =
        "Measure what references, faults, round trips and the swap device cost on this machine, and write it\n"
        "as selfpage simulate --costs reads it. It takes a few seconds; what else the machine does makes costs\n"
        "look higher than they are.\n",
    .exit_statuses = "0 measured; 2 it could not be measured, and a message says why.",
    .rows = rows,
    .count = sizeof(rows) / sizeof(rows[0]),
    .check = device_check,
};

static int run(const struct costs_options *options)
{
    static struct measured measured[PLAYS];
    struct found found;
    struct sp_error error;

    if (measure(options, measured, &error) != 0)
        return commands_cannot(&error);
    found = find(measured);
    return write_file(options, &found, &error) == 0 ? EXIT_YES : commands_cannot(&error);
}

int bench_costs(int argc, char **argv)
{
    struct costs_options options = {.runs = 5};
    int verdict;

    verdict = commands_options(argc, argv, &syntax, &options);
    if (verdict >= 0)
        return verdict;
    return run(&options);
}
