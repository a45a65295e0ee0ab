/* Weak references, locks, versions, and copies between tasks: the rules one by one. Random histories
 * are in share_random_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "expect.h"

#define MS UINT64_C(1000000)

/* A client that owns a container, and a server with a weak reference to it and a container of its own. */
struct stage {
    struct world *world;
    struct physmem_task *client, *server;
    uint32_t container; /* of the client */
    uint32_t cache;     /* of the server */
    uint32_t share;
    uint64_t token;
};

static const struct physmem_permission any_use = {
    .token = 4711, .lock_ns = 100 * MS, .rights = SLOT_READ | SLOT_WRITE};

static struct stage stage_with(struct world *world, uint8_t rights, uint64_t lock_ns)
{
    struct stage stage = {.world = world, .token = 4711};
    const struct physmem_permission permission = {4711, lock_ns, 0, rights};
    const struct physmem_effect *reply;

    stage.client = task_with(world, "client", 30, 0, &stage.container);
    stage.server = task_with(world, "server", 30, 0, &stage.cache);
    expect_allocated(world_allocate(world, stage.client, stage.container, 0, 8, 0), 8);
    expect_allocated(world_allocate(world, stage.server, stage.cache, 0, 8, 0), 8);
    reply = world_share(world, stage.client, stage.container, &permission);
    assert_int_equal(reply->error, 0);
    stage.share = reply->shared.share;
    reply = world_adopt(world, stage.server, stage.container, 4711);
    assert_int_equal(reply->error, 0);
    assert_int_equal(reply->adopted.container, stage.container);
    assert_int_equal(reply->adopted.owner, physmem_task_id(stage.client));
    assert_int_equal(reply->adopted.rights, rights);
    assert_int_equal(reply->adopted.slots, 1000);
    return stage;
}

static struct physmem_request request_of(struct stage *stage, struct physmem_task *task)
{
    return world_request(stage->world, task);
}

static const struct physmem_effect *reply_to(struct stage *stage, struct physmem_request request)
{
    world_run(stage->world);
    return world_reply(stage->world, request.seq);
}

static const struct physmem_effect *revoke(struct stage *stage, uint32_t share)
{
    const struct physmem_request request = request_of(stage, stage->client);

    physmem_share_revoke(stage->world->physmem, stage->world->now, &request, stage->container,
                         share);
    return reply_to(stage, request);
}

static const struct physmem_effect *unlock(struct stage *stage)
{
    const struct physmem_request request = request_of(stage, stage->server);

    physmem_lock_end(stage->world->physmem, stage->world->now, &request, stage->container);
    return reply_to(stage, request);
}

static const struct physmem_effect *drop(struct stage *stage, struct physmem_task *task)
{
    const struct physmem_request request = request_of(stage, task);

    physmem_share_drop(stage->world->physmem, stage->world->now, &request, stage->container);
    return reply_to(stage, request);
}

static const struct physmem_effect *destroy(struct stage *stage, struct physmem_task *task)
{
    const struct physmem_request request = request_of(stage, task);

    physmem_container_destroy(stage->world->physmem, stage->world->now, &request, stage->container);
    return reply_to(stage, request);
}

static const struct physmem_effect *ask_version(struct stage *stage, struct physmem_task *task)
{
    const struct physmem_request request = request_of(stage, task);

    physmem_share_version(stage->world->physmem, stage->world->now, &request, stage->container);
    return reply_to(stage, request);
}

static const struct physmem_effect *lock(struct stage *stage, uint64_t lock_ns, bool unmap)
{
    return world_lock(stage->world, stage->server, stage->container, lock_ns, unmap);
}

static uint64_t version_of(struct stage *stage)
{
    const struct physmem_effect *reply = ask_version(stage, stage->client);

    assert_int_equal(reply->kind, PHYSMEM_REPLY_VERSION);
    return reply->version.version;
}

static const struct physmem_effect *copy(struct stage *stage, struct physmem_task *task,
                                         uint32_t from, uint32_t first, uint32_t to, uint32_t slot,
                                         uint32_t count)
{
    const struct physmem_piece piece = {first, slot, count};

    return world_copy(stage->world, task, from, to, &piece, 1);
}

