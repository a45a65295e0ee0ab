/* The wire protocol: every message of every conversation, declared once. The macros below expand
 * into structs, encoders, decoders, a printer, random messages for tests, and the list of messages
 * that each peer may send.
 *
 * HOW DO I ADD A MESSAGE? One row in WIRE_MESSAGES, at the end of this file, with the macro of its
 * fields in front of it, then the code that sends it and the code that takes it. Build, and run
 * `tests/test_wire_schema --store` in the build directory, which stores a sample of it in
 * tests/data. Tests fail as long as the sample is missing (wire_schema), or a server does not take
 * the message from a sender that the row names (wire_dispatch).
 *
 * HOW DO I ADD A VALUE TO AN ENUMERATION? One row in its list below: the limit that decoders check,
 * the C constant and the printed name come from it. A list of values from <selfpage/contract.h>
 * names constants that are declared there first; message.c does not compile while the two differ.
 *
 * HOW DO I ADD A FIELD? One entry in the macro of its message; then as for a message.
 *
 * A change of a type number, a field, or a limit raises WIRE_VERSION, since both sides must
 * agree on all of it: wire_schema fails until that is done. A new type may be added without it, and
 * a counter at the end of its table in <selfpage/counters.h>: an observer of another build then
 * refuses a STATUS reply for its length.
 *   2026-11 version 1
 *   2026-11 version 2: parts of contracts, frame stacks, availability, control by a policy server
 *   2026-11 version 3: bodies have at most 2544 bytes
 *   2026-11 version 4: MAP asks for accesses, of which one forces a copy to become the slot's own
 *   2026-11 version 5: frames are exchanged, and a physmem may have its own from another one
 *   2026-11 version 6: NOTICE says which change of the contract it is about
 *   2026-11 version 7: ALLOCATE has a ceiling
 *   2026-11 version 8: STORED says the checksums of pages, and a client of swap may have a file of its own
 *   2026-11 version 9: UNMAP says how long the answer may take
 *   2026-11 version 10: a task tells of its regions in front of its frame stack, and TASK_DETAIL repeats that
 *
 * FRAME. A message is a 16-byte header and a body, all little-endian, on a SOCK_STREAM Unix socket:
 *
 *     0  u16 magic 0x5350      2  u8 type      3  u8 nfds
 *     4  u32 length of the body in bytes (at most WIRE_BODY_MAX)
 *     8  u32 seq               12 u32 error
 *
 * `seq` is a number that the sender of a request chooses; the reply carries the same number. 0
 * means that no reply is expected. `error` is 0, or in a reply a positive errno value; the rest of
 * the reply is then still well-formed (counts say how far the request came). `nfds` descriptors (at
 * most one) travel with the bytes of the message that announces them.
 *
 * BODY. The fields in order, without padding. Lists are a u16 count and the elements. Strings have
 * a fixed size, are NUL-terminated, NUL-padded, and printable ASCII. A decoder rejects: another
 * magic, an unknown type, a length that differs from what the fields need, trailing bytes, a value
 * of an enumeration or a count out of range, a string without NUL or with control characters, and
 * another number of descriptors than the type carries.
 *
 * CONVERSATIONS. The first message of a client is HELLO. The server answers WELCOME, or DONE with
 * an error, and then closes the connection.
 * A task has two connections to physmem: the request connection (role TASK), and the control
 * connection (role CONTROL, with the id and the key from the first WELCOME). Over the control
 * connection physmem sends RECALL, UNMAP, NOTICE, CHANGED, AVAILABILITY, WARNED, REPOSSESSED and
 * REVOKED without being asked, and the task sends DEALLOCATE, RELEASE, UNMAP_OWN, SWAP_OUT, VITAL,
 * UNMAPPED and AVAILABILITY_HEARD.
 * A client of swap opens its first connection with role TASK and key 0. Further connections with
 * the key of the first WELCOME share its slots and extents.
 * An observer (role OBSERVER) reads counters of physmem, swap or a file server, and asks for recalls and
 * for what one task has.
 * A policy server (role POLICY; it runs as physmem's own user or as root) sends GET_CONTROL. The
 * one that has control sends limits, writes the table whose descriptor came with CONTROL (see
 * shm/control_table.h), and sends ENTITLED after each look at it. Physmem sends it RING, SUCCESSOR,
 * and CONTROL again when the table has moved. Swap has no table: DONE answers GET_CONTROL there, and
 * what it is sent is SWAP_LIMIT and LIMITS.
 *
 * Pages, slots and frames are counted, never bytes; times are nanoseconds. */
#ifndef WIRE_SCHEMA_H
#define WIRE_SCHEMA_H

#include <selfpage/counters.h>

#define WIRE_MAGIC    0x5350u
#define WIRE_VERSION  10u
#define WIRE_HEADER   16u
#define WIRE_BODY_MAX 2544u /* a fault handler has whole messages on its stack */
#define WIRE_NAME     32u   /* bytes of a name with its NUL; equals SP_NAME_MAX */
#define WIRE_TEXT     160u  /* bytes of a text with its NUL */

/* Limits of lists, and of what one request may ask for. */
#define WIRE_RANGES     256u       /* ranges of slots in one message */
#define WIRE_MAPS       64u        /* map items in one reply */
#define WIRE_PIECES     64u        /* pieces in one COPY */
#define WIRE_BATCH      64u        /* pages in one STORE, LOAD or FREE */
#define WIRE_TASKS      40u        /* tasks in one STATUS reply */
#define WIRE_AGREEMENTS 8u         /* contracts of one task; equals CONTRACTS_PER_TASK */
#define WIRE_DEBTS      4u         /* recalls of one task that are not met */
#define WIRE_HOLDINGS   32u        /* containers in one TASK_DETAIL */
#define WIRE_REGIONS    16u        /* regions in one TASK_DETAIL */
#define WIRE_PATH_WORDS 256u       /* words of four bytes in a path */
#define WIRE_SLOTS_MAX  (1u << 24) /* slots of one container */

/* The swap slot of a page of zeros: no device has it, and nothing is read for it. */
#define WIRE_SLOT_ZERO 0xfffffffeu

/* The tables are formatted by hand: one entry is one thing. */
/* clang-format off */

/* ENUMERATIONS. X(constant, value, name): the values are 0, 1, 2 ... in any order. */

/* What opens a connection. */
#define WIRE_ROLES(X)                                                                              \
    X(WIRE_ROLE_TASK, 0, "task") X(WIRE_ROLE_CONTROL, 1, "control")                                \
    X(WIRE_ROLE_OBSERVER, 2, "observer") X(WIRE_ROLE_POLICY, 3, "policy")

