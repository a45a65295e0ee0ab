/* LHD, least hit density: the page leaves, of a sample, whose hits to come are fewest for the time that it will stay.
 *
 * N. Beckmann, H. Chen and A. Cidon, "LHD: improving cache hit rate by maximizing hit density", NSDI 2018, and the
 * authors' program (CMU-CORGI/LHD, lhd.cpp), for pages of one size and one application. The age of a page is the number
 * of references since its last one, coarsened. Pages are in 16 classes by their last two ages at a hit. Of each class it is
 * counted at which ages pages are hit, and at which they leave; every `period` references the counts give the density
 * for each age: hits at this age or later, over the time until then of all that got so far.
 *
 * A victim is the least of `sample` pages drawn at random, and of the last 8 that looked like victims when they came in.
 * As in the program: 8 are drawn until the densities have been found 50 times, and until then one reference in 32 makes its
 * page an explorer, which is not evicted, as long as explorers have less than a hundredth of the frames; ages are coarsened
 * anew after 5 and after 25 periods; until the first is over, the density is the class over the age. */
#include "policy/registry.h"

#include <float.h>

#define CLASSES  16u
#define AGES     20000u
#define ADMITTED 8u

/* Pages drawn early, and what is early, in periods. */
#define EARLY_SAMPLE 8u
#define EARLY        50u

/* One reference in so many makes an explorer; the share of the frames for them, in bytes of a page. */
#define EXPLORE        32u
#define EXPLORER_SHARE 0.01f
#define PAGE_BYTES     4096
#define EXPLORER_BONUS 4096.0f

/* References that an age stands for at first: two to the power of this. */
#define SHIFT_FIRST 10u

/* What a period leaves of what was counted before. */
#define DECAY 0.9f

/* Ages are coarsened so far that all pages have room in this share of them. */
#define COARSE_SHARE 0.01f

enum { LHD_SAMPLE, LHD_PERIOD };

/* What happened to the pages of one class, by age. */
struct class
{
    float hits[AGES], evictions[AGES], densities[AGES];
};

struct tag {
    uint64_t time; /* of its last reference */
    uint32_t place_plus1;
    uint16_t age;      /* at its last hit */
    uint16_t age_then; /* at the hit before; EXPLORER */
};

#define EXPLORER 0x8000u

struct lhd {
    struct sp_policy_env *env;
    const double *params;
    uint64_t now;         /* references */
    uint64_t next_period; /* when it begins */
    uint32_t periods;     /* that are over */
    unsigned shift;
    float objects, objects_mass; /* an average of the resident pages */
    float victim_density;        /* an average, too */
    uint32_t frames;
    int64_t explorer_budget; /* bytes */
    uint32_t count;          /* resident pages */
    uint32_t admitted_next;
    uint32_t admitted_plus1[ADMITTED];
    unsigned
        ghosts; /* which of them have left for good, if the engine wants to know what is forgotten */
    struct tag *tags; /* by page */
    sp_page *places;  /* resident pages, in no order */
    struct class classes[CLASSES];
    uint64_t memory[];
};

static const struct sp_policy_param lhd_params[] = {
    [LHD_SAMPLE] = {"sample", 32.0, 1.0, 1024.0, "pages drawn for a victim"},
    [LHD_PERIOD] = {"period", 1048576.0, 64.0, 1e12, "references after which densities are found"},
    {NULL},
};

static size_t lhd_size(const struct sp_policy_config *config)
{
    return sizeof(struct lhd) + config->pages * (sizeof(struct tag) + sizeof(sp_page));
}

static void lhd_resize(void *self, uint32_t frames)
{
    struct lhd *lhd = self;

    if (frames == lhd->frames)
        return; /* what it has spent stays spent */
    lhd->frames = frames;
    lhd->explorer_budget = (int64_t)((float)((uint64_t)frames * PAGE_BYTES) * EXPLORER_SHARE);
}

static void lhd_init(void *self, const struct sp_policy_config *config)
{
    struct lhd *lhd = self;

    lhd->env = config->env;
    lhd->params = config->params;
    lhd->shift = SHIFT_FIRST;
    lhd->next_period = (uint64_t)config->params[LHD_PERIOD];
    lhd->tags = (struct tag *)(void *)lhd->memory;
    lhd->places = (sp_page *)(void *)(lhd->tags + config->pages);
    lhd_resize(self, config->frames);
}

/* ---- Ages, classes, densities ---- */

static uint32_t age_of(const struct lhd *lhd, const struct tag *tag)
{
    uint64_t age = (lhd->now - tag->time) >> lhd->shift;

    return age < AGES ? (uint32_t)age : AGES - 1;
}

static unsigned class_of(const struct tag *tag)
{
    uint32_t age = (uint32_t)tag->age + (tag->age_then & (EXPLORER - 1));
    unsigned class = 0;

    if (age == 0)
        return CLASSES - 1;
    for (; age < AGES && class < CLASSES - 1; age <<= 1)
        class ++;
    return class;
}

