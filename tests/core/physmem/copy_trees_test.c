/* All trees of up to four containers, each a logical copy of an earlier one, with up to three pages, of one task and of
 * one each: and all states that they come to, however often and in whatever order they are copied, written, given up in
 * part and destroyed; smaller trees are also given up softly, recovered and allocated again. From each state each step
 * is taken. After it every page of every container is compared with a plain model, the books are counted again, memory
 * is used for no more pages than can be told apart, and each task is charged for its own slots and no others.
 *
 * The world lies in one piece of memory, of which copies are kept: each step begins with what was there before the
 * last.
 *
 * Two histories are the same if what physmem keeps of the containers is, but for numbers of frames and handles, and the
 * order in which things were made. That this is all that matters is looked at, too: of pairs of histories that are
 * called the same some are taken, from which each step must lead to the same again.
 *
 * SELFPAGE_TREES=all takes all trees: some two minutes of one processor. They are dealt into parts: SELFPAGE_TREES=3/8
 * takes the third of eight. Without it smaller ones are taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/valgrind.h>

#include "core/physmem/copies.h"
#include "core/physmem/state.h"
#include "forest.h"

/* Every so-manyth history that comes to a known state is compared with the one that was there first. */
#define PAIRED 32u

/* What a state comes to. */
struct key {
    uint64_t hash[2];
};

/* A state, and the first history that leads there. */
struct place {
    struct key key;
    uint32_t from; /* place before the last step */
    uint8_t node;
    char step;
};

/* The world and all of its memory, in blocks of powers of two. */
#define CLASSES     16u
#define LEAST       32u
#define ARENA_BYTES 262144u

struct stage {
    struct forest forest;
    struct world world;
    size_t used;
    void *unused[CLASSES]; /* lists of blocks */
    _Alignas(16) unsigned char arena[ARENA_BYTES];
};

struct search {
    const char *letters; /* steps that are taken: some of FOREST_STEPS */
    struct stage planted, here;
    struct place *place; /* the first is the beginning */
    uint32_t places, capacity;
    uint32_t *table; /* place + 1, by hash; 0: none */
    uint32_t table_size;
    uint64_t steps, again, paired;
    uint32_t part, parts; /* of the trees: each parts-th is looked at */
    uint32_t dealt;
    bool tells;
};

static struct stage stage;

/* ---- Memory ---- */

static unsigned class_of(size_t size)
{
    unsigned class = 0;

    while (((size_t)LEAST << class) < size)
        class ++;
    assert_true(class < CLASSES);
    return class;
}

static void *take_block(size_t size)
{
    unsigned class = class_of(size);
    void **block = stage.unused[class];

    if (block != NULL) {
        stage.unused[class] = *block;
        return block;
    }
    assert_true(ARENA_BYTES - stage.used >= (size_t)LEAST << class);
    block = (void **)(void *)(stage.arena + stage.used);
    stage.used += (size_t)LEAST << class;
    return block;
}

static void give_block(void *block, size_t size)
{
    unsigned class = class_of(size);

    *(void **)block = stage.unused[class];
    stage.unused[class] = block;
}

static void *resize(void *context, void *block, size_t old_size, size_t new_size)
{
    void *other = block;

    (void)context;
    if (new_size > 0 && (block == NULL || class_of(new_size) != class_of(old_size)))
        other = take_block(new_size);
    if (block != NULL && other != block)
        memcpy(other, block, old_size < new_size ? old_size : new_size);
    if (block != NULL && (other != block || new_size == 0))
        give_block(block, old_size);
    return new_size > 0 ? other : NULL;
}

/* All but the record of effects, of which only the latest count. */
static void copy_stage(struct stage *to, const struct stage *from)
{
    const size_t record = offsetof(struct stage, world.record);
    const size_t used = offsetof(struct stage, used);

    memcpy(to, from, record);
    memcpy((char *)to + used, (const char *)from + used,
           offsetof(struct stage, arena) - used + from->used);
}

static void save(struct stage *to)
{
    copy_stage(to, &stage);
}

static void load(const struct stage *from)
{
    copy_stage(&stage, from);
}

