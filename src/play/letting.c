#include "play/letting.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/handles.h"
#include "base/memory.h"
#include "core/physmem/task.h"

/* A task whose replies wait for a lease. */
struct waiter {
    struct waiter *next;
    struct scene_holds *holds;
    uint32_t life; /* of these */
};

/* An extent, which owns a lease. */
struct scene_home {
    struct lease *lease;
    struct waiter *waiters;
    void *peer; /* the task that it was made for, as its physmem knows it */
    uint32_t handle;
};

/* ---- Replies that wait ---- */

void letting_reply(struct scene *scene, struct scene_holds *holds, struct letter *letter,
                   uint64_t *lane, enum scene_event event, uint64_t later)
{
    if (holds->waits == 0) {
        scene_send(scene, letter, lane, event, later);
        return;
    }
    holds->lane = lane;
    holds->event = event;
    letter->next = NULL;
    if (holds->last != NULL)
        holds->last->next = letter;
    else
        holds->first = letter;
    holds->last = letter;
}

static struct letter *take_first(struct scene_holds *holds)
{
    struct letter *letter = holds->first;

    if (letter == NULL)
        return NULL;
    holds->first = letter->next;
    if (holds->first == NULL)
        holds->last = NULL;
    return letter;
}

/* A lease less is waited for. */
static void let_go(struct scene *scene, struct scene_holds *holds)
{
    struct letter *letter;

    ensure(holds->waits > 0);
    if (--holds->waits > 0)
        return;
    while ((letter = take_first(holds)) != NULL)
        scene_send(scene, letter, holds->lane, holds->event, 0);
}

void letting_forget(struct scene *scene, struct scene_holds *holds)
{
    struct letter *letter;

    while ((letter = take_first(holds)) != NULL)
        scene_drop(scene, letter);
    holds->waits = 0;
    holds->life++;
}

static void end_waiters(struct scene *scene, struct scene_home *home)
{
    struct waiter *waiter;

    while ((waiter = home->waiters) != NULL) {
        home->waiters = waiter->next;
        if (waiter->life == waiter->holds->life)
            let_go(scene, waiter->holds);
        memory_free(scene->allocator, waiter, sizeof(*waiter));
    }
}

/* Replies to a task wait for a lease, if they do not yet. */
static void wait_for(struct scene *scene, struct scene_home *home, struct scene_holds *holds)
{
    struct waiter *waiter = home->waiters;

    while (waiter != NULL && (waiter->holds != holds || waiter->life != holds->life))
        waiter = waiter->next;
    if (waiter != NULL)
        return;
    waiter = memory_new(scene->allocator, sizeof(*waiter));
    if (waiter == NULL) {
        scene->failed = true;
        return;
    }
    *waiter = (struct waiter){home->waiters, holds, holds->life};
    home->waiters = waiter;
    holds->waits++;
}

void letting_ready(struct scene *scene, void *owner)
{
    end_waiters(scene, owner);
}

/* ---- Extents ---- */

/* Handles that exist at once differ in the part that says which object they name. */
static uint32_t place_of(uint32_t handle)
{
    return (handle & HANDLES_MAX) - 1;
}

static struct scene_home *home_of(const struct scene_lessee *lessee, uint32_t handle)
{
    uint32_t place = place_of(handle);

    ensure(place < lessee->homes && lessee->home[place] != NULL &&
           lessee->home[place]->handle == handle);
    return lessee->home[place];
}

/* Room for an extent; false without memory. */
static bool make_room(struct scene *scene, struct scene_lessee *lessee, uint32_t handle)
{
    uint32_t place = place_of(handle);

    if (memory_reserve(scene->allocator, &lessee->home, &lessee->home_room, sizeof(*lessee->home),
                       place + 1) != 0)
        return false;
    while (lessee->homes <= place)
        lessee->home[lessee->homes++] = NULL;
    check(lessee->home[place] == NULL);
    return true;
}

