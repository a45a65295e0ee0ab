#include "core/swap/bandwidth.h"

#include <errno.h>

#include "base/assert.h"

#define SECOND_NS UINT64_C(1000000000)

int bandwidth_judge(const struct bandwidth_terms *terms, uint32_t capacity, uint32_t promised)
{
    check(promised <= capacity);
    if (terms->shares > BANDWIDTH_SHARES_MOST || (terms->shares == 0 && terms->rate == 0) ||
        (terms->extra && terms->rate == 0))
        return -EINVAL;
    return terms->rate <= capacity - promised ? 0 : -EDQUOT;
}

/* The smaller of two numbers of which 0 says nothing. */
static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

bool bandwidth_is_within(const struct bandwidth_terms *terms, const struct bandwidth_terms *allowed)
{
    check(allowed->rate > 0 || !allowed->extra);
    return (terms->shares == 0 || smaller(terms->shares, allowed->shares) == terms->shares) &&
           (terms->rate == 0 || smaller(terms->rate, allowed->rate) == terms->rate) &&
           (!terms->extra || allowed->rate == 0 || allowed->extra);
}

struct bandwidth_terms bandwidth_cut(const struct bandwidth_terms *terms,
                                     const struct bandwidth_terms *allowed)
{
    struct bandwidth_terms cut = {.shares = smaller(terms->shares, allowed->shares),
                                  .rate = smaller(terms->rate, allowed->rate)};

    cut.extra = (terms->rate > 0 || allowed->rate > 0) && (terms->rate == 0 || terms->extra) &&
                (allowed->rate == 0 || allowed->extra);
    check(bandwidth_is_within(&cut, allowed));
    return cut;
}

uint32_t bandwidth_turn(const struct bandwidth *bandwidth, uint32_t pages)
{
    uint32_t shares = bandwidth->terms.shares > 0 ? bandwidth->terms.shares : 1;

    ensure(shares <= BANDWIDTH_SHARES_MOST && pages <= UINT32_MAX / BANDWIDTH_SHARES_MOST);
    return shares * pages;
}

bool bandwidth_may(const struct bandwidth *bandwidth, uint64_t now, bool alone)
{
    check(bandwidth->terms.rate > 0 || !bandwidth->terms.extra);
    return bandwidth_when(bandwidth) <= now || (bandwidth->terms.extra && alone);
}

void bandwidth_spend(struct bandwidth *bandwidth, uint64_t now, uint32_t pages)
{
    uint64_t oldest = now > BANDWIDTH_BURST_NS ? now - BANDWIDTH_BURST_NS : 0;

    if (bandwidth->terms.rate == 0 || bandwidth->due_ns > now) /* what nobody else wanted */
        return;
    if (bandwidth->due_ns < oldest)
        bandwidth->due_ns = oldest;
    bandwidth->due_ns += pages * SECOND_NS / bandwidth->terms.rate;
    check(bandwidth->due_ns >= oldest);
}