static uint64_t *page_of(struct stage *stage, struct physmem_task *task, uint32_t container,
                         uint32_t slot, bool write)
{
    struct world *world = stage->world;
    const struct physmem_effect *reply =
        world_map_as(world, task, container, slot, 1,
                     write ? SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE : SLOT_READ);
    const struct physmem_map_item *item = physmem_map_items(world->physmem, reply->mapped.first);
    struct physmem_shell_extent *extent;

    assert_int_equal(reply->kind, PHYSMEM_REPLY_MAPPED);
    extent = world_extent(world, item->extent);
    assert_non_null(extent);
    world_range(world, physmem_unmap_own, task, container, slot, 1);
    return &extent->page[item->offset];
}

static uint64_t client_reads(struct stage *stage, uint32_t slot)
{
    return *page_of(stage, stage->client, stage->container, slot, false);
}

static uint64_t server_reads(struct stage *stage, uint32_t slot)
{
    return *page_of(stage, stage->server, stage->cache, slot, false);
}

static void client_writes(struct stage *stage, uint32_t slot, uint64_t contents)
{
    *page_of(stage, stage->client, stage->container, slot, true) = contents;
}

static void server_writes(struct stage *stage, uint32_t slot, uint64_t contents)
{
    *page_of(stage, stage->server, stage->cache, slot, true) = contents;
}

static struct physmem_status status_of(const struct world *world)
{
    struct physmem_status status;

    physmem_get_status(world->physmem, &status);
    return status;
}

/* ---- Giving and taking ---- */

static void test_a_weak_reference_neither_allocates_nor_frees_nor_maps(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint32_t own;
    struct physmem_task *stranger = task_with(world, "stranger", 5, 0, &own);

    expect_error(world_allocate(world, stage.server, stage.container, 100, 1, 0), EPERM);
    expect_error(world_range(world, physmem_frames_deallocate, stage.server, stage.container, 0, 1),
                 EPERM);
    expect_error(world_range(world, physmem_frames_release, stage.server, stage.container, 0, 1),
                 EPERM);
    expect_error(world_range(world, physmem_unmap_own, stage.server, stage.container, 0, 1), EPERM);
    expect_error(world_map(world, stage.server, stage.container, 0, 1), EPERM);
    expect_error(world_share(world, stage.server, stage.container, &any_use), EPERM);
    expect_error(destroy(&stage, stage.server), EPERM);
    expect_error(world_map(world, stranger, stage.container, 0, 1), ENOENT);
    expect_error(world_lock(world, stranger, stage.container, MS, false), ENOENT);
    expect_error(ask_version(&stage, stranger), ENOENT);
    expect_error(copy(&stage, stranger, stage.container, 0, own, 0, 1), ENOENT);
    expect_error(world_lock(world, stage.client, stage.container, MS, false), EPERM);
    assert_int_equal(world_status(stage.client).held, 8);
    check_books(world);
}

static void test_rights_are_what_the_owner_gave(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);

    assert_int_equal(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1)->error, 0);
    expect_error(copy(&stage, stage.server, stage.cache, 0, stage.container, 0, 1), EPERM);
    expect_error(lock(&stage, MS, false), EPERM);
    check_books(stage.world);
}

static void test_a_token_is_good_once_and_a_forged_one_never(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    uint32_t own;
    struct physmem_task *other = task_with(world, "other", 5, 0, &own);

    expect_error(world_adopt(world, other, stage.container, 4711), EALREADY);
    expect_error(world_adopt(world, other, stage.container, 4712), ENOENT);
    expect_error(world_adopt(world, other, stage.container, 0), ENOENT);
    expect_error(world_adopt(world, other, stage.container + 1, 4711), ENOENT);
    expect_error(world_adopt(world, other, 0, 4711), ENOENT);
    expect_error(world_adopt(world, other, 0, 0), ENOENT);
    expect_error(world_adopt(world, stage.server, own, 4711), ENOENT);
    assert_int_equal(world_share(world, stage.client, stage.container,
                                 &(struct physmem_permission){8, 0, 0, SLOT_READ})
                         ->error,
                     0);
    expect_error(world_adopt(world, stage.client, stage.container, 8), EINVAL);
    expect_error(world_adopt(world, stage.server, stage.container, 8), EEXIST);
    assert_int_equal(world_adopt(world, other, stage.container, 8)->error, 0);
    check_books(world);
}

