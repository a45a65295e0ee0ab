#include "core/physmem/told.h"

#include "core/physmem/promises.h"

int told_start(struct physmem *physmem)
{
    check(physmem->untold == NULL);
    physmem->tell.purpose = PURPOSE_TELL;
    return deadlines_reserve(&physmem->deadlines, 1);
}

static void tell(struct physmem *physmem, struct part *part)
{
    ensure(!part->untold);
    part->told_until = physmem->now + TOLD_NS;
    promises_tell(physmem, part->from, part->number, SP_REASON_PART_RETURNED);
}

void told_part(struct physmem *physmem, struct part *part)
{
    check(part->from != NULL);
    if (part->untold)
        return;
    if (physmem->now >= part->told_until) {
        tell(physmem, part);
        return;
    }
    part->untold = true;
    part->next_untold = physmem->untold;
    physmem->untold = part;
    if (!deadline_is_running(&physmem->tell))
        deadlines_start(&physmem->deadlines, &physmem->tell, part->told_until);
    check(deadline_is_running(&physmem->tell));
}

void told_forget(struct physmem *physmem, struct part *part)
{
    struct part **linkp = &physmem->untold;

    if (!part->untold)
        return;
    while (*linkp != part)
        linkp = &(*linkp)->next_untold;
    *linkp = part->next_untold;
    part->untold = false;
    if (physmem->untold == NULL)
        deadlines_stop(&physmem->deadlines, &physmem->tell);
    check(deadline_is_running(&physmem->tell) == (physmem->untold != NULL));
}

void told_due(struct physmem *physmem)
{
    struct part **linkp = &physmem->untold;
    uint64_t next = DEADLINE_NEVER;

    while (*linkp != NULL) {
        struct part *part = *linkp;

        check(part->untold);
        if (physmem->now >= part->told_until) {
            *linkp = part->next_untold;
            part->untold = false;
            tell(physmem, part);
            continue;
        }
        next = part->told_until < next ? part->told_until : next;
        linkp = &part->next_untold;
    }
    deadlines_start(&physmem->deadlines, &physmem->tell, next);
    check(deadline_is_running(&physmem->tell) == (physmem->untold != NULL));
}
