/* The questions by which leases get frames: a random walk of a physmem that has leases, against a plain model of the one above
 * it, which takes frames and rights back when it likes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <valgrind/valgrind.h>

#include "base/least.h"
#include "base/random.h"
#include "core/leases/lessee.h"
#include "os/heap.h"
#include "world/faults.h"

#define FRAMES     48u
#define HELD       20u /* in the beginning */
#define OWNERS     6u
#define PAGES      16u /* of a lease, at most */
#define CONTAINERS 4096u
#define SLOTS      (2 * FRAMES + EXTENT_PAGES)
#define POST       256u /* messages under way */
#define STOCK      1u   /* number of its container */

/* What the physmem above knows of a slot. */
struct place {
    bool frame, right;
};

struct box {
    bool there, shown; /* its memory was given to the lessee */
    struct place slot[SLOTS];
};

enum letter_kind { ANSWER, UNMAPPED, REPOSSESSED };

/* From above. */
struct letter {
    enum letter_kind kind;
    uint32_t number; /* of the question */
    uint32_t container;
    struct lessee_answer answer;
    struct lessee_run run[PAGES];
};

/* What has a lease. */
struct owner {
    struct lease *lease; /* NULL: it has none */
    bool used[PAGES];
    uint32_t pages;
    bool unmapped; /* rights were taken: its task asks for them when it goes on */
};

struct world {
    struct random_source random;
    struct lessee lessee;
    struct box *container; /* above, by number */
    uint32_t containers;
    struct lessee_question question[POST]; /* sent and not read */
    uint32_t asked, read;
    struct letter letter[POST]; /* not heard */
    uint32_t sent, heard;
    struct owner owner[OWNERS];
    uint32_t held; /* above */
    uint32_t has;  /* frames that the core here counts, ... */
    uint32_t owes; /* ... of which so many were taken above, and are to be returned */
    bool asks, failed;
    uint32_t shown, closed; /* descriptors */
    uint32_t ready, taken, lost, granted, unneeded, refused;
};

static uint32_t below(struct world *world, uint32_t bound)
{
    return bound > 0 ? random_below(&world->random, bound) : 0;
}

/* ---- The physmem above ---- */

static struct box *box_at(struct world *world, uint32_t number)
{
    assert_true(number > 0 && number <= world->containers && world->container[number].there);
    return &world->container[number];
}

static struct letter *send(struct world *world, enum letter_kind kind)
{
    struct letter *letter = &world->letter[world->sent++ % POST];

    assert_true(world->sent - world->heard < POST);
    *letter = (struct letter){.kind = kind, .answer = {.fd = -1}};
    letter->answer.run = letter->run;
    return letter;
}

static uint32_t count_frames(const struct box *container, uint32_t start, uint32_t count)
{
    uint32_t frames = 0;

    for (uint32_t i = start; i < start + count; i++)
        frames += container->slot[i].frame;
    return frames;
}

/* Frames leave slots. Returns how many there were. */
static uint32_t empty(struct world *world, struct box *container, uint32_t start, uint32_t count)
{
    uint32_t frames = count_frames(container, start, count);

    for (uint32_t i = start; i < start + count; i++)
        container->slot[i] = (struct place){false, false};
    assert_true(world->held >= frames);
    world->held -= frames;
    return frames;
}

static void put(struct world *world, struct box *container, uint32_t start, uint32_t count)
{
    assert_int_equal(count_frames(container, start, count), 0); /* they were holes */
    for (uint32_t i = start; i < start + count; i++)
        container->slot[i].frame = true;
    world->held += count;
}

static void read_exchange(struct world *world, const struct lessee_question *question,
                          struct lessee_answer *answer)
{
    struct box *from = box_at(world, question->container);
    struct box *to = box_at(world, question->to);

    answer->error = ENXIO;
    if (count_frames(from, question->start, question->count) < question->count)
        return;
    empty(world, from, question->start, question->count);
    put(world, to, question->to_start, question->count);
    answer->error = 0;
}

static void read_map(struct world *world, const struct lessee_question *question,
                     struct letter *letter)
{
    struct box *container = box_at(world, question->container);
    struct lessee_answer *answer = &letter->answer;

