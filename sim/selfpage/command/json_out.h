/* JSON on standard output, for all subcommands that print it. */
#ifndef SELFPAGE_COMMAND_JSON_OUT_H
#define SELFPAGE_COMMAND_JSON_OUT_H

#include <jansson.h>
#include <stdio.h>

/* Print `object` and a line's end, with `flags` of json_dumpf. The caller keeps the object. Returns 0, -ENOMEM
 * (it is NULL, or there was no memory), or why it could not be written, a negative errno. */
int json_out_print(FILE *out, const json_t *object, size_t flags);

/* Say on standard error why JSON could not be printed: `result` is what json_out_print returned. Returns
 * EXIT_CANNOT. */
int json_out_cannot(int result);

#endif
