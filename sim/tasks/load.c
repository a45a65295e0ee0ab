/* selfpage-load WORKLOAD: refers to pages of managed memory as a text says, as `selfpage simulate` does in
 * virtual time. One scenario serves both.
 *
 * Each page carries its number and how often it was written. Whoever refers to a page looks at that: what
 * was written to a precious page must be there, a discardable one may hold zeros instead, and a
 * remanufacturable one what its callback made. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <selfpage/selfpage.h>

#include "common.h"
#include "core/contracts/contract.h"
#include "core/contracts/terms_text.h"
#include "drive/drive.h"
#include "os/heap.h"
#include "workload/walk.h"
#include "workload/workload_text.h"

/* Pauses are added up until they are long enough for the kernel to keep. */
#define SLEEP_LEAST_NS 1000000u

/* Round trips to physmem whose time is taken: the median says what one costs. */
#define ROUND_TRIPS 101

/* Base pages of the largest page that a contract can ask for (order=6). */
#define LARGEST_PAGE 64u

struct load {
    struct sp_task *task;
    FILE *times; /* NULL: none are wanted */
    const struct workload *workload;
    uint64_t *memory;  /* managed */
    uint32_t *version; /* by page: how often it was written */
    uint64_t pauses;   /* not made yet */
    uint64_t references, writes;
    struct sp_files *files; /* NULL: no phase reads a file */
    uint32_t file[WORKLOAD_PHASES_MAX];
    struct sp_terms part[PARTS_PER_TASK]; /* of its contracts, for other tasks: kind and frames */
    uint32_t parts;
    const char *tokens; /* the file that names these */
};

/* What a page holds at its beginning after so many writes. */
static uint64_t stamp(uint32_t page, uint32_t version)
{
    return ((uint64_t)page + 1) << 32 | version;
}

static uint64_t time_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void)
{
    return time_ns(CLOCK_MONOTONIC);
}

/* Runs in the fault handler: it computes as long as the workload says that making a page takes. */
static int refill(void *arg, size_t index, void *frame)
{
    const struct workload *workload = arg;
    uint64_t *words = frame;
    uint64_t until = workload->refill_ns > 0 ? now_ns() + workload->refill_ns : 0;

    while (until > 0 && now_ns() < until)
        continue;
    for (size_t i = 0; i < SP_PAGE_SIZE / sizeof(*words); i++)
        words[i] = stamp((uint32_t)index, 0);
    return 0;
}

/* Runs on the library's control thread. */
static enum sp_recall_answer on_recall(void *arg, const struct sp_recall *recall)
{
    const struct load *load = arg;

    (void)recall;
    return load->workload->ignores ? SP_RECALL_IGNORE : SP_RECALL_COMPLY;
}

/* Whether a page may hold this. */
static bool is_right(const struct load *load, uint32_t page, uint64_t found)
{
    uint32_t version = load->version[page];

    switch ((enum sp_kind)load->workload->kind) {
    case SP_PRECIOUS:
        return found == (version > 0 ? stamp(page, version) : 0);
    case SP_DISCARDABLE:
        return found == 0 || found == stamp(page, version);
    case SP_REMANUFACTURABLE:
        return found == stamp(page, 0) || found == stamp(page, version);
    case SP_KINDS:
        break;
    }
    return false;
}

static void refer(struct load *load, const struct walk_step *step)
{
    volatile uint64_t *word = load->memory + (size_t)step->page * (SP_PAGE_SIZE / sizeof(uint64_t));

    /* One reference: a write is not preceded by a read, which would fault twice. */
    load->references++;
    if (step->write) {
        *word = stamp(step->page, ++load->version[step->page]);
        load->writes++;
    } else if (!is_right(load, step->page, *word)) {
        errx(EXIT_NO, "page %u holds %#llx, and was written %u times", step->page,
             (unsigned long long)*word, load->version[step->page]);
    }
}

/* How often, and how long in between, a read is tried again for which the server has no frames now. */
#define READ_TRIES    1000u
#define READ_PAUSE_NS 1000000u

/* Open the files of all phases, and find how large they are. */
static void open_files(struct load *load, struct walk_tables *tables)
{
    struct sp_file_info info;
    struct sp_error error;

    for (uint32_t i = 0; i < tables->workload.phases; i++) {
        const struct workload_phase *phase = &tables->workload.phase[i];

        if (phase->pattern != WORKLOAD_FILE)
            continue;
        if ((load->files == NULL &&
             sp_files_connect(load->task, NULL, &load->files, &error) != 0) ||
            sp_file_open(load->files, phase->path, &info, &error) != 0)
            errx(EXIT_CANNOT, "file=%s: %s", phase->path, error.text);
        if (info.form != SP_FILE_REGULAR)
            errx(EXIT_CANNOT, "file=%s: it is no file", phase->path);
        load->file[i] = info.file;
        tables->file_bytes[i] = info.size;
    }
}

