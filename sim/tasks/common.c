#include "common.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_BUFFER 65536

/* ---- Options ---- */

uint64_t option_count(const char *option, const char *text, uint64_t least, uint64_t most)
{
    unsigned long long value;
    unsigned shift = 0;
    char *end;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end == 'k' || *end == 'M' || *end == 'G')
        shift = *end == 'k' ? 10 : *end == 'M' ? 20 : 30;
    if (text[0] < '0' || text[0] > '9' || end[shift > 0] != '\0')
        errx(EXIT_CANNOT, "--%s: '%s' is not a whole number", option, text);
    if (errno == ERANGE || value > most >> shift || value << shift < least)
        errx(EXIT_CANNOT, "--%s: %s is not from %llu to %llu", option, text,
             (unsigned long long)least, (unsigned long long)most);
    return value << shift;
}

double option_real(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0')
        errx(EXIT_CANNOT, "--%s: '%s' is not a number", option, text);
    if (!(value >= least && value <= most))
        errx(EXIT_CANNOT, "--%s: %s is not from %g to %g", option, text, least, most);
    return value;
}

int option_unknown(void)
{
    warnx("try --help");
    return EXIT_CANNOT;
}

int option_helped(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    warn("cannot write to standard output");
    return EXIT_CANNOT;
}

void option_arguments(int argc, char **argv, int wanted, const char *names)
{
    if (argc - optind < wanted)
        errx(EXIT_CANNOT, "%s missing; try --help", names);
    if (argc - optind > wanted)
        errx(EXIT_CANNOT, "too many arguments: '%s'; try --help", argv[optind + wanted]);
}

/* ---- Tasks ---- */

static struct sp_task *attached;
static struct sp_file_region *served; /* by served_open */

static void detach(void)
{
    sp_file_region_destroy(&served);
    sp_detach(&attached);
}

struct sp_task *task_attach(const struct sp_attach_options *options)
{
    struct sp_error error;

