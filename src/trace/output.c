#include "trace/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.h"

#define BUFFER     (256u << 10)
#define ZSTD_LEVEL 3

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

/* Send the buffer on its way; `last` also ends a compressed frame. */
static int flush(struct output *output, bool last, struct sp_error *error)
{
    ZSTD_inBuffer in = {output->buffer, output->used, 0};
    size_t left = 0;
    int result = 0;

    if (output->zstd == NULL)
        result = write_all(output, output->buffer, output->used, error);
    else
        do {
            ZSTD_outBuffer out = {output->packed, BUFFER, 0};

            left =
                ZSTD_compressStream2(output->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
            if (ZSTD_isError(left))
                return error_set(error, ENOMEM, "%s: cannot compress: %s", output->name,
                                 ZSTD_getErrorName(left));
            result = write_all(output, output->packed, out.pos, error);
        } while (result == 0 && (in.pos < in.size || (last && left > 0)));
    output->used = 0;
    return result;
}

int output_init(struct output *output, int fd, const char *name, bool compress,
                struct sp_error *error)
{
    *output = (struct output){.fd = fd, .name = name};
    output->buffer = malloc(BUFFER);
    if (compress) {
        output->packed = malloc(BUFFER);
        output->zstd = ZSTD_createCCtx();
        if (output->zstd != NULL)
            ZSTD_CCtx_setParameter(output->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    }
    if (output->buffer == NULL || (compress && (output->packed == NULL || output->zstd == NULL)))
        return error_set(error, ENOMEM, "%s: no memory for writing", name);
    return 0;
}

uint8_t *output_room(struct output *output, size_t size, struct sp_error *error)
{
    if (BUFFER - output->used < size && flush(output, false, error) != 0)
        return NULL;
    return output->buffer + output->used;
}

int output_finish(struct output *output, struct sp_error *error)
{
    return flush(output, true, error);
}

void output_fini(struct output *output)
{
    ZSTD_freeCCtx(output->zstd);
    free(output->packed);
    free(output->buffer);
    *output = (struct output){.fd = -1};
}
