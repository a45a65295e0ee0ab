/* First in, first out: the page that has been resident longest leaves, referenced or not.
 *
 * L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
 * Journal 5(2), 1966. It needs to see nothing but faults, and shows Belady's anomaly: more frames
 * may mean more faults (Belady, Nelson and Shedler, CACM 12(6), 1969). */
#include "policy/registry.h"

#include <selfpage/page_list.h>

struct fifo {
    struct sp_list queue; /* newest at the front */
    struct sp_link links[];
};

static size_t fifo_size(const struct sp_policy_config *config)
{
    return sizeof(struct fifo) + (size_t)config->pages * sizeof(struct sp_link);
}

static void fifo_insert(void *self, sp_page page, enum sp_access access)
{
    struct fifo *fifo = self;

    (void)access;
    sp_list_push_front(&fifo->queue, fifo->links, page);
}

static sp_page fifo_victim(void *self, sp_page incoming)
{
    struct fifo *fifo = self;

    (void)incoming;
    return sp_list_back(&fifo->queue);
}

static void fifo_remove(void *self, sp_page page, enum sp_removal why)
{
    struct fifo *fifo = self;

    (void)why;
    sp_list_remove(&fifo->queue, fifo->links, page);
}

sp_page fifo_turn(void *self)
{
    struct fifo *fifo = self;
    sp_page page = sp_list_back(&fifo->queue);

    sp_list_to_front(&fifo->queue, fifo->links, page);
    return page;
}

const struct sp_policy policy_fifo = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES | SP_POLICY_FORGETS,
    .name = "fifo",
    .summary = "first in, first out",
    .source = "Belady 1966",
    .size = fifo_size,
    .pages_at = offsetof(struct fifo, links),
    .page_bytes = sizeof(struct sp_link),
    .insert = fifo_insert,
    .victim = fifo_victim,
    .remove = fifo_remove,
};
