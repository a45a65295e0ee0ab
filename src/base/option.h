/* Values of command line options, checked. */
#ifndef BASE_OPTION_H
#define BASE_OPTION_H

#include <stdint.h>

#include <selfpage/error.h>

/* A whole decimal number from `least` to `most`. Returns 0, or -EINVAL with a text that names the
 * option, what was given, and the limits. `error` may be NULL. */
int option_number(const char *option, const char *text, uint64_t least, uint64_t most,
                  uint64_t *numberp, struct sp_error *error);

/* A decimal number from 0 to `most`. Same returns. */
int option_rate(const char *option, const char *text, double most, double *ratep,
                struct sp_error *error);

#endif
