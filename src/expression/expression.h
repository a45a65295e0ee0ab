/* Expectations: comparisons of sums and products of numbers and of what was counted.
 *
 *   expectation = sum [ ("==" | "!=" | "<" | "<=" | ">" | ">=") sum ]
 *   sum         = product { ("+" | "-") product }
 *   product     = factor { ("*" | "/") factor }
 *   factor      = ["-"] ( number | "true" | "false" | path | "sum" "(" path ")" | "(" sum ")" )
 *   path        = name "." name
 *
 * A sum that is compared with nothing holds if it is not 0. sum(tasks.FIELD) adds up a field over
 * all tasks. Pure: a function that the caller gives looks up the names. */
#ifndef EXPRESSION_EXPRESSION_H
#define EXPRESSION_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>

#include <selfpage/error.h>

/* Longest name of an object or field, in bytes without a NUL. */
#define EXPRESSION_NAME_MAX 255

/* How names get values. */
struct expression_names {
    /* Set *value to `object`.`field`, or, if `all` is set, to the sum of `field` over the members
     * of `object`. Returns 0; -ENOENT: there is no such object; -EINVAL: it has no such field. */
    int (*look_up)(void *arg, bool all, const char *object, const char *field, double *value);
    /* The length of an object's name that begins `text` and is followed by '.', where objects have
     * names that are not of letters, digits and _; 0: there is none. May be NULL. */
    size_t (*measure)(void *arg, const char *text);
    /* The known name that a mistyped one is nearest to: a field of `object`, or, if `field` is NULL, an object. NULL:
     * none is near. May be NULL. */
    const char *(*nearest)(void *arg, const char *object, const char *field);
    void *arg;
};

/* What was compared, for the message that it does not hold. */
struct expression_sides {
    double left;
    double right;  /* 0 if there is no comparison */
    bool constant; /* nothing that was counted is on the right: the reader knows it */
};

/* Room for what expression_say writes. */
#define EXPRESSION_SAID 64

/* Why a comparison does not hold: "it is 3", or "found 3 and 4" where both sides were counted. Returns `text`. */
const char *expression_say(char text[EXPRESSION_SAID], const struct expression_sides *sides);

/* Evaluate `text`: 1 it holds, 0 it does not, -EINVAL and an error that names the expression and
 * the position (from 1) where it is wrong. Division by zero is an error too, unless `check` is set:
 * then only syntax and names are looked at, values may be anything, and 0 is returned if all is
 * well. */
int expression_evaluate(const char *text, const struct expression_names *names, bool check,
                        struct expression_sides *sides, struct sp_error *error);

/* The value of a sum, without a comparison: 0, and *value; or -EINVAL and an error, as above. `names` may be NULL:
 * then there are only numbers. */
int expression_value(const char *text, const struct expression_names *names, bool check,
                     double *value, struct sp_error *error);

#endif
