/* What the example tasks share: options, files, seeded choices; of paging, only how to attach and
 * how to make a region, or else to give up. */
#ifndef TASKS_COMMON_H
#define TASKS_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/file.h>
#include <selfpage/selfpage.h>

/* Exit statuses, as of every program here. */
#define EXIT_NO     1 /* it ran, and the answer is no: a check failed */
#define EXIT_CANNOT 2 /* it could not run */

/* ---- Options ---- */

/* The value of an option, a whole number from `least` to `most`; `k`, `M` or `G` behind it stands
 * for 2^10, 2^20 or 2^30. Anything else ends the program with a message that names the option. */
uint64_t option_count(const char *option, const char *text, uint64_t least, uint64_t most);

/* The same for a decimal number. */
double option_real(const char *option, const char *text, double least, double most);

/* getopt_long did not know an option, and has said so: say what to do. Returns the exit status. */
int option_unknown(void);

/* The help was printed. Returns the exit status: EXIT_CANNOT, with a message, if it could not be written. */
int option_helped(void);

/* After getopt_long: see that there are `wanted` further arguments, called `names` in messages. */
void option_arguments(int argc, char **argv, int wanted, const char *names);

/* ---- Tasks ---- */

/* Attach this process as SELFPAGE_* in the environment say, or end it. It detaches when it exits,
 * whatever the reason, so what `options` point to must not be a local variable. */
struct sp_task *task_attach(const struct sp_attach_options *options);

/* A region for `bytes` bytes. Ends the program if there cannot be one. */
void *region_create(struct sp_task *task, size_t bytes, enum sp_kind kind, unsigned flags);

/* ---- Files ---- */

/* Open a regular file for reading, and tell its size. Ends the program if that cannot be. */
int file_open(const char *path, size_t *sizep);

/* Read bytes from `offset` on. Fewer than `size` only at the end of the file. `buffer` must be
 * private or pinned memory: the kernel does not fault managed pages in. Ends the program on error.
 */
size_t file_read(int fd, const char *path, void *buffer, size_t size, size_t offset);

/* A file of a file server as a region, which is read only, or (`own`) a copy of the task's own that
 * may be written. One in a program, which ends with the task. Ends the program if
 * that cannot be. */
void *served_open(struct sp_task *task, const char *path, int own, size_t *sizep);

/* A file that appears under its name when it is complete, and not at all otherwise. What is there
 * already and no regular file (a pipe, a device) is written to as it is. */
struct output {
    char *path;      /* with every link followed, if it is there */
    char *temporary; /* its name until then; NULL: it is written to as it is */
    char *buffer;    /* private memory between managed pages and write(2) */
    size_t used;
    int fd;
};

void output_open(struct output *output, const char *path);

/* Append bytes, which may lie in managed memory. */
void output_write(struct output *output, const void *bytes, size_t size);

/* Write what is left and give the file its name, replacing an older one. */
void output_close(struct output *output);

/* ---- Choices ---- */

/* Pseudo-random numbers: SplitMix64 (Steele, Lea and Flood 2014), the same for a seed everywhere.
 */
struct generator {
    uint64_t state;
};

uint64_t generator_bits(struct generator *generator);

/* From 0 to bound - 1, bound > 0; and from the half-open interval [0, 1). */
uint32_t generator_below(struct generator *generator, uint32_t bound);
double generator_unit(struct generator *generator);

/* A good mixture of the bits of a number: one to one. */
uint64_t mix64(uint64_t bits);

/* Items 0 to count - 1 with Zipf's distribution: the k-th most popular is drawn with a probability
 * proportional to 1 / k^exponent; exponent 0 is uniform. Which item is the k-th is a fixed
 * scattering, so that popular ones do not lie side by side. Draws are exact up to rounding and take
 * constant time and no memory: rejection-inversion (W. Hormann and G. Derflinger, ACM TOMACS 6(3),
 * 1996). */
struct zipf {
    uint32_t count;
    uint32_t stride; /* prime to count */
    double exponent;
    double low, high; /* of the integral of the hat function */
    double squeeze;
};

void zipf_init(struct zipf *zipf, uint32_t count, double exponent);

/* Popularity rank, 0 the highest; and the item that has it. */
uint32_t zipf_rank(const struct zipf *zipf, struct generator *generator);
uint32_t zipf_item(const struct zipf *zipf, struct generator *generator);

#endif
