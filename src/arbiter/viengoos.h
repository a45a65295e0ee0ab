/* How much a task could have, as Viengoos publishes it for tasks that adapt. */
#ifndef ARBITER_VIENGOOS_H
#define ARBITER_VIENGOOS_H

#include <selfpage/arbiter.h>

/* sp_arbiter.available. In a group (the tasks of one priority below one parent) of n frames, a task
 * of weight w that has a frames may plan with
 *
 *     share = n w / sum(w)
 *     max(share, a), or a + excess if that is more than its share,    excess: of the others
 *     + unused - max(0, a - share), if positive,                      unused: by the others
 *
 * where others have an excess beyond their shares, or leave some of them unused. n is what higher
 * priorities leave; below a parent, what is available to that. It is a figure to plan with, and no
 * promise: when others want their shares, too, decide gives less. (Viengoos, ager.c, 2009. It also
 * takes off for the last period's trend and for pressure, which physmem reports on its own.) */
uint32_t viengoos_available(const void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                            size_t count, const struct sp_arbiter_request *request);

#endif