/* ---- Keys ---- */

struct writer {
    uint8_t byte[1024];
    uint32_t count;
    uint32_t
        extent[NODES * PAGES]; /* clean ones, by handle, in the order in which slots name them */
    uint32_t extents;
    uint64_t contents[2 * NODES * PAGES]; /* in the order in which they are met */
    uint32_t kinds;
};

static void put(struct writer *writer, uint32_t value)
{
    assert_true(value < 256 && writer->count < sizeof(writer->byte));
    writer->byte[writer->count++] = (uint8_t)value;
}

static void put_contents(struct writer *writer, uint64_t contents)
{
    uint32_t i = 0;

    if (contents == 0) {
        put(writer, 0);
        return;
    }
    while (i < writer->kinds && writer->contents[i] != contents)
        i++;
    assert_true(i < sizeof(writer->contents) / sizeof(writer->contents[0]));
    if (i == writer->kinds)
        writer->contents[writer->kinds++] = contents;
    put(writer, i + 1);
}

static void put_pages(struct writer *writer, const struct physmem_shell_extent *extent)
{
    put(writer, extent->pages);
    for (uint32_t i = 0; i < extent->pages; i++)
        put_contents(writer, extent->page[i]);
}

static uint32_t number_of(struct writer *writer, uint32_t handle)
{
    uint32_t i = 0;

    while (i < writer->extents && writer->extent[i] != handle)
        i++;
    assert_true(i < NODES * PAGES);
    if (i == writer->extents)
        writer->extent[writer->extents++] = handle;
    return i;
}

static void put_home(struct writer *writer, const struct forest *forest, const struct node *node)
{
    const struct physmem *physmem = forest->world->physmem;
    const struct container *container = handles_object(&physmem->containers, node->handle);
    struct extent *home = container_extent(container, 0);

    put(writer, container->allocated);
    put(writer, container->soft);
    put(writer, home == NULL ? 0 : 1u + (home->handle != 0) + 2u * home->pending);
    if (home == NULL)
        return;
    for (uint32_t page = 0; page < forest->pages; page++) {
        const struct container_slot *slot = extent_slot(home, page);

        put(writer, (slot->frame != SLOT_NO_FRAME) + 2u * slot->soft + 4u * slot->rights +
                        16u * slot->unmapping + 32u * slot->copy);
        if (slot->copy) {
            put(writer, number_of(writer, home->copied[page].extent));
            put(writer, home->copied[page].page);
        }
    }
    if (home->handle != 0)
        put_pages(writer, physmem_shell_extent(&forest->world->shell, home->handle));
}

/* Which tasks may read a clean extent, and have it. */
static void put_readers(struct writer *writer, const struct forest *forest,
                        const struct clean *clean)
{
    uint32_t reads[NODES] = {0};

    for (uint32_t i = 0; i < clean->readers; i++)
        for (uint32_t task = 0; task < NODES; task++)
            if (forest->task[task]->id == clean->reader[i].task)
                reads[task] += 1u + clean->reader[i].shown;
    for (uint32_t task = 0; task < NODES; task++)
        put(writer, reads[task]);
}

static void put_clean(struct writer *writer, const struct forest *forest, uint32_t handle)
{
    const struct physmem *physmem = forest->world->physmem;
    const struct extent *extent = handles_object(&physmem->extents, handle);

    put(writer, extent->allocated);
    put(writer, extent->pending + 2u * extent->clean->filling);
    put_readers(writer, forest, extent->clean);
    for (uint32_t page = 0; page < extent->pages; page++)
        put(writer, extent->clean->user[page]);
    put_pages(writer, physmem_shell_extent(&forest->world->shell, handle));
}

static struct key key_of(const struct forest *forest)
{
    static struct writer writer;
    struct key key = {{UINT64_C(0xcbf29ce484222325), UINT64_C(0x9e3779b97f4a7c15)}};

