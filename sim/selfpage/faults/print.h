/* A table of faults as text. */
#ifndef SELFPAGE_FAULTS_PRINT_H
#define SELFPAGE_FAULTS_PRINT_H

#include <stdio.h>

#include "selfpage/faults/lines.h"

/* `most` lines of source at most (0: all). */
void print_lines(FILE *out, const struct faults_lines *lines, uint32_t most);

#endif
