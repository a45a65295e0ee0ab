/* Holes of regions on containers: which are filled together, and which filled pages go. What goes is given back softly:
 * it comes back as it was if physmem has not needed the frame.
 *
 *   hole --filling_begin--> busy --filling_end--> filled --written--> (kept until the program frees it)
 *    ^                       |                       |
 *    '----- filling_end -----'<-- filling_begin_drop-'
 *
 * Busy pages belong to the thread that began. The frames of a page are marked in the container's
 * book by that thread. */
#ifndef TASK_CONTAINERS_FILLING_H
#define TASK_CONTAINERS_FILLING_H

#include "task/state/state.h"

/* Begin to fill the hole at an address, and those around it. None: another thread fills pages of this
 * window, or the page is no hole. The lock is held. */
void filling_begin(struct sp_task *task, const void *address, struct filling *filling);

/* The first `filled` busy pages are filled now, or still; the others are holes, of which those that were to go may be
 * had again. The lock is held. */
void filling_end(struct sp_task *task, const struct filling *filling, uint32_t filled);

/* Choose a run of filled pages that goes, in turn, and hide it: `most` at most, of the window at
 * `address` (NULL: of any whose pages nobody fills just now). They are busy until filling_end. False if
 * there is none. The lock is held. */
bool filling_begin_drop(struct sp_task *task, const void *address, uint32_t most,
                        struct filling *filling);

/* All busy pages but `count` from `page` on are not busy any more. The lock is held. */
void filling_narrow(struct sp_task *task, struct filling *filling, uint32_t page, uint32_t count);

/* What busy pages had when they went softly is gone: they have other frames. The lock is held. */
void filling_harden(struct sp_task *task, const struct filling *filling);

/* How many busy pages in a row, from `page` on, went softly. The lock is held. */
uint32_t filling_soft(struct sp_task *task, const struct filling *filling, uint32_t page);

/* The program is about to take frames from slots of a container: keep threads from filling and mapping
 * them until filling_permit. False: a thread fills, or gives back, some of them now. The lock is held. */
bool filling_forbid(struct sp_task *task, uint32_t container, const struct wire_range *slots);

/* The slots have no frames any more if `taken`. The lock is held. */
void filling_permit(struct sp_task *task, uint32_t container, const struct wire_range *slots,
                    bool taken);

/* Whether a window has filled pages, be they in use by a thread that fills others. The lock is held. */
bool filling_is_any(const struct sp_task *task);

#endif
