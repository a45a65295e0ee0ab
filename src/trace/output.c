#include "trace/output.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/error.h"

#define BUFFER (256u << 10)

static const struct {
    const char *extension;
    int (*add)(struct archive *archive);
} filters[] = {
    [OUTPUT_ZSTD] = {".zst", archive_write_add_filter_zstd},
    [OUTPUT_GZIP] = {".gz", archive_write_add_filter_gzip},
    [OUTPUT_XZ] = {".xz", archive_write_add_filter_xz},
    [OUTPUT_BZIP2] = {".bz2", archive_write_add_filter_bzip2},
    [OUTPUT_LZ4] = {".lz4", archive_write_add_filter_lz4},
};

enum output_filter output_filter_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = OUTPUT_ZSTD; dot != NULL && i < sizeof(filters) / sizeof(filters[0]); i++)
        if (strcasecmp(dot, filters[i].extension) == 0)
            return (enum output_filter)i;
    return OUTPUT_PLAIN;
}

static int write_all(struct output *output, const uint8_t *bytes, size_t size,
                     struct sp_error *error)
{
    while (size > 0) {
        ssize_t done = write(output->fd, bytes, size);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return error_set(error, done < 0 ? errno : EIO, "%s: cannot write: %s", output->name,
                             strerror(done < 0 ? errno : EIO));
        bytes += done;
        size -= (size_t)done;
        output->bytes += (uint64_t)done;
    }
    return 0;
}

/* ---- Compressing ---- */

static la_ssize_t take_packed(struct archive *archive, void *context, const void *bytes,
                              size_t size)
{
    struct output *output = context;

    if (write_all(output, bytes, size, &output->failed) == 0)
        return (la_ssize_t)size;
    archive_set_error(archive, output->failed.code, "%s", output->failed.text);
    return -1;
}

static int cannot_compress(struct output *output, struct sp_error *error)
{
    const char *text = output->archive != NULL ? archive_error_string(output->archive) : NULL;

    if (output->failed.code != 0) {
        *error = output->failed;
        return -error->code;
    }
    return error_set(error, ENOMEM, "%s: cannot compress: %s", output->name,
                     text != NULL ? text : "no memory");
}

static int begin_packing(struct output *output, enum output_filter filter, struct sp_error *error)
{
    struct archive_entry *entry = archive_entry_new();
    int result = ARCHIVE_FATAL;

    output->archive = archive_write_new();
    if (output->archive != NULL && entry != NULL) {
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_write_set_bytes_in_last_block(output->archive, 1); /* no zeros at the end */
        result = archive_write_set_format_raw(output->archive);
        if (result == ARCHIVE_OK)
            result = filters[filter].add(output->archive);
        if (result == ARCHIVE_OK)
            result = archive_write_open2(output->archive, output, NULL, take_packed, NULL, NULL);
        if (result == ARCHIVE_OK)
            result = archive_write_header(output->archive, entry);
    }
    archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : cannot_compress(output, error);
}

/* ---- */

static int flush(struct output *output, struct sp_error *error)
{
    size_t size = output->used;

    output->used = 0;
    if (output->archive == NULL)
        return write_all(output, output->buffer, size, error);
    if (size > 0 && archive_write_data(output->archive, output->buffer, size) != (la_ssize_t)size)
        return cannot_compress(output, error);
    return 0;
}

int output_init(struct output *output, int fd, const char *name, enum output_filter filter,
                struct sp_error *error)
{
    *output = (struct output){.fd = fd, .name = name, .compresses = filter != OUTPUT_PLAIN};
    output->buffer = malloc(BUFFER);
    if (output->buffer == NULL)
        return error_set(error, ENOMEM, "%s: no memory for writing", name);
    return output->compresses ? begin_packing(output, filter, error) : 0;
}

uint8_t *output_room(struct output *output, size_t size, struct sp_error *error)
{
    if (BUFFER - output->used < size && flush(output, error) != 0)
        return NULL;
    return output->buffer + output->used;
}

int output_finish(struct output *output, struct sp_error *error)
{
    int result = flush(output, error);

    if (result == 0 && output->archive != NULL &&
        archive_write_close(output->archive) != ARCHIVE_OK)
        result = cannot_compress(output, error);
    return result;
}

void output_fini(struct output *output)
{
    /* What was not finished is not wanted: closing must write nothing more. */
    if (output->archive != NULL)
        archive_write_fail(output->archive);
    archive_write_free(output->archive);
    free(output->buffer);
    *output = (struct output){.fd = -1};
}
