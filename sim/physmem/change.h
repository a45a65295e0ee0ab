/* Changes of extents: pages are cleared, contents written, and in the end all is truncated and closed.
 *
 * What is to be changed is written into a backing (clear, fill, doomed), and change_begin makes it, one change at a
 * time for each extent. A task that has an extent for writing can make such a call last for ever: once somebody has had
 * a descriptor, a change is an errand, for which no other user waits (io/errand.h). In the meantime
 *     - replies to its task wait (see seat.h), and audits leave the extent out;
 *     - the extent is not yet back: it counts for its user's share until it is.
 * A task whose extent cannot be changed for CHANGE_LATE_NS is ended. */
#ifndef PHYSMEM_CHANGE_H
#define PHYSMEM_CHANGE_H

#include "backing.h"

#define CHANGE_LATE_NS UINT64_C(10000000000)

/* Begin the next change, if there is one to make, memory to make it in, and none under way, after which the next
 * follows. `now`: replies to the task wait until all is made. It may free the backing. */
void change_begin(struct backing *backing, bool now);

/* End tasks whose extents should have been changed by now. */
void change_end_late(struct service *service);

#endif
