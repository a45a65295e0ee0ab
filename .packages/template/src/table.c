#include "table.h"

#include <stdint.h>
#include <stdio.h>

#define NUMBERS (SP_PAGE_SIZE / sizeof(uint64_t))

int table_fill(void *pages)
{
    const size_t count = *(const size_t *)pages;
    struct sp_region_options options = {.pages = count, .kind = SP_PRECIOUS};
    struct sp_task *task;
    struct sp_error error;
    void *memory;
    uint64_t *table;
    size_t wrong = 0;

    if (sp_attach(&task, NULL, &error) != 0 ||
        sp_region_create(task, &options, &memory, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        return 2;
    }
    table = memory;
    for (size_t i = 0; i < count * NUMBERS; i++)
        table[i] = i * i;
    for (size_t i = 0; i < count * NUMBERS; i++)
        wrong += table[i] != i * i;
    sp_detach(&task);
    if (wrong > 0)
        fprintf(stderr, "%zu numbers are wrong\n", wrong);
    return wrong > 0;
}
