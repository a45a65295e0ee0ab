/* Parameters of policies of both kinds, as users type them: PARAMS = name "=" value { "," ... }.
 *
 * A value is a decimal number, `0.1`, `-3`, `25%`, whatever the locale; no exponent. `kind` and
 * `owner` say in messages whose parameters they are: "eviction policy", "clock". */
#ifndef BASE_PARAMS_H
#define BASE_PARAMS_H

#include <stdbool.h>

#include <selfpage/error.h>
#include <selfpage/policy.h>

/* Parameters that a policy can have. */
#define PARAMS_MAX 16u

/* See that a list of parameters can be used. Returns 0 or -EINVAL. */
int params_check(const char *kind, const char *owner, const struct sp_policy_param *params,
                 struct sp_error *error);

/* Give `params` (may be NULL) the values in `text` (may be NULL or empty), and the others their
 * presets. `values` has PARAMS_MAX elements, all of which are set. Returns 0, -ENOENT (no such
 * parameter), -EINVAL (malformed, or given twice) or -ERANGE. */
int params_parse(const char *kind, const char *owner, const struct sp_policy_param *params,
                 const char *text, double *values, struct sp_error *error);

/* Whether a policy may have this name. */
bool params_name_is_proper(const char *name);

/* How much of a user's text of this length is repeated in a message, as a precision of %.*s. */
int params_quote_length(size_t length);

/* A list of names for a message; too long a list is cut. Starts as zeros. */
struct name_list {
    char text[SP_ERROR_TEXT];
    size_t length;
};

void params_name_add(struct name_list *list, const char *name);

/* Say that the first `length` bytes of `text` name no `kind` of the list: with the nearest name, or what
 * to do about a shared object without a slash, or else the whole list. Returns -ENOENT. */
int params_name_missing(const struct name_list *list, const char *kind, const char *text,
                        size_t length, struct sp_error *error);

#endif
