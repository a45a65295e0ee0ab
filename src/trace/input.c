#include "trace/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"

/* A larger window would take more memory than any honest compressor asks for: 128 MiB. */
#define ZSTD_WINDOW_LOG_MOST 27

static const uint8_t zstd_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

/* Read stored bytes. Returns how many, 0 at the end, or a negative errno. */
static ssize_t read_stored(struct input *input, uint8_t *to, size_t room, struct sp_error *error)
{
    ssize_t got;

    if (input->fd < 0) {
        got = (ssize_t)(input->size - input->taken < room ? input->size - input->taken : room);
        if (got > 0)
            memcpy(to, input->memory + input->taken, (size_t)got);
    } else {
        do
            got = read(input->fd, to, room);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return error_set(error, errno, "%s: cannot read: %s", input->name, strerror(errno));
    }
    input->taken += (uint64_t)got;
    return got;
}

/* Decompress into `to`. Returns as read_stored. */
static ssize_t read_packed(struct input *input, uint8_t *to, size_t room, struct sp_error *error)
{
    ZSTD_outBuffer out = {to, room, 0};
    size_t result;

    while (out.pos == 0) {
        ZSTD_inBuffer in = {input->packed, input->packed_end, input->packed_at};

        if (in.pos == in.size) {
            ssize_t got = read_stored(input, input->packed, INPUT_WINDOW, error);

            if (got < 0)
                return got;
            if (got == 0 && input->mid_frame)
                return error_set(error, EILSEQ, "%s: byte %llu: the compressed data end too early",
                                 input->name, (unsigned long long)input->taken);
            if (got == 0)
                return 0;
            in = (ZSTD_inBuffer){input->packed, (size_t)got, 0};
            input->packed_end = (size_t)got;
        }
        result = ZSTD_decompressStream(input->zstd, &out, &in);
        input->packed_at = in.pos;
        if (ZSTD_isError(result))
            return error_set(error, EILSEQ, "%s: near byte %llu: not decompressible: %s",
                             input->name, (unsigned long long)input->taken,
                             ZSTD_getErrorName(result));
        input->mid_frame = result != 0;
    }
    return (ssize_t)out.pos;
}

ssize_t input_more(struct input *input, struct sp_error *error)
{
    size_t kept = (size_t)(input->end - input->at);
    ssize_t added;

    if (input->ended)
        return 0;
    if (kept == INPUT_WINDOW)
        return error_set(error, EMSGSIZE, "%s: one record is longer than %u bytes", input->name,
                         INPUT_WINDOW);
    memmove(input->window, input->at, kept);
    input->at = input->window;
    input->end = input->window + kept;
    added = input->compressed
                ? read_packed(input, input->window + kept, INPUT_WINDOW - kept, error)
                : read_stored(input, input->window + kept, INPUT_WINDOW - kept, error);
    if (added == 0)
        input->ended = true;
    if (added > 0)
        input->end += added;
    return added;
}

/* The first stored bytes are in the window: if they are zstd's, decompress from here on. */
static int begin_zstd(struct input *input, struct sp_error *error)
{
    size_t size = (size_t)(input->end - input->at);

    input->packed = malloc(INPUT_WINDOW);
    input->zstd = ZSTD_createDCtx();
    if (input->packed == NULL || input->zstd == NULL ||
        ZSTD_isError(
            ZSTD_DCtx_setParameter(input->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MOST)))
        return error_set(error, ENOMEM, "%s: no memory for decompressing", input->name);
    memcpy(input->packed, input->at, size);
    input->packed_at = 0;
    input->packed_end = size;
    input->compressed = true;
    input->ended = false;
    input->at = input->end = input->window;
    return 0;
}

static int begin(struct input *input, struct sp_error *error)
{
    int result;

    input->window = malloc(INPUT_WINDOW);
    if (input->window == NULL)
        return error_set(error, ENOMEM, "%s: no memory for reading", input->name);
    input->at = input->end = input->window;
    result = input_need(input, sizeof(zstd_magic), error);
    if (result == 1 && memcmp(input->at, zstd_magic, sizeof(zstd_magic)) == 0)
        return begin_zstd(input, error);
    return result < 0 ? result : 0;
}

int input_open(struct input *input, const char *path, struct sp_error *error)
{
    struct stat info;

    *input = (struct input){.name = path, .fd = -1};
    if (strcmp(path, "-") == 0) {
        input->name = "standard input";
        input->fd = STDIN_FILENO;
    } else {
        input->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (input->fd < 0)
            return error_set(error, errno, "%s: cannot open: %s", path, strerror(errno));
        input->owns_fd = true;
    }
    if (fstat(input->fd, &info) != 0)
        return error_set(error, errno, "%s: cannot examine: %s", input->name, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return error_set(error, EISDIR, "%s: this is a directory, not a trace", input->name);
    if (S_ISREG(info.st_mode)) {
        input->start = lseek(input->fd, 0, SEEK_CUR);
        input->seekable = input->start >= 0;
        if (input->seekable && info.st_size > input->start)
            input->size = (uint64_t)(info.st_size - input->start);
        posix_fadvise(input->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return begin(input, error);
}

int input_open_memory(struct input *input, const void *bytes, size_t size, struct sp_error *error)
{
    *input =
        (struct input){.name = "memory", .fd = -1, .memory = bytes, .size = size, .seekable = true};
    return begin(input, error);
}

void input_fini(struct input *input)
{
    if (input->owns_fd)
        close(input->fd);
    ZSTD_freeDCtx(input->zstd);
    free(input->packed);
    free(input->window);
    *input = (struct input){.fd = -1};
}

int input_rewind(struct input *input, struct sp_error *error)
{
    if (!input->seekable)
        return error_set(error, ESPIPE, "%s: cannot be read twice", input->name);
    if (input->fd >= 0 && lseek(input->fd, input->start, SEEK_SET) < 0)
        return error_set(error, errno, "%s: cannot go back: %s", input->name, strerror(errno));
    if (input->compressed)
        ZSTD_DCtx_reset(input->zstd, ZSTD_reset_session_only);
    input->packed_at = input->packed_end = 0;
    input->mid_frame = false;
    input->ended = false;
    input->taken = 0;
    input->at = input->end = input->window;
    return 0;
}