/* What a NOTICE is about. */
#define WIRE_NOTICES(X)                                                                            \
    X(WIRE_NOTICE_EXPIRING, 0, "expiring")   /* a quarter of the term is left: renew */            \
    X(WIRE_NOTICE_EXPIRED, 1, "expired")     /* the term is over; frames stay until asked for */   \
    X(WIRE_NOTICE_AVAILABLE, 2, "available") /* there may be extra frames again */

/* What ASK_AVAILABILITY wants: one answer; an answer now and after each change; no more answers. */
#define WIRE_WATCHES(X)                                                                            \
    X(WIRE_WATCH_ASK, 0, "ask") X(WIRE_WATCH_ON, 1, "on") X(WIRE_WATCH_OFF, 2, "off")

/* Access rights as in L4, two bits; execute is not told apart. */
#define WIRE_RIGHTS(X)                                                                             \
    X(WIRE_RIGHT_NONE, 0, "none") X(WIRE_RIGHT_READ, 1, "read")                                    \
    X(WIRE_RIGHT_WRITE, 2, "write") X(WIRE_RIGHT_BOTH, 3, "both")

/* What MAP asks for: rights; `force` with the right to write makes a copy the slot's own page
 * first. */
#define WIRE_ACCESSES(X)                                                                           \
    X(WIRE_ACCESS_NONE, 0, "none") X(WIRE_ACCESS_READ, 1, "read")                                  \
    X(WIRE_ACCESS_WRITE, 2, "write") X(WIRE_ACCESS_BOTH, 3, "both")                                \
    X(WIRE_ACCESS_FORCE, 4, "force") X(WIRE_ACCESS_FORCE_READ, 5, "read, force")                   \
    X(WIRE_ACCESS_FORCE_WRITE, 6, "write, force") X(WIRE_ACCESS_FORCE_BOTH, 7, "both, force")

/* Which tasks a LIMIT is for: all, those of a user, those of a name, those of a user and a name. */
#define WIRE_WHOMS(X)                                                                              \
    X(WIRE_WHOM_ALL, 0, "all") X(WIRE_WHOM_USER, 1, "user") X(WIRE_WHOM_NAME, 2, "name")           \
    X(WIRE_WHOM_BOTH, 3, "both")

/* Whether a policy server has control: there was none, or it has given control back; there is one; it left, and its
 * last table or limits stand. */
#define WIRE_CONTROL_STATES(X)                                                                     \
    X(WIRE_CONTROL_NEVER, 0, "never") X(WIRE_CONTROL_HELD, 1, "held")                              \
    X(WIRE_CONTROL_LEFT, 2, "left")

/* What a path names at a file server. */
#define WIRE_FORMS(X)                                                                              \
    X(WIRE_FORM_FILE, 0, "file") X(WIRE_FORM_DIRECTORY, 1, "directory")

/* What becomes of the contents of a region's pages. */
#define WIRE_REGION_KINDS(X)                                                                       \
    X(WIRE_PRECIOUS, 0, "precious") X(WIRE_DISCARDABLE, 1, "discardable")                          \
    X(WIRE_REMANUFACTURABLE, 2, "remanufacturable") X(WIRE_KIND_UNKNOWN, 3, "unknown")

#define WIRE_BOOLEANS(X) X(WIRE_NO, 0, "no") X(WIRE_YES, 1, "yes")

/* Enumerations whose constants <selfpage/contract.h> declares. */
#define WIRE_KINDS(X)                                                                              \
    X(SP_GUARANTEED, 0, "guaranteed") X(SP_EXTRA, 1, "extra") X(SP_TIMED, 2, "timed")

#define WIRE_BREACHES(X)                                                                           \
    X(SP_BREACH_REVOKE, 0, "revoke") X(SP_BREACH_KILL, 1, "kill") X(SP_BREACH_WARN, 2, "warn")     \
    X(SP_BREACH_PENALTY, 3, "penalty") X(SP_BREACH_REPOSSESS, 4, "repossess")

#define WIRE_GRACE_UNITS(X)                                                                        \
    X(SP_GRACE_TIME, 0, "time") X(SP_GRACE_ALLOCATIONS, 1, "allocations")

#define WIRE_STATES(X)                                                                             \
    X(SP_CONTRACT_NONE, 0, "none") X(SP_CONTRACT_COUNTERED, 1, "countered")                        \
    X(SP_CONTRACT_ACTIVE, 2, "active") X(SP_CONTRACT_EXPIRED, 3, "expired")                        \
    X(SP_CONTRACT_RECALLED, 4, "recalled") X(SP_CONTRACT_CLOSED, 5, "closed")                      \
    X(SP_CONTRACT_BREACHED, 6, "breached")

#define WIRE_ANSWERS(X)                                                                            \
    X(SP_ACCEPTED, 0, "accepted") X(SP_COUNTERED, 1, "countered") X(SP_REFUSED, 2, "refused")

/* The names of reasons are sentences for people: see print_reason_text. */
#define WIRE_REASONS(X)                                                                            \
    X(SP_REASON_NONE, 0, "no reason")                                                              \
    X(SP_REASON_OVERCOMMITTED, 1, "the sum of guarantees would exceed the frames there are")       \
    X(SP_REASON_ZERO_TERM, 2, "a term of zero")                                                    \
    X(SP_REASON_ZERO_FRAMES, 3, "no frames asked for")                                             \
    X(SP_REASON_MIN_ABOVE_FRAMES, 4, "min is above the frames asked for")                          \
    X(SP_REASON_UNKNOWN_KIND, 5, "a kind or a punishment that physmem does not know or have")      \
    X(SP_REASON_LONG_TERM, 6, "the term or a grace is longer than physmem gives")                  \
    X(SP_REASON_ORDER, 7,                                                                          \
      "there are no blocks of that order, or the frames are not a whole number of them")              \
    X(SP_REASON_TOO_MANY, 8, "the task holds as many contracts as it may")                         \
    X(SP_REASON_RECALL_MISSED, 9, "a recall was not answered by its deadline")                     \
    X(SP_REASON_NOT_RECEIVING, 10, "the task does not receive what it is sent")                    \
    X(SP_REASON_OVERDRAFT, 11, "more memory was touched than the books allow")                     \
    X(SP_REASON_UNMAP_MISSED, 12, "an unmap was not answered by its deadline")                     \
    X(SP_REASON_ADMINISTRATOR, 13, "asked for by the administrator")                               \
    X(SP_REASON_PART, 14,                                                                          \
      "a part has the term of the contract it was split off from, and cannot grow")                \
    X(SP_REASON_PART_CLAIMED, 15, "the part was claimed")                                          \
    X(SP_REASON_PART_RETURNED, 16, "the part has come back")                                       \
    X(SP_REASON_REABSORBED, 17, "reabsorbed by the task that split it off")                        \
    X(SP_REASON_ABOVE_ENDED, 18, "the contract that this was split off from has ended")            \
    X(SP_REASON_NOT_ENTITLED, 19, "more than limits or the arbiter leave the task")    \
    X(SP_REASON_UPSTREAM, 20, "the physmem above has taken memory back, or has ended")

