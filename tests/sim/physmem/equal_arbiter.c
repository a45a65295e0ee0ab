/* The arbiter that <selfpage/arbiter.h> shows as its example. */
#include <selfpage/arbiter.h>

static uint64_t above(const struct sp_arbiter_task *t, size_t n, uint32_t level, bool extra,
                      uint32_t *takes)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t asks = extra ? t[i].wanted : 0;
        uint32_t most = t[i].recallable + asks;
        uint32_t has = t[i].held - t[i].owed + asks;
        uint32_t cut = has > level ? has - level : 0;

        takes[i] = cut < most ? cut : most;
        sum += takes[i];
    }
    return sum;
}

static uint32_t equal_decide(void *self, uint64_t now, const struct sp_arbiter_task *t, size_t n,
                             const struct sp_arbiter_request *r, uint32_t *takes)
{
    bool extra = r->event == SP_ARBITER_EXTRA;
    int64_t missing = extra ? -(int64_t)r->spare - r->coming : r->frames;
    uint32_t level = UINT32_MAX, grant = r->frames;

    (void)self, (void)now;
    for (size_t i = 0; extra && i < n; i++)
        missing += t[i].wanted;
    if (missing <= 0)
        return grant;
    for (uint32_t bit = UINT32_C(1) << 31; bit > 0; bit /= 2)
        if (above(t, n, level - bit, extra, takes) < (uint64_t)missing)
            level -= bit;
    above(t, n, level == 0 ? 0 : level - 1, extra, takes);
    for (size_t i = 0; extra && i < n; i++) { // first refuse, then recall
        uint32_t refused = takes[i] < t[i].wanted ? takes[i] : t[i].wanted;

        takes[i] -= refused;
        if (i == r->task)
            grant = t[i].wanted - refused;
    }
    return grant;
}

const struct sp_arbiter sp_arbiter_plugin = {
    .abi = SP_ARBITER_ABI, .flags = SP_ARBITER_GRANTS, .name = "equal", .decide = equal_decide};