    if (!container->shown && below(world, 32) == 0) { /* it gives no more descriptors */
        answer->error = EMFILE;
        return;
    }
    for (uint32_t i = question->start; i < question->start + question->count; i++) {
        if (!container->slot[i].frame)
            continue;
        container->slot[i].right = true;
        letter->run[answer->runs++] = (struct lessee_run){i, 1};
    }
    if (answer->runs == 0) {
        answer->error = ENXIO;
        return;
    }
    if (container->shown)
        return;
    container->shown = true;
    answer->fd = (int)question->container;
    world->shown++;
}

/* The physmem above reads the next question, and answers. */
static void read_one(struct world *world)
{
    const struct lessee_question *question = &world->question[world->read++ % POST];
    struct letter *letter = send(world, ANSWER);
    struct lessee_answer *answer = &letter->answer;

    letter->number = question->number;
    switch (question->kind) {
    case LESSEE_CREATE:
        assert_true(world->containers + 1 < CONTAINERS);
        answer->container = ++world->containers;
        world->container[answer->container] = (struct box){.there = true};
        break;
    case LESSEE_EXCHANGE:
        read_exchange(world, question, answer);
        break;
    case LESSEE_DEALLOCATE:
        answer->count =
            empty(world, box_at(world, question->container), question->start, question->count);
        break;
    case LESSEE_ALLOCATE:
        answer->count = question->extra ? below(world, question->count + 1) : question->count;
        put(world, box_at(world, question->container), question->start, answer->count);
        break;
    case LESSEE_MAP:
        read_map(world, question, letter);
        break;
    case LESSEE_DESTROY:
        answer->count = empty(world, box_at(world, question->container), 0, SLOTS);
        world->container[question->container].there = false;
        break;
    }
}

/* Some frames of the stock, or a lease with all its pages, are taken by force. */
static void repossess(struct world *world, uint32_t number)
{
    struct box *container = &world->container[number];
    uint32_t count = number == STOCK ? 1 + below(world, PAGES - 1) : PAGES;
    uint32_t start = number == STOCK ? below(world, SLOTS - count) : 0;
    struct letter *letter;

    if (!container->there || empty(world, container, start, count) == 0)
        return;
    letter = send(world, REPOSSESSED);
    letter->container = number;
    letter->run[0] = (struct lessee_run){start, count};
    letter->answer.runs = 1;
}

/* Rights that were given are taken. */
static void unmap(struct world *world, uint32_t number)
{
    struct box *container = &world->container[number];
    uint32_t start = below(world, PAGES), count = 0;
    struct letter *letter;

    while (container->there && number != STOCK && start + count < PAGES &&
           container->slot[start + count].right)
        container->slot[start + count++].right = false;
    if (count == 0)
        return;
    letter = send(world, UNMAPPED);
    letter->container = number;
    letter->run[0] = (struct lessee_run){start, count};
    letter->answer.runs = 1;
}

/* ---- This physmem ---- */

static uint32_t used_by(const struct owner *owner)
{
    uint32_t used = 0;

    for (uint32_t page = 0; page < PAGES; page++)
        used += owner->lease != NULL && owner->used[page];
    return used;
}

static uint32_t used(const struct world *world)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < OWNERS; i++)
        sum += used_by(&world->owner[i]);
    return sum;
}

static void end_lease(struct world *world, struct owner *owner)
{
    struct lease *lease = owner->lease;

    world->closed += lease->fd >= 0;
    owner->lease = NULL;
    lessee_end(lease);
}

static void carry_out(struct world *world)
{
    struct lessee_effect effect;

    while (lessee_next_effect(&world->lessee, &effect))
        switch (effect.kind) {
        case LESSEE_QUESTION:
            assert_true(world->asked - world->read < POST);
            world->question[world->asked++ % POST] = effect.question;
            break;
        case LESSEE_READY:
            assert_non_null(((struct owner *)effect.owner)->lease);
            assert_true(lessee_is_ready(((struct owner *)effect.owner)->lease));
            world->ready++;
            break;
        case LESSEE_GRANTED:
            assert_true(world->asks);
            world->asks = false;
            world->has += effect.frames;
            world->granted += effect.frames;
            break;
        case LESSEE_TAKEN:
            world->owes += effect.frames;
            world->taken += effect.frames;
            break;
        case LESSEE_UNNEEDED:
            world->closed++;
            world->unneeded++;
            break;
        case LESSEE_FAILED:
            world->failed = true;
            break;
        case LESSEE_REFUSED:
            world->refused++;
            end_lease(world, effect.owner);
            break;
        case LESSEE_NOTHING:
            fail_msg("nothing is said");
        }
}

