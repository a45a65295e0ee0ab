/* Logical copies: slots that name a page of a clean extent instead of their page at home.
 *
 * A clean extent is never given to anybody for writing: its pages never change, and any number of
 * slots, of any tasks, may name one. There are no chains: a slot names its page directly.
 *
 * WHO MAY SEE. A descriptor of a clean extent reaches all of its pages. A slot may therefore name
 * one only if its owner may read them all: since the owner's slots name, or named, another page of
 * the extent, or since one request copies every page that the extent still has to slots of this
 * owner. Otherwise the pages that are copied move to a clean extent of their own. The slots copied
 * from, if nobody has them mapped, move along, and the next copy of the same pages moves nothing.
 *
 * WHO PAYS. Each slot has a frame of its own, copy or not, and its owner (that of its container) is
 * charged for it from when it was allocated until it is given up; nobody else ever is. N slots that
 * name one page therefore have N frames: the page uses one, and N - 1 are promised, kept for the
 * slots' writes. A write never fails for want of a frame, and never waits for one. When a slot
 * goes, with its owner or alone, its own frame goes, and the page stays while another slot names
 * it. This holds between tasks: the owner of a copy pays for it from the first step, and nobody
 * inherits a charge when the owner of the original dies. What an extent costs beside its frames, a
 * descriptor and a place in the tables, is counted for the user of the task that asked for the
 * copy.
 *
 * INVARIANTS (physmem_check):
 *     clean.user[page]          == slots that name the page
 *     extent.allocated          == pages with users, of a clean extent; it exists while that is not
 *     0,
 *                                  or while the copy for which it is made waits for its backing
 *     extent.copies             == slots of a home that are copies
 *     every owner of a slot that names a page of a clean extent is among its readers
 *     physmem.pages_shared      == pages with more than one user
 *     frames that pages occupy  <= frames that slots have */
#ifndef CORE_PHYSMEM_COPIES_H
#define CORE_PHYSMEM_COPIES_H

#include "core/physmem/state.h"

/* A new clean extent, whose backing is asked for in the name of `task`; NULL without memory. It has
 * room for two readers. */
struct extent *copies_extent_new(struct physmem *physmem, struct physmem_task *task,
                                 uint32_t pages);

/* A clean extent that no slot names goes, with its backing. */
void copies_extent_end(struct physmem *physmem, struct extent *extent);

/* Pages of a clean extent that no slot names lose what they hold. */
void copies_clear_unused(struct physmem *physmem, const struct extent *extent);

/* The clean extent that a slot, which is a copy, names. */
struct extent *copies_extent(const struct physmem *physmem, struct extent *home, uint32_t slot);

/* Room for one reader more. Returns 0 or -ENOMEM. */
int copies_reserve(struct physmem *physmem, struct extent *clean);

/* A request to copy, one of those with the number `pass`, names a page of a clean extent. */
void copies_mark(struct extent *clean, uint32_t page, uint64_t pass);

/* Whether slots of a task may name the pages of a clean extent that were marked. */
bool copies_admit(struct extent *clean, const struct physmem_task *task, uint64_t pass);

/* An allocated slot names a page of a clean extent from now on. There is room for that. */
void copies_join(struct physmem *physmem, struct extent *home, uint32_t slot, struct extent *clean,
                 uint32_t page);

/* A slot stops naming its page, and is no longer a copy. A page that no slot names is freed. */
void copies_leave(struct physmem *physmem, struct extent *home, uint32_t slot);

/* Have the contents of a page moved to another, which nobody has mapped: see
 * PHYSMEM_EXTENT_COPY. */
void copies_move(struct physmem *physmem, const struct extent *from, uint32_t from_page,
                 const struct extent *to, uint32_t to_page);

/* The slots of one home from `slot` on, at most to `stop`, that are copies of pages in a row of
 * one clean extent. `slot` is a copy. Returns the end. */
uint32_t copies_run(struct extent *home, uint32_t slot, uint32_t stop);

/* See that a task, which is a reader of a clean extent, has its descriptor. */
void copies_show(struct physmem *physmem, struct physmem_task *task, struct extent *clean);

/* Slots of one home go back to it, with their contents, as far as they are copies: it is backed. */
void copies_break(struct physmem *physmem, struct extent *home, uint32_t slot, uint32_t stop);

#endif
