/* S3-FIFO: new pages pass through a small queue, those referenced there go on to a large one, and
 * those that return soon after they left go there directly.
 *
 * J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache
 * eviction", SOSP 2023, algorithm 1. Counts go up to 3; a page goes on from the small queue if it
 * has been referenced more than once there, and is counted from 0 again; the large queue gives a
 * page another turn for each reference counted; as many ghosts are remembered as the large queue
 * holds.
 *
 * While there are free frames the paper's small queue takes all new pages. libCacheSim's S3-FIFO of
 * 2025 fills the main queue as soon as the small one is full, as long as nothing has been evicted:
 * `fill=1`. It makes a large difference in loops: the part of the loop that fills main then stays.
 *
 * Without it a loop that does not fit is cut into runs of pages that come and go together, which is good for it. A live
 * task, which evicts in advance, breaks them up, and has 10 points more misses. There the bit of a page in the main queue
 * counts as a reference beside the one that was a hit: this keeps the runs, and costs fewer soft faults. */
#include "policy/registry.h"
#include "policy/three_queues.h"

enum { S3FIFO_SMALL, S3FIFO_GHOST, S3FIFO_MOVE, S3FIFO_FILL };

static const struct sp_policy_param s3fifo_params[] = {
    [S3FIFO_SMALL] = {"small", 0.1, 0.0, 1.0, "share of the frames for the small queue"},
    [S3FIFO_GHOST] = {"ghost", 0.9, 0.0, 16.0, "ghosts remembered, as a share of the frames"},
    [S3FIFO_MOVE] = {"move", 2.0, 1.0, 3.0, "references in the small queue to go on to the large"},
    [S3FIFO_FILL] = {"fill", 0.0, 0.0, 1.0,
                     "1: fill the large queue while no page was evicted (libCacheSim since 2025)"},
    {NULL},
};

static void s3fifo_init(void *self, const struct sp_policy_config *config)
{
    three_queues_init(self, config,
                      &(struct three_queues_settings){
                          .small = config->params[S3FIFO_SMALL],
                          .ghost = config->params[S3FIFO_GHOST],
                          .move = (unsigned)config->params[S3FIFO_MOVE],
                          .count_most = 3,
                          .fill = config->params[S3FIFO_FILL] >= 1,
                          .bit_counts = config->params[S3FIFO_FILL] < 1,
                      });
}

const struct sp_policy policy_s3fifo = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "s3fifo",
    .summary = "small queue on probation, large queue, and ghosts",
    .source = "Yang et al. 2023",
    .params = s3fifo_params,
    .size = three_queues_size,
    .pages_at = offsetof(struct three_queues, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = s3fifo_init,
    .insert = three_queues_insert,
    .hit = three_queues_hit,
    .victim = three_queues_victim,
    .remove = three_queues_remove,
    .resize = three_queues_resize,
    .hint = three_queues_hint,
};
