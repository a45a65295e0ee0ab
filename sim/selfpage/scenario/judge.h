/* What is expected of every run of a scenario, whether with processes or in virtual time. Each function
 * adds expectations to the outcome, with their verdicts. Returns 0 or -ENOMEM. */
#ifndef SELFPAGE_SCENARIO_JUDGE_H
#define SELFPAGE_SCENARIO_JUDGE_H

#include "selfpage/scenario/outcome.h"

/* Each task has ended as its expect_exit says. */
int judge_tasks(struct outcome *outcome);

/* No eviction policy named a page that was not there: a policy that blunders is overruled, and
 * would go unnoticed. */
int judge_policies(struct outcome *outcome);

/* The expectations of the scenario hold. */
int judge_expressions(struct outcome *outcome);

#endif
