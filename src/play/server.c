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
#include "play/files.h"
#include "play/lessee.h"
#include "play/letting.h"
#include "play/pages.h"
#include "play/reading.h"
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
static void note_mapping(struct physmem *physmem, struct letter *letter)
{
    struct physmem_effect *effect = &letter->said.effect;
    const struct physmem_map_item *item = physmem_map_items(physmem, effect->mapped.first);

    check(effect->mapped.count <= EXTENT_PAGES / 2);
    effect->mapped.first = 0;
    for (uint32_t i = 0; i < effect->mapped.count; i++) {
        check(item[i].offset == item[i].slot % EXTENT_PAGES);
        letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].extent};
        effect->mapped.first += item[i].count;
    }
}

static void note_items(struct physmem *physmem, struct letter *letter)
{
    struct physmem_effect *effect = &letter->said.effect;
    const struct physmem_map_item *item = physmem_map_items(physmem, effect->repossessed.first);

    check(effect->repossessed.count <= EXTENT_PAGES / 2);
    for (uint32_t i = 0; i < effect->repossessed.count; i++)
        letter->said.item[i] = (struct physmem_range){item[i].slot, item[i].count};
}

/* The stack is the task's, too, until it ends. */
static void hold_stack(struct actor *actor, struct frame_stack *stack)
{
    actor->stack = stack;
    physmem_shell_hold(&actor->physmem->shell, stack);
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
    if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0 && reading_waits(actor))
        reading_look(actor, letter);
    else if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0)
        note_mapping(actor->physmem->core, letter);
    if (effect->kind == PHYSMEM_REPLY_MAPPED && effect->error == 0 &&
        actor->physmem->lessee.above != NULL)
        letting_use(scene, actor->physmem, effect, &actor->holds);
    if (effect->kind == PHYSMEM_SEND_REPOSSESSED)
        note_items(actor->physmem->core, letter);
    else if (effect->kind == PHYSMEM_REPLY_STACK && effect->error == 0)
        hold_stack(actor, effect->stack.stack);
    if (lane == LANE_PHYSMEM)
        letting_reply(scene, &actor->holds, letter, &actor->lanes.down[lane], SCENE_FROM_PHYSMEM,
                      actor_lag(actor, lane, true));
    else
        scene_send(scene, letter, &actor->lanes.down[lane], SCENE_FROM_PHYSMEM,
                   actor_lag(actor, lane, true));
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

/* One that concerns a task: an actor, another physmem, or the file server. */
static void deliver_any(struct scene *scene, const struct physmem_effect *effect)
{
    void *peer = physmem_task_identity(effect->task)->peer;
    struct scene_physmem *below = lessee_find(scene, peer);

    if (peer == &scene->files)
        files_tell(scene, effect);
    else if (below == NULL)
        deliver(peer, effect);
    else if (below->lessee.task == effect->task)
        lessee_tell(scene, below, effect);
}

static void carry_out_core(struct scene *scene, struct scene_physmem *physmem)
{
    struct physmem_effect effect;

    while (physmem_next_effect(physmem->core, &effect)) {
        if (effect.kind == PHYSMEM_POLICYSERVER_RING)
            scene->rung = true;
        else if (effect.kind == PHYSMEM_POLICYSERVER_GROW)
            grow_table(scene);
        if (effect.task != NULL)
            deliver_any(scene, &effect);
        if (physmem->lessee.above != NULL) {
            lessee_carry_out(scene, physmem, &effect);
            letting_carry_out(scene, physmem, &effect);
        }
        physmem_shell_carry_out(&physmem->shell, scene->now, &effect);
    }
    if (physmem_has_failed(physmem->core))
        scene->failed = true;
}

/* What its core wants done, and its leases, which each may have the other want more. */
static void carry_out_all(struct scene *scene, struct scene_physmem *physmem)
{
    do
        carry_out_core(scene, physmem);
    while (lessee_go_on(scene, physmem));
}

void server_effects(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->physmems; i++)
        if (scene->physmem[i].core != NULL)
            carry_out_all(scene, &scene->physmem[i]);
}

