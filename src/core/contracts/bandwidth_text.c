#include "core/contracts/bandwidth_text.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

/* A number above 0 behind `name` at the start of the text. Returns what stands behind it; NULL: there is none. */
static const char *number_after(const char *text, const char *name, uint32_t *numberp)
{
    size_t length = strlen(name);
    uint64_t number = 0;

    check(*numberp == 0);
    if (strncmp(text, name, length) != 0)
        return NULL;
    for (text += length; *text >= '0' && *text <= '9'; text++) {
        number = 10 * number + (uint64_t)(*text - '0');
        if (number > UINT32_MAX)
            return NULL;
    }
    *numberp = (uint32_t)number;
    return number > 0 ? text : NULL;
}

bool bandwidth_text_parse(const char *text, struct bandwidth_text *wanted)
{
    const char *rest;

    *wanted = (struct bandwidth_text){0};
    rest = number_after(text, "shares=", &wanted->shares);
    if (rest == NULL)
        rest = number_after(text, "rate=", &wanted->rate);
    if (rest != NULL && wanted->rate > 0 && strcmp(rest, ",extra") == 0) {
        wanted->extra = true;
        return true;
    }
    check(rest == NULL || (wanted->shares | wanted->rate) != 0);
    return rest != NULL && *rest == '\0';
}
