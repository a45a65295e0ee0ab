/* Random lives of tasks that have pages stored, copied, loaded and dropped, that end in the middle, under a swap server
 * that answers late, has little room and ends now and then. After each step every page is compared with a plain model,
 * the server's slots with what they must come to, and all books are counted again. SELFPAGE_SWAP_STEPS in the
 * environment: so many steps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "scale.h"
#include "swap_model.h"

#define TASKS   3u
#define SLOTS   6u
#define NUMBERS 8u

/* What a slot must hold. */
enum holds { HOLE, HELD, SOFT };

struct mate {
    struct physmem_task *task;
    uint32_t container;
    uint8_t state[SLOTS]; /* SOFT: perhaps not any more */
    uint64_t page[SLOTS];
    bool raced[SLOTS]; /* written while a request to load to it waited: either is right */
    uint64_t other[SLOTS];
    uint32_t number[NUMBERS]; /* in swap; 0: none */
    uint64_t stored[NUMBERS];
    bool lost[NUMBERS];
    bool adopted; /* the container of the mate before */
    /* A request that waits; 0: none */
    uint32_t seq;
    bool in;
    uint32_t start, count;
    uint32_t asked[SLOTS]; /* numbers, by slot from start on */
    bool touched;          /* the container was used since: it may be refused */
};

struct life {
    struct world *world;
    struct random_source random;
    struct mate mate[TASKS];
    uint64_t written;
    uint32_t finished, refused; /* requests that succeeded */
};

static uint32_t below(struct life *life, uint32_t bound)
{
    return (uint32_t)random_below(&life->random, bound);
}

static void come_with(struct life *life, struct mate *mate)
{
    uint32_t container;
    struct physmem_task *task = task_with(life->world, "mate", SLOTS + 2, 0, &container);

    *mate = (struct mate){.task = task, .container = container};
}

static uint32_t place_of(const struct mate *mate, uint32_t number)
{
    uint32_t i = 0;

    while (i < NUMBERS && mate->number[i] != number)
        i++;
    assert_true(i < NUMBERS);
    return i;
}

static uint32_t room_for(const struct mate *mate)
{
    uint32_t room = 0;

    for (uint32_t i = 0; i < NUMBERS; i++)
        room += mate->number[i] == 0;
    return room;
}

/* The reply to a request to store has come. */
static void out_done(struct life *life, struct mate *mate, const struct physmem_effect *reply)
{
    if (reply->error != 0) {
        assert_true(mate->touched || reply->error == EDQUOT || reply->error == EPIPE ||
                    reply->error == EMFILE || (reply->error == EIO && model.ever_dead));
        life->refused += reply->error == EMFILE;
        return;
    }
    assert_false(mate->touched);
    life->finished++;
    for (uint32_t i = 0; i < mate->count; i++) {
        uint32_t at = place_of(mate, 0);

        mate->number[at] = reply->swapped.numbers[i];
        mate->stored[at] = mate->page[mate->start + i];
        mate->lost[at] = false;
        mate->state[mate->start + i] = SOFT;
        assert_int_not_equal(mate->number[at], 0);
    }
}

static void in_done(struct life *life, struct mate *mate, const struct physmem_effect *reply)
{
    if (reply->kind != PHYSMEM_REPLY_SWAPPED)
        return;
    life->finished += reply->error == 0;
    for (uint32_t i = 0; i < mate->count; i++) {
        uint32_t at;

        if (mate->asked[i] == 0 || reply->swapped.numbers[i] != 0) {
            assert_int_equal(reply->swapped.numbers[i], mate->asked[i]);
            continue;
        }
        at = place_of(mate, mate->asked[i]);
        mate->other[mate->start + i] = mate->page[mate->start + i];
        mate->page[mate->start + i] = mate->stored[at];
        mate->state[mate->start + i] = HELD;
        mate->number[at] = 0;
    }
}

static void look(struct life *life)
{
    for (uint32_t t = 0; t < TASKS; t++) {
        struct mate *mate = &life->mate[t];
        const struct physmem_effect *reply =
            mate->seq != 0 ? world_reply(life->world, mate->seq) : NULL;

        if (reply == NULL)
            continue;
        mate->seq = 0;
        if (mate->in)
            in_done(life, mate, reply);
        else
            out_done(life, mate, reply);
    }
}

