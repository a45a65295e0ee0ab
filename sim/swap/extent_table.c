/* A client's extents: an ordered array, since one of 4096 is found in twelve steps. */
#include "extent_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "io/discard.h"
#include "device.h"

#define ROOM_FIRST 8u

/* The place of `number`, or where it belongs. */
static uint32_t place_find(const struct extent_table *table, uint32_t number)
{
    uint32_t low = 0, high = table->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (table->extent[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    check(low == table->count || table->extent[low]->number >= number);
    return low;
}

static int table_grow(struct extent_table *table)
{
    uint32_t room = table->room == 0 ? ROOM_FIRST : 2 * table->room;
    struct swap_extent **extent;

    if (table->count < table->room)
        return 0;
    extent = realloc(table->extent, room * sizeof(struct swap_extent *));
    if (extent == NULL)
        return -ENOMEM;
    table->extent = extent;
    table->room = room;
    check(table->count < table->room);
    return 0;
}

int extent_table_add(struct extent_table *table, uint32_t number, int consume_fd, uint32_t pages,
                     struct server *server, struct user *user, struct extent_totals *totals)
{
    uint32_t place = place_find(table, number);
    struct swap_extent *extent;

    if (place < table->count && table->extent[place]->number == number)
        return -EEXIST;
    if (pages > EXTENT_PAGES_MAX)
        return -E2BIG;
    if (table->count == EXTENT_TABLE_MAX)
        return -EMFILE;
    extent = malloc(sizeof(*extent));
    if (extent == NULL || table_grow(table) < 0) {
        free(extent);
        return -ENOMEM;
    }
    *extent = (struct swap_extent){.fd = consume_fd,
                                   .number = number,
                                   .pages = pages,
                                   .references = 1,
                                   .server = server,
                                   .user = user,
                                   .totals = totals};
    check(table->count < table->room);
    user->references++;
    user->extents++;
    memmove(table->extent + place + 1, table->extent + place,
            (table->count - place) * sizeof(struct swap_extent *));
    table->extent[place] = extent;
    table->count++;
    totals->extents++;
    check(table->count <= table->room && table->count <= EXTENT_TABLE_MAX);
    return 0;
}

struct swap_extent *extent_table_find(const struct extent_table *table, uint32_t number,
                                      uint32_t offset)
{
    uint32_t place = place_find(table, number);
    struct swap_extent *extent;

    if (place == table->count)
        return NULL;
    extent = table->extent[place];
    if (extent->number != number || offset >= extent->pages)
        return NULL;
    check(extent->references > 0);
    extent->references++;
    return extent;
}

int extent_table_remove(struct extent_table *table, uint32_t number)
{
    uint32_t place = place_find(table, number);

    if (place == table->count || table->extent[place]->number != number)
        return -ENOENT;
    check(table->count > 0 && table->extent[place]->references > 0);
    extent_table_unref(table->extent[place]);
    table->count--;
    memmove(table->extent + place, table->extent + place + 1,
            (table->count - place) * sizeof(struct swap_extent *));
    return 0;
}

void extent_table_fini(struct extent_table *table)
{
    check(table->count <= table->room);
    for (uint32_t i = 0; i < table->count; i++)
        extent_table_unref(table->extent[i]);
    free(table->extent);
    memset(table, 0, sizeof(*table));
}

/* The extent's memory, or MAP_FAILED. */
static uint8_t *memory_map(struct swap_extent *extent)
{
    uint8_t *memory = extent->memory;

    if (memory == NULL)
        memory = mmap(NULL, (size_t)extent->pages * SWAP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
                      extent->fd, 0);
    if (memory != MAP_FAILED && extent->memory == NULL &&
        extent->totals->mapped < EXTENT_MAPPED_MAX) {
        extent->memory = memory;
        extent->totals->mapped++;
    }
    check(extent->memory == NULL || extent->totals->mapped > 0);
    return memory;
}

uint32_t extent_table_write(struct swap_extent *extent, uint32_t offset, uint32_t count,
                            int source_fd, off_t from)
{
    uint8_t *memory = memory_map(extent);
    ssize_t copied;

    ensure((uint64_t)offset + count <= extent->pages);
    if (memory == MAP_FAILED)
        return 0;
    copied = pread(source_fd, memory + (size_t)offset * SWAP_PAGE, (size_t)count * SWAP_PAGE, from);
    if (extent->memory == NULL)
        munmap(memory, (size_t)extent->pages * SWAP_PAGE);
    return copied > 0 ? (uint32_t)((size_t)copied / SWAP_PAGE) : 0;
}

void extent_table_unref(struct swap_extent *extent)
{
    if (extent == NULL || --extent->references > 0)
        return;
    ensure(extent->totals->extents > 0 && extent->user->extents > 0);
    extent->totals->extents--;
    if (extent->memory != NULL) {
        munmap(extent->memory, (size_t)extent->pages * SWAP_PAGE);
        extent->totals->mapped--;
    }
    extent->user->extents--;
    discard_descriptors(extent->server, extent->user, &extent->fd, 1);
    user_release(&extent->server->users, extent->user);
    free(extent);
}
