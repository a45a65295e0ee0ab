#include "play/rules.h"

#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "play/lessee.h"
#include "play/pages.h"

/* A task with such a grace is in time whatever befalls its messages. */
#define AMPLE_NS UINT64_C(1000000000)

/* Frames that a task holds. */
static uint64_t held_by(struct scene *scene, const struct physmem_task *task, const char *name)
{
    const struct physmem_task_books seen = physmem_task_get_books(task);

    if (seen.owed > seen.held)
        scene_wrong(scene, "%s owes %u frames, and holds %u", name, seen.owed, seen.held);
    return seen.held;
}

/* What a physmem has of another one: no frame is lost between them, and nothing promised that is not. */
static void check_lessee(struct scene *scene, const struct scene_physmem *physmem,
                         const struct physmem_books *books)
{
    const struct scene_lessee *lessee = &physmem->lessee;

    if (lessee->task == NULL || lessee->revoked || lessee->lost || lessee->opens)
        return;
    if (!lessee_agrees(physmem))
        scene_wrong(scene, "%s has %u frames, and holds %u of %s, with %u to go and %u taken",
                    physmem->name, books->frames, physmem_task_get_books(lessee->task).held,
                    lessee->above->name, lessee->machine.book.returning, lessee->machine.book.gone);
    if (books->guaranteed + books->leased > lessee->tenancy.promised)
        scene_wrong(scene, "%s guarantees %u frames and leases %u, and was promised %u",
                    physmem->name, books->guaranteed, books->leased, lessee->tenancy.promised);
}

static void check_physmem(struct scene *scene, const struct scene_physmem *physmem,
                          const struct actor *actors, uint32_t count)
{
    const struct physmem_books books = physmem_get_books(physmem->core);
    uint64_t held = 0;

    for (uint32_t i = 0; i < count; i++)
        if (actors[i].task != NULL && actors[i].physmem == physmem)
            held += held_by(scene, actors[i].task, actors[i].config->name);
    for (uint32_t i = physmem->number + 1; i < scene->physmems; i++) {
        const struct scene_physmem *below = &scene->physmem[i];

        if (below->lessee.task != NULL && below->lessee.above == physmem)
            held += held_by(scene, below->lessee.task, below->name);
    }
    if (physmem->number == 0 && scene->files.task != NULL)
        held += held_by(scene, scene->files.task, "fileserver");
    if (books.free + books.soft + held != books.frames)
        scene_wrong(scene, "%s: %u frames are free, %u soft and %llu held: there are %u",
                    physmem->name, books.free, books.soft, (unsigned long long)held, books.frames);
    if (physmem->lessee.above != NULL)
        check_lessee(scene, physmem, &books);
    else if (books.guaranteed + books.leased > books.frames)
        scene_wrong(scene, "%u frames are guaranteed and %u leased, of %u", books.guaranteed,
                    books.leased, books.frames);
}

void rules_check(struct scene *scene, const struct actor *actors, uint32_t count)
{
    for (uint32_t i = 0; i < scene->physmems; i++)
        if (scene->physmem[i].core != NULL)
            check_physmem(scene, &scene->physmem[i], actors, count);
}

/* Whether all that physmem has sent to an actor by a lane has come. */
static bool has_heard(const struct actor *actor, enum scene_lane lane)
{
    return (lane != LANE_PHYSMEM || actor->holds.first == NULL) &&
           (actor->lanes.down[lane] < actor->scene->now ||
            actor->lanes.down[lane] == actor->lanes.down_read[lane]);
}

static bool was_heard(const struct actor *actor, enum scene_lane lane)
{
    return actor->lanes.up[lane] < actor->scene->now ||
           actor->lanes.up[lane] == actor->lanes.up_read[lane];
}

/* Physmem says at once what becomes of a contract, by either connection. */
static void check_contracts(const struct actor *actor, const struct physmem_task_books *books)
{
    struct agreements_sums sums = agreements_sum(&actor->agreements);

    if (has_heard(actor, LANE_PHYSMEM) && has_heard(actor, LANE_CONTROL) &&
        (books->guaranteed != sums.guaranteed || books->extra + books->leased != sums.extra))
        scene_wrong(actor->scene, "%s has contracts for %u and %u frames, and believes: %u and %u",
                    actor->config->name, books->guaranteed, books->extra + books->leased,
                    sums.guaranteed, sums.extra);
}

