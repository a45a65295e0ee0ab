/* What the swap server has answered, and what was put off until then. */
#include "core/physmem/swap.h"

#include "core/physmem/input.h"
#include "core/physmem/settle.h"
#include "core/physmem/swap_due.h"
#include "core/physmem/swap_in.h"
#include "core/physmem/swap_out.h"
#include "core/physmem/swapping.h"

/* The task of an account, if its request waits at this step; or NULL. */
static struct physmem_task *waiting_at(const struct physmem *physmem, uint32_t handle,
                                       enum swapping_step step)
{
    const struct stored_account *account = handles_object(&physmem->stored.accounts, handle);
    struct physmem_task *task = account != NULL ? account->task : NULL;

    if (task == NULL)
        return NULL;
    check(task->swapping != NULL && task->swapping->account == account);
    return task->swapping->step == step ? task : NULL;
}

void physmem_swap_stored(struct physmem *physmem, uint64_t now, uint32_t account, uint32_t error,
                         const struct physmem_swapped *pages, uint32_t count)
{
    struct stored_account *into = handles_object(&physmem->stored.accounts, account);
    struct physmem_task *task;

    input_advance(physmem, now);
    ensure(count <= PHYSMEM_SWAP_MAX && into != NULL && into->storing);
    into->storing = false;
    into->denied += error != 0 ? into->asked : 0;
    into->asked = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct stored_page *page = handles_object(&physmem->stored.pages, pages[i].page);
        uint32_t slot = error == 0 && pages[i].error == 0 ? pages[i].slot : STORED_NOWHERE;
        struct stored_freed freed;

        ensure(page != NULL && page->state == STORED_WRITING);
        physmem->counters.swap_stored += slot != STORED_NOWHERE;
        if (!stored_written(&physmem->stored, page, slot, &freed))
            swapping_freed(physmem, &freed);
    }
    task = waiting_at(physmem, account, SWAPPING_STORE);
    if (task != NULL)
        swap_out_stored(physmem, task, (int)error);
    swapping_look(physmem);
    settle_input(physmem);
}

void physmem_swap_loaded(struct physmem *physmem, uint64_t now, uint32_t account, uint32_t extent,
                         const struct physmem_swapped *pages, uint32_t count)
{
    struct physmem_task *task = waiting_at(physmem, account, SWAPPING_LOAD);
    uint32_t errors[PHYSMEM_SWAP_MAX];

    input_advance(physmem, now);
    ensure(count <= PHYSMEM_SWAP_MAX);
    for (uint32_t i = 0; i < count; i++)
        errors[i] = pages[i].error;
    if (task != NULL && task->swapping->extent == extent)
        swap_in_loaded(physmem, task, errors, count);
    settle_input(physmem);
}

void physmem_swap_lost(struct physmem *physmem, uint64_t now, uint32_t handle)
{
    struct stored_account *account = handles_object(&physmem->stored.accounts, handle);

    input_advance(physmem, now);
    if (account == NULL)
        return;
    physmem->counters.swap_lost += stored_lose(account);
    swapping_look(physmem);
    check(account->pages <= physmem->stored.count);
}

void swap_due(struct physmem *physmem)
{
    struct physmem_task *task = physmem->first, *next;

    check(physmem->config.swap);
    for (; task != NULL; task = next) {
        next = task->next;
        if (task->swapping == NULL || task->swapping->step != SWAPPING_OTHERS)
            continue;
        if (task->swapping->in)
            swap_in_go_on(physmem, task);
        else
            swap_out_go_on(physmem, task);
        if (task->swapping->step != SWAPPING_OTHERS)
            swapping_look(physmem); /* others may have waited for this one */
    }
    swapping_slice(physmem);
}
