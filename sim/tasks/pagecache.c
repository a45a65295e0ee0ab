/* selfpage-pagecache FILE: a page cache that needs no guarantee.
 *
 * One remanufacturable region stands for the file: a page that is touched and not there is read
 * from the file by `refill`; a page that has to go is dropped, since the file still has it. Extra
 * frames suffice, which physmem may recall at any time. Random pieces of the file are read through
 * the cache and compared with what pread(2) says. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <selfpage/selfpage.h>

#include "common.h"

struct cache {
    int fd; /* -1: a file server has it */
    struct sp_files *files;
    uint32_t file;
    size_t size;         /* bytes of the file that the cache covers */
    const char *memory;  /* managed: page i holds page i of the file */
    atomic_ulong misses; /* pages read from the file */
};

/* Read one page of the file; what lies behind its end is zeros. Runs in a signal handler, unless
 * the task has a pager thread: only async-signal-safe calls. */
static int refill(void *arg, size_t index, void *frame)
{
    struct cache *cache = arg;
    size_t start = index * SP_PAGE_SIZE, done = 0;
    size_t wanted = cache->size - start < SP_PAGE_SIZE ? cache->size - start : SP_PAGE_SIZE;

    while (done < wanted) {
        ssize_t got = pread(cache->fd, (char *)frame + done, wanted - done, (off_t)(start + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EIO; /* EIO: the file has become shorter */
        done += (size_t)got;
    }
    memset((char *)frame + wanted, 0, SP_PAGE_SIZE - wanted);
    atomic_fetch_add(&cache->misses, 1);
    return 0;
}

/* Read bytes of the file without the cache. */
static size_t read_directly(const struct cache *cache, const char *path, char *bytes, size_t size,
                            size_t offset)
{
    struct sp_error error;
    int64_t got;

    if (cache->fd >= 0)
        return file_read(cache->fd, path, bytes, size, offset);
    got = sp_file_read(cache->files, cache->file, offset, bytes, size, &error);
    if (got < 0)
        errx(EXIT_CANNOT, "cannot read '%s' at byte %zu: %s", path, offset, error.text);
    return (size_t)got;
}

/* Compare `size` bytes with the file; ends the program with status 1 if they differ. */
static void compare(const struct cache *cache, const char *path, const char *got, char *direct,
                    size_t offset, size_t size)
{
    size_t i = 0;

    if (read_directly(cache, path, direct, size, offset) != size)
        errx(EXIT_CANNOT, "'%s' became shorter while it was read", path);
    while (i < size && got[i] == direct[i])
        i++;
    if (i < size)
        errx(EXIT_NO, "byte %zu of '%s' is 0x%02x in the cache and 0x%02x in the file", offset + i,
             path, (unsigned char)got[i], (unsigned char)direct[i]);
}

struct options {
    uint64_t pages, reads, length, seed;
    double zipf;
    int served;
};

static void serve(struct cache *cache, const char *path, const struct options *options)
{
    struct generator random = {options->seed};
    char *got = malloc(options->length), *direct = malloc(options->length);
    uint32_t pages = (uint32_t)((cache->size + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE);
    uint64_t looked_up = 0, bytes = 0, misses;
    struct zipf zipf;

    if (got == NULL || direct == NULL)
        err(EXIT_CANNOT, "--length %llu", (unsigned long long)options->length);
    zipf_init(&zipf, pages, options->zipf);
    for (uint64_t i = 0; i < options->reads; i++) {
        size_t page = zipf_item(&zipf, &random);
        size_t offset = page * SP_PAGE_SIZE + generator_below(&random, SP_PAGE_SIZE);
        size_t size = 1 + generator_below(&random, (uint32_t)options->length);

        if (offset >= cache->size)
            offset = cache->size - 1;
        if (size > cache->size - offset)
            size = cache->size - offset;
        memcpy(got, cache->memory + offset, size); /* the page faults happen here */
        looked_up += (offset + size - 1) / SP_PAGE_SIZE - offset / SP_PAGE_SIZE + 1;
        bytes += size;
        compare(cache, path, got, direct, offset, size);
    }
    free(got);
    free(direct);
    misses = atomic_load(&cache->misses);
    printf("selfpage-pagecache: %llu reads, %llu bytes, all equal to the file; %llu pages looked "
           "up, %llu hits, %llu misses\n",
           (unsigned long long)options->reads, (unsigned long long)bytes,
           (unsigned long long)looked_up,
           (unsigned long long)(looked_up > misses ? looked_up - misses : 0),
           (unsigned long long)misses);
}

static void usage(void)
{
    puts(
        "Usage: selfpage-pagecache [OPTION]... FILE\n"
        "Read random pieces of FILE through a page cache in managed memory, and compare them with\n"
        "the file.\n"
        "\n"
        "  --pages N   cover only the first N pages of FILE (default: all)\n"
        "  --reads N   pieces to read (20000)\n"
        "  --length N  longest piece, in bytes (16k)\n"
        "  --zipf S    skew: the k-th most popular page is read 1/k^S as often as the first; 0 is\n"
        "              uniform (0.9)\n"
        "  --seed N    for everything random (1)\n"
        "  --served    FILE is a file of the file server, in whose cache it is; it is read through a\n"
        "              region, and compared with what sp_file_read says\n"
        "  -h, --help\n"
        "\n"
        "Contract, policy and servers come from SELFPAGE_* in the environment.\n"
        "Exit status: 0, 1 if the cache differs from the file, 2 if it could not be done.");
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"pages", required_argument, NULL, 'p'},  {"reads", required_argument, NULL, 'r'},
        {"length", required_argument, NULL, 'l'}, {"zipf", required_argument, NULL, 'z'},
        {"seed", required_argument, NULL, 's'},   {"served", no_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    struct options options = {.reads = 20000, .length = 16384, .seed = 1, .zipf = 0.9};
    int choice;

    while ((choice = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        switch (choice) {
        case 'p':
            options.pages = option_count("pages", optarg, 1, 1u << 24);
            break;
        case 'r':
            options.reads = option_count("reads", optarg, 0, UINT32_MAX);
            break;
        case 'l':
            options.length = option_count("length", optarg, 1, 1u << 24);
            break;
        case 'z':
            options.zipf = option_real("zipf", optarg, 0, 10);
            break;
        case 's':
            options.seed = option_count("seed", optarg, 0, UINT64_MAX);
            break;
        case 'S':
            options.served = 1;
            break;
        case 'h':
            usage();
            exit(option_helped());
        default:
            exit(option_unknown());
        }
    }
    option_arguments(argc, argv, 1, "FILE");
    return options;
}

/* The file as a region of this program's own. */
static void cache_file(struct cache *cache, const char *path, const struct options *options)
{
    struct sp_region_options region = {
        .kind = SP_REMANUFACTURABLE, .refill = refill, .refill_arg = cache};
    struct sp_error error;
    void *base;

    cache->fd = file_open(path, &cache->size);
    if (cache->size == 0)
        errx(EXIT_CANNOT, "'%s' is empty", path);
    if (options->pages != 0 && cache->size > options->pages * SP_PAGE_SIZE)
        cache->size = options->pages * SP_PAGE_SIZE;
    region.pages = (cache->size + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE;
    if (sp_region_create(task_attach(NULL), &region, &base, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    cache->memory = base;
}

/* The file as a region that the file server fills. */
static void serve_file(struct cache *cache, const char *path, const struct options *options)
{
    struct sp_task *task = task_attach(NULL);
    struct sp_file_info info;
    struct sp_error error;

    cache->fd = -1;
    cache->memory = served_open(task, path, 0, &cache->size);
    if (options->pages != 0 && cache->size > options->pages * SP_PAGE_SIZE)
        cache->size = options->pages * SP_PAGE_SIZE;
    if (sp_files_connect(task, NULL, &cache->files, &error) != 0 ||
        sp_file_open(cache->files, path, &info, &error) != 0)
        errx(EXIT_CANNOT, "'%s': %s", path, error.text);
    cache->file = info.file;
}

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    const char *path = argv[optind];
    static struct cache cache; /* pages are refilled until the exit */

    if (options.served)
        serve_file(&cache, path, &options);
    else
        cache_file(&cache, path, &options);
    serve(&cache, path, &options);
    if (cache.fd >= 0)
        close(cache.fd);
    return 0;
}
