#include "selfpage/scenario/costs.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/contracts/terms_text.h"

/* Longest cost: keeps sums of times far from overflow. */
#define LONGEST_NS (UINT64_C(3600) * 1000000000)

static const struct {
    const char *name;
    size_t offset;  /* in struct costs */
    size_t written; /* in struct scenario_costs */
} fields[] = {
#define COSTS_ENTRY(name, value, meaning)                                                          \
    {#name, offsetof(struct costs, name), offsetof(struct scenario_costs, name)},
    PLAY_COSTS(COSTS_ENTRY)
#undef COSTS_ENTRY
};

#define FIELDS (sizeof fields / sizeof *fields)

_Static_assert(sizeof(struct scenario_costs) == (FIELDS + 1) * sizeof(char *),
               "struct scenario_costs has a text for each cost, and depth");

const char *costs_set(struct costs *costs, const char *name, const char *value)
{
    uint64_t ns;

    if (strcmp(name, "depth") == 0) {
        char *end;
        unsigned long depth = strtoul(value, &end, 10);

        if (*end != '\0' || *value < '0' || *value > '9' || depth < 1 || depth > COSTS_DEPTH_MAX)
            return "depth is a whole number from 1 to 64";
        costs->depth = (uint32_t)depth;
        return NULL;
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(name, fields[i].name) != 0)
            continue;
        if (terms_text_time(value, strlen(value), &ns) != 0 || ns > LONGEST_NS)
            return "the time is a whole number and ns, us, ms or s, as in 1500ns, at most an hour";
        memcpy((char *)costs + fields[i].offset, &ns, sizeof ns);
        return NULL;
    }
    return "there is no such cost (selfpage simulate --help lists them)";
}

const char *costs_apply(const struct scenario_costs *written, struct costs *costs,
                        const char **namep)
{
    const char *wrong = NULL;

    if (written == NULL)
        return NULL;
    for (size_t i = 0; i < FIELDS && wrong == NULL; i++) {
        const char *text;

        memcpy(&text, (const char *)written + fields[i].written, sizeof text);
        *namep = fields[i].name;
        if (text != NULL)
            wrong = costs_set(costs, fields[i].name, text);
    }
    if (wrong == NULL && written->depth != NULL) {
        *namep = "depth";
        wrong = costs_set(costs, "depth", written->depth);
    }
    return wrong;
}