static void store(struct life *life, struct mate *mate)
{
    const struct physmem_request request = world_request(life->world, mate->task);
    uint32_t start = below(life, SLOTS), count = 0;

    while (start + count < SLOTS && count < room_for(mate) && mate->state[start + count] == HELD &&
           !mate->raced[start + count])
        count++;
    if (mate->seq != 0 || count == 0)
        return;
    mate->seq = request.seq;
    mate->in = mate->touched = false;
    mate->start = start;
    mate->count = count;
    physmem_swap_out(life->world->physmem, life->world->now, &request, mate->container, start,
                     count);
    world_run(life->world);
}

static void load(struct life *life, struct mate *mate)
{
    const struct physmem_request request = world_request(life->world, mate->task);
    uint32_t start = below(life, SLOTS), count = 1 + below(life, SLOTS - start), named = 0;

    for (uint32_t i = 0; i < SLOTS; i++)
        if (mate->raced[i] || mate->seq != 0)
            return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = below(life, NUMBERS);
        bool twice = false;

        for (uint32_t j = 0; j < i; j++)
            twice |= mate->asked[j] == mate->number[at];
        mate->asked[i] = twice ? 0 : mate->number[at];
        named += mate->asked[i] != 0;
    }
    if (named == 0)
        return;
    mate->seq = request.seq;
    mate->in = true;
    mate->start = start;
    mate->count = count;
    /* What it held is overwritten, if it comes to that. */
    physmem_swap_in(life->world->physmem, life->world->now, &request, mate->container, start,
                    mate->asked, count);
    world_run(life->world);
}

static void drop(struct life *life, struct mate *mate)
{
    uint32_t at = below(life, NUMBERS);

    if (mate->number[at] == 0)
        return;
    if (swap_drop(life->world, mate->task, &mate->number[at], 1) == 0)
        mate->number[at] = 0;
    else
        assert_int_not_equal(mate->seq, 0);
}

static void touch(struct life *life, struct mate *mate)
{
    uint32_t slot = below(life, SLOTS);

    if (mate->state[slot] != HELD)
        return;
    /* A request that waits finds another version, and fails. */
    mate->touched = true;
    *swap_page(life->world, mate->task, mate->container, slot, true) = ++life->written;
    mate->page[slot] = life->written;
    mate->raced[slot] = mate->seq != 0 && mate->in;
}

static void fill(struct life *life, struct mate *mate)
{
    uint32_t slot = below(life, SLOTS);

    if (mate->state[slot] == HELD)
        return;
    mate->touched = true;
    world_range(life->world, physmem_frames_deallocate, mate->task, mate->container, slot, 1);
    expect_allocated(
        world_allocate(life->world, mate->task, mate->container, slot, 1, PHYSMEM_ZERO), 1);
    mate->state[slot] = HELD;
    mate->page[slot] = 0;
    *swap_page(life->world, mate->task, mate->container, slot, true) = ++life->written;
    mate->page[slot] = life->written;
    mate->raced[slot] = mate->seq != 0 && mate->in;
}

/* Copy within a task, or from the mate before. */
static void copy(struct life *life, uint32_t t)
{
    struct mate *mate = &life->mate[t], *from = mate;
    struct physmem_piece piece = {below(life, SLOTS), below(life, SLOTS), 1};

    if (t > 0 && below(life, 2) == 0) {
        const struct physmem_permission permission = {.task = physmem_task_id(mate->task),
                                                      .rights = SLOT_READ};

        from = &life->mate[t - 1];
        if (!mate->adopted) {
            assert_int_equal(
                world_share(life->world, from->task, from->container, &permission)->error, 0);
            assert_int_equal(world_adopt(life->world, mate->task, from->container, 0)->error, 0);
            mate->adopted = true;
        }
    }
    if (from->state[piece.from] != HELD || mate->state[piece.to] != HELD ||
        (from->seq != 0 && from->in) || from->raced[piece.from])
        return; /* what it holds is not known now */
    mate->touched = true;
    if (world_copy(life->world, mate->task, from->container, mate->container, &piece, 1)->error ==
        0) {
        mate->page[piece.to] = from->page[piece.from];
        mate->raced[piece.to] = mate->seq != 0 && mate->in;
    }
}

