#include "play/rules.h"

#include "core/physmem/status.h"
#include "core/physmem/task.h"

void rules_check(struct scene *scene, const struct actor *actors, uint32_t count)
{
    struct physmem_status status;
    uint64_t held = 0;

    physmem_get_status(scene->physmem, &status);
    for (uint32_t i = 0; i < count; i++)
        if (actors[i].task != NULL) {
            struct physmem_task_status seen;

            physmem_task_get_status(actors[i].task, &seen);
            held += seen.held;
            if (seen.owed > seen.held)
                scene_wrong(scene, "%s owes %u frames, and holds %u", actors[i].config->name,
                            seen.owed, seen.held);
        }
    if (status.free + status.soft + held != status.frames)
        scene_wrong(scene, "%u frames are free, %u soft and %llu held: there are %u", status.free,
                    status.soft, (unsigned long long)held, status.frames);
    if (status.guaranteed + status.leased > status.frames)
        scene_wrong(scene, "%u frames are guaranteed and %u leased, of %u", status.guaranteed,
                    status.leased, status.frames);
}

void rules_check_all(struct scene *scene, const struct actor *actor)
{
    const char *wrong = physmem_check(scene->physmem);

    if (wrong != NULL)
        scene_wrong(scene, "the books of physmem: %s", wrong);
    wrong = actor != NULL && actor_is_there(actor) ? pager_check(&actor->pager) : NULL;
    if (wrong != NULL)
        scene_wrong(scene, "the books of %s: %s", actor->config->name, wrong);
}

void rules_check_revoked(struct scene *scene, const struct actor *actor)
{
    if (actor->struck || actor->config->tables->workload.ignores)
        return;
    scene_wrong(scene, "%s has kept its contracts, and was revoked (reason %u)",
                actor->config->name, actor->seen.reason);
}
