/* Random lives of several tasks that share containers, copy between them, lock them and die, and
 * all short histories of three of them (SELFPAGE_SHARE_DEPTH=4: longer ones), against a plain
 * model. After each step every slot's contents are compared, all books are counted again, and
 * memory is used for no more pages than the rules permit. No descriptor ever reaches a page whose
 * contents its task was not given. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "core/physmem/copies.h"
#include "core/physmem/state.h"
#include "expect.h"
#include "scale.h"

#define ACTORS     4u
#define CONTAINERS 8u /* two of each actor */
#define SLOTS      5u
#define MS         UINT64_C(1000000)
#define CONTENTS   (1u << 20)

enum kind { HOLE, FRAME, SOFT };

struct plain_slot {
    enum kind kind;
    uint32_t contents; /* 0: zeros */
    uint32_t origin;   /* changes when the contents come from another task's slot */
};

struct plain_container {
    uint32_t handle; /* 0: destroyed */
    struct plain_slot slot[SLOTS];
    uint8_t rights[ACTORS]; /* of weak references that were taken */
    int locker;             /* actor; -1 */
    uint64_t until;
    uint64_t version; /* when it was locked, and so many copies to it since: */
    uint32_t copies;
};

struct plain {
    struct world *world;
    struct random_source random;
    struct physmem_task *task[ACTORS];
    struct plain_container container[CONTAINERS];
    uint32_t contents; /* the last that was written */
    uint32_t origins;
    uint64_t tokens;
    uint32_t copied, locked, expired, died, shared; /* how often */
    uint64_t seen[ACTORS][CONTENTS / 64];           /* contents that each task was given */
};

static uint32_t below(struct plain *plain, uint32_t bound)
{
    return random_below(&plain->random, bound);
}

static uint32_t owner_of(uint32_t container)
{
    return container / (CONTAINERS / ACTORS);
}

/* ---- What is really there ---- */

/* The contents of a slot, looked up in the books. */
static uint64_t contents_of(const struct plain *plain, uint32_t handle, uint32_t slot)
{
    const struct physmem *physmem = plain->world->physmem;
    const struct container *container = handles_object(&physmem->containers, handle);
    struct extent *home = container_extent(container, slot);
    const struct extent *extent;

    if (!extent_slot(home, slot)->copy)
        return home->handle == 0
                   ? 0
                   : physmem_shell_extent(&plain->world->shell, home->handle)->page[slot];
    extent = copies_extent(physmem, home, slot);
    return physmem_shell_extent(&plain->world->shell, extent->handle)
        ->page[home->copied[slot].page];
}

static uint32_t pages_in_use(const struct world *world)
{
    uint32_t pages = 0;

    for (uint32_t i = 0; i < world->shell.extents; i++)
        for (uint32_t j = 0; world->shell.extent[i] != NULL && j < EXTENT_PAGES; j++)
            pages += world->shell.extent[i]->page[j] != 0;
    return pages;
}

/* Distinct visible pages: contents, other than zeros, that some slot shows; counted anew for each
 * time that they went from one task to another. */
static uint32_t distinct_pages(const struct plain *plain)
{
    struct plain_slot seen[CONTAINERS * SLOTS];
    uint32_t count = 0;

    for (uint32_t i = 0; i < CONTAINERS * SLOTS; i++) {
        const struct plain_container *container = &plain->container[i / SLOTS];
        const struct plain_slot *slot = &container->slot[i % SLOTS];
        uint32_t j = 0;

        if (container->handle == 0 || slot->kind == HOLE || slot->contents == 0)
            continue;
        while (j < count && (seen[j].contents != slot->contents || seen[j].origin != slot->origin))
            j++;
        if (j == count)
            seen[count++] = *slot;
    }
    return count;
}

static void see(struct plain *plain, uint32_t actor, uint32_t contents)
{
    assert_true(contents < CONTENTS);
    plain->seen[actor][contents / 64] |= UINT64_C(1) << contents % 64;
}

