/* selfpage-analyser FILE: goes over a file again and again, asking which letters follow which, with
 * scratch memory that may be taken away at any time.
 *
 * For each block of the file it keeps two things in discardable regions: a table of how often each
 * pair of characters occurs, made from the file, and an index of the most frequent successors of
 * each character, made from the table. When physmem recalls frames it drops them at once; nothing
 * is ever written to swap. Before each use sp_pin says whether they are still there, and what is
 * lost is computed again. At the end all answers are compared with a computation that uses no
 * scratch. */
#include <err.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/selfpage.h>

#include "common.h"

#define BLOCK      65536u /* bytes of the file that one table covers */
#define CLASSES    64u    /* of characters */
#define SUCCESSORS 16u    /* of each class, in the index */

/* How often a character of one class is followed by one of another. */
struct table {
    uint32_t count[CLASSES][CLASSES];
};

/* The most frequent successors of each class, in order: count * CLASSES + class. */
struct index {
    uint32_t successor[CLASSES][SUCCESSORS];
};

#define TABLE_PAGES (sizeof(struct table) / SP_PAGE_SIZE)
#define INDEX_PAGES (sizeof(struct index) / SP_PAGE_SIZE)
_Static_assert(sizeof(struct table) % SP_PAGE_SIZE == 0, "tables are pinned one by one");
_Static_assert(sizeof(struct index) % SP_PAGE_SIZE == 0, "so are indexes");

/* What the scratch memory of one place was last filled with; private memory. */
struct place {
    size_t table_of; /* block plus one; 0: none */
    size_t index_of;
};

struct analyser {
    struct sp_task *task;
    const char *path;
    int fd;
    size_t size, blocks;
    unsigned char *buffer; /* one block of the file */
    struct place *places;
    size_t place_count;   /* block b uses place b % place_count */
    struct table *tables; /* discardable, by place */
    struct index *indexes;
    atomic_bool ready; /* on_recall may look at the regions */
    uint64_t tables_made, indexes_made, unpinned;
};

/* ---- The computation ---- */

/* Letters without case, digits, and the rest by their low bits. */
static unsigned class_of(unsigned char c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
        return c & 31;
    return 32 + (c & 31);
}

static void make_table(struct analyser *analyser, size_t block, struct table *table)
{
    size_t got = file_read(analyser->fd, analyser->path, analyser->buffer, BLOCK, block * BLOCK);

    memset(table, 0, sizeof(*table));
    for (size_t i = 1; i < got; i++)
        table->count[class_of(analyser->buffer[i - 1])][class_of(analyser->buffer[i])]++;
}

static void make_index(const struct table *table, struct index *index)
{
    for (unsigned c = 0; c < CLASSES; c++) {
        uint32_t *best = index->successor[c];

        memset(best, 0, sizeof(index->successor[c]));
        for (unsigned next = 0; next < CLASSES; next++) {
            uint32_t entry = table->count[c][next] * CLASSES + next;
            unsigned i = SUCCESSORS;

            for (; i > 0 && best[i - 1] < entry; i--)
                if (i < SUCCESSORS)
                    best[i] = best[i - 1];
            if (i < SUCCESSORS)
                best[i] = entry;
        }
    }
}

/* Add what a block's index says of one class to an answer. */
static uint64_t add_answer(uint64_t answer, const struct index *index, unsigned c)
{
    for (unsigned i = 0; i < SUCCESSORS; i++)
        answer = mix64(answer + index->successor[c][i]) + i;
    return answer;
}

/* ---- With scratch memory ---- */

/* Pin scratch pages. *valid becomes false if their contents are gone. False if there are not enough
 * frames to pin now. */
static bool pin(struct analyser *analyser, void *first, size_t pages, bool *valid)
{
    size_t lost = 0;

    if (sp_pin(analyser->task, first, pages, &lost) != 0)
        return false;
    *valid = *valid && lost == 0;
    return true;
}

/* Fill the pinned index of a block from its table, which is made first if it is not there. */
static bool refresh_index(struct analyser *analyser, size_t block, struct place *place)
{
    struct table *table = &analyser->tables[place - analyser->places];
    bool valid = place->table_of == block + 1;

    if (!pin(analyser, table, TABLE_PAGES, &valid))
        return false;
    if (!valid) {
        make_table(analyser, block, table);
        place->table_of = block + 1;
        analyser->tables_made++;
    }
    make_index(table, &analyser->indexes[place - analyser->places]);
    place->index_of = block + 1;
    analyser->indexes_made++;
    sp_unpin(analyser->task, table, TABLE_PAGES);
    return true;
}

static uint64_t ask_block(struct analyser *analyser, size_t block, unsigned c, uint64_t answer)
{
    struct place *place = &analyser->places[block % analyser->place_count];
    struct index *index = &analyser->indexes[place - analyser->places];
    bool valid = place->index_of == block + 1;
    struct table private_table;
    struct index private_index;

    if (pin(analyser, index, INDEX_PAGES, &valid)) {
        if (!valid)
            place->index_of = 0;
        if (valid || refresh_index(analyser, block, place)) {
            answer = add_answer(answer, index, c);
            sp_unpin(analyser->task, index, INDEX_PAGES);
            return answer;
        }
        sp_unpin(analyser->task, index, INDEX_PAGES);
    }
    analyser->unpinned++;
    make_table(analyser, block, &private_table);
    make_index(&private_table, &private_index);
    return add_answer(answer, &private_index, c);
}

/* Physmem wants frames back. Runs on the library's control thread: drop what is not pinned, tables
 * first, since the indexes answer without them; the library then returns the frames. */
