/* An arbiter run from outside physmem: from what is known of all tasks, compute up to how many frames
 * each is entitled to, and who gives how many when frames are short. What the policy server does with
 * its table; pure, and for any arbiter, which notices no difference:
 *
 *   EXTRA  is asked for each task that wants frames, in the order of ids, as if each had just asked.
 *          What it grants, less what it takes in favour of others, is what a task is entitled to
 *          beyond what it has. A task that wants some is taken to want a few more soon (`ahead`), or
 *          it would have to come back for every frame.
 *   SHORT  cannot be asked when frames are short, since physmem does not wait: it is asked beforehand
 *          for growing numbers of frames. The arbiter's state is put back after that, because nothing
 *          has happened.
 *   TICK   comes when the arbiter's time has come. */
#ifndef ARBITER_ENTITLE_H
#define ARBITER_ENTITLE_H

#include <stdbool.h>

#include "arbiter/registry.h"
#include "base/allocator.h"

/* Steps for which it is laid down who gives how much: a batch, and each time ENTITLE_GROWTH times as
 * many. The batch is what physmem recalls at least. */
#define ENTITLE_STEPS  4u
#define ENTITLE_GROWTH 8u
#define ENTITLE_BATCH  64u /* frames / this */

/* What a task is entitled to. */
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
    unsigned char *own;
    uint32_t count;
    uint32_t capacity;
    /* Scratch of the same capacity. */
    uint32_t *new_id;
    unsigned char *new_own;
    unsigned char *saved; /* self and own, while SHORT is asked */
    uint32_t *takes;
};

/* Start an arbiter for so many frames. Returns 0 or -ENOMEM; release with entitle_fini in any case.
 */
int entitle_init(struct entitle *entitle, const struct allocator *allocator,
                 const struct arbiter_choice *choice, uint32_t frames);
void entitle_fini(struct entitle *entitle);

/* Compute out[i] for tasks[i], of which there are `count`, in the order of ids. `tasks` is scratch
 * afterwards. Returns 0 or -ENOMEM, and then nothing has changed. */
int entitle_round(struct entitle *entitle, uint64_t now, struct sp_arbiter_task *tasks,
                  uint32_t count, const struct entitle_books *books, struct entitlement *out);

/* When the arbiter wants to be asked again; UINT64_MAX: never. */
uint64_t entitle_due(const struct entitle *entitle);

#endif