static void test_what_is_given_by_number_only_that_task_takes(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    uint32_t a, b;
    struct physmem_task *other = task_with(world, "other", 5, 0, &a);
    struct physmem_permission named = {0, 0, physmem_task_id(other), SLOT_READ};
    const struct physmem_effect *reply;

    b = world_container(world, stage.client, 10);
    assert_int_equal(world_share(world, stage.client, stage.container, &named)->error, 0);
    assert_int_equal(world_share(world, stage.client, b, &named)->error, 0);
    expect_error(world_share(world, stage.client, b, &named), EEXIST);
    expect_error(world_adopt(world, stage.server, b, 0), ENOENT);
    reply = world_adopt(world, other, 0, 0);
    assert_int_equal(reply->adopted.container, stage.container);
    reply = world_adopt(world, other, b, 0);
    assert_int_equal(reply->adopted.container, b);
    expect_error(world_adopt(world, other, 0, 0), ENOENT);
    named.task = 99;
    expect_error(world_share(world, stage.client, b, &named), ESRCH);
    named.task = physmem_task_id(stage.client);
    expect_error(world_share(world, stage.client, b, &named), EEXIST);
    check_books(world);
}

static void test_what_cannot_be_shared_is_refused(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    struct physmem_permission permission = {1, 0, 0, 0};
    uint32_t large = world_container(world, stage.client, PHYSMEM_SHARED_SLOTS + 1);

    expect_error(world_share(world, stage.client, stage.container, &permission), EINVAL);
    permission.rights = SLOT_RIGHTS;
    expect_error(world_share(world, stage.client, stage.container, &permission), EINVAL);
    permission.rights = SLOT_READ;
    permission.lock_ns = PHYSMEM_LOCK_MAX_NS + 1;
    expect_error(world_share(world, stage.client, stage.container, &permission), EINVAL);
    permission.lock_ns = 0;
    expect_error(world_share(world, stage.client, large, &permission), E2BIG);
    permission.token = 0;
    expect_error(world_share(world, stage.client, stage.container, &permission), EAGAIN);
    for (permission.token = 1; permission.token < 16; permission.token++)
        assert_int_equal(world_share(world, stage.client, stage.container, &permission)->error, 0);
    expect_error(world_share(world, stage.client, stage.container, &permission), EMFILE);
    expect_error(world_share(world, stage.client, 0, &permission), ENOENT);
    check_books(world);
}

/* ---- Copies between tasks ---- */

static void test_a_page_moves_once_and_then_goes_to_another_task_for_nothing(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;

    for (uint32_t i = 0; i < 4; i++)
        server_writes(&stage, i, 100 + i);
    assert_int_equal(copy(&stage, stage.server, stage.cache, 0, stage.container, 0, 4)->error, 0);
    assert_int_equal(status_of(world).moved, 4);
    assert_int_equal(copy(&stage, stage.server, stage.cache, 0, stage.container, 4, 4)->error, 0);
    assert_int_equal(status_of(world).moved, 4);
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(client_reads(&stage, i), 100 + i % 4);
    assert_int_equal(world_status(stage.client).held, 8);
    assert_int_equal(world_status(stage.server).held, 8);
    client_writes(&stage, 1, 7);
    assert_int_equal(client_reads(&stage, 1), 7);
    assert_int_equal(server_reads(&stage, 1), 101);
    server_writes(&stage, 2, 8);
    assert_int_equal(client_reads(&stage, 2), 102);
    assert_int_equal(status_of(world).broken, 2);
    check_books(world);
}

static void test_the_owner_of_a_copy_pays_and_no_death_takes_it(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint64_t *page;

    server_writes(&stage, 0, 7);
    server_writes(&stage, 1, 8);
    assert_int_equal(copy(&stage, stage.server, stage.cache, 0, stage.container, 0, 2)->error, 0);
    page = page_of(&stage, stage.client, stage.container, 0, false);
    physmem_task_gone(world->physmem, world->now, stage.server);
    world_run(world);
    world_pass(world, SECOND);
    check_books(world);
    assert_int_equal(*page, 7); /* a mapping that it still has shows it, too */
    assert_int_equal(client_reads(&stage, 0), 7);
    assert_int_equal(client_reads(&stage, 1), 8);
    assert_int_equal(world_status(stage.client).held, 8);
    assert_int_equal(status_of(world).free, FRAMES - 8);
    client_writes(&stage, 1, 9);
    assert_int_equal(client_reads(&stage, 1), 9);
    assert_int_equal(status_of(world).shared, 0);
    check_books(world);
}

