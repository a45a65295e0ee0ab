#include "core/physmem/swapping.h"

#include "core/physmem/copies.h"
#include "core/physmem/emit.h"

/* References that are given up in one slice, and the time between slices. */
#define SLICE    256u
#define SLICE_NS UINT64_C(250000)

int swapping_open(struct physmem *physmem, struct physmem_task *task)
{
    check(task->state == STANDING_THERE);
    if (task->swapping == NULL)
        task->swapping = memory_new(physmem->allocator, sizeof(*task->swapping));
    if (task->swapping == NULL)
        return ENOMEM;
    if (task->swapping->account == NULL)
        task->swapping->account = stored_account_new(&physmem->stored, task, task->identity.uid);
    return task->swapping->account != NULL ? 0 : ENOMEM;
}

bool swapping_begin(struct physmem *physmem, const struct physmem_request *request)
{
    check(request->task->state == STANDING_THERE);
    if (!physmem->config.swap) {
        emit_done(physmem, request, EOPNOTSUPP, 0,
                  "this physmem stores nothing: it was started without --swap");
        return false;
    }
    if (swapping_waits(request->task)) {
        emit_done(physmem, request, EBUSY, 0, "another request to swap of this task still waits");
        return false;
    }
    return true;
}

/* Whether the numbers of a request are this task's, and each is named once. Returns 0 or an errno value; *placep: which
 * one is not. */
static int wrong_numbers(const struct physmem *physmem, const struct physmem_task *task,
                         const uint32_t *numbers, uint32_t count, uint32_t *placep)
{
    const struct stored_account *account = task->swapping != NULL ? task->swapping->account : NULL;

    check(count <= PHYSMEM_SWAP_MAX);
    for (*placep = 0; *placep < count; ++*placep) {
        uint32_t number = numbers[*placep];

        if (number == 0)
            continue;
        if (account == NULL || stored_find(&physmem->stored, account, number) == NULL)
            return ENOENT;
        for (uint32_t i = 0; i < *placep; i++)
            if (numbers[i] == number)
                return EINVAL;
    }
    return 0;
}

bool swapping_numbers_fit(struct physmem *physmem, const struct physmem_request *request,
                          const uint32_t *numbers, uint32_t count)
{
    uint32_t place = 0;
    int error = count == 0 || count > PHYSMEM_SWAP_MAX ? EINVAL : 0;
    const char *text = "1 to 64 pages can be swapped at once";

    if (error == 0) {
        error = wrong_numbers(physmem, request->task, numbers, count, &place);
        text = error == ENOENT ? "the task has no page of this number in swap"
                               : "a page in swap is named twice";
    }
    check(place <= PHYSMEM_SWAP_MAX);
    if (error != 0)
        emit_done(physmem, request, error, place, text);
    return error == 0;
}

/* Tell the swap server what an account does not need any more. What it was never granted it need not give back. */
static void tell(struct physmem *physmem, uint32_t handle, uint32_t slot, uint32_t refund)
{
    struct stored_account *account = handles_object(&physmem->stored.accounts, handle);
    struct physmem_effect *effect;
    uint32_t absorbed;

    ensure(account != NULL);
    absorbed = smaller(refund, account->denied);
    account->denied -= absorbed;
    refund -= absorbed;
    if (slot == STORED_NOWHERE && refund == 0)
        return;
    effect = emit_effect(physmem, PHYSMEM_SWAP_RETURN, NULL);
    effect->unneeded.account = handle;
    effect->unneeded.slot = slot;
    effect->unneeded.refund = refund;
}

/* An account without a task that has nothing any more ends. */
static void settle_account(struct physmem *physmem, uint32_t handle)
{
    struct stored_account *account = handles_object(&physmem->stored.accounts, handle);

    if (account == NULL || account->task != NULL || account->references > 0 || account->pages > 0 ||
        account->storing)
        return;
    check(account->left == 0);
    emit_effect(physmem, PHYSMEM_SWAP_END, NULL)->unneeded.account = handle;
    stored_account_end(&physmem->stored, account);
}

void swapping_freed(struct physmem *physmem, const struct stored_freed *freed)
{
    tell(physmem, freed->account, freed->slot, freed->refund);
    if (freed->holder != freed->account)
        tell(physmem, freed->holder, STORED_NOWHERE, freed->back);
    settle_account(physmem, freed->account);
    settle_account(physmem, freed->holder);
    check(handles_object(&physmem->stored.accounts, 0) == NULL);
}

