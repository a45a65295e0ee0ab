/* ${NAME} in the texts of a scenario. */
#ifndef SELFPAGE_RUN_VARIABLES_H
#define SELFPAGE_RUN_VARIABLES_H

#include <stdbool.h>

#include <selfpage/error.h>

#include "launch/strings.h"

/* Add NAME=VALUE, as it stands on a command line. -EINVAL: it is not of that form, or the name is
 * not of letters, digits and _. */
int variables_define(struct strings *variables, const char *definition, struct sp_error *error);

/* `text` with every ${NAME} replaced by NAME's value; for free(). NULL: a name is not defined, or
 * "}" is missing, or memory ran out: `error` says which. "$$" stands for one "$". */
char *variables_expand(const struct strings *variables, const char *text, struct sp_error *error);

#endif
