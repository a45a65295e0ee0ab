/* Requests of tasks to physmem. For shells that take requests from a wire, and for tests.
 *
 * Physmem answers each request with one reply, as a rule at once; where a reply may have to wait,
 * the comment of the function says it. Replies carry the `seq` of the request, and positive errno
 * values. A task that has been revoked gets EPIPE for every request, and nothing happens. A request
 * that is refused changes nothing, unless its comment says what. */
#ifndef CORE_PHYSMEM_REQUEST_H
#define CORE_PHYSMEM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <selfpage/contract.h>

#include "core/physmem/effect.h"

struct physmem;
struct physmem_task;

#define PHYSMEM_ALLOCATE_MAX   65536u /* slots in one request */
#define PHYSMEM_CONTAINERS_MAX 256u   /* of one task */
#define PHYSMEM_PENDING_MAX    16u    /* requests of one task that wait for frames */

/* Slots that a task may name as vital (Exokernel's libraries: 5 to 10 pages). */
#define PHYSMEM_VITAL_MAX 16u

/* Flags of an allocation: those of the wire. */
#define PHYSMEM_PARTIAL 1u
#define PHYSMEM_SQUASH  2u
#define PHYSMEM_EXTRA   4u
#define PHYSMEM_ZERO    8u
#define PHYSMEM_FLAGS   16u

#define PHYSMEM_SHARED_SLOTS 65536u                /* of a container that is shared, at most */
#define PHYSMEM_LOCK_MAX_NS  UINT64_C(60000000000) /* longest lock */

#define PHYSMEM_PIECES_MAX 64u  /* in one request to copy */
#define PHYSMEM_COPY_MAX   256u /* slots in one request to copy */

/* Right to map: what is a copy is first made a page that the slot has for itself. With
 * SLOT_WRITE. */
#define PHYSMEM_FORCE_WRITE 4u

/* `count` slots to copy. */
struct physmem_piece {
    uint32_t from;
    uint32_t to;
    uint32_t count;
};

#define PHYSMEM_EXCHANGE_MAX 256u /* slots in one exchange */

/* `count` slots that give frames up, and as many that get some. */
struct physmem_exchange {
    uint32_t from; /* containers */
    uint32_t to;
    uint32_t from_start;
    uint32_t to_start;
    uint32_t count;
};

/* What a request needs to be answered. */
struct physmem_request {
    struct physmem_task *task;
    uint32_t seq;
    bool control; /* came over the control connection */
};

/* What another task may do with a container. */
struct physmem_permission {
    uint64_t token;   /* random, not 0; unused if `task` is not 0 */
    uint64_t lock_ns; /* the longest lock; 0: none; at most PHYSMEM_LOCK_MAX_NS */
    uint32_t task;    /* number of the task; 0: the first that shows the token */
    uint8_t rights;   /* SLOT_READ: to copy from slots; SLOT_WRITE: to copy to them */
};

struct physmem_allocation {
    uint32_t container;
    uint32_t start;
    uint32_t count;
    uint8_t flags;
    uint8_t order;
    uint32_t ceiling; /* the frames lie below this number, and stay there; 0: anywhere */
};

/* ---- Contracts ---- */

/* Propose a contract. Reply: an offer; ENOTCONN without a control connection, ENOMEM. A proposal
 * that is answered makes an earlier counter-offer void. */
void physmem_contract_propose(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, const struct sp_terms *terms);

/* The following requests name a contract of the task. If its state does not permit the step, the
 * errno value and the text tell the state: ENOENT (no contract of this number, or closed), EBUSY
 * (countered), EALREADY (active: there is nothing to accept), ETIME (expired), EINPROGRESS
 * (recalled). */

/* Agree to a counter-offer, to a countered renewal or growth. Reply: an offer. */
void physmem_contract_accept(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t contract);

/* A new term from now, of an active or expired contract. Reply: an offer; refused for a part, and for
 * a timed contract (SP_REASON_NOT_ENTITLED; `frames` are then those it may keep) while other tasks
 * wait for extra frames that would not be left to this one if it had to ask for them. */
void physmem_contract_renew(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t contract,
                            uint64_t term_ns);

/* More or fewer frames, of an active contract. More frames are answered like a proposal, and
 * refused for a part. Fewer are agreed to at once, and physmem recalls what the task then holds
 * beyond its commitment. Reply: an offer. */
void physmem_contract_resize(struct physmem *physmem, uint64_t now,
                             const struct physmem_request *request, uint32_t contract,
                             uint32_t frames);

/* End a contract that is active or expired, or decline a counter-offer. What the task holds beyond
 * its other contracts is recalled. Reply: done. */
void physmem_contract_close(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t contract);

/* Split a part off from an active contract; `token` is random. Reply: a part; EINVAL (frames),
 * EMLINK (too deep), EMFILE (too many), EAGAIN (token), ENOMEM. */
void physmem_part_split(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t contract, uint32_t frames,
                        uint64_t token);

/* A task that shows the token gets the part as a contract. Reply: an offer; ENOENT (no such token),
 * EALREADY (claimed), EINVAL (by a task above it), ENOTCONN, ENOMEM. */
