/* Selfpage: what a task counts itself. */
#ifndef SELFPAGE_STATS_H
#define SELFPAGE_STATS_H

#include <selfpage/counters.h>

/** A task's counters at one moment; SP_TASK_COUNTERS has their units and meanings. */
struct sp_stats {
    SP_TASK_COUNTERS(SP_COUNTER_FIELD, SP_STATE_FIELD)
};

#endif
