/* ${NAME} in the texts of a scenario. */
#ifndef SELFPAGE_SCENARIO_VARIABLES_H
#define SELFPAGE_SCENARIO_VARIABLES_H

#include <stdbool.h>

#include <selfpage/error.h>

#include "launch/strings.h"

/* Add NAME=VALUE, as it stands on a command line. -EINVAL: it is not of that form, or the name is
 * not of letters, digits and _. */
int variables_define(struct strings *variables, const char *definition, struct sp_error *error);

/* `text` with every ${NAME} replaced by NAME's value; for free(). NULL: a name is not defined, or
 * "}" is missing, or memory ran out: `error` says which. "$$" stands for one "$". */
char *variables_expand(const struct strings *variables, const char *text, struct sp_error *error);

/* Replace ${NAME} in a text of *sizep bytes, which is memory for free(), by the values of variables that
 * are one word: no blanks, quotes or other signs that mean something to YAML or a shell. $${NAME}, and
 * what is not defined, stays. Returns 0, or -ENOMEM, and the text is as it was. */
int variables_substitute(const struct strings *variables, char **textp, size_t *sizep);

#endif
