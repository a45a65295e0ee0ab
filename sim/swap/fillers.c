#include "fillers.h"

#include <string.h>

#include "base/assert.h"

/* Slots between two pages that are read with them, at most. */
#define GAP_MOST 3u

uint32_t fillers_room(uint32_t count)
{
    check(count <= WIRE_BATCH);
    return 2 * count < WIRE_BATCH ? 2 * count : WIRE_BATCH;
}

/* Make a page the filler for a slot, which is pinned. False: it is not a stored one of the client. */
static bool filler_make(struct swap_page *page, struct swap_map *map, uint32_t client,
                        uint32_t slot)
{
    check(slot < map->slots);
    *page = (struct swap_page){.slot = slot, .filler = true};
    if (swap_map_load(map, client, slot, &page->checksum) < 0)
        return false;
    page->pinned = page->pending = true;
    return true;
}

/* The slots between page `i` of a job and the next one, if they are few; else 0. */
static uint32_t gap_behind(const struct swap_job *job, uint32_t i)
{
    const struct swap_page *page = &job->page[i];
    uint32_t gap;

    check(i < job->count && job->count <= job->room);
    if (i + 1 >= job->count || !page[0].pending || !page[1].pending || page[1].slot <= page[0].slot)
        return 0;
    gap = page[1].slot - page[0].slot - 1;
    return gap <= GAP_MOST && gap <= (uint32_t)(job->room - job->count) ? gap : 0;
}

/* Fill a gap as a whole, or leave it. */
static void gap_fill(struct swap_job *job, struct swap_map *map, uint32_t i, uint32_t gap)
{
    struct swap_page filler[GAP_MOST];
    uint32_t made = 0;

    check(gap > 0 && gap <= GAP_MOST);
    while (made < gap && filler_make(&filler[made], map, job->number, job->page[i].slot + 1 + made))
        made++;
    if (made < gap) {
        while (made > 0)
            (void)swap_map_load_end(map, filler[--made].slot);
        return;
    }
    memmove(&job->page[i + 1 + gap], &job->page[i + 1],
            (job->count - i - 1) * sizeof(job->page[0]));
    memcpy(&job->page[i + 1], filler, gap * sizeof(filler[0]));
    job->count = (uint16_t)(job->count + gap);
    ensure(job->count <= job->room);
}

void fillers_add(struct swap_job *job, struct swap_map *map)
{
    check(job->kind == SWAP_JOB_LOAD && job->count == job->asked);
    for (uint32_t i = 0; i < job->count; i++) {
        uint32_t gap = gap_behind(job, i);

        if (gap > 0)
            gap_fill(job, map, i, gap);
    }
}
