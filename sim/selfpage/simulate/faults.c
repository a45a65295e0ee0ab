#include "selfpage/simulate/faults.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "play/storm.h"

static const struct {
    const char *name, *what;
} kinds[] = {
#define FAULT_ROW(NAME, name, what) {#name, what},
    STORM_KINDS(FAULT_ROW)
#undef FAULT_ROW
};

static uint32_t find(const char *name)
{
    for (uint32_t i = 0; i < STORM_COUNT; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return UINT32_C(1) << i;
    return 0;
}

uint32_t faults_kinds(const struct scenario *scenario, uint64_t seed)
{
    uint32_t bits = 0;

    if (scenario->faults == NULL)
        return 0;
    if (scenario->faults->kinds_count == 0)
        return storm_swarm(seed);
    for (uint32_t i = 0; i < scenario->faults->kinds_count; i++)
        bits |= find(scenario->faults->kinds[i]);
    return bits;
}

int faults_check(const struct scenario *scenario, struct sp_error *error)
{
    for (uint32_t i = 0; scenario->faults != NULL && i < scenario->faults->kinds_count; i++)
        if (find(scenario->faults->kinds[i]) == 0)
            return error_set(
                error, EINVAL,
                "faults.kinds: there is no \"%.40s\": delay, hang, die, drop, slow, fail, "
                "full, replace, hurry, pace and ties are known",
                scenario->faults->kinds[i]);
    return 0;
}

uint32_t faults_names(uint32_t bits, char **names)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < STORM_COUNT; i++)
        if ((bits >> i & 1) != 0)
            names[count++] = (char *)kinds[i].name;
    return count;
}

void faults_help(FILE *out)
{
    fputs("\nFaults (faults: { until: TIME, kinds: [...] } in the scenario, or --faults):\n", out);
    for (uint32_t i = 0; i < STORM_COUNT; i++)
        fprintf(out, "  %-12s %s\n", kinds[i].name, kinds[i].what);
}