/* Recalls, and the frames that answer them, travel by the control connection. */
static void check_debts(const struct actor *actor, const struct physmem_task_books *books)
{
    /* Larger pages are returned whole, and may be more than what was recalled. */
    if (actor->order == 0 && has_heard(actor, LANE_CONTROL) && was_heard(actor, LANE_CONTROL) &&
        actor->errands.returns == 0 && !frame_offers_were_taken(&actor->pager.offers) &&
        books->owed != actor->pager.owed)
        scene_wrong(actor->scene, "%s owes %u frames, and believes that it owes %u",
                    actor->config->name, books->owed, actor->pager.owed);
}

static void check_frames(const struct actor *actor, const struct physmem_task_books *books)
{
    if (has_heard(actor, LANE_PHYSMEM) && was_heard(actor, LANE_PHYSMEM) &&
        has_heard(actor, LANE_CONTROL) && was_heard(actor, LANE_CONTROL) &&
        actor->errands.returns == 0 && !frame_offers_were_taken(&actor->pager.offers) &&
        books->held != actor_base(actor, actor->pager.held) + actor->files.frames)
        scene_wrong(actor->scene, "%s holds %u frames, and believes that it holds %u",
                    actor->config->name, books->held,
                    actor_base(actor, actor->pager.held) + actor->files.frames);
}

void rules_check_agreement(struct actor *actor)
{
    struct physmem_task_books books;

    if (actor->task == NULL || !actor_is_there(actor) || actor->revoked || actor->orphan ||
        actor->held_back != NULL || actor->put_off >= actor->scene->now ||
        actor->scene->server[SCENE_PHYSMEM].hangs || /* it has not read what has come */
        actor->config->tables->workload.ignores)
        return;
    books = physmem_task_get_books(actor->task);
    if (books.taken)
        return;
    check_contracts(actor, &books);
    check_debts(actor, &books);
    check_frames(actor, &books);
    actor->agreed_held = actor->pager.held;
    actor->agreed_owed = actor->pager.owed;
}

bool rules_have_agreed(const struct actor *actor)
{
    return actor->pager.held == actor->agreed_held && actor->pager.owed == actor->agreed_owed;
}

/* Whether an actor believes that it may do more with a slot, whose page it uses, than physmem has written down. */
static bool has_too_many_rights(const struct actor *actor, uint32_t slot)
{
    const struct pager_slot *believed = &actor->pager.slot[slot];

    if (believed->state != SLOT_USED || (believed->flags & SLOT_LOST) != 0 || believed->rights == 0)
        return false;
    for (uint32_t i = 0; i < actor_base(actor, 1); i++)
        if ((believed->rights & ~physmem_map_rights(actor->physmem->core, actor->container,
                                                    actor_base(actor, slot) + i)) != 0)
            return true;
    return false;
}

/* Physmem takes rights out of its books when the task says that it has given them up, and gives them again before the
 * task hears of it: whatever is under way, the task has none that physmem does not know of. Where frames were taken by
 * force it may not have heard of that. */
static void check_rights(const struct actor *actor)
{
    if (actor->task == NULL || actor->revoked || physmem_task_get_books(actor->task).taken)
        return;
    for (uint32_t slot = 0; slot < actor->pager.slots_top; slot++)
        if (has_too_many_rights(actor, slot))
            scene_wrong(actor->scene,
                        "%s believes that it may touch slot %u, the rights to which "
                        "it has given up",
                        actor->config->name, actor_base(actor, slot));
}

