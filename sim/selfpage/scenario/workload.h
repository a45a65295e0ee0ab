/* Workloads of a scenario. */
#ifndef SELFPAGE_SCENARIO_WORKLOAD_H
#define SELFPAGE_SCENARIO_WORKLOAD_H

#include <selfpage/error.h>

#include "selfpage/scenario/scenario.h"

/* A workload as one text, for selfpage-load and for workload_text_parse, for free(). NULL, and an
 * error, if it says something that makes no sense, or without memory. */
char *workload_to_text(const struct scenario_workload *workload, struct sp_error *error);

#endif
