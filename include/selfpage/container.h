/* Selfpage: containers: memory that a task passes to others, and gets from them.
 *
 * A container is a row of slots, numbered from 0, of one page (SP_PAGE_SIZE) each; a slot is a hole
 * or has a frame. Frames count against the contracts of the task that made the container (its
 * owner), and nobody else allocates or frees them. A program that uses containers directly pages
 * them itself: nothing here is evicted or swapped but by sp_swap. Regions (selfpage/task.h) and containers of one
 * task share its contracts: what containers take the regions give up, by eviction.
 *
 *   sp_container buffer;
 *   char *memory;
 *   sp_container_create_with(task, 16, 0, &buffer, &error);
 *   sp_container_map(task, buffer, 0, 16, SP_MAP_WRITE, (void **)&memory, &error);
 *   memory[0] = 'x';
 *
 * LOGICAL COPIES. sp_container_copy makes slots name the same pages as others; no bytes move but
 * those that somebody could still write, once. Each slot keeps its own frame, so that a later write
 * never fails for want of one: the first that writes a page gets it for itself, the others keep it.
 * Copies go between containers of one task, and between those of several, where one of them shares.
 *
 * WEAK REFERENCES. The owner lets another task copy from its slots, or to them, and lock the
 * container for a bounded time: by a token that travels by any channel, or by the number of the
 * task. This is how a server delivers: the client makes a container, pays for it and shares it; the
 * server locks it, copies into it, compares versions, unlocks; the client takes the reference back
 * and maps. A client that dies or lies harms only itself. A server that hangs loses the lock when
 * its time is over.
 *
 * THE LOCK keeps all others out: while a task has locked a container, its owner gets -EBUSY for
 * everything but to give up rights and to see the version, and an access of the owner to a page
 * that is not mapped waits until the lock is over.
 *
 * THE VERSION of a container counts what may have changed contents: frames that came or went,
 * copies to it, rights to write that were given, and the beginning and end of each lock. Reading
 * does not count. A task that locked at version v and made n copies to the container must find v +
 * n; anything else says that the contents are not what it left there.
 *
 * SWAP. Physmem stores pages of slots for a task, where it has a swap server (selfpage-physmem --swap):
 * sp_swap. One page that several slots show as logical copies, of this task or of others, is written
 * once and comes back shared. The task has a number for each page then, good once, and the container
 * keeps nothing. Each number costs one slot of the task's account at the swap server, whose quotas hold
 * for it: an account of its own, beside the one for its regions. The original is pm_swap of the Hurd's
 * manual, which specifies no way back: sp_swap_in and sp_swap_drop are this project's.
 *
 * MAPPINGS are made page by page as they are touched, and may be taken back by physmem at any time;
 * the next access brings them back. Slots that take part in a copy, or lose their frame, are
 * unmapped first. Do not touch them from another thread meanwhile: -EBUSY is the answer then.
 * System calls do not fault: read(2) into a page that is not mapped gives EFAULT (touch it first).
 *
 * REGIONS on containers are filled page by page as they are touched: from another container, by
 * logical copies, or by a function. The library gives pages of them back that were not written, when
 * there are too many, or too few frames, and does so softly: at the next touch they come back as they were
 * if physmem has not needed their frames, and are filled again otherwise.
 *
 * RECALLS. Of other mappings the library cannot choose what may go. A task that holds more frames in
 * containers than its guarantee must give some back when it is recalled: by sp_container_deallocate
 * or sp_container_release, in time (sp_attach_options.on_recall says when).
 *
 * ERRORS. Functions return 0, or the number of slots, or a negated errno value:
 *   -EINVAL  slots outside of the container, no slots at all, or unknown flags
 *   -ENOENT  there is no such container, or the task has no access to it
 *   -EPERM   only the owner may do this, or the weak reference does not permit it
 *   -EBUSY   another task has locked the container, or slots are mapped or changing
 *   -ENOMEM  no frames within what the contracts allow, or no memory
 *   -EMFILE  no descriptors for another extent, or too many containers (256) or mappings (64)
 *   -EPIPE   physmem is gone, or has revoked this task
 * Others are named at the function. `error`, which may be NULL, tells them in words. What is
 * refused changes nothing, unless the function says what.
 *
 * THREADS. All functions may be called from any thread, none from a signal handler. Mapped pages
 * may be touched by any thread, with the stack that faults need (SP_FAULT_STACK).
 *
 * The original is N. Walfield's and M. Brinkmann's design for the Hurd on L4 (2002 to 2005). */