/* What the physmem above says by itself comes by another connection, and may be heard before the answers that it sent before.
 * (Of what was repossessed the sums are right only in the end, then: see give_up in lessee.c.) */
static void overtake(struct world *world)
{
    uint32_t first = world->heard;
    struct letter letter;

    while (first < world->sent && world->letter[first % POST].kind == ANSWER)
        first++;
    if (first == world->sent || world->letter[first % POST].kind != UNMAPPED)
        return;
    letter = world->letter[first % POST];
    for (; first > world->heard; first--) {
        world->letter[first % POST] = world->letter[(first - 1) % POST];
        world->letter[first % POST].answer.run = world->letter[first % POST].run;
    }
    world->letter[first % POST] = letter;
    world->letter[first % POST].answer.run = world->letter[first % POST].run;
}

/* The next letter is heard. */
static void hear_one(struct world *world)
{
    struct letter *letter = &world->letter[world->heard++ % POST];
    struct owner *owner;

    if (letter->kind == ANSWER) {
        lessee_answered(&world->lessee, letter->number, &letter->answer);
    } else if (letter->kind == UNMAPPED) {
        owner =
            lessee_unmapped(&world->lessee, letter->container, letter->run, letter->answer.runs);
        if (owner != NULL)
            owner->unmapped = true;
    } else {
        owner =
            lessee_repossessed(&world->lessee, letter->container, letter->run, letter->answer.runs);
        if (owner != NULL) {
            world->lost++;
            end_lease(world, owner);
        }
    }
    carry_out(world);
}

static void use(struct world *world, struct owner *owner)
{
    uint32_t first = below(world, owner->pages), count = 0;
    uint32_t most = 1 + below(world, world->has > used(world) ? world->has - used(world) : 0);

    if (world->has <= used(world) + world->owes)
        return;
    most = least_of(most, world->has - used(world) - world->owes);
    while (count < most && first + count < owner->pages && !owner->used[first + count] &&
           !pages_has(owner->lease->dirty, first + count))
        owner->used[first + count++] = true;
    lessee_use(owner->lease, first, count);
}

static void soil(struct owner *owner, uint32_t first, uint32_t most)
{
    uint32_t count = 0;

    while (count < most && first + count < owner->pages && owner->used[first + count])
        owner->used[first + count++] = false;
    lessee_soil(owner->lease, first, count);
}

static void clean(struct owner *owner)
{
    uint64_t dirty[PAGES_WORDS];

    memcpy(dirty, owner->lease->dirty, sizeof(dirty));
    lessee_clean(owner->lease, dirty);
}

/* Frames that are free here, which includes those that are owed. */
static uint32_t is_free(const struct world *world)
{
    return world->has - used(world);
}

static void give_back(struct world *world, uint32_t frames)
{
    frames = least_of(frames, is_free(world));
    if (frames == 0)
        return;
    world->has -= frames;
    world->owes -= least_of(frames, world->owes);
    lessee_return(&world->lessee, frames);
}

static void act_with(struct world *world, struct owner *owner)
{
    if (owner->lease == NULL) {
        *owner = (struct owner){.pages = 1 + below(world, PAGES)};
        owner->lease = lessee_new(&world->lessee, owner, owner->pages);
        world->failed = owner->lease == NULL;
        return;
    }
    switch (below(world, 8)) {
    case 0:
    case 1:
    case 2:
        use(world, owner);
        break;
    case 3:
    case 4:
        soil(owner, below(world, owner->pages), PAGES);
        break;
    case 5:
    case 6:
        clean(owner);
        break;
    default:
        end_lease(world, owner);
        break;
    }
}

