#include "play/pages.h"

#include "base/assert.h"
#include "core/containers/container.h"
#include "core/physmem/status.h"
#include "core/swap/map.h"

/* The version of a page that is written. 0 is one that never was: versions begin again behind it. */
static uint16_t version_after(uint16_t version)
{
    return version == UINT16_MAX ? 1 : (uint16_t)(version + 1);
}

/* What a page of the region holds after a number of writes. */
static uint64_t stamp(const struct actor *actor, uint32_t page, uint32_t version)
{
    return ((uint64_t)page + 1) << 32 | (((uint64_t)actor->number << 24 & UINT32_MAX) ^ version);
}

uint64_t *pages_at(const struct actor *actor, uint32_t handle, uint32_t slot)
{
    return physmem_shell_page(&actor->physmem->shell, handle, slot % EXTENT_PAGES);
}

/* The contents of a slot's frame, where the task believes it to lie. */
static inline uint64_t *frame_of(const struct actor *actor, uint32_t slot)
{
    check(slot < actor->slots);
    return pages_at(actor, actor->extent[slot / EXTENT_PAGES], slot);
}

/* Whether a mapping lies in an extent that takes the place of one whose loss the task has not heard of. */
static bool is_ahead(const struct actor *actor, const struct physmem_range *item)
{
    uint32_t index = item->start / EXTENT_PAGES, known = actor->extent[index];

    return known != 0 && known != item->count &&
           !pager_slots_are_empty(&actor->pager, actor_units(actor, index * EXTENT_PAGES),
                                  actor_units(actor, EXTENT_PAGES));
}

bool pages_hear(struct actor *actor, const struct letter *letter)
{
    const struct physmem_effect *effect = &letter->said.effect;

    if (effect->kind != PHYSMEM_REPLY_MAPPED || effect->error != 0)
        return true;
    for (uint32_t i = 0; i < effect->mapped.count; i++)
        if (is_ahead(actor, &letter->said.item[i]))
            return false;
    for (uint32_t i = 0; i < effect->mapped.count; i++)
        actor->extent[letter->said.item[i].start / EXTENT_PAGES] = letter->said.item[i].count;
    return true;
}

static void clear_slot(void *arg, uint32_t slot)
{
    struct actor *actor = arg;

    for (uint32_t i = 0; i < actor_base(actor, 1); i++)
        pages_load(actor, actor_base(actor, slot) + i, 0);
}

void pages_surround(struct actor *actor)
{
    const struct pager_shell_world world = {clear_slot, actor};

    pager_shell_init(&actor->shell, &actor->pager, &world);
}

/* The frame that a page's address maps; NULL if physmem has taken it. */
static inline uint64_t *mapped(const struct actor *actor, uint32_t page)
{
    sp_page number = actor_page(actor, page);
    uint32_t within = page & (actor_base(actor, 1) - 1);

    check(pager_shell_is_mapped(&actor->shell, number));
    return frame_of(actor, actor_base(actor, actor->pager.page[number].slot) + within);
}

static inline bool is_right(const struct actor *actor, uint32_t page, uint64_t found)
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
    return actor->task != NULL && physmem_task_get_books(actor->task).taken;
}

void pages_expect(const struct actor *actor, const struct walk_step *steps, uint32_t count)
{
    const struct pager_page *books = &actor->pager.page[actor->first];
    uint32_t pages = actor->config->tables->workload.pages;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = steps[i].page;

        if (page >= pages)
            continue;
        __builtin_prefetch(&books[actor_units(actor, page)], 1);
        __builtin_prefetch(&actor->version[page], 1);
    }
}

void pages_expect_frame(const struct actor *actor, uint32_t page)
{
    const uint64_t *frame = page < actor->config->tables->workload.pages &&
                                    pager_shell_is_mapped(&actor->shell, actor_page(actor, page))
                                ? mapped(actor, page)
                                : NULL;

    if (frame != NULL)
        __builtin_prefetch(frame, 1);
}

bool pages_refer(struct actor *actor, uint32_t page, bool write)
{
    uint64_t *frame = mapped(actor, page);

    pager_shell_refer(&actor->shell, actor_page(actor, page));
    if (frame == NULL) {
        if (!is_taken_from(actor))
            scene_wrong(actor->scene, "%s: page %u is mapped, and its frame is gone",
                        actor->config->name, page);
        return false;
    }
    if (write)
        *frame = stamp(actor, page, actor->version[page] = version_after(actor->version[page]));
    else if (!is_right(actor, page, *frame))
        scene_wrong(actor->scene,
                    "%s: page %u holds %#llx, and was written %u times (modulo 65535)",
                    actor->config->name, page, (unsigned long long)*frame, actor->version[page]);
    return true;
}

static bool holds(const struct actor *actor, uint32_t page, const uint64_t *contents)
{
    return contents != NULL && is_right(actor, page, *contents);
}

/* Whether what was last written to a page is in its frame, and in swap if the task believes it there. What is on its
 * way is passed over, and what physmem has taken by force. */
static bool is_kept(struct actor *actor, uint32_t page)
{
    sp_page number = actor_page(actor, page);
    const struct pager_page *p = &actor->pager.page[number];
    uint32_t within = page & (actor_base(actor, 1) - 1);
    const uint64_t *frame;

    if ((p->flags & (PAGE_HAS_SWAP | PAGE_DIRTY | PAGE_STORING)) == PAGE_HAS_SWAP &&
        (p->state == PAGE_SWAPPED || p->state == PAGE_RESIDENT) &&
        !holds(actor, page,
               device_contents(&actor->scene->device, actor->number,
                               actor_swap_slot(actor, number, p->swap, within))))
        return false;
    if (p->state == PAGE_ABSENT)
        return (p->flags & PAGE_LOST) != 0 || actor->version[page] == 0;
    if (p->state != PAGE_RESIDENT || (actor->pager.slot[p->slot].flags & SLOT_LOST) != 0)
        return true;
    frame = (p->flags & PAGE_MAPPED) != 0 ? mapped(actor, page)
                                          : frame_of(actor, actor_base(actor, p->slot) + within);
    return frame == NULL || is_right(actor, page, *frame);
}

uint32_t pages_audit(struct actor *actor)
{
    uint32_t pages = actor->config->tables->workload.pages;

    /* What can be made again, or done without, is looked at when it is referred to. */
    if (actor->config->tables->workload.kind != SP_PRECIOUS || is_taken_from(actor))
        return UINT32_MAX;
    for (uint32_t page = 0; page < pages; page++)
        if (!is_kept(actor, page))
            return page;
    return UINT32_MAX;
}

void pages_refill(struct actor *actor, sp_page page, uint32_t slot)
{
    for (uint32_t i = 0; i < actor_base(actor, 1); i++) {
        uint64_t *frame = frame_of(actor, actor_base(actor, slot) + i);

        if (frame != NULL)
            *frame = stamp(actor, actor_base(actor, page - actor->first) + i, 0);
    }
}

void pages_load(struct actor *actor, uint32_t slot, uint64_t contents)
{
    uint64_t *frame = frame_of(actor, slot);

    if (frame != NULL)
        *frame = contents;
}
