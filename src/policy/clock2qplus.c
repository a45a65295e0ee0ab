/* Clock2Q+: a small queue on probation, with a window at its head in which references do not count, a clock, and
 * ghosts. One reference behind the window is enough to go on to the clock, where one bit counts.
 *
 * Y. Zhai, B. D. Marthen et al., "Clock2Q+: a simple and efficient replacement algorithm for metadata cache in VMware
 * vSAN", VLDB 2026 (arXiv 2511.21958), sections 3.3 and 3.4. References to metadata come in bursts: blocks that lie in
 * one leaf are referenced one after the other, which makes every block look hot. The small queue has 10 % of the frames,
 * half of it is the window, and half as many ghosts as frames are remembered.
 *
 * What the paper leaves open is as in libCacheSim's Clock2QPlus.c: a page is in the window until as many others have come
 * in behind it as the window has pages, rounded up; the clock takes pages as soon as the small queue is full, as long as
 * nothing has been evicted. That program remembers nine ghosts for ten frames: `ghost=0.9`. */
#include "policy/registry.h"
#include "policy/three_queues.h"

enum { CLOCK2Q_SMALL, CLOCK2Q_GHOST, CLOCK2Q_WINDOW };

static const struct sp_policy_param clock2qplus_params[] = {
    [CLOCK2Q_SMALL] = {"small", 0.1, 0.0, 1.0, "share of the frames for the small queue"},
    [CLOCK2Q_GHOST] = {"ghost", 0.5, 0.0, 16.0, "ghosts remembered, as a share of the frames"},
    [CLOCK2Q_WINDOW] = {"window", 0.5, 0.0, 1.0,
                        "share of the small queue, its newest part, in which references do not "
                        "count"},
    {NULL},
};

static void clock2qplus_init(void *self, const struct sp_policy_config *config)
{
    three_queues_init(self, config,
                      &(struct three_queues_settings){
                          .small = config->params[CLOCK2Q_SMALL],
                          .ghost = config->params[CLOCK2Q_GHOST],
                          .window = config->params[CLOCK2Q_WINDOW],
                          .window_up = true,
                          .move = 1,
                          .count_most = 1,
                          .fill = true,
                      });
}

const struct sp_policy policy_clock2qplus = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_TELLS,
    .name = "clock2qplus",
    .summary = "small queue with a window for bursts, clock, and ghosts",
    .source = "Zhai et al. 2026",
    .params = clock2qplus_params,
    .size = three_queues_size,
    .pages_at = offsetof(struct three_queues, memory),
    .page_bytes = sizeof(struct sp_link),
    .init = clock2qplus_init,
    .insert = three_queues_insert,
    .hit = three_queues_hit,
    .victim = three_queues_victim,
    .remove = three_queues_remove,
    .resize = three_queues_resize,
    .hint = three_queues_hint,
};