/* All lists. X(enum, list): their constants are declared by message.h. */
#define WIRE_ENUMS(X)                                                                              \
    X(wire_role, WIRE_ROLES)                                                                       \
    X(wire_notice_kind, WIRE_NOTICES)                                                              \
    X(wire_watch, WIRE_WATCHES)                                                                    \
    X(wire_access, WIRE_ACCESSES)                                                                  \
    X(wire_right, WIRE_RIGHTS)                                                                     \
    X(wire_whom, WIRE_WHOMS)                                                                       \
    X(wire_control_state, WIRE_CONTROL_STATES)                                                     \
    X(wire_region_kind, WIRE_REGION_KINDS)                                                         \
    X(wire_form, WIRE_FORMS)                                                                       \
    X(wire_boolean, WIRE_BOOLEANS)

/* X(number of constants, list): <selfpage/contract.h> declares them. */
#define WIRE_PUBLIC_ENUMS(X)                                                                       \
    X(SP_CONTRACT_KINDS, WIRE_KINDS)                                                               \
    X(SP_BREACH_ACTIONS, WIRE_BREACHES)                                                            \
    X(SP_GRACE_UNITS, WIRE_GRACE_UNITS)                                                            \
    X(SP_CONTRACT_STATES, WIRE_STATES)                                                             \
    X(SP_ANSWERS, WIRE_ANSWERS)                                                                    \
    X(SP_REASONS, WIRE_REASONS)

/* How many values a list has: those below it are legal. */
#define WIRE_COUNT(LIST)                      (0u LIST(WIRE_COUNT_ONE))
#define WIRE_COUNT_ONE(constant, value, name) +1u

/* ALLOCATE.flags */
#define WIRE_ALLOCATE_PARTIAL 1u /* fewer than asked for is success */
#define WIRE_ALLOCATE_SQUASH  2u /* drop what the slots hold instead of EEXIST */
#define WIRE_ALLOCATE_EXTRA   4u /* may go beyond the guarantee */
#define WIRE_ALLOCATE_ZERO    8u /* contents must be zeros */
#define WIRE_ALLOCATE_FLAGS   16u

/* FILE_OPEN_AS.flags; without WRITING none of the others is legal. */
#define WIRE_FILE_WRITING    1u /* the file will be written, or read */
#define WIRE_FILE_CREATE     2u /* make it if it is not there */
#define WIRE_FILE_EXCLUSIVE  4u /* with CREATE: EEXIST if it is there */
#define WIRE_FILE_TRUNCATE   8u /* it is empty then */
#define WIRE_FILE_OPEN_FLAGS 16u

/* FIELDS. F(type, name): a number. E(name, LIST): a u8, one of an enumeration. S(name, size): a
 * string. L(element, name, limit): a list. A field has one meaning. */

/* Elements of lists. */
#define WIRE_RANGE_FIELDS(F, E) F(u32, start) F(u32, count)

/* A piece of a mapping: `count` slots from `slot` on lie in the extent from page `offset` on. */
#define WIRE_MAP_FIELDS(F, E)                                                                      \
    F(u32, slot) F(u32, count) F(u32, extent) F(u32, offset) E(rights, WIRE_RIGHTS)

/* `count` slots to copy from one container to another, or within one. */
#define WIRE_PIECE_FIELDS(F, E) F(u32, from) F(u32, to) F(u32, count)

/* A page in a client's extent. */
#define WIRE_PLACE_FIELDS(F, E) F(u32, extent) F(u32, offset)

/* A swap slot, and the place in a client's extent to which its contents must go. */
#define WIRE_LOADING_FIELDS(F, E) F(u32, slot) F(u32, extent) F(u32, offset)

/* A swap slot, or why there is none: error is 0 or a positive errno value. `checksum`: XXH3 of the page, 64
 * bits. */
#define WIRE_STORED_SLOT_FIELDS(F, E) F(u32, slot) F(u32, error) F(u64, checksum)

#define WIRE_NUMBER_FIELDS(F, E) F(u32, value)

/* One contract's terms (struct sp_terms). */
#define WIRE_TERMS(F, E)                                                                           \
    E(kind, WIRE_KINDS) E(on_breach, WIRE_BREACHES) E(grace_unit, WIRE_GRACE_UNITS)                \
    F(u8, order) F(u32, min) F(u32, frames) F(u32, weight) F(u64, term_ns) F(u64, t_clean)         \
    F(u64, t_drop) F(u64, bid)

/* A contract as it stands. `left_ns` of its term; `kept` frames are no longer promised, and the task may keep
 * them until asked: of these, `recalling` were. `parts` were split off and have not come back. */
#define WIRE_AGREEMENT_FIELDS(F, E)                                                                \
    F(u32, contract) E(state, WIRE_STATES) F(u64, left_ns) F(u32, kept) F(u32, recalling)          \
    F(u32, parts) WIRE_TERMS(F, E)

/* A recall that is not met; `left_ns` until its deadline, which may be a second one. */
#define WIRE_DEBT_FIELDS(F, E)                                                                     \
    F(u64, id) F(u32, asked) F(u32, missing) F(u64, left_ns) E(overdue, WIRE_BOOLEANS)

/* A container, its slots with frames, those with soft ones, and the weak references of other tasks. */
#define WIRE_HOLDING_FIELDS(F, E)                                                                  \
    F(u32, container) F(u32, slots) F(u32, allocated) F(u32, soft) F(u32, shares)                  \
    E(locked, WIRE_BOOLEANS) F(u64, version)

/* A region, as the task says: any numbers. */
#define WIRE_REGION_FIELDS(F, E)                                                                   \
    F(u64, address) F(u32, pages) F(u32, resident) E(kind, WIRE_REGION_KINDS)