/* A descriptor reaches a whole extent. */
static void test_part_of_an_extent_is_moved_so_that_nobody_sees_the_rest(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    const struct physmem_map_item *item;
    const struct physmem_effect *reply;
    uint32_t i;

    for (i = 0; i < 4; i++)
        client_writes(&stage, i, 100 + i);
    assert_int_equal(copy(&stage, stage.client, stage.container, 0, stage.container, 4, 4)->error,
                     0);
    assert_int_equal(status_of(world).moved, 4);
    assert_int_equal(copy(&stage, stage.server, stage.container, 2, stage.cache, 0, 1)->error, 0);
    assert_int_equal(status_of(world).moved, 5);
    reply = world_map_as(world, stage.server, stage.cache, 0, 1, SLOT_READ);
    item = physmem_map_items(world->physmem, reply->mapped.first);
    for (i = 1; i < EXTENT_PAGES; i++)
        assert_int_equal(world_extent(world, item->extent)->page[i], 0);
    assert_int_equal(server_reads(&stage, 0), 102);
    /* The slot moved along: the next copy of it is free. */
    assert_int_equal(copy(&stage, stage.server, stage.container, 2, stage.cache, 1, 1)->error, 0);
    assert_int_equal(status_of(world).moved, 5);
    /* All that is left of the first extent: the server may see it. */
    assert_int_equal(copy(&stage, stage.server, stage.container, 4, stage.cache, 4, 4)->error, 0);
    assert_int_equal(status_of(world).moved, 5);
    assert_int_equal(server_reads(&stage, 7), 103);
    check_books(world);
}

static void test_a_slot_that_is_mapped_stays_when_a_part_of_its_extent_moves(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    uint64_t *page;

    client_writes(&stage, 0, 7);
    client_writes(&stage, 1, 8);
    assert_int_equal(copy(&stage, stage.client, stage.container, 0, stage.container, 4, 2)->error,
                     0);
    page = page_of(&stage, stage.client, stage.container, 0, false);
    world_map_as(world, stage.client, stage.container, 0, 1, SLOT_READ);
    world_range(world, physmem_frames_deallocate, stage.client, stage.container, 4, 1);
    assert_int_equal(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1)->error, 0);
    assert_int_equal(*page, 7);
    assert_int_equal(server_reads(&stage, 0), 7);
    check_books(world);
}

static void test_a_task_between_two_others_copies_without_seeing(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 0);
    struct world *world = stage.world;
    uint32_t own, since = 0;
    struct physmem_task *other = task_with(world, "other", 5, 0, &own);

    world_allocate(world, other, own, 0, 2, 0);
    world_share(world, other, own, &(struct physmem_permission){9, 0, 0, SLOT_WRITE});
    assert_int_equal(world_adopt(world, stage.server, own, 9)->error, 0);
    client_writes(&stage, 0, 7);
    since = world->recorded;
    assert_int_equal(copy(&stage, stage.server, stage.container, 0, own, 1, 1)->error, 0);
    assert_int_equal(*page_of(&stage, other, own, 1, false), 7);
    assert_null(world_find(world, since, PHYSMEM_EXTENT_SEND, stage.server));
    expect_error(copy(&stage, stage.server, own, 1, stage.cache, 0, 1), EPERM);
    check_books(world);
}

/* ---- The lock ---- */

