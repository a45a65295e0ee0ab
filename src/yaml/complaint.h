/* libcyaml's complaints about a file, in the words of people who write such files. */
#ifndef YAML_COMPLAINT_H
#define YAML_COMPLAINT_H

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdbool.h>

#include "yaml/index.h"

/* What libcyaml says about a mistake: a sentence, and then, line by line from the inside to the
 * outside, where it was ("in mapping field 'frames' (line: 4, column: 13)"). */
struct complaint {
    char what[160]; /* the sentence; "" before the first */
    char path[YAML_PATH_MAX];
    bool placed;        /* the innermost place has been told: */
    bool in_field;      /* it is a field, not a mapping as such or an element */
    bool unknown_field; /* complaint_translate found this to be the mistake */
};

/* Hear what libcyaml says: its log function, whose context is a struct complaint. */
SP_PRINTF(3, 0)
void complaint_listen(cyaml_log_t level, void *context, const char *format, va_list values);

/* When all has been said: have `what` in our words, and in `path` the field that is meant. `code`
 * stands for a complaint that came without a sentence. */
void complaint_translate(struct complaint *complaint, cyaml_err_t code);

#endif