/* X(name, FIELDS): element types. */
#define WIRE_ELEMENTS(X)                                                                           \
    X(range, WIRE_RANGE_FIELDS)                                                                    \
    X(map, WIRE_MAP_FIELDS)                                                                        \
    X(piece, WIRE_PIECE_FIELDS)                                                                    \
    X(place, WIRE_PLACE_FIELDS)                                                                    \
    X(loading, WIRE_LOADING_FIELDS)                                                                \
    X(stored_slot, WIRE_STORED_SLOT_FIELDS)                                                        \
    X(number, WIRE_NUMBER_FIELDS)                                                                  \
    X(agreement, WIRE_AGREEMENT_FIELDS)                                                            \
    X(debt, WIRE_DEBT_FIELDS)                                                                      \
    X(holding, WIRE_HOLDING_FIELDS)                                                                \
    X(region, WIRE_REGION_FIELDS)

/* Bodies. */

#define WIRE_HELLO_FIELDS(F, E, S, L)                                                              \
    F(u32, version) E(role, WIRE_ROLES) F(u32, id) F(u64, key) S(name, WIRE_NAME)
#define WIRE_WELCOME_FIELDS(F, E, S, L)                                                            \
    F(u32, version) F(u32, id) F(u64, key) F(u32, page_size) F(u32, total) F(u32, available)
/* The reply to a request that failed (header.error says why), or that has no reply of its own. */
#define WIRE_DONE_FIELDS(F, E, S, L)  F(u32, count) S(text, WIRE_TEXT)

/* To physmem. */
#define WIRE_PROPOSE_FIELDS(F, E, S, L)           WIRE_TERMS(F, E)
#define WIRE_ACCEPT_FIELDS(F, E, S, L)            F(u32, contract)
#define WIRE_RENEW_FIELDS(F, E, S, L)             F(u32, contract) F(u64, term_ns)
#define WIRE_CLOSE_FIELDS(F, E, S, L)             F(u32, contract)
#define WIRE_OFFER_FIELDS(F, E, S, L)                                                              \
    E(answer, WIRE_ANSWERS) E(reason, WIRE_REASONS) E(state, WIRE_STATES) F(u32, contract)         \
    F(u64, retry_ns) WIRE_TERMS(F, E) F(u32, change)
/* Ask that a contract have `frames` frames in all. */
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
    F(u32, container) F(u32, start) F(u32, count) F(u8, flags) F(u8, order) F(u32, ceiling)
/* count slots from start now have frames. zeroed: none has been used since it was last cleared. Instead, DONE with ENXIO: the
 * memory of the first slot was taken by force, and comes back when all frames that are left in its extent have been given up. */
#define WIRE_ALLOCATED_FIELDS(F, E, S, L)         F(u32, count) E(zeroed, WIRE_BOOLEANS)
#define WIRE_SLOTS_FIELDS(F, E, S, L)             F(u32, container) L(range, ranges, WIRE_RANGES)
#define WIRE_MAP_REQUEST_FIELDS(F, E, S, L)                                                        \
    F(u32, container) F(u32, start) F(u32, count) E(rights, WIRE_ACCESSES)
#define WIRE_MAPPED_FIELDS(F, E, S, L)            L(map, items, WIRE_MAPS)
/* Logical copies: at most 256 slots. DONE counts the slots, or before an error those that come
 * before the failing one; nothing is copied then. */
#define WIRE_COPY_REQUEST_FIELDS(F, E, S, L)                                                       \
    F(u32, from) F(u32, to) L(piece, pieces, WIRE_PIECES)
/* Weak references: core/physmem/shares.h. `task` 0: any task that shows the token of SHARED. */
#define WIRE_SHARE_FIELDS(F, E, S, L)                                                              \
    F(u32, container) F(u32, task) E(rights, WIRE_RIGHTS) F(u64, lock_ns)
#define WIRE_SHARED_FIELDS(F, E, S, L)                                                             \
    F(u32, container) F(u32, share) F(u64, token) F(u64, version)
#define WIRE_ADOPT_FIELDS(F, E, S, L)             F(u32, container) F(u64, token)
#define WIRE_ADOPTED_FIELDS(F, E, S, L)                                                            \
    F(u32, container) F(u32, owner) F(u32, slots) E(rights, WIRE_RIGHTS) F(u64, lock_ns)           \
    F(u64, version)
/* `share` 0: all. */
#define WIRE_REVOKE_SHARE_FIELDS(F, E, S, L)      F(u32, container) F(u32, share)
#define WIRE_LOCK_FIELDS(F, E, S, L)                                                               \
    F(u32, container) F(u64, lock_ns) E(unmap, WIRE_BOOLEANS)
/* `lock_ns`: until the lock ends, which the task `locker` has; 0: there is none. */
#define WIRE_VERSION_FIELDS(F, E, S, L)           F(u64, version) F(u64, lock_ns) F(u32, locker)
#define WIRE_CONTAINER_ONLY_FIELDS(F, E, S, L)    F(u32, container)
/* `count` slots give their frames up, and as many others get some. */
#define WIRE_EXCHANGE_FIELDS(F, E, S, L)                                                           \
    F(u32, from) F(u32, to) F(u32, from_start) F(u32, to_start) F(u32, count)
#define WIRE_FD_FIELDS(F, E, S, L)                F(u32, extent) F(u32, pages)
/* `places` of the stack at least; in STACK those that it has: see shm/frame_stack.h. */
#define WIRE_STACK_OPEN_FIELDS(F, E, S, L)        F(u32, container) F(u32, places)
#define WIRE_STACK_FIELDS(F, E, S, L)             F(u32, places)

/* Pages of at most 64 slots to swap, and back: core/physmem/swap.h. A page in swap has a number; 0: none. */
#define WIRE_SWAP_OUT_FIELDS(F, E, S, L)          F(u32, container) F(u32, start) F(u32, count)
#define WIRE_SWAP_IN_FIELDS(F, E, S, L)                                                            \
    F(u32, container) F(u32, start) L(number, pages, WIRE_BATCH)
#define WIRE_SWAP_DROP_FIELDS(F, E, S, L)         L(number, pages, WIRE_BATCH)
/* The numbers of the slots' pages; after an error of SWAP_IN those that are still in swap. */
#define WIRE_SWAPPED_FIELDS(F, E, S, L)           L(number, pages, WIRE_BATCH)

/* From physmem, over the control connection. */
#define WIRE_RECALL_FIELDS(F, E, S, L)                                                             \
    F(u64, id) F(u32, frames) E(may_clean, WIRE_BOOLEANS) E(grace_unit, WIRE_GRACE_UNITS)          \
    F(u64, grace)