void physmem_part_claim(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint64_t token);

/* Take a part back from the task that has it. Reply: an offer for the contract from which the part
 * was split off; ENOENT. */
void physmem_part_reabsorb(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, uint32_t part);

/* ---- Availability ---- */

/* How much the task could have. Reply: availability. */
void physmem_availability_ask(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request);

/* The same. From now on (`on`), until it is switched off, the task is told over its control
 * connection: when the figure has changed by `hysteresis` frames, when frames begin to be short, and
 * when they no longer are. It has been told of pressure before it is recalled from. One message at
 * most is under way: the next comes after physmem_availability_heard, if there still is news. */
void physmem_availability_watch(struct physmem *physmem, uint64_t now,
                                const struct physmem_request *request, bool on,
                                uint32_t hysteresis);

/* ---- Containers and frames ---- */

/* A container of holes. Reply: its handle; EINVAL (slots), EMFILE (too many), ENOMEM. */
void physmem_container_create(struct physmem *physmem, uint64_t now,
                              const struct physmem_request *request, uint32_t slots);

/* Free a container with all its frames. Reply: done, with the count of frames; ENOENT. */
void physmem_container_destroy(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t container);

/* Frames for slots. Within the commitment the reply may have to wait for recalls; beyond it (EXTRA)
 * it never does. Reply: the count of slots, and whether all of them are known to hold zeros.
 *   EEXIST  a slot is occupied (SQUASH drops its contents instead); count: slots before it
 *   ENOMEM  not within what the contracts allow, or extra frames under pressure; or below a ceiling
 *   ENOENT (container), EINVAL (range, flags, order), EBUSY (too many requests wait)
 * Blocks (order > 0) need no more than as many single frames: what is in the way is moved
 * (core/frames/compact.h). A block keeps its numbers in a row until a part of it goes.
 * With a ceiling, frames below it are made free by moving others, and do not move themselves. At most a
 * sixteenth of all frames may lie below ceilings; that many may also make a block impossible (ENOMEM).
 * What a slot held before is dropped with SQUASH even if that comes out.
 * PARTIAL makes a success of at least one slot. Otherwise it is all slots or none. */
void physmem_allocate(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_allocation *allocation);

/* Give frames up, contents and all, and get as many for other slots in the same step: nobody else can
 * have them in between, and it needs no allowance. All slots or none. Reply: as physmem_allocate;
 *   ENOENT  a slot to give up is a hole, or soft; or no such container (count 0)
 *   EEXIST  a slot to get a frame is not a hole
 *   EINVAL (range, count), ENOMEM (no memory); count: slots before the one that stands in the way */
void physmem_exchange(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      const struct physmem_exchange *exchange);

/* Requests about ranges get EINVAL if a range is empty or ends beyond the container, or if all
 * ranges together name more slots than the container has. */

/* Give frames back: to the pool (deallocate), or softly (release). The rights to the slots go with them. Holes are passed over. Reply: done,
 * with the count of frames that came back; ENOENT, EINVAL.
 * A deallocation that names more than 16,384 slots is carried out in slices, so that nobody waits for
 * it: the reply comes with the last one, and until then another large one of this task gets EBUSY. If
 * the container is destroyed meanwhile the reply is ENOENT, with the count so far.
 * At most PHYSMEM_ALLOCATE_MAX slots can be released at once; E2BIG. */
void physmem_frames_deallocate(struct physmem *physmem, uint64_t now,
                               const struct physmem_request *request, uint32_t container,
                               const struct physmem_range *ranges, uint32_t count);
void physmem_frames_release(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t container,
                            const struct physmem_range *ranges, uint32_t count);

/* Take soft frames back, with their contents, up to the first failure; at most PHYSMEM_ALLOCATE_MAX
 * slots at once, E2BIG. Reply: done, with the count of slots that are allocated now; ENOENT (reused),
 * ENOMEM (not within what the contracts allow), EINVAL. Slots before the failure stay recovered. */
void physmem_frames_recover(struct physmem *physmem, uint64_t now,
                            const struct physmem_request *request, uint32_t container,
                            const struct physmem_range *ranges, uint32_t count);

/* Leave data to those that have copies of it: slots that are copies name their own pages from now on, with
 * undefined contents (never another task's), and keep their frames. No byte moves, nor does any by the next
 * write. Other slots, and holes, stay as they are; at most PHYSMEM_ALLOCATE_MAX slots at once, E2BIG. All
 * slots or none. Reply: done, with the count of slots that were copies; EBUSY (the task has rights to one of
 * these), ENOENT, EINVAL. */
