/* The bytes of a trace that is written: collected, compressed or not, and sent to a descriptor. What is compressed
 * has a sum in it, which shows that it was damaged: libarchive puts one into all but zstd's frames, which are
 * therefore made by libzstd itself. */
#ifndef TRACE_SINK_H
#define TRACE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

/* No single piece may be longer, in bytes. */
#define SINK_PIECE (32u << 10)

enum sink_filter {
    SINK_PLAIN,
    SINK_ZSTD,
    SINK_GZIP,
    SINK_XZ,
    SINK_BZIP2,
    SINK_LZ4,
};

struct archive;
struct ZSTD_CCtx_s;

struct sink {
    int fd;
    const char *name; /* for messages */
    uint64_t bytes;   /* sent so far */
    bool compresses;
    /* Private. */
    uint8_t *buffer;
    size_t used;
    struct archive *archive; /* NULL: not compressed, or nothing was as yet, by lz4 */
    struct ZSTD_CCtx_s *zstd;
    uint8_t *packed;        /* what comes from it */
    struct sp_error failed; /* what writing said, if failed.code != 0 */
};

/* How a file is compressed that is called `path`: its last extension says. */
enum sink_filter sink_filter_of(const char *path);

/* Write to `fd`; the caller still owns `fd` and `name`. Release with sink_fini in any case. */
int sink_init(struct sink *sink, int fd, const char *name, enum sink_filter filter,
              struct sp_error *error);

/* Where up to `size` bytes, at most SINK_PIECE, can be put; sink_put says how many were. NULL:
 * an error of writing. */
uint8_t *sink_room(struct sink *sink, size_t size, struct sp_error *error);

static inline void sink_put(struct sink *sink, size_t size)
{
    sink->used += size;
}

/* Send what is left. */
int sink_finish(struct sink *sink, struct sp_error *error);

/* After sink_finish: put a header that says more in the place of the first one, of the same size. Does nothing where that
 * cannot be done: what was written is compressed, or went into a pipe. */
int sink_rewrite(struct sink *sink, const void *header, size_t size, struct sp_error *error);

void sink_fini(struct sink *sink);

#endif