#define WIRE_UNMAP_FIELDS(F, E, S, L)                                                              \
    F(u64, id) F(u64, grace_ns) F(u32, container) E(rights, WIRE_RIGHTS)                           \
    L(range, ranges, WIRE_RANGES)
/* To physmem: how many of the pages had been referenced, and written, since they were mapped. */
#define WIRE_UNMAPPED_FIELDS(F, E, S, L)          F(u64, id) F(u32, referenced) F(u32, dirty)
#define WIRE_NOTICE_FIELDS(F, E, S, L)                                                             \
    E(what, WIRE_NOTICES) F(u32, contract) F(u32, guaranteed) F(u32, extra) F(u32, change)
/* How much the task could have, and how many frames physmem is short of. `hysteresis`: frames by
 * which that must change before physmem tells the task. AVAILABILITY is the answer; or, with seq 0
 * over the control connection, a change: the next change comes after the task has sent
 * AVAILABILITY_HEARD. */
#define WIRE_ASK_AVAILABILITY_FIELDS(F, E, S, L)  E(watch, WIRE_WATCHES) F(u32, hysteresis)
#define WIRE_AVAILABILITY_FIELDS(F, E, S, L)                                                       \
    F(u32, available) F(u32, held) F(u32, promised) F(u32, pressure)
#define WIRE_AVAILABILITY_HEARD_FIELDS(F, E, S, L) F(u32, available)
/* A contract has changed, not by a request about it. `change` counts the changes, here and in OFFER,
 * PART and NOTICE: of two messages that overtook each other, the higher is newer. `part`: a part of the
 * contract that was claimed or has come back; 0: none. */
#define WIRE_CHANGED_FIELDS(F, E, S, L)                                                            \
    F(u32, contract) F(u32, part) F(u32, frames) F(u32, change) E(state, WIRE_STATES)              \
    E(why, WIRE_REASONS)
/* The task missed a recall's deadline, and gets another: physmem permits `left` more misses. */
#define WIRE_WARNED_FIELDS(F, E, S, L)                                                             \
    F(u64, id) F(u32, missing) F(u32, left) F(u64, charged) E(grace_unit, WIRE_GRACE_UNITS)        \
    F(u64, grace)
/* These slots, which had frames, have none any more: physmem took them, after a recall was missed.
 * Recalled frames that are owed are fewer by `frames`, as far as so many are owed. */
#define WIRE_REPOSSESSED_FIELDS(F, E, S, L)                                                        \
    F(u64, id) F(u32, container) F(u32, frames) L(range, ranges, WIRE_RANGES)
#define WIRE_REVOKED_FIELDS(F, E, S, L)           E(reason, WIRE_REASONS) S(text, WIRE_TEXT)

/* For observers and administrators. */
#define WIRE_STATUS_REQUEST_FIELDS(F, E, S, L)    F(u32, after)
#define WIRE_RECALL_REQUEST_FIELDS(F, E, S, L)    F(u32, frames) S(name, WIRE_NAME)
/* Counters: the rows of selfpage/counters.h. F and E get the unit and the meaning, too. */
#define WIRE_PHYSMEM_STATUS_FIELDS(F, E, S, L)    SP_PHYSMEM_STATUS(F, E)
/* Tasks in ascending order of id, those above STATUS_REQUEST.after; the dead ones stay listed. */
#define WIRE_TASK_STATUS_ENTRY_FIELDS(F, E, S, L)                                                  \
    S(name, WIRE_NAME) SP_TASK_STATUS(F, E)
/* What one task has; `containers` in all, of which the last ones made are listed, and `regions_in_all`, as it says. */
#define WIRE_TASK_DETAIL_REQUEST_FIELDS(F, E, S, L) F(u32, task)
#define WIRE_TASK_DETAIL_FIELDS(F, E, S, L)                                                        \
    F(u32, task) F(u32, containers) L(agreement, contracts, WIRE_AGREEMENTS)                       \
    L(debt, recalls, WIRE_DEBTS) L(holding, holdings, WIRE_HOLDINGS)                               \
    F(u32, regions_in_all) L(region, regions, WIRE_REGIONS)

/* To the policy server and back. */
/* `wait`: until the policy server that has control hands it over. */
#define WIRE_GET_CONTROL_FIELDS(F, E, S, L)       E(wait, WIRE_BOOLEANS)
#define WIRE_TABLE_FIELDS(F, E, S, L)             F(u32, rows)
#define WIRE_SUCCESSOR_FIELDS(F, E, S, L)         F(u32, pid)
#define WIRE_LIMIT_FIELDS(F, E, S, L)                                                              \
    E(whom, WIRE_WHOMS) F(u32, uid) F(u32, guaranteed) F(u32, extra) F(u32, weight)                \
    F(u32, priority) S(name, WIRE_NAME)
/* What clients of swap may have, as core/contracts/limit.h has it; what says nothing is UINT32_MAX, or 0 for bandwidth. */
#define WIRE_SWAP_LIMIT_FIELDS(F, E, S, L)                                                         \
    E(whom, WIRE_WHOMS) F(u32, uid) F(u32, slots) F(u32, shares) F(u32, rate)                      \
    E(extra, WIRE_BOOLEANS) S(name, WIRE_NAME)
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
/* From now on the client's slots are to lie in a file of its own, which it can read itself; only a client that
 * has reserved nothing can ask. The descriptor is for reading only: slot n is the page n of `page_size` bytes.
 * `direct`: reads go around the page cache, and have to be of whole pages, to whole pages. */
#define WIRE_OWN_FILE_OPEN_FIELDS(F, E, S, L)     F(u32, page_size)
#define WIRE_OWN_FILE_FIELDS(F, E, S, L)          E(direct, WIRE_BOOLEANS)
/* The client has loaded so many pages by itself, with so many reads, since it last said so. */
#define WIRE_OWN_LOADS_FIELDS(F, E, S, L)         F(u32, pages) F(u32, reads)
/* The client's contract for paging bandwidth, in the place of an older one: see core/swap/bandwidth.h. */
#define WIRE_BANDWIDTH_FIELDS(F, E, S, L)         F(u32, shares) F(u32, rate) E(extra, WIRE_BOOLEANS)
/* The client, which has reserved nothing yet, is to count for this user: for another one than its own only from root and
 * from the server's own user. A device that is kept does not remember it. */
