/* Not recently used: pages are of four classes, by whether they were referenced lately and whether
 * they are dirty; one of the lowest class that is not empty leaves, at random.
 *
 *     0  neither      1  dirty      2  referenced      3  referenced and dirty
 *
 * A. S. Tanenbaum, "Modern Operating Systems", chapter on memory management, where the reference
 * bits are cleared at each clock tick; here whenever `period` references a frame have come (live:
 * four fifths as many faults, since most references cause none). To take constant time, `look` pages
 * are looked at, from a random place on, and not all.
 *
 * Where every reference is seen, the period of a page's last one says whether its bit would be set.
 * A live task has bits, and clears them as the book does, but the tick comes to one page after the
 * other in the course of a period: no fault has to pay for all of them. */
#include "policy/registry.h"

enum { NRU_PERIOD, NRU_LOOK };

/* Live: part of a period, counted in references, in which as many faults come, soft ones included. */
#define NRU_FAULTS_A_REFERENCE (4.0 / 5.0)

struct nru_cell {
    sp_page page;        /* cell i: the i-th of the resident pages */
    uint32_t place;      /* cell p: where page p stands among them */
    uint32_t seen_plus1; /* cell p: the period in which page p was last known to be referenced;
                            live: not 0 if that was since the tick came to it */
};

struct nru {
    struct sp_policy_env *env;
    const double *params;
    uint64_t length; /* of a period */
    uint64_t ends;   /* when the period does */
    uint32_t period;
    uint32_t count;  /* resident pages */
    uint32_t hand;   /* live: the place to which the tick comes next */
    uint64_t ticked; /* live: time when it was last seen how far it has to come */
    uint64_t due;    /* live: pages to which it is still to come, times the length */
    struct nru_cell cells[];
};

static const struct sp_policy_param nru_params[] = {
    [NRU_PERIOD] = {"period", 1.0, 0.0, 1e6,
                    "references (live: 4/5 as many faults) a frame between two ticks"},
    [NRU_LOOK] = {"look", 64.0, 1.0, 1024.0, "pages that are looked at for a victim"},
    {NULL},
};

static size_t nru_size(const struct sp_policy_config *config)
{
    return sizeof(struct nru) + (size_t)config->pages * sizeof(struct nru_cell);
}

static void nru_resize(void *self, uint32_t frames)
{
    struct nru *nru = self;

    nru->length = (uint64_t)(nru->params[NRU_PERIOD] * frames *
                             (nru->env->sees_all ? 1.0 : NRU_FAULTS_A_REFERENCE));
    if (nru->length == 0)
        nru->length = 1;
}

static void nru_init(void *self, const struct sp_policy_config *config)
{
    struct nru *nru = self;

    nru->env = config->env;
    nru->params = config->params;
    nru_resize(self, config->frames);
}

/* Live: let the tick come to the pages that are due, all of them within a period. */
static void nru_tick_pages(struct nru *nru)
{
    uint64_t most = nru->length * nru->count;

    nru->due += (nru->env->time - nru->ticked) * nru->count;
    nru->ticked = nru->env->time;
    if (nru->due > most)
        nru->due = most;
    for (; nru->due >= nru->length && nru->count > 0; nru->due -= nru->length) {
        sp_page page;

        nru->hand = nru->hand + 1 < nru->count ? nru->hand + 1 : 0;
        page = nru->cells[nru->hand].page;
        nru->cells[page].seen_plus1 = 0;
        nru->env->referenced(nru->env, page);
    }
}

static void nru_tick(struct nru *nru)
{
    if (!nru->env->sees_all) {
        nru_tick_pages(nru);
    } else if (nru->env->time >= nru->ends) {
        nru->ends = nru->env->time + nru->length;
        nru->period++;
    }
}

static void nru_insert(void *self, sp_page page, enum sp_access access)
{
    struct nru *nru = self;

    (void)access;
    nru_tick(nru);
    nru->cells[nru->count].page = page;
    nru->cells[page].place = nru->count++;
    nru->cells[page].seen_plus1 = nru->period + 1;
}

static void nru_hit(void *self, sp_page page, enum sp_access access)
{
    struct nru *nru = self;

    (void)access;
    nru_tick(nru);
    nru->cells[page].seen_plus1 = nru->period + 1;
}

static int nru_class(struct nru *nru, sp_page page)
{
    struct nru_cell *cell = &nru->cells[page];
    bool seen = cell->seen_plus1 == nru->period + 1;

    if (!seen && !nru->env->sees_all && nru->env->referenced(nru->env, page)) {
        cell->seen_plus1 = nru->period + 1;
        seen = true;
    }
    return 2 * seen + nru->env->dirty(nru->env, page);
}

static sp_page nru_victim(void *self, sp_page incoming)
{
    struct nru *nru = self;
    uint32_t look = (uint32_t)nru->params[NRU_LOOK];
    uint32_t place = nru->env->random(nru->env, nru->count);
    sp_page chosen = SP_NO_PAGE;
    int lowest = 4;

    (void)incoming;
    nru_tick(nru);
    if (look > nru->count)
        look = nru->count;
    for (; look > 0 && lowest > 0; look--) {
        sp_page page = nru->cells[place].page;
        int class = nru_class(nru, page);

        if (class < lowest) {
            lowest = class;
            chosen = page;
        }
        place = place + 1 < nru->count ? place + 1 : 0;
    }
    return chosen;
}

static void nru_remove(void *self, sp_page page, enum sp_removal why)
{
    struct nru *nru = self;
    uint32_t hole = nru->cells[page].place;
    sp_page last;

    (void)why;
    last = nru->cells[--nru->count].page;
    nru->cells[hole].page = last;
    nru->cells[last].place = hole;
}

static void nru_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct nru *nru = self;

    if (hint == SP_HINT_WILL_NEED) {
        nru->cells[page].seen_plus1 = nru->period + 1;
    } else {
        nru->cells[page].seen_plus1 = 0;
        nru->env->referenced(nru->env, page);
    }
}

const struct sp_policy policy_nru = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_FORGETS,
    .name = "nru",
    .summary = "not recently used: four classes by reference and dirty bit",
    .source = "Tanenbaum, Modern Operating Systems",
    .params = nru_params,
    .size = nru_size,
    .init = nru_init,
    .insert = nru_insert,
    .hit = nru_hit,
    .victim = nru_victim,
    .remove = nru_remove,
    .resize = nru_resize,
    .hint = nru_hint,
};
