/* Calling this command itself with other arguments. */
#ifndef SELFPAGE_COMMAND_SELF_H
#define SELFPAGE_COMMAND_SELF_H

#include <jansson.h>
#include <selfpage/error.h>

/* Run `selfpage ARGV...` (a list that ends with NULL), and read the JSON object that it prints; what it says on
 * standard error is not shown unless it cannot run. NULL, and an error, if it cannot run (exit status 2) or prints
 * none. The caller releases the object. */
json_t *self_json(char *const *argv, struct sp_error *error);

/* The same for a command that prints any number of objects: an array of them. */
json_t *self_json_all(char *const *argv, struct sp_error *error);

#endif