#define WIRE_ACCOUNT_FIELDS(F, E, S, L)           F(u32, uid)
#define WIRE_SWAP_STATUS_FIELDS(F, E, S, L)       SP_SWAP_STATUS(F, E)

/* To a file server and back: see selfpage/file.h. A path is any bytes but NUL, four in a word, the first one in
 * its lowest bits. */
#define WIRE_FILE_OPEN_FIELDS(F, E, S, L)         F(u32, bytes) L(number, path, WIRE_PATH_WORDS)
#define WIRE_FILE_OPENED_FIELDS(F, E, S, L)       F(u32, file) E(form, WIRE_FORMS) F(u64, size)
/* The container that the client wants to have filled; it is shared by this token, not with the server by its number. */
#define WIRE_FILE_BUFFER_FIELDS(F, E, S, L)       F(u32, container) F(u64, token)
/* 16 pages of the file from `page`, a multiple of 16, to as many slots from `slot`. */
#define WIRE_FILE_READ_FIELDS(F, E, S, L)         F(u32, file) F(u32, page) F(u32, slot)
/* So many bytes of the file came, or went; its size is now. */
#define WIRE_FILE_DATA_FIELDS(F, E, S, L)         F(u32, bytes) F(u64, size)
#define WIRE_FILE_CLOSE_FIELDS(F, E, S, L)        F(u32, file)
#define WIRE_FILE_OPEN_AS_FIELDS(F, E, S, L)                                                       \
    F(u32, bytes) F(u8, flags) L(number, path, WIRE_PATH_WORDS)
/* Bytes `first` to first + bytes - 1 of 16 slots from `slot` to the same place in 16 pages of the file from
 * `page`, a multiple of 16. */
#define WIRE_FILE_WRITE_FIELDS(F, E, S, L)                                                         \
    F(u32, file) F(u32, page) F(u32, slot) F(u32, first) F(u32, bytes)
/* `count` pages of the file from `page`, all of one chunk of 16, to as many slots from `slot`. */
#define WIRE_FILE_FILL_FIELDS(F, E, S, L)                                                          \
    F(u32, file) F(u32, page) F(u32, slot) F(u32, count)
#define WIRE_FILE_SYNC_FIELDS(F, E, S, L)         F(u32, file)
/* Where the first hole of the file is from `offset` on; the file's size, if there is none. */
#define WIRE_FILE_SEEK_HOLE_FIELDS(F, E, S, L)    F(u32, file) F(u64, offset)
#define WIRE_FILE_HOLE_FIELDS(F, E, S, L)         F(u64, offset)
#define WIRE_FILES_STATUS_FIELDS(F, E, S, L)      SP_FILESERVER_STATUS(F, E)

/* WHO SENDS A MESSAGE. Bits. A server closes a connection over which anything else comes. */
#define WIRE_BY_TASK     1u  /* a task, over its request connection to physmem */
#define WIRE_BY_CONTROL  2u  /* a task, over its control connection to physmem */
#define WIRE_BY_OBSERVER 4u  /* an observer of physmem */
#define WIRE_BY_POLICY   8u  /* a policy server, to physmem */
#define WIRE_BY_SWAPPER  16u /* a client of swap with role TASK */
#define WIRE_BY_READER   32u /* an observer of swap */
#define WIRE_BY_PHYSMEM  64u
#define WIRE_BY_SWAP     128u
#define WIRE_BY_FILER    256u /* a client of a file server */
#define WIRE_BY_FILES    512u /* a file server */
#define WIRE_BY_LOOKER   1024u /* an observer of a file server */
#define WIRE_BY_SHARER   2048u /* a policy server, to swap */

#define WIRE_BY_TASK_OR_CONTROL (WIRE_BY_TASK | WIRE_BY_CONTROL)
#define WIRE_BY_ASKERS (WIRE_BY_TASK | WIRE_BY_OBSERVER | WIRE_BY_SWAPPER | WIRE_BY_READER | WIRE_BY_LOOKER)
#define WIRE_BY_POLICIES (WIRE_BY_POLICY | WIRE_BY_SHARER)
#define WIRE_BY_CLIENTS (WIRE_BY_ASKERS | WIRE_BY_CONTROL | WIRE_BY_POLICIES | WIRE_BY_FILER)
#define WIRE_BY_CONTROLLED (WIRE_BY_PHYSMEM | WIRE_BY_SWAP)
#define WIRE_BY_SERVERS (WIRE_BY_PHYSMEM | WIRE_BY_SWAP | WIRE_BY_FILES)

/* X(NAME, name, type number, descriptors, senders, FIELDS). The comment behind a request names the
 * message that answers it. */