    writer.count = writer.extents = writer.kinds = 0;
    for (uint32_t i = 0; i < forest->nodes; i++) {
        put(&writer, forest->node[i].handle != 0);
        if (forest->node[i].handle != 0)
            put_home(&writer, forest, &forest->node[i]);
    }
    for (uint32_t i = 0; i < writer.extents; i++)
        put_clean(&writer, forest, writer.extent[i]);
    for (uint32_t i = 0; i < writer.count; i++) {
        key.hash[0] = (key.hash[0] ^ writer.byte[i]) * UINT64_C(0x100000001b3);
        key.hash[1] = (key.hash[1] + writer.byte[i] + 1) * UINT64_C(0xd6e8feb86659fd93);
        key.hash[1] ^= key.hash[1] >> 29;
    }
    return key;
}

/* ---- Places ---- */

static bool same(struct key a, struct key b)
{
    return a.hash[0] == b.hash[0] && a.hash[1] == b.hash[1];
}

static uint32_t *slot_of(const struct search *search, struct key key)
{
    uint32_t at = (uint32_t)(key.hash[1] & (search->table_size - 1));

    while (search->table[at] != 0 && !same(search->place[search->table[at] - 1].key, key))
        at = (at + 1) & (search->table_size - 1);
    return &search->table[at];
}

static void grow(struct search *search)
{
    search->table_size = search->table_size == 0 ? 1024 : 2 * search->table_size;
    free(search->table);
    search->table = calloc(search->table_size, sizeof(*search->table));
    search->capacity = search->table_size / 2;
    search->place = realloc(search->place, search->capacity * sizeof(*search->place));
    assert_true(search->table != NULL && search->place != NULL);
    for (uint32_t i = 0; i < search->places; i++)
        *slot_of(search, search->place[i].key) = i + 1;
}

/* The place of a state; a new one if `place` is the first way there. */
static uint32_t enter(struct search *search, struct place place)
{
    uint32_t *slot;

    if (search->places == search->capacity)
        grow(search);
    slot = slot_of(search, place.key);
    if (*slot == 0) {
        search->place[search->places++] = place;
        *slot = search->places;
    }
    return *slot - 1;
}

/* ---- Steps ---- */

/* A place by the first history that leads there. */
static void go_to(const struct search *search, uint32_t where)
{
    const struct place *place = &search->place[where];

    if (where == 0) {
        load(&search->planted);
        return;
    }
    go_to(search, place->from);
    forest_step(&stage.forest, &stage.forest.node[place->node], place->step);
}

/* Whether a step makes sense: of a container that is there. The first has nothing to copy from. */
static bool is_possible(uint32_t node, char step)
{
    return stage.forest.node[node].handle != 0 && (node > 0 || step != 'C');
}

/* Take a step, and look at everything. */
static struct key take(struct search *search, uint32_t node, char step)
{
    forest_step(&stage.forest, &stage.forest.node[node], step);
    forest_compare(&stage.forest);
    search->steps++;
    return key_of(&stage.forest);
}

/* Two histories are said to lead to the same place: to `where`, and to `other`, from where `node` takes `step`. */
static void expect_same(struct search *search, uint32_t where, struct place other)
{
    static struct stage one, another;

    go_to(search, where);
    save(&one);
    go_to(search, other.from);
    forest_step(&stage.forest, &stage.forest.node[other.node], other.step);
    save(&another);
    search->paired++;
    for (uint32_t i = 0; i < stage.forest.nodes; i++)
        for (const char *step = search->letters; *step != 0; step++) {
            struct key key;

            load(&one);
            if (!is_possible(i, *step))
                continue;
            key = take(search, i, *step);
            load(&another);
            assert_true(same(take(search, i, *step), key));
        }
}

/* Each step from a place. */
static void look_around(struct search *search, uint32_t where)
{
    go_to(search, where);
    save(&search->here);
    for (uint32_t i = 0; i < search->here.forest.nodes; i++)
        for (const char *step = search->letters; *step != 0; step++) {
            struct place next = {.from = where, .node = (uint8_t)i, .step = *step};
            uint32_t before = search->places, found;

            load(&search->here);
            if (!is_possible(i, *step))
                continue;
            next.key = take(search, i, *step);
            found = enter(search, next);
            if (search->places == before && found != where && search->again++ % PAIRED == 0)
                expect_same(search, found, next);
        }
}

