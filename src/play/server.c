#include "play/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/task.h"
#include "play/errands.h"
#include "play/pages.h"
#include "play/policytable.h"
#include "play/thread.h"
#include "play/waiting.h"

/* How long swap waits until slots that are given up come free. */
#define SWAP_AGAIN_NS 1000u

#define FIRST_PID 1000u
#define UID       1000u

/* ---- What physmem says ---- */

static bool is_reply(const struct physmem_effect *effect)
{
    return effect->kind <= PHYSMEM_REPLY_OFFER;
}

/* Find where the slots of a mapping lie; the effect has their number. */
static void note_mapping(struct scene *scene, struct letter *letter)
{
    struct physmem_effect *effect = &letter->said.effect;
    const struct physmem_map_item *item = physmem_map_items(scene->physmem, effect->mapped.first);

    check(effect->mapped.count <= EXTENT_PAGES / 2);
    effect->mapped.first = 0;
    for (uint32_t i = 0; i < effect->mapped.count; i++) {
        check(item[i].offset == item[i].slot % EXTENT_PAGES);
        letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].extent};
        effect->mapped.first += item[i].count;
    }
}

static void note_items(struct scene *scene, struct letter *letter)
{
    struct physmem_effect *effect = &letter->said.effect;
    const struct physmem_map_item *item =
        physmem_map_items(scene->physmem, effect->repossessed.first);

    check(effect->repossessed.count <= EXTENT_PAGES / 2);
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].count};
}

/* The stack is the task's, too, until it ends. */
static void hold_stack(struct actor *actor, struct frame_stack *stack)
{
    actor->stack = stack;
    physmem_shell_hold(&actor->scene->shell, stack);
}

/* Send what physmem says to an actor. */
static void tell(struct actor *actor, const struct physmem_effect *effect)
{
    struct scene *scene = actor->scene;
    struct letter *letter = scene_letter(scene);
    enum scene_lane lane = is_reply(effect) ? LANE_PHYSMEM : LANE_CONTROL;

    if (letter == NULL)
        return;
    letter->actor = actor->number;
    letter->life = actor->life;
    letter->said.effect = *effect;
    if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0)
        note_mapping(scene, letter);
    else if (effect->kind == PHYSMEM_SEND_REPOSSESSED)
        note_items(scene, letter);
    else if (effect->kind == PHYSMEM_REPLY_STACK && effect->error == 0)
        hold_stack(actor, effect->stack.stack);
    scene_send(scene, letter, &actor->lanes.down[lane], SCENE_FROM_PHYSMEM, actor_lag(actor));
}

/* An effect that concerns an actor. */
static void deliver(struct actor *actor, const struct physmem_effect *effect)
{
    if (actor->task != effect->task || actor->state == THREAD_ENDED)
        return;
    if (effect->kind == PHYSMEM_KILL)
        thread_end(actor, 128 + SIGKILL);
    else if (effect->kind <= PHYSMEM_SEND_REVOKED && !effect->control)
        tell(actor, effect);
}

static void grow_table(struct scene *scene)
{
    if (!policytable_make(scene))
        scene->failed = true;
    scene->grown = true;
}

void server_effects(struct scene *scene)
{
    struct physmem_effect effect;

    if (scene->server[SCENE_PHYSMEM].away)
        return;
    while (physmem_next_effect(scene->physmem, &effect)) {
        if (effect.kind == PHYSMEM_POLICYSERVER_RING)
            scene->rung = true;
        else if (effect.kind == PHYSMEM_POLICYSERVER_GROW)
            grow_table(scene);
        if (effect.task != NULL)
            deliver(physmem_task_identity(effect.task)->peer, &effect);
        physmem_shell_carry_out(&scene->shell, scene->now, &effect);
    }
    if (physmem_has_failed(scene->physmem))
        scene->failed = true;
}

/* ---- What physmem is asked ---- */

bool server_connect(struct actor *actor)
{
    struct scene *scene = actor->scene;
    struct physmem_identity identity = {
        .pid = FIRST_PID + actor->number, .uid = UID, .can_be_killed = true, .peer = actor};

    snprintf(identity.name, sizeof(identity.name), "%s", actor->config->name);
    if (physmem_task_add(scene->physmem, scene->now, &identity, &actor->task) != 0) {
        scene->failed = true;
        return false;
    }
    physmem_task_connected(scene->physmem, actor->task);
    server_effects(scene);
    return true;
}

void server_note_end(struct actor *actor)
{
    struct physmem_task_status *seen = &actor->seen;

    physmem_task_get_status(actor->task, seen);
    seen->contracts = seen->held = seen->soft = seen->owed = seen->overdue = 0;
    seen->guaranteed = seen->leased = seen->extra = seen->available = seen->demand = 0;
}

static void bye(struct actor *actor)
{
    struct scene *scene = actor->scene;

    server_note_end(actor);
    if (!actor->cut_off)
        physmem_task_disconnected(scene->physmem, scene->now, actor->task);
    actor->cut_off = false;
    server_effects(scene);
    physmem_task_gone(scene->physmem, scene->now, actor->task);
    actor->task = NULL;
    server_effects(scene);
}

