/* Do the books agree? Everything is counted again, from the slots up. */
#include "core/physmem/rows.h"
#include "core/physmem/state.h"

/* What the books of all tasks come to. */
struct sums {
    uint32_t held;
    uint32_t soft;
    uint32_t guaranteed;
    uint32_t leased;
    uint32_t owed;
    uint32_t overdue;
    uint32_t waiting;
    uint32_t extents;
    uint32_t parts;
    uint32_t copies;
    uint32_t unclaimed[SP_CONTRACT_KINDS];
};

static const char *check_slot(const struct physmem *physmem, const struct container *container,
                              const struct container_slot *entry, uint32_t slot)
{
    const struct frame *frame;

    if (entry->frame == SLOT_NO_FRAME)
        return entry->soft || entry->rights || entry->unmapping || entry->copy
                   ? "a hole has attributes"
                   : NULL;
    if (entry->frame >= physmem->frames.frames)
        return "a slot names a frame that does not exist";
    frame = &physmem->frames.frame[entry->frame];
    if (frame->container != container->handle || frame->slot != slot)
        return "a slot names a frame that another slot has";
    if (frame->state != (entry->soft ? FRAME_SOFT : FRAME_USED))
        return "slot and frame disagree on the state";
    return NULL;
}

static bool has_reader(const struct clean *clean, const struct physmem_task *task)
{
    uint32_t i = 0;

    while (i < clean->readers && clean->reader[i].task != task->id)
        i++;
    return i < clean->readers;
}

/* The page that a slot names instead of its own. */
static const char *check_copy(const struct physmem *physmem, const struct container *container,
                              const struct extent *home, uint32_t i)
{
    const struct copied *copied = home->copied != NULL ? &home->copied[i] : NULL;
    const struct extent *extent;

    if (copied == NULL)
        return "a copy of nothing";
    extent = handles_object(&physmem->extents, copied->extent);
    if (extent == NULL || extent->clean == NULL || copied->page >= extent->pages)
        return "a copy names a page that does not exist";
    if (extent->clean->user[copied->page] == 0)
        return "a copy names a page without users";
    if (container->owner != &physmem->nobody && !has_reader(extent->clean, container->owner))
        return "a task names a page that it may not read";
    return (home->slot[i].rights & SLOT_WRITE) != 0 ? "a copy can be written" : NULL;
}

/* Clean extents count as many users as there are copies, and pages are no more than their users'
 * frames. */
static const char *check_clean(const struct physmem *physmem, uint32_t copies)
{
    uint32_t users = 0;
    uint32_t cleans = 0;
    uint32_t shared = 0;

    for (uint32_t i = 0; i < physmem->extents.used; i++) {
        const struct extent *extent = physmem->extents.entry[i].object;
        uint32_t pages = 0;

        if (extent == NULL || extent->clean == NULL)
            continue;
        cleans++;
        for (uint32_t page = 0; page < extent->pages; page++) {
            users += extent->clean->user[page];
            pages += extent->clean->user[page] > 0;
            shared += extent->clean->user[page] > 1;
        }
        if (pages != extent->allocated ||
            (pages == 0 && !extent->pending && !extent->clean->filling))
            return "a clean extent miscounts its pages, or was kept without any";
    }
    if (cleans != physmem->cleans || shared != physmem->pages_shared)
        return "clean extents or shared pages are miscounted";
    return users == copies ? NULL : "pages have other users than there are copies";
}

static const char *check_container(const struct physmem *physmem, const struct container *container,
                                   struct sums *sums)
{
    uint32_t allocated = 0;
    uint32_t soft = 0;

    for (uint32_t slot = 0; (slot = container_skip(container, slot)) < container->slots;) {
        struct extent *extent = container_extent(container, slot);
        uint32_t in_extent = 0;
        uint32_t soft_in_extent = 0;
        uint32_t copies_in_extent = 0;

        for (uint32_t i = 0; i < extent->pages; i++, slot++) {
            const struct container_slot *entry = extent_slot(extent, slot);
            const char *wrong = check_slot(physmem, container, entry, slot);

            if (wrong != NULL)
                return wrong;
            if (extent->cut > 0 && i >= extent->cut && entry->frame != SLOT_NO_FRAME)
                return "a slot has a frame and no memory, which was cut off";
            in_extent += slot_is_allocated(entry);
            soft_in_extent += entry->soft;
            copies_in_extent += entry->copy;
            if (entry->copy && check_copy(physmem, container, extent, i) != NULL)
                return check_copy(physmem, container, extent, i);
        }
        if (copies_in_extent != extent->copies)
            return "an extent miscounts its copies";
        sums->copies += copies_in_extent;
        if (in_extent != extent->allocated || soft_in_extent != extent->soft)
            return "an extent miscounts its slots";
        if (extent->handle != 0 && handles_object(&physmem->extents, extent->handle) != extent)
            return "the handle of an extent names something else";
        if (extent->handle == 0 && extent->cut > 0)
            return "an extent without backing is cut";
        if (extent->handle == 0 && in_extent + soft_in_extent == 0)
            return "an extent without frames or backing was kept";
        sums->extents += extent->handle != 0;
        allocated += in_extent;
        soft += soft_in_extent;
    }
    if (allocated != container->allocated || soft != container->soft)
        return "a container miscounts its slots";
    sums->held += allocated;
    sums->soft += soft;
    return NULL;
}

