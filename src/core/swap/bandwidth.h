/* Contracts for paging bandwidth, in pages a second or in shares, after Nemesis (Hand 1999): a client whose paging is
 * under contract is not disturbed by what others page. Pure: time comes in, in nanoseconds of any clock.
 *
 * RATE. A client with a rate has its pages moved at that rate at least, before those of clients without one: the sum of
 * all rates is at most what the device can do, as the person says who starts the server. It has no more than that,
 * however idle the device is, unless its contract says `extra`; then it has what nobody else asks for, and this is not
 * counted against it. Each page makes the next one due so much later (a virtual clock: Zhang 1990). A client that was
 * late, or idle, catches up with what BANDWIDTH_BURST_NS are worth, and not with more.
 *
 * SHARES. What rates leave over is divided by shares among the clients that have something waiting: a client with two
 * shares has turns that are twice as long (deficit round robin: Shreedhar and Varghese 1995). A client without a
 * contract has one share.
 *
 * ALLOWED. A policy server may say what a client is allowed: it has that as long as it has no contract of its own, and can
 * have no more by one. */
#ifndef CORE_SWAP_BANDWIDTH_H
#define CORE_SWAP_BANDWIDTH_H

#include <stdbool.h>
#include <stdint.h>

#define BANDWIDTH_SHARES_MOST 64u
#define BANDWIDTH_BURST_NS    UINT64_C(50000000)

struct bandwidth_terms {
    uint32_t shares; /* 1 to BANDWIDTH_SHARES_MOST; 0: one, and no contract about it */
    uint32_t rate;   /* pages a second; 0: none is promised, and there is no limit */
    bool extra;      /* with a rate: also what nobody else wants */
};

/* Of one client; all zeros: without a contract. */
struct bandwidth {
    struct bandwidth_terms terms;
    uint64_t due_ns; /* when the next page may be moved */
};

/* Whether such a contract can be had where `promised` of `capacity` pages a second are: 0; -EINVAL: it says nothing, or
 * too many shares, or `extra` without a rate; -EDQUOT: less than its rate is left. */
int bandwidth_judge(const struct bandwidth_terms *terms, uint32_t capacity, uint32_t promised);

/* Whether a contract asks for no more than a policy server allows. Of what one of the two says nothing about, the other
 * decides. */
bool bandwidth_is_within(const struct bandwidth_terms *terms,
                         const struct bandwidth_terms *allowed);

/* What a client has whose own contract, if any, is cut down to what is allowed. */
struct bandwidth_terms bandwidth_cut(const struct bandwidth_terms *terms,
                                     const struct bandwidth_terms *allowed);

static inline bool bandwidth_is_under_contract(const struct bandwidth *bandwidth)
{
    return (bandwidth->terms.shares | bandwidth->terms.rate) != 0;
}

/* The length of a turn, where a turn of one share is so many pages. */
uint32_t bandwidth_turn(const struct bandwidth *bandwidth, uint32_t pages);

/* When the client's next pages may be moved: `now` or earlier if at once. */
static inline uint64_t bandwidth_when(const struct bandwidth *bandwidth)
{
    return bandwidth->terms.rate == 0 ? 0 : bandwidth->due_ns;
}

/* Whether the client's next pages may be moved now. `alone`: no other client that may move pages is waiting. */
bool bandwidth_may(const struct bandwidth *bandwidth, uint64_t now, bool alone);

/* So many pages begin to be moved. */
void bandwidth_spend(struct bandwidth *bandwidth, uint64_t now, uint32_t pages);

#endif
