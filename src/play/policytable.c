#include "play/policytable.h"

#include <stdint.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/physmem/policyserver.h"
#include "core/physmem/status.h"

/* Of a row. */
#define ALIGNMENT 64u

static struct control_table *aligned(const struct scene_table *table)
{
    uintptr_t address = (uintptr_t)table->memory;

    return (struct control_table *)((address + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

struct control_table *policytable_current(const struct scene *scene)
{
    check(scene->tables <= SCENE_TABLES);
    return scene->tables > 0 ? aligned(&scene->table[scene->tables - 1]) : NULL;
}

/* A policy server that has not heard of the new table writes to the old one: all stay to the end. */
bool policytable_make(struct scene *scene)
{
    uint32_t rows = physmem_policyserver_rows(scene->physmem->core);
    struct scene_table *table = &scene->table[scene->tables];
    struct physmem_status status;

    check(rows > 0);
    if (scene->tables > 0 && policytable_current(scene)->rows >= rows)
        return true;
    ensure(scene->tables < SCENE_TABLES); /* each has twice the rows of the one before */
    table->size = control_table_size(rows) + ALIGNMENT;
    table->memory = memory_new(scene->allocator, table->size);
    if (table->memory == NULL)
        return false;
    physmem_get_status(scene->physmem->core, &status);
    control_table_init(aligned(table), rows, physmem_extra_frames(status.frames));
    scene->tables++;
    return physmem_policyserver_table(scene->physmem->core, scene->now, aligned(table), rows) == 0;
}

void policytable_fini(struct scene *scene)
{
    while (scene->tables > 0) {
        scene->tables--;
        memory_free(scene->allocator, scene->table[scene->tables].memory,
                    scene->table[scene->tables].size);
    }
}
