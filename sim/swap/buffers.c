#include "buffers.h"

#include "backend/swap_backend.h"
#include "base/assert.h"
#include "wire/message.h"

#define LARGE_BYTES ((size_t)WIRE_BATCH * SWAP_PAGE)
#define SMALL_BYTES ((size_t)BUFFERS_SMALL_PAGES * SWAP_PAGE)

int buffers_open(struct buffers *buffers, uint32_t large, bool small, struct sp_error *error)
{
    size_t bytes = large * LARGE_BYTES + (small ? BUFFERS_SMALL * SMALL_BYTES : 0);
    uint8_t *memory;
    int code;

    *buffers = (struct buffers){.memory.fd = -1};
    check(large > 0 && large <= BUFFERS_LARGE);
    code = shared_create(&buffers->memory, "selfpage-swap-buffers", bytes, error);
    if (code < 0)
        return code;
    memory = buffers->memory.memory;
    for (; buffers->large_free < large; memory += LARGE_BYTES)
        buffers->large[buffers->large_free++] = memory;
    for (; small && buffers->small_free < BUFFERS_SMALL; memory += SMALL_BYTES)
        buffers->small[buffers->small_free++] = memory;
    return 0;
}

void buffers_close(struct buffers *buffers)
{
    shared_close(&buffers->memory);
    check(buffers->memory.memory == NULL);
}

uint8_t *buffers_take(struct buffers *buffers, bool small)
{
    uint32_t *free = small ? &buffers->small_free : &buffers->large_free;

    check(buffers->large_free <= BUFFERS_LARGE && buffers->small_free <= BUFFERS_SMALL);
    if (*free == 0)
        return NULL;
    --*free;
    return small ? buffers->small[*free] : buffers->large[*free];
}

/* Small ones lie at the end, where there are any. */
bool buffers_is_small(const struct buffers *buffers, const uint8_t *buffer)
{
    const uint8_t *memory = buffers->memory.memory;

    check(buffer >= memory && buffer < memory + buffers->memory.size);
    return (size_t)(buffer - memory) >= BUFFERS_LARGE * LARGE_BYTES;
}

void buffers_give(struct buffers *buffers, uint8_t *buffer)
{
    if (buffers_is_small(buffers, buffer)) {
        ensure(buffers->small_free < BUFFERS_SMALL);
        buffers->small[buffers->small_free++] = buffer;
    } else {
        ensure(buffers->large_free < BUFFERS_LARGE);
        buffers->large[buffers->large_free++] = buffer;
    }
}
