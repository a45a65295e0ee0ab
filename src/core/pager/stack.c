/* The pager's free slots on the frame stack. */
#include "core/pager/internal.h"

static void on_lost(void *context, uint32_t slot)
{
    struct pager *pager = context;

    pager->slot[slot].place = 0;
    pager_slot_lost(pager, slot);
}

void pager_stack_sweep(struct pager *pager)
{
    if (frame_offers_were_taken(&pager->offers))
        frame_offers_sweep(&pager->offers, on_lost, pager);
}

bool pager_stack_claim(struct pager *pager, uint32_t slot)
{
    uint32_t place = pager->slot[slot].place;

    pager->slot[slot].place = 0;
    if (place == 0 || frame_offers_claim(&pager->offers, place, slot))
        return true;
    pager_slot_lost(pager, slot);
    return false;
}

void pager_stack_offer(struct pager *pager, uint32_t slot)
{
    uint32_t oldest;

    /* Slots that are never taken, because others suit better, must not end the listing of all: they
     * move to the other end, until the empty places behind them are free. */
    for (uint32_t most = pager->offers.live;
         most > 0 && frame_offers_in_the_way(&pager->offers, &oldest) != 0; most--)
        if (pager_stack_claim(pager, oldest))
            pager->slot[oldest].place = frame_offers_add(&pager->offers, oldest);
    pager->slot[slot].place = frame_offers_add(&pager->offers, slot);
}

void pager_publish(struct pager *pager, struct frame_stack *stack, uint32_t places)
{
    frame_offers_init(&pager->offers, stack, places);
    for (uint32_t slot = pager->free_head; slot != PAGER_NONE; slot = pager->slot[slot].next)
        pager->slot[slot].place = frame_offers_add(&pager->offers, slot);
}
