/* phases: a working set of `pages` pages, referenced by Zipf's law. Every `length` references it moves
 * on: the share `fresh` of it is new then, as many of its oldest pages are no longer part of it, and
 * popularity is dealt out anew. */
#include "generator/kinds.h"
#include "generator/scatter.h"
#include "generator/zipf_law.h"

enum { PHASES_EXPONENT = GENERATOR_OWN, PHASES_LENGTH, PHASES_FRESH };

static const struct sp_policy_param phases_params[] = {
    GENERATOR_COMMON("in the working set"),
    [PHASES_EXPONENT] = {"exponent", 0.9, 0, 10, "of Zipf's law within the working set"},
    [PHASES_LENGTH] = {"length", 100000, 1, 1e12, "references of a phase"},
    [PHASES_FRESH] = {"fresh", 0.3, 0, 1, "share of the working set that a new phase replaces"},
    {NULL},
};

struct phases {
    struct zipf_law law;
    struct scatter scatter;
    uint64_t first; /* page of the working set */
};

_Static_assert(sizeof(struct phases) <= GENERATOR_STATE, "a generator has room for it");

static void phases_begin(struct generator *generator)
{
    struct phases *phases = (void *)generator->state;
    uint64_t pages = (uint64_t)generator->values[GENERATOR_PAGES];

    phases->law = zipf_law_make(generator->values[PHASES_EXPONENT], pages);
    phases->scatter = scatter_make(pages, random_bits(&generator->pages));
}

static uint64_t phases_page(struct generator *generator)
{
    struct phases *phases = (void *)generator->state;
    uint64_t pages = (uint64_t)generator->values[GENERATOR_PAGES];

    if (generator->made > 0 && generator->made % (uint64_t)generator->values[PHASES_LENGTH] == 0) {
        phases->first += (uint64_t)(generator->values[PHASES_FRESH] * (double)pages);
        phases->scatter = scatter_make(pages, random_bits(&generator->pages));
    }
    return phases->first +
           scatter_at(&phases->scatter, zipf_law_draw(&phases->law, &generator->pages));
}

const struct generator_kind generator_phases = {
    .name = "phases",
    .summary = "a working set that moves on",
    .params = phases_params,
    .begin = phases_begin,
    .page = phases_page,
};