/* A descriptor goes to a task: it may see every page that it reaches. */
static void watch(struct world *world, const struct physmem_effect *effect)
{
    const struct plain *plain = world->user;
    const struct physmem_shell_extent *extent;
    uint32_t actor = 0;

    if (effect->kind != PHYSMEM_EXTENT_SEND)
        return;
    while (actor < ACTORS && plain->task[actor] != effect->task)
        actor++;
    assert_true(actor < ACTORS);
    extent = physmem_shell_extent(&world->shell, effect->extent.extent);
    for (uint32_t i = 0; i < EXTENT_PAGES; i++) {
        uint64_t contents = extent->page[i];

        if (contents != 0 && (plain->seen[actor][contents / 64] >> contents % 64 & 1) == 0)
            fail_msg("task %u gets a descriptor that shows it page %llu", actor,
                     (unsigned long long)contents);
    }
}

static void compare(struct plain *plain)
{
    uint32_t held[ACTORS] = {0};

    check_books(plain->world);
    for (uint32_t c = 0; c < CONTAINERS; c++)
        for (uint32_t s = 0; plain->container[c].handle != 0 && s < SLOTS; s++) {
            const struct plain_slot *slot = &plain->container[c].slot[s];

            held[owner_of(c)] += slot->kind == FRAME;
            if (slot->kind != HOLE)
                assert_int_equal(contents_of(plain, plain->container[c].handle, s), slot->contents);
        }
    for (uint32_t a = 0; a < ACTORS; a++)
        assert_int_equal(world_status(plain->task[a]).held, held[a]);
    assert_true(pages_in_use(plain->world) <= distinct_pages(plain));
}

/* ---- Steps, and what the rules say of them ---- */

/* What an actor is told that asks for this right; 0: it may. */
static uint32_t refusal(const struct plain *plain, uint32_t actor, uint32_t c, uint8_t right)
{
    const struct plain_container *container = &plain->container[c];
    bool owner = owner_of(c) == actor;

    if (container->handle == 0 || (!owner && container->rights[actor] == 0))
        return ENOENT;
    if (!owner && (container->rights[actor] & right) == 0)
        return EPERM;
    return container->locker >= 0 && (owner || container->locker != (int)actor) ? EBUSY : 0;
}

static void create(struct plain *plain, uint32_t c)
{
    struct plain_container *container = &plain->container[c];

    *container = (struct plain_container){.locker = -1};
    container->handle = world_container(plain->world, plain->task[owner_of(c)], SLOTS);
    assert_int_not_equal(container->handle, 0);
}

static void allocate(struct plain *plain, uint32_t c, uint32_t s)
{
    struct plain_container *container = &plain->container[c];
    const struct physmem_effect *reply;

    reply = world_allocate(plain->world, plain->task[owner_of(c)], container->handle, s, 1,
                           PHYSMEM_SQUASH | PHYSMEM_ZERO);
    assert_int_equal(reply->error, refusal(plain, owner_of(c), c, SLOT_WRITE));
    if (reply->error == 0)
        container->slot[s] = (struct plain_slot){.kind = FRAME};
}

/* A write of a part of a page: what is not written stays, unless nobody knows what it is. */
static void write_part(struct plain *plain, uint32_t c, uint32_t s, bool known)
{
    struct plain_container *container = &plain->container[c];
    struct physmem_task *task = plain->task[owner_of(c)];
    uint32_t error = refusal(plain, owner_of(c), c, SLOT_WRITE);
    const struct physmem_effect *reply = world_map_as(plain->world, task, container->handle, s, 1,
                                                      SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE);
    const struct physmem_map_item *item;

    if (error == 0 && container->slot[s].kind != FRAME)
        error = ENOENT;
    assert_int_equal(reply->error, error);
    if (error != 0)
        return;
    item = physmem_map_items(plain->world->physmem, reply->mapped.first);
    if (known)
        assert_int_equal(world_extent(plain->world, item->extent)->page[item->offset],
                         container->slot[s].contents);
    container->slot[s].contents = ++plain->contents;
    container->slot[s].origin = 0;
    see(plain, owner_of(c), plain->contents);
    world_extent(plain->world, item->extent)->page[item->offset] = plain->contents;
    world_range(plain->world, physmem_unmap_own, task, container->handle, s, 1);
}

