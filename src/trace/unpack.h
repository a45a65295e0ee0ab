/* Decompressing: gzip by zlib (gunzip.h); bzip2, xz, lzma, lzip, lz4, zstd and compress by libarchive. Also
 * several compressed files one behind the other, as gzip and its like write them.
 *
 * What fails a sum in the file is refused, and what ends too early, and what has anything but compressed
 * data behind it. Files without a sum are read as they are: compress and lzma have none; zstd --no-check,
 * lz4 --no-frame-crc and xz --check=none leave theirs out. */
#ifndef TRACE_UNPACK_H
#define TRACE_UNPACK_H

#include "trace/intake.h"

struct unpack;

/* Bytes from whose beginning unpack_can tells. */
#define UNPACK_MAGIC 16u

/* True if a file that begins with these bytes is compressed. */
bool unpack_can(const uint8_t *bytes, size_t size);

/* Begin. `first`, `size` bytes that are copied, come before what the source gives; `name` is for
 * messages. `name` and `context` must outlive it. Release with unpack_end in any case. Returns 0,
 * -ENOMEM, -EILSEQ (it is damaged at its very beginning), or what the source returned. */
int unpack_begin(struct unpack **unpackp, const char *name, const uint8_t *first, size_t size,
                 intake_source *source, void *context, struct sp_error *error);

/* False if what begins like a compressed file turned out to be none, and is read as it is. */
bool unpack_did(const struct unpack *unpack);

/* Put up to `room` bytes at `to`. Returns how many, 0 at the end, -EILSEQ (damaged, or cut short), or
 * what the source returned. */
ssize_t unpack_read(struct unpack *unpack, uint8_t *to, size_t room, struct sp_error *error);

/* *unpackp, which may be NULL, becomes NULL. */
void unpack_end(struct unpack **unpackp);

#endif
