/* An eviction policy for measuring soft faults: the least recently used page leaves, and a page for
 * which the task gives the hint SP_HINT_DONT_NEED is watched, so that its next reference is a soft
 * fault. */
#ifndef BENCH_WATCHER_H
#define BENCH_WATCHER_H

#include <selfpage/policy.h>

extern const struct sp_policy watcher_policy;

#endif
