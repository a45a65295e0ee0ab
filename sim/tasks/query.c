/* selfpage-query: answers queries about a table of records by indexes, one for each of its columns,
 * and adapts to the memory that it could have.
 *
 * The table is precious. An index can be made anew at any time, in one go over the table. Queries
 * come in batches, each about one column, the columns in turn.
 *
 *   --mode adapt  keeps as many indexes as the availability allows, in discardable memory: it drops
 *                 one whose turn is far off before it makes another, and at once when frames are
 *                 recalled. With no room for any it answers a batch in one go over the table.
 *   --mode page   keeps all of them in precious memory, for the library to page.
 *
 * The answers are the same. Each is verified: which record it is, and the record's checksum.
 *
 * Threads: the control thread calls on_pressure and on_change, everything else runs in main. What
 * both use is atomic; of what the control thread, or the library, did to an index main hears when it
 * looks something up (query_table.h). */
#include <err.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <selfpage/selfpage.h>

#include "common.h"
#include "query_batch.h"

/* In one batch, an index is not tried again and again while its pages are taken away. */
#define LOSSES_MOST 3u

/* Frames beside those of table and indexes: the library keeps up to 16 free. */
#define SLACK 24u

struct options {
    uint64_t records, columns, batches, queries, adaptations, seed;
    const char *dump;
    bool adapt;
};

struct query {
    struct options options;
    struct sp_task *task;
    struct table table;
    struct index index[COLUMNS];
    _Atomic uint32_t available; /* frames */
    _Atomic uint32_t column;    /* whose turn it is */
    _Atomic bool ready;         /* the control thread may drop indexes */
    _Atomic uint64_t dropped;
    uint64_t builds, regenerated, scans;
    bool made[COLUMNS]; /* an index that has been there before */
    struct batch batch;
};

/* ---- Adapting ---- */

/* How many indexes there is room for beside the table. */
static unsigned room(const struct query *query)
{
    size_t taken = query->table.pages + SLACK;
    size_t available = query->available, columns = query->options.columns;
    size_t indexes = available > taken ? (available - taken) / query->index[0].pages : 0;

    return (unsigned)(!query->options.adapt || indexes > columns ? columns : indexes);
}

/* Drop an index. Returns its frames. Both threads may. */
static size_t drop(struct query *query, struct index *index)
{
    long frames = index_drop(index);

    if (frames < 0)
        return 0;
    atomic_fetch_add(&query->dropped, 1);
    return (size_t)frames;
}

/* Keep at most so many indexes: those go first whose turn comes last. Returns the frames that came
 * free. Both threads may. */
static size_t keep(struct query *query, unsigned most)
{
    unsigned columns = (unsigned)query->options.columns, column = query->column, kept = 0;
    size_t frames = 0;

    for (unsigned i = 0; i < columns; i++) {
        struct index *index = &query->index[(column + i) % columns];

        if (index->build != 0 && kept < most)
            kept++;
        else
            frames += drop(query, index);
    }
    return frames;
}

/* Control thread: what could be had has changed. Main reads it before it makes an index. */
static void on_change(void *arg, const struct sp_availability *availability)
{
    struct query *query = arg;

    atomic_store(&query->available, availability->available);
}

/* Control thread: frames are recalled, or about to be. Drop indexes, the one in use last, and let
 * the library evict what is then still missing. */
static void on_pressure(void *arg, const struct sp_pressure *pressure)
{
    struct query *query = arg;
    size_t frames = 0;

    if (!pressure->recalled || !atomic_load(&query->ready))
        return;
    for (unsigned most = (unsigned)query->options.columns; most-- > 0 && frames < pressure->frames;)
        frames += keep(query, most);
}

/* See to it that the index whose turn it is is there. False if there is no room, or not for long. */
static bool index_ready(struct query *query)
{
    struct index *index = &query->index[query->column];

    for (unsigned tries = 0; index->build == 0; tries++) {
        unsigned most = room(query);

        if (most == 0 || tries == LOSSES_MOST)
            return false;
        keep(query, most - 1);
        index_build(index, ++query->builds);
        query->regenerated += query->made[query->column];
        query->made[query->column] = true;
    }
    return true;
}

/* ---- Queries ---- */

/* Answer a batch. Returns the sum of the answers, which does not depend on how they were found. */
static uint64_t answer(struct query *query, uint64_t number)
{
    struct batch *batch = &query->batch;
    struct index *index;
    uint64_t sum = 0;

    query->column = (uint32_t)(number % query->options.columns);
    index = &query->index[query->column];
    batch_ask(batch, number, query->column);
    for (size_t i = 0, losses = 0; i < batch->queries; i++) {
        const struct record *found = NULL;
        bool answered = false;

        while (!answered && losses < LOSSES_MOST && index_ready(query)) {
            answered = index_find(index, batch->asked[i].key, &found);
            if (!answered) {
                drop(query, index);
                losses++;
            }
        }
        if (!answered) {
            query->scans++;
            return sum + batch_scan(batch, i);
        }
        sum += batch_answer(batch, i, found);
    }
    return sum;
}

/* ---- The program ---- */

