/* What silent tasks of the benchmark map: so that taking their frames away means what it means for
 * a real task, cutting extents whose pages are there and mapped.
 *
 * Pages are populated by mmap itself and never touched: physmem may cut the extent at any moment. */
#include "selfpage/bench/load.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Extents and mappings of one task; what comes beyond is not mapped. */
#define EXTENTS_MAX  64u
#define MAPPINGS_MAX 256u

struct bench_maps {
    struct {
        uint32_t id;
        int fd;
    } extent[EXTENTS_MAX];
    struct {
        void *base;
        size_t size;
    } mapping[MAPPINGS_MAX];
    uint32_t extents;
    uint32_t mappings;
};

void bench_map_extent(struct bench_task *task, uint32_t extent, int consume_fd)
{
    struct bench_maps *maps = task->maps;

    if (consume_fd < 0)
        return;
    if (maps == NULL)
        maps = task->maps = calloc(1, sizeof(*maps));
    if (maps == NULL || maps->extents == EXTENTS_MAX) {
        close(consume_fd);
        return;
    }
    maps->extent[maps->extents].id = extent;
    maps->extent[maps->extents].fd = consume_fd;
    maps->extents++;
}

static void map_item(struct bench_maps *maps, const struct wire_map *item)
{
    size_t size = (size_t)item->count * SP_PAGE_SIZE;
    void *base;

    for (uint32_t i = 0; i < maps->extents && maps->mappings < MAPPINGS_MAX; i++) {
        if (maps->extent[i].id != item->extent)
            continue;
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                    maps->extent[i].fd, (off_t)item->offset * SP_PAGE_SIZE);
        if (base == MAP_FAILED)
            return;
        maps->mapping[maps->mappings].base = base;
        maps->mapping[maps->mappings].size = size;
        maps->mappings++;
        return;
    }
}

void bench_map_items(struct bench_task *task, const struct wire_message *message)
{
    for (uint32_t i = 0; i < message->mapped.items_count && task->maps != NULL; i++)
        map_item(task->maps, &message->mapped.items[i]);
}

void bench_map_fini(struct bench_task *task)
{
    struct bench_maps *maps = task->maps;

    if (maps == NULL)
        return;
    for (uint32_t i = 0; i < maps->mappings; i++)
        munmap(maps->mapping[i].base, maps->mapping[i].size);
    for (uint32_t i = 0; i < maps->extents; i++)
        close(maps->extent[i].fd);
    free(maps);
    task->maps = NULL;
}
