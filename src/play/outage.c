#include "play/outage.h"

#include <signal.h>

#include "base/assert.h"
#include "base/memory.h"
#include "core/physmem/task.h"
#include "core/physmem/upstream.h"
#include "play/fileserver.h"
#include "play/lessee.h"
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

/* It has lost what it had of the one above, and that hears of it. */
static void end_lessee(struct scene *scene, struct scene_physmem *physmem)
{
    struct scene_lessee *lessee = &physmem->lessee;
    struct letter *letter = NULL;

    lessee_end_all(scene, physmem);
    if (lessee->task != NULL && lessee->above->core != NULL)
        letter = lessee_letter(scene, physmem, LETTER_BYE);
    if (letter != NULL)
        lessee_post(scene, physmem, letter, false);
}

static void end_physmem(struct scene *scene, struct scene_physmem *physmem, struct actor *actors,
                        uint32_t count)
{
    for (uint32_t i = physmem->number + 1; i < scene->physmems; i++) {
        struct scene_physmem *below = &scene->physmem[i];

        if (below->lessee.above != physmem)
            continue;
        below->lessee.lost = below->core != NULL;
        below->lessee.task = NULL;
    }
    physmem_get_status(physmem->core, &physmem->seen);
    if (physmem->number == 0)
        fileserver_end(scene, true);
    for (uint32_t i = 0; i < count; i++)
        if (actors[i].physmem == physmem)
            lose_physmem(&actors[i]);
    physmem_free(&physmem->core);
    physmem_shell_fini(&physmem->shell);
    if (physmem->lessee.above != NULL)
        end_lessee(scene, physmem);
    else
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
    struct scene_physmem *physmem = scene_physmem_of(scene, which);

    ensure(!server->away);
    if (physmem != NULL)
        end_physmem(scene, physmem, actors, count);
    else
        end_swap(scene);
    drop_kept(scene, server);
    server->away = true;
    server->hangs = false;
    server->life++;
    for (uint32_t i = 0; i < count; i++) {
        if (which == SCENE_SWAP)
            waiting_leave(&actors[i]);
        if (physmem == NULL || actors[i].physmem == physmem)
            cut(&actors[i]);
    }
}

void outage_lose(struct scene *scene)
{
    for (uint32_t i = 1; i < scene->physmems; i++) {
        struct scene_physmem *physmem = &scene->physmem[i];

        if (!physmem->lessee.lost || physmem->lessee.ending || physmem->core == NULL)
            continue;
        physmem->lessee.ending = true;
        physmem_upstream_gone(physmem->core, scene->now);
        server_effects(scene);
        scene_at(scene, scene->now + scene->costs.round_trip, SCENE_LOST, i,
                 scene_state_of(scene, physmem)->life, 0);
    }
}

/* ---- What it does not read ---- */

static enum scene_server server_of(const struct scene *scene, const struct actor *actors,
                                   const struct queue_entry *entry)
{
    if (entry->kind == SCENE_UP)
        return scene_server_of(scene->physmem[entry->to].lessee.above);
    if (entry->kind == SCENE_DOWN)
        return scene_server_of(&scene->physmem[entry->to]);
    return entry->kind == SCENE_TO_PHYSMEM ? scene_server_of(actors[entry->to].physmem)
                                           : SCENE_SWAP;
}

static bool is_for_server(const struct queue_entry *entry)
{
    return entry->kind == SCENE_UP || entry->kind == SCENE_DOWN ||
           (entry->kind >= SCENE_TO_PHYSMEM && entry->kind <= SCENE_DEVICE_LOADED &&
            entry->kind != SCENE_FROM_PHYSMEM);
}

/* Whether a letter is about a device that has ended. */
static bool is_of_another_life(const struct scene *scene, const struct queue_entry *entry)
{
    const struct letter *letter = (const struct letter *)(uintptr_t)entry->value[0];

    return (entry->kind == SCENE_DEVICE_STORED || entry->kind == SCENE_DEVICE_LOADED) &&
           letter->device != scene->server[SCENE_SWAP].life;
}

bool outage_takes(struct scene *scene, const struct actor *actors, const struct queue_entry *entry)
{
    struct letter *letter = (struct letter *)(uintptr_t)entry->value[0];
    struct scene_server_state *server;

    if (!is_for_server(entry))
        return false;
    server = &scene->server[server_of(scene, actors, entry)];
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

/* A letter from above. */
static void read_down(struct scene *scene, struct scene_physmem *physmem, struct letter *letter)
{
    if (letter->life == scene_state_of(scene, physmem)->life && !physmem->lessee.lost) {
        lessee_hear(scene, physmem, letter);
        server_effects(scene);
    }
    scene_drop(scene, letter);
}

void outage_read(struct scene *scene, struct actor *actors, enum scene_event event,
                 struct letter *letter)
{
    struct actor *actor = &actors[letter->actor];

    if (event == SCENE_UP)
        server_above(scene, &scene->physmem[letter->actor], letter);
    else if (event == SCENE_DOWN)
        read_down(scene, &scene->physmem[letter->actor], letter);
    else if (event == SCENE_TO_PHYSMEM)
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
    scene->server[which].hangs = scene->server[which].struck = true;
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
        outage_read(scene, actors, (enum scene_event)letter->event, letter);
    }
    if (scene->turns.count > 0)
        waiting_look(scene, scene->now);
}

/* ---- Signals ---- */

bool outage_is_ignored(int signal)
{
    return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

bool outage_server_ignores(int signal)
{
    return outage_is_ignored(signal) || signal == SIGPIPE || signal == SIGXFSZ;
}
