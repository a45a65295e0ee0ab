#include "play/rules.h"

#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "play/pages.h"

/* A task with such a grace is in time whatever befalls its messages. */
#define AMPLE_NS UINT64_C(1000000000)

void rules_check(struct scene *scene, const struct actor *actors, uint32_t count)
{
    struct physmem_books books;
    uint64_t held = 0;

    if (scene->server[SCENE_PHYSMEM].away)
        return;
    books = physmem_get_books(scene->physmem);
    for (uint32_t i = 0; i < count; i++)
        if (actors[i].task != NULL) {
            const struct physmem_task_books seen = physmem_task_get_books(actors[i].task);

            held += seen.held;
            if (seen.owed > seen.held)
                scene_wrong(scene, "%s owes %u frames, and holds %u", actors[i].config->name,
                            seen.owed, seen.held);
        }
    if (books.free + books.soft + held != books.frames)
        scene_wrong(scene, "%u frames are free, %u soft and %llu held: there are %u", books.free,
                    books.soft, (unsigned long long)held, books.frames);
    if (books.guaranteed + books.leased > books.frames)
        scene_wrong(scene, "%u frames are guaranteed and %u leased, of %u", books.guaranteed,
                    books.leased, books.frames);
}

/* Whether all that physmem has sent to an actor by a lane has come. */
static bool has_heard(const struct actor *actor, enum scene_lane lane)
{
    return actor->lanes.down[lane] < actor->scene->now;
}

static bool was_heard(const struct actor *actor, enum scene_lane lane)
{
    return actor->lanes.up[lane] < actor->scene->now;
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
        books->held != actor_base(actor, actor->pager.held))
        scene_wrong(actor->scene, "%s holds %u frames, and believes that it holds %u",
                    actor->config->name, books->held, actor_base(actor, actor->pager.held));
}

void rules_check_agreement(const struct actor *actor)
{
    struct physmem_task_books books;

    if (actor->task == NULL || !actor_is_there(actor) || actor->revoked || actor->orphan ||
        actor->held_back != NULL || actor->put_off >= actor->scene->now ||
        actor->config->tables->workload.ignores)
        return;
    books = physmem_task_get_books(actor->task);
    if (books.taken)
        return;
    check_contracts(actor, &books);
    check_debts(actor, &books);
    check_frames(actor, &books);
}

void rules_check_all(struct scene *scene, struct actor *actor)
{
    const char *wrong = scene->server[SCENE_PHYSMEM].away ? NULL : physmem_check(scene->physmem);
    uint32_t page = UINT32_MAX;

    if (actor != NULL && actor->orphan)
        actor = NULL;
    if (wrong != NULL)
        scene_wrong(scene, "the books of physmem: %s", wrong);
    wrong = actor != NULL && actor_is_there(actor) ? pager_check(&actor->pager) : NULL;
    if (wrong == NULL && actor != NULL && actor_is_there(actor))
        wrong = pager_shell_check(&actor->shell);
    if (wrong != NULL)
        scene_wrong(scene, "the books of %s: %s", actor->config->name, wrong);
    if (actor != NULL && actor_is_there(actor) && actor->state != THREAD_COMES)
        page = pages_audit(actor);
    if (page != UINT32_MAX)
        scene_wrong(scene, "%s: page %u is not where it is believed to be", actor->config->name,
                    page);
}

/* The shortest grace of the contracts of an actor, if it counts in time; else nothing. */
static uint64_t least_grace(const struct actor *actor)
{
    uint64_t least = UINT64_MAX;

    for (uint32_t i = 0; i < actor->config->contracts; i++) {
        const struct sp_terms *terms = &actor->config->wanted[i].terms;
        bool counts_time = terms->grace_unit == SP_GRACE_TIME;

        if (terms->t_clean != 0 && (!counts_time || terms->t_clean < least))
            least = counts_time ? terms->t_clean : 0;
        if (terms->t_drop != 0 && (!counts_time || terms->t_drop < least))
            least = counts_time ? terms->t_drop : 0;
    }
    return least;
}

/* Whether what befell it, or its own terms, may be why it was late. */
static bool may_be_late(const struct scene *scene, const struct actor *actor)
{
    const struct workload *workload = &actor->config->tables->workload;

    return actor->struck || workload->ignores || least_grace(actor) < AMPLE_NS ||
           (workload->kind == SP_PRECIOUS && scene->device_struck);
}

void rules_check_revoked(struct scene *scene, const struct actor *actor)
{
    if (!may_be_late(scene, actor))
        scene_wrong(scene, "%s has kept its contracts, and was revoked (reason %u)",
                    actor->config->name, actor->seen.reason);
}
