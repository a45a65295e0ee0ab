/* Writing traces in the native format, which is made to be small and fast to read. All numbers are
 * little-endian:
 *
 *   offset  bytes
 *    0      8      "SPTRACE" and the version, 1
 *    8      4      bytes of a page; 0: not known
 *   12      4      flags: 1: it holds events of a live task (record/recorder.h). Then the header is
 *                  followed by the number of pages there can be and the length of a text, 4 bytes
 *                  each, and the text, which names the policy. Read as a trace of references, it
 *                  has the faults and soft faults
 *   16      8      references; 0: not known when the header was written
 *   24      8      different pages; 0: not known
 *   32             references: for each, the difference to the id before (the first: to 0) as a
 *                  signed 64-bit number d, zigzag z = d << 1 ^ d >> 63, in 1 to 10 bytes:
 *                  bit 7: another byte follows; bits 1-6 of the first: z's lowest; bit 0: it is a
 *                  write; bits 0-6 of the others: seven more bits of z each, lowest first
 *
 * A file may be compressed as a whole by zstd, here or by anyone. */
#ifndef TRACE_TRACE_WRITER_H
#define TRACE_TRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "record/code.h"
#include "trace/output.h"

struct trace_writer {
    uint64_t references;
    uint64_t pages; /* for the header; set by who knows it, before trace_writer_finish */
    /* Private. */
    struct output output;
    uint32_t page_size;
    uint64_t previous;
};

/* Write to `fd`, which stays the caller's; `name` is for messages. Release with trace_writer_fini
 * in any case. */
int trace_writer_init(struct trace_writer *writer, int fd, const char *name, uint32_t page_size,
                      bool compress, struct sp_error *error);

/* Add a reference. Errors are those of writing. */
int trace_writer_add(struct trace_writer *writer, uint64_t id, bool write, struct sp_error *error);

/* Write out what is left and, where the file is seekable and not compressed, the header's counts.
 */
int trace_writer_finish(struct trace_writer *writer, struct sp_error *error);

void trace_writer_fini(struct trace_writer *writer);

#endif
