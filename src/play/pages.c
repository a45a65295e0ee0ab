#include "play/pages.h"

#include "base/assert.h"
#include "core/containers/container.h"
#include "core/physmem/status.h"

/* What a page of the region holds after so many writes. */
static uint64_t stamp(const struct actor *actor, uint32_t page, uint32_t version)
{
    return ((uint64_t)page + 1) << 32 | (((uint64_t)actor->number << 24 & UINT32_MAX) ^ version);
}

uint64_t *pages_frame(struct actor *actor, uint32_t slot)
{
    struct physmem_shell_extent *extent;

    check(slot < actor->slots);
    extent = physmem_shell_extent(&actor->scene->shell, actor->extent[slot / EXTENT_PAGES]);
    return extent != NULL && slot % EXTENT_PAGES < extent->pages
               ? &extent->page[slot % EXTENT_PAGES]
               : NULL;
}

static bool is_right(const struct actor *actor, uint32_t page, uint64_t found)
{
    uint32_t version = actor->version[page];

    switch ((enum sp_kind)actor->config->tables->workload.kind) {
    case SP_PRECIOUS:
        return found == (version > 0 ? stamp(actor, page, version) : 0);
    case SP_DISCARDABLE:
        return found == 0 || found == stamp(actor, page, version);
    case SP_REMANUFACTURABLE:
        return found == stamp(actor, page, 0) || found == stamp(actor, page, version);
    case SP_KINDS:
        break;
    }
    return false;
}

/* Whether physmem takes frames from the actor by force. */
static bool is_taken_from(const struct actor *actor)
{
    struct physmem_task_status status;

    if (actor->task == NULL)
        return false;
    physmem_task_get_status(actor->task, &status);
    return status.breached || status.repossessed > 0;
}

bool pages_refer(struct actor *actor, uint32_t page, bool write)
{
    const struct pager_page *p = &actor->pager.page[actor->first + page];
    uint64_t *frame = pages_frame(actor, p->slot);

    if (frame == NULL) {
        if (!is_taken_from(actor))
            scene_wrong(actor->scene, "%s: page %u is mapped, and its frame is gone",
                        actor->config->name, page);
        return false;
    }
    if (write)
        *frame = stamp(actor, page, ++actor->version[page]);
    else if (!is_right(actor, page, *frame))
        scene_wrong(actor->scene, "%s: page %u holds %#llx, and was written %u times",
                    actor->config->name, page, (unsigned long long)*frame, actor->version[page]);
    return true;
}

void pages_refill(struct actor *actor, sp_page page, uint32_t slot)
{
    uint64_t *frame = pages_frame(actor, slot);

    if (frame != NULL)
        *frame = stamp(actor, page - actor->first, 0);
}

void pages_load(struct actor *actor, uint32_t slot, uint64_t contents)
{
    uint64_t *frame = pages_frame(actor, slot);

    if (frame != NULL)
        *frame = contents;
}
