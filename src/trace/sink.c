#include "trace/sink.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"

#define BUFFER (256u << 10)

static const struct {
    const char *extension;
    int (*add)(struct archive *archive);
} filters[] = {
    [SINK_ZSTD] = {".zst", NULL},
    [SINK_GZIP] = {".gz", archive_write_add_filter_gzip},
    [SINK_XZ] = {".xz", archive_write_add_filter_xz},
    [SINK_BZIP2] = {".bz2", archive_write_add_filter_bzip2},
    [SINK_LZ4] = {".lz4", archive_write_add_filter_lz4},
};

enum sink_filter sink_filter_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = SINK_ZSTD; dot != NULL && i < sizeof(filters) / sizeof(filters[0]); i++)
        if (strcasecmp(dot, filters[i].extension) == 0)
            return (enum sink_filter)i;
    return SINK_PLAIN;
}

static int write_all(struct sink *sink, const uint8_t *bytes, size_t size, struct sp_error *error)
{
    while (size > 0) {
        ssize_t done = write(sink->fd, bytes, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return error_set(error, done < 0 ? errno : EIO, "%s: cannot write: %s", sink->name,
                             strerror(done < 0 ? errno : EIO));
        bytes += done;
        size -= (size_t)done;
        sink->bytes += (uint64_t)done;
    }
    return 0;
}

/* ---- Compressing ---- */

static la_ssize_t take_packed(struct archive *archive, void *context, const void *bytes,
                              size_t size)
{
    struct sink *sink = context;

    if (write_all(sink, bytes, size, &sink->failed) == 0)
        return (la_ssize_t)size;
    archive_set_error(archive, sink->failed.code, "%s", sink->failed.text);
    return -1;
}

static int cannot_compress(struct sink *sink, struct sp_error *error)
{
    const char *text = sink->archive != NULL ? archive_error_string(sink->archive) : NULL;

    if (sink->failed.code != 0) {
        *error = sink->failed;
        return -error->code;
    }
    return error_set(error, ENOMEM, "%s: cannot compress: %s", sink->name,
                     text != NULL ? text : "no memory");
}

static int begin_packing(struct sink *sink, enum sink_filter filter, struct sp_error *error)
{
    struct archive_entry *entry = archive_entry_new();
    int result = ARCHIVE_FATAL;

    sink->archive = archive_write_new();
    if (sink->archive != NULL && entry != NULL) {
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_write_set_bytes_in_last_block(sink->archive, 1); /* no zeros at the end */
        result = archive_write_set_format_raw(sink->archive);
        if (result == ARCHIVE_OK)
            result = filters[filter].add(sink->archive);
        if (result == ARCHIVE_OK)
            result = archive_write_open2(sink->archive, sink, NULL, take_packed, NULL, NULL);
        if (result == ARCHIVE_OK)
            result = archive_write_header(sink->archive, entry);
    }
    archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : cannot_compress(sink, error);
}

/* ---- Compressing by libzstd ---- */

static int begin_zstd(struct sink *sink, struct sp_error *error)
{
    sink->packed = malloc(BUFFER);
    sink->zstd = ZSTD_createCCtx();
    if (sink->packed == NULL || sink->zstd == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_checksumFlag, 1)))
        return error_set(error, ENOMEM, "%s: no memory for compressing", sink->name);
    return 0;
}

/* Compress; `how` is ZSTD_e_end for what comes last. */
static int put_zstd(struct sink *sink, const uint8_t *bytes, size_t size, ZSTD_EndDirective how,
                    struct sp_error *error)
{
    ZSTD_inBuffer in = {.src = bytes, .size = size};
    size_t left;

    do {
        ZSTD_outBuffer out = {.dst = sink->packed, .size = BUFFER};

        left = ZSTD_compressStream2(sink->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return error_set(error, ENOMEM, "%s: cannot compress: %s", sink->name,
                             ZSTD_getErrorName(left));
        if (write_all(sink, sink->packed, out.pos, error) != 0)
            return -error->code;
    } while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
    return 0;
}

/* ---- */

static int flush(struct sink *sink, struct sp_error *error)
{
    size_t size = sink->used;

    sink->used = 0;
    if (!sink->compresses)
        return write_all(sink, sink->buffer, size, error);
    if (sink->zstd != NULL)
        return put_zstd(sink, sink->buffer, size, ZSTD_e_continue, error);
    if (size > 0 && sink->archive == NULL && begin_packing(sink, SINK_LZ4, error) != 0)
        return -error->code;
    if (size > 0 && archive_write_data(sink->archive, sink->buffer, size) != (la_ssize_t)size)
        return cannot_compress(sink, error);
    return 0;
}

int sink_init(struct sink *sink, int fd, const char *name, enum sink_filter filter,
              struct sp_error *error)
{
    *sink = (struct sink){.fd = fd, .name = name, .compresses = filter != SINK_PLAIN};
    sink->buffer = malloc(BUFFER);
    if (sink->buffer == NULL)
        return error_set(error, ENOMEM, "%s: no memory for writing", name);
    if (filter == SINK_ZSTD)
        return begin_zstd(sink, error);
    return filter == SINK_PLAIN || filter == SINK_LZ4 ? 0 : begin_packing(sink, filter, error);
}

uint8_t *sink_room(struct sink *sink, size_t size, struct sp_error *error)
{
    if (BUFFER - sink->used < size && flush(sink, error) != 0)
        return NULL;
    return sink->buffer + sink->used;
}

/* libarchive 3.6 dies of closing an lz4 file of nothing. */
static int write_empty_lz4(struct sink *sink, struct sp_error *error)
{
    /* A frame: magic number, flags, size of blocks, sum of these; no block; the sum of nothing. */
    static const uint8_t frame[] = {0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0,
                                    0,    0,    0,    0x05, 0x5d, 0xcc, 0x02};

    return write_all(sink, frame, sizeof(frame), error);
}

int sink_finish(struct sink *sink, struct sp_error *error)
{
    int result = flush(sink, error);

    if (result == 0 && sink->zstd != NULL)
        return put_zstd(sink, NULL, 0, ZSTD_e_end, error);
    if (result == 0 && sink->compresses && sink->archive == NULL)
        return write_empty_lz4(sink, error);
    if (result == 0 && sink->archive != NULL && archive_write_close(sink->archive) != ARCHIVE_OK)
        result = cannot_compress(sink, error);
    return result;
}

int sink_rewrite(struct sink *sink, const void *header, size_t size, struct sp_error *error)
{
    ssize_t written;

    if (sink->compresses)
        return 0;
    written = pwrite(sink->fd, header, size, 0);
    if (written == (ssize_t)size || (written < 0 && errno == ESPIPE))
        return 0;
    return error_set(error, written < 0 ? errno : EIO, "%s: cannot write the header: %s",
                     sink->name, written < 0 ? strerror(errno) : "not all of it was written");
}

void sink_fini(struct sink *sink)
{
    /* Output that was not finished is not wanted: closing must write nothing more. */
    if (sink->archive != NULL)
        archive_write_fail(sink->archive);
    archive_write_free(sink->archive);
    ZSTD_freeCCtx(sink->zstd);
    free(sink->packed);
    free(sink->buffer);
    *sink = (struct sink){.fd = -1};
}
