/* An arbiter run from outside physmem: from what is known of all tasks, compute up to how many frames
 * each is entitled to, and how many each gives when frames are short. The policy server fills its
 * table with this; it is pure, and works for any arbiter, which notices no difference:
 *
 *   EXTRA  is asked for each task that wants frames, in the order of ids, as if each had just asked:
 *          what it takes in favour of others lowers what those are entitled to. Then it is asked for
 *          every task what it would get if it wanted all that its contracts allow: that is what it is
 *          entitled to beyond what it has, so that it need not come back for every frame.
 *   SHORT  cannot be asked when frames are short, since physmem does not wait: it is asked beforehand
 *          for growing numbers of frames.
 *   TICK   comes when the arbiter's time has come.
 *
 * After questions about what would be, the arbiter's state is put back: nothing has happened. */
#ifndef ARBITER_ENTITLE_H
#define ARBITER_ENTITLE_H

#include <stdbool.h>

#include "arbiter/registry.h"
#include "base/allocator.h"

/* Steps for which the table says how much each task gives: a batch, and then ENTITLE_GROWTH times
 * as many each time. Physmem recalls at least a batch. */
#define ENTITLE_STEPS  4u
#define ENTITLE_GROWTH 8u
#define ENTITLE_BATCH  64u /* frames / this */

/* Tasks for which EXTRA is asked in one round; with more, they take turns. */
#define ENTITLE_TURN 128u

/* The frames to which a task is entitled. */
struct entitlement {
    uint32_t frames;               /* in all, never less than its contracts promise */
    uint32_t gives[ENTITLE_STEPS]; /* sums, not differences */
};

/* What physmem says of itself: as in struct sp_arbiter_request. */
struct entitle_books {
    int32_t spare;
    uint32_t coming;
};

struct entitle {
    const struct allocator *allocator;
    struct arbiter_choice choice;
    struct sp_arbiter_config config;
    void *self;
    size_t self_size;
    size_t own_size; /* of one task's state, rounded up */
    /* Tasks of the last round, in the order of ids: whose state is where in `own`. */
    uint32_t *id;
    uint32_t *said; /* what it was entitled to in the end */
    unsigned char *own;
    uint32_t count;
    uint32_t capacity;
    /* Scratch of the same capacity. */
    uint32_t *new_id;
    uint32_t *new_said;
    unsigned char *new_own;
    unsigned char *saved; /* self and own, while it is asked what would be */
    uint32_t *takes;
    uint32_t next; /* whose turn it is, an index */
};

/* Start an arbiter for `frames` frames. Returns 0 or -ENOMEM; release with entitle_fini in any
 * case. */
int entitle_init(struct entitle *entitle, const struct allocator *allocator,
                 const struct arbiter_choice *choice, uint32_t frames);
void entitle_fini(struct entitle *entitle);

/* Compute out[i] for each tasks[i]: `count` tasks in the order of ids. `tasks` is scratch
 * afterwards. Returns 0 or -ENOMEM, and then nothing has changed. */
int entitle_round(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                  uint32_t count, const struct entitle_books *books, struct entitlement *out);

/* When there should be another round, at the latest: when the arbiter wants to be asked again, or at
 * once (0) while tasks wait for their turn; UINT64_MAX: never. */
uint64_t entitle_due(const struct entitle *entitle);

#endif