/* The parts of one contract, and the contracts that were made of them. */
static const char *check_parts(const struct physmem *physmem, const struct contract *contract,
                               struct sums *sums, uint32_t *countp)
{
    for (const struct part *part = contract->parts; part != NULL; part = part->next) {
        const struct contract *to = part->to;
        uint32_t frames = 0;

        if (part->from != contract || part_table_find(&physmem->parts, part->token) != part)
            return "a part is not where its contract or its token says";
        (*countp)++;
        if (to == NULL) {
            sums->unclaimed[contract->terms.kind] += part->frames;
            continue;
        }
        if (to->part != part || to->depth != contract->depth + 1 || to->task == contract->task ||
            to->terms.kind != contract->terms.kind)
            return "a part and the contract it was claimed as disagree";
        frames = to->terms.frames;
        for (const struct part *below = to->parts; below != NULL; below = below->next)
            frames += below->frames;
        if (frames != part->frames)
            return "a part has not as many frames as what is below it";
    }
    return NULL;
}

/* A task's commitment as its contracts say. */
static const char *check_contracts(const struct physmem *physmem, const struct physmem_task *task,
                                   struct sums *sums)
{
    uint32_t sum[SP_CONTRACT_KINDS] = {0};
    uint32_t contracts = 0;
    uint32_t parts = 0;

    for (const struct contract *c = task->contract_list; c != NULL; c = c->next) {
        const char *wrong = contract_check(c);

        if (wrong == NULL)
            wrong = check_parts(physmem, c, sums, &parts);
        if (wrong != NULL)
            return wrong;
        if (c->state == SP_CONTRACT_ACTIVE)
            sum[c->terms.kind] += c->terms.frames;
        contracts++;
    }
    if (contracts != task->contracts || contracts > CONTRACTS_PER_TASK)
        return "a task miscounts its contracts";
    if (parts != task->parts || parts > PARTS_PER_TASK)
        return "a task miscounts the parts it split off";
    sums->parts += parts;
    if (sum[SP_GUARANTEED] != task->guaranteed || sum[SP_TIMED] != task->leased ||
        sum[SP_EXTRA] != task->extra)
        return "a task's frames are not what its contracts add up to";
    return NULL;
}

/* The weak references to one container, and its lock. */
static const char *check_shares(const struct container *container)
{
    const struct sharing *sharing = container->sharing;
    bool locker_found;
    uint32_t shares = 0;

    if (sharing == NULL)
        return NULL;
    locker_found = sharing->locker == NULL;
    for (const struct share *s = sharing->first; s != NULL; s = s->next) {
        shares++;
        if (s->container != container || s->number == 0 || s->number > sharing->numbers)
            return "a weak reference is misplaced";
        if (s->task == container->owner || (s->task == NULL && (s->adopted || s->token == 0)))
            return "a weak reference that nobody can have";
        if (s->task != NULL && s->task->state != STANDING_THERE)
            return "a weak reference of a task that has ended";
        locker_found = locker_found || (s == sharing->locker && s->adopted);
    }
    if (shares != sharing->shares || shares > SHARES_PER_CONTAINER || !locker_found)
        return "a container miscounts its weak references, or none of them has the lock";
    if (deadline_is_running(&sharing->deadline) != (sharing->locker != NULL) ||
        (sharing->waits && sharing->locker == NULL))
        return "a lock without a deadline, or the other way round";
    return NULL;
}

/* What a task was given by others. */
static const char *check_given(const struct physmem_task *task)
{
    const struct share *before = NULL;
    uint32_t given = 0;

    for (const struct share *s = task->share_list; s != NULL; s = s->next_of_task) {
        if (s->task != task || s->prev_of_task != before)
            return "the list of a task's weak references is wrong";
        given += !s->adopted;
        before = s;
    }
    return given == task->shares_given ? NULL : "weak references not taken are miscounted";
}

static const char *check_debts(const struct physmem_task *task)
{
    uint32_t owed = 0;
    uint32_t recalling = 0;
    uint32_t overdue = 0;
    uint32_t kept = 0;

    for (unsigned i = 0; i < PHYSMEM_RECALLS_MAX; i++) {
        const struct recall *recall = &task->recalls[i];

        owed += recall->missing;
        overdue += recall->overdue ? recall->missing : 0;
        if (recall->contract != NULL && recall->missing > 0)
            recalling += recall->missing;
        if (deadline_is_running(&recall->deadline) != (recall->missing > 0))
            return "a recall without a deadline, or the other way round";
    }
    for (const struct contract *c = task->contract_list; c != NULL; c = c->next)
        kept += c->recalling;
    if (owed != task->owed || overdue != task->overdue)
        return "a task's debts do not add up";
    if (kept != recalling)
        return "contracts and recalls disagree on what was asked for";
    if (task->owed > task_excess(task))
        return "a task owes frames that it is entitled to";
    return NULL;
}