static void make_home(struct scene *scene, struct scene_lessee *lessee,
                      const struct physmem_effect *effect)
{
    struct scene_home *home = NULL;

    if (make_room(scene, lessee, effect->extent.extent))
        home = memory_new(scene->allocator, sizeof(*home));
    if (home != NULL)
        home->lease = lessee_new(&lessee->machine, home, effect->extent.count);
    if (home == NULL || home->lease == NULL) {
        memory_free(scene->allocator, home, sizeof(*home));
        scene->failed = true;
        return;
    }
    home->handle = effect->extent.extent;
    home->peer = physmem_task_identity(effect->task)->peer;
    lessee->home[place_of(home->handle)] = home;
}

/* Clearing pages takes no time. */
static void clear(const struct scene_home *home, uint32_t first, uint32_t count)
{
    uint64_t dirty[PAGES_WORDS];

    lessee_soil(home->lease, first, count);
    memcpy(dirty, home->lease->dirty, sizeof(dirty));
    lessee_clean(home->lease, dirty);
}

static void end_home(struct scene *scene, struct scene_lessee *lessee, uint32_t handle)
{
    struct scene_home *home = home_of(lessee, handle);

    end_waiters(scene, home);
    lessee_end(home->lease);
    lessee->home[place_of(handle)] = NULL;
    memory_free(scene->allocator, home, sizeof(*home));
}

void letting_carry_out(struct scene *scene, struct scene_physmem *physmem,
                       const struct physmem_effect *effect)
{
    struct scene_lessee *lessee = &physmem->lessee;

    physmem->shell.create_error = 0;
    if (effect->kind == PHYSMEM_EXTENT_CREATE) {
        if (lessee->machine.book.leases >= LESSEE_LEASES)
            physmem->shell.create_error = EMFILE;
        else
            make_home(scene, lessee, effect);
    } else if (effect->kind == PHYSMEM_EXTENT_PUNCH) {
        clear(home_of(lessee, effect->extent.extent), effect->extent.offset, effect->extent.count);
    } else if (effect->kind == PHYSMEM_EXTENT_COPY) {
        lessee_use(home_of(lessee, effect->move.to)->lease, effect->move.to_page,
                   effect->move.count);
    } else if (effect->kind == PHYSMEM_EXTENT_DESTROY) {
        end_home(scene, lessee, effect->extent.extent);
    }
}

void letting_use(struct scene *scene, struct scene_physmem *physmem,
                 const struct physmem_effect *effect, struct scene_holds *holds)
{
    const struct physmem_map_item *item = physmem_map_items(physmem->core, effect->mapped.first);

    for (uint32_t i = 0; i < effect->mapped.count; i++) {
        struct scene_home *home = home_of(&physmem->lessee, item[i].extent);

        lessee_use(home->lease, item[i].offset, item[i].count);
        if (!lessee_is_ready(home->lease))
            wait_for(scene, home, holds);
    }
}

void *letting_peer(const void *owner)
{
    const struct scene_home *home = owner;

    return home->peer;
}

uint32_t letting_extent(const void *owner)
{
    const struct scene_home *home = owner;

    return home->handle;
}

void letting_end(struct scene *scene, struct scene_physmem *physmem)
{
    struct scene_lessee *lessee = &physmem->lessee;

    for (uint32_t i = 0; i < lessee->homes; i++) {
        struct scene_home *home = lessee->home[i];

        while (home != NULL && home->waiters != NULL) {
            struct waiter *waiter = home->waiters;

            home->waiters = waiter->next;
            memory_free(scene->allocator, waiter, sizeof(*waiter));
        }
        memory_free(scene->allocator, home, sizeof(*home));
    }
    memory_free(scene->allocator, lessee->home, lessee->home_room * sizeof(*lessee->home));
    lessee->home = NULL;
    lessee->homes = lessee->home_room = 0;
    if (lessee->machine.book.words != NULL)
        lessee_fini(&lessee->machine);
}
