/* selfpage-kvstore: a key-value store in memory that this process pages itself, under a skewed mix
 * of reads and writes.
 *
 * A hash table of fixed capacity (open addressing, linear probing, at most half full) leads from
 * keys to values of one size, in order of arrival. Every value carries its key, its generation (how
 * often it was written) and a checksum (XXH3 of the three); all are verified at each read, and all
 * records once more at the end, against the generations noted in private memory: a lost page, a
 * stale page and a page in the wrong place are all found out. */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include <selfpage/selfpage.h>

#include "common.h"

/* An entry of the hash table; zeros: free. The tag saves looking at most values that are not
 * meant. */
struct entry {
    uint32_t tag;
    uint32_t cell_plus1;
};

/* A value and what proves it. */
struct cell {
    uint64_t checksum;
    uint64_t key;
    uint64_t generation;
    uint64_t words[];
};

struct store {
    struct entry *table; /* managed */
    char *cells;         /* managed: struct cell, cell_size bytes apart */
    size_t mask;         /* entries of the table, less one: a power of two */
    size_t cell_size;
    size_t words; /* of a value */
    size_t used;  /* cells */
};

struct options {
    uint64_t records, value_bytes, operations, seed;
    double zipf, write_share;
    const char *dump;
    const char *served; /* a file of the file server; NULL: none */
};

/* The table and the cells in a copy of the task's own of a file, whatever that holds. */
static void store_on_file(struct store *store, struct sp_task *task, const struct options *options)
{
    size_t table = (store->mask + 1) * sizeof(struct entry), size;
    char *base = served_open(task, options->served, 1, &size);

    table += (SP_PAGE_SIZE - table % SP_PAGE_SIZE) % SP_PAGE_SIZE;
    if (size < table + options->records * store->cell_size)
        errx(EXIT_CANNOT, "--served %s: it needs %zu bytes, and has %zu", options->served,
             table + (size_t)options->records * store->cell_size, size);
    store->table = (struct entry *)base;
    memset(store->table, 0, table);
    store->cells = base + table;
}

static void store_init(struct store *store, struct sp_task *task, const struct options *options)
{
    size_t entries = 2;

    while (entries < 2 * options->records)
        entries *= 2;
    store->mask = entries - 1;
    store->words = options->value_bytes / sizeof(uint64_t);
    store->cell_size = sizeof(struct cell) + store->words * sizeof(uint64_t);
    store->used = 0;
    if (options->served != NULL) {
        store_on_file(store, task, options);
        return;
    }
    store->table = region_create(task, entries * sizeof(struct entry), SP_PRECIOUS, 0);
    store->cells = region_create(task, options->records * store->cell_size, SP_PRECIOUS, 0);
}

static struct cell *store_cell(const struct store *store, size_t number)
{
    return (struct cell *)(store->cells + number * store->cell_size);
}

/* The cell of a key, or NULL. If `add`, a missing key gets the next free cell. */
static struct cell *store_find(struct store *store, uint64_t key, int add)
{
    uint64_t hash = mix64(key);
    uint32_t tag = (uint32_t)(hash >> 32);
    size_t i = hash & store->mask;
    struct cell *cell;

    for (; store->table[i].cell_plus1 != 0; i = (i + 1) & store->mask) {
        if (store->table[i].tag != tag)
            continue;
        cell = store_cell(store, store->table[i].cell_plus1 - 1);
        if (cell->key == key)
            return cell;
    }
    if (!add)
        return NULL;
    cell = store_cell(store, store->used++);
    store->table[i] = (struct entry){tag, (uint32_t)store->used};
    return cell;
}

/* Everything of a cell behind its checksum. */
static uint64_t cell_checksum(const struct store *store, const struct cell *cell)
{
    return XXH3_64bits(&cell->key, store->cell_size - sizeof(cell->checksum));
}

static void store_put(struct store *store, uint64_t key, uint64_t generation)
{
    struct cell *cell = store_find(store, key, 1);
    struct generator words = {mix64(key) + generation};

    cell->key = key;
    cell->generation = generation;
    for (size_t i = 0; i < store->words; i++)
        cell->words[i] = generator_bits(&words);
    cell->checksum = cell_checksum(store, cell);
}

/* Look a record up and verify it; ends the program with status 1 if anything is wrong with it. */
static const struct cell *store_get(struct store *store, size_t record, uint64_t key,
                                    uint64_t generation)
{
    const struct cell *cell = store_find(store, key, 0);

    if (cell == NULL)
        errx(EXIT_NO, "record %zu: its key is not in the table", record);
    if (cell->generation != generation)
        errx(EXIT_NO, "record %zu: generation %llu, should be %llu", record,
             (unsigned long long)cell->generation, (unsigned long long)generation);
    if (cell->checksum != cell_checksum(store, cell))
        errx(EXIT_NO, "record %zu: its checksum does not fit its contents", record);
    return cell;
}

