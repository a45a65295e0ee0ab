#include "world/faults.h"

static void *faults_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    struct faults_memory *memory = context;
    void *resized;

    if (new_size > old_size) {
        memory->calls++;
        if (memory->fail_after == 0)
            return NULL;
        if (memory->fail_after != UINT64_MAX)
            memory->fail_after--;
    }
    resized = memory->inner->resize(memory->inner->context, block, old_size, new_size);
    if (resized != NULL || new_size == 0)
        memory->bytes += new_size - old_size;
    return resized;
}

void faults_memory_init(struct faults_memory *memory, const struct allocator *inner)
{
    *memory = (struct faults_memory){
        .allocator = {.resize = faults_resize, .context = memory},
        .inner = inner,
        .fail_after = UINT64_MAX,
    };
}
