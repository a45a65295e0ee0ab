#include "trace/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Stored bytes that are asked for at a time. */
#define PIECE (64u << 10)

struct unpack {
    struct archive *archive;
    const char *name;
    unpack_source *source;
    void *context;
    size_t first; /* bytes in `stored` that are the file's first, and not yet handed out */
    struct sp_error failed; /* what the source said, if failed.code != 0 */
    uint8_t stored[PIECE];
};

static const struct {
    uint8_t bytes[6];
    uint8_t size;
} magics[] = {
    {{0x1f, 0x8b}, 2},                  /* gzip */
    {{0x1f, 0x9d}, 2},                  /* compress */
    {{'B', 'Z', 'h'}, 3},               /* bzip2 */
    {{0xfd, '7', 'z', 'X', 'Z', 0}, 6}, /* xz */
    {{0x5d, 0, 0}, 3},                  /* lzma */
    {{'L', 'Z', 'I', 'P'}, 4},          /* lzip */
    {{0x04, 0x22, 0x4d, 0x18}, 4},      /* lz4 */
    {{0x02, 0x21, 0x4c, 0x18}, 4},      /* lz4, as it was once */
    {{0x28, 0xb5, 0x2f, 0xfd}, 4},      /* zstd */
};

/* The magic numbers are a sieve: libarchive looks closer, and hands out what is not compressed as it
 * is. */
bool unpack_can(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        if (size >= magics[i].size && memcmp(bytes, magics[i].bytes, magics[i].size) == 0)
            return true;
    return size >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes[1] == 0x2a && bytes[2] == 0x4d &&
           bytes[3] == 0x18; /* a skippable frame of zstd or lz4 */
}

static la_ssize_t next_piece(struct archive *archive, void *context, const void **bytes)
{
    struct unpack *unpack = context;
    ssize_t got = (ssize_t)unpack->first;

    unpack->first = 0;
    if (got == 0)
        got = unpack->source(unpack->context, unpack->stored, PIECE, &unpack->failed);
    if (got < 0)
        archive_set_error(archive, (int)-got, "%s", unpack->failed.text);
    *bytes = unpack->stored;
    return got < 0 ? -1 : got;
}

static int failed(const struct unpack *unpack, struct sp_error *error)
{
    const char *text = archive_error_string(unpack->archive);

    if (unpack->failed.code != 0) {
        *error = unpack->failed;
        return -error->code;
    }
    if (archive_errno(unpack->archive) == ENOMEM)
        return error_set(error, ENOMEM, "%s: no memory for decompressing", unpack->name);
    if (text != NULL && strstr(text, "too much memory") != NULL)
        return error_set(
            error, EFBIG,
            "%s: is compressed with a window beyond 128 MiB. Decompress it in front: zstd -dc --long=31 "
            "FILE | selfpage ... --format FORMAT -",
            unpack->name);
    return error_set(error, EILSEQ, "%s: cannot be decompressed: %s", unpack->name,
                     text != NULL ? text : "it is damaged");
}

/* Every decompressor that is a library. Those for which libarchive would start a program are left out. */
static int support(struct archive *archive)
{
    int (*const filters[])(struct archive *) = {
        archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
        archive_read_support_filter_xz,   archive_read_support_filter_lzma,
        archive_read_support_filter_lzip, archive_read_support_filter_lz4,
        archive_read_support_filter_zstd, archive_read_support_filter_compress,
    };

    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
        if (filters[i](archive) == ARCHIVE_FATAL)
            return ARCHIVE_FATAL;
    return archive_read_support_format_raw(archive);
}

int unpack_begin(struct unpack **unpackp, const char *name, const uint8_t *first, size_t size,
                 unpack_source *source, void *context, struct sp_error *error)
{
    struct unpack *unpack = calloc(1, sizeof(*unpack));
    struct archive_entry *entry;

    *unpackp = unpack;
    if (unpack != NULL)
        unpack->archive = archive_read_new();
    if (unpack == NULL || unpack->archive == NULL || support(unpack->archive) != ARCHIVE_OK)
        return error_set(error, ENOMEM, "%s: no memory for decompressing", name);
    unpack->name = name;
    unpack->source = source;
    unpack->context = context;
    unpack->first = size < PIECE ? size : PIECE;
    memcpy(unpack->stored, first, unpack->first);
    if (archive_read_open2(unpack->archive, unpack, NULL, next_piece, NULL, NULL) != ARCHIVE_OK)
        return failed(unpack, error);
    /* ARCHIVE_EOF: a compressed file of nothing. */
    if (archive_read_next_header(unpack->archive, &entry) < ARCHIVE_WARN)
        return failed(unpack, error);
    return 0;
}

ssize_t unpack_read(struct unpack *unpack, uint8_t *to, size_t room, struct sp_error *error)
{
    la_ssize_t got = archive_read_data(unpack->archive, to, room);

    return got >= 0 ? (ssize_t)got : failed(unpack, error);
}

void unpack_end(struct unpack **unpackp)
{
    if (*unpackp != NULL)
        archive_read_free((*unpackp)->archive);
    free(*unpackp);
    *unpackp = NULL;
}