static float density_of(const struct lhd *lhd, const struct tag *tag)
{
    uint32_t age = age_of(lhd, tag);
    unsigned class = class_of(tag);
    float density;

    if (age == AGES - 1)
        return -FLT_MAX;
    density = lhd->periods > 0 ? lhd->classes[class].densities[age]
                               : (float)(1.0 * (class + 1) / (age + 1));
    return tag->age_then & EXPLORER ? density + EXPLORER_BONUS : density;
}

/* ---- Periods ---- */

/* What is zero, as most is, stays untouched: it takes no memory. */
static void class_decay(struct class *class)
{
    for (uint32_t age = 0; age < AGES; age++) {
        if (class->hits[age] != 0)
            class->hits[age] *= DECAY;
        if (class->evictions[age] != 0)
            class->evictions[age] *= DECAY;
    }
}

/* An age stands for fewer references from now on: what was one age is several. */
static void counts_stretch(float *counts, unsigned by)
{
    for (uint32_t age = AGES >> by; age < AGES - 1; age++)
        counts[AGES - 1] += counts[age];
    for (uint32_t age = AGES - 1; age-- > 0;) {
        float count = counts[age >> by] / (float)(1 << by);

        if (counts[age] != count)
            counts[age] = count;
    }
}

/* For more: what was several ages is one. */
static void counts_compress(float *counts, unsigned by)
{
    for (uint32_t age = 0; age < AGES >> by; age++) {
        float sum = counts[age << by];

        for (uint32_t i = 1; i < 1u << by; i++)
            sum += counts[(age << by) + i];
        if (counts[age] != sum)
            counts[age] = sum;
    }
    for (uint32_t age = AGES >> by; age < AGES - 1; age++)
        if (counts[age] != 0)
            counts[age] = 0;
}

static void counts_scale(float *counts, unsigned from, unsigned to)
{
    if (to < from)
        counts_stretch(counts, from - to);
    else if (to > from)
        counts_compress(counts, to - from);
}

/* Ages are as coarse as the number of pages asks for; looked at twice. */
static void ages_adapt(struct lhd *lhd)
{
    unsigned shift = 1;
    float wanted;

    lhd->objects = lhd->objects * DECAY + (float)lhd->count;
    lhd->objects_mass = lhd->objects_mass * DECAY + 1;
    wanted = (float)(1.0 * (lhd->objects / lhd->objects_mass) / (COARSE_SHARE * AGES));
    if (lhd->periods != 5 && lhd->periods != 25)
        return;
    while ((float)(1u << shift) < wanted)
        shift++;
    for (unsigned class = 0; class < CLASSES; class ++) {
        counts_scale(lhd->classes[class].hits, lhd->shift, shift);
        counts_scale(lhd->classes[class].evictions, lhd->shift, shift);
    }
    lhd->shift = shift;
    lhd->objects *= 8; /* to keep it for a while */
    lhd->objects_mass *= 8;
}

/* Hits at each age or later, over the time that pages of that age stay, from the oldest down. */
static void densities_find(struct class *class)
{
    float events = class->hits[AGES - 1] + class->evictions[AGES - 1];
    float hits = class->hits[AGES - 1];
    float lifetime = events, density;

    for (uint32_t age = AGES - 1; age-- > 0;) {
        hits += class->hits[age];
        events += class->hits[age] + class->evictions[age];
        lifetime += events;
        density = events > 1e-5 ? hits / lifetime : 0;
        if (class->densities[age] != density)
            class->densities[age] = density;
    }
}

static void period_end(struct lhd *lhd)
{
    for (unsigned class = 0; class < CLASSES; class ++)
        class_decay(&lhd->classes[class]);
    ages_adapt(lhd);
    for (unsigned class = 0; class < CLASSES; class ++)
        densities_find(&lhd->classes[class]);
    lhd->periods++;
    lhd->next_period += (uint64_t)lhd->params[LHD_PERIOD];
}

/* ---- References ---- */

static void explorer_end(struct lhd *lhd, struct tag *tag)
{
    lhd->explorer_budget += tag->age_then & EXPLORER ? PAGE_BYTES : 0;
    tag->age_then &= EXPLORER - 1;
}

/* Which of the admitted ones the page is, a bit each. */
static unsigned admitted_as(const struct lhd *lhd, sp_page page)
{
    unsigned as = 0;

    for (unsigned i = 0; i < ADMITTED; i++)
        as |= (unsigned)(lhd->admitted_plus1[i] == page + 1) << i;
    return as;
}

/* The page is one to be looked at, and that of ADMITTED pages ago no longer. */
static void admit(struct lhd *lhd, sp_page page)
{
    uint32_t at = lhd->admitted_next++ % ADMITTED;
    sp_page former = lhd->admitted_plus1[at] - 1;
    bool was_ghost = (lhd->ghosts >> at & 1) != 0;

    lhd->admitted_plus1[at] = page + 1;
    lhd->ghosts &= ~(1u << at);
    if (was_ghost && admitted_as(lhd, former) == 0)
        lhd->env->forgotten(lhd->env, former);
}