#ifndef SELFPAGE_CONTAINER_H
#define SELFPAGE_CONTAINER_H

#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>
#include <selfpage/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A container, by its number, which is the same for its owner and for all that have a weak
 *  reference. 0 is none. Knowing a number gives no access. */
typedef uint32_t sp_container;

/** Most slots of a container; of one that is shared. */
#define SP_CONTAINER_PAGES        (1u << 24)
#define SP_CONTAINER_SHARED_PAGES 65536u

/** Longest lock, in nanoseconds. */
#define SP_LOCK_MAX_NS UINT64_C(60000000000)

/* ---- Containers and their frames ---- */

/** Make a container of `pages` holes (1 to SP_CONTAINER_PAGES). Costs no frames.
 *  \param containerp  set on success; ended by sp_container_destroy, or with the task */
SP_EXPORT int sp_container_create(struct sp_task *task, uint32_t pages, sp_container *containerp,
                                  struct sp_error *error);

/** The same, with a frame in each slot; `flags` as for sp_container_allocate, without
 *  SP_ALLOCATE_PARTIAL. If that fails there is no container. */
SP_EXPORT int sp_container_create_with(struct sp_task *task, uint32_t pages, unsigned flags,
                                       sp_container *containerp, struct sp_error *error);

/** The same, and slot i becomes a logical copy of slot first + i of `source`, a container of this
 *  task, or one that it may copy from. */
SP_EXPORT int sp_container_create_from(struct sp_task *task, sp_container source, uint32_t first,
                                       uint32_t pages, sp_container *containerp,
                                       struct sp_error *error);

/** Some slots of a container. */
struct sp_slots {
    uint32_t first;
    uint32_t count; /**< at least 1 */
};

/** The same, from several places of `source`: the slots of the new container are copies of those
 *  that the ranges name, in their order; `ranges` of them at `slots`. One slot may be named more than
 *  once.
 *  \retval -E2BIG  they are more than SP_CONTAINER_PAGES in all */
SP_EXPORT int sp_container_create_gather(struct sp_task *task, sp_container source,
                                         const struct sp_slots *slots, uint32_t ranges,
                                         sp_container *containerp, struct sp_error *error);

/** Free a container of this task with all its frames. Weak references to it end; copies that others
 *  have stay.
 *  \retval -EBUSY  it is locked, or mapped (sp_container_unmap) */
SP_EXPORT int sp_container_destroy(struct sp_task *task, sp_container container,
                                   struct sp_error *error);

#define SP_ALLOCATE_PARTIAL 1u /**< fewer slots than asked for, at least one, is success */
#define SP_ALLOCATE_SQUASH  2u /**< drop what the slots hold; copies that others have of it stay */
#define SP_ALLOCATE_EXTRA   4u /**< also frames beyond the guarantee, which may be recalled */
#define SP_ALLOCATE_ZERO                                                                           \
    8u /**< contents must be zeros; undefined otherwise (never another task's) */

/** Give frames to `count` slots from `first`, at most 65,536 at once. May wait: for pages of this
 *  task's regions to be evicted, and for frames that others owe.
 *  \return  the number of slots, from `first` on, that have frames now
 *  \retval -EEXIST  a slot has a frame, and SP_ALLOCATE_SQUASH was not said */
SP_EXPORT long sp_container_allocate(struct sp_task *task, sp_container container, uint32_t first,
                                     uint32_t count, unsigned flags, struct sp_error *error);

/** What slots want besides frames. */
struct sp_allocation {
    uint32_t first;
    uint32_t count; /**< of slots, at most 65,536 */
    unsigned flags; /**< SP_ALLOCATE_* */
    /** Frames come in blocks of 2^order, whose numbers are in a row and begin at a multiple of that;
     *  `count` is a whole number of blocks. If it is one, all frames are in a row. 0: single frames */
    unsigned order;
    /** Numbers of the frames are below this one, as for a device that reaches no further, and stay
     *  there; physmem moves what is in the way. At most a sixteenth of all frames can have a ceiling.
     *  0: none */
    uint32_t ceiling;
};

/** The same for blocks of frames, and for frames below a ceiling.
 *  \retval -EINVAL  also: physmem has no blocks so large, or `count` is no whole number of them
 *  \retval -ENOMEM  also: no frames below the ceiling, or blocks of that order, can be made; with
 *                   SP_ALLOCATE_SQUASH what the slots held may be gone then */