static void ask(struct world *world)
{
    uint32_t room = FRAMES - least_of(FRAMES, world->has + world->lessee.book.returning);

    if (world->asks || room == 0)
        return;
    world->asks = true;
    lessee_ask(&world->lessee, 1 + below(world, room), below(world, 2) == 0);
}

static void step(struct world *world)
{
    switch (below(world, 24)) {
    case 0:
        ask(world);
        break;
    case 1:
        give_back(world, 1 + below(world, 8));
        break;
    case 2:
        if (below(world, 4) == 0)
            repossess(world, below(world, 2) == 0 ? STOCK : 1 + below(world, world->containers));
        break;
    case 3:
        unmap(world, 1 + below(world, world->containers));
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        act_with(world, &world->owner[below(world, OWNERS)]);
        break;
    default:
        if (below(world, 4) == 0)
            overtake(world);
        if (world->asked > world->read && below(world, 2) == 0)
            read_one(world);
        else if (world->sent > world->heard)
            hear_one(world);
        break;
    }
    carry_out(world);
}

/* ---- What holds ---- */

/* At any time. */
static void check_books(const struct world *world)
{
    const struct lease_book *book = &world->lessee.book;
    uint32_t stock = 0, spares = 0;

    for (uint32_t slot = 0; slot < book->stock.bits; slot++) {
        stock += bitmap_test(&book->stock, slot);
        assert_false(bitmap_test(&book->stock, slot) && bitmap_test(&book->holes, slot));
    }
    assert_int_equal(stock, book->stock_count);
    assert_true(book->returning == 0 || book->gone == 0);
    for (const struct lease *lease = book->first; lease != NULL; lease = lease->next) {
        for (unsigned i = 0; i < PAGES_WORDS; i++) {
            assert_int_equal(lease->mapped[i] & ~lease->held[i], 0);
            assert_int_equal(lease->taken[i] & ~lease->mapping[i], 0);
            assert_int_equal(lease->held[i] & lease->coming[i], 0);
        }
        spares += lease->spares;
    }
    assert_int_equal(spares, book->spares);
}

static uint32_t frames_of(const struct world *world)
{
    uint32_t frames = world->lessee.book.stock_count;

    for (const struct lease *lease = world->lessee.book.first; lease != NULL; lease = lease->next)
        frames += pages_count(lease->held);
    return frames;
}

/* What is used here may be touched above, and has its memory. */
static void check_owner(struct world *world, const struct owner *owner)
{
    const struct box *container;

    if (used_by(owner) == 0)
        return;
    assert_true(lessee_is_ready(owner->lease));
    assert_int_equal(owner->lease->fd, owner->lease->container);
    container = box_at(world, owner->lease->container);
    for (uint32_t page = 0; page < owner->pages; page++)
        assert_true(!owner->used[page] ||
                    (container->slot[page].frame && container->slot[page].right));
}

/* Nothing is under way, and what is owed was returned. */
static void check_quiet(struct world *world)
{
    const struct lease_book *book = &world->lessee.book;
    uint32_t there = 0, kept = 0;

    assert_false(world->asks);
    assert_int_equal(world->held, frames_of(world));
    assert_int_equal(world->held + book->gone, world->has + book->returning);
    assert_int_equal(book->returning, 0);
    for (uint32_t i = 0; i < OWNERS; i++) {
        if (world->owner[i].lease != NULL)
            check_owner(world, &world->owner[i]);
        kept += world->owner[i].lease != NULL && world->owner[i].lease->fd >= 0;
    }
    assert_int_equal(world->shown, world->closed + kept);
    for (const struct lease *lease = book->first; lease != NULL; lease = lease->next)
        assert_true(lease->owner != NULL && lease->jobs == 0);
    for (uint32_t i = 1; i <= world->containers; i++)
        there += world->container[i].there;
    assert_true(there <= 1 + LESSEE_BLANKS + book->leases);
}

static bool is_quiet(const struct world *world)
{
    return world->asked == world->read && world->sent == world->heard;
}

/* Tasks go on whose rights were taken. */
static void touch(struct world *world)
{
    for (uint32_t i = 0; i < OWNERS; i++) {
        struct owner *owner = &world->owner[i];

        if (owner->lease != NULL && owner->unmapped)
            lessee_use(owner->lease, 0, 0);
        owner->unmapped = false;
    }
}