#define WIRE_MESSAGES(X)                                                                           \
    X(HELLO, hello, 1, 0, CLIENTS, WIRE_HELLO_FIELDS)          /* -> WELCOME */                    \
    X(WELCOME, welcome, 2, 0, SERVERS, WIRE_WELCOME_FIELDS)                                        \
    X(DONE, done, 3, 0, SERVERS, WIRE_DONE_FIELDS)                                                 \
    X(PROPOSE, propose, 10, 0, TASK, WIRE_PROPOSE_FIELDS)      /* -> OFFER */                      \
    X(ACCEPT, accept, 11, 0, TASK, WIRE_ACCEPT_FIELDS)         /* -> OFFER */                      \
    X(RENEW, renew, 12, 0, TASK, WIRE_RENEW_FIELDS)            /* -> OFFER */                      \
    X(CLOSE, close, 13, 0, TASK, WIRE_CLOSE_FIELDS)            /* -> DONE */                       \
    X(OFFER, offer, 14, 0, PHYSMEM, WIRE_OFFER_FIELDS)                                             \
    X(RESIZE, resize, 15, 0, TASK, WIRE_RESIZE_FIELDS)         /* -> OFFER */                      \
    X(SPLIT, split, 16, 0, TASK, WIRE_SPLIT_FIELDS)            /* -> PART */                       \
    X(PART, part, 17, 0, PHYSMEM, WIRE_PART_FIELDS)                                                \
    X(CLAIM, claim, 18, 0, TASK, WIRE_CLAIM_FIELDS)            /* -> OFFER */                      \
    X(REABSORB, reabsorb, 19, 0, TASK, WIRE_REABSORB_FIELDS)   /* -> OFFER: the contract above */  \
    /* -> CONTAINER */                                                                             \
    X(CONTAINER_CREATE, container_create, 20, 0, TASK, WIRE_CONTAINER_CREATE_FIELDS)               \
    X(CONTAINER, container, 21, 0, PHYSMEM, WIRE_CONTAINER_FIELDS)                                 \
    /* -> DONE */                                                                                  \
    X(CONTAINER_DESTROY, container_destroy, 22, 0, TASK, WIRE_CONTAINER_DESTROY_FIELDS)            \
    X(ALLOCATE, allocate, 23, 0, TASK, WIRE_ALLOCATE_FIELDS)   /* -> ALLOCATED */                  \
    X(ALLOCATED, allocated, 24, 0, PHYSMEM, WIRE_ALLOCATED_FIELDS)                                 \
    /* -> DONE, frames go to the pool */                                                           \
    X(DEALLOCATE, deallocate, 25, 0, TASK_OR_CONTROL, WIRE_SLOTS_FIELDS)                           \
    /* -> DONE, contents kept until reuse */                                                       \
    X(RELEASE, release, 26, 0, TASK_OR_CONTROL, WIRE_SLOTS_FIELDS)                                 \
    /* -> DONE: ENOENT reused, ENOMEM */                                                           \
    X(RECOVER, recover, 27, 0, TASK, WIRE_SLOTS_FIELDS)                                            \
    /* -> DONE: slots keep their frames, and copies of them the data */                            \
    X(ORPHAN, orphan, 32, 0, TASK, WIRE_SLOTS_FIELDS)                                              \
    X(MAP, map, 28, 0, TASK, WIRE_MAP_REQUEST_FIELDS)          /* -> EXTENT once each, MAPPED */   \
    X(MAPPED, mapped, 29, 0, PHYSMEM, WIRE_MAPPED_FIELDS)                                          \
    /* comes before the MAPPED naming it */                                                        \
    X(EXTENT, extent, 30, 1, PHYSMEM, WIRE_FD_FIELDS)                                              \
    /* -> DONE: the task gives up rights */                                                        \
    X(UNMAP_OWN, unmap_own, 31, 0, TASK_OR_CONTROL, WIRE_SLOTS_FIELDS)                             \
    X(COPY, copy, 35, 0, TASK, WIRE_COPY_REQUEST_FIELDS)       /* -> DONE */                       \
    X(SHARE, share, 104, 0, TASK, WIRE_SHARE_FIELDS)           /* -> SHARED */                     \
    X(SHARED, shared, 105, 0, PHYSMEM, WIRE_SHARED_FIELDS)                                         \
    X(ADOPT, adopt, 106, 0, TASK, WIRE_ADOPT_FIELDS)           /* -> ADOPTED */                    \
    X(ADOPTED, adopted, 107, 0, PHYSMEM, WIRE_ADOPTED_FIELDS)                                      \
    /* -> VERSION_IS */                                                                            \
    X(REVOKE_SHARE, revoke_share, 108, 0, TASK, WIRE_REVOKE_SHARE_FIELDS)                          \
    X(DROP_SHARE, drop_share, 109, 0, TASK, WIRE_CONTAINER_ONLY_FIELDS)  /* -> DONE */             \
    X(LOCK, lock, 110, 0, TASK, WIRE_LOCK_FIELDS)              /* -> VERSION_IS */                 \
    X(UNLOCK, unlock, 111, 0, TASK, WIRE_CONTAINER_ONLY_FIELDS)          /* -> VERSION_IS */       \
    X(ASK_VERSION, ask_version, 112, 0, TASK, WIRE_CONTAINER_ONLY_FIELDS) /* -> VERSION_IS */      \
    X(VERSION_IS, version_is, 113, 0, PHYSMEM, WIRE_VERSION_FIELDS)                                \
    /* -> SWAPPED, or DONE: why not */                                                             \
    X(SWAP_OUT, swap_out, 114, 0, TASK_OR_CONTROL, WIRE_SWAP_OUT_FIELDS)                           \
    X(SWAP_IN, swap_in, 115, 0, TASK, WIRE_SWAP_IN_FIELDS)     /* -> SWAPPED, or DONE: why not */  \
    X(SWAP_DROP, swap_drop, 116, 0, TASK, WIRE_SWAP_DROP_FIELDS) /* -> DONE */                     \
    X(SWAPPED, swapped, 117, 0, PHYSMEM, WIRE_SWAPPED_FIELDS)                                      \
    X(STACK_OPEN, stack_open, 33, 0, TASK, WIRE_STACK_OPEN_FIELDS) /* -> STACK, DONE */            \
    X(STACK, stack, 34, 1, PHYSMEM, WIRE_STACK_FIELDS)         /* comes before the DONE */         \
    /* the task answers by DEALLOCATE */                                                           \
    X(RECALL, recall, 40, 0, PHYSMEM, WIRE_RECALL_FIELDS)                                          \
    X(UNMAP, unmap, 41, 0, PHYSMEM, WIRE_UNMAP_FIELDS)         /* -> UNMAPPED */                   \
    X(UNMAPPED, unmapped, 42, 0, CONTROL, WIRE_UNMAPPED_FIELDS)                                    \
    X(NOTICE, notice, 43, 0, PHYSMEM, WIRE_NOTICE_FIELDS)                                          \
    X(REVOKED, revoked, 44, 0, PHYSMEM, WIRE_REVOKED_FIELDS)                                       \
    /* -> AVAILABILITY */                                                                          \
    X(ASK_AVAILABILITY, ask_availability, 45, 0, TASK, WIRE_ASK_AVAILABILITY_FIELDS)               \
    /* -> AVAILABILITY_HEARD */                                                                    \
    X(AVAILABILITY, availability, 46, 0, PHYSMEM, WIRE_AVAILABILITY_FIELDS)                        \
    X(AVAILABILITY_HEARD, availability_heard, 47, 0, CONTROL, WIRE_AVAILABILITY_HEARD_FIELDS)      \
    X(STATUS, status, 50, 0, ASKERS, WIRE_STATUS_REQUEST_FIELDS) /* -> TASK_STATUS*, *_STATUS */   \
    X(PHYSMEM_STATUS, physmem_status, 51, 0, PHYSMEM, WIRE_PHYSMEM_STATUS_FIELDS)                  \
    X(TASK_STATUS, task_status, 52, 0, PHYSMEM, WIRE_TASK_STATUS_ENTRY_FIELDS)                     \
    X(SWAP_STATUS, swap_status, 53, 0, SWAP, WIRE_SWAP_STATUS_FIELDS)                              \
    X(RECALL_TASK, recall_task, 54, 0, OBSERVER, WIRE_RECALL_REQUEST_FIELDS) /* -> DONE */         \
    /* -> TASK_DETAIL, or DONE: ENOENT */                                                          \
    X(ASK_TASK_DETAIL, ask_task_detail, 58, 0, OBSERVER, WIRE_TASK_DETAIL_REQUEST_FIELDS)          \
    X(TASK_DETAIL, task_detail, 59, 0, PHYSMEM, WIRE_TASK_DETAIL_FIELDS)                           \
    /* -> OWN_FILE, DONE; or DONE: the slots lie with those of others */                           \
    X(OWN_FILE_OPEN, own_file_open, 55, 0, SWAPPER, WIRE_OWN_FILE_OPEN_FIELDS)                     \
    /* comes before the DONE */                                                                    \
    X(OWN_FILE, own_file, 56, 1, SWAP, WIRE_OWN_FILE_FIELDS)                                       \
    X(OWN_LOADS, own_loads, 57, 0, SWAPPER, WIRE_OWN_LOADS_FIELDS)                                 \
    /* -> DONE: swap may read and fill it */                                                       \
    X(GIVE_EXTENT, give_extent, 60, 1, SWAPPER, WIRE_FD_FIELDS)                                    \
    X(FORGET_EXTENT, forget_extent, 61, 0, SWAPPER, WIRE_FORGET_FIELDS) /* -> DONE */              \
    X(RESERVE, reserve, 62, 0, SWAPPER, WIRE_RESERVE_FIELDS)   /* -> RESERVED */                   \
    X(RESERVED, reserved, 63, 0, SWAP, WIRE_RESERVED_FIELDS)                                       \
    X(STORE, store, 64, 0, SWAPPER, WIRE_STORE_FIELDS)         /* -> STORED */                     \
    X(STORED, stored, 65, 0, SWAP, WIRE_STORED_FIELDS)                                             \
    X(LOAD, load, 66, 0, SWAPPER, WIRE_LOAD_FIELDS)            /* -> LOADED */                     \
    X(LOADED, loaded, 67, 0, SWAP, WIRE_LOADED_FIELDS)                                             \
    X(BANDWIDTH, bandwidth, 69, 0, SWAPPER, WIRE_BANDWIDTH_FIELDS) /* -> DONE */                    \
    X(ACCOUNT, account, 118, 0, SWAPPER, WIRE_ACCOUNT_FIELDS)  /* -> DONE */                       \
    X(FREE, free, 68, 0, SWAPPER, WIRE_FREE_FIELDS)            /* -> DONE if seq is not 0 */       \
    /* -> CONTROL; from swap DONE; or DONE: EBUSY */                                               \
    X(GET_CONTROL, get_control, 70, 0, POLICIES, WIRE_GET_CONTROL_FIELDS)                          \
    /* the table; again when it moves */                                                           \
    X(CONTROL, control, 71, 1, PHYSMEM, WIRE_TABLE_FIELDS)                                         \
    X(SUCCESSOR, successor, 72, 0, CONTROLLED, WIRE_SUCCESSOR_FIELDS) /* to the holder: it waits */ \
    /* -> DONE, and control is gone */                                                             \
    X(HAND_OVER, hand_over, 73, 0, POLICIES, WIRE_SUCCESSOR_FIELDS)                                \
    X(LIMIT, limit, 74, 0, POLICY, WIRE_LIMIT_FIELDS)          /* one of a set */                  \
    X(SWAP_LIMIT, swap_limit, 119, 0, SHARER, WIRE_SWAP_LIMIT_FIELDS) /* one of a set */           \
    /* -> DONE: the set holds from now on */                                                       \
    X(LIMITS, limits, 75, 0, POLICIES, WIRE_LIMITS_FIELDS)                                         \
    X(ENTITLED, entitled, 76, 0, POLICY, WIRE_ENTITLED_FIELDS) /* the table has been looked at */  \
    X(RING, ring, 77, 0, PHYSMEM, WIRE_RING_FIELDS)            /* ENTITLED answers */              \
    X(FILE_OPEN, file_open, 120, 0, FILER, WIRE_FILE_OPEN_FIELDS)      /* -> FILE_OPENED */        \
    X(FILE_OPENED, file_opened, 121, 0, FILES, WIRE_FILE_OPENED_FIELDS)                            \
    X(FILE_BUFFER, file_buffer, 122, 0, FILER, WIRE_FILE_BUFFER_FIELDS) /* -> DONE */              \
    X(FILE_READ, file_read, 123, 0, FILER, WIRE_FILE_READ_FIELDS)      /* -> FILE_DATA */          \
    X(FILE_DATA, file_data, 124, 0, FILES, WIRE_FILE_DATA_FIELDS)                                  \
    X(FILE_CLOSE, file_close, 125, 0, FILER, WIRE_FILE_CLOSE_FIELDS)   /* -> DONE */               \
    X(FILES_STATUS, files_status, 126, 0, FILES, WIRE_FILES_STATUS_FIELDS)                         \
    X(FILE_OPEN_AS, file_open_as, 127, 0, FILER, WIRE_FILE_OPEN_AS_FIELDS) /* -> FILE_OPENED */    \
    X(FILE_WRITE, file_write, 128, 0, FILER, WIRE_FILE_WRITE_FIELDS)   /* -> FILE_DATA */          \
    X(FILE_SYNC, file_sync, 129, 0, FILER, WIRE_FILE_SYNC_FIELDS)      /* -> DONE */               \
    X(FILE_FILL, file_fill, 130, 0, FILER, WIRE_FILE_FILL_FIELDS)      /* -> FILE_DATA */          \
    X(FILE_SEEK_HOLE, file_seek_hole, 131, 0, FILER, WIRE_FILE_SEEK_HOLE_FIELDS) /* -> FILE_HOLE */ \
    X(FILE_HOLE, file_hole, 132, 0, FILES, WIRE_FILE_HOLE_FIELDS)                                  \
    X(CHANGED, changed, 100, 0, PHYSMEM, WIRE_CHANGED_FIELDS)                                      \
    X(WARNED, warned, 101, 0, PHYSMEM, WIRE_WARNED_FIELDS)                                         \
    X(REPOSSESSED, repossessed, 102, 0, PHYSMEM, WIRE_REPOSSESSED_FIELDS)                          \
    /* -> DONE: all vital slots there */                                                           \
    X(VITAL, vital, 103, 0, TASK_OR_CONTROL, WIRE_SLOTS_FIELDS)                                    \
    X(EXCHANGE, exchange, 36, 0, TASK, WIRE_EXCHANGE_FIELDS)   /* -> ALLOCATED */

/* clang-format on */

#endif