    if (atexit(detach) != 0)
        errx(EXIT_CANNOT, "no memory");
    if (sp_attach(&attached, options, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    return attached;
}

void *region_create(struct sp_task *task, size_t bytes, enum sp_kind kind, unsigned flags)
{
    struct sp_region_options options = {
        .pages = (bytes + SP_PAGE_SIZE - 1) / SP_PAGE_SIZE, .kind = kind, .flags = flags};
    struct sp_error error;
    void *base;

    if (sp_region_create(task, &options, &base, &error) != 0)
        errx(EXIT_CANNOT, "%s", error.text);
    return base;
}

/* ---- Files ---- */

int file_open(const char *path, size_t *sizep)
{
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe we would wait for a writer */
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        err(EXIT_CANNOT, "cannot open '%s'", path);
    if (!S_ISREG(status.st_mode))
        errx(EXIT_CANNOT, "'%s' is not a regular file", path);
    *sizep = (size_t)status.st_size;
    return fd;
}

size_t file_read(int fd, const char *path, void *buffer, size_t size, size_t offset)
{
    size_t done = 0;
    ssize_t got;

    while (done < size) {
        got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err(EXIT_CANNOT, "cannot read '%s' at byte %zu", path, offset + done);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* The name that an unfinished output has where the file system knows no nameless files. */
static char *unfinished;

static void remove_unfinished(void)
{
    if (unfinished != NULL)
        unlink(unfinished);
}

void *served_open(struct sp_task *task, const char *path, int own, size_t *sizep)
{
    const struct sp_file_region_options options = {.path = path,
                                                   .flags = own ? SP_FILE_PRIVATE : 0};
    struct sp_error error;
    void *base;

    if (served != NULL)
        errx(EXIT_CANNOT, "'%s': one file of a file server is enough", path);
    if (sp_file_region_create(task, &options, &served, &base, &error) != 0)
        errx(EXIT_CANNOT, "'%s': %s", path, error.text);
    *sizep = (size_t)sp_file_region_size(served);
    return base;
}

/* A file without a name in the directory where it will have one, or with a temporary name. */
static int open_unfinished(struct output *output)
{
    char *copy = strdup(output->path);
    int fd;

    if (copy == NULL ||
        asprintf(&output->temporary, "%s.%ld.tmp", output->path, (long)getpid()) < 0)
        err(EXIT_CANNOT, "cannot write '%s'", output->path);
    fd = open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    free(copy);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    fd = open(output->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0) {
        unfinished = output->temporary;
        atexit(remove_unfinished);
    }
    return fd;
}

void output_open(struct output *output, const char *path)
{
    struct stat old;

    /* What a link leads to is replaced, not the link. */
    *output = (struct output){.path = realpath(path, NULL), .buffer = malloc(OUTPUT_BUFFER)};
    if (output->path == NULL)
        output->path = strdup(path);
    if (output->path == NULL || output->buffer == NULL)
        err(EXIT_CANNOT, "cannot write '%s'", path);
    if (stat(path, &old) == 0 && !S_ISREG(old.st_mode) && !S_ISDIR(old.st_mode))
        output->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY); /* a pipe, /dev/null, ... */
    else
        output->fd = open_unfinished(output);
    if (output->fd < 0)
        err(EXIT_CANNOT, "cannot write '%s'", path);
}

static void output_flush(struct output *output)
{
    size_t done = 0;
    ssize_t wrote;

    while (done < output->used) {
        wrote = write(output->fd, output->buffer + done, output->used - done);
        if (wrote < 0 && errno != EINTR)
            err(EXIT_CANNOT, "cannot write '%s'", output->path);
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    output->used = 0;
}

void output_write(struct output *output, const void *bytes, size_t size)
{
    const char *from = bytes;
    size_t part;

    for (; size > 0; from += part, size -= part) {
        if (output->used == OUTPUT_BUFFER)
            output_flush(output);
        part = OUTPUT_BUFFER - output->used < size ? OUTPUT_BUFFER - output->used : size;
        memcpy(output->buffer + output->used, from, part);
        output->used += part;
    }
}

/* Give a file that is complete its name. Returns 0 or -1 and errno. */
static int take_name(struct output *output)
{
    char link[64];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", output->fd);
    if ((unfinished == NULL &&
         linkat(AT_FDCWD, link, AT_FDCWD, output->temporary, AT_SYMLINK_FOLLOW) != 0) ||
        rename(output->temporary, output->path) != 0) {
        int saved = errno;

        unlink(output->temporary);
        errno = saved;
        return -1;
    }
    unfinished = NULL;
    return 0;
}

void output_close(struct output *output)
{
    output_flush(output);
    if ((output->temporary != NULL && take_name(output) != 0) || close(output->fd) != 0)
        err(EXIT_CANNOT, "cannot write '%s'", output->path);
    free(output->path);
    free(output->temporary);
    free(output->buffer);
}

/* ---- Choices ---- */

uint64_t mix64(uint64_t bits)
{
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

uint64_t generator_bits(struct generator *generator)
{
    return mix64(generator->state += UINT64_C(0x9e3779b97f4a7c15));
}

uint32_t generator_below(struct generator *generator, uint32_t bound)
{
    return (uint32_t)(((generator_bits(generator) >> 32) * bound) >> 32);
}

double generator_unit(struct generator *generator)
{
    return (double)(generator_bits(generator) >> 11) * 0x1.0p-53;
}

/* expm1(x) / x and log1p(x) / x, also near 0: these keep the integral below precise as the exponent
 * nears 1, where it turns into a logarithm. */
static double expm1_over(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2 * (1 + x / 3 * (1 + x / 4));
}

static double log1p_over(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3 - x / 4));
}

/* The hat function, x^-exponent, its integral up to a constant, and the inverse of that. */
static double hat(const struct zipf *zipf, double x)
{
    return exp(-zipf->exponent * log(x));
}

static double hat_integral(const struct zipf *zipf, double x)
{
    return expm1_over((1 - zipf->exponent) * log(x)) * log(x);
}

static double hat_integral_inverse(const struct zipf *zipf, double x)
{
    double t = x * (1 - zipf->exponent);

    return exp(log1p_over(t < -1 ? -1 : t) * x);
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

void zipf_init(struct zipf *zipf, uint32_t count, double exponent)
{
    zipf->count = count;
    zipf->exponent = exponent;
    zipf->low = hat_integral(zipf, 1.5) - 1;
    zipf->high = hat_integral(zipf, (double)count + 0.5);
    zipf->squeeze = 2 - hat_integral_inverse(zipf, hat_integral(zipf, 2.5) - hat(zipf, 2));
    /* The golden section of the circle of items: neighbours in rank lie far apart. */
    zipf->stride = (uint32_t)((double)count * 0.6180339887498949) + 1;
    while (gcd(zipf->stride, count) != 1)
        zipf->stride++;
}

uint32_t zipf_rank(const struct zipf *zipf, struct generator *generator)
{
    double area, x, rank;

    do {
        area = zipf->high + generator_unit(generator) * (zipf->low - zipf->high);
        x = hat_integral_inverse(zipf, area);
        rank = floor(x + 0.5);
        if (rank < 1)
            rank = 1;
        else if (rank > (double)zipf->count)
            rank = (double)zipf->count;
    } while (rank - x > zipf->squeeze && area < hat_integral(zipf, rank + 0.5) - hat(zipf, rank));
    return (uint32_t)rank - 1;
}

uint32_t zipf_item(const struct zipf *zipf, struct generator *generator)
{
    return (uint32_t)((uint64_t)zipf_rank(zipf, generator) * zipf->stride % zipf->count);
}
