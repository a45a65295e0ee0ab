#include "play/outage.h"

#include "base/assert.h"
#include "core/physmem/task.h"
#include "play/server.h"
#include "play/waiting.h"

/* ---- The end ---- */

/* Physmem has nothing to say of the actor any more; its frames are gone. */
static void lose_physmem(struct actor *actor)
{
    if (actor->task != NULL)
        server_note_end(actor);
    actor->task = NULL;
    actor->stack = NULL;
    actor->cut_off = false;
}

static void end_physmem(struct scene *scene, struct actor *actors, uint32_t count)
{
    physmem_get_status(scene->physmem, &scene->physmem_seen);
    for (uint32_t i = 0; i < count; i++)
        lose_physmem(&actors[i]);
    physmem_free(&scene->physmem);
    physmem_shell_fini(&scene->shell);
    scene->rung = scene->grown = false;
}

static void end_swap(struct scene *scene)
{
    check(scene->has_swap);
    scene->swap_seen = device_status(&scene->device);
    device_fini(&scene->device);
}

static void drop_kept(struct scene *scene, struct scene_server_state *server)
{
    while (server->kept != NULL) {
        struct letter *letter = server->kept;

        server->kept = letter->next;
        scene_drop(scene, letter);
    }
    server->kept_last = NULL;
}

/* Have an actor hear of it. */
static void cut(struct actor *actor)
{
    struct scene *scene = actor->scene;

    if (actor->memory == NULL || actor->state == THREAD_ENDED || actor->orphan)
        return;
    actor->orphan = true;
    scene_at(scene, scene->now + scene->costs.round_trip / 2, SCENE_CUT, actor->number, actor->life,
             0);
}

void outage_end(struct scene *scene, enum scene_server which, struct actor *actors, uint32_t count)
{
    struct scene_server_state *server = &scene->server[which];

    ensure(!server->away);
    if (which == SCENE_PHYSMEM)
        end_physmem(scene, actors, count);
    else
        end_swap(scene);
    drop_kept(scene, server);
    server->away = true;
    server->hangs = false;
    server->life++;
    for (uint32_t i = 0; i < count; i++) {
        if (which == SCENE_SWAP)
            waiting_leave(&actors[i]);
        cut(&actors[i]);
    }
}

/* ---- What it does not read ---- */

static enum scene_server server_of(enum scene_event event)
{
    return event == SCENE_TO_PHYSMEM ? SCENE_PHYSMEM : SCENE_SWAP;
}

static bool is_for_server(const struct queue_entry *entry)
{
    return entry->kind >= SCENE_TO_PHYSMEM && entry->kind <= SCENE_DEVICE_LOADED &&
           entry->kind != SCENE_FROM_PHYSMEM;
}

/* Whether a letter is about a device that has ended. */
static bool is_of_another_life(const struct scene *scene, const struct queue_entry *entry)
{
    const struct letter *letter = (const struct letter *)(uintptr_t)entry->value[0];

    return (entry->kind == SCENE_DEVICE_STORED || entry->kind == SCENE_DEVICE_LOADED) &&
           letter->device != scene->server[SCENE_SWAP].life;
}

bool outage_takes(struct scene *scene, const struct queue_entry *entry)
{
    struct letter *letter = (struct letter *)(uintptr_t)entry->value[0];
    struct scene_server_state *server = &scene->server[server_of((enum scene_event)entry->kind)];

    if (!is_for_server(entry))
        return false;
    if (server->away || is_of_another_life(scene, entry)) {
        scene_drop(scene, letter);
        return true;
    }
    /* Where swap makes no contracts for bandwidth tasks read without it. */
    if (!server->hangs || (entry->kind == SCENE_DEVICE_LOADED && !letter->swap.served))
        return false;
    letter->event = (uint8_t)entry->kind;
    letter->next = NULL;
    if (server->kept_last != NULL)
        server->kept_last->next = letter;
    else
        server->kept = letter;
    server->kept_last = letter;
    return true;
}

void outage_read(struct actor *actor, enum scene_event event, struct letter *letter)
{
    if (event == SCENE_TO_PHYSMEM)
        server_physmem(actor, letter);
    else if (event == SCENE_TO_SWAP)
        server_swap(actor, letter);
    else if (event == SCENE_DEVICE_STORED)
        server_stored(actor, letter);
    else
        server_loaded(actor, letter);
}

/* ---- Hanging ---- */

void outage_hang(struct scene *scene, enum scene_server which)
{
    check(!scene->server[which].away);
    scene->server[which].hangs = true;
}

void outage_resume(struct scene *scene, enum scene_server which, struct actor *actors)
{
    struct scene_server_state *server = &scene->server[which];

    check(!server->away);
    server->hangs = false;
    while (server->kept != NULL) {
        struct letter *letter = server->kept;

        server->kept = letter->next;
        if (server->kept == NULL)
            server->kept_last = NULL;
        outage_read(&actors[letter->actor], (enum scene_event)letter->event, letter);
    }
    if (scene->turns.count > 0)
        waiting_look(scene, scene->now);
}
