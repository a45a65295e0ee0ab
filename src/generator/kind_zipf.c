/* zipf: independent references; the k-th most popular page comes with a probability in proportion to
 * 1 / k^exponent. Popular pages lie anywhere among the others, unless scatter=0. */
#include <string.h>

#include "base/assert.h"
#include "generator/kinds.h"
#include "generator/scatter.h"
#include "generator/zipf_law.h"

enum { ZIPF_EXPONENT = GENERATOR_OWN, ZIPF_SCATTER };

static const struct sp_policy_param zipf_params[] = {
    GENERATOR_COMMON("different pages"),
    [ZIPF_EXPONENT] = {"exponent", 1, 0, 10, "of the law; 0: all pages alike"},
    [ZIPF_SCATTER] = {"scatter", 1, 0, 1, "0: page 0 is the most popular, 1 the next ..."},
    {NULL},
};

struct zipf {
    struct zipf_law law;
    struct scatter scatter;
};

_Static_assert(sizeof(struct zipf) <= GENERATOR_STATE, "a generator has room for it");

static void zipf_begin(struct generator *generator)
{
    struct zipf *zipf = (void *)generator->state;
    uint64_t pages = (uint64_t)generator->values[GENERATOR_PAGES];

    zipf->law = zipf_law_make(generator->values[ZIPF_EXPONENT], pages);
    zipf->scatter = scatter_make(pages, random_bits(&generator->pages));
}

static uint64_t zipf_page(struct generator *generator)
{
    const struct zipf *zipf = (const void *)generator->state;
    uint64_t rank = zipf_law_draw(&zipf->law, &generator->pages);

    return generator->values[ZIPF_SCATTER] > 0 ? scatter_at(&zipf->scatter, rank) : rank;
}

const struct generator_kind generator_zipf = {
    .name = "zipf",
    .summary = "independent references, popularity by Zipf's law",
    .params = zipf_params,
    .begin = zipf_begin,
    .page = zipf_page,
};