static void test_while_it_is_locked_its_owner_can_do_nothing_with_it(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint64_t version = lock(&stage, 50 * MS, false)->version.version;
    const struct physmem_effect *reply;

    expect_error(world_allocate(world, stage.client, stage.container, 100, 1, 0), EBUSY);
    expect_error(world_range(world, physmem_frames_deallocate, stage.client, stage.container, 0, 1),
                 EBUSY);
    expect_error(world_range(world, physmem_frames_release, stage.client, stage.container, 0, 1),
                 EBUSY);
    expect_error(world_range(world, physmem_frames_recover, stage.client, stage.container, 0, 1),
                 EBUSY);
    expect_error(world_map(world, stage.client, stage.container, 0, 1), EBUSY);
    expect_error(copy(&stage, stage.client, stage.container, 0, stage.container, 1, 1), EBUSY);
    expect_error(world_share(world, stage.client, stage.container, &any_use), EBUSY);
    expect_error(destroy(&stage, stage.client), EBUSY);
    assert_int_equal(
        world_range(world, physmem_unmap_own, stage.client, stage.container, 0, 1)->error, 0);
    reply = ask_version(&stage, stage.client);
    assert_int_equal(reply->version.version, version);
    assert_int_equal(reply->version.locker, physmem_task_id(stage.server));
    assert_int_equal(reply->version.lock_ns, 50 * MS);
    expect_error(lock(&stage, MS, false), EALREADY);
    assert_int_equal(unlock(&stage)->error, 0);
    expect_error(unlock(&stage), ETIME);
    assert_int_equal(world_map(world, stage.client, stage.container, 0, 1)->error, 0);
    assert_int_equal(ask_version(&stage, stage.client)->version.locker, 0);
    check_books(world);
}

static void test_a_lock_ends_by_itself_and_is_no_longer_than_the_owner_permits(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 20 * MS);
    struct world *world = stage.world;

    expect_error(lock(&stage, 0, false), EINVAL);
    assert_int_equal(lock(&stage, UINT64_MAX, false)->version.lock_ns, 20 * MS);
    world_pass(world, 20 * MS - 1);
    expect_error(world_map(world, stage.client, stage.container, 0, 1), EBUSY);
    world_pass(world, 1);
    assert_int_equal(world_map(world, stage.client, stage.container, 0, 1)->error, 0);
    expect_error(unlock(&stage), ETIME);
    assert_int_equal(status_of(world).locks, 1);
    assert_int_equal(status_of(world).locks_expired, 1);
    check_books(world);
}

static void test_a_lock_excludes_other_weak_references(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint32_t own;
    struct physmem_task *other = task_with(world, "other", 5, 0, &own);

    world_allocate(world, other, own, 0, 2, 0);
    world_share(world, stage.client, stage.container,
                &(struct physmem_permission){9, MS, 0, SLOT_READ});
    world_adopt(world, other, stage.container, 9);
    assert_int_equal(lock(&stage, MS, false)->error, 0);
    expect_error(copy(&stage, other, stage.container, 0, own, 0, 1), EBUSY);
    expect_error(world_lock(world, other, stage.container, MS, false), EBUSY);
    assert_int_equal(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1)->error, 0);
    assert_int_equal(unlock(&stage)->error, 0);
    assert_int_equal(copy(&stage, other, stage.container, 0, own, 0, 1)->error, 0);
    check_books(world);
}

static void test_a_lock_that_unmaps_waits_for_the_owner(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    const struct physmem_effect *ask;
    struct physmem_request request;

    world_map(world, stage.client, stage.container, 0, 4);
    expect_error(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1), EBUSY);
    request = request_of(&stage, stage.server);
    physmem_lock(world->physmem, world->now, &request, stage.container, 50 * MS, true);
    assert_null(reply_to(&stage, request));
    ask = world_find(world, 0, PHYSMEM_SEND_UNMAP, stage.client);
    assert_int_equal(ask->unmap.range.count, 4);
    expect_error(world_map(world, stage.client, stage.container, 6, 1), EBUSY);
    assert_int_equal(
        physmem_unmap_answered(world->physmem, world->now, stage.client, ask->unmap.id), 0);
    assert_int_equal(reply_to(&stage, request)->error, 0);
    assert_int_equal(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1)->error, 0);
    assert_int_equal(unlock(&stage)->error, 0);
    /* With nothing mapped there is nothing to wait for; giving rights up unasked serves, too. */
    assert_int_equal(lock(&stage, MS, true)->error, 0);
    unlock(&stage);
    world_map(world, stage.client, stage.container, 4, 2);
    request = request_of(&stage, stage.server);
    physmem_lock(world->physmem, world->now, &request, stage.container, 50 * MS, true);
    world_range(world, physmem_unmap_own, stage.client, stage.container, 4, 2);
    assert_int_equal(world_reply(world, request.seq)->error, 0);
    check_books(world);
}

