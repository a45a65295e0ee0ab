#include "selfpage/command/json_out.h"

#include <errno.h>
#include <string.h>

#include "base/exits.h"
#include "os/stdio.h"

int json_out_print(FILE *out, const json_t *object, size_t flags)
{
    int dumped = object != NULL ? json_dumpf(object, out, flags) : -1;
    int result;

    if (dumped == 0)
        fputc('\n', out);
    result = stdio_finish(out);
    return result == 0 && dumped != 0 ? -ENOMEM : result;
}

int json_out_cannot(int result)
{
    fprintf(stderr, "selfpage: cannot write the JSON object: %s\n", strerror(-result));
    return EXIT_CANNOT;
}