static void prepare(struct query *query)
{
    const struct options *options = &query->options;
    struct sp_error error;

    table_create(&query->table, query->task, options->records, options->seed);
    for (unsigned c = 0; c < options->columns; c++)
        index_create(&query->index[c], &query->table, c,
                     options->adapt ? SP_DISCARDABLE : SP_PRECIOUS);
    batch_init(&query->batch, &query->table, options->queries);
    if (options->adapt && sp_watch_availability(query->task, (uint32_t)query->index[0].pages / 4,
                                                on_change, query, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    atomic_store(&query->ready, true);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool must_go_on(const struct query *query)
{
    return query->dropped < query->options.adaptations ||
           query->regenerated < query->options.adaptations;
}

static void run(struct query *query)
{
    const struct options *options = &query->options;
    uint64_t digest = 0, batch, sum;
    struct output dump;
    struct sp_stats stats;
    double start, end;

    prepare(query);
    for (batch = 0; batch < options->columns; batch++) /* so that all indexes have been made once */
        answer(query, batch);
    if (options->dump != NULL)
        output_open(&dump, options->dump);
    start = seconds();
    for (; batch < options->columns + options->batches; batch++) {
        sum = answer(query, batch);
        digest = mix64(digest + sum);
        if (options->dump != NULL)
            output_write(&dump, &sum, sizeof(sum));
    }
    end = seconds();
    if (options->dump != NULL)
        output_close(&dump);
    for (; must_go_on(query); batch++) /* verified like the others, but not in the digest */
        answer(query, batch);
    atomic_store(&query->ready, false);
    sp_get_stats(query->task, &stats);
    printf("selfpage-query: %s, %llu records on %zu pages, %llu indexes of %zu pages, %llu batches "
           "of %llu queries, digest %016llx; %.0f us a batch; %llu indexes dropped, %llu made "
           "again, %llu scans; %llu pages to swap, %llu back\n",
           options->adapt ? "adapt" : "page", (unsigned long long)options->records,
           query->table.pages, (unsigned long long)options->columns, query->index[0].pages,
           (unsigned long long)options->batches, (unsigned long long)options->queries,
           (unsigned long long)digest,
           options->batches > 0 ? (end - start) * 1e6 / (double)options->batches : 0.0,
           (unsigned long long)query->dropped, (unsigned long long)query->regenerated,
           (unsigned long long)query->scans, (unsigned long long)stats.swapped_out,
           (unsigned long long)stats.swapped_in);
    batch_fini(&query->batch);
}

static void usage(void)
{
    puts(
        "Usage: selfpage-query [OPTION]...\n"
        "Answer batches of queries about a table by indexes, adapting to the memory there is.\n"
        "\n"
        "  --mode adapt|page  drop indexes when memory is short and make them again, or keep\n"
        "                     them and let them be paged (adapt)\n"
        "  --records N        of the table, 128 bytes each (32768)\n"
        "  --columns N        of these, with an index each, up to 8 (4)\n"
        "  --batches N        of queries, after one for each column (40)\n"
        "  --queries N        in a batch (16384)\n"
        "  --adaptations N    go on until so many indexes were dropped, and as many made again (0)\n"
        "  --seed N           for everything random (1)\n"
        "  --dump FILE        write the sum of the answers of each batch to FILE, 8 bytes each\n"
        "  -h, --help\n"
        "\n"
        "The digest printed at the end depends on records, columns, batches, queries and seed\n"
        "alone.\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: 0, 1 if an answer was wrong, 2 if it could not be done.");
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"mode", required_argument, NULL, 'm'},    {"records", required_argument, NULL, 'r'},
        {"columns", required_argument, NULL, 'c'}, {"batches", required_argument, NULL, 'b'},
        {"queries", required_argument, NULL, 'q'}, {"adaptations", required_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 's'},    {"dump", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct options options = {
        .records = 32768, .columns = 4, .batches = 40, .queries = 16384, .seed = 1, .adapt = true};
    int choice;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 'm':
            options.adapt = strcmp(optarg, "adapt") == 0;
            if (!options.adapt && strcmp(optarg, "page") != 0)
                errx(EXIT_CANNOT, "--mode: '%s' is neither adapt nor page", optarg);
            break;
        case 'r':
            options.records = option_count("records", optarg, 8, 1u << 24);
            break;
        case 'c':
            options.columns = option_count("columns", optarg, 1, COLUMNS);
            break;
        case 'b':
            options.batches = option_count("batches", optarg, 0, UINT32_MAX);
            break;
        case 'q':
            options.queries = option_count("queries", optarg, 1, 1u << 24);
            break;
        case 'a':
            options.adaptations = option_count("adaptations", optarg, 0, UINT32_MAX);
            break;
        case 's':
            options.seed = option_count("seed", optarg, 0, UINT64_MAX);
            break;
        case 'd':
            options.dump = optarg;
            break;
        case 'h':
            usage();
            exit(option_helped());
        default:
            exit(option_unknown());
        }
    }
    option_arguments(argc, argv, 0, "");
    return options;
}

int main(int argc, char **argv)
{
    static struct query query; /* the control thread uses it until the end */
    struct sp_attach_options attach = {.on_pressure = on_pressure, .on_pressure_arg = &query};

    query.options = parse_options(argc, argv);
    query.task = task_attach(query.options.adapt ? &attach : NULL);
    run(&query);
    return 0;
}
