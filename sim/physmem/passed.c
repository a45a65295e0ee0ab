#include "passed.h"

#include <stdlib.h>

#include "backing.h"
#include "base/assert.h"
#include "core/physmem/upstream.h"
#include "os/clock.h"

static void answer_unmap(struct relet *relet, const struct relet_unmap *unmap)
{
    struct wire_message answer = {.type = WIRE_UNMAPPED};

    ensure(unmap->left == 0);
    answer.unmapped.id = unmap->id;
    answer.unmapped.referenced =
        unmap->referenced < unmap->slots ? unmap->referenced : unmap->slots;
    answer.unmapped.dirty = unmap->dirty < unmap->slots ? unmap->dirty : unmap->slots;
    upstream_tell(&relet->upstream, &answer);
}

void passed_answered(struct service *service, uint32_t token, uint32_t referenced, uint32_t dirty)
{
    struct relet *relet = service->relet;
    struct relet_unmap **link = &relet->unmaps, *unmap;

    /* The core answers once for each that was passed on, so that it is in the list. */
    while ((*link)->token != token)
        link = &(*link)->next;
    unmap = *link;
    ensure(unmap->left > 0);
    unmap->referenced += referenced;
    unmap->dirty += dirty;
    if (--unmap->left > 0)
        return;
    *link = unmap->next;
    answer_unmap(relet, unmap);
    free(unmap);
}

void passed_down(struct relet *relet, const struct wire_message *message)
{
    void *owner = lease_unmapped(&relet->leases, message);
    struct relet_unmap unmap = {.id = message->unmap.id};
    struct relet_unmap *waits = malloc(sizeof(*waits));

    /* Without memory the answer comes at once, and mappings stay. */
    if (waits != NULL && ++relet->tokens == 0)
        relet->tokens = 1;
    unmap.token = relet->tokens;
    for (uint16_t i = 0; i < message->unmap.ranges_count; i++) {
        const struct wire_range *range = &message->unmap.ranges[i];

        unmap.slots += range->count;
        if (owner != NULL && waits != NULL)
            unmap.left += physmem_upstream_unmap(relet->service->physmem, clock_now_ns(),
                                                 backing_extent(owner), range->start, range->count,
                                                 message->unmap.grace_ns, unmap.token);
    }
    if (unmap.left == 0) {
        answer_unmap(relet, &unmap);
        free(waits);
        return;
    }
    unmap.next = relet->unmaps;
    *waits = unmap;
    relet->unmaps = waits;
}

void passed_forget(struct relet *relet)
{
    while (relet->unmaps != NULL) {
        struct relet_unmap *next = relet->unmaps->next;

        free(relet->unmaps);
        relet->unmaps = next;
    }
}
