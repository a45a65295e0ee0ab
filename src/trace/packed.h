/* Records of a fixed layout, as Python's struct module describes them: "<IQIH", little-endian and without
 * gaps. c, b, B, h, H, i, I, l, L, q, Q, f and d are fields, 2I is two of them, 16s is one of 16 bytes that
 * is not a number, and x is a byte that is none. */
#ifndef TRACE_PACKED_H
#define TRACE_PACKED_H

#include "trace/trace.h"

/* Fields, and bytes, of a record. */
#define PACKED_FIELDS_MOST 240u
#define PACKED_BYTES_MOST  4096u

struct packed_field {
    char type; /* NUL: there is none */
    unsigned offset;
};

/* Numbers of fields, counted from 1; 0: none. */
struct packed_columns {
    unsigned id, size, operation, next, time;
};

struct packed {
    unsigned bytes; /* of a record */
    struct packed_field id, size, operation, next, time;
};

/* Lay a record out. -EINVAL: the text is not a layout, has no such field, or one that is not a number. */
int packed_lay_out(struct packed *packed, const char *text, size_t length,
                   const struct packed_columns *columns, struct sp_error *error);

/* Two of libCacheSim's numbers for operations: a read, and a write. */
#define PACKED_READS  12
#define PACKED_WRITES 13

/* The next records. An operation is one of libCacheSim's numbers (3 to 11, 13 and 14 write). Returns as
 * trace_read. */
ssize_t packed_read(struct trace *trace, const struct packed *packed,
                    struct trace_reference *references, size_t most, struct sp_error *error);

#endif
