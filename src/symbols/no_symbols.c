/* Without elfutils: nothing is known of any address. */
#include "symbols/symbols.h"

#include <stddef.h>

#include "base/assert.h"

bool symbols_available(void)
{
    return false;
}

int symbols_open(struct symbols **symbolsp, struct sp_error *error)
{
    (void)error;
    *symbolsp = NULL;
    return 0;
}

const char *symbols_add(struct symbols *symbols, const char *path, uint64_t first, uint64_t offset)
{
    (void)symbols, (void)path, (void)first, (void)offset;
    return "this selfpage was built without libdw";
}

void symbols_find(struct symbols *symbols, uint64_t code, struct symbols_place *place)
{
    (void)symbols, (void)code;
    *place = (struct symbols_place){.line = 0};
}

void symbols_close(struct symbols **symbolsp)
{
    check(symbolsp == NULL || *symbolsp == NULL);
}