/* Everything comes to its end; tasks give up what is owed. */
static void settle(struct world *world)
{
    for (uint32_t round = 0; round < 200; round++) {
        uint32_t asked = world->asked, heard = world->heard;

        for (uint32_t i = 0; i < OWNERS; i++) {
            struct owner *owner = &world->owner[i];

            for (uint32_t page = 0; owner->lease != NULL && page < owner->pages; page++)
                if (is_free(world) < world->owes)
                    soil(owner, page, 1);
            if (owner->lease != NULL)
                clean(owner);
            carry_out(world);
        }
        give_back(world, world->owes);
        touch(world);
        carry_out(world);
        while (world->asked > world->read)
            read_one(world);
        while (world->sent > world->heard)
            hear_one(world);
        check_books(world);
        if (world->asked == asked && world->heard == heard && world->owes == 0)
            return;
    }
    fail_msg("it does not come to an end");
}

static void begin(struct world *world, uint64_t seed, const struct allocator *allocator)
{
    struct box *containers = world->container;

    memset(world, 0, sizeof(*world));
    world->container = containers;
    world->random = random_seeded(seed);
    world->containers = STOCK;
    world->container[STOCK] = (struct box){.there = true};
    put(world, &world->container[STOCK], 0, HELD);
    world->has = HELD;
    if (lessee_init(&world->lessee, allocator, FRAMES, STOCK, HELD) != 0) {
        world->failed = true;
        return;
    }
    lessee_start(&world->lessee);
    carry_out(world);
}

/* Give up all leases, and all frames. */
static void finish(struct world *world)
{
    for (uint32_t i = 0; i < OWNERS; i++)
        if (world->owner[i].lease != NULL)
            end_lease(world, &world->owner[i]);
    settle(world);
    check_quiet(world);
    assert_null(world->lessee.book.first);
    give_back(world, world->has);
    settle(world);
    assert_int_equal(world->held, 0);
    assert_int_equal(world->lessee.book.gone, 0);
    assert_int_equal(world->shown, world->closed);
    lessee_fini(&world->lessee);
}

static struct world the_world;

static int make_containers(void **state)
{
    (void)state;
    the_world.container = test_calloc(CONTAINERS, sizeof(*the_world.container));
    return the_world.container == NULL;
}

static int free_containers(void **state)
{
    (void)state;
    test_free(the_world.container);
    return 0;
}

static void no_frame_is_lost_whatever_is_taken(void **state)
{
    struct world *world = &the_world;
    uint64_t seeds = RUNNING_ON_VALGRIND ? 8 : 400;
    uint32_t ready = 0, taken = 0, lost = 0, granted = 0, unneeded = 0, refused = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        begin(world, seed, &heap_allocator);
        for (uint32_t i = 0; i < 3000; i++) {
            step(world);
            if (i % 16 == 0)
                check_books(world);
            if (i % 500 == 0) {
                settle(world);
                check_quiet(world);
            }
        }
        assert_false(world->failed);
        ready += world->ready;
        taken += world->taken;
        lost += world->lost;
        granted += world->granted;
        unneeded += world->unneeded;
        refused += world->refused;
        settle(world);
        finish(world);
    }
    assert_true(ready > 100 && taken > 50 && lost > 5 && granted > 100);
    assert_true(unneeded > 0 && refused > 0);
}

/* An owner that has ended is not told that its lease is ready. */
static void nothing_is_said_of_a_lease_that_has_ended(void **state)
{
    struct world *world = &the_world;
    struct lessee_effect effect;
    struct owner *owner;

    (void)state;
    begin(world, 1, &heap_allocator);
    owner = &world->owner[0];
    owner->lease = lessee_new(&world->lessee, owner, PAGES);
    lessee_use(owner->lease, 0, 2);
    carry_out(world);
    while (world->question[(world->asked - 1) % POST].kind != LESSEE_MAP) {
        read_one(world);
        hear_one(world);
    }
    while (world->asked > world->read)
        read_one(world);
    while (world->sent > world->heard + 1)
        hear_one(world);
    assert_int_equal(world->ready, 0);
    lessee_answered(&world->lessee, world->letter[world->heard % POST].number,
                    &world->letter[world->heard % POST].answer);
    world->heard++;
    assert_true(lessee_is_ready(owner->lease));
    end_lease(world, owner);
    while (lessee_next_effect(&world->lessee, &effect))
        assert_int_equal(effect.kind, LESSEE_QUESTION);
    lessee_fini(&world->lessee);
}

