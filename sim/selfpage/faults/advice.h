/* What the numbers of a table suggest: instructions that could have pages loaded ahead, and regions whose pages are
 * written to swap for nothing. */
#ifndef SELFPAGE_FAULTS_ADVICE_H
#define SELFPAGE_FAULTS_ADVICE_H

#include <stdbool.h>
#include <stdio.h>

#include <selfpage/error.h>

#include "selfpage/faults/lines.h"

/* How many pages ahead, and how far apart, an instruction should have loaded. False: there is nothing to gain. */
bool advice_ahead(const struct faults_line *line, uint32_t *pages, int32_t *stride);

/* Are pages of the region written to swap, and hardly any of them read back? */
bool advice_discard(const struct fault_row *row);

/* Write lines for SELFPAGE_HINTS, with comments that say why; `out` is checked by the caller. Returns how many. */
size_t advice_hints(FILE *out, const struct faults_lines *lines);

#endif
