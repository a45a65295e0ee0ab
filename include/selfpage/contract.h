/* Selfpage: contracts for memory: what a task asks of physmem, and what physmem answers.
 *
 * After N. Walfield's design for the GNU Hurd on L4: guaranteed and extra frames, recall by count, and a
 * task that does not answer loses everything. Two kinds of grace are told apart: time enough to write
 * dirty pages to swap (t_clean), and time in which no I/O is possible (t_drop).
 *
 *                       accept           renew (before the term ends),
 *   proposed --> countered -----.            grow, shrink, split
 *      |                        v               .---.
 *      |                        v               v   |
 *      |---------------------> active ------------ active
 *      |  accepted at once      |  | term ends
 *      v                        |  v
 *   refused               close |  expired  (kept until physmem asks for the frames)
 *                               |  | asked: recalled (returned in part, or in whole), then
 *                               v  v
 *                              closed            breached (a deadline passed: on_breach says
 *                                                what that costs)
 *
 * PARTS. The holder of an active contract may split off a part: a number of frames, named by a token
 * that nobody can guess. A task that shows the token to physmem gets a contract for them, of the same
 * kind and with the same grace and breach, which may be split again. Such a contract has no term of
 * its own: it ends with the one above it. None of this changes the sum of all guarantees.
 * A part comes back when its holder closes the contract or ends, or when the task that split it off reabsorbs it:
 * the holder's frames are then recalled, with the grace of the contract. When a
 * contract ends, by whatever cause, everything below it ends: if its term is over, the parts too are
 * kept until asked for; otherwise they are recalled at once.
 */
#ifndef SELFPAGE_CONTRACT_H
#define SELFPAGE_CONTRACT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes in a base page. Everything else in this library counts pages or frames. */
#define SP_PAGE_SIZE 4096u

/** Kinds of contract: presets over one machine. */
enum sp_contract_kind {
    /** Admission-controlled: the sum of all guarantees never exceeds the frames that exist. Within
     *  it a request for one frame succeeds, by recalling from others if it must. Not recalled
     *  inside the term; when it shrinks or ends, t_clean is granted. */
    SP_GUARANTEED = 0,
    /** An allowance beyond the guarantee: frames come while there is no pressure and are recalled
     *  at any time within t_drop. */
    SP_EXTRA = 1,
    /** A lease: like extra, but not to be recalled before the term ends; then t_drop. */
    SP_TIMED = 2,
    SP_CONTRACT_KINDS = 3,
};

/** What a missed recall costs: a ladder. Each contract stands on one rung. The contract whose
 *  frames were recalled counts; extra frames belong to no contract in particular, so for them the gentlest rung of
 *  all the task's contracts for extra frames counts, in the order warn, penalty, repossess, revoke, kill. Breaches
 *  of
 *  another kind, such as an overdraft or a control connection that takes no messages, cost
 *  everything in any case; and everything includes the process if any of its contracts says kill. */
enum sp_breach {
    /** All mappings and all frames go, nothing is saved (as in the original and in Nemesis). */
    SP_BREACH_REVOKE = 0,
    /** The same, and the process is sent SIGKILL. */
    SP_BREACH_KILL = 1,
    /** Warned, and the same grace again; others are asked in its place meanwhile (Viengoos). After
     *  `selfpage-physmem --warnings` misses (3), one less for each recall met since: as REVOKE. */
    SP_BREACH_WARN = 2,
    /** Frames missing times the contract's `bid` (at least 1) are charged to the task, which has the
     *  same grace again (as in a market). After as many misses as for WARN: as REPOSSESS. */
    SP_BREACH_PENALTY = 3,
    /** Physmem takes the frames itself and says which (Exokernel): whole extents, in each of which the
     *  library uses 32 frames, or one in 32 of what the contracts allow, so it may be so many
     *  more; and none with vital (pinned) pages. If the others are too few: as REVOKE. */
    SP_BREACH_REPOSSESS = 4,
    SP_BREACH_ACTIONS = 5,
};

/** How grace is counted. */
enum sp_grace_unit {
    SP_GRACE_TIME = 0,        /**< nanoseconds */
    SP_GRACE_ALLOCATIONS = 1, /**< frames the task itself allocates: needs no clock (Viengoos) */
    SP_GRACE_UNITS = 2,
};

/** A term without an end. */
#define SP_FOREVER UINT64_MAX

/** Grace when none is given: long enough for a task under Valgrind on a loaded machine. */
#define SP_DEFAULT_T_CLEAN_NS UINT64_C(10000000000)
#define SP_DEFAULT_T_DROP_NS  UINT64_C(3000000000)