/* The owner was asked before, has mapped the slots again, and answers that question first. */
static void test_a_lock_waits_for_the_answer_to_its_own_question(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    struct random_source random = random_seeded(1);
    struct physmem_request request;
    uint64_t before;

    world_map(world, stage.client, stage.container, 0, 4);
    while (physmem_unmap_random(world->physmem, world->now, &random) == 0)
        world_run(world); /* of another container */
    world_run(world);
    before = world_status(stage.client).unmaps;
    world_map(world, stage.client, stage.container, 0, 4);
    request = request_of(&stage, stage.server);
    physmem_lock(world->physmem, world->now, &request, stage.container, 50 * MS, true);
    world_run(world);
    assert_int_equal(world_status(stage.client).unmaps, before + 1);
    for (uint64_t id = 1; id <= before; id++)
        assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage.client, id), 0);
    assert_null(reply_to(&stage, request));
    assert_int_equal(physmem_unmap_answered(world->physmem, world->now, stage.client, before + 1),
                     0);
    assert_int_equal(reply_to(&stage, request)->error, 0);
    check_books(world);
}

static void test_an_owner_that_does_not_unmap_costs_the_locker_its_own_time_only(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    struct physmem_request request = request_of(&stage, stage.server);

    world_map(world, stage.client, stage.container, 0, 4);
    physmem_lock(world->physmem, world->now, &request, stage.container, 50 * MS, true);
    assert_null(reply_to(&stage, request));
    world_pass(world, 50 * MS);
    expect_error(world_reply(world, request.seq), ETIMEDOUT);
    assert_int_equal(status_of(world).locks_expired, 1);
    /* One that nobody can ask is not waited for. */
    physmem_task_disconnected(world->physmem, world->now, stage.client);
    world_range(world, physmem_unmap_own, stage.client, stage.container, 0, 4);
    world_map(world, stage.client, stage.container, 0, 4);
    expect_error(lock(&stage, MS, true), EAGAIN);
    check_books(world);
}

static void test_a_request_of_the_owner_that_waits_keeps_others_from_locking(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ, 100 * MS);
    struct world *world = stage.world;
    uint32_t own;
    struct physmem_task *hog = task_with(world, "hog", 0, 90, &own);

    world_allocate(world, hog, own, 0, 80, PHYSMEM_EXTRA);
    assert_null(world_allocate(world, stage.client, stage.container, 100, 20, 0));
    expect_error(lock(&stage, MS, false), EBUSY);
    world_range(world, physmem_frames_deallocate, hog, own, 0, 80);
    assert_int_equal(lock(&stage, MS, false)->error, 0);
    check_books(world);
}

/* ---- Versions ---- */

static void test_the_version_counts_what_may_have_changed_the_contents(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint64_t version = version_of(&stage);

    lock(&stage, MS, false);
    copy(&stage, stage.server, stage.cache, 0, stage.container, 0, 2);
    copy(&stage, stage.server, stage.container, 0, stage.cache, 2, 2); /* only reads */
    expect_error(world_allocate(world, stage.client, stage.container, 0, 1, 0), EBUSY);
    expect_error(copy(&stage, stage.server, stage.cache, 900, stage.container, 0, 1), ENOENT);
    assert_int_equal(unlock(&stage)->version.version, version + 3);
    world_map_as(world, stage.client, stage.container, 0, 1, SLOT_READ);
    world_range(world, physmem_unmap_own, stage.client, stage.container, 0, 1);
    assert_int_equal(version_of(&stage), version + 3);
    world_map(world, stage.client, stage.container, 4, 1);
    assert_int_equal(version_of(&stage), version + 4);
    world_allocate(world, stage.client, stage.container, 100, 1, 0);
    world_range(world, physmem_frames_release, stage.client, stage.container, 100, 1);
    world_range(world, physmem_frames_recover, stage.client, stage.container, 100, 1);
    world_range(world, physmem_frames_deallocate, stage.client, stage.container, 100, 1);
    assert_int_equal(version_of(&stage), version + 8);
    lock(&stage, MS, false);
    world_pass(world, MS);
    assert_int_equal(version_of(&stage), version + 10);
}

