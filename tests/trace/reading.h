/* Reading a whole trace from memory, for tests. */
#ifndef TESTS_TRACE_READING_H
#define TESTS_TRACE_READING_H

#include "trace/trace.h"

#define READING_MOST 4096u

struct reading {
    struct trace_reference references[READING_MOST + TRACE_BATCH];
    size_t count;
    int result; /* 0, or of opening or reading */
    struct sp_error error;
};

/* What was read last lives until the next call. */
const struct reading *reading_of(const void *bytes, size_t size, const char *format,
                                 uint32_t page_size, uint64_t id_unit);
const struct reading *reading_of_text(const char *text, const char *format);

/* Check how many different ids there were, and how many references. */
void reading_expect(const struct reading *reading, size_t references, size_t ids);

/* Check that reading failed, with these words. */
void reading_expect_error(const struct reading *reading, const char *part);

#endif
