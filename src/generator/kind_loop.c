/* loop: the pages from first to last, again and again; with scatter=1 in an order that is shuffled, and
 * the same each time, as a list is followed whose elements lie anywhere. */
#include "generator/kinds.h"
#include "generator/scatter.h"

enum { LOOP_SCATTER = GENERATOR_OWN };

static const struct sp_policy_param loop_params[] = {
    GENERATOR_COMMON("in the loop"),
    [LOOP_SCATTER] = {"scatter", 0, 0, 1, "1: in a shuffled order"},
    {NULL},
};

_Static_assert(sizeof(struct scatter) <= GENERATOR_STATE, "a generator has room for it");

static void loop_begin(struct generator *generator)
{
    struct scatter *scatter = (void *)generator->state;

    *scatter =
        scatter_make((uint64_t)generator->values[GENERATOR_PAGES], random_bits(&generator->pages));
}

static uint64_t loop_page(struct generator *generator)
{
    const struct scatter *scatter = (const void *)generator->state;
    uint64_t at = generator->made % scatter->count;

    return generator->values[LOOP_SCATTER] > 0 ? scatter_at(scatter, at) : at;
}

const struct generator_kind generator_loop = {
    .name = "loop",
    .summary = "round and round",
    .params = loop_params,
    .begin = loop_begin,
    .page = loop_page,
};
