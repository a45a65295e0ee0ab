/* The request to give pages in swap up. */
#include "core/physmem/emit.h"
#include "core/physmem/input.h"
#include "core/physmem/swap.h"
#include "core/physmem/swapping.h"

void physmem_swap_drop(struct physmem *physmem, uint64_t now, const struct physmem_request *request,
                       const uint32_t *numbers, uint32_t count)
{
    uint32_t dropped = 0;

    if (!input_begin(physmem, now, request) || !swapping_begin(physmem, request) ||
        !swapping_numbers_fit(physmem, request, numbers, count))
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (numbers[i] == 0)
            continue;
        swapping_release(
            physmem, stored_find(&physmem->stored, request->task->swapping->account, numbers[i]));
        dropped++;
    }
    check(dropped <= count);
    emit_done(physmem, request, 0, dropped, NULL);
}