SP_EXPORT long sp_container_allocate_blocks(struct sp_task *task, sp_container container,
                                            const struct sp_allocation *allocation,
                                            struct sp_error *error);

/** Give the frames of slots back; holes are passed over. Other threads may touch a region that fills
 *  these slots: its pages are filled again at the next touch.
 *  \return  the number of frames
 *  \retval -EBUSY  also: a thread fills some of the slots just now; try again */
SP_EXPORT long sp_container_deallocate(struct sp_task *task, sp_container container, uint32_t first,
                                       uint32_t count, struct sp_error *error);

/** Give frames back softly: they count no longer, and keep their contents until physmem needs them.
 *  \return  the number of frames */
SP_EXPORT long sp_container_release(struct sp_task *task, sp_container container, uint32_t first,
                                    uint32_t count, struct sp_error *error);

/** Take frames back that were released, with their contents, up to the first that cannot be.
 *  \return  the number of slots, from `first` on, that have their frames now
 *  \retval -ENOENT  the first slot's frame was reused, or it never had one
 *  \retval -ENOMEM  the contracts do not allow it now */
SP_EXPORT long sp_container_recover(struct sp_task *task, sp_container container, uint32_t first,
                                    uint32_t count, struct sp_error *error);

/** Leave data to those that have copies of it, before slots are used for something else: slots of this
 *  range whose page another slot may show have pages of their own again, of undefined contents (never
 *  another task's), and keep their frames. Without it the next write would copy a page first, only to
 *  overwrite it. Copies stay with those that have them, and whoever owns these goes on to pay for them.
 *  Slots that are no copies, and holes, stay as they are. At most 65,536 slots at once; all or none.
 *  Costs one round trip, and moves no bytes. (The Hurd's manual names it pm_container_orphan_data and
 *  does not specify it.)
 *  \return  the number of slots that have pages of their own again
 *  \retval -E2BIG  they are too many at once
 *  \retval -EBUSY  also: another thread touches some of the slots just now; try again */
SP_EXPORT long sp_container_orphan(struct sp_task *task, sp_container container, uint32_t first,
                                   uint32_t count, struct sp_error *error);

/* ---- Swap ---- */

/** A page in swap. 0 is none. Numbers of one task mean nothing to another. */
typedef uint32_t sp_swapped;

/** Have the pages of slots stored, and give their frames back softly (they count no longer, and keep their contents until
 *  physmem needs them). Done in steps of 64 slots, each of which is done as a whole or not at all. Mappings of the slots
 *  are given up; do not touch them meanwhile. Waits for the swap server, and for nobody else.
 *  \param numbers  of `count` entries: set to the pages' numbers, as far as the result says; 0 in the rest
 *  \return  the number of slots, from `first` on, that were stored; fewer than `count` if a later step failed (`error`
 *           then says why)
 *  \retval -ENOENT  also: a slot of the first step has no frame
 *  \retval -EBUSY   also: a slot was touched while it was stored, or another thread of this task is in one of these
 *                   functions; try again
 *  \retval -EOPNOTSUPP  this physmem has no swap server
 *  \retval -ENOSPC  no slots are left there
 *  \retval -EDQUOT  no slots are left there for this task, or for its user
 *  \retval -EIO     a page could not be written
 *  \retval -EAGAIN  the swap server takes no connection just now
 *  \retval -EMFILE  tasks of this user have too many accounts there, or, what all users together can have being limited
 *                   (2^20 pages), too many pages
 *  \retval -ETIMEDOUT  the swap server does not answer (selfpage-physmem --swap-patience); nothing was stored
 *  If physmem cannot reach the swap server, or loses it meanwhile, the result is -EPIPE, too: what is in memory stays. */
SP_EXPORT long sp_swap(struct sp_task *task, sp_container container, uint32_t first, uint32_t count,
                       sp_swapped *numbers, struct sp_error *error);

