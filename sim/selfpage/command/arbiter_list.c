#include "selfpage/command/arbiter_list.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"

int arbiter_list_parse(const char *option, const char *text, size_t most, struct strings *list,
                       struct sp_error *error)
{
    const char *begin = text;
    const char *piece = text;

    strings_fini(list);
    for (;;) {
        const char *end = piece + strcspn(piece, ",");
        const char *next = *end == ',' ? end + 1 : end;
        size_t length = strcspn(next, ","); /* of the next piece */
        bool more = memchr(next, '=', length) != NULL && memchr(next, ':', length) == NULL;

        if (end == piece || (!more && list->count == most))
            return error_set(error, EINVAL, "--%s: 1 to %zu names with commas between them", option,
                             most);
        if (!more) {
            strings_format(list, "%.*s", (int)(end - begin), begin);
            begin = next;
        }
        if (*end == '\0')
            break;
        piece = next;
    }
    return list->failed ? error_set(error, ENOMEM, "out of memory") : 0;
}
