/* Room of varying size in blocks of one page. */
#include "backend/space.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

uint32_t space_granules(uint32_t length)
{
    return (length + SPACE_GRANULE - 1) / SPACE_GRANULE;
}

/* Bits of `count` granules from `first` on. */
static uint64_t bits_of(uint32_t first, uint32_t count)
{
    ensure(count >= 1 && first + count <= SPACE_GRANULES);
    return (count == SPACE_GRANULES ? UINT64_MAX : (UINT64_C(1) << count) - 1) << first;
}

int space_init(struct space *space, uint32_t pages, uint32_t blocks)
{
    ensure(pages >= 1 && blocks >= 1);
    *space = (struct space){.pages = pages, .blocks = blocks, .blocks_free = blocks};
    space->free_words = calloc(bitmap_words(blocks), sizeof(uint64_t));
    space->used = calloc(blocks, sizeof(*space->used));
    space->first = malloc(blocks * sizeof(*space->first));
    space->pins = calloc(blocks, sizeof(*space->pins));
    space->place = calloc(pages, sizeof(*space->place));
    if (space->free_words == NULL || space->used == NULL || space->first == NULL ||
        space->pins == NULL || space->place == NULL)
        return -ENOMEM;
    bitmap_init(&space->free, blocks, space->free_words);
    for (uint32_t block = 0; block < blocks; block++) {
        bitmap_set(&space->free, block);
        space->first[block] = SPACE_NONE;
    }
    for (uint32_t page = 0; page < pages; page++)
        space->place[page].block = SPACE_NONE;
    return 0;
}

void space_fini(struct space *space)
{
    free(space->free_words);
    free(space->used);
    free(space->first);
    free(space->pins);
    free(space->place);
    *space = (struct space){0};
}

/* A block may have become free, or no longer be free. */
static void block_settle(struct space *space, uint32_t block)
{
    bool is_free = space->used[block] == 0 && space->pins[block] == 0;

    if (is_free == bitmap_test(&space->free, block))
        return;
    if (is_free) {
        bitmap_set(&space->free, block);
        space->blocks_free++;
        if (space->on_free != NULL)
            space->on_free(space->context, block);
    } else {
        bitmap_clear(&space->free, block);
        space->blocks_free--;
    }
}

uint32_t space_take(struct space *space)
{
    uint32_t block = bitmap_next(&space->free, space->cursor);

    if (block == BITMAP_NONE)
        block = bitmap_first(&space->free);
    if (block == BITMAP_NONE)
        return SPACE_NONE;
    space->cursor = block + 1 < space->blocks ? block + 1 : 0;
    space_pin(space, block);
    return block;
}

void space_pin(struct space *space, uint32_t block)
{
    ensure(block < space->blocks && space->pins[block] < UINT16_MAX);
    space->pins[block]++;
    block_settle(space, block);
}

void space_unpin(struct space *space, uint32_t block)
{
    ensure(block < space->blocks && space->pins[block] > 0);
    space->pins[block]--;
    block_settle(space, block);
}

bool space_fits(const struct space *space, uint32_t block, uint32_t first, uint32_t length)
{
    uint32_t count = space_granules(length);

    return block < space->blocks && count >= 1 && count <= SPACE_GRANULES &&
           first <= SPACE_GRANULES - count && (space->used[block] & bits_of(first, count)) == 0;
}

void space_put(struct space *space, uint32_t page, const struct space_place *place)
{
    uint32_t count = space_granules(place->length);

    ensure(page < space->pages && space->place[page].block == SPACE_NONE);
    ensure(space_fits(space, place->block, place->first, place->length));
    space->place[page] = *place;
    space->place[page].next = space->first[place->block];
    space->first[place->block] = page;
    space->used[place->block] |= bits_of(place->first, count);
    space->pages_used++;
    space->pages_whole += count == SPACE_GRANULES;
    space->granules_used += count;
    block_settle(space, place->block);
}

void space_drop(struct space *space, uint32_t page)
{
    struct space_place *place = &space->place[page];
    uint32_t block = place->block, *link;

    ensure(page < space->pages);
    if (block == SPACE_NONE)
        return;
    for (link = &space->first[block]; *link != page; link = &space->place[*link].next)
        ensure(*link != SPACE_NONE);
    *link = place->next;
    space->used[block] &= ~bits_of(place->first, space_granules(place->length));
    space->pages_used--;
    space->pages_whole -= space_granules(place->length) == SPACE_GRANULES;
    space->granules_used -= space_granules(place->length);
    *place = (struct space_place){.block = SPACE_NONE};
    block_settle(space, block);
}

static uint32_t granules_of_block(const struct space *space, uint32_t block)
{
    return (uint32_t)__builtin_popcountll(space->used[block]);
}

/* Put a block where it belongs in a list by granules, which has `count` of `most`; a full list loses its
 * last. Returns how many there are now. */
static uint32_t list_insert(const struct space *space, uint32_t *blocks, uint32_t count,
                            uint32_t most, uint32_t block)
{
    uint32_t at = count < most ? count : most - 1;

    if (count == most && granules_of_block(space, blocks[at]) <= granules_of_block(space, block))
        return count;
    while (at > 0 && granules_of_block(space, blocks[at - 1]) > granules_of_block(space, block)) {
        blocks[at] = blocks[at - 1];
        at--;
    }
    blocks[at] = block;
    return count < most ? count + 1 : count;
}

uint32_t space_emptiest(struct space *space, uint32_t *blocks, uint32_t most)
{
    uint32_t steps = space->blocks < SPACE_SWEEP ? space->blocks : SPACE_SWEEP;
    uint32_t count = 0, granules = 0, fitting = 0;

    ensure(most >= 1);
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t block = space->sweep;

        space->sweep = block + 1 < space->blocks ? block + 1 : 0;
        if (space->pins[block] == 0 && space->used[block] != 0 && space->used[block] != UINT64_MAX)
            count = list_insert(space, blocks, count, most, block);
    }
    while (fitting < count &&
           granules + granules_of_block(space, blocks[fitting]) <= SPACE_GRANULES)
        granules += granules_of_block(space, blocks[fitting++]);
    return fitting;
}