/** Have pages back, in any slots of any container of this task: numbers[i] in slot first + i, which a number of 0 leaves
 *  alone. A slot that was given to swap with this number, and whose frame was not reused, gets that back. Otherwise the
 *  slot keeps the frame that it has, or gets one (what it held is dropped): within the guarantee, and with
 *  SP_ALLOCATE_EXTRA in `flags` also beyond it. It then names the page as a logical copy: one that memory still shows for
 *  others is not loaded again.
 *  \param numbers  entries become 0 as pages are back; the others are still good
 *  \param flags    0 or SP_ALLOCATE_EXTRA
 *  \return  the number of pages that are back; fewer than asked for if something failed (`error` then says why)
 *  \retval -ENOENT  also: this task has no page of some number in swap
 *  \retval -EINVAL  also: a number is named twice
 *  \retval -EBUSY   also: a slot was touched meanwhile, or another thread is in one of these functions
 *  \retval -EIO     the first page cannot be read, is not what was stored, or was lost with the swap server
 *  \retval -ETIMEDOUT  the swap server does not answer; the numbers are still good
 *  \retval -EOPNOTSUPP  as above */
SP_EXPORT long sp_swap_in(struct sp_task *task, sp_container container, uint32_t first,
                          uint32_t count, unsigned flags, sp_swapped *numbers,
                          struct sp_error *error);

/** Give pages in swap up. Entries of 0 are passed over.
 *  \param numbers  become 0 as far as they were given up
 *  \return  how many were given up
 *  \retval -ENOENT  a number is not this task's; the numbers of earlier steps of 64 are given up, as with all errors
 *  \retval -EINVAL  a number is named twice, or there are none
 *  \retval -EBUSY   another thread is in one of these functions
 *  \retval -EOPNOTSUPP  this physmem has no swap server */
SP_EXPORT long sp_swap_drop(struct sp_task *task, sp_swapped *numbers, uint32_t count,
                            struct sp_error *error);

/* ---- Mappings ---- */

#define SP_MAP_WRITE                                                                               \
    1u /**< the pages will be written; otherwise a write is a SIGSEGV of the program */

/** Map slots of a container of this task somewhere, until sp_container_unmap. A slot without a
 *  frame may be among them, but the first; an access to it goes to the program's own handler of
 *  SIGSEGV, or ends it.
 *  \param addressp  set to the address of slot `first`
 *  \retval -EMFILE  64 mappings exist already */
SP_EXPORT int sp_container_map(struct sp_task *task, sp_container container, uint32_t first,
                               uint32_t count, unsigned flags, void **addressp,
                               struct sp_error *error);

/** Take a mapping or a region away, by the address that sp_container_map or
 *  sp_container_region_create gave. A container that the region has made ends with it.
 *  \retval -EINVAL  nothing is mapped at this address
 *  \retval -EBUSY   the region is gone, but somebody has locked its container, which stays */
SP_EXPORT int sp_container_unmap(struct sp_task *task, void *address, struct sp_error *error);

/* ---- Regions ---- */

/** Fill slots of a region's container: they have frames of undefined contents, and are not mapped.
 *  All lie in one group of SP_SUPPLY_PAGES pages, counted from page 0 of the region.
 *  \param arg        of the region
 *  \param container  its container
 *  \param slot       the first to fill
 *  \param page       of the region, which that slot is
 *  \param count      of slots, 1 to SP_SUPPLY_PAGES
 *  \return 0, or an errno value (of either sign): the access then goes to the program's own handler
 *  of SIGSEGV, or ends the program, after a line that names the error. The next access asks again.
 *  Runs on the faulting thread, inside its signal handler, for one access of a region at a time; it
 *  may call sp_container_copy and what is async-signal-safe, or ask another task that copies there
 *  through a weak reference. It must return, and must not touch managed memory or mappings. */
typedef int sp_container_supply(void *arg, sp_container container, uint32_t slot, uint32_t page,
                                uint32_t count);

/** Pages that one access fills at most, with those that were not filled around it. */
#define SP_SUPPLY_PAGES 16u

/** A region on a container. Zero in any field means what is said there. */
struct sp_container_region {
    sp_container container; /**< of this task, whose slots the pages are; 0: the region makes one */
    uint32_t first;         /**< slot that is page 0; 0 if the region makes the container */
    uint32_t pages;         /**< at least 1 */
    /** SP_MAP_WRITE: the pages are private, and a write makes one the region's alone; 0: they are
     *  read only, and a write is a SIGSEGV of the program */
    unsigned flags;
    /** A container of this task, or one that it may copy from: a slot without a frame gets a frame
     *  when it is touched, and becomes a logical copy of slot `source_first` plus the page. 0: none */
    sp_container source;
    uint32_t source_first;
    sp_container_supply *supply; /**< fills such slots instead; NULL: none */
    void *supply_arg;
    /** Frames, at least 4, that pages which are as they were filled may use together; those beyond
     *  it are given back in turn. With a container of its own, and a physmem that has a swap server, written pages are
     *  among these, and go to swap. 0: half of what the contracts guarantee */
    uint32_t frames;
};