void physmem_orphan(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                    uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* ---- Weak references: see core/physmem/shares.h ---- */

/* Let another task use a container. Reply: shared; EINVAL (no or unknown rights, too long a lock), E2BIG
 * (over PHYSMEM_SHARED_SLOTS slots), EMFILE (16 tasks have it already), ESRCH (no such task), EEXIST (the
 * task has it already, or owns it), ENOSPC (256 others were given to the task by its number, and it
 * has taken none), EAGAIN (no token), ENOENT, EBUSY, ENOMEM. */
void physmem_share(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t container, const struct physmem_permission *permission);

/* Take a weak reference: with its token; or (token 0) what was given to this task by its number, of this
 * container or (container 0) what was given first. Reply: adopted; ENOENT (nothing was shared this way),
 * EALREADY (the token was shown before), EEXIST (the task has one of this container), EINVAL (the
 * container is the task's own). From now on requests name the container by its number. */
void physmem_share_adopt(struct physmem *physmem, uint64_t now,
                         const struct physmem_request *request, uint32_t container, uint64_t token);

/* The owner takes back the weak reference of this number, or (0) all. Reply: version; ENOENT; EBUSY (its
 * holder has locked the container: nothing changes, but it cannot lock it again). */
void physmem_share_revoke(struct physmem *physmem, uint64_t now,
                          const struct physmem_request *request, uint32_t container,
                          uint32_t share);

/* Give a weak reference up. A lock ends with it. Reply: done; ENOENT, EPERM (the task is the owner). */
void physmem_share_drop(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container);

/* Lock a container for `lock_ns`, at most as long as the owner permits. `unmap`: the owner is asked to
 * give up all its rights first, and the reply follows its answer (physmem_unmap_answered). Reply:
 * version, with the time that was given; EPERM (the owner permits no lock), EINVAL (no time), EBUSY
 * (locked by another task, or a request of the owner waits), EALREADY, EAGAIN (the owner cannot be asked
 * to unmap so much at once), ETIMEDOUT (it did not answer before the lock was over), ENOENT. */
void physmem_lock(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                  uint32_t container, uint64_t lock_ns, bool unmap);

/* End the lock. Reply: version; ETIME (the task has no lock any more). */
void physmem_lock_end(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                      uint32_t container);

/* The version of a container, for its owner and tasks with a weak reference. Reply: version; ENOENT. */
void physmem_share_version(struct physmem *physmem, uint64_t now,
                           const struct physmem_request *request, uint32_t container);

/* Copy slots logically, in the order of the pieces: plain, scatter, gather, or any of these. Slots of
 * both containers name the same pages from then on, which nobody can write. Only the contents of
 * slots that are not copies yet have to move, once: these slots become copies, too. Each slot keeps a
 * frame of its own (core/physmem/copies.h): a copy costs no allowance, and a later write to one never
 * fails for want of a frame.
 * All slots are copied or none. Reply: done; if it fails, the count is the number of the failing slot,
 * counted over all pieces from 0.
 *   ENOENT  the slot to copy from is a hole, or soft; or no such container (count 0)
 *   EPERM   the task's weak reference does not permit it
 *   ENOMEM  the slot to copy to has no frame; or no memory
 *   EBUSY   another task has locked a container; or
 *           the owner has rights to the slot to copy to, or to one to copy from that is not a copy yet: it
 *           would lose what it writes to an old mapping. Give them up first (physmem_unmap_own, or
 *           the answer to an unmap). Or another request, to copy or to map, still waits
 *   EINVAL  a piece is empty or ends beyond its container, or there are none
 *   E2BIG   over 64 pieces or 256 slots
 *   EMFILE  no descriptors are left for another extent
 * The reply may follow physmem_extent_ready, as that to physmem_map. */
void physmem_copy(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                  uint32_t from, uint32_t to, const struct physmem_piece *pieces, uint32_t count);

/* Rights to slots: up to the first hole, or to the next slot whose use is watched. Of a slot that is a
 * copy the task gets the right to read only, unless it asks for PHYSMEM_FORCE_WRITE: then the slot
 * gets a page of its own with the contents, and all others that name the old page keep it (256 slots
 * at once). Reply: mapped; ENOENT (the first slot is a hole, or no such container), EINVAL, EMFILE (no
 * descriptors are left for another extent). If an extent has to be made, the reply follows
 * physmem_extent_ready, and the task's next request must not come before. */
void physmem_map(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                 uint32_t container, uint32_t start, uint32_t count, uint8_t rights);

/* The task gives up its rights to slots. Reply: done, with the count of slots that had some;
 * ENOENT, EINVAL. */
void physmem_unmap_own(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* Name all slots of a container that are vital, instead of those named before. An extent with a vital
 * slot that has a frame is not repossessed. Reply: done, with the count; ENOENT, EINVAL, E2BIG (more
 * than PHYSMEM_VITAL_MAX in all), ENOMEM. */
void physmem_vital(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                   uint32_t container, const struct physmem_range *ranges, uint32_t count);

/* Make a frame stack of at least `places` places, on which the task will list unused frames of this
 * container. Physmem may take these frames without a message, up to the task's recallable extra
 * frames; frames taken this way are never owed. Reply: stack, after physmem_stack_ready; ENOENT
 * (container), EEXIST (the task has one), EINVAL (places), and what physmem_stack_ready says. */
void physmem_stack_open(struct physmem *physmem, uint64_t now,
                        const struct physmem_request *request, uint32_t container, uint32_t places);

#endif