static void die(struct life *life, uint32_t t)
{
    physmem_task_gone(life->world->physmem, life->world->now, life->mate[t].task);
    world_run(life->world);
    come_with(life, &life->mate[t]);
    if (t + 1 < TASKS)
        life->mate[t + 1].adopted = false;
}

static void server_ends(struct life *life)
{
    model_die(life->world);
    world_pass(life->world, 1000000);
    look(life);
    model.dead = false;
    for (uint32_t t = 0; t < TASKS; t++)
        for (uint32_t i = 0; i < NUMBERS; i++)
            life->mate[t].lost[i] = life->mate[t].number[i] != 0;
}

/* Every slot that has a frame holds what it must; only while no request waits that may have brought pages back. */
static void compare(struct life *life)
{
    for (uint32_t t = 0; t < TASKS; t++) {
        struct mate *mate = &life->mate[t];

        for (uint32_t slot = 0; slot < SLOTS && mate->seq == 0; slot++)
            if (mate->state[slot] == HELD) {
                uint64_t found = *swap_page(life->world, mate->task, mate->container, slot, false);

                if (mate->raced[slot] && found == mate->other[slot])
                    mate->page[slot] = found;
                mate->raced[slot] = false;
                assert_int_equal(found, mate->page[slot]);
            }
    }
}

static void step(struct life *life)
{
    uint32_t t = below(life, TASKS), what = below(life, 100);
    struct mate *mate = &life->mate[t];

    if (what < 20)
        store(life, mate);
    else if (what < 40)
        load(life, mate);
    else if (what < 46)
        drop(life, mate);
    else if (what < 56)
        touch(life, mate);
    else if (what < 72)
        fill(life, mate);
    else if (what < 84)
        copy(life, t);
    else if (what < 98 && model.waits > 0)
        model_answer(life->world, below(life, model.waits));
    else if (what < 98)
        world_pass(life->world, 1000000);
    else if (below(life, 4) == 0)
        server_ends(life);
    else if (below(life, 2) == 0)
        die(life, t);
    look(life);
}

/* Everything is answered: then the server has for each account what its books say, if it has not ended in between. */
static void rest(struct life *life)
{
    model_run(life->world);
    look(life);
    compare(life);
    model_check(life->world);
    for (uint32_t t = 0; t < TASKS; t++)
        assert_int_equal(life->mate[t].seq, 0);
}

static void test_random_lives(void **state)
{
    struct life life = {.world = *state, .random = random_seeded(scale_seed(7))};
    const char *text = getenv("SELFPAGE_SWAP_STEPS");
    uint32_t steps = text != NULL          ? (uint32_t)strtoul(text, NULL, 10)
                     : RUNNING_ON_VALGRIND ? 3000
                                           : 60000;

    model.quota = 6;
    life.world->physmem->stored.most = 24;
    for (uint32_t t = 0; t < TASKS; t++)
        come_with(&life, &life.mate[t]);
    for (uint32_t i = 0; i < steps; i++) {
        step(&life);
        check_books(life.world);
        if (i % 16 == 0)
            rest(&life);
    }
    rest(&life);
    print_message(
        "%u requests, %u too many, %u pages stored, %u loaded, %llu shown, %llu recovered\n",
        life.finished, life.refused, model.stores, model.loads,
        (unsigned long long)life.world->physmem->counters.swap_shown,
        (unsigned long long)life.world->physmem->counters.swap_recovered);
    assert_true(life.finished > steps / 20 && life.refused > 0);
    for (uint32_t t = 0; t < TASKS; t++)
        physmem_task_gone(life.world->physmem, life.world->now, life.mate[t].task);
    world_run(life.world);
    model_run(life.world);
    assert_null(life.world->physmem->stored.first);
    check_books(life.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_lives, swap_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