static void write_page(struct plain *plain, uint32_t c, uint32_t s)
{
    write_part(plain, c, s, true);
}

/* Deallocate, release, recover, or leave the data to others and write. */
static void change(struct plain *plain, uint32_t c, uint32_t s, world_range_function *function)
{
    struct plain_container *container = &plain->container[c];
    struct plain_slot *slot = &container->slot[s];
    uint32_t error = refusal(plain, owner_of(c), c, SLOT_WRITE);

    if (error == 0 && function == physmem_frames_recover && slot->kind == HOLE)
        error = ENOENT;
    assert_int_equal(
        world_range(plain->world, function, plain->task[owner_of(c)], container->handle, s, 1)
            ->error,
        error);
    if (error != 0)
        return;
    if (function == physmem_orphan && slot->kind == FRAME)
        write_part(plain, c, s, false);
    else if (function == physmem_orphan)
        return;
    else if (function == physmem_frames_deallocate)
        *slot = (struct plain_slot){.kind = HOLE};
    else if (slot->kind != HOLE)
        slot->kind = function == physmem_frames_release ? SOFT : FRAME;
}

/* Readers keep what they were shown: descriptors go out here. */
static void read_page(struct plain *plain, uint32_t c, uint32_t s)
{
    struct plain_container *container = &plain->container[c];
    struct physmem_task *task = plain->task[owner_of(c)];
    const struct physmem_effect *reply =
        world_map_as(plain->world, task, container->handle, s, 1, SLOT_READ);
    const struct physmem_map_item *item;

    if (reply->error != 0)
        return;
    item = physmem_map_items(plain->world->physmem, reply->mapped.first);
    assert_int_equal(world_extent(plain->world, item->extent)->page[item->offset],
                     container->slot[s].contents);
    world_range(plain->world, physmem_unmap_own, task, container->handle, s, 1);
}

static void copied(struct plain *plain, uint32_t from, uint32_t to, struct physmem_piece piece)
{
    struct plain_slot before[SLOTS];

    plain->container[to].copies += plain->container[to].locker >= 0;
    memcpy(before, plain->container[from].slot, sizeof(before));
    for (uint32_t i = 0; i < piece.count; i++) {
        struct plain_slot *source = &plain->container[from].slot[piece.from + i];
        struct plain_slot *target = &plain->container[to].slot[piece.to + i];
        uint32_t j = 0;

        /* It may have moved along, with those that named the same page; the same contents may lie in two. */
        while (j < i && (before[piece.from + j].contents != source->contents ||
                         before[piece.from + j].origin != source->origin))
            j++;
        if (owner_of(from) != owner_of(to))
            source->origin = j < i ? source[(int)j - (int)i].origin : ++plain->origins;
        *target = *source;
        see(plain, owner_of(to), source->contents);
    }
    plain->copied += owner_of(from) != owner_of(to);
}

static void copy(struct plain *plain, uint32_t actor, uint32_t from, uint32_t to)
{
    uint32_t first = below(plain, SLOTS), second = below(plain, SLOTS);
    struct physmem_piece piece = {first, second, 1};
    uint32_t error = refusal(plain, actor, from, SLOT_READ);
    const struct physmem_effect *reply;

    if (below(plain, 2))
        piece.count += below(plain, SLOTS - (first > second ? first : second));
    if (error == 0)
        error = refusal(plain, actor, to, SLOT_WRITE);
    for (uint32_t i = 0; i < piece.count && error == 0; i++) {
        if (plain->container[from].slot[first + i].kind != FRAME)
            error = ENOENT;
        else if (plain->container[to].slot[second + i].kind != FRAME)
            error = ENOMEM;
    }
    reply = world_copy(plain->world, plain->task[actor], plain->container[from].handle,
                       plain->container[to].handle, &piece, 1);
    assert_int_equal(reply->error, error);
    if (error == 0)
        copied(plain, from, to, piece);
}