static const char *check_task(const struct physmem *physmem, const struct physmem_task *task,
                              struct sums *sums)
{
    uint32_t held = sums->held;
    uint32_t soft = sums->soft;
    uint32_t extents = sums->extents;
    const char *wrong = NULL;

    for (const struct container *c = task->container_list; c != NULL && wrong == NULL;
         c = c->next) {
        wrong = c->owner == task ? check_container(physmem, c, sums) : "a container is misplaced";
        if (wrong == NULL)
            wrong = check_shares(c);
    }
    if (wrong == NULL)
        wrong = check_given(task);
    if (wrong == NULL && (sums->held - held != task->held || sums->soft - soft != task->soft))
        wrong = "what a task holds is not what its containers hold";
    if (wrong == NULL && sums->extents - extents != task->extents)
        wrong = "a task miscounts its extents";
    if (wrong == NULL)
        wrong = check_contracts(physmem, task, sums);
    if (wrong == NULL)
        wrong = check_debts(task);
    sums->guaranteed += task->guaranteed;
    sums->leased += task->leased;
    sums->owed += task->owed;
    sums->overdue += task->overdue;
    sums->waiting += task->waiting;
    return wrong;
}

static const char *check_pending(const struct physmem *physmem)
{
    uint32_t need = 0;

    for (const struct pending *p = physmem->pending_first; p != NULL; p = p->next) {
        if (p->request.task->state != STANDING_THERE)
            return "a request of a dead task waits";
        need += p->need;
    }
    return need == physmem->waiting ? NULL : "requests that wait do not add up";
}

/* The sums that concern the physmem above. */
static const char *check_upstream(const struct physmem *physmem)
{
    const struct upstream_state *upstream = &physmem->upstream;
    uint32_t due = 0;

    for (unsigned i = 0; i < UPSTREAM_RECALLS; i++)
        due += upstream->recall[i].missing;
    if (due != upstream->due || deadline_is_running(&upstream->deadline) != (due > 0))
        return "what the physmem above has recalled does not add up, or has no deadline";
    if (upstream->away > physmem->frames.buddy.free)
        return "more frames are in use than are held above";
    if (due > physmem->frames.used)
        return "more frames were recalled from above than are in use";
    return upstream->asked <= upstream->away ? NULL : "more frames were asked for than are away";
}

static const char *check_watchers(const struct physmem *physmem)
{
    const struct physmem_task *before = NULL;
    bool next_found = physmem->look_next == NULL;

    for (const struct physmem_task *t = physmem->watching; t != NULL; t = t->next_watching) {
        if (t->state != STANDING_THERE || !t->watches || t->prev_watching != before)
            return "the list of watchers is wrong";
        if (t->hysteresis == 0)
            return "a watcher wants to hear of nothing";
        next_found = next_found || t == physmem->look_next;
        before = t;
    }
    return next_found ? NULL : "the next watcher to be looked at is gone";
}

const char *physmem_check(const struct physmem *physmem)
{
    struct sums sums = {0};
    const char *wrong = frame_table_check(&physmem->frames);

    for (const struct physmem_task *t = physmem->first; t != NULL && wrong == NULL; t = t->next)
        wrong = check_task(physmem, t, &sums);
    if (wrong == NULL)
        wrong = check_task(physmem, &physmem->nobody, &sums);
    if (wrong == NULL)
        wrong = check_pending(physmem);
    if (wrong == NULL)
        wrong = rows_check(physmem);
    if (wrong == NULL)
        wrong = check_watchers(physmem);
    if (wrong == NULL)
        wrong = check_upstream(physmem);
    if (wrong == NULL && !deadlines_are_in_order(&physmem->deadlines))
        wrong = "deadlines are not in the order of their times";
    if (wrong != NULL)
        return wrong;
    wrong = check_clean(physmem, sums.copies);
    if (wrong == NULL)
        wrong = stored_check(&physmem->stored);
    if (wrong != NULL)
        return wrong;
    if (sums.held != physmem->frames.used || sums.soft != physmem->frames.soft)
        return "frames are in use that no task has";
    for (unsigned kind = 0; kind < SP_CONTRACT_KINDS; kind++)
        if (sums.unclaimed[kind] != physmem->unclaimed[kind])
            return "the sums of parts that nobody has claimed are wrong";
    if (sums.parts != physmem->parts.parts)
        return "a token names a part that no contract has";
    if (sums.guaranteed + sums.unclaimed[SP_GUARANTEED] != physmem->guaranteed ||
        sums.leased + sums.unclaimed[SP_TIMED] != physmem->leased)
        return "the sums of commitments are wrong";
    if (physmem->guaranteed + physmem->leased > frames_promisable(physmem))
        return "more frames are promised than there are";
    if (sums.owed != physmem->owed || sums.overdue != physmem->overdue ||
        sums.waiting != physmem->waiting)
        return "the sums of debts or of waiting requests are wrong";
    if (sums.extents != physmem->extent_count)
        return "the number of extents is wrong";
    return NULL;
}
