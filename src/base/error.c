#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int error_set(struct sp_error *error, int code, const char *format, ...)
{
    int saved = errno;
    va_list arguments;

    if (error != NULL) {
        error->code = code;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof(error->text), format, arguments);
        va_end(arguments);
    }
    errno = saved;
    return -code;
}