static void share(struct plain *plain, uint32_t actor, uint32_t c)
{
    struct plain_container *container = &plain->container[c];
    struct physmem_permission permission = {
        .token = ++plain->tokens,
        .rights = (uint8_t)(1 + below(plain, 3)),
        .lock_ns = 5 * MS,
        .task = below(plain, 2) ? 0 : physmem_task_id(plain->task[actor]),
    };
    struct physmem_task *task = plain->task[owner_of(c)];

    if (refusal(plain, owner_of(c), c, SLOT_WRITE) != 0 || container->rights[actor] != 0 ||
        owner_of(c) == actor)
        return;
    assert_int_equal(world_share(plain->world, task, container->handle, &permission)->error, 0);
    assert_int_equal(world_adopt(plain->world, plain->task[actor], container->handle,
                                 permission.task != 0 ? 0 : permission.token)
                         ->error,
                     0);
    container->rights[actor] = permission.rights;
    plain->shared++;
}

/* With all rights. */
static void share_all(struct plain *plain, uint32_t actor, uint32_t c)
{
    const struct physmem_permission permission = {.token = ++plain->tokens,
                                                  .rights = SLOT_READ | SLOT_WRITE};
    struct plain_container *container = &plain->container[c];

    if (owner_of(c) == actor)
        return;
    assert_int_equal(
        world_share(plain->world, plain->task[owner_of(c)], container->handle, &permission)->error,
        0);
    assert_int_equal(
        world_adopt(plain->world, plain->task[actor], container->handle, permission.token)->error,
        0);
    container->rights[actor] = permission.rights;
}

static void lock(struct plain *plain, uint32_t actor, uint32_t c)
{
    struct plain_container *container = &plain->container[c];
    const struct physmem_effect *reply =
        world_lock(plain->world, plain->task[actor], container->handle, 2 * MS, true);
    uint32_t error = refusal(plain, actor, c, container->rights[actor]);

    if (owner_of(c) == actor)
        error = container->handle == 0 ? ENOENT : EPERM;
    else if (error == 0 && container->locker == (int)actor)
        error = EALREADY;
    assert_int_equal(reply->error, error);
    if (error != 0)
        return;
    container->locker = (int)actor;
    container->until = plain->world->now + 2 * MS;
    container->version = reply->version.version;
    container->copies = 0;
    plain->locked++;
}

static void unlock(struct plain *plain, uint32_t actor, uint32_t c)
{
    struct plain_container *container = &plain->container[c];
    const struct physmem_request request = world_request(plain->world, plain->task[actor]);
    const struct physmem_effect *reply;

    physmem_lock_end(plain->world->physmem, plain->world->now, &request, container->handle);
    world_run(plain->world);
    reply = world_reply(plain->world, request.seq);
    if (container->locker != (int)actor) {
        assert_int_not_equal(reply->error, 0);
        return;
    }
    assert_int_equal(reply->error, 0);
    /* Its owner could do nothing, and soft frames are not short here. */
    assert_int_equal(reply->version.version, container->version + container->copies + 1);
    container->locker = -1;
}

static void pass(struct plain *plain)
{
    world_pass(plain->world, MS);
    for (uint32_t c = 0; c < CONTAINERS; c++)
        if (plain->container[c].locker >= 0 && plain->container[c].until <= plain->world->now) {
            plain->container[c].locker = -1;
            plain->expired++;
        }
}

static void revoke(struct plain *plain, uint32_t c)
{
    struct plain_container *container = &plain->container[c];
    const struct physmem_request request = world_request(plain->world, plain->task[owner_of(c)]);

    if (refusal(plain, owner_of(c), c, SLOT_WRITE) != 0)
        return;
    physmem_share_revoke(plain->world->physmem, plain->world->now, &request, container->handle, 0);
    world_run(plain->world);
    assert_int_equal(world_reply(plain->world, request.seq)->error, 0);
    memset(container->rights, 0, sizeof(container->rights));
}