/* ---- What physmem is asked ---- */

bool server_connect(struct actor *actor)
{
    struct scene *scene = actor->scene;
    struct physmem_identity identity = {
        .pid = FIRST_PID + actor->number, .uid = UID, .can_be_killed = true, .peer = actor};

    letting_forget(scene, &actor->holds);
    snprintf(identity.name, sizeof(identity.name), "%s", actor->config->name);
    if (physmem_task_add(actor->physmem->core, scene->now, &identity, &actor->task) != 0) {
        scene->failed = true;
        return false;
    }
    physmem_task_connected(actor->physmem->core, actor->task);
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
    struct physmem *physmem = actor->physmem->core;

    server_note_end(actor);
    if (!actor->cut_off)
        physmem_task_disconnected(physmem, scene->now, actor->task);
    actor->cut_off = false;
    server_effects(scene);
    physmem_task_gone(physmem, scene->now, actor->task);
    actor->task = NULL;
    server_effects(scene);
}

/* A task as its physmem sees it. */
struct asker {
    struct physmem *physmem;
    struct physmem_task *task;
    uint32_t container;
    uint8_t order;
};

/* Requests that are answered. */
static void ask(struct scene *scene, const struct asker *asker, const struct letter *letter)
{
    struct physmem *physmem = asker->physmem;
    uint32_t container =
        letter->request.container != 0 ? letter->request.container : asker->container;
    const struct physmem_range range = {letter->request.slot, letter->request.count};
    const struct physmem_permission permission = {.token = letter->request.number,
                                                  .lock_ns = READING_LOCK_NS,
                                                  .rights = SLOT_READ | SLOT_WRITE};
    const struct physmem_request request = {
        asker->task, letter->request.seq != 0 ? letter->request.seq : ++scene->seq, false};
    const struct physmem_allocation allocation = {
        container, letter->request.slot, letter->request.count,
        (uint8_t)((letter->request.whole ? 0 : PHYSMEM_PARTIAL) |
                  (letter->request.extra ? PHYSMEM_EXTRA : 0)),
        asker->order};

    switch ((enum letter_kind)letter->kind) {
    case LETTER_CONTAINER:
        physmem_container_create(physmem, scene->now, &request, letter->request.count);
        break;
    case LETTER_STACK:
        physmem_stack_open(physmem, scene->now, &request, asker->container, letter->request.count);
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
        physmem_map(physmem, scene->now, &request, container, range.start, range.count,
                    letter->request.container != 0 && !letter->request.writes
                        ? SLOT_READ
                        : SLOT_READ | SLOT_WRITE);
        break;
    case LETTER_SHARE:
        physmem_share(physmem, scene->now, &request, container, &permission);
        break;
    case LETTER_DESTROY:
        physmem_container_destroy(physmem, scene->now, &request, container);
        break;
    case LETTER_UNMAP_OWN:
        physmem_unmap_own(physmem, scene->now, &request, container, &range, 1);
        break;
    case LETTER_EXCHANGE:
        physmem_exchange(physmem, scene->now, &request,
                         &(struct physmem_exchange){container, letter->request.to,
                                                    letter->request.slot, letter->request.to_slot,
                                                    letter->request.count});
        break;
    case LETTER_SPLIT:
        physmem_part_split(physmem, scene->now, &request, letter->request.contract,
                           letter->request.count, ++scene->tokens);
        break;
    case LETTER_CLAIM:
        physmem_part_claim(physmem, scene->now, &request, letter->request.number);
        break;
    case LETTER_DEALLOCATE:
    case LETTER_UNMAPPED:
    case LETTER_BYE:
    case LETTER_READ:
        ensure(!"not such a request");
        break;
    }
}

