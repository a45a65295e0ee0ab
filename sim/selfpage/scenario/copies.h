/* Tasks of which there are several. */
#ifndef SELFPAGE_SCENARIO_COPIES_H
#define SELFPAGE_SCENARIO_COPIES_H

#include "selfpage/scenario/scenario.h"

/* Put NAME_1, NAME_2 ... in the place of each task with copies. Returns 0, or -ENOMEM; the scenario can be
 * freed in both cases. */
int copies_expand(struct scenario *scenario);

#endif
