#include "core/physmem/copying.h"

#include "core/physmem/emit.h"

void copying_end(struct physmem *physmem, struct physmem_task *task, int error, const char *text)
{
    struct physmem_request request;

    check(error >= 0);
    if (!copying_waits(task))
        return;
    request = (struct physmem_request){task, task->copying->seq, task->copying->control};
    task->copying->extent = 0;
    if (error != 0)
        emit_done(physmem, &request, error, 0, text);
}

void copying_free(struct physmem *physmem, struct physmem_task *task, int error, const char *text)
{
    copying_end(physmem, task, error, text);
    ensure(!copying_waits(task));
    memory_free(physmem->allocator, task->copying, sizeof(*task->copying));
    task->copying = NULL;
}
