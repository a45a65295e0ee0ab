/* What people call a trace by mistake: other kinds of files, told by how they begin. */
#ifndef TRACE_FOREIGN_H
#define TRACE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes from which foreign_kind tells. */
#define FOREIGN_BYTES 512u

/* Recognise a file by its first bytes. Returns what it is and what to do about it, as a text that continues
 * "this is ": "a zip archive: extract the trace first". `text`: the bytes are text. NULL: no kind that
 * is known here. */
const char *foreign_kind(const uint8_t *bytes, size_t size, bool text);

/* Whether text, as far as it is there, has lines that end with a CR alone, and so is one line. */
bool foreign_lines(const uint8_t *bytes, size_t size);

#endif
