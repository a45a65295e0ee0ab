/* The description of a program for other programs: what --help=lines prints, and what manuals and
 * completion are made from. One item a line: a key, and fields, with a tab before each. In a field
 * \n stands for the end of a line, \t for a tab and \\ for a backslash. */
#ifndef OS_OPTION_LINES_H
#define OS_OPTION_LINES_H

#include <stdio.h>

#include "os/options.h"

/* Print an item: its key, and the fields up to a NULL. */
void option_lines_item(FILE *out, const char *key, ...) __attribute__((sentinel));

/* Print all items of a table: program, version, usage, about, and then, for each row, heading, or
 * option with name, letter, value and help; notes, exit, operands. */
void option_lines_print(FILE *out, const struct options_syntax *syntax);

#endif
