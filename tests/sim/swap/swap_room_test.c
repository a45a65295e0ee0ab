/* Room moves between a device and files of clients: thousands of random steps on a device that only counts, some
 * of which fail. The device and all files never have more room than there is, and each slot in use has some. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "room.h"
#include "scale.h"

#define SLOTS   96u
#define CLIENTS 3u

/* Which slots of a place have room. */
struct place {
    bool there[SLOTS];
};

static uint32_t room; /* of all places */
static bool full;     /* files get none */
static struct place device_place;

static int count_own_open(void *device, void **own, int *reader)
{
    assert_ptr_equal(device, &device_place);
    *own = calloc(1, sizeof(struct place));
    *reader = -1;
    return *own != NULL ? 0 : -ENOMEM;
}

static int count_room(void *to, uint32_t page, uint32_t count, bool there)
{
    struct place *place = to;

    if (there && full && place != &device_place)
        return -ENOSPC;
    for (uint32_t i = page; i < page + count; i++) {
        assert_true(i < SLOTS);
        room += (uint32_t)there - (uint32_t)place->there[i];
        place->there[i] = there;
    }
    assert_true(room <= SLOTS);
    return 0;
}

static void count_close(void *place)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_false(((struct place *)place)->there[i]);
    free(place);
}

static const struct swap_backend counting = {
    .name = "counting", .own_open = count_own_open, .room = count_room, .close = count_close};

static void *libc_resize(void *context, void *block, size_t old_size, size_t new_size)
{
    (void)context;
    (void)old_size;
    if (new_size > 0)
        return realloc(block, new_size);
    free(block);
    return NULL;
}

struct member {
    struct own_file *own; /* NULL: not there */
    struct room_move *move;
    bool gone; /* left the books, but for the move */
    uint32_t reserved;
    uint32_t stored; /* of these slots: */
    uint32_t slot[SLOTS];
};

struct scene {
    struct server server;
    struct swap_device device;
    struct swap_map map;
    struct own_world world;
    struct member member[CLIENTS];
    struct random_source random;
    uint32_t refused;
};

static void scene_open(struct scene *scene, uint64_t seed)
{
    struct allocator allocator = {.resize = libc_resize};

    memset(scene, 0, sizeof(*scene));
    scene->random = random_seeded(seed);
    scene->device =
        (struct swap_device){.backend = &counting, .state = &device_place, .slots = SLOTS};
    assert_int_equal(swap_map_init(&scene->map, SLOTS, allocator), 0);
    scene->world = (struct own_world){
        .server = &scene->server, .device = &scene->device, .map = &scene->map, .most = CLIENTS};
    memset(&device_place, 1, sizeof(device_place));
    room = SLOTS;
    full = false;
}

static void join(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];
    struct user *user = user_take(&scene->server.users, 1);
    int reader;

    *member = (struct member){0};
    assert_int_equal(swap_map_add(&scene->map, number, SLOTS), 0);
    assert_int_equal(own_open(&scene->world, user, &member->own, &reader), 0);
    user_release(&scene->server.users, user);
}

static void leave(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];

    own_leave(member->own, number);
    assert_int_equal(swap_map_remove(&scene->map, number), 0);
    member->gone = true;
}

/* RESERVE, as far as it is about room. */
static void begin(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];
    bool more = random_below(&scene->random, 2) == 0;
    uint32_t change = 1 + random_below(&scene->random, 30);
    int error;

    if (member->move != NULL) {
        assert_int_equal(room_begin(member->own, number, change, more, &member->move), -EAGAIN);
        return;
    }
    if (more && swap_map_reserve(&scene->map, number, change, 0) < 0)
        return;
    if (!more && change > member->reserved)
        return;
    error = room_begin(member->own, number, change, more, &member->move);
    if (!more)
        assert_int_equal(error == -EBUSY, change > member->reserved - member->stored);
    assert_true(error == 0 || error == -EBUSY || error == -EAGAIN);
    if (error < 0 && more)
        swap_map_reserve(&scene->map, number, 0, change);
    if (error == 0 && !more) {
        assert_int_equal(swap_map_reserve(&scene->map, number, 0, change), 0);
        member->reserved -= change;
    }
}

