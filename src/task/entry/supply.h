/* Accesses to mappings and regions of containers. */
#ifndef TASK_ENTRY_SUPPLY_H
#define TASK_ENTRY_SUPPLY_H

#include "task/state/state.h"

/* Serve an access at an address that is in no region of the pager; `unknown`: the machine does not say
 * whether it was a write. A hole of a region on a container is filled first. False: it is in no mapping
 * either, or cannot be repaired, which a line on standard error says. In the fault handler. */
bool supply_fault(struct sp_task *task, void *address, bool write, bool unknown);

/* The pager cannot have a frame, since containers have all that the contracts allow: pages of regions on containers go, as
 * far as they can be filled again or go to swap. False: none can. In the fault handler. */
bool supply_yield(struct sp_task *task);

#endif
