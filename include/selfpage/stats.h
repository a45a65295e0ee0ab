/* Selfpage: what a task counts. One table, from which the struct, the JSON fields, the columns of
 * the live table and the documentation come. New counters are added at the end. */
#ifndef SELFPAGE_STATS_H
#define SELFPAGE_STATS_H

#include <stdint.h>

/** X(name, meaning): counters only grow, gauges (marked so) go up and down; all count pages or
 *  events. */
#define SP_TASK_COUNTERS(X)                                                                        \
    X(faults, "faults that needed a frame: first touches, refills and loads from swap")            \
    X(soft_faults, "faults on pages that had their frame: sampled, watched, unmapped, rescued")    \
    X(evictions, "pages that gave up their frame, for whatever reason")                            \
    X(swapped_out, "pages written to swap and acknowledged")                                       \
    X(swapped_in, "pages read back from swap")                                                     \
    X(dropped, "pages whose contents were dropped instead of written")                             \
    X(refilled, "pages made anew by a refill callback")                                            \
    X(zeroed, "recycled frames cleared before use")                                                \
    X(recalls, "recalls received")                                                                 \
    X(recalls_met, "recalls answered in full")                                                     \
    X(returned, "frames returned to physmem")                                                      \
    X(unmaps, "pages unmapped at physmem's request")                                               \
    X(waits, "faults that had to wait for a write to swap")                                        \
    X(policy_errors, "times the eviction policy named a page that it could not name")              \
    X(map_limited, "pages unmapped, keeping their frames, because of vm.max_map_count")            \
    X(resident, "gauge: pages that have a frame now")                                              \
    X(held, "gauge: frames the task holds now")                                                    \
    X(guaranteed, "gauge: frames guaranteed by active contracts")                                  \
    X(extra, "gauge: frames allowed beyond the guarantee by active contracts")                     \
    X(pages, "gauge: pages of all regions")                                                        \
    X(pinned, "gauge: pages pinned now")                                                           \
    X(taken, "free frames that physmem took from the frame stack, without a message")              \
    X(ghost_hits, "faults on pages evicted so lately that twice the frames would have kept them")  \
    X(repossessed, "frames that physmem took by force after a recall was missed")

/** A task's counters at one moment. */
struct sp_stats {
#define SP_STATS_FIELD(name, meaning) uint64_t name;
    SP_TASK_COUNTERS(SP_STATS_FIELD)
#undef SP_STATS_FIELD
};

#endif
