#include "core/physmem/freeing.h"

#include "core/physmem/emit.h"

void freeing_end(struct physmem *physmem, struct physmem_task *task)
{
    struct freeing *freeing = task->freeing;

    ensure(freeing != NULL);
    deadlines_stop(&physmem->deadlines, &freeing->deadline);
    memory_free(physmem->allocator, freeing,
                sizeof(*freeing) + freeing->count * sizeof(freeing->ranges[0]));
    task->freeing = NULL;
}

void freeing_cancel(struct physmem *physmem, struct physmem_task *task, uint32_t container,
                    int error, const char *text)
{
    struct freeing *freeing = task->freeing;

    check(error >= 0);
    if (freeing == NULL || (container != 0 && freeing->container != container))
        return;
    if (error != 0)
        emit_done(physmem, &freeing->request, error, freeing->frames, text);
    freeing_end(physmem, task);
}
