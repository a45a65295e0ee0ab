/* zigzag: the pages from first to last, back to the first, and so on; the ends are not repeated. */
#include "generator/kinds.h"

static const struct sp_policy_param zigzag_params[] = {
    GENERATOR_COMMON("from one end to the other"),
    {NULL},
};

static uint64_t zigzag_page(struct generator *generator)
{
    uint64_t top = (uint64_t)generator->values[GENERATOR_PAGES] - 1;
    uint64_t at = top > 0 ? generator->made % (2 * top) : 0;

    return at <= top ? at : 2 * top - at;
}

const struct generator_kind generator_zigzag = {
    .name = "zigzag",
    .summary = "up and down",
    .params = zigzag_params,
    .page = zigzag_page,
};
