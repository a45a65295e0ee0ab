#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void assert_failed(const char *file, int line, const char *condition)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "selfpage: bug: %s:%d: not true: %.300s\n", file,
                          line, condition);

    if (length > 0 && write(STDERR_FILENO, text, strlen(text)) < 0)
        abort(); /* there is nobody to tell */
    abort();
}
