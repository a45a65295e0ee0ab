/* The wire protocol: every message of every conversation, declared once.
 *
 * The macros below are expanded into structs, encoders, decoders, a printer, fuzz seeds and tests.
 *
 * FRAME. A message is a 16-byte header and a body, all little-endian, on a SOCK_STREAM Unix socket:
 *
 *     0  u16 magic 0x5350      2  u8 type      3  u8 nfds
 *     4  u32 length of the body in bytes (at most WIRE_BODY_MAX)
 *     8  u32 seq               12 u32 error
 *
 * `seq` is the asker's number for a request, and comes back in its reply; 0 means that no reply is
 * expected. `error` is 0, or in a reply a positive errno value; the rest of the reply is then still
 * well-formed (counts say how far it came). `nfds` descriptors (at most one) travel with the bytes
 * of the message that announces them.
 *
 * BODY. The fields in order, without padding. Lists are a u16 count and the elements. Strings have a
 * fixed size, are NUL-terminated, NUL-padded, and printable ASCII. A decoder rejects: another magic,
 * an unknown type, a length that differs from what the fields need, trailing bytes, an enum or count
 * out of range, a string without NUL or with control characters, and another number of descriptors
 * than the type carries.
 *
 * CONVERSATIONS. A client's first message is HELLO; the server answers WELCOME, or ERROR and closes.
 * A task talks to physmem over two connections: the request connection (role TASK), and the control
 * connection (role CONTROL, with the id and key from the first WELCOME), over which physmem sends
 * RECALL, UNMAP, NOTICE, CHANGED, AVAILABILITY, WARNED, REPOSSESSED and REVOKED unasked, and the
 * task sends DEALLOCATE, VITAL, UNMAPPED and AVAILABILITY_HEARD. To swap it opens role TASK with
 * key 0, and further ones with the key of the first WELCOME, which then share slots and extents. An observer (role OBSERVER) may only ask STATUS and use the messages marked so.
 * A policy server (role POLICY; physmem's own user, or root) sends GET_CONTROL; whichever has control
 * sends limits, writes the table whose descriptor came with CONTROL (src/core/control_table.h), and
 * says so by ENTITLED; physmem sends it RING, SUCCESSOR, and CONTROL again when the table has moved.
 *
 * Pages, slots and frames are counted, never bytes; times are nanoseconds.
 *
 * Bump rule: any change to a type number, a field, or a limit raises WIRE_VERSION; both sides must
 * have the same. New types may be added without one.
 *   2026-11 version 1
 *   2026-11 version 2: parts of contracts, frame stacks, availability, control by a policy server */
#ifndef WIRE_SCHEMA_H
#define WIRE_SCHEMA_H

#define WIRE_MAGIC    0x5350u
#define WIRE_VERSION  2u
#define WIRE_HEADER   16u
#define WIRE_BODY_MAX 8192u
#define WIRE_NAME     32u  /* bytes of a name with its NUL; equals SP_NAME_MAX */
#define WIRE_TEXT     160u /* bytes of a text with its NUL */

/* Limits of lists, and of what one request may ask for. */
#define WIRE_RANGES   256u /* ranges of slots in one message */
#define WIRE_MAPS     64u  /* map items in one reply */
#define WIRE_BATCH    64u  /* pages in one STORE, LOAD or FREE */
#define WIRE_TASKS    40u  /* tasks in one STATUS reply */
#define WIRE_SLOTS_MAX (1u << 24) /* slots of one container */

/* Who is calling (HELLO.role). */
#define WIRE_ROLES(X) X(TASK, 0) X(CONTROL, 1) X(OBSERVER, 2) X(POLICY, 3)

/* What a NOTICE is about. */
#define WIRE_NOTICES(X)                                                                            \
    X(EXPIRING, 0)  /* a quarter of the term is left: renew */                                     \
    X(EXPIRED, 1)   /* the term has ended; frames are kept until asked for */                      \
    X(AVAILABLE, 2) /* there may be extra frames again */

/* ASK_AVAILABILITY.watch: ask only; ask, and be told from now on; or be told no longer. */
#define WIRE_WATCHES(X) X(ASK, 0) X(ON, 1) X(OFF, 2)

/* Access rights, and status bits: as in L4, read and write (execute is not told apart here). */
#define WIRE_RIGHT_READ  1u
#define WIRE_RIGHT_WRITE 2u
#define WIRE_RIGHTS      4u /* values below this are legal */

