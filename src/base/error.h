/* Filling struct sp_error. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <selfpage/error.h>

/* Fill `error` (may be NULL) with `code`, a positive errno value, and a formatted line. Returns
 * -code, so that a function can end with `return error_set(error, ENOENT, "...")`. A text longer
 * than SP_ERROR_TEXT is cut. errno is kept. Not for signal handlers. */
int error_set(struct sp_error *error, int code, const char *format, ...) SP_PRINTF(3, 4);

#endif
