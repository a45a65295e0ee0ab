/* hotset: the share `share` of the references goes to the share `hot` of the pages, and the others to
 * the rest; within each, all pages are alike. The hot pages are the first ones. */
#include "generator/kinds.h"

enum { HOTSET_HOT = GENERATOR_OWN, HOTSET_SHARE };

static const struct sp_policy_param hotset_params[] = {
    GENERATOR_COMMON("different pages"),
    [HOTSET_HOT] = {"hot", 0.2, 0, 1, "share of the pages that is hot"},
    [HOTSET_SHARE] = {"share", 0.8, 0, 1, "share of the references that goes to hot pages"},
    {NULL},
};

static uint64_t hotset_page(struct generator *generator)
{
    uint32_t pages = (uint32_t)generator->values[GENERATOR_PAGES];
    uint32_t hot = (uint32_t)(generator->values[HOTSET_HOT] * pages);
    bool is_hot = random_unit(&generator->pages) < generator->values[HOTSET_SHARE];

    if ((is_hot && hot > 0) || hot == pages)
        return random_below(&generator->pages, hot);
    return hot + random_below(&generator->pages, pages - hot);
}

const struct generator_kind generator_hotset = {
    .name = "hotset",
    .summary = "most references to few pages",
    .params = hotset_params,
    .page = hotset_page,
};
