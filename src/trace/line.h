/* For formats that are text: lines, numbers and ids. */
#ifndef TRACE_LINE_H
#define TRACE_LINE_H

#include "trace/trace.h"

/* True if the bytes are text: no control characters but white space. */
bool line_is_text(const uint8_t *bytes, size_t size);

/* The next line, without its end, in *start and *length; it lives until the next call. A byte order
 * mark before the first line is left out. Returns 1, 0 at the end, or a negative errno. */
int line_next(struct trace *trace, const char **start, size_t *length, struct sp_error *error);

/* The line goes on: the record has a line break in it, and reaches to the end of the next line.
 * Returns as line_next. */
int line_extend(struct trace *trace, const char **start, size_t *length, struct sp_error *error);

/* Give the record that begins at `start`, and was read last, back: it will be the next one. */
void line_give_back(struct trace *trace, const char *start);

/* Text without spaces, tabs and carriage returns at either end. */
void line_trim(const char **text, size_t *length);

/* True if a line says nothing: it is empty, or a comment, which begins with #. */
bool line_is_idle(const char *text, size_t length);

/* A decimal number that is all of the text; false if it is none, or not below 2^64. */
bool line_decimal(const char *text, size_t length, uint64_t *number);

/* The id that `text`, which is not empty, stands for: its value if it is a decimal number below 2^64,
 * or a hexadecimal one with 0x; otherwise a hash, which is counted in trace->hashed. `quoted`: two
 * quotes stand for one. `address`: it must be a number, in units of trace->options.id_unit, that fits
 * into 64 bits as bytes. Returns 0, or -EILSEQ and a complaint: that it is not; that it has bytes
 * which are not text; or that a spreadsheet has rounded it. */
int line_id(struct trace *trace, const char *text, size_t length, bool quoted, bool address,
            uint64_t *id, struct sp_error *error);

/* True if the text is a number, as line_id reads it. */
bool line_is_number(const char *text, size_t length);

#endif
