/* The tables of selfpage/counters.h, with the places of the numbers. */
#include "selfpage/command/counters.h"

#include <string.h>

#include <selfpage/stats.h>

#define ROW(object, name, unit, meaning)                                                           \
    {#name, unit, meaning, offsetof(struct object, name), sizeof(((struct object *)NULL)->name)},

#define TASK_ROW(type, name, unit, meaning)          ROW(sp_stats, name, unit, meaning)
#define TASK_STATUS_ROW(type, name, unit, meaning)   ROW(observed_task, name, unit, meaning)
#define TASK_STATUS_STATE(name, list, unit, meaning) ROW(observed_task, name, unit, meaning)
#define PHYSMEM_ROW(type, name, unit, meaning)       ROW(observed_physmem, name, unit, meaning)
#define PHYSMEM_STATE(name, list, unit, meaning)     ROW(observed_physmem, name, unit, meaning)
#define SWAP_ROW(type, name, unit, meaning)          ROW(observed_swap, name, unit, meaning)
#define FILESERVER_ROW(type, name, unit, meaning)    ROW(observed_files, name, unit, meaning)

static const struct counter task[] = {SP_TASK_COUNTERS(TASK_ROW, TASK_ROW)};
static const struct counter task_status[] = {SP_TASK_STATUS(TASK_STATUS_ROW, TASK_STATUS_STATE)};
static const struct counter physmem[] = {SP_PHYSMEM_STATUS(PHYSMEM_ROW, PHYSMEM_STATE)};
static const struct counter swap[] = {SP_SWAP_STATUS(SWAP_ROW, SWAP_ROW)};
static const struct counter fileserver[] = {SP_FILESERVER_STATUS(FILESERVER_ROW, FILESERVER_ROW)};

#define TABLE(rows)                                                                                \
    {                                                                                              \
        rows, sizeof(rows) / sizeof(rows[0])                                                       \
    }

const struct counter_table counters_task = TABLE(task);
const struct counter_table counters_task_status = TABLE(task_status);
const struct counter_table counters_physmem = TABLE(physmem);
const struct counter_table counters_swap = TABLE(swap);
const struct counter_table counters_fileserver = TABLE(fileserver);

const struct counter *counters_find(const struct counter_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

uint64_t counters_value(const struct counter *row, const void *object)
{
    const unsigned char *bytes = (const unsigned char *)object + row->offset;
    uint32_t word;
    uint64_t value;

    switch (row->size) {
    case sizeof(uint8_t):
        return bytes[0];
    case sizeof word:
        memcpy(&word, bytes, sizeof word);
        return word;
    default:
        memcpy(&value, bytes, sizeof value);
        return value;
    }
}
