/* Slots whose pages physmem has stored by a swap server, for the tasks that own them.
 *
 * A task asks that pages of its slots be stored (physmem_swap_out). Physmem has each written once: slots that name
 * one page of memory, of this task or of others, get references to one page in swap. When all is stored the slots'
 * frames are released softly: this is the inactive list, and what is on it can be had back until it is reused. The
 * task then has a number for each slot, and the container keeps no association with it.
 *
 * It gives the numbers back with slots, of any container, to have the pages there again (physmem_swap_in). In this
 * order: a slot that still has its soft frame gets that back; a page that memory still shows is named by the slot,
 * as a logical copy, and nothing is read; the rest is loaded, straight into a clean extent that the slots name from
 * then on. The frames are those that the task has allocated for the slots. What is loaded for one while others have
 * references to it is shown to them: one load brings it back for all of them, if they may read that extent
 * (copies.h), as they may that have the same pages of it back.
 *
 * WHO PAYS. See core/containers/stored.h: each reference costs its task one slot of its account at the swap server, whose
 * quotas count for the task and its user. Physmem has no slots of its own.
 *
 * Physmem never waits: what becomes of an effect comes as an input. One request of a task can wait at a time. If
 * the container changes meanwhile (its version) the request fails, and nothing has changed but the references.
 *
 * WHEN THINGS GO. A task that ends gives up its references, in slices. A swap server that ends takes with it what
 * it had: physmem_swap_lost. Soft frames and pages that memory shows can still be had back then. */
#ifndef CORE_PHYSMEM_SWAP_H
#define CORE_PHYSMEM_SWAP_H

#include <stdint.h>

#include "core/physmem/request.h"

/* Have pages stored, of at most PHYSMEM_SWAP_MAX slots, and release their frames softly. All or none. Reply: swapped,
 * with a number for each slot, or done, with the number of slots before the one that stands in the way:
 *   ENOENT  the slot has no frame; or no such container
 *   EBUSY   the task has rights to the slot: give them up first; or another request to swap of this task waits; or
 *           the container was used while the pages were stored
 *   EINVAL  no slots, too many, or beyond the container
 *   EOPNOTSUPP  this physmem has no swap server
 *   ENOMEM, and what the swap server says: ENOSPC, EDQUOT, EIO, EPIPE (it is gone), EAGAIN (it accepts nobody now),
 *   ETIMEDOUT (it does not answer), EMFILE (tasks of this user have too many accounts there, or too many pages) */
void physmem_swap_out(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t container, uint32_t start, uint32_t count);

/* Have pages back in slots that have frames, or soft ones of these very pages. numbers[i] is for slot start + i; a
 * number is good once, and 0 leaves its slot alone. Reply: swapped, with what is left of the numbers: 0 where the page
 * is back. If error is not 0, not all are, and the numbers that are left are still good.
 *   ENOENT  some slots have no frame: allocate, and ask again; or no such number of this task (nothing is done)
 *   ENOMEM  the contracts do not allow a soft frame to be had back now; or no memory
 *   EBUSY   as above
 *   EIO     a page cannot be read, is not what was stored, or is lost with the swap server
 *   ETIMEDOUT  the swap server does not answer
 *   EINVAL, EOPNOTSUPP as above, and a number that is named twice */
void physmem_swap_in(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                     uint32_t container, uint32_t start, const uint32_t *numbers, uint32_t count);

/* Give numbers up. Reply: done, with their count; ENOENT (none is given up; the count says which one is not this
 * task's), EINVAL, EBUSY, EOPNOTSUPP. */
void physmem_swap_drop(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       const uint32_t *numbers, uint32_t count);

/* What became of one page. */
struct physmem_swapped {
    uint32_t page;  /* handle, as the effect named it */
    uint32_t slot;  /* of a store, if error is 0 */
    uint32_t error; /* 0, or a positive errno value */
};

/* PHYSMEM_SWAP_STORE was carried out, or (`error`, a positive errno value) nothing was reserved or stored. */
void physmem_swap_stored(struct physmem *physmem, uint64_t now, uint32_t account, uint32_t error,
                         const struct physmem_swapped *pages, uint32_t count);

/* PHYSMEM_SWAP_LOAD was carried out, as far as the pages' errors say. */
void physmem_swap_loaded(struct physmem *physmem, uint64_t now, uint32_t account, uint32_t extent,
                         const struct physmem_swapped *pages, uint32_t count);

/* The swap server has nothing of this account any more. Effects that were not answered are answered before this. */
void physmem_swap_lost(struct physmem *physmem, uint64_t now, uint32_t account);

#endif