/* The key of a record: another for each record and seed. */
static uint64_t record_key(const struct options *options, size_t record)
{
    return mix64(record + 1) + options->seed;
}

/* Verify all records and dump them if asked to. Returns a digest of them. */
static uint64_t verify(struct store *store, const struct options *options,
                       const uint32_t *generations)
{
    struct output dump;
    uint64_t digest = 0;

    if (options->dump != NULL)
        output_open(&dump, options->dump);
    for (size_t record = 0; record < options->records; record++) {
        const struct cell *cell =
            store_get(store, record, record_key(options, record), generations[record]);

        digest = XXH3_64bits_withSeed(cell, store->cell_size, digest);
        if (options->dump != NULL)
            output_write(&dump, cell, store->cell_size);
    }
    if (options->dump != NULL)
        output_close(&dump);
    return digest;
}

static void run(struct sp_task *task, const struct options *options)
{
    uint32_t *generations = calloc(options->records, sizeof(*generations));
    struct generator random = {options->seed};
    uint64_t writes = 0, digest;
    struct sp_stats stats;
    struct store store;
    struct zipf zipf;

    if (generations == NULL)
        err(EXIT_CANNOT, "%llu records", (unsigned long long)options->records);
    store_init(&store, task, options);
    zipf_init(&zipf, (uint32_t)options->records, options->zipf);
    for (size_t record = 0; record < options->records; record++)
        store_put(&store, record_key(options, record), 0);
    for (uint64_t i = 0; i < options->operations; i++) {
        uint32_t record = zipf_item(&zipf, &random);

        if (generator_unit(&random) < options->write_share) {
            store_put(&store, record_key(options, record), ++generations[record]);
            writes++;
        } else {
            store_get(&store, record, record_key(options, record), generations[record]);
        }
    }
    digest = verify(&store, options, generations);
    free(generations);
    sp_get_stats(task, &stats);
    printf("selfpage-kvstore: %llu records, %llu reads, %llu writes, digest %016llx; %llu faults, "
           "%llu pages to swap, %llu back\n",
           (unsigned long long)options->records, (unsigned long long)(options->operations - writes),
           (unsigned long long)writes, (unsigned long long)digest, (unsigned long long)stats.faults,
           (unsigned long long)stats.swapped_out, (unsigned long long)stats.swapped_in);
}

static void usage(void)
{
    puts(
        "Usage: selfpage-kvstore [OPTION]...\n"
        "Read and write a key-value store in managed memory, and verify every value.\n"
        "\n"
        "  --records N      keys (10000)\n"
        "  --value-bytes N  size of a value, a multiple of 8 (1000)\n"
        "  --operations N   reads and writes after loading (100000)\n"
        "  --zipf S         skew: the k-th most popular record is used 1/k^S as often as the\n"
        "                   first; 0 is uniform (0.9)\n"
        "  --write-share W  share of the operations that write, 0 to 1 (0.2)\n"
        "  --seed N         for everything random (1)\n"
        "  --dump FILE      write all records to FILE at the end\n"
        "  --served FILE    keep all in a private region on FILE of the file server, which stays as\n"
        "                   it is; its pages go to swap by physmem\n"
        "  -h, --help\n"
        "\n"
        "The digest printed at the end depends on these options alone.\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: 0, 1 if a record was wrong, 2 if it could not be done.");
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"records", required_argument, NULL, 'r'},
        {"value-bytes", required_argument, NULL, 'v'},
        {"operations", required_argument, NULL, 'o'},
        {"zipf", required_argument, NULL, 'z'},
        {"write-share", required_argument, NULL, 'w'},
        {"seed", required_argument, NULL, 's'},
        {"dump", required_argument, NULL, 'd'},
        {"served", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.records = 10000,
                              .value_bytes = 1000,
                              .operations = 100000,
                              .seed = 1,
                              .zipf = 0.9,
                              .write_share = 0.2};
    int choice;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 'r':
            options.records = option_count("records", optarg, 1, 1u << 30);
            break;
        case 'v':
            options.value_bytes = option_count("value-bytes", optarg, 0, 1u << 30);
            if (options.value_bytes % sizeof(uint64_t) != 0)
                errx(EXIT_CANNOT, "--value-bytes: %s is not a multiple of 8", optarg);
            break;
        case 'o':
            options.operations = option_count("operations", optarg, 0, UINT32_MAX);
            break;
        case 'z':
            options.zipf = option_real("zipf", optarg, 0, 10);
            break;
        case 'w':
            options.write_share = option_real("write-share", optarg, 0, 1);
            break;
        case 's':
            options.seed = option_count("seed", optarg, 0, UINT64_MAX);
            break;
        case 'd':
            options.dump = optarg;
            break;
        case 'S':
            options.served = optarg;
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
    struct options options = parse_options(argc, argv);

    run(task_attach(NULL), &options);
    return 0;
}