/* All states of the tree that the forest is. */
static void explore(struct search *search)
{
    static struct stage bare;

    save(&bare);
    search->places = 0;
    memset(search->table, 0, search->table_size * sizeof(*search->table));
    forest_plant(&stage.forest);
    forest_compare(&stage.forest);
    save(&search->planted);
    enter(search, (struct place){.key = key_of(&stage.forest)});
    for (uint32_t i = 0; i < search->places; i++)
        look_around(search, i);
    load(&bare);
}

/* All trees: each container but the first is a copy of an earlier one. */
static void explore_trees(struct search *search, uint32_t node, uint64_t *placesp)
{
    if (node >= stage.forest.nodes || node >= NODES) {
        if (search->dealt++ % search->parts != search->part)
            return;
        explore(search);
        *placesp += search->places;
        return;
    }
    for (uint32_t parent = 0; parent < node; parent++) {
        stage.forest.node[node].parent = parent;
        explore_trees(search, node + 1, placesp);
    }
}

static void explore_all(struct search *search, const char *letters, uint32_t nodes, uint32_t pages)
{
    for (unsigned alone = 0; alone < 2; alone++) {
        uint64_t places = 0;

        stage.forest.nodes = nodes;
        stage.forest.pages = pages;
        stage.forest.alone = alone == 1;
        search->letters = letters;
        search->steps = search->paired = 0;
        explore_trees(search, 1, &places);
        if (places > 0 && search->tells)
            print_message(
                "%u containers, %u pages, %s, steps %s: %llu states, %llu steps, %llu pairs\n",
                nodes, pages, alone ? "one task" : "a task each", letters,
                (unsigned long long)places, (unsigned long long)search->steps,
                (unsigned long long)search->paired);
    }
}

/* Trees of so many containers at most, with so many pages at most, and these steps. */
struct size {
    uint32_t nodes, pages;
    const char *letters;
};

static const struct size all_sizes[] = {
    {2, PAGES, FOREST_STEPS}, {3, 2, "CWRSVAD"}, {3, PAGES, "CWwRD"}, {NODES, PAGES, "CWRD"}, {0}};
static const struct size some_sizes[] = {
    {2, PAGES, FOREST_STEPS}, {3, 1, "CWRSVAD"}, {3, PAGES, "CWRD"}, {NODES, 1, "CWRD"}, {0}};
static const struct size few_sizes[] = {{2, 1, "CWRSVAD"}, {2, 2, "CWwRD"}, {0}};

static void begin(struct search *search, const char *wanted)
{
    static const struct allocator allocator = {.resize = resize};

    *search = (struct search){.part = 1, .parts = 1};
    if (wanted != NULL && strcmp(wanted, "all") != 0 &&
        (sscanf(wanted, "%u/%u", &search->part, &search->parts) != 2 || search->part == 0 ||
         search->part > search->parts))
        fail_msg("SELFPAGE_TREES is 'all', or the part of how many: '3/8'");
    search->part--;
    search->tells = wanted != NULL;
    world_init(&stage.world, &allocator);
    assert_int_equal(world_start(&stage.world, FOREST_FRAMES, 4, 0), 0);
    forest_init(&stage.forest, &stage.world);
    grow(search);
}

static void test_all_trees_in_all_orders(void **state)
{
    static struct search search;
    const char *wanted = getenv("SELFPAGE_TREES");
    const struct size *size = wanted != NULL        ? all_sizes
                              : RUNNING_ON_VALGRIND ? few_sizes
                                                    : some_sizes;

    (void)state;
    begin(&search, wanted);
    for (; size->nodes > 0; size++)
        for (uint32_t nodes = 1; nodes <= size->nodes; nodes++)
            for (uint32_t pages = 1; pages <= size->pages; pages++)
                explore_all(&search, size->letters, nodes, pages);
    assert_int_equal(world_end(&stage.world), 0);
    free(search.place);
    free(search.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_trees_in_all_orders),
    };

    return cmocka_run_group_tests_name("core/physmem/copy_trees", tests, NULL, NULL);
}
