#include "clear.h"

#include "base/assert.h"
#include "change.h"
#include "reading.h"
#include "waiter.h"

/* Time until pages that nobody waits for are cleared. */
#define LATER_MS 10u

/* So many of them may wait at a time, and one for so many frames. */
#define LATER_PAGES 128u
#define LATER_SHARE 64u

static void later_join(struct backing *backing)
{
    struct service *service = backing->service;

    ensure(!backing->later && !pages_any(backing->clear));
    backing->later = true;
    backing->prev_later = NULL;
    backing->next_later = service->later_first;
    if (backing->next_later != NULL)
        backing->next_later->prev_later = backing;
    service->later_first = backing;
}

void clear_soon(struct backing *backing)
{
    struct service *service = backing->service;

    if (!backing->later)
        return;
    backing->later = false;
    service->later_pages -= pages_count(backing->clear);
    if (backing->next_later != NULL)
        backing->next_later->prev_later = backing->prev_later;
    if (backing->prev_later != NULL)
        backing->prev_later->next_later = backing->next_later;
    else
        service->later_first = backing->next_later;
}

void clear_spare(struct backing *backing, uint32_t page, uint32_t count)
{
    uint32_t before = pages_count(backing->clear);

    if (!backing->later)
        return;
    pages_remove(backing->clear, page, count);
    backing->service->later_pages -= before - pages_count(backing->clear);
}

/* Clear all pages that could wait. */
static void later_end(struct service *service)
{
    struct backing *backing;

    while ((backing = service->later_first) != NULL) {
        clear_soon(backing);
        change_begin(backing, false);
    }
    ensure(service->later_pages == 0);
}

static void on_later(uv_timer_t *timer)
{
    later_end(timer->data);
}

/* Clear pages, but not now. */
static void put_off(struct backing *backing, uint32_t page, uint32_t count)
{
    struct service *service = backing->service;
    uint32_t before = pages_count(backing->clear);

    if (!backing->later)
        later_join(backing);
    pages_add(backing->clear, page, count);
    service->later_pages += pages_count(backing->clear) - before;
    if (service->later_pages > LATER_PAGES + service->frames / LATER_SHARE)
        later_end(service);
    else if (!uv_is_active((uv_handle_t *)&service->later) &&
             !uv_is_closing((uv_handle_t *)&service->later))
        uv_timer_start(&service->later, on_later, LATER_MS, 0);
}

/* Whether the pages of an extent that nobody waits for can be cleared later. */
static bool can_put_off(const struct backing *backing)
{
    return backing->lease == NULL && backing->fill == NULL &&
           (backing->later || !pages_any(backing->clear));
}

void clear_punch(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);
    uint32_t end = effect->extent.offset + effect->extent.count;

    ensure(end <= EXTENT_PAGES);
    if (effect->extent.later && can_put_off(backing)) {
        put_off(backing, effect->extent.offset, effect->extent.count);
        return;
    }
    clear_soon(backing);
    pages_add(backing->clear, effect->extent.offset, effect->extent.count);
    for (uint32_t page = effect->extent.offset; page < end; page++)
        contents_forget(backing->fill, page);
    if (backing->lease != NULL)
        lease_soil(backing->lease, effect->extent.offset, effect->extent.count);
    change_begin(backing, true);
}

void clear_keep(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);

    ensure(effect->extent.offset + effect->extent.count <= EXTENT_PAGES);
    clear_spare(backing, effect->extent.offset, effect->extent.count);
    if (!reading_is_settled(backing, effect->extent.offset, effect->extent.count))
        change_begin(backing, true);
}

void clear_cut(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);

    ensure(backing->lease == NULL && effect->extent.count > 0);
    check(backing->cut == 0 || effect->extent.count < backing->cut);
    backing->cut = effect->extent.count;
    backing->cuts = true;
    clear_soon(backing);
    change_begin(backing, true);
}

void clear_destroy(struct service *service, const struct physmem_effect *effect)
{
    struct backing *backing = backing_of(service, effect);
    struct waiter *waiters = backing->waiters;

    backing_forget(service, effect->extent.descriptor);
    clear_soon(backing);
    backing->doomed = true;
    backing->waiters = NULL;
    waiter_end_all(service, waiters);
    change_begin(backing, true);
}
