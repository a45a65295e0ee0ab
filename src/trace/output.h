/* The bytes of a trace that is written: collected, compressed or not, and sent to a descriptor. */
#ifndef TRACE_OUTPUT_H
#define TRACE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

/* No single piece may be longer, in bytes. */
#define OUTPUT_PIECE 128u

enum output_filter {
    OUTPUT_PLAIN,
    OUTPUT_ZSTD,
    OUTPUT_GZIP,
    OUTPUT_XZ,
    OUTPUT_BZIP2,
    OUTPUT_LZ4,
};

struct archive;

struct output {
    int fd;
    const char *name; /* for messages */
    uint64_t bytes;   /* sent so far */
    bool compresses;
    /* Private. */
    uint8_t *buffer;
    size_t used;
    struct archive *archive; /* NULL: not compressed */
    struct sp_error failed;  /* what writing said, if failed.code != 0 */
};

/* How a file is compressed that is called `path`: its last extension says. */
enum output_filter output_filter_of(const char *path);

/* Write to `fd`, which stays the caller's, as `name` does. Release with output_fini in any case. */
int output_init(struct output *output, int fd, const char *name, enum output_filter filter,
                struct sp_error *error);

/* Where up to `size` bytes, at most OUTPUT_PIECE, can be put; output_put says how many were. NULL:
 * an error of writing. */
uint8_t *output_room(struct output *output, size_t size, struct sp_error *error);

static inline void output_put(struct output *output, size_t size)
{
    output->used += size;
}

/* Send what is left. */
int output_finish(struct output *output, struct sp_error *error);

void output_fini(struct output *output);

#endif