/* ALLOCATE.flags */
#define WIRE_ALLOCATE_PARTIAL 1u /* fewer than asked for is success */
#define WIRE_ALLOCATE_SQUASH  2u /* drop what the slots hold instead of EEXIST */
#define WIRE_ALLOCATE_EXTRA   4u /* may go beyond the guarantee */
#define WIRE_ALLOCATE_ZERO    8u /* contents must be zeros */
#define WIRE_ALLOCATE_FLAGS   16u

/* Elements of lists. F(type, name): a field. E(name, limit): a u8 that must be below limit. */
#define WIRE_RANGE_FIELDS(F, E) F(u32, start) F(u32, count)

/* One contiguous piece of a mapping: `count` slots from `slot` lie in the extent from page `offset`. */
#define WIRE_MAP_FIELDS(F, E)                                                                      \
    F(u32, slot) F(u32, count) F(u32, extent) F(u32, offset) E(rights, WIRE_RIGHTS)

/* A page in a client's extent. */
#define WIRE_PLACE_FIELDS(F, E) F(u32, extent) F(u32, offset)

/* A swap slot, and the place in a client's extent that its contents are to go to. */
#define WIRE_LOADING_FIELDS(F, E) F(u32, slot) F(u32, extent) F(u32, offset)

/* A swap slot, or why there is none: error is 0 or a positive errno value. */
#define WIRE_STORED_SLOT_FIELDS(F, E) F(u32, slot) F(u32, error)

#define WIRE_NUMBER_FIELDS(F, E) F(u32, value)

/* One contract's terms (struct sp_terms). */
#define WIRE_TERMS(F, E)                                                                           \
    E(kind, SP_CONTRACT_KINDS) E(on_breach, SP_BREACH_ACTIONS) E(grace_unit, SP_GRACE_UNITS)       \
    F(u8, order) F(u32, min) F(u32, frames) F(u32, weight) F(u64, term_ns) F(u64, t_clean)         \
    F(u64, t_drop) F(u64, bid)

/* One task as physmem sees it. */
#define WIRE_TASK_STATUS_FIELDS(F, E)                                                              \
    F(u32, id) F(u32, pid) F(u32, uid) F(u32, guaranteed) F(u32, extra) F(u32, leased)             \
    F(u32, held) F(u32, soft) F(u32, owed) F(u32, contracts) F(u64, allocations)                   \
    F(u64, recalls) F(u64, recalls_met) F(u64, recalls_missed) F(u32, overdue) F(u64, warnings)    \
    F(u64, penalty) F(u64, repossessed) F(u64, unmaps)                                             \
    E(breached, 2) E(reason, SP_REASONS)                                                           \
    F(u64, frames_recalled) F(u64, recalls_transparent) F(u64, frames_transparent)                 \
    F(u32, available) /* as it was told last; 0: it never watched */

/* X(name, FIELDS): element types. */
#define WIRE_ELEMENTS(X)                                                                           \
    X(range, WIRE_RANGE_FIELDS)                                                                    \
    X(map, WIRE_MAP_FIELDS)                                                                        \
    X(place, WIRE_PLACE_FIELDS)                                                                    \
    X(loading, WIRE_LOADING_FIELDS)                                                                \
    X(stored_slot, WIRE_STORED_SLOT_FIELDS)                                                        \
    X(number, WIRE_NUMBER_FIELDS)

/* Bodies. Besides F and E: S(name, size) a string; L(element, name, limit) a list.               */

#define WIRE_HELLO_FIELDS(F, E, S, L)                                                              \
    F(u32, version) E(role, 4) F(u32, id) F(u64, key) S(name, WIRE_NAME)
#define WIRE_WELCOME_FIELDS(F, E, S, L)                                                            \
    F(u32, version) F(u32, id) F(u64, key) F(u32, page_size) F(u32, total) F(u32, available)
/* The reply to anything that failed, and to requests with nothing else to say: header.error is 0. */
#define WIRE_DONE_FIELDS(F, E, S, L)  F(u32, count) S(text, WIRE_TEXT)

