/* What must hold for any bytes that somebody calls a trace: linked with libFuzzer, for one format,
 * if SELFPAGE_FUZZ is on, and with fuzz_test.c, for all of them, always. */
#include <stdlib.h>
#include <string.h>

#include "trace/page_table.h"
#include "trace/format_dense.h"
#include "trace/trace.h"

#ifndef FUZZ_FORMAT
#define FUZZ_FORMAT NULL
#endif

/* References that are read before an input is given up: one may stand for a million pages. */
#define MOST 20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_trace(const char *format, uint32_t page_size, uint64_t id_unit, const uint8_t *data,
                size_t size);

/* A trace that was read to its end without complaint is taken the same way. */
static void take_dense(struct trace *trace)
{
    uint32_t references[TRACE_BATCH], pages = 0;
    struct sp_error error;
    ssize_t count;

    if (trace_rewind(trace, &error) != 0)
        abort();
    do {
        struct dense_fresh fresh;

        count = format_dense_take(trace, references, TRACE_BATCH, &fresh, &error);
        if (count < 0 || fresh.first != pages)
            abort();
        pages += fresh.count;
        for (ssize_t i = 0; i < count; i++)
            if (references[i] >> 1 >= pages)
                abort();
    } while (count > 0);
}

void fuzz_trace(const char *format, uint32_t page_size, uint64_t id_unit, const uint8_t *data,
                size_t size)
{
    struct trace_options options = {format, page_size, id_unit};
    const struct source_origin origin = {.bytes = data, .size = size};
    struct trace_reference references[TRACE_BATCH];
    uint32_t pages[TRACE_BATCH];
    static struct trace trace;
    struct page_table table;
    struct sp_error error = {0};
    size_t total = 0;
    ssize_t count = 0;

    if (page_table_init(&table, MOST / 2) != 0)
        abort();
    if (trace_open_source(&trace, &origin, &options, &error) == 0)
        while (total < MOST && (count = trace_read(&trace, references, TRACE_BATCH, &error)) > 0) {
            int result = page_table_look_up(&table, references, (size_t)count, pages);

            if (count > (ssize_t)TRACE_BATCH)
                abort();
            total += (size_t)count;
            if (result != 0)
                break;
            for (ssize_t i = 0; i < count; i++)
                if (pages[i] >> 1 >= table.count || (pages[i] & 1) != references[i].write)
                    abort();
        }
    else
        count = -1;
    if (format_dense_is(&trace) && count == 0)
        take_dense(&trace);
    if (count < 0 && (error.code == 0 || error.text[0] == '\0'))
        abort(); /* a reader that gives up must say why */
    trace_fini(&trace);
    page_table_fini(&table);
}

/* The options of a csv trace come from outside, too: they are the input's first line. */
static void fuzz_csv(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end != NULL ? (size_t)(end - data) : 0;
    char format[256] = "csv:";

    if (end == NULL || length > sizeof(format) - 5 || memchr(data, 0, length) != NULL)
        return;
    memcpy(format + 4, data, length);
    format[4 + length] = '\0';
    fuzz_trace(format, 0, 0, end + 1, size - length - 1);
    fuzz_trace(format, 4096, 512, end + 1, size - length - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *format = FUZZ_FORMAT;

    if (format != NULL && strcmp(format, "any") == 0)
        format = NULL;
    if (format != NULL && strcmp(format, "csv") == 0) {
        fuzz_csv(data, size);
        return 0;
    }
    fuzz_trace(format, 0, 0, data, size);
    fuzz_trace(format, 64, 0, data, size);
    fuzz_trace(format, 4096, 8, data, size);
    return 0;
}