static void test_soft_frames_that_are_reused_count(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;
    uint64_t version;
    uint32_t own;
    struct physmem_task *hog = task_with(world, "hog", 36, 0, &own);

    world_range(world, physmem_frames_release, stage.client, stage.container, 0, 8);
    world_allocate(world, stage.server, stage.cache, 100, 22, 0);
    version = version_of(&stage);
    lock(&stage, MS, false);
    expect_allocated(world_allocate(world, hog, own, 0, 36, 0), 36);
    assert_int_equal(version_of(&stage), version + 1);
    world_contract(world, hog, SP_EXTRA, 60);
    world_allocate(world, hog, own, 100, 60, PHYSMEM_EXTRA | PHYSMEM_PARTIAL);
    assert_true(version_of(&stage) > version + 1);
    check_books(world);
}

/* ---- Ends ---- */

static void test_what_is_revoked_is_over(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;

    expect_error(revoke(&stage, 99), ENOENT);
    assert_int_equal(revoke(&stage, stage.share)->error, 0);
    expect_error(lock(&stage, MS, false), ENOENT);
    expect_error(copy(&stage, stage.server, stage.container, 0, stage.cache, 0, 1), ENOENT);
    expect_error(world_adopt(world, stage.server, stage.container, 4711), ENOENT);
    world_share(world, stage.client, stage.container, &any_use);
    assert_int_equal(revoke(&stage, 0)->error, 0);
    expect_error(world_adopt(world, stage.server, stage.container, 4711), ENOENT);
    assert_int_equal(revoke(&stage, 0)->error, 0);
    check_books(world);
}

/* Otherwise a holder that locks again and again would have the container for ever. */
static void test_a_lock_that_the_owner_wants_to_end_is_the_last(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;

    assert_int_equal(lock(&stage, MS, false)->error, 0);
    expect_error(revoke(&stage, stage.share), EBUSY);
    assert_int_equal(unlock(&stage)->error, 0);
    expect_error(lock(&stage, MS, false), EPERM);
    assert_int_equal(copy(&stage, stage.server, stage.cache, 0, stage.container, 0, 1)->error, 0);
    assert_int_equal(revoke(&stage, stage.share)->error, 0);
    expect_error(drop(&stage, stage.server), ENOENT);
    check_books(world);
}

static void test_a_weak_reference_that_is_given_up_takes_its_lock_with_it(void **state)
{
    struct stage stage = stage_with(*state, SLOT_READ | SLOT_WRITE, 100 * MS);
    struct world *world = stage.world;

    expect_error(drop(&stage, stage.client), EPERM);
    lock(&stage, 50 * MS, false);
    assert_int_equal(drop(&stage, stage.server)->error, 0);
    assert_int_equal(world_map(world, stage.client, stage.container, 0, 1)->error, 0);
    assert_int_equal(status_of(world).locks_expired, 0);
    check_books(world);
}

enum step_of_a_read {
    STEP_SHARED,
    STEP_ADOPTED,
    STEP_LOCK_WAITS,
    STEP_LOCKED,
    STEP_COPY_WAITS,
    STEP_COPIED,
    STEP_UNLOCKED,
    STEPS,
};

/* The steps of a read from a file server, one after the other, up to and with the last. */
static void read_up_to(struct stage *stage, enum step_of_a_read last)
{
    const struct physmem_piece piece = {0, 0, 4};
    struct world *world = stage->world;
    struct physmem_request request;

    stage->client = task_with(world, "client", 20, 0, &stage->container);
    stage->server = task_with(world, "server", 20, 0, &stage->cache);
    world_allocate(world, stage->client, stage->container, 0, 8, 0);
    world_allocate(world, stage->server, stage->cache, 0, 8, 0);
    server_writes(stage, 0, 7);
    world_share(world, stage->client, stage->container, &any_use);
    if (last >= STEP_ADOPTED)
        world_adopt(world, stage->server, stage->container, any_use.token);
    if (last >= STEP_LOCK_WAITS) {
        world_map(world, stage->client, stage->container, 0, 4);
        request = request_of(stage, stage->server);
        physmem_lock(world->physmem, world->now, &request, stage->container, 50 * MS, true);
        world_run(world);
    }
    if (last >= STEP_LOCKED) {
        const struct physmem_effect *ask = world_find(world, 0, PHYSMEM_SEND_UNMAP, stage->client);

        physmem_unmap_answered(world->physmem, world->now, stage->client, ask->unmap.id);
        world_run(world);
    }
    if (last >= STEP_COPY_WAITS) {
        request = request_of(stage, stage->server);
        physmem_copy(world->physmem, world->now, &request, stage->cache, stage->container, &piece,
                     1);
    }
    if (last >= STEP_COPIED)
        world_run(world);
    if (last >= STEP_UNLOCKED)
        assert_int_equal(unlock(stage)->error, 0);
}