/* To physmem. */
#define WIRE_PROPOSE_FIELDS(F, E, S, L)           WIRE_TERMS(F, E)
#define WIRE_ACCEPT_FIELDS(F, E, S, L)            F(u32, contract)
#define WIRE_RENEW_FIELDS(F, E, S, L)             F(u32, contract) F(u64, term_ns)
#define WIRE_CLOSE_FIELDS(F, E, S, L)             F(u32, contract)
#define WIRE_OFFER_FIELDS(F, E, S, L)                                                              \
    E(answer, SP_ANSWERS) E(reason, SP_REASONS) E(state, SP_CONTRACT_STATES) F(u32, contract)      \
    F(u64, retry_ns) WIRE_TERMS(F, E) F(u32, change)
/* A contract is to have so many frames in all. */
#define WIRE_RESIZE_FIELDS(F, E, S, L)            F(u32, contract) F(u32, frames)
#define WIRE_SPLIT_FIELDS(F, E, S, L)             F(u32, contract) F(u32, frames)
/* `left`: frames of the contract that the part was split off from. */
#define WIRE_PART_FIELDS(F, E, S, L)                                                               \
    F(u64, token) F(u32, part) F(u32, contract) F(u32, frames) F(u32, left) F(u32, change)
#define WIRE_CLAIM_FIELDS(F, E, S, L)             F(u64, token)
#define WIRE_REABSORB_FIELDS(F, E, S, L)          F(u32, part)
#define WIRE_CONTAINER_CREATE_FIELDS(F, E, S, L)  F(u32, slots)
#define WIRE_CONTAINER_FIELDS(F, E, S, L)         F(u32, container) F(u32, extent_pages)
#define WIRE_CONTAINER_DESTROY_FIELDS(F, E, S, L) F(u32, container)
#define WIRE_ALLOCATE_FIELDS(F, E, S, L)                                                           \
    F(u32, container) F(u32, start) F(u32, count) F(u8, flags) F(u8, order)
/* count slots from start now have frames. zeroed: none has been used since it was last cleared. */
#define WIRE_ALLOCATED_FIELDS(F, E, S, L)         F(u32, count) E(zeroed, 2)
#define WIRE_SLOTS_FIELDS(F, E, S, L)             F(u32, container) L(range, ranges, WIRE_RANGES)
#define WIRE_MAP_REQUEST_FIELDS(F, E, S, L)                                                        \
    F(u32, container) F(u32, start) F(u32, count) E(rights, WIRE_RIGHTS)
#define WIRE_MAPPED_FIELDS(F, E, S, L)            L(map, items, WIRE_MAPS)
#define WIRE_FD_FIELDS(F, E, S, L)                F(u32, extent) F(u32, pages)
/* `places` of the stack at least; in STACK those that it has: see shm/frame_stack.h. */
#define WIRE_STACK_OPEN_FIELDS(F, E, S, L)        F(u32, container) F(u32, places)
#define WIRE_STACK_FIELDS(F, E, S, L)             F(u32, places)

/* From physmem, over the control connection. */
#define WIRE_RECALL_FIELDS(F, E, S, L)                                                             \
    F(u64, id) F(u32, frames) E(may_clean, 2) E(grace_unit, SP_GRACE_UNITS) F(u64, grace)
#define WIRE_UNMAP_FIELDS(F, E, S, L)                                                              \
    F(u64, id) F(u32, container) E(rights, WIRE_RIGHTS) L(range, ranges, WIRE_RANGES)
/* To physmem: how many of the pages had been referenced, and written, since they were mapped. */
#define WIRE_UNMAPPED_FIELDS(F, E, S, L)          F(u64, id) F(u32, referenced) F(u32, dirty)
#define WIRE_NOTICE_FIELDS(F, E, S, L)                                                             \
    E(what, 3) F(u32, contract) F(u32, guaranteed) F(u32, extra)
/* How much the task could have, and how many frames physmem is short of. To physmem: ask; in frames,
 * by how much it has to change before the task is told. From physmem: the answer, or (seq 0, over the
 * control connection) what has changed; the next comes after the task said that it heard this one. */
#define WIRE_ASK_AVAILABILITY_FIELDS(F, E, S, L)  E(watch, 3) F(u32, hysteresis)
#define WIRE_AVAILABILITY_FIELDS(F, E, S, L)                                                       \
    F(u32, available) F(u32, held) F(u32, promised) F(u32, pressure)
