#include "trace/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "trace/gunzip.h"

struct unpack {
    struct archive *archive; /* NULL: gunzip */
    struct gunzip gunzip;
    bool ended;
    struct intake intake;
};

typedef int add_filter(struct archive *archive);

/* NULL: not by libarchive. */
static const struct {
    uint8_t bytes[6];
    uint8_t size;
    add_filter *add;
} magics[] = {
    {{0x1f, 0x8b}, 2, NULL}, /* gzip */
    {{0x1f, 0x9d}, 2, archive_read_support_filter_compress},
    {{'B', 'Z', 'h'}, 3, archive_read_support_filter_bzip2},
    {{0xfd, '7', 'z', 'X', 'Z', 0}, 6, archive_read_support_filter_xz},
    {{0x5d, 0, 0}, 3, archive_read_support_filter_lzma},
    {{'L', 'Z', 'I', 'P'}, 4, archive_read_support_filter_lzip},
    {{0x04, 0x22, 0x4d, 0x18}, 4, archive_read_support_filter_lz4},
    {{0x02, 0x21, 0x4c, 0x18}, 4, archive_read_support_filter_lz4}, /* as it was once */
    {{0x28, 0xb5, 0x2f, 0xfd}, 4, archive_read_support_filter_zstd},
};

#define MAGICS (sizeof(magics) / sizeof(magics[0]))

static bool has_magic(size_t i, const uint8_t *bytes, size_t size)
{
    return size >= magics[i].size && memcmp(bytes, magics[i].bytes, magics[i].size) == 0;
}

/* A skippable frame of zstd or lz4. */
static bool is_skippable(const uint8_t *bytes, size_t size)
{
    return size >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes[1] == 0x2a && bytes[2] == 0x4d &&
           bytes[3] == 0x18;
}

/* The magic numbers are a sieve: zlib and libarchive look closer, and what is not compressed is handed
 * out as it is. */
bool unpack_can(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < MAGICS; i++)
        if (has_magic(i, bytes, size))
            return true;
    return is_skippable(bytes, size);
}

static la_ssize_t next_piece(struct archive *archive, void *context, const void **bytes)
{
    struct unpack *unpack = context;
    ssize_t got = intake_next(&unpack->intake);

    if (got < 0)
        archive_set_error(archive, (int)-got, "%s", unpack->intake.failed.text);
    *bytes = unpack->intake.bytes;
    return got < 0 ? -1 : got;
}

static int failed(const struct unpack *unpack, struct sp_error *error)
{
    const char *text = archive_error_string(unpack->archive), *name = unpack->intake.name;

    if (unpack->intake.failed.code == 0 && archive_errno(unpack->archive) == ENOMEM)
        return error_set(error, ENOMEM, "%s: no memory for decompressing", name);
    if (text != NULL && strstr(text, "too much memory") != NULL)
        return error_set(
            error, EFBIG,
            "%s: is compressed with a window beyond 128 MiB. Decompress it in front: zstd -dc --long=31 "
            "FILE | selfpage ... --format FORMAT -",
            name);
    return intake_refuse(&unpack->intake, text != NULL ? text : "no reason is given", error);
}

/* libarchive takes for the end what it does not know, be it the damaged beginning of a further compressed
 * file. */
static int finish(struct unpack *unpack, struct sp_error *error)
{
    uint64_t taken = (uint64_t)archive_filter_bytes(unpack->archive, -1);

    unpack->ended = true;
    return intake_finish(&unpack->intake, unpack->intake.total - taken, error);
}

/* Add the filters of what begins with these bytes, and no others: libarchive decompresses what a filter
 * gives once more if another filter takes it for its own, and lzma's takes much. */
static int support(struct archive *archive, const uint8_t *first, size_t size)
{
    int result = archive_read_support_format_empty(archive);

    if (result == ARCHIVE_OK)
        result = archive_read_support_format_raw(archive);
    for (size_t i = 0; i < MAGICS && result == ARCHIVE_OK; i++)
        if (magics[i].add != NULL && has_magic(i, first, size))
            result = magics[i].add(archive);
    if (result == ARCHIVE_OK && is_skippable(first, size))
        result = archive_read_support_filter_zstd(archive);
    if (result == ARCHIVE_OK && is_skippable(first, size))
        result = archive_read_support_filter_lz4(archive);
    return result;
}

static int begin_archive(struct unpack *unpack, const uint8_t *first, size_t size,
                         struct sp_error *error)
{
    struct archive_entry *entry;
    int result;

    unpack->archive = archive_read_new();
    if (unpack->archive == NULL || support(unpack->archive, first, size) != ARCHIVE_OK)
        return error_set(error, ENOMEM, "%s: no memory for decompressing", unpack->intake.name);
    if (archive_read_open2(unpack->archive, unpack, NULL, next_piece, NULL, NULL) != ARCHIVE_OK)
        return failed(unpack, error);
    result = archive_read_next_header(unpack->archive, &entry);
    if (result == ARCHIVE_EOF) /* compressed, and there is nothing in it */
        return finish(unpack, error);
    return result < ARCHIVE_WARN ? failed(unpack, error) : 0;
}

int unpack_begin(struct unpack **unpackp, const char *name, const uint8_t *first, size_t size,
                 intake_source *source, void *context, struct sp_error *error)
{
    struct unpack *unpack = calloc(1, sizeof(*unpack));

    *unpackp = unpack;
    if (unpack == NULL)
        return error_set(error, ENOMEM, "%s: no memory for decompressing", name);
    intake_init(&unpack->intake, name, first, size, source, context);
    return gunzip_can(first, size) ? gunzip_init(&unpack->gunzip, &unpack->intake, error)
                                   : begin_archive(unpack, first, size, error);
}

bool unpack_did(const struct unpack *unpack)
{
    return unpack->archive == NULL ||
           archive_filter_count(unpack->archive) > 1; /* the source is one */
}

ssize_t unpack_read(struct unpack *unpack, uint8_t *to, size_t room, struct sp_error *error)
{
    la_ssize_t got;

    if (unpack->archive == NULL)
        return gunzip_read(&unpack->gunzip, to, room, error);
    if (unpack->ended)
        return 0;
    got = archive_read_data(unpack->archive, to, room);
    if (got == 0)
        return finish(unpack, error);
    return got > 0 ? (ssize_t)got : failed(unpack, error);
}

void unpack_end(struct unpack **unpackp)
{
    if (*unpackp != NULL) {
        archive_read_free((*unpackp)->archive);
        gunzip_fini(&(*unpackp)->gunzip);
    }
    free(*unpackp);
    *unpackp = NULL;
}
