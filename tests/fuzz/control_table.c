/* Any memory as a control table: as the policy server reads it, which may be connected to anything,
 * and as physmem does, where the policy server writes. */
#include <stdlib.h>
#include <string.h>

#include "shm/control_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_row(struct control_row *row, uint64_t now)
{
    struct control_entitlement entitlement = {.entitled = 7, .gives = {1, 2, 3, 4}}, again;
    struct sp_arbiter_task task;
    uint32_t uid;

    control_table_entitlement(row, 1, &again);
    if (!control_table_read(row, now, &task, &uid))
        return;
    if (task.id == 0 || task.own != NULL)
        abort();
    entitlement.basis = control_table_basis(&task);
    control_table_entitle(row, task.id, &entitlement);
    if (control_table_entitle(row, task.id, &entitlement))
        abort(); /* that was not new */
    if (!control_table_entitlement(row, task.id, &again) || again.entitled != 7 ||
        memcmp(again.gives, entitlement.gives, sizeof(again.gives)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = (size + 63) / 64 * 64;
    struct control_table *table;

    if (size < sizeof(*table))
        return 0;
    table = aligned_alloc(64, room);
    if (table == NULL)
        abort();
    memset(table, 0, room);
    memcpy(table, data, size);
    if (control_table_is_valid(table, size)) {
        if (control_table_size(table->rows) > size)
            abort();
        for (uint32_t i = 0; i < table->rows; i++)
            read_row(&table->row[i], data[size - 1]);
        if (table->rows > 1)
            control_table_copy_entitlement(&table->row[0], &table->row[1]);
    }
    free(table);
    return 0;
}
