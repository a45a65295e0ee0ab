/* Excess-proportional recall: each task gives in proportion to what it holds beyond its guarantee.
 *
 *     r_j = k * x_j / sum(x),    x_j: frames of task j that can be recalled
 *
 * Fractions are settled by largest remainder, equal ones in favour of the lower id, so that the sum
 * is exactly k and the result depends on nothing but the input. Nemesis (S. Hand, "Self-paging in
 * the Nemesis operating system", OSDI 1999) has the guarantee and the optimistic frames, which come
 * only while there are any, but leaves the choice of the victim open. */
#include "arbiter/registry.h"

/* The remainder of a task's share, as a fraction of the sum. */
static uint64_t remainder_of(const struct sp_arbiter_task *task, uint32_t frames, uint64_t sum)
{
    return (uint64_t)frames * task->recallable % sum;
}

/* How many tasks have a remainder of at least `level`. */
static size_t count_from(const struct sp_arbiter_task *tasks, size_t count, uint32_t frames,
                         uint64_t sum, uint64_t level)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += remainder_of(&tasks[i], frames, sum) >= level;
    return found;
}

/* Give one frame more to the `left` tasks with the largest remainders. The level from which on
 * tasks are lucky is found by bisection: no sorting, no memory. */
static void round_up(const struct sp_arbiter_task *tasks, size_t count, uint32_t frames,
                     uint64_t sum, size_t left, uint32_t *takes)
{
    uint64_t low = 1; /* at least `left` tasks have a remainder of this */
    uint64_t high = sum;

    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;

        if (count_from(tasks, count, frames, sum, middle) >= left)
            low = middle;
        else
            high = middle;
    }
    left -= count_from(tasks, count, frames, sum, low + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t remainder = remainder_of(&tasks[i], frames, sum);

        if (remainder > low) {
            takes[i]++;
        } else if (remainder == low && left > 0) {
            takes[i]++;
            left--;
        }
    }
}

static uint32_t excess_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                              size_t count, const struct sp_arbiter_request *request,
                              uint32_t *takes)
{
    uint32_t frames = request->event == SP_ARBITER_SHORT ? request->frames : 0;
    uint64_t sum = 0;
    uint64_t left;

    (void)self;
    (void)now;
    for (size_t i = 0; i < count; i++)
        sum += tasks[i].recallable;
    if (frames > sum)
        frames = (uint32_t)sum;
    if (frames == 0)
        return request->frames;
    left = frames;
    for (size_t i = 0; i < count; i++) {
        takes[i] = (uint32_t)((uint64_t)frames * tasks[i].recallable / sum);
        left -= takes[i];
    }
    if (left > 0)
        round_up(tasks, count, frames, sum, (size_t)left, takes);
    return request->frames;
}

const struct sp_arbiter arbiter_excess = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_NO_WEIGHTS | SP_ARBITER_NO_BIDS,
    .name = "excess",
    .summary = "guaranteed and extra; recalls in proportion to the excess",
    .source = "Hand 1999 (Nemesis)",
    .decide = excess_decide,
};