static void read_file(const struct load *load, const struct walk_step *step)
{
    static char buffer[WORKLOAD_READ_BYTES];
    const struct timespec pause = {.tv_nsec = READ_PAUSE_NS};
    struct sp_error error;
    int64_t count;

    for (unsigned tries = 0; tries <= READ_TRIES; tries++) {
        count = sp_file_read(load->files, load->file[step->phase],
                             (uint64_t)step->chunk * WORKLOAD_READ_BYTES, buffer, sizeof(buffer),
                             &error);
        if (count != -ENOMEM)
            break;
        nanosleep(&pause, NULL);
    }
    if (count < 0)
        errx(EXIT_CANNOT, "file=%s: %s", load->workload->phase[step->phase].path, error.text);
}

static void rest(struct load *load, uint64_t ns)
{
    struct timespec time;

    load->pauses += ns;
    if (load->pauses < SLEEP_LEAST_NS)
        return;
    time = (struct timespec){.tv_sec = (time_t)(load->pauses / 1000000000),
                             .tv_nsec = (long)(load->pauses % 1000000000)};
    load->pauses = 0;
    nanosleep(&time, NULL);
}

/* ---- Parts of contracts ---- */

static void add_part(struct load *load, const char *text)
{
    struct wanted_contract wanted[TERMS_MAX];
    struct sp_error error;
    int count = terms_text_parse(text, wanted, &error);

    if (count < 0)
        errx(EXIT_CANNOT, "--part=%s: %s", text, error.text);
    if (count != 1 || wanted[0].token != 0)
        errx(EXIT_CANNOT, "--part=%s: a part is KIND=FRAMES", text);
    if (load->parts == PARTS_PER_TASK)
        errx(EXIT_CANNOT, "--part: a task has at most %u", PARTS_PER_TASK);
    load->part[load->parts++] = wanted[0].terms;
}

/* The first contract of a kind; 0: there is none. */
static uint32_t first_contract(const struct load *load, uint8_t kind)
{
    struct sp_contract_info info;

    for (uint32_t number = 1; number <= 2 * TERMS_MAX; number++)
        if (sp_get_contract(load->task, number, &info) == 0 && info.terms.kind == kind)
            return number;
    return 0;
}

/* Split off all parts, and write their tokens, one a line. Whoever sees the file sees all of them. */
static void split_parts(const struct load *load)
{
    char path[4096];
    FILE *file;
    int fd;

    if (load->parts == 0)
        return;
    if ((size_t)snprintf(path, sizeof(path), "%s.new", load->tokens) >= sizeof(path))
        errx(EXIT_CANNOT, "--tokens: the path is too long");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        err(EXIT_CANNOT, "%s", path);
    for (uint32_t i = 0; i < load->parts; i++) {
        const struct sp_terms *wanted = &load->part[i];
        struct sp_error error;
        struct sp_part part;

        if (sp_split_contract(load->task, first_contract(load, wanted->kind), wanted->frames, &part,
                              &error) != 0)
            errx(EXIT_CANNOT, "--part=%s=%u: %s", terms_text_kind(wanted->kind), wanted->frames,
                 error.text);
        fprintf(file, "%llu\n", (unsigned long long)part.token);
    }
    if (fclose(file) != 0 || rename(path, load->tokens) != 0)
        err(EXIT_CANNOT, "%s", load->tokens);
}

/* ---- Times ---- */

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void time_round_trips(const struct load *load)
{
    uint64_t taken[ROUND_TRIPS];

    for (unsigned i = 0; i < ROUND_TRIPS; i++) {
        struct sp_availability availability;
        struct sp_error error;
        uint64_t before = now_ns();

        if (sp_get_availability(load->task, &availability, &error) != 0)
            errx(EXIT_CANNOT, "%s", error.text);
        taken[i] = now_ns() - before;
    }
    qsort(taken, ROUND_TRIPS, sizeof(*taken), by_value);
    fprintf(load->times, "round_trip %llu\n", (unsigned long long)taken[ROUND_TRIPS / 2]);
}

/* What had been counted when a phase began. */
struct mark {
    uint64_t ns, cpu_ns, references; /* cpu_ns: of this thread */
    struct sp_stats stats;
};

static struct mark mark_now(const struct load *load)
{
    struct mark mark = {.references = load->references};

    sp_get_stats(load->task, &mark.stats);
    mark.cpu_ns = time_ns(CLOCK_THREAD_CPUTIME_ID);
    mark.ns = now_ns();
    return mark;
}

/* A phase has ended. */
static void write_phase(const struct load *load, uint32_t round, uint32_t phase,
                        const struct mark *from)
{
    struct mark to = mark_now(load);

#define PASSED(counter) (unsigned long long)(to.stats.counter - from->stats.counter)
    fprintf(load->times,
            "round %u phase %u ns %llu cpu_ns %llu references %llu faults %llu soft_faults %llu "
            "swapped_out %llu swapped_in %llu\n",
            round, phase, (unsigned long long)(to.ns - from->ns),
            (unsigned long long)(to.cpu_ns - from->cpu_ns),
            (unsigned long long)(to.references - from->references), PASSED(faults),
            PASSED(soft_faults), PASSED(swapped_out), PASSED(swapped_in));
#undef PASSED
}