#define WIRE_AVAILABILITY_HEARD_FIELDS(F, E, S, L) F(u32, available)
/* A contract has changed, not by a request about it. `change` counts, here and in OFFER and PART, so
 * that of two messages that overtook each other the newer is known. part: that was split off from
 * it and is claimed, or has come back; 0: none. */
#define WIRE_CHANGED_FIELDS(F, E, S, L)                                                            \
    F(u32, contract) F(u32, part) F(u32, frames) F(u32, change) E(state, SP_CONTRACT_STATES)       \
    E(why, SP_REASONS)
/* A recall's deadline was missed, and there is another: `left` misses more are forborne. */
#define WIRE_WARNED_FIELDS(F, E, S, L)                                                             \
    F(u64, id) F(u32, missing) F(u32, left) F(u64, charged) E(grace_unit, SP_GRACE_UNITS)          \
    F(u64, grace)
/* These slots, which had frames, have none any more: physmem took them, after a recall was missed.
 * Recalled frames that are owed are fewer by `frames`, as far as so many are owed. */
#define WIRE_REPOSSESSED_FIELDS(F, E, S, L)                                                        \
    F(u64, id) F(u32, container) F(u32, frames) L(range, ranges, WIRE_RANGES)
#define WIRE_REVOKED_FIELDS(F, E, S, L)           E(reason, SP_REASONS) S(text, WIRE_TEXT)

/* For observers and administrators. */
#define WIRE_STATUS_REQUEST_FIELDS(F, E, S, L)    F(u32, after)
#define WIRE_RECALL_REQUEST_FIELDS(F, E, S, L)    F(u32, frames) S(name, WIRE_NAME)
#define WIRE_PHYSMEM_STATUS_FIELDS(F, E, S, L)                                                     \
    F(u32, frames) F(u32, free) F(u32, soft) F(u32, guaranteed) F(u32, leased) F(u32, tasks)       \
    F(u32, extents) F(u64, allocated) F(u64, returned) F(u64, proposals) F(u64, accepted)          \
    F(u64, countered) F(u64, refused) F(u64, recalls) F(u64, recalls_met) F(u64, recalls_missed)   \
    F(u64, warnings) F(u64, repossessed) F(u64, breaches) F(u64, unmaps) F(u64, audits)            \
    F(u64, compacted) F(u64, messages) F(u64, violations) E(control, 3) F(u32, controllers)        \
    F(u64, entitlements) F(u64, frames_recalled) F(u64, recalls_transparent)                       \
    F(u64, frames_transparent) F(u64, passes) F(u64, recall_passes)
/* Tasks in ascending order of id, those above STATUS_REQUEST.after; the dead ones stay listed. */
#define WIRE_TASK_STATUS_ENTRY_FIELDS(F, E, S, L)                                                  \
    S(name, WIRE_NAME) WIRE_TASK_STATUS_FIELDS(F, E)

/* To the policy server and back. */
#define WIRE_GET_CONTROL_FIELDS(F, E, S, L)       E(wait, 2) /* for the holder to hand it over */
#define WIRE_TABLE_FIELDS(F, E, S, L)             F(u32, rows)
#define WIRE_SUCCESSOR_FIELDS(F, E, S, L)         F(u32, pid)
#define WIRE_LIMIT_FIELDS(F, E, S, L)                                                              \
    E(whom, 4) F(u32, uid) F(u32, guaranteed) F(u32, extra) F(u32, weight) F(u32, priority)        \
    S(name, WIRE_NAME)
#define WIRE_LIMITS_FIELDS(F, E, S, L)            F(u32, count)
#define WIRE_ENTITLED_FIELDS(F, E, S, L)          F(u32, changed) /* tasks */
#define WIRE_RING_FIELDS(F, E, S, L)              F(u32, what) /* PHYSMEM_RING_* */