static enum sp_recall_answer on_recall(void *arg, const struct sp_recall *recall)
{
    struct analyser *analyser = arg;
    long dropped;

    if (!atomic_load(&analyser->ready))
        return SP_RECALL_COMPLY;
    dropped = sp_discard(analyser->task, analyser->tables, analyser->place_count * TABLE_PAGES);
    if (dropped >= 0 && (unsigned long)dropped < recall->frames)
        sp_discard(analyser->task, analyser->indexes, analyser->place_count * INDEX_PAGES);
    return SP_RECALL_COMPLY;
}

/* ---- The program ---- */

/* The class that a pass asks about. */
static unsigned class_of_pass(uint64_t seed, size_t pass)
{
    return (unsigned)(mix64(seed + pass + 1) % CLASSES);
}

/* Answer every pass without scratch, block by block, and compare. */
static bool check(struct analyser *analyser, uint64_t seed, const uint64_t *answers, size_t passes)
{
    uint64_t *direct = calloc(passes, sizeof(*direct));
    struct table table;
    struct index index;
    bool good = true;

    if (direct == NULL)
        err(EXIT_CANNOT, "%zu passes", passes);
    for (size_t block = 0; block < analyser->blocks; block++) {
        make_table(analyser, block, &table);
        make_index(&table, &index);
        for (size_t pass = 0; pass < passes; pass++)
            direct[pass] = add_answer(direct[pass], &index, class_of_pass(seed, pass));
    }
    for (size_t pass = 0; pass < passes && good; pass++) {
        good = direct[pass] == answers[pass];
        if (!good)
            warnx("pass %zu: the answer is %016llx, should be %016llx", pass,
                  (unsigned long long)answers[pass], (unsigned long long)direct[pass]);
    }
    free(direct);
    return good;
}

static bool analyse(struct analyser *analyser, size_t passes, uint64_t seed)
{
    uint64_t *answers = calloc(passes, sizeof(*answers)), digest = 0;
    struct sp_stats stats;
    bool good;

    if (answers == NULL)
        err(EXIT_CANNOT, "%zu passes", passes);
    for (size_t pass = 0; pass < passes; pass++) {
        for (size_t block = 0; block < analyser->blocks; block++)
            answers[pass] = ask_block(analyser, block, class_of_pass(seed, pass), answers[pass]);
        digest = mix64(digest + answers[pass]);
    }
    good = check(analyser, seed, answers, passes);
    free(answers);
    sp_get_stats(analyser->task, &stats);
    if (stats.swapped_out != 0) {
        warnx("%llu pages were swapped, though all are discardable",
              (unsigned long long)stats.swapped_out);
        good = false;
    }
    printf("selfpage-analyser: %zu passes over %zu blocks, digest %016llx; %llu tables and %llu "
           "indexes made, %llu answers without scratch, %llu pages dropped\n",
           passes, analyser->blocks, (unsigned long long)digest,
           (unsigned long long)analyser->tables_made, (unsigned long long)analyser->indexes_made,
           (unsigned long long)analyser->unpinned, (unsigned long long)stats.dropped);
    return good;
}

static void usage(void)
{
    puts(
        "Usage: selfpage-analyser [OPTION]... FILE\n"
        "Ask again and again which characters follow which in FILE, with tables in discardable\n"
        "managed memory, and compare all answers with a computation without them.\n"
        "\n"
        "  --passes N         questions, each about the whole file (20)\n"
        "  --scratch-pages N  pages for tables and indexes, 5 for each 64 KiB of FILE; where that\n"
        "                     is more than N, blocks share them (1000)\n"
        "  --seed N           for the choice of questions (1)\n"
        "  -h, --help\n"
        "\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: 0, 1 if an answer was wrong or a page was swapped, 2 if it could not be\n"
        "done.");
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"passes", required_argument, NULL, 'p'},
        {"scratch-pages", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static struct analyser analyser; /* recalls may come until the exit */
    struct sp_attach_options attach = {.on_recall = on_recall, .on_recall_arg = &analyser};
    size_t passes = 20, pages = 1000;
    uint64_t seed = 1;
    int choice;
    bool good;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 'p':
            passes = option_count("passes", optarg, 1, 1u << 24);
            break;
        case 'n':
            pages = option_count("scratch-pages", optarg, TABLE_PAGES + INDEX_PAGES, 1u << 24);
            break;
        case 's':
            seed = option_count("seed", optarg, 0, UINT64_MAX);
            break;
        case 'h':
            usage();
            return option_helped();
        default:
            return option_unknown();
        }
    }
    option_arguments(argc, argv, 1, "FILE");
    analyser.path = argv[optind];
    analyser.fd = file_open(analyser.path, &analyser.size);
    analyser.blocks = (analyser.size + BLOCK - 1) / BLOCK;
    analyser.place_count = pages / (TABLE_PAGES + INDEX_PAGES);
    analyser.places = calloc(analyser.place_count, sizeof(*analyser.places));
    analyser.buffer = malloc(BLOCK);
    if (analyser.places == NULL || analyser.buffer == NULL)
        err(EXIT_CANNOT, "buffers");
    analyser.task = task_attach(&attach);
    analyser.tables = region_create(analyser.task, analyser.place_count * sizeof(struct table),
                                    SP_DISCARDABLE, 0);
    analyser.indexes = region_create(analyser.task, analyser.place_count * sizeof(struct index),
                                     SP_DISCARDABLE, 0);
    atomic_store(&analyser.ready, true);
    good = analyse(&analyser, passes, seed);
    atomic_store(&analyser.ready, false);
    close(analyser.fd);
    free(analyser.places);
    free(analyser.buffer);
    return good ? 0 : EXIT_NO;
}
