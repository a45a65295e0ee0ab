/* @NAME@: an arbiter for Selfpage.
 *
 * What it does now, as a start to change: the task that has most gives first, and a task that asks
 * for extra frames gets what is there. Its rules, and the whole story of which call comes when,
 * stand in <selfpage/arbiter.h>.
 *
 * Built, it is a shared object that runs
 *   in physmem:         selfpage-physmem --arbiter ./@NAME@.so, or `arbiter: ./@NAME@.so` in a scenario
 *   against attacks:    selfpage bench attacks --arbiter maxmin,./@NAME@.so
 *   under load:         selfpage bench contracts --compare maxmin,./@NAME@.so
 *   through a check:    selfpage check-arbiter ./@NAME@.so
 * with parameters behind a colon: ./@NAME@.so:spare=10 */
#include <selfpage/arbiter.h>

/* All state lies here, and starts as zeros; state for each task lies in tasks[i].own (task_size). */
struct @IDENT@ {
    uint32_t kept; /* frames that extra requests must leave */
};

enum { @IDENT@_SPARE };

/* Parameters: name, preset, least, most, a line of help. */
static const struct sp_policy_param @IDENT@_params[] = {
    [@IDENT@_SPARE] = {"spare", 0, 0, 1000000, "frames that are not given out as extra"},
    {.name = NULL},
};

static size_t @IDENT@_size(const struct sp_arbiter_config *config)
{
    (void)config;
    return sizeof(struct @IDENT@);
}

static void @IDENT@_init(void *self, const struct sp_arbiter_config *config)
{
    struct @IDENT@ *a = self;

    a->kept = (uint32_t)config->params[@IDENT@_SPARE];
}

/* The task from which most may still be taken, or `count`. */
static size_t richest(const struct sp_arbiter_task *tasks, const uint32_t *takes, size_t count)
{
    size_t best = count;

    for (size_t i = 0; i < count; i++)
        if (takes[i] < tasks[i].recallable &&
            (best == count ||
             tasks[i].recallable - takes[i] > tasks[best].recallable - takes[best]))
            best = i;
    return best;
}

/* SHORT: fill in how many of request->frames each task gives.
 * EXTRA: return what tasks[request->task] gets. */
static uint32_t @IDENT@_decide(void *self, uint64_t now, const struct sp_arbiter_task *tasks,
                               size_t count, const struct sp_arbiter_request *request,
                               uint32_t *takes)
{
    const struct @IDENT@ *a = self;

    (void)now;
    if (request->event == SP_ARBITER_SHORT) {
        for (uint32_t missing = request->frames; missing > 0;) {
            size_t i = richest(tasks, takes, count);
            uint32_t take;

            if (i == count)
                break;
            take = tasks[i].recallable - takes[i];
            takes[i] += take < missing ? take : missing;
            missing -= take < missing ? take : missing;
        }
    }
    if (request->event != SP_ARBITER_EXTRA || request->spare <= (int64_t)a->kept)
        return 0;
    return (uint32_t)request->spare - a->kept < request->frames
               ? (uint32_t)request->spare - a->kept
               : request->frames;
}

/* Without SP_ARBITER_GRANTS the arbiter is asked which tasks give, and not which tasks get. */
const struct sp_arbiter sp_arbiter_plugin = {
    .abi = SP_ARBITER_ABI,
    .flags = SP_ARBITER_GRANTS,
    .name = "@NAME@",
    .summary = "the task that has most gives first",
    .params = @IDENT@_params,
    .size = @IDENT@_size,
    .init = @IDENT@_init,
    .decide = @IDENT@_decide,
};