void swapping_release(struct physmem *physmem, struct stored_reference *reference)
{
    struct stored_freed freed = stored_release(&physmem->stored, reference);

    check(freed.refund <= 1 && freed.back <= 1);
    swapping_freed(physmem, &freed);
}

static struct physmem_request request_of(struct physmem_task *task)
{
    ensure(swapping_waits(task));
    return (struct physmem_request){task, task->swapping->seq, task->swapping->control};
}

void swapping_fail(struct physmem *physmem, struct physmem_task *task, int error, uint32_t count,
                   const char *text)
{
    const struct physmem_request request = request_of(task);

    check(error > 0);
    task->swapping->step = SWAPPING_NONE;
    emit_done(physmem, &request, error, count, text);
}

void swapping_answer(struct physmem *physmem, struct physmem_task *task, int error,
                     const char *text)
{
    const struct physmem_request request = request_of(task);
    struct physmem_effect *effect =
        emit_reply(physmem, PHYSMEM_REPLY_SWAPPED, &request, error, text);

    check((error != 0) == (text != NULL));
    effect->swapped.numbers = task->swapping->number;
    effect->swapped.count = task->swapping->count;
    task->swapping->step = SWAPPING_NONE;
}

void swapping_mark(struct stored_page *page, bool loading)
{
    struct stored_account *account = page->account;

    if (page->loading == loading)
        return;
    ensure(loading || account->loading > 0);
    page->loading = loading;
    account->loading += loading ? 1 : UINT32_MAX;
}

void swapping_unload(struct physmem *physmem, struct swapping *swapping)
{
    struct extent *extent = handles_object(&physmem->extents, swapping->extent);

    check(swapping->loads <= swapping->count);
    for (uint32_t i = 0; i < swapping->loads; i++) {
        struct stored_reference *reference =
            stored_find(&physmem->stored, swapping->account, swapping->number[swapping->load[i]]);

        if (reference != NULL)
            swapping_mark(reference->page, false);
    }
    swapping->loads = 0;
    swapping->extent = 0;
    /* One that is not backed yet is given up when it is. */
    if (extent != NULL && !extent->pending && extent->allocated == 0)
        copies_extent_end(physmem, extent);
    swapping_look(physmem);
}

void swapping_task_end(struct physmem *physmem, struct physmem_task *task, int error,
                       const char *text)
{
    struct swapping *swapping = task->swapping;

    if (swapping == NULL)
        return;
    if (swapping_waits(task)) {
        if (swapping->step == SWAPPING_EXTENT || swapping->step == SWAPPING_LOAD)
            swapping_unload(physmem, swapping);
        if (error != 0)
            swapping_fail(physmem, task, error, 0, text);
    }
    if (swapping->account != NULL) {
        ensure(swapping->account->task == task);
        swapping->account->task = NULL;
        settle_account(physmem, swapping->account->handle);
        swapping_look(physmem);
    }
    swapping->account = NULL;
    swapping->step = SWAPPING_NONE;
}

void swapping_free(const struct physmem *physmem, struct physmem_task *task)
{
    check(!swapping_waits(task));
    memory_free(physmem->allocator, task->swapping, sizeof(*task->swapping));
    task->swapping = NULL;
}

/* An account that has references, and whose task has gone; or NULL. What it is having stored is waited for. */
static struct stored_account *orphaned(const struct physmem *physmem)
{
    struct stored_account *account = physmem->stored.first;

    check(account == NULL || account->handle != 0);
    while (account != NULL &&
           (account->task != NULL || account->references == 0 || account->storing))
        account = account->next;
    return account;
}

void swapping_slice(struct physmem *physmem)
{
    struct stored_account *account;
    uint32_t left = SLICE;

    while (left > 0 && (account = orphaned(physmem)) != NULL) {
        uint32_t count = smaller(left, account->references);

        left -= count;
        for (; count > 0; count--) /* the account may end with its last one */
            swapping_release(physmem, account->first);
    }
    check(left <= SLICE);
    if (left == 0)
        deadlines_start(&physmem->deadlines, &physmem->swap_work, physmem->now + SLICE_NS);
}

void swapping_look(struct physmem *physmem)
{
    check(physmem->config.swap);
    if (!deadline_is_running(&physmem->swap_work))
        deadlines_start(&physmem->deadlines, &physmem->swap_work, physmem->now);
}
