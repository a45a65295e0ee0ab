/* The native format of traces, and how it puts numbers into bytes: here, since traces are also written
 * where nothing may be allocated, in the fault handler of a task. All numbers are little-endian:
 *
 *   offset  bytes
 *    0      8      "SPTRACE" and the version, 1
 *    8      4      bytes of a page; 0: not known
 *   12      4      flags: 1: the trace holds events of a live task (record/recorder.h). The header is
 *                  then followed by the number of pages there can be and the length of a text, 4
 *                  bytes each, and the text, which names the policy. Read as a trace of references,
 *                  it has the faults and soft faults. Its last event is RECORDER_END: without it the
 *                  trace was cut off
 *   16      8      references; 0: not known when the header was written
 *   24      8      different pages; 0: not known
 *   32             references: for each, the difference to the id before (the first: to 0) as a
 *                  signed 64-bit number d, zigzag z = d << 1 ^ d >> 63, in 1 to 10 bytes:
 *                  bit 7: another byte follows; bits 1-6 of the first: the lowest of z; bit 0: the
 *                  reference is a write; bits 0-6 of the others: seven more bits of z each, lowest
 *                  first
 *
 * A file may be compressed as a whole, here or by anyone. */
#ifndef RECORD_CODE_H
#define RECORD_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TRACE_NATIVE_MAGIC  "SPTRACE\1"
#define TRACE_NATIVE_HEADER 32u
#define TRACE_NATIVE_RECORD 10u /* most bytes of a reference */

/* Flags in the header. */
#define TRACE_NATIVE_EVENTS 1u /* it holds events of a live task: record/recorder.h */

static inline void trace_code_number(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static inline void trace_code_header(uint8_t *to, uint32_t page_size, uint32_t flags,
                                     uint64_t references, uint64_t pages)
{
    memcpy(to, TRACE_NATIVE_MAGIC, 8);
    trace_code_number(to + 8, page_size, 4);
    trace_code_number(to + 12, flags, 4);
    trace_code_number(to + 16, references, 8);
    trace_code_number(to + 24, pages, 8);
}

/* Put a reference at `to`, which has room for TRACE_NATIVE_RECORD bytes. `*previous` is the id
 * before it, and becomes `id`. Returns the bytes put. */
static inline size_t trace_code_reference(uint8_t *to, uint64_t *previous, uint64_t id, bool write)
{
    uint64_t difference = id - *previous;
    uint64_t zigzag = difference << 1 ^ (difference >> 63 != 0 ? UINT64_MAX : 0);
    uint8_t *at = to;

    *at = (uint8_t)((zigzag & 0x3f) << 1 | write);
    for (zigzag >>= 6; zigzag != 0; zigzag >>= 7) {
        *at++ |= 0x80;
        *at = (uint8_t)(zigzag & 0x7f);
    }
    *previous = id;
    return (size_t)(at + 1 - to);
}

#endif
