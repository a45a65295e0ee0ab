#include "base/option.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

int option_number(const char *option, const char *text, uint64_t least, uint64_t most,
                  uint64_t *numberp, struct sp_error *error)
{
    char *end;

    errno = 0;
    *numberp = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || *numberp < least ||
        *numberp > most)
        return error_set(error, EINVAL, "--%s: \"%s\" is not a number from %llu to %llu", option,
                         text, (unsigned long long)least, (unsigned long long)most);
    return 0;
}

int option_rate(const char *option, const char *text, double most, double *ratep,
                struct sp_error *error)
{
    char *end;

    *ratep = strtod(text, &end);
    if (end == text || *end != '\0' || !(*ratep >= 0 && *ratep <= most))
        return error_set(error, EINVAL, "--%s: \"%s\" is not a number from 0 to %.10g", option,
                         text, most);
    return 0;
}