static void destroy(struct plain *plain, uint32_t c)
{
    struct plain_container *container = &plain->container[c];
    const struct physmem_request request = world_request(plain->world, plain->task[owner_of(c)]);
    uint32_t error = refusal(plain, owner_of(c), c, SLOT_WRITE);

    physmem_container_destroy(plain->world->physmem, plain->world->now, &request,
                              container->handle);
    world_run(plain->world);
    assert_int_equal(world_reply(plain->world, request.seq)->error, error);
    if (error == 0)
        create(plain, c);
}

static void begin(struct plain *plain, uint32_t actor)
{
    plain->task[actor] = world_task(plain->world, "actor");
    assert_non_null(plain->task[actor]);
    world_contract(plain->world, plain->task[actor], SP_GUARANTEED, 12);
    for (uint32_t c = 0; c < CONTAINERS; c++)
        if (owner_of(c) == actor)
            create(plain, c);
    memset(plain->seen[actor], 0, sizeof(plain->seen[actor]));
}

static void die(struct plain *plain, uint32_t actor)
{
    physmem_task_gone(plain->world->physmem, plain->world->now, plain->task[actor]);
    world_run(plain->world);
    for (uint32_t c = 0; c < CONTAINERS; c++) {
        plain->container[c].rights[actor] = 0;
        if (plain->container[c].locker == (int)actor)
            plain->container[c].locker = -1;
        if (owner_of(c) == actor)
            plain->container[c].handle = 0;
    }
    plain->died++;
    begin(plain, actor);
}

static void step(struct plain *plain)
{
    uint32_t actor = below(plain, ACTORS), c = below(plain, CONTAINERS);
    uint32_t other = below(plain, CONTAINERS), s = below(plain, SLOTS);

    switch (below(plain, 40)) {
    case 0:
        change(plain, c, s, physmem_frames_deallocate);
        break;
    case 1:
        change(plain, c, s, physmem_frames_release);
        break;
    case 2:
    case 3:
        change(plain, c, s, physmem_frames_recover);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        allocate(plain, c, s);
        break;
    case 8:
    case 9:
    case 10:
    case 11:
        write_page(plain, c, s);
        break;
    case 12:
    case 13:
        share(plain, actor, c);
        break;
    case 14:
        if (below(plain, 10) == 0)
            revoke(plain, c);
        break;
    case 15:
        if (below(plain, 20) == 0)
            destroy(plain, c);
        break;
    case 16:
        if (below(plain, 40) == 0)
            die(plain, actor);
        break;
    case 17:
        if (below(plain, 3) == 0)
            lock(plain, actor, c);
        break;
    case 18:
        unlock(plain, actor, c);
        break;
    case 19:
        pass(plain);
        break;
    case 23:
        change(plain, c, s, physmem_orphan);
        break;
    case 20:
    case 21:
    case 22:
        read_page(plain, c, s);
        break;
    default:
        if (below(plain, 4) != 0)
            actor = owner_of(below(plain, 2) ? c : other);
        if (c != other)
            copy(plain, actor, c, other);
    }
}

static void test_random_lives_of_tasks_that_share(void **state)
{
    static struct plain plain;
    struct world *world = *state;
    const char *more = getenv("SELFPAGE_SHARE_STEPS");
    uint32_t steps = more != NULL ? (uint32_t)atoi(more) : RUNNING_ON_VALGRIND ? 2000 : 150000;

    plain = (struct plain){.world = world, .random = random_seeded(scale_seed(11))};
    world->watch = watch;
    world->user = &plain;
    for (uint32_t i = 0; i < ACTORS; i++)
        begin(&plain, i);
    for (uint32_t i = 0; i < steps && plain.contents < CONTENTS - 1; i++) {
        step(&plain);
        compare(&plain);
    }
    assert_true(RUNNING_ON_VALGRIND || (plain.copied > 5000 && plain.locked > 200 &&
                                        plain.expired > 50 && plain.died > 50));
    for (uint32_t i = 0; i < ACTORS; i++)
        physmem_task_gone(world->physmem, world->now, plain.task[i]);
    world_run(world);
    world_pass(world, SECOND);
    assert_int_equal(pages_in_use(world), 0);
    check_books(world);
}

