#include "trace/gunzip.h"

#include <errno.h>
#include <limits.h>

#include "base/assert.h"
#include "base/error.h"

/* Of a header: its size, the only method, and flags that no version has. */
#define HEADER        10u
#define DEFLATE       8u
#define UNKNOWN_FLAGS 0xe0u

/* For inflateInit2: the largest window, and gzip alone. */
#define WINDOW_BITS (MAX_WBITS + 16)

bool gunzip_can(const uint8_t *bytes, size_t size)
{
    return size >= HEADER && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == DEFLATE &&
           (bytes[3] & UNKNOWN_FLAGS) == 0;
}

static int no_memory(const struct gunzip *gunzip, struct sp_error *error)
{
    return error_set(error, ENOMEM, "%s: no memory for decompressing", gunzip->intake->name);
}

int gunzip_init(struct gunzip *gunzip, struct intake *intake, struct sp_error *error)
{
    *gunzip = (struct gunzip){.intake = intake};
    return inflateInit2(&gunzip->stream, WINDOW_BITS) == Z_OK ? 0 : no_memory(gunzip, error);
}

/* Behind a member: begin the next one, or see that nothing is left to read. */
static int begin_member(struct gunzip *gunzip, struct sp_error *error)
{
    z_stream *stream = &gunzip->stream;

    if (stream->avail_in > 0 && *stream->next_in == 0x1f) {
        gunzip->between = false;
        ensure(inflateReset(stream) == Z_OK);
        return 0;
    }
    gunzip->ended = true;
    return intake_finish(gunzip->intake, stream->avail_in, error);
}

/* Read more of the file if all that was read is decompressed. */
static int fill(struct gunzip *gunzip, struct sp_error *error)
{
    z_stream *stream = &gunzip->stream;
    ssize_t got = 0;

    if (stream->avail_in == 0) {
        got = intake_next(gunzip->intake);
        stream->next_in = gunzip->intake->bytes;
        stream->avail_in = got > 0 ? (uInt)got : 0;
    }
    if (got < 0 || (stream->avail_in == 0 && !gunzip->between))
        return intake_refuse(gunzip->intake, "gzip data has no end", error);
    return gunzip->between ? begin_member(gunzip, error) : 0;
}

static int inflate_some(struct gunzip *gunzip, struct sp_error *error)
{
    z_stream *stream = &gunzip->stream;
    int result = inflate(stream, Z_NO_FLUSH);

    if (result == Z_MEM_ERROR)
        return no_memory(gunzip, error);
    if (result != Z_OK && result != Z_STREAM_END)
        return intake_refuse(gunzip->intake, stream->msg != NULL ? stream->msg : "no gzip data",
                             error);
    gunzip->between = result == Z_STREAM_END;
    return 0;
}

ssize_t gunzip_read(struct gunzip *gunzip, uint8_t *to, size_t room, struct sp_error *error)
{
    z_stream *stream = &gunzip->stream;

    ensure(room > 0 && room <= UINT_MAX);
    stream->next_out = to;
    stream->avail_out = (uInt)room;
    while (stream->avail_out == room && !gunzip->ended) {
        int result = fill(gunzip, error);

        if (result == 0 && !gunzip->ended)
            result = inflate_some(gunzip, error);
        if (result != 0)
            return result;
    }
    return (ssize_t)(room - stream->avail_out);
}

void gunzip_fini(struct gunzip *gunzip)
{
    inflateEnd(&gunzip->stream);
}
