#include "trace/trace_writer.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "record/code.h"

static void put_header(const struct trace_writer *writer, uint8_t *to)
{
    trace_code_header(to, writer->page_size, 0, writer->references, writer->pages);
}

int trace_writer_init(struct trace_writer *writer, int fd, const char *name, uint32_t page_size,
                      bool compress, struct sp_error *error)
{
    uint8_t *at;
    int result;

    *writer = (struct trace_writer){.page_size = page_size};
    result = output_init(&writer->output, fd, name, compress, error);
    if (result != 0)
        return result;
    at = output_room(&writer->output, TRACE_NATIVE_HEADER, error);
    put_header(writer, at);
    output_put(&writer->output, TRACE_NATIVE_HEADER);
    return 0;
}

int trace_writer_add(struct trace_writer *writer, uint64_t id, bool write, struct sp_error *error)
{
    uint8_t *at = output_room(&writer->output, TRACE_NATIVE_RECORD, error);

    if (at == NULL)
        return -EIO;
    output_put(&writer->output, trace_code_reference(at, &writer->previous, id, write));
    writer->references++;
    return 0;
}

int trace_writer_finish(struct trace_writer *writer, struct sp_error *error)
{
    struct output *output = &writer->output;
    uint8_t header[TRACE_NATIVE_HEADER];
    int result = output_finish(output, error);

    if (result != 0 || output->zstd != NULL)
        return result;
    put_header(writer, header);
    if (pwrite(output->fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) && errno != ESPIPE)
        return error_set(error, errno, "%s: cannot write the header: %s", output->name,
                         strerror(errno));
    return 0;
}

void trace_writer_fini(struct trace_writer *writer)
{
    output_fini(&writer->output);
    *writer = (struct trace_writer){.output = {.fd = -1}};
}
