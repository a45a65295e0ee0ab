/* Hyperbolic caching: a page's worth is its references divided by the time since it came in; of a
 * random sample the page of the least worth leaves.
 *
 * A. Blankstein, S. Sen and M. J. Freedman, "Hyperbolic caching: flexible caching for web
 * applications", USENIX ATC 2017, with its sample of 64 and all pages of the same cost. */
#include "policy/registry.h"

enum { HYPERBOLIC_SAMPLE };

struct hyperbolic_cell {
    uint64_t since; /* cell p: when page p came in */
    uint32_t count; /* cell p: its references since; 0 for one that is not there nor away */
    uint32_t place; /* cell p: where page p stands among the resident pages */
    sp_page page;   /* cell i: the i-th of the resident pages */
};

struct hyperbolic {
    struct sp_policy_env *env;
    uint32_t sample;
    uint32_t resident;
    struct hyperbolic_cell cells[];
};

static const struct sp_policy_param hyperbolic_params[] = {
    [HYPERBOLIC_SAMPLE] = {"sample", 64.0, 1.0, 1024.0,
                           "pages that are compared: the worst leaves"},
    {NULL},
};

static size_t hyperbolic_size(const struct sp_policy_config *config)
{
    return sizeof(struct hyperbolic) + (size_t)config->pages * sizeof(struct hyperbolic_cell);
}

static void hyperbolic_init(void *self, const struct sp_policy_config *config)
{
    struct hyperbolic *hyperbolic = self;

    hyperbolic->env = config->env;
    hyperbolic->sample = (uint32_t)config->params[HYPERBOLIC_SAMPLE];
}

static void hyperbolic_insert(void *self, sp_page page, enum sp_access access)
{
    struct hyperbolic *hyperbolic = self;
    struct hyperbolic_cell *cell = &hyperbolic->cells[page];

    (void)access;
    if (cell->count == 0) { /* else it is back from having been pinned or skipped */
        cell->count = 1;
        cell->since = hyperbolic->env->time;
    }
    cell->place = hyperbolic->resident++;
    hyperbolic->cells[cell->place].page = page;
}

static void hyperbolic_hit(void *self, sp_page page, enum sp_access access)
{
    struct hyperbolic_cell *cell = &((struct hyperbolic *)self)->cells[page];

    (void)access;
    if (cell->count < UINT32_MAX)
        cell->count++;
}

/* References for each unit of time since it came in; that of a page hinted away is 0. */
static double hyperbolic_worth(const struct hyperbolic *hyperbolic, sp_page page)
{
    const struct hyperbolic_cell *cell = &hyperbolic->cells[page];

    if (cell->since == UINT64_MAX)
        return 0;
    return (double)cell->count / (double)(hyperbolic->env->time - cell->since + 1);
}

static sp_page hyperbolic_victim(void *self, sp_page incoming)
{
    struct hyperbolic *hyperbolic = self;
    struct sp_policy_env *env = hyperbolic->env;
    sp_page chosen = SP_NO_PAGE;
    double least = 0;

    (void)incoming;
    for (uint32_t i = 0; i < hyperbolic->sample; i++) {
        uint32_t place = i;
        double worth;
        sp_page page;

        if (hyperbolic->resident > hyperbolic->sample)
            place = env->random(env, hyperbolic->resident);
        else if (i == hyperbolic->resident)
            break; /* so few that all have been looked at */
        page = hyperbolic->cells[place].page;
        worth = hyperbolic_worth(hyperbolic, page);
        if (chosen == SP_NO_PAGE || worth < least) {
            chosen = page;
            least = worth;
        }
    }
    return chosen;
}

static void hyperbolic_remove(void *self, sp_page page, enum sp_removal why)
{
    struct hyperbolic *hyperbolic = self;
    struct hyperbolic_cell *cells = hyperbolic->cells;
    sp_page last = cells[--hyperbolic->resident].page;

    cells[cells[page].place].page = last;
    cells[last].place = cells[page].place;
    if (why == SP_EVICTED || why == SP_DISCARDED)
        cells[page].count = 0;
}

static void hyperbolic_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct hyperbolic_cell *cell = &((struct hyperbolic *)self)->cells[page];

    if (hint != SP_HINT_WILL_NEED)
        cell->since = UINT64_MAX;
}

const struct sp_policy policy_hyperbolic = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "hyperbolic",
    .summary = "references over time since loading, least of a sample",
    .source = "Blankstein et al. 2017",
    .params = hyperbolic_params,
    .size = hyperbolic_size,
    .init = hyperbolic_init,
    .insert = hyperbolic_insert,
    .hit = hyperbolic_hit,
    .victim = hyperbolic_victim,
    .remove = hyperbolic_remove,
    .hint = hyperbolic_hint,
    .live_form = "gclock",
};