/** Put a region on a container: addresses at which its slots are mapped as they are touched, with
 *  nothing brought in now. Ended by sp_container_unmap.
 *
 *  With a source (or a function), a slot without a frame is filled at the first touch: it gets a
 *  frame, extra ones included, and shows what the source's slot holds then. Later changes of the
 *  source do not show, and what was filled stays when the source's owner revokes the weak reference,
 *  or dies. A page that was given back (see `frames`) comes back as it was, or, if its frame was needed
 *  elsewhere, is filled anew, and shows what the source holds by then. What cannot be filled, since the source has no frame there or is not to be had any more,
 *  is said in a line on standard error as it is touched, and the access goes to the program's own
 *  handler of SIGSEGV, or ends the program. Pages that were written count like other frames of containers. If the
 *  region has made its container, they go to swap in turn when frames are short, recalled, or more than `frames`, and come
 *  back as they were when they are touched (sp_swap and sp_swap_in say who pays, and what can fail: a page that cannot be
 *  had back is a line on standard error, and the access fails like one that cannot be filled). Slots of a container that
 *  the program has named keep what was written. While a source is locked, an access waits; where another owner
 *  has the slot mapped, and it is no copy, it fails.
 *
 *  Without either, the region shows what the slots hold; an access to one without a frame fails like
 *  that.
 *  \param basep  set to the address of page 0
 *  \retval -EPERM   the container has not been made by this task: name it as the source
 *  \retval -EEXIST  another region fills slots of the same container
 *  \retval -EMFILE  64 mappings exist already, or 256 containers */
SP_EXPORT int sp_container_region_create(struct sp_task *task,
                                         const struct sp_container_region *region, void **basep,
                                         struct sp_error *error);

/* ---- Logical copies ---- */

/** `count` slots to copy. */
struct sp_copy_piece {
    uint32_t from;  /**< first slot to copy from */
    uint32_t to;    /**< first slot to copy to, which has a frame */
    uint32_t count; /**< of slots */
};

/** Copy slots logically, in the order of the pieces: plain, scatter, gather or any of these. Each
 *  container is this task's, or one to which its weak reference gives the right. Done in steps of
 *  at most 256 slots and 64 pieces; a step is done as a whole or not at all.
 *  \param failedp  may be NULL; if the copy fails, the number of the slot that is the cause,
 *                  counted over all pieces from 0; the steps before its own were done
 *  \retval -ENOENT  a slot to copy from has no frame, or there is no such container
 *  \retval -ENOMEM  a slot to copy to has no frame, or there is no memory
 *  \retval -EBUSY   the owner of a slot has it mapped, or the container is locked */
SP_EXPORT int sp_container_copy_pieces(struct sp_task *task, sp_container from, sp_container to,
                                       const struct sp_copy_piece *pieces, uint32_t count,
                                       uint32_t *failedp, struct sp_error *error);

/** One piece. */
SP_EXPORT int sp_container_copy(struct sp_task *task, sp_container from, uint32_t from_first,
                                sp_container to, uint32_t to_first, uint32_t count,
                                uint32_t *failedp, struct sp_error *error);

/* ---- Weak references ---- */

#define SP_SHARE_READ  1u /**< others may copy from the slots */
#define SP_SHARE_WRITE 2u /**< others may copy to the slots */

/** What another task may do with a container. */
struct sp_share_options {
    uint32_t task;    /**< number of the task (sp_task_number); 0: the first that shows the token */
    unsigned rights;  /**< SP_SHARE_* */
    uint64_t lock_ns; /**< longest lock; 0: it may not lock; at most SP_LOCK_MAX_NS */
};

/** A weak reference, as its owner knows it, and as it travels. */
struct sp_share {
    sp_container container;
    uint32_t number; /**< for sp_container_revoke */
    uint64_t token;  /**< a secret; 0 if the task was named */
};

/** What a task has that adopted a weak reference. */
struct sp_weak {
    sp_container container;
    uint32_t owner; /**< number of the task */
    uint32_t pages; /**< slots of the container */
    unsigned rights;
    uint64_t lock_ns; /**< longest lock */
    uint64_t version; /**< of the container now */
};

/** The number by which physmem, and other tasks, know this task. */
SP_EXPORT uint32_t sp_task_number(const struct sp_task *task);