/* What every reference does. */
static void refer(struct lhd *lhd, sp_page page, bool comes)
{
    struct tag *tag = &lhd->tags[page];
    bool explores = lhd->env->random(lhd->env, EXPLORE) == 0;

    tag->time = lhd->now;
    if (explores && lhd->explorer_budget > 0 && lhd->periods < EARLY) {
        tag->age_then |= EXPLORER;
        lhd->explorer_budget -= PAGE_BYTES;
    }
    if (comes && !explores && density_of(lhd, tag) < lhd->victim_density)
        admit(lhd, page);
    if (++lhd->now == lhd->next_period)
        period_end(lhd);
}

static void lhd_insert(void *self, sp_page page, enum sp_access access)
{
    struct lhd *lhd = self;

    (void)access;
    if (lhd->ghosts != 0)
        lhd->ghosts &= ~admitted_as(lhd, page);
    lhd->places[lhd->count++] = page;
    lhd->tags[page] = (struct tag){.place_plus1 = lhd->count, .age_then = AGES};
    refer(lhd, page, true);
}

static void lhd_hit(void *self, sp_page page, enum sp_access access)
{
    struct lhd *lhd = self;
    struct tag *tag = &lhd->tags[page];
    uint32_t age = age_of(lhd, tag);

    (void)access;
    lhd->classes[class_of(tag)].hits[age]++;
    explorer_end(lhd, tag);
    tag->age_then = tag->age;
    tag->age = (uint16_t)age;
    refer(lhd, page, false);
}

/* ---- Victims ---- */

static sp_page lhd_victim(void *self, sp_page incoming)
{
    struct lhd *lhd = self;
    uint32_t draws = lhd->periods > EARLY ? (uint32_t)lhd->params[LHD_SAMPLE] : EARLY_SAMPLE;
    sp_page victim = SP_NO_PAGE;
    float least = FLT_MAX;

    (void)incoming;
    for (uint32_t i = 0; i < draws + ADMITTED; i++) {
        sp_page page = i < draws ? lhd->places[lhd->env->random(lhd->env, lhd->count)]
                                 : lhd->admitted_plus1[i - draws] - 1;

        if (page == SP_NO_PAGE || lhd->tags[page].place_plus1 == 0)
            continue;
        if (density_of(lhd, &lhd->tags[page]) < least) {
            victim = page;
            least = density_of(lhd, &lhd->tags[page]);
        }
    }
    lhd->victim_density = DECAY * lhd->victim_density + (1 - DECAY) * least;
    return victim;
}

/* A page has left for good: it is a ghost as long as it is one of those that were admitted. */
static void left(struct lhd *lhd, sp_page page)
{
    unsigned as = admitted_as(lhd, page);

    lhd->ghosts |= as;
    if (as == 0)
        lhd->env->forgotten(lhd->env, page);
}

static void lhd_remove(void *self, sp_page page, enum sp_removal why)
{
    struct lhd *lhd = self;
    struct tag *tag = &lhd->tags[page];
    uint32_t place = tag->place_plus1 - 1;

    if (why == SP_EVICTED)
        lhd->classes[class_of(tag)].evictions[age_of(lhd, tag)]++;
    explorer_end(lhd, tag);
    tag->place_plus1 = 0;
    lhd->places[place] = lhd->places[--lhd->count];
    if (place < lhd->count)
        lhd->tags[lhd->places[place]].place_plus1 = place + 1;
    if (lhd->env->forgotten != NULL && (why == SP_EVICTED || why == SP_DISCARDED))
        left(lhd, page);
}

/* A page that will not be needed is as old as can be, and one of those that are looked at. */
static void lhd_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct lhd *lhd = self;

    if (hint == SP_HINT_WILL_NEED) {
        lhd->tags[page].time = lhd->now;
        return;
    }
    explorer_end(lhd, &lhd->tags[page]);
    lhd->tags[page].time = lhd->now - ((uint64_t)AGES << lhd->shift);
    admit(lhd, page);
}

const struct sp_policy policy_lhd = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_TELLS,
    .name = "lhd",
    .summary = "hits to come over the time that they take, least of a sample",
    .source = "Beckmann et al. 2018; the authors' lhd.cpp",
    .params = lhd_params,
    .size = lhd_size,
    .pages_at = offsetof(struct lhd, memory),
    .page_bytes = sizeof(struct tag),
    .init = lhd_init,
    .insert = lhd_insert,
    .hit = lhd_hit,
    .victim = lhd_victim,
    .remove = lhd_remove,
    .resize = lhd_resize,
    .hint = lhd_hint,
    .live_form = "gclock",
};