/* Answer all questions as a physmem without memory pressure would, but say of one kind that there was a frame too many.
 * Returns what the machine says of that; NULL: it has not failed. */
static const char *answer_all(struct lessee *lessee, enum lessee_question_kind lie)
{
    const char *what = NULL;
    struct lessee_effect effect;
    uint32_t container = STOCK + 1;

    while (lessee_next_effect(lessee, &effect)) {
        const struct lessee_question *question = &effect.question;
        const struct lessee_run run = {question->start, question->count};
        struct lessee_answer answer = {.run = &run, .fd = -1};

        assert_null(what); /* nothing follows */
        if (effect.kind == LESSEE_FAILED)
            what = effect.what;
        if (effect.kind != LESSEE_QUESTION)
            continue;
        if (question->kind == LESSEE_CREATE)
            answer.container = container++;
        else if (question->kind == LESSEE_ALLOCATE)
            answer.count = question->count;
        else if (question->kind == LESSEE_MAP)
            answer.runs = 1;
        answer.count += question->kind == lie;
        lessee_answered(lessee, question->number, &answer);
    }
    return what;
}

/* An answer that cannot be is not believed: the machine fails, and says what was wrong. */
static void an_answer_that_cannot_be_ends_it(void **state)
{
    static const struct {
        enum lessee_question_kind lie;
        const char *words; /* NULL: there is no lie */
    } cases[] = {{LESSEE_ALLOCATE, "more frames than it was asked for"},
                 {LESSEE_DESTROY, "a container had frames"},
                 {LESSEE_MAP, NULL}}; /* has no such number */

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *what;
        struct lessee lessee;
        struct lease *lease;
        int owner;

        assert_int_equal(lessee_init(&lessee, &heap_allocator, 50, STOCK, 0), 0);
        lessee_start(&lessee);
        what = answer_all(&lessee, cases[i].lie);
        assert_null(what);
        lessee_ask(&lessee, 20, false);
        what = answer_all(&lessee, cases[i].lie);
        if (cases[i].lie != LESSEE_ALLOCATE) {
            assert_null(what);
            lease = lessee_new(&lessee, &owner, 10);
            assert_non_null(lease);
            lessee_use(lease, 0, 5);
            assert_null(answer_all(&lessee, cases[i].lie));
            lessee_soil(lease, 0, 5);
            lessee_end(lease);
            what = answer_all(&lessee, cases[i].lie);
        }
        if (cases[i].words == NULL)
            assert_null(what);
        else
            assert_non_null(what);
        if (what != NULL && strstr(what, cases[i].words) == NULL)
            fail_msg("%s", what);
        lessee_fini(&lessee);
    }
}

/* Without memory it fails once, says so last, and asks nothing more. */
static void without_memory_it_fails_once(void **state)
{
    struct world *world = &the_world;
    uint32_t failed = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct faults_memory memory;

        faults_memory_init(&memory, &heap_allocator);
        memory.fail_after = seed;
        begin(world, seed, &memory.allocator);
        for (uint32_t i = 0; i < 300 && !world->failed; i++)
            step(world);
        failed += world->failed;
        if (world->lessee.failed) { /* what happens after that has no effects */
            uint32_t asked = world->asked;

            ask(world);
            while (!is_quiet(world)) {
                if (world->asked > world->read)
                    read_one(world);
                hear_one(world);
            }
            assert_int_equal(world->asked, asked);
        }
        lessee_fini(&world->lessee);
        assert_int_equal(memory.bytes, 0);
    }
    assert_true(failed > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_frame_is_lost_whatever_is_taken),
        cmocka_unit_test(nothing_is_said_of_a_lease_that_has_ended),
        cmocka_unit_test(an_answer_that_cannot_be_ends_it),
        cmocka_unit_test(without_memory_it_fails_once),
    };

    return cmocka_run_group_tests(tests, make_containers, free_containers);
}
