/* Holes of regions on containers: which are filled together, and which filled pages go. What goes is given back softly:
 * it comes back as it was if physmem has not needed the frame. Pages that were written go to swap, if nobody else sees
 * the container's slots (window.swaps); otherwise they are kept until the program frees them.
 *
 * Which page goes is not asked of the eviction policy of the task: a policy ranks the pages of the pager, whose number
 * is fixed when the task attaches, against each other, and a window may come, go, and show what others own. Pages go in
 * turn, without reference bits, and softly, which gives each a second chance: one that is still in use returns at its
 * next touch, for a fault and a round trip, without being filled, and then lies behind the hand. Physmem reuses soft
 * frames in the order in which they were given back, so that what goes for good is what was not touched since its turn
 * came. A watch on each page that stays would cost such a fault, too.
 *
 *   hole --filling_begin--> busy --filling_end--> filled --written--> written --filling_begin_store--> busy
 *    ^                       |                       |                   ^                              |
 *    '----- filling_end -----'<-- filling_begin_drop-'                   |                     filling_end_store
 *                                                                        |                              v
 *                             filling_end <-- filling_returned <-- busy (stored) <-- filling_begin -- stored
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
 * `address` (NULL: of the one that has the most). They are busy until filling_end. False if there is none. The lock
 * is held. */
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

/* Whether a window has filled pages, or written ones that may go to swap, be they in use by a thread that fills others.
 * The lock is held. */
bool filling_is_any(const struct sp_task *task);

/* Choose a run of written pages that goes to swap, in turn, and hide it: `most` at most, no more than SP_SUPPLY_PAGES.
 * `within`: what this thread fills, whose window gives; NULL: the window that has the most. Where nobody fills that
 * one, nobody can until the end. They are busy until filling_end_store. False if there is none. The lock is held. */
bool filling_begin_store(struct sp_task *task, const struct filling *within, uint32_t most,
                         struct filling *filling);

/* The pages have these numbers in swap, and no frames any more; NULL: they are as they were. The lock is held. */
void filling_end_store(struct sp_task *task, const struct filling *filling,
                       const struct wire_number *numbers);

/* The numbers of busy pages that are in swap. The lock is held. */
void filling_numbers(struct sp_task *task, const struct filling *filling,
                     struct wire_number *numbers);

/* Busy pages whose number has become 0 are back: they have frames, and are as they were written. The lock is held. */
void filling_returned(struct sp_task *task, const struct filling *filling,
                      const struct wire_number *left);

/* How many busy pages in a row, from `page` on, are still in swap. The lock is held. */
uint32_t filling_away(struct sp_task *task, const struct filling *filling, uint32_t page);

#endif
