/* scan: each page once, in order, and never again. `pages` has no effect: it goes on to new ones. */
#include "generator/kinds.h"

static const struct sp_policy_param scan_params[] = {
    GENERATOR_COMMON("no effect: there is always a next page"),
    {NULL},
};

static uint64_t scan_page(struct generator *generator)
{
    return generator->made;
}

const struct generator_kind generator_scan = {
    .name = "scan",
    .summary = "each page once, in order",
    .params = scan_params,
    .page = scan_page,
};
