/* Hyperbolic caching: a page's worth is its references divided by the time since it came in; of a
 * random sample the page of the least worth leaves.
 *
 * A. Blankstein, S. Sen and M. J. Freedman, "Hyperbolic caching: flexible caching for web
 * applications", USENIX ATC 2017, with its sample of 64 and all pages of the same cost. */
#include "policy/registry.h"

enum { HYPERBOLIC_SAMPLE };

/* The largest sample. */
#define SAMPLE_MOST 1024u

/* The i-th of the resident pages, in no order. What is compared lies together: a sample touches a cache line each. */
struct hyperbolic_slot {
    uint64_t since; /* when the page came in */
    uint32_t count; /* its references since; 0: it was hinted away */
    sp_page page;
};

/* A page that is away, pinned or skipped: what it will have again. */
struct hyperbolic_away {
    uint64_t since;
    uint32_t count;
    bool is_away;
};

struct hyperbolic {
    struct sp_policy_env *env;
    uint32_t sample;
    uint32_t resident;
    uint32_t away_count;          /* pages that are away */
    uint32_t *places;             /* by page: where it stands among the resident ones */
    struct hyperbolic_away *away; /* by page */
    struct hyperbolic_slot slots[];
};

static const struct sp_policy_param hyperbolic_params[] = {
    [HYPERBOLIC_SAMPLE] = {"sample", 64.0, 1.0, SAMPLE_MOST,
                           "pages that are compared: the worst leaves"},
    {NULL},
};

static size_t hyperbolic_size(const struct sp_policy_config *config)
{
    return sizeof(struct hyperbolic) +
           config->pages *
               (sizeof(struct hyperbolic_slot) + sizeof(struct hyperbolic_away) + sizeof(uint32_t));
}

static void hyperbolic_init(void *self, const struct sp_policy_config *config)
{
    struct hyperbolic *hyperbolic = self;

    hyperbolic->env = config->env;
    hyperbolic->sample = (uint32_t)config->params[HYPERBOLIC_SAMPLE];
    hyperbolic->away = (struct hyperbolic_away *)(hyperbolic->slots + config->pages);
    hyperbolic->places = (uint32_t *)(hyperbolic->away + config->pages);
}

static struct hyperbolic_slot *slot_of(struct hyperbolic *hyperbolic, sp_page page)
{
    return &hyperbolic->slots[hyperbolic->places[page]];
}

static void hyperbolic_insert(void *self, sp_page page, enum sp_access access)
{
    struct hyperbolic *hyperbolic = self;
    uint32_t place = hyperbolic->resident++;
    struct hyperbolic_slot slot = {hyperbolic->env->time, 1, page};

    (void)access;
    if (hyperbolic->away_count > 0 && hyperbolic->away[page].is_away) {
        slot.since = hyperbolic->away[page].since;
        slot.count = hyperbolic->away[page].count;
        hyperbolic->away[page].is_away = false;
        hyperbolic->away_count--;
    }
    hyperbolic->slots[place] = slot;
    hyperbolic->places[page] = place;
}

static void hyperbolic_hit(void *self, sp_page page, enum sp_access access)
{
    struct hyperbolic_slot *slot = slot_of(self, page);

    (void)access;
    if (slot->count - 1 < UINT32_MAX - 1)
        slot->count++;
}

/* Draw what is compared, and fetch it. Returns how many there are. */
static uint32_t draw(const struct hyperbolic *hyperbolic, uint32_t *places)
{
    struct sp_policy_env *env = hyperbolic->env;
    uint32_t resident = hyperbolic->resident, sample = hyperbolic->sample;

    if (resident <= sample) { /* so few that all are looked at */
        for (uint32_t i = 0; i < resident; i++)
            places[i] = i;
        return resident;
    }
    if (env->random_many != NULL)
        env->random_many(env, resident, places, sample);
    else
        for (uint32_t i = 0; i < sample; i++)
            places[i] = env->random(env, resident);
    for (uint32_t i = 0; i < sample; i++)
        __builtin_prefetch(&hyperbolic->slots[places[i]]);
    return sample;
}

/* A page's worth is its references for each unit of time since it came in. Of two such quotients the products across say
 * which is less, without a division. */
static sp_page hyperbolic_victim(void *self, sp_page incoming)
{
    struct hyperbolic *hyperbolic = self;
    const struct hyperbolic_slot *slots = hyperbolic->slots, *chosen;
    uint64_t now = hyperbolic->env->time + 1;
    uint32_t places[SAMPLE_MOST], count = draw(hyperbolic, places);
    double references, time;

    (void)incoming;
    chosen = &slots[places[0]];
    references = chosen->count;
    time = (double)(int64_t)(now - chosen->since);
    for (uint32_t i = 1; i < count; i++) {
        const struct hyperbolic_slot *slot = &slots[places[i]];
        double slot_time = (double)(int64_t)(now - slot->since);

        if (slot->count * time < references * slot_time) {
            chosen = slot;
            references = slot->count;
            time = slot_time;
        }
    }
    return chosen->page;
}

static void hyperbolic_remove(void *self, sp_page page, enum sp_removal why)
{
    struct hyperbolic *hyperbolic = self;
    struct hyperbolic_slot *slot = slot_of(hyperbolic, page);
    const struct hyperbolic_slot *last = &hyperbolic->slots[--hyperbolic->resident];

    if (why == SP_PINNED || why == SP_SKIPPED) {
        hyperbolic->away[page] = (struct hyperbolic_away){slot->since, slot->count, true};
        hyperbolic->away_count++;
    }
    hyperbolic->places[last->page] = hyperbolic->places[page];
    *slot = *last;
}

static void hyperbolic_hint(void *self, sp_page page, enum sp_hint hint)
{
    if (hint != SP_HINT_WILL_NEED)
        slot_of(self, page)->count = 0;
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
