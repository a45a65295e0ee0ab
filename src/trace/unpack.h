/* Decompressing, by libarchive: gzip, bzip2, xz, lzma, lzip, lz4, zstd and compress, also several
 * compressed files one behind the other, as gzip and its like write them. */
#ifndef TRACE_UNPACK_H
#define TRACE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

struct unpack;

/* Bytes from whose beginning unpack_can tells. */
#define UNPACK_MAGIC 16u

/* The next stored bytes: puts up to `room` of them at `to`. Returns how many, 0 at the end, or a
 * negative errno and an error. */
typedef ssize_t unpack_source(void *context, uint8_t *to, size_t room, struct sp_error *error);

/* True if a file that begins with these bytes is compressed. */
bool unpack_can(const uint8_t *bytes, size_t size);

/* Begin. `first`, `size` bytes that are copied, come before what the source gives; `name` is for
 * messages. `name` and `context` must outlive it. Release with unpack_end in any case. Returns 0,
 * -ENOMEM, -EILSEQ (it is damaged at its very beginning), or what the source returned. */
int unpack_begin(struct unpack **unpackp, const char *name, const uint8_t *first, size_t size,
                 unpack_source *source, void *context, struct sp_error *error);

/* Put up to `room` bytes at `to`. Returns how many, 0 at the end, -EILSEQ (damaged, or cut off), or
 * what the source returned. */
ssize_t unpack_read(struct unpack *unpack, uint8_t *to, size_t room, struct sp_error *error);

/* *unpackp, which may be NULL, becomes NULL. */
void unpack_end(struct unpack **unpackp);

#endif
