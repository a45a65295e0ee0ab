#include "operations.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "os/clock.h"

void operations_init(struct operations *operations, struct service *service, uv_loop_t *loop,
                     uint64_t patience_ns, void (*run)(struct service *service))
{
    *operations = (struct operations){
        .service = service, .loop = loop, .run = run, .patience_ns = patience_ns};
}

static void list_append(struct operations *operations, struct operation *operation)
{
    operation->prev = operations->last;
    if (operations->last != NULL)
        operations->last->next = operation;
    else
        operations->first = operation;
    operations->last = operation;
}

static void list_remove(struct operations *operations, struct operation *operation)
{
    if (operation->prev != NULL)
        operation->prev->next = operation->next;
    else
        operations->first = operation->next;
    if (operation->next != NULL)
        operation->next->prev = operation->prev;
    else
        operations->last = operation->prev;
}

/* Tell the core what has become of an operation. */
static void tell(struct operations *operations, struct operation *operation)
{
    struct physmem *physmem = operations->service->physmem;

    ensure(!operation->given_up);
    list_remove(operations, operation);
    if (operation->load)
        physmem_swap_loaded(physmem, clock_now_ns(), operation->account, operation->extent,
                            operation->page, operation->count);
    else
        physmem_swap_stored(physmem, clock_now_ns(), operation->account, operation->error,
                            operation->page, operation->count);
}

/* There is no answer: nothing of the operation counts any more. */
static void give_up(struct operations *operations, struct operation *operation)
{
    check(!operation->given_up && operation->waits > 0);
    operation->error = ETIMEDOUT;
    for (uint32_t i = 0; i < operation->count; i++)
        operation->page[i].error = ETIMEDOUT;
    tell(operations, operation);
    operation->given_up = true;
}

static void watch(struct operations *operations);

static void on_timer(uv_timer_t *timer)
{
    struct operations *operations = timer->data;
    uint64_t now = clock_now_ns();

    while (operations->first != NULL && operations->first->until_ns <= now)
        give_up(operations, operations->first);
    watch(operations);
    operations->run(operations->service);
}

/* Have the timer fire when the first is due. One that fires early, since the first was answered, looks again. */
static void watch(struct operations *operations)
{
    uint64_t now = clock_now_ns(), left;

    if (operations->stopped || operations->first == NULL)
        return;
    if (!operations->started) {
        uv_timer_init(operations->loop, &operations->timer);
        operations->timer.data = operations;
        operations->started = true;
    }
    if (uv_is_active((uv_handle_t *)&operations->timer))
        return;
    left = operations->first->until_ns > now ? operations->first->until_ns - now : 0;
    uv_timer_start(&operations->timer, on_timer, left / CLOCK_NS_PER_MS + 1, 0);
}

void operations_begin(struct operations *operations, struct operation *operation)
{
    ensure(operation->waits > 0);
    operation->until_ns = clock_now_ns() + operations->patience_ns;
    list_append(operations, operation);
    watch(operations);
}

void operations_less(struct operations *operations, struct operation *operation)
{
    ensure(operation->waits > 0);
    if (--operation->waits > 0)
        return;
    if (!operation->given_up)
        tell(operations, operation);
    free(operation);
}

void operations_stop(struct operations *operations)
{
    operations->stopped = true;
    if (operations->started)
        uv_close((uv_handle_t *)&operations->timer, NULL);
}
