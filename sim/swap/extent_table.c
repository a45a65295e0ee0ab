/* A client's extents: an ordered array, since one of 4096 is found in twelve steps. */
#include "extent_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/discard.h"

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
    return 0;
}

int extent_table_add(struct extent_table *table, uint32_t number, int consume_fd, uint32_t pages,
                     struct server *server, struct user *user, uint32_t *total)
{
    uint32_t place = place_find(table, number);
    struct swap_extent *extent;

    if (place < table->count && table->extent[place]->number == number)
        return -EEXIST;
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
                                   .total = total};
    user->references++;
    user->extents++;
    memmove(table->extent + place + 1, table->extent + place,
            (table->count - place) * sizeof(struct swap_extent *));
    table->extent[place] = extent;
    table->count++;
    ++*total;
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
    extent->references++;
    return extent;
}

int extent_table_remove(struct extent_table *table, uint32_t number)
{
    uint32_t place = place_find(table, number);

    if (place == table->count || table->extent[place]->number != number)
        return -ENOENT;
    swap_extent_unref(table->extent[place]);
    table->count--;
    memmove(table->extent + place, table->extent + place + 1,
            (table->count - place) * sizeof(struct swap_extent *));
    return 0;
}

void extent_table_fini(struct extent_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        swap_extent_unref(table->extent[i]);
    free(table->extent);
    memset(table, 0, sizeof(*table));
}

void swap_extent_unref(struct swap_extent *extent)
{
    if (extent == NULL || --extent->references > 0)
        return;
    --*extent->total;
    extent->user->extents--;
    discard_descriptor(extent->server, extent->user, extent->fd);
    user_release(&extent->server->users, extent->user);
    free(extent);
}
