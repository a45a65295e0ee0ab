/* The table that physmem shares with the policy server: one row for each task.
 *
 * EVERY FIELD HAS ONE WRITER: only physmem writes what stands under "physmem writes", and only the policy
 * server that has control writes what stands under "the policy server writes". This needs no locks, and
 * neither side ever waits for the other. Every field is atomic; fields of one row may be of slightly
 * different moments, which does no harm, since the policy server computes what is fair, and physmem
 * checks everything against its own books before it acts on it.
 *
 * A ROW IS USED AGAIN for another task. A task number is never used twice: `id` tells whose
 * row it is, and each half of a row names its task. Physmem sets id to 0, then the fields, then id;
 * a reader looks at id before and after. What the policy server says counts only while entitled_id
 * is the task's number, and basis fits its contracts. Until then a task is entitled to what it has,
 * or, when there is no policy server any more, to what was said last, or else to what its contracts
 * promise.
 *
 * PHYSMEM TRUSTS NOTHING that the policy server writes, and reads nothing back that it wrote itself:
 * any value in any field leaves its books right and every guarantee kept.
 *
 * The memory is made by physmem, of a fixed size, and comes to the policy server as a descriptor.
 * If there are more tasks than rows, physmem makes a larger table, copies both halves, and sends it;
 * what is written to the old one from then on is lost, and the policy server begins again. (The
 * original unmaps the old one and has the policy server fault: here a message says it.) */
#ifndef SHM_CONTROL_TABLE_H
#define SHM_CONTROL_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/arbiter.h>

#define CONTROL_MAGIC   UINT32_C(0x53504354)
#define CONTROL_VERSION 1u

/* The steps in which the table says how much each task gives. */
#define CONTROL_STEPS 4u

struct control_row {
    /* Physmem writes: as in struct sp_arbiter_task. */
    _Alignas(64) _Atomic uint32_t id; /* 0: the row is not used */
    _Atomic uint32_t uid;
    _Atomic uint32_t parent;
    _Atomic uint32_t priority;
    _Atomic uint32_t weight;
    _Atomic uint32_t guaranteed;
    _Atomic uint32_t leased;
    _Atomic uint32_t extra;
    _Atomic uint32_t held;
    _Atomic uint32_t owed;
    _Atomic uint32_t recallable;
    _Atomic uint32_t wanted;
    _Atomic uint64_t wanted_until; /* CLOCK_MONOTONIC, ns: after that, wanted tells nothing */
    _Atomic uint64_t ghost_hits;
    _Atomic uint64_t bid;
    _Atomic uint32_t idle;
    _Atomic uint64_t penalty;
    _Atomic uint32_t demand; /* after wanted_until it tells nothing, either */
    /* The policy server writes. */
    _Alignas(64) _Atomic uint32_t entitled_id; /* the task that the rest is about */
    _Atomic uint32_t basis;                    /* control_table_basis of what it knew of the task */
    _Atomic uint32_t entitled; /* frames it may hold in all while there are not enough for all */
    /* Frames it has to give when frames are short: at first up to gives[0], when that is not enough
     * up to gives[1], and so on. */
    _Atomic uint32_t gives[CONTROL_STEPS];
};

struct control_table {
    /* Fixed before anybody else sees it. */
    uint32_t magic;
    uint32_t version;
    uint32_t rows;   /* room for */
    uint32_t frames; /* as in struct sp_arbiter_config */
    /* Physmem writes. */
    _Alignas(64) _Atomic uint32_t used; /* rows from here on have never been used */
    _Atomic int32_t spare;              /* as in struct sp_arbiter_request */
    _Atomic uint32_t coming;
    /* The policy server writes. */
    _Alignas(64) _Atomic uint32_t decides; /* 0: physmem's own arbiter decides, 1: the table does */
    struct control_row row[];
};

/* What the policy server says about a task. */
struct control_entitlement {
    uint32_t basis;
    uint32_t entitled;
    uint32_t gives[CONTROL_STEPS];
};

/* What a task's contracts come to, in one number: what was said of a task when it had other contracts
 * is out of date. */
uint32_t control_table_basis(const struct sp_arbiter_task *task);

/* Bytes of a table. */
size_t control_table_size(uint32_t rows);

/* Physmem: make a table of memory that holds zeros. */
void control_table_init(struct control_table *table, uint32_t rows, uint32_t frames);

/* The policy server: whether memory of `size` bytes, which cannot shrink, is a table. */
bool control_table_is_valid(const struct control_table *table, size_t size);

/* Physmem: describe a task; `task->wanted` tells nothing after `wanted_until`. */
void control_table_write(struct control_row *row, uint32_t uid, const struct sp_arbiter_task *task,
                         uint64_t wanted_until);

/* Physmem: the task is gone, and the row free. */
void control_table_clear(struct control_row *row);

/* The policy server: read what physmem says at time `now`. False if the row is not used, or being
 * given to another task right now. out->own is NULL. */
bool control_table_read(const struct control_row *row, uint64_t now, struct sp_arbiter_task *out,
                        uint32_t *uidp);

/* The policy server: say what task `id` is entitled to. Returns whether that is new. */
bool control_table_entitle(struct control_row *row, uint32_t id,
                           const struct control_entitlement *entitlement);

/* Physmem: what the policy server says about task `id`; anything may stand there. False if it says
 * nothing about this task. */
bool control_table_entitlement(const struct control_row *row, uint32_t id,
                               struct control_entitlement *entitlement);

/* Physmem: copy what the policy server said to the row of a larger table. */
void control_table_copy_entitlement(struct control_row *to, const struct control_row *from);

#endif