/** Let another task use a container of at most SP_CONTAINER_SHARED_PAGES slots.
 *  \param sharep  set on success
 *  \retval -E2BIG   the container is too large
 *  \retval -EMFILE  16 tasks have a weak reference to it
 *  \retval -ESRCH   there is no task of this number
 *  \retval -EEXIST  the task has the container already
 *  \retval -ENOSPC  256 others were given to the task by its number, and it took none: use a token
 *                   */
SP_EXPORT int sp_container_share(struct sp_task *task, sp_container container,
                                 const struct sp_share_options *options, struct sp_share *sharep,
                                 struct sp_error *error);

/** Take a weak reference. With its container and token; or with token 0 what was given to this task
 *  by its number, of this container or (container 0) what was given first. A token is good once.
 *  A server of several clients lets each show a token: what is given to the server by its number, any of them could name.
 *  \param weakp  set on success; what it tells is a copy
 *  \retval -ENOENT    nothing was shared under this number and token
 *  \retval -EALREADY  the token was shown before
 *  \retval -EEXIST    this task has a weak reference to the container */
SP_EXPORT int sp_container_adopt(struct sp_task *task, sp_container container, uint64_t token,
                                 struct sp_weak *weakp, struct sp_error *error);

/** The owner takes back the weak reference of this number, or (0) all of them.
 *  \retval -EBUSY  its holder has locked the container: it cannot do that again; try when the lock
 *                  is over */
SP_EXPORT int sp_container_revoke(struct sp_task *task, sp_container container, uint32_t number,
                                  struct sp_error *error);

/** Give up a weak reference, and the lock with it. */
SP_EXPORT int sp_container_drop(struct sp_task *task, sp_container container,
                                struct sp_error *error);

/* ---- Locks and versions ---- */

/** The state of a container. */
struct sp_container_state {
    uint64_t version;
    uint64_t lock_ns; /**< until the lock ends; 0: it is not locked */
    uint32_t locker;  /**< number of the task that has the lock; 0 */
};

/** Lock a container to which this task has a weak reference.
 *  \param lock_ns  for how long; physmem gives what the owner permits at most: see statep
 *  \param unmap    1: the owner's mappings are taken first, and the call waits for that, no longer
 *                  than the lock lasts; 0: they stay, and the owner can go on writing through them
 *  \param statep   may be NULL; the state at the beginning of the lock
 *  \retval -EALREADY   this task has the lock
 *  \retval -EPERM      the owner permits no lock
 *  \retval -ETIMEDOUT  the owner did not unmap in time; nothing is locked
 *  \retval -EAGAIN     the owner cannot be asked to unmap so much */
SP_EXPORT int sp_container_lock(struct sp_task *task, sp_container container, uint64_t lock_ns,
                                int unmap, struct sp_container_state *statep,
                                struct sp_error *error);

/** End the lock.
 *  \param statep  may be NULL; the state after it
 *  \retval -ETIME  the lock is over: others may have used the container since */
SP_EXPORT int sp_container_unlock(struct sp_task *task, sp_container container,
                                  struct sp_container_state *statep, struct sp_error *error);

/** A copy under a lock. */
struct sp_locked_copy {
    sp_container locked; /**< `from` or `to`: the one that is locked, another task's */
    sp_container from;
    sp_container to;
    uint32_t from_first; /**< first slot to copy from */
    uint32_t to_first;   /**< first slot to copy to, which has a frame */
    uint32_t count;      /**< of slots, 1 to 256 */
    uint64_t lock_ns;    /**< for how long it is locked at most */
};

/** Lock a container, copy from or to it, unlock it, and compare the versions: what a server does with
 *  a client's container. The three requests are sent together, and cost one round trip. Errors are
 *  those of sp_container_lock, sp_container_copy and sp_container_unlock: the first that failed.
 *  The copy may have been made all the same.
 *  Nothing stays locked, whatever failed; a lock that this task had before is over then.
 *  \retval -ESTALE  the container was used by others meanwhile, and again when it was copied once more */
SP_EXPORT int sp_container_copy_locked(struct sp_task *task, const struct sp_locked_copy *copy,
                                       struct sp_error *error);

/** The state of a container of this task, or one to which it has a weak reference. */
SP_EXPORT int sp_container_state(struct sp_task *task, sp_container container,
                                 struct sp_container_state *statep, struct sp_error *error);

#ifdef __cplusplus
}
#endif
#endif
