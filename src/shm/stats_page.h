/* What a task shows of itself, in memory shared with the process that started it and gave it the
 * descriptor SELFPAGE_STATS_FD. The task writes; the other process reads, and trusts none of it. */
#ifndef SHM_STATS_PAGE_H
#define SHM_STATS_PAGE_H

#include <selfpage/stats.h>

/* Longest text of a policy that is shown, with its NUL; a longer one is cut. */
#define STATS_POLICY_MAX 64

struct stats_page {
    struct sp_stats stats;
    char policy[STATS_POLICY_MAX]; /* that runs: NAME[:PARAMS]; "" until it has been chosen */
};

#endif
