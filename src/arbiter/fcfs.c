/* First come, first served: extra frames go to any task that asks while there are any, and no task
 * is asked to return some in favour of another's extra frames. For guarantees, the task that came
 * last gives first.
 *
 * What the Hurd's physmem does before a policy server takes control (N. Walfield, "Physical memory
 * management", 2005; he leaves the victim open: the last to come is the choice that keeps the name's
 * promise). The baseline: a task that hoards early wins. */
#include "arbiter/registry.h"

static uint32_t fcfs_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                            size_t count, const struct sp_arbiter_request *request, uint32_t *takes)
{
    uint32_t missing = request->event == SP_ARBITER_SHORT ? request->frames : 0;

    (void)self;
    (void)now;
    for (size_t i = count; i-- > 0 && missing > 0;) {
        takes[i] = tasks[i].recallable < missing ? tasks[i].recallable : missing;
        missing -= takes[i];
    }
    return request->frames;
}

const struct sp_arbiter arbiter_fcfs = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_NO_WEIGHTS | SP_ARBITER_NO_BIDS,
    .name = "fcfs",
    .summary = "first come, first served; the last to come gives first",
    .source = "Walfield 2005",
    .decide = fcfs_decide,
};
