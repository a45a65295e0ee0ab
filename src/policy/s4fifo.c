/* S4-FIFO: S3-FIFO whose constants are five knobs, two of them new: the newest part of the small queue in which
 * references do not count, since a burst says nothing, and ghosts that must come back twice, for loops that do
 * not fit.
 *
 * H. Xia, W. Nixon, B. D. Marthen, P. Bhandari and J. Yang, "Learning-augmented heuristics: simple yet smart, robust
 * and interpretable cache eviction", OSDI 2026, section 4.2. The paper has a model, trained on many traces, that chooses
 * the knobs from what a cache has seen; it is not here: choose them by `selfpage replay --score`, over the paper's
 * values: small 5 to 90 %, ghost 0.9, 3 or 6, skip 0 or 0.25, move 1 or 2, again 0 or 1.
 *
 * What the paper leaves open is as in libCacheSim's S4FIFO.c: the main queue takes pages as soon as the small one is
 * full, as long as nothing has been evicted; the number of pages in the part that does not count is rounded down. The
 * presets are those of the paper, and with them this is `s3fifo:fill=1`. */
#include "policy/registry.h"
#include "policy/three_queues.h"

enum { S4FIFO_SMALL, S4FIFO_GHOST, S4FIFO_SKIP, S4FIFO_MOVE, S4FIFO_AGAIN };

static const struct sp_policy_param s4fifo_params[] = {
    [S4FIFO_SMALL] = {"small", 0.1, 0.0, 1.0, "share of the frames for the small queue"},
    [S4FIFO_GHOST] = {"ghost", 0.9, 0.0, 16.0, "ghosts remembered, as a share of the frames"},
    [S4FIFO_SKIP] = {"skip", 0.0, 0.0, 1.0,
                     "share of the small queue, its newest part, in which references do not count"},
    [S4FIFO_MOVE] = {"move", 2.0, 1.0, 3.0, "references in the small queue to go on to the large"},
    [S4FIFO_AGAIN] = {"again", 0.0, 0.0, 1.0,
                      "1: a ghost goes to the large queue only when it comes back a second time"},
    {NULL},
};

static void s4fifo_init(void *self, const struct sp_policy_config *config)
{
    three_queues_init(self, config,
                      &(struct three_queues_settings){
                          .small = config->params[S4FIFO_SMALL],
                          .ghost = config->params[S4FIFO_GHOST],
                          .window = config->params[S4FIFO_SKIP],
                          .move = (unsigned)config->params[S4FIFO_MOVE],
                          .count_most = 3,
                          .again = config->params[S4FIFO_AGAIN] >= 1,
                          .fill = true,
                      });
}

const struct sp_policy policy_s4fifo = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "s4fifo",
    .summary = "S3-FIFO with five knobs: bursts may not count, ghosts may have to return twice",
    .source = "Xia et al. 2026",
    .params = s4fifo_params,
    .size = three_queues_size,
    .pages_at = offsetof(struct three_queues, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = s4fifo_init,
    .insert = three_queues_insert,
    .hit = three_queues_hit,
    .victim = three_queues_victim,
    .remove = three_queues_remove,
    .resize = three_queues_resize,
    .hint = three_queues_hint,
};
