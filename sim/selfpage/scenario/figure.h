/* The figure of a scenario: what it shows as numbers. */
#ifndef SELFPAGE_SCENARIO_FIGURE_H
#define SELFPAGE_SCENARIO_FIGURE_H

#include "selfpage/scenario/outcome.h"

/* Bars of the figure; 0: the scenario has none. */
uint32_t figure_bars(const struct scenario *scenario);

/* The value of a bar at the end. NaN: there is none, as of a share of nothing. */
double figure_value(const struct outcome *outcome, uint32_t bar);

/* What was published of a bar for a combination of what varies. NaN: nothing. */
double figure_published(const struct scenario_bar *bar, uint64_t combination);

#endif