/* ---- All short histories ---- */

#define TREE  3u /* tasks, with one container each */
#define PAGES 2u
#define PAIRS (TREE * (TREE - 1))
#define STEPS (2 * PAIRS + 4 * TREE)

static uint32_t container_of(uint32_t which)
{
    return which * (CONTAINERS / ACTORS);
}

/* The container of each task has frames with contents, and all others may copy from it and to it.
 * */
static void plant(struct plain *plain, struct world *world)
{
    *plain = (struct plain){.world = world, .random = random_seeded(1)};
    for (uint32_t i = 0; i < ACTORS; i++)
        begin(plain, i);
    for (uint32_t i = 0; i < TREE; i++) {
        for (uint32_t page = 0; page < PAGES; page++)
            allocate(plain, container_of(i), page);
        write_page(plain, container_of(i), 0);
        for (uint32_t other = 0; other < TREE; other++)
            share_all(plain, other, container_of(i));
    }
}

static void copy_pages(struct plain *plain, uint32_t pair, uint32_t count)
{
    uint32_t from = container_of(pair / (TREE - 1));
    uint32_t to = container_of(pair % (TREE - 1) + (pair % (TREE - 1) >= pair / (TREE - 1)));
    struct physmem_piece piece = {0, 0, count};
    const struct physmem_effect *reply =
        world_copy(plain->world, plain->task[owner_of(from)], plain->container[from].handle,
                   plain->container[to].handle, &piece, 1);

    if (reply->error == 0)
        copied(plain, from, to, piece);
}

/* Both pages or the first one are copied between any two; pages are written, given back, containers
 * destroyed; tasks die. */
static void tree_step(struct plain *plain, uint32_t step)
{
    uint32_t which = (step - 2 * PAIRS) % TREE;

    if (step < 2 * PAIRS)
        copy_pages(plain, step % PAIRS, 1 + step / PAIRS);
    else if (step < 2 * PAIRS + TREE)
        write_page(plain, container_of(which), 0);
    else if (step < 2 * PAIRS + 2 * TREE)
        change(plain, container_of(which), 0, physmem_frames_deallocate);
    else if (step < 2 * PAIRS + 3 * TREE)
        destroy(plain, container_of(which));
    else
        die(plain, which);
}

static void fell(struct plain *plain)
{
    for (uint32_t i = 0; i < ACTORS; i++)
        physmem_task_gone(plain->world->physmem, plain->world->now, plain->task[i]);
    world_run(plain->world);
    world_pass(plain->world, SECOND);
    assert_int_equal(pages_in_use(plain->world), 0);
    check_books(plain->world);
}

static void test_all_short_histories_between_three_tasks(void **state)
{
    static struct plain plain;
    const char *deep = getenv("SELFPAGE_SHARE_DEPTH");
    uint32_t depth = deep != NULL ? (uint32_t)atoi(deep) : RUNNING_ON_VALGRIND ? 1 : 3;
    uint32_t histories = 1;
    struct world *world = *state;

    world->watch = watch;
    world->user = &plain;
    for (uint32_t i = 0; i < depth; i++)
        histories *= STEPS;
    for (uint32_t history = 0; history < histories; history++) {
        uint32_t rest = history;

        plant(&plain, world);
        for (uint32_t i = 0; i < depth; i++, rest /= STEPS) {
            tree_step(&plain, rest % STEPS);
            compare(&plain);
            for (uint32_t t = 0; t < TREE; t++)
                for (uint32_t page = 0; page < PAGES; page++)
                    read_page(&plain, container_of(t), page);
        }
        fell(&plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_lives_of_tasks_that_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_short_histories_between_three_tasks, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