/* Make all references. */
static void walk_all(struct load *load, struct workload_walk *walk)
{
    uint32_t round = 0, phase = 0;
    struct walk_step step;
    struct mark mark = mark_now(load);

    while (walk_next(walk, &step)) {
        if (step.page == WALK_READ)
            read_file(load, &step);
        else if (step.page != WALK_NOTHING)
            refer(load, &step);
        if (step.pause_ns > 0)
            rest(load, step.pause_ns);
        if (load->times == NULL || (walk->phase == phase && walk->round == round))
            continue;
        write_phase(load, round, phase, &mark);
        round = walk->round;
        phase = walk->phase;
        mark = mark_now(load);
    }
}

static void usage(void)
{
    puts(
        "Usage: selfpage-load [OPTION]... WORKLOAD\n"
        "Refer to pages of managed memory as WORKLOAD says, and see that what was written comes back.\n"
        "\n"
        "WORKLOAD is parts separated by semicolons, each KEY=VALUE separated by commas. The first is about\n"
        "the whole, each other one is a phase: \"pages=1000;zipf=1.0,writes=0.2,references=50000\".\n"
        "`selfpage run --help` lists the keys; in a scenario they stand under workload:.\n"
        "\n"
        "  --seed N    of the random choices (that of SELFPAGE_SEED, or 1)\n"
        "  --times FILE  write how long each phase took, and what was counted meanwhile\n"
        "  --part KIND=FRAMES  split these off from the first contract of this kind, for another task; may be\n"
        "              repeated\n"
        "  --tokens FILE  write the tokens of these parts, one a line: a task claims one by claim=TOKEN in its\n"
        "              SELFPAGE_CONTRACT. With --part\n"
        "  -h, --help\n"
        "\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: 0, 1 if a page did not hold what was written to it, 2 if it could not be done.");
}

static uint64_t default_seed(void)
{
    const char *text = getenv("SELFPAGE_SEED");

    return text != NULL && *text != '\0' ? option_count("seed", text, 0, UINT64_MAX) : 1;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'}, {"times", required_argument, NULL, 't'},
        {"part", required_argument, NULL, 'p'}, {"tokens", required_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    static struct workload workload;
    static struct load load; /* recalls may come until the exit */
    struct sp_attach_options attach = {.on_recall = on_recall, .on_recall_arg = &load};
    uint64_t seed = default_seed();
    struct walk_tables tables;
    struct workload_walk walk;
    struct sp_error error;
    void *base;
    int choice;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 's':
            seed = option_count("seed", optarg, 0, UINT64_MAX);
            break;
        case 't':
            load.times = fopen(optarg, "we");
            if (load.times == NULL)
                err(EXIT_CANNOT, "%s", optarg);
            break;
        case 'p':
            add_part(&load, optarg);
            break;
        case 'k':
            load.tokens = optarg;
            break;
        case 'h':
            usage();
            return option_helped();
        default:
            return option_unknown();
        }
    }
    option_arguments(argc, argv, 1, "WORKLOAD");
    if ((load.parts > 0) != (load.tokens != NULL))
        errx(EXIT_CANNOT, "--part and --tokens go together");
    if (workload_text_parse(&workload, argv[optind], &error) != 0)
        errx(EXIT_CANNOT, "WORKLOAD: %s", error.text);
    if (walk_tables_init(&tables, &workload, &heap_allocator) != 0)
        err(EXIT_CANNOT, "no memory");
    if (drive_traces(&tables, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    workload = tables.workload; /* with the pages of its traces, if it said none */
    load.workload = &workload;
    load.version = calloc(workload.pages, sizeof(*load.version));
    if (load.version == NULL)
        err(EXIT_CANNOT, "no memory");
    attach.max_pages = workload.pages + LARGEST_PAGE; /* the last page may be larger */
    load.task = task_attach(&attach);
    split_parts(&load);
    if (sp_region_create(load.task,
                         &(struct sp_region_options){
                             .pages = workload.pages,
                             .kind = workload.kind,
                             .refill = workload.kind == SP_REMANUFACTURABLE ? refill : NULL,
                             .refill_arg = &workload},
                         &base, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    load.memory = base;
    open_files(&load, &tables);
    walk_init(&walk, &tables, seed);
    if (load.times != NULL)
        time_round_trips(&load);
    walk_all(&load, &walk);
    if (load.times != NULL && fclose(load.times) != 0)
        err(EXIT_CANNOT, "--times");
    sp_files_disconnect(&load.files);
    walk_tables_fini(&tables);
    free(load.version);
    return 0;
}