/* Requests that are answered. */
static void ask(struct actor *actor, const struct letter *letter)
{
    struct scene *scene = actor->scene;
    struct physmem *physmem = scene->physmem;
    const struct physmem_request request = {
        actor->task, letter->request.seq != 0 ? letter->request.seq : ++scene->seq, false};
    const struct physmem_allocation allocation = {
        actor->container, letter->request.slot, letter->request.count,
        (uint8_t)(PHYSMEM_PARTIAL | (letter->request.extra ? PHYSMEM_EXTRA : 0)), actor->order};

    switch ((enum letter_kind)letter->kind) {
    case LETTER_CONTAINER:
        physmem_container_create(physmem, scene->now, &request, letter->request.count);
        break;
    case LETTER_STACK:
        physmem_stack_open(physmem, scene->now, &request, actor->container, letter->request.count);
        break;
    case LETTER_PROPOSE:
        physmem_contract_propose(physmem, scene->now, &request, &letter->request.terms);
        break;
    case LETTER_ACCEPT:
        physmem_contract_accept(physmem, scene->now, &request, letter->request.contract);
        break;
    case LETTER_RENEW:
        physmem_contract_renew(physmem, scene->now, &request, letter->request.contract,
                               letter->request.number);
        break;
    case LETTER_ALLOCATE:
        physmem_allocate(physmem, scene->now, &request, &allocation);
        break;
    case LETTER_MAP:
        physmem_map(physmem, scene->now, &request, actor->container, letter->request.slot,
                    letter->request.count, SLOT_READ | SLOT_WRITE);
        break;
    case LETTER_DEALLOCATE:
    case LETTER_UNMAPPED:
    case LETTER_BYE:
        ensure(!"not such a request");
        break;
    }
}

void server_physmem(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;

    if (actor->task == NULL || letter->life != actor->life) {
        scene_drop(scene, letter);
        return;
    }
    if (letter->kind == LETTER_DEALLOCATE) {
        const struct physmem_request request = {actor->task, ++scene->seq, true};

        physmem_frames_deallocate(scene->physmem, scene->now, &request, actor->container,
                                  letter->returns.range, letter->returns.count);
    } else if (letter->kind == LETTER_UNMAPPED) {
        (void)physmem_unmap_answered(scene->physmem, scene->now, actor->task,
                                     letter->request.number);
    } else if (letter->kind == LETTER_BYE) {
        bye(actor);
    } else {
        ask(actor, letter);
    }
    scene_drop(scene, letter);
    server_effects(scene);
}

/* ---- Swap ---- */

static void answer(struct actor *actor, struct letter *letter)
{
    scene_send(actor->scene, letter, &actor->lanes.down[letter->lane], SCENE_FROM_SWAP,
               actor_lag(actor));
}

/* Returns false if the stores have to wait. */
static bool begin_stores(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;
    uint64_t contents[PAGER_BATCH], done = scene->now;
    uint32_t slot[PAGER_BATCH], there = 0, pieces = 0;
    int rc = 0;

    for (uint32_t i = 0; i < letter->swap.stores; i++) {
        const uint64_t *frame =
            pages_at(actor->scene, letter->swap.extent[i], letter->swap.slot[i]);

        letter->swap.error[i] = frame == NULL ? EFAULT : 0;
        if (frame == NULL)
            continue;
        pieces += there == 0 || letter->swap.slot[i] != letter->swap.slot[i - 1] + 1;
        contents[there++] = *frame;
    }
    if (there > 0)
        rc = device_store(&scene->device, actor->number, there, contents, pieces, scene->now, slot,
                          &done);
    if (rc == -EAGAIN)
        return false;
    for (uint32_t i = 0, next = 0; i < letter->swap.stores; i++) {
        if (letter->swap.error[i] != 0)
            letter->swap.slot[i] = PAGER_NONE;
        else if (rc != 0)
            letter->swap.error[i] = -rc;
        else
            letter->swap.slot[i] = slot[next++];
    }
    letter->device = scene->server[SCENE_SWAP].life;
    scene_at(scene, done, SCENE_DEVICE_STORED, actor->number, actor->life, (uintptr_t)letter);
    return true;
}

bool server_begin(struct actor *actor, struct letter *letter)
{
    check(waiting_cost(letter) > 0);
    if (letter->swap.stores > 0)
        return begin_stores(actor, letter);
    errands_read(actor, letter);
    return true;
}

void server_swap(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;

    if (letter->life != actor->life || !actor_is_there(actor) || actor->orphan) {
        scene_drop(scene, letter);
        return;
    }
    for (uint32_t i = 0; i < letter->swap.frees; i++)
        device_free(&scene->device, actor->number, letter->swap.free[i]);
    letter->swap.frees = 0;
    if (letter->swap.stores + letter->swap.loads == 0)
        scene_drop(scene, letter);
    else if (waiting_is_metered(scene))
        waiting_add(actor, letter);
    else if (!begin_stores(actor, letter))
        scene_at(scene, scene->now + SWAP_AGAIN_NS, SCENE_TO_SWAP, actor->number, actor->life,
                 (uintptr_t)letter);
}

void server_stored(struct actor *actor, struct letter *letter)
{
    struct device *device = &actor->scene->device;

    if (letter->life != actor->life || !actor_is_there(actor) || actor->orphan) {
        scene_drop(actor->scene, letter);
        return;
    }
    for (uint32_t i = 0; i < letter->swap.stores; i++)
        if (letter->swap.error[i] == 0 &&
            !device_stored(device, actor->number, letter->swap.slot[i]))
            letter->swap.error[i] = EIO;
    answer(actor, letter);
}

void server_loaded(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;

    if (letter->life != actor->life || !actor_is_there(actor)) {
        scene_drop(scene, letter);
        return;
    }
    for (uint32_t i = 0; i < letter->swap.loads; i++) {
        struct letter_load *load = &letter->swap.load[i];

        if (load->error == 0)
            load->contents = device_loaded(&scene->device, actor->number, load->from);
    }
    if (letter->swap.served && actor->orphan)
        scene_drop(scene, letter);
    else if (letter->swap.served)
        answer(actor, letter);
    else /* no message: the task has read it */
        scene_at(scene, scene->now, SCENE_FROM_SWAP, letter->actor, letter->life,
                 (uintptr_t)letter);
}