static void end_one(struct stage *stage, struct physmem_task *task)
{
    physmem_task_gone(stage->world->physmem, stage->world->now, task);
    world_run(stage->world);
    world_pass(stage->world, SECOND);
    check_books(stage->world);
}

static void test_either_task_may_end_at_each_step_and_takes_nothing_from_the_other(void **state)
{
    struct stage stage = {.world = *state};

    for (unsigned step = 0; step < STEPS; step++)
        for (unsigned client_first = 0; client_first < 2; client_first++) {
            read_up_to(&stage, step);
            end_one(&stage, client_first ? stage.client : stage.server);
            if (client_first) {
                assert_int_equal(server_reads(&stage, 0), 7);
                expect_error(ask_version(&stage, stage.server), ENOENT);
                assert_int_equal(world_status(stage.server).held, 8);
                end_one(&stage, stage.server);
            } else {
                assert_int_equal(client_reads(&stage, 0), step >= STEP_COPIED ? 7 : 0);
                client_writes(&stage, 0, 8); /* no lock is left */
                assert_int_equal(world_status(stage.client).held, 8);
                end_one(&stage, stage.client);
            }
            assert_int_equal(status_of(stage.world).free, FRAMES);
            assert_int_equal(status_of(stage.world).extents, 0);
        }
}

static void test_a_copy_that_waits_is_checked_again_when_its_extent_is_there(void **state)
{
    struct stage stage = {.world = *state};
    struct world *world = stage.world;
    const struct physmem_effect *reply;

    read_up_to(&stage, STEP_COPY_WAITS);
    {
        const struct physmem_request end = request_of(&stage, stage.server);
        const struct physmem_request back = request_of(&stage, stage.client);

        physmem_lock_end(world->physmem, world->now, &end, stage.container);
        physmem_share_revoke(world->physmem, world->now, &back, stage.container, 0);
        reply = reply_to(&stage, (struct physmem_request){stage.server, end.seq - 1, false});
        assert_int_equal(world_reply(world, back.seq)->error, 0);
    }
    expect_error(reply, ENOENT);
    assert_int_equal(client_reads(&stage, 0), 0);
    check_books(world);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_weak_reference_neither_allocates_nor_frees_nor_maps),
        TEST(test_rights_are_what_the_owner_gave),
        TEST(test_a_token_is_good_once_and_a_forged_one_never),
        TEST(test_what_is_given_by_number_only_that_task_takes),
        TEST(test_what_cannot_be_shared_is_refused),
        TEST(test_a_page_moves_once_and_then_goes_to_another_task_for_nothing),
        TEST(test_the_owner_of_a_copy_pays_and_no_death_takes_it),
        TEST(test_part_of_an_extent_is_moved_so_that_nobody_sees_the_rest),
        TEST(test_a_slot_that_is_mapped_stays_when_a_part_of_its_extent_moves),
        TEST(test_a_task_between_two_others_copies_without_seeing),
        TEST(test_while_it_is_locked_its_owner_can_do_nothing_with_it),
        TEST(test_a_lock_ends_by_itself_and_is_no_longer_than_the_owner_permits),
        TEST(test_a_lock_excludes_other_weak_references),
        TEST(test_a_lock_that_unmaps_waits_for_the_owner),
        TEST(test_a_lock_waits_for_the_answer_to_its_own_question),
        TEST(test_an_owner_that_does_not_unmap_costs_the_locker_its_own_time_only),
        TEST(test_a_request_of_the_owner_that_waits_keeps_others_from_locking),
        TEST(test_the_version_counts_what_may_have_changed_the_contents),
        TEST(test_soft_frames_that_are_reused_count),
        TEST(test_what_is_revoked_is_over),
        TEST(test_a_lock_that_the_owner_wants_to_end_is_the_last),
        TEST(test_a_weak_reference_that_is_given_up_takes_its_lock_with_it),
        TEST(test_either_task_may_end_at_each_step_and_takes_nothing_from_the_other),
        TEST(test_a_copy_that_waits_is_checked_again_when_its_extent_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