void rules_check_all(struct scene *scene, struct actor *actor)
{
    const char *wrong;
    uint32_t page = UINT32_MAX;

    for (uint32_t i = 0; i < scene->physmems; i++) {
        wrong = scene->physmem[i].core != NULL ? physmem_check(scene->physmem[i].core) : NULL;
        if (wrong != NULL)
            scene_wrong(scene, "the books of %s: %s", scene->physmem[i].name, wrong);
    }

    if (actor != NULL && actor->orphan)
        actor = NULL;
    wrong = actor != NULL && actor_is_there(actor) ? pager_check(&actor->pager) : NULL;
    if (wrong == NULL && actor != NULL && actor_is_there(actor))
        wrong = pager_shell_check(&actor->shell);
    if (wrong != NULL)
        scene_wrong(scene, "the books of %s: %s", actor->config->name, wrong);
    if (actor != NULL && actor_is_there(actor))
        check_rights(actor);
    wrong = actor != NULL ? device_check(&scene->device, actor->number) : NULL;
    if (wrong != NULL)
        scene_wrong(scene, "what %s has in swap: %s", actor->config->name, wrong);
    if (actor != NULL && actor_is_there(actor) && actor->state != THREAD_COMES)
        page = pages_audit(actor);
    if (page != UINT32_MAX)
        scene_wrong(scene, "%s: page %u is not where it is believed to be", actor->config->name,
                    page);
}

/* The lesser of a grace and those of terms, if they count in time; else nothing. */
static uint64_t lesser_grace(uint64_t least, const struct sp_terms *terms)
{
    bool counts_time = terms->grace_unit == SP_GRACE_TIME;

    if (terms->t_clean != 0 && (!counts_time || terms->t_clean < least))
        least = counts_time ? terms->t_clean : 0;
    if (terms->t_drop != 0 && (!counts_time || terms->t_drop < least))
        least = counts_time ? terms->t_drop : 0;
    return least;
}

/* Of the contracts of an actor. */
static uint64_t least_grace(const struct actor *actor)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < actor->config->contracts; i++)
        least = lesser_grace(least, &actor->config->wanted[i].terms);
    return least;
}

/* Whether a physmem that rests on others, whose tasks are in time, may be late itself: because of what befell them, or
 * since it has little time. */
static bool physmem_may_be_late(const struct scene *scene, const struct scene_physmem *physmem)
{
    for (; physmem->lessee.above != NULL; physmem = physmem->lessee.above) {
        const struct scene_lessee *lessee = &physmem->lessee;

        if (lessee->lost || scene->server[scene_server_of(physmem)].struck)
            return true;
        for (uint32_t i = 0; i < TERMS_MAX; i++)
            if (lessee->tenancy.agreements.agreement[i].number != 0 &&
                lesser_grace(UINT64_MAX, &lessee->tenancy.agreements.agreement[i].terms) < AMPLE_NS)
                return true;
    }
    return false;
}

/* Whether what befell it, or its own terms, may be why it was late. */
static bool may_be_late(const struct scene *scene, const struct actor *actor)
{
    const struct workload *workload = &actor->config->tables->workload;

    for (uint32_t above = actor->config->part_of; above > 0;) { /* whose grace it has */
        if (actor->all[above - 1].struck)
            return true;
        above = actor->all[above - 1].config->part_of;
    }
    return actor->struck || workload->ignores || least_grace(actor) < AMPLE_NS ||
           physmem_may_be_late(scene, actor->physmem) ||
           (workload->kind == SP_PRECIOUS && scene->device_struck);
}

void rules_check_revoked(struct scene *scene, const struct actor *actor)
{
    if (!may_be_late(scene, actor))
        scene_wrong(scene, "%s has kept its contracts, and was revoked (reason %u)",
                    actor->config->name, actor->seen.reason);
}

/* Whether a physmem has no tasks but the file server and those that rest on it, and these have nothing of it but what is
 * free there. */
static bool is_settled(const struct scene *scene, const struct scene_physmem *physmem)
{
    uint32_t tasks = 0, held = 0;
    struct physmem_status status;

    if (physmem->core == NULL)
        return true;
    for (uint32_t i = physmem->number + 1; i < scene->physmems; i++) {
        const struct scene_lessee *below = &scene->physmem[i].lessee;

        if (below->above != physmem || below->task == NULL)
            continue;
        if (scene->physmem[i].core == NULL || below->questions + below->news > 0)
            return false;
        tasks++;
        held += physmem_task_get_books(below->task).held;
    }
    if (physmem->number == 0 && scene->files.task != NULL) {
        tasks++;
        held += physmem_task_get_books(scene->files.task).held;
    }
    physmem_get_status(physmem->core, &status);
    return status.tasks == tasks && status.free + held == status.frames;
}

bool rules_settled(const struct scene *scene)
{
    for (uint32_t i = 0; i < scene->physmems; i++)
        if (!is_settled(scene, &scene->physmem[i]))
            return false;
    return true;
}