/** The terms of a contract, proposed or agreed. */
struct sp_terms {
    uint8_t kind;       /**< enum sp_contract_kind */
    uint8_t on_breach;  /**< enum sp_breach */
    uint8_t grace_unit; /**< enum sp_grace_unit, for t_clean and t_drop */
    uint8_t order;      /**< frames come in blocks of 2^order base frames, physically contiguous;
                             `min` and `frames` count base frames, whole blocks of them */
    uint32_t min;       /**< fewest frames worth having; physmem counters no lower */
    uint32_t frames;    /**< frames wished for; at least 1 */
    uint32_t weight;    /**< for arbitration policies; 0 stands for 1 */
    uint64_t term_ns;   /**< length of the term in nanoseconds, or SP_FOREVER; 0 is refused */
    uint64_t t_clean;   /**< grace with time to write, in grace_unit; 0: the default */
    uint64_t t_drop;    /**< grace without time for I/O, in grace_unit; 0: the default */
    uint64_t bid;       /**< for arbitration policies: price offered per frame */
};

/** States of a contract. */
enum sp_contract_state {
    SP_CONTRACT_NONE = 0,
    SP_CONTRACT_COUNTERED = 1, /**< waits for the task to accept the counter-offer */
    SP_CONTRACT_ACTIVE = 2,
    SP_CONTRACT_EXPIRED = 3,  /**< the term is over; frames are kept until asked for */
    SP_CONTRACT_RECALLED = 4, /**< asked to return frames, the deadline is running */
    SP_CONTRACT_CLOSED = 5,
    SP_CONTRACT_BREACHED = 6,
    SP_CONTRACT_STATES = 7,
};

/** Answers to a proposal. */
enum sp_answer {
    SP_ACCEPTED = 0,
    SP_COUNTERED =
        1, /**< `terms` are those that physmem offers; they stand until the next proposal */
    SP_REFUSED = 2,
    SP_ANSWERS = 3,
};

/** Why a proposal was refused or countered, or a contract ended. */
enum sp_reason {
    SP_REASON_NONE = 0,
    SP_REASON_OVERCOMMITTED = 1, /**< the sum of guarantees would exceed the frames there are */
    SP_REASON_ZERO_TERM = 2,
    SP_REASON_ZERO_FRAMES = 3,
    SP_REASON_MIN_ABOVE_FRAMES = 4,
    SP_REASON_UNKNOWN_KIND = 5,   /**< a kind that physmem does not know, or a punishment that it
                                       cannot carry out: SP_BREACH_KILL without a pidfd of the task */
    SP_REASON_LONG_TERM = 6,      /**< the term, or a grace, is longer than physmem gives */
    SP_REASON_ORDER = 7,          /**< no blocks of that order, or frames that make no whole one */
    SP_REASON_TOO_MANY = 8,       /**< the task holds as many contracts as it may */
    SP_REASON_RECALL_MISSED = 9,  /**< a recall's deadline passed */
    SP_REASON_NOT_RECEIVING = 10, /**< the control connection could not take a message */
    SP_REASON_OVERDRAFT = 11,     /**< more memory touched than the books allow */
    SP_REASON_UNMAP_MISSED = 12,  /**< an unmap was not answered in time */
    SP_REASON_ADMINISTRATOR = 13, /**< asked for by the administrator of physmem */
    SP_REASON_PART = 14,         /**< a part has the term of the contract it was split off from, and
                                      cannot grow: ask for that contract instead */
    SP_REASON_PART_CLAIMED = 15, /**< somebody has shown the token of a part */
    SP_REASON_PART_RETURNED = 16, /**< a part has come back: its holder closed it, or is gone */
    SP_REASON_REABSORBED = 17,    /**< the task that split the part off took it back */
    SP_REASON_ABOVE_ENDED = 18,   /**< the contract that this was split off from has ended */
    SP_REASON_NOT_ENTITLED =
        19, /**< more than the limits for the task or its user allow; or a lease is not
                 renewed, since other tasks wait and the arbiter leaves this one less */
    SP_REASON_UPSTREAM =
        20, /**< physmem is itself a task of another physmem, which has taken memory
                                  back by force, or has ended */
    SP_REASONS = 21,
};

/** A part split off from a contract. */
struct sp_part {
    uint64_t token;    /**< a task that shows it gets the part: treat it like a password */
    uint32_t part;     /**< its number, by which it is reabsorbed */
    uint32_t contract; /**< that it was split off from */
    uint32_t frames;   /**< of the part */
    uint32_t left;     /**< frames of that contract, which are now fewer */
};

/** Physmem's answer to a proposal. */
struct sp_offer {
    uint8_t answer;    /**< enum sp_answer */
    uint8_t reason;    /**< enum sp_reason, unless accepted */
    uint32_t contract; /**< number of the contract; 0 if refused */
    uint64_t retry_ns; /**< refused: try again after this many ns; 0: never */
    /** As agreed or as offered. Refused: those proposed; but if the reason is
     *  SP_REASON_OVERCOMMITTED or SP_REASON_NOT_ENTITLED, `frames` is the most that physmem could
     *  promise now, which is fewer than `min`. */
    struct sp_terms terms;
};

#ifdef __cplusplus
}
#endif
#endif