static void end(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];
    uint32_t change = member->move->slots;
    bool more = member->move->to_file;
    int error;

    full = random_below(&scene->random, 4) == 0;
    room_transfer(member->move);
    full = false;
    error = room_end(member->move, member->gone);
    member->move = NULL;
    assert_true(error == 0 || (error == -ENOSPC && more));
    scene->refused += error < 0;
    if (member->gone)
        return;
    if (error < 0)
        assert_int_equal(swap_map_reserve(&scene->map, number, 0, change), 0);
    else if (more)
        member->reserved += change;
}

static void store(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];
    uint32_t count = 1 + random_below(&scene->random, 8);
    int error = swap_map_store(&member->own->map, 0, count, &member->slot[member->stored]);

    assert_int_equal(error, member->stored + count > member->reserved ? -ENOSPC : 0);
    for (uint32_t i = 0; error == 0 && i < count; i++) {
        const struct place *place = member->own->place;

        assert_true(place->there[member->slot[member->stored + i]]);
        assert_int_equal(swap_map_commit(&member->own->map, member->slot[member->stored + i], 1),
                         0);
    }
    member->stored += error == 0 ? count : 0;
}

static void free_one(struct scene *scene, uint32_t number)
{
    struct member *member = &scene->member[number];
    uint32_t index;

    if (member->stored == 0)
        return;
    index = random_below(&scene->random, member->stored);
    assert_int_equal(swap_map_free(&member->own->map, 0, member->slot[index]), 0);
    member->slot[index] = member->slot[--member->stored];
}

static void step(struct scene *scene)
{
    uint32_t number = random_below(&scene->random, CLIENTS);
    struct member *member = &scene->member[number];
    uint32_t dice = random_below(&scene->random, 100);

    if (member->own == NULL) {
        join(scene, number);
    } else if (member->gone) {
        if (member->move != NULL)
            end(scene, number);
        own_end(member->own);
        *member = (struct member){0};
    } else if (dice < 2) {
        leave(scene, number);
    } else if (dice < 30) {
        begin(scene, number);
    } else if (dice < 60) {
        if (member->move != NULL)
            end(scene, number);
    } else if (dice < 75) {
        store(scene, number);
    } else {
        free_one(scene, number);
    }
}

static void look(const struct scene *scene)
{
    uint32_t moving = 0;

    for (uint32_t i = 0; i < CLIENTS; i++) {
        const struct member *member = &scene->member[i];
        const struct place *place;
        uint32_t there = 0;

        moving += member->own != NULL && (member->move != NULL || member->gone);
        if (member->own == NULL || member->gone)
            continue;
        place = member->own->place;
        for (uint32_t n = 0; n < SLOTS; n++)
            there += place->there[n];
        assert_int_equal(own_used(member->own), member->stored);
        for (uint32_t n = 0; n < member->stored; n++)
            assert_true(place->there[member->slot[n]]);
        if (member->move == NULL)
            assert_int_equal(there, member->reserved);
    }
    if (moving == 0)
        assert_int_equal(room, SLOTS);
}

static void room_is_never_lost_nor_given_twice(void **state)
{
    uint32_t steps = scale_is_slow() ? 2000 : 40000;

    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        static struct scene scene;

        scene_open(&scene, seed);
        for (uint32_t i = 0; i < steps; i++) {
            step(&scene);
            look(&scene);
        }
        for (uint32_t i = 0; i < CLIENTS; i++) {
            if (scene.member[i].own == NULL)
                continue;
            if (!scene.member[i].gone)
                leave(&scene, i);
            if (scene.member[i].move != NULL)
                end(&scene, i);
            own_end(scene.member[i].own);
        }
        assert_int_equal(room, SLOTS);
        assert_int_equal(scene.map.used + scene.map.leaving + scene.map.reserved, 0);
        assert_true(scene.refused > 20);
        swap_map_fini(&scene.map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(room_is_never_lost_nor_given_twice)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