/* To swap and back. */
#define WIRE_RESERVE_FIELDS(F, E, S, L)           F(u32, add) F(u32, subtract)
#define WIRE_RESERVED_FIELDS(F, E, S, L)          F(u32, reserved) F(u32, available)
#define WIRE_STORE_FIELDS(F, E, S, L)             L(place, pages, WIRE_BATCH)
#define WIRE_STORED_FIELDS(F, E, S, L)            L(stored_slot, slots, WIRE_BATCH)
#define WIRE_LOAD_FIELDS(F, E, S, L)              L(loading, pages, WIRE_BATCH)
#define WIRE_LOADED_FIELDS(F, E, S, L)            L(number, errors, WIRE_BATCH)
#define WIRE_FREE_FIELDS(F, E, S, L)              L(number, slots, WIRE_BATCH)
#define WIRE_FORGET_FIELDS(F, E, S, L)            F(u32, extent)
#define WIRE_SWAP_STATUS_FIELDS(F, E, S, L)                                                        \
    F(u32, slots) F(u32, used) F(u32, reserved) F(u32, clients) F(u64, stores) F(u64, loads)       \
    F(u64, frees) F(u64, writes) F(u64, reads) F(u64, failed) F(u64, corrupt) F(u64, messages)     \
    F(u64, violations)

/* X(NAME, name, type number, descriptors, FIELDS). What a request is answered with stands behind it.
 * (o): observers may send it. */
