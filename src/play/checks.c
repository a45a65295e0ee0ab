#include "play/checks.h"

#include "base/assert.h"
#include "play/rules.h"

/* Time that stands still for so many events does not go on. */
#define AT_ONCE 1000000u

/* With more actors than this, the quick rules too are only checked now and then. */
#define FEW 16u

void checks_time(struct play *play)
{
    bool stands = play->scene.now == play->moved_ns;

    check(play->scene.now >= play->moved_ns);
    play->at_once = stands ? play->at_once + 1 : 0;
    play->moved_ns = play->scene.now;
    if (play->at_once >= AT_ONCE)
        scene_wrong(&play->scene,
                    "time stands still: there were %u events at once, the last of %s. Does what it "
                    "does cost no time?",
                    play->at_once,
                    play->actors > 0 ? play->actor[play->last.to].config->name : "nobody");
}

void checks_all(struct play *play, struct actor *actor)
{
    rules_check(&play->scene, play->actor, play->actors);
    rules_check_all(&play->scene, actor);
    for (uint32_t i = 0; i < play->actors; i++)
        rules_check_agreement(&play->actor[i]);
}

/* Whether an event is one of tasks and swap alone, in which no physmem takes part. */
static bool is_without_physmem(enum scene_event kind)
{
    switch (kind) {
    case SCENE_THREAD:
    case SCENE_CONTROL:
    case SCENE_FROM_PHYSMEM:
    case SCENE_TO_SWAP:
    case SCENE_DEVICE_STORED:
    case SCENE_DEVICE_LOADED:
    case SCENE_FROM_SWAP:
    case SCENE_TURNS:
        return true;
    case SCENE_START:
    case SCENE_STOP:
    case SCENE_TO_PHYSMEM:
    case SCENE_CUT:
    case SCENE_FAULT:
    case SCENE_RELIEF:
    case SCENE_POLICY:
    case SCENE_OTHER:
    case SCENE_UP:
    case SCENE_DOWN:
    case SCENE_LOST:
    case SCENE_TICK:
    case SCENE_TO_FILES:
    case SCENE_FROM_FILES:
    case SCENE_FILES:
    case SCENE_EVENTS:
        break;
    }
    return false;
}

void checks_quickly(struct play *play, const struct queue_entry *entry, struct actor *actor)
{
    bool few = play->actors <= FEW;

    if (few ? !is_without_physmem((enum scene_event)entry->kind) : play->events % play->actors == 0)
        rules_check(&play->scene, play->actor, play->actors);
    if (entry->kind < SCENE_POLICY && (entry->kind != SCENE_THREAD || !rules_have_agreed(actor)))
        rules_check_agreement(actor);
}
