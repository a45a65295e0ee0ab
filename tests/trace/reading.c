#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "reading.h"

#include <string.h>

static struct reading last; /* large */

const struct reading *reading_of(const void *bytes, size_t size, const char *format,
                                 uint32_t page_size, uint64_t id_unit)
{
    const struct trace_options options = {format, page_size, id_unit};
    const struct source_origin origin = {.bytes = bytes, .size = size, .name = "memory"};
    static struct trace trace;
    ssize_t count;

    memset(&last, 0, sizeof(last));
    last.result = trace_open_source(&trace, &origin, &options, &last.error);
    while (last.result == 0) {
        count = trace_read(&trace, last.references + last.count, TRACE_BATCH, &last.error);
        last.result = count < 0 ? (int)count : 0;
        if (count <= 0)
            break;
        last.count += (size_t)count;
        assert_true(last.count <= READING_MOST);
    }
    trace_fini(&trace);
    return &last;
}

const struct reading *reading_of_text(const char *text, const char *format)
{
    return reading_of(text, strlen(text), format, 0, 0);
}

void reading_expect(const struct reading *reading, size_t references, size_t ids)
{
    size_t different = 0;

    if (reading->result != 0)
        fail_msg("%s", reading->error.text);
    for (size_t i = 0; i < reading->count; i++) {
        size_t k = 0;

        while (reading->references[k].id != reading->references[i].id)
            k++;
        different += k == i;
    }
    assert_int_equal(reading->count, references);
    assert_int_equal(different, ids);
}

void reading_expect_error(const struct reading *reading, const char *part)
{
    assert_true(reading->result < 0);
    if (strstr(reading->error.text, part) == NULL)
        fail_msg("'%s' is not in '%s'", part, reading->error.text);
}