#define WIRE_MESSAGES(X)                                                                           \
    X(HELLO, hello, 1, 0, WIRE_HELLO_FIELDS)               /* -> WELCOME */                        \
    X(WELCOME, welcome, 2, 0, WIRE_WELCOME_FIELDS)                                                 \
    X(DONE, done, 3, 0, WIRE_DONE_FIELDS)                                                          \
    X(PROPOSE, propose, 10, 0, WIRE_PROPOSE_FIELDS)        /* -> OFFER */                          \
    X(ACCEPT, accept, 11, 0, WIRE_ACCEPT_FIELDS)           /* -> OFFER */                          \
    X(RENEW, renew, 12, 0, WIRE_RENEW_FIELDS)              /* -> OFFER */                          \
    X(CLOSE, close, 13, 0, WIRE_CLOSE_FIELDS)              /* -> DONE */                           \
    X(OFFER, offer, 14, 0, WIRE_OFFER_FIELDS)                                                      \
    X(RESIZE, resize, 15, 0, WIRE_RESIZE_FIELDS)           /* -> OFFER */                          \
    X(SPLIT, split, 16, 0, WIRE_SPLIT_FIELDS)              /* -> PART */                           \
    X(PART, part, 17, 0, WIRE_PART_FIELDS)                                                         \
    X(CLAIM, claim, 18, 0, WIRE_CLAIM_FIELDS)              /* -> OFFER */                          \
    X(REABSORB, reabsorb, 19, 0, WIRE_REABSORB_FIELDS)     /* -> OFFER: the contract above */      \
    X(CONTAINER_CREATE, container_create, 20, 0, WIRE_CONTAINER_CREATE_FIELDS) /* -> CONTAINER */  \
    X(CONTAINER, container, 21, 0, WIRE_CONTAINER_FIELDS)                                          \
    X(CONTAINER_DESTROY, container_destroy, 22, 0, WIRE_CONTAINER_DESTROY_FIELDS) /* -> DONE */    \
    X(ALLOCATE, allocate, 23, 0, WIRE_ALLOCATE_FIELDS)     /* -> ALLOCATED */                      \
    X(ALLOCATED, allocated, 24, 0, WIRE_ALLOCATED_FIELDS)                                          \
    X(DEALLOCATE, deallocate, 25, 0, WIRE_SLOTS_FIELDS)    /* -> DONE, frames go to the pool */    \
    X(RELEASE, release, 26, 0, WIRE_SLOTS_FIELDS)          /* -> DONE, contents kept until reuse */\
    X(RECOVER, recover, 27, 0, WIRE_SLOTS_FIELDS)          /* -> DONE: ENOENT reused, ENOMEM */    \
    X(MAP, map, 28, 0, WIRE_MAP_REQUEST_FIELDS)            /* -> EXTENT once each, MAPPED */       \
    X(MAPPED, mapped, 29, 0, WIRE_MAPPED_FIELDS)                                                   \
    X(EXTENT, extent, 30, 1, WIRE_FD_FIELDS)               /* comes before the MAPPED naming it */ \
    X(UNMAP_OWN, unmap_own, 31, 0, WIRE_SLOTS_FIELDS)      /* -> DONE: the task gives up rights */ \
    X(STACK_OPEN, stack_open, 33, 0, WIRE_STACK_OPEN_FIELDS) /* -> STACK, DONE */                  \
    X(STACK, stack, 34, 1, WIRE_STACK_FIELDS)              /* comes before the DONE */             \
    X(RECALL, recall, 40, 0, WIRE_RECALL_FIELDS)           /* the task answers by DEALLOCATE */    \
    X(UNMAP, unmap, 41, 0, WIRE_UNMAP_FIELDS)              /* -> UNMAPPED */                       \
    X(UNMAPPED, unmapped, 42, 0, WIRE_UNMAPPED_FIELDS)                                             \
    X(NOTICE, notice, 43, 0, WIRE_NOTICE_FIELDS)                                                   \
    X(REVOKED, revoked, 44, 0, WIRE_REVOKED_FIELDS)                                                \
    X(ASK_AVAILABILITY, ask_availability, 45, 0, WIRE_ASK_AVAILABILITY_FIELDS) /* -> AVAILABILITY */ \
    X(AVAILABILITY, availability, 46, 0, WIRE_AVAILABILITY_FIELDS) /* -> AVAILABILITY_HEARD */     \
    X(AVAILABILITY_HEARD, availability_heard, 47, 0, WIRE_AVAILABILITY_HEARD_FIELDS)               \
    X(STATUS, status, 50, 0, WIRE_STATUS_REQUEST_FIELDS)   /* (o) -> TASK_STATUS*, *_STATUS */     \
    X(PHYSMEM_STATUS, physmem_status, 51, 0, WIRE_PHYSMEM_STATUS_FIELDS)                           \
    X(TASK_STATUS, task_status, 52, 0, WIRE_TASK_STATUS_ENTRY_FIELDS)                              \
    X(SWAP_STATUS, swap_status, 53, 0, WIRE_SWAP_STATUS_FIELDS)                                    \
    X(RECALL_TASK, recall_task, 54, 0, WIRE_RECALL_REQUEST_FIELDS) /* (o) -> DONE */               \
    X(GIVE_EXTENT, give_extent, 60, 1, WIRE_FD_FIELDS)     /* -> DONE: swap may read and fill it */\
    X(FORGET_EXTENT, forget_extent, 61, 0, WIRE_FORGET_FIELDS) /* -> DONE */                       \
    X(RESERVE, reserve, 62, 0, WIRE_RESERVE_FIELDS)        /* -> RESERVED */                       \
    X(RESERVED, reserved, 63, 0, WIRE_RESERVED_FIELDS)                                             \
    X(STORE, store, 64, 0, WIRE_STORE_FIELDS)              /* -> STORED */                         \
    X(STORED, stored, 65, 0, WIRE_STORED_FIELDS)                                                   \
    X(LOAD, load, 66, 0, WIRE_LOAD_FIELDS)                 /* -> LOADED */                         \
    X(LOADED, loaded, 67, 0, WIRE_LOADED_FIELDS)                                                   \
    X(FREE, free, 68, 0, WIRE_FREE_FIELDS)                 /* -> DONE if seq is not 0 */           \
    X(GET_CONTROL, get_control, 70, 0, WIRE_GET_CONTROL_FIELDS) /* -> CONTROL, or DONE: EBUSY */   \
    X(CONTROL, control, 71, 1, WIRE_TABLE_FIELDS)          /* the table; again when it moves */    \
    X(SUCCESSOR, successor, 72, 0, WIRE_SUCCESSOR_FIELDS)  /* to the holder: it waits */           \
    X(HAND_OVER, hand_over, 73, 0, WIRE_SUCCESSOR_FIELDS)  /* -> DONE, and control is gone */      \
    X(LIMIT, limit, 74, 0, WIRE_LIMIT_FIELDS)              /* one of a set */                      \
    X(LIMITS, limits, 75, 0, WIRE_LIMITS_FIELDS)           /* -> DONE: the set holds from now on */\
    X(ENTITLED, entitled, 76, 0, WIRE_ENTITLED_FIELDS)     /* the table has been looked at */      \
    X(RING, ring, 77, 0, WIRE_RING_FIELDS)                 /* ENTITLED answers */                   \
    X(CHANGED, changed, 100, 0, WIRE_CHANGED_FIELDS)                                               \
    X(WARNED, warned, 101, 0, WIRE_WARNED_FIELDS)                                                  \
    X(REPOSSESSED, repossessed, 102, 0, WIRE_REPOSSESSED_FIELDS)                                   \
    X(VITAL, vital, 103, 0, WIRE_SLOTS_FIELDS)             /* -> DONE: all vital slots there */

#endif
