#include "trace/trace_output.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"

#define ORACLE_RECORD 24u
#define LINE_LONGEST  48u

static const char csv_header[] = "id,size,operation\n";

static const struct {
    const char *name;
    enum trace_output_format format;
} names[] = {
    {"native", TRACE_OUTPUT_NATIVE},
    {"sptrace", TRACE_OUTPUT_NATIVE},
    {"oracleGeneral", TRACE_OUTPUT_ORACLE},
    {"oracleGeneralBin", TRACE_OUTPUT_ORACLE},
    {"text", TRACE_OUTPUT_TEXT},
    {"txt", TRACE_OUTPUT_TEXT},
    {"csv", TRACE_OUTPUT_CSV},
};

static bool format_named(const char *name, size_t length, enum trace_output_format *format)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].name) == length && strncasecmp(names[i].name, name, length) == 0) {
            *format = names[i].format;
            return true;
        }
    return false;
}

int trace_output_choose(const char *name, const char *path, enum trace_output_format *format,
                        bool *compress, struct sp_error *error)
{
    const char *base = strrchr(path, '/'), *dot = strchr(base != NULL ? base : path, '.');

    *compress = false;
    *format = TRACE_OUTPUT_NATIVE;
    for (; dot != NULL; dot = strchr(dot + 1, '.')) {
        format_named(dot + 1, strcspn(dot + 1, "."), format);
        *compress = strcasecmp(dot, ".zst") == 0;
    }
    if (name == NULL || format_named(name, strlen(name), format))
        return 0;
    return error_set(error, EINVAL,
                     "'%.40s' is no format that can be written; native, "
                     "oracleGeneral, csv and text are",
                     name);
}

int trace_output_init(struct trace_output *output, enum trace_output_format format, int fd,
                      const char *name, uint32_t page_size, bool compress, struct sp_error *error)
{
    uint8_t *at;
    int result;

    *output = (struct trace_output){.format = format};
    if (format == TRACE_OUTPUT_NATIVE)
        return trace_writer_init(&output->native, fd, name, page_size, compress, error);
    result = output_init(&output->output, fd, name, compress, error);
    if (result == 0 && format == TRACE_OUTPUT_CSV) {
        at = output_room(&output->output, sizeof(csv_header), error);
        memcpy(at, csv_header, sizeof(csv_header) - 1);
        output_put(&output->output, sizeof(csv_header) - 1);
    }
    return result;
}

static size_t put_oracle(uint8_t *at, const struct trace_reference *reference, uint64_t index)
{
    uint32_t time = htole32(index < UINT32_MAX ? (uint32_t)index : UINT32_MAX);
    uint64_t id = htole64(reference->id), next = htole64(reference->next);
    uint32_t size = htole32(reference->size != 0 ? reference->size : 1);

    memcpy(at, &time, 4);
    memcpy(at + 4, &id, 8);
    memcpy(at + 12, &size, 4);
    memcpy(at + 16, &next, 8); /* TRACE_NEVER is -1 */
    return ORACLE_RECORD;
}

int trace_output_add(struct trace_output *output, const struct trace_reference *reference,
                     struct sp_error *error)
{
    uint64_t index = output->written++;
    uint8_t *at;

    if (output->format == TRACE_OUTPUT_NATIVE)
        return trace_writer_add(&output->native, reference->id, reference->write, error);
    at = output_room(&output->output, LINE_LONGEST, error);
    if (at == NULL)
        return -EIO;
    if (output->format == TRACE_OUTPUT_ORACLE)
        output_put(&output->output, put_oracle(at, reference, index));
    else if (output->format == TRACE_OUTPUT_TEXT)
        output_put(&output->output,
                   (size_t)snprintf((char *)at, LINE_LONGEST, "%" PRIu64 "\n", reference->id));
    else
        output_put(&output->output,
                   (size_t)snprintf((char *)at, LINE_LONGEST, "%" PRIu64 ",%" PRIu32 ",%c\n",
                                    reference->id, reference->size, reference->write ? 'w' : 'r'));
    return 0;
}

int trace_output_finish(struct trace_output *output, uint64_t pages, struct sp_error *error)
{
    if (output->format != TRACE_OUTPUT_NATIVE)
        return output_finish(&output->output, error);
    output->native.pages = pages;
    return trace_writer_finish(&output->native, error);
}

void trace_output_fini(struct trace_output *output)
{
    if (output->format == TRACE_OUTPUT_NATIVE)
        trace_writer_fini(&output->native);
    else
        output_fini(&output->output);
}