/* Any letter but the last of a task. */
static void ask_or_tell(struct scene *scene, const struct asker *asker, const struct letter *letter)
{
    if (letter->kind == LETTER_DEALLOCATE) {
        uint32_t seq = letter->returns.seq;
        const struct physmem_request request = {asker->task, seq != 0 ? seq : ++scene->seq,
                                                seq == 0};

        physmem_frames_deallocate(asker->physmem, scene->now, &request,
                                  letter->returns.container != 0 ? letter->returns.container
                                                                 : asker->container,
                                  letter->returns.range, letter->returns.count);
    } else if (letter->kind == LETTER_UNMAPPED) {
        (void)physmem_unmap_answered(asker->physmem, scene->now, asker->task,
                                     letter->request.number);
    } else {
        ask(scene, asker, letter);
    }
}

void server_physmem(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;

    if (actor->task == NULL || letter->life != actor->life) {
        scene_drop(scene, letter);
        return;
    }
    actor->lanes.up_read[letter->lane] = scene->now;
    if (letter->kind == LETTER_BYE) {
        bye(actor);
    } else {
        const struct asker asker = {actor->physmem->core, actor->task, actor->container,
                                    actor->order};

        ask_or_tell(scene, &asker, letter);
    }
    scene_drop(scene, letter);
    server_effects(scene);
}

void server_above(struct scene *scene, struct scene_physmem *below, struct letter *letter)
{
    struct scene_lessee *lessee = &below->lessee;
    const struct asker asker = {lessee->above->core, lessee->task,
                                lessee->machine.book.stock_container, 0};

    if (lessee->task == NULL) {
        scene_drop(scene, letter);
        return;
    }
    if (letter->kind == LETTER_BYE && scene_state_of(scene, below)->away)
        server_leave(scene, below);
    else if (letter->kind != LETTER_BYE && letter->life == scene_state_of(scene, below)->life)
        ask_or_tell(scene, &asker, letter);
    scene_drop(scene, letter);
    server_effects(scene);
}

void server_leave(struct scene *scene, struct scene_physmem *below)
{
    struct scene_lessee *lessee = &below->lessee;

    physmem_task_disconnected(lessee->above->core, scene->now, lessee->task);
    server_effects(scene);
    physmem_task_gone(lessee->above->core, scene->now, lessee->task);
    lessee->task = NULL;
    server_effects(scene);
}

bool server_enter(struct scene *scene, struct scene_physmem *below)
{
    struct scene_lessee *lessee = &below->lessee;
    struct physmem_identity identity = {.pid = FIRST_PID - 1 - SCENE_STACKED_MAX + below->number,
                                        .uid = UID,
                                        .can_be_killed = true,
                                        .peer = below};

    snprintf(identity.name, sizeof(identity.name), "%s", below->name);
    if (physmem_task_add(lessee->above->core, scene->now, &identity, &lessee->task) != 0)
        return false;
    physmem_task_connected(lessee->above->core, lessee->task);
    server_effects(scene);
    return true;
}

bool server_enter_files(struct scene *scene)
{
    struct scene_files *files = &scene->files;
    struct physmem *physmem = scene->physmem[0].core;
    struct physmem_identity identity = {.pid = FIRST_PID - 2 - SCENE_STACKED_MAX,
                                        .uid = UID,
                                        .can_be_killed = true,
                                        .peer = files,
                                        .name = "fileserver"};

    if (physmem_task_add(physmem, scene->now, &identity, &files->task) != 0)
        return false;
    physmem_task_connected(physmem, files->task);
    server_effects(scene);
    return true;
}

/* ---- Swap ---- */

static void answer(struct actor *actor, struct letter *letter)
{
    scene_send(actor->scene, letter, &actor->lanes.down[letter->lane], SCENE_FROM_SWAP,
               actor_lag(actor, (enum scene_lane)letter->lane, true));
}

/* Returns false if the stores have to wait. */
static bool begin_stores(struct actor *actor, struct letter *letter)
{
    struct scene *scene = actor->scene;
    uint64_t contents[PAGER_BATCH], done = scene->now;
    uint32_t slot[PAGER_BATCH], there = 0, pieces = 0;
    int rc = 0;

    for (uint32_t i = 0; i < letter->swap.stores; i++) {
        const uint64_t *frame = pages_at(actor, letter->swap.extent[i], letter->swap.slot[i]);

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
    scene->failed = scene->failed || rc == -ENOMEM;
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
