/* All trees of up to four containers, each a logical copy of an earlier one, with up to three pages, of
 * one task and of one each: and all orders in which they are copied, written, given up in part and
 * destroyed. After each step every page of every container is compared with a plain model, the books are
 * counted again, memory is used for no more pages than can be told apart, and each task is charged for
 * its own slots and no others.
 *
 * Each container has a list of steps, and all interleavings of the lists are played. Trees, and orders in a
 * tree, that differ only by which of several containers is which are played once. SELFPAGE_TREES=all takes more
 * lists, also for four containers: some fifteen minutes of one processor. They are dealt into parts:
 * SELFPAGE_TREES=3/16 plays the third of sixteen. Without it a few lists are played, and a part of the rest. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include <valgrind/valgrind.h>

#include "core/physmem/copies.h"
#include "core/physmem/state.h"
#include "expect.h"

#define NODES 4u
#define PAGES 3u

struct node {
    uint32_t handle; /* 0: destroyed */
    uint32_t parent; /* node, before this one */
    struct physmem_task *task;
    const char *list; /* steps: C copy from the parent, W write, R give up a page, D destroy */
    uint32_t next;    /* of the list */
    bool hole[PAGES];
    uint32_t contents[PAGES];
};

struct forest {
    struct world *world;
    struct node node[NODES];
    struct physmem_task *task[NODES];
    uint32_t nodes, pages;
    uint32_t contents; /* the last that was written */
    uint64_t tokens;
    uint64_t steps, histories;
    uint32_t part, parts; /* which of the trees with their lists are played: each parts-th one */
    uint32_t dealt;
};

/* ---- What is there ---- */

static uint64_t contents_of(const struct forest *forest, const struct node *node, uint32_t page)
{
    const struct physmem *physmem = forest->world->physmem;
    const struct container *container = handles_object(&physmem->containers, node->handle);
    struct extent *home = container_extent(container, page);

    if (extent_slot(home, page)->copy)
        return physmem_shell_extent(&forest->world->shell,
                                    copies_extent(physmem, home, page)->handle)
            ->page[home->copied[page].page];
    return home->handle == 0
               ? 0
               : physmem_shell_extent(&forest->world->shell, home->handle)->page[page];
}

static uint32_t pages_in_use(const struct world *world)
{
    uint32_t pages = 0;

    for (uint32_t i = 0; i < world->shell.extents; i++)
        for (uint32_t j = 0; world->shell.extent[i] != NULL && j < EXTENT_PAGES; j++)
            pages += world->shell.extent[i]->page[j] != 0;
    return pages;
}

/* Pages that can be told apart: contents that some slot shows. Between tasks contents may be there once
 * for each task: a descriptor must not show more than its task may see. */
static uint32_t distinct_pages(const struct forest *forest, bool alone)
{
    uint32_t seen[NODES * PAGES], count = 0;

    for (uint32_t i = 0; i < forest->nodes; i++)
        for (uint32_t page = 0; page < forest->pages; page++) {
            const struct node *node = &forest->node[i];
            uint32_t j = 0;

            if (node->handle == 0 || node->hole[page] || node->contents[page] == 0)
                continue;
            while (j < count && (!alone || seen[j] != node->contents[page]))
                j++;
            if (j == count)
                seen[count++] = node->contents[page];
        }
    return count;
}

static void compare(const struct forest *forest, bool alone)
{
    check_books(forest->world);
    for (uint32_t i = 0; i < forest->nodes; i++) {
        uint32_t held = 0;

        for (uint32_t j = 0; j < forest->nodes; j++)
            for (uint32_t page = 0; page < forest->pages; page++)
                held += forest->node[j].task == forest->node[i].task &&
                        forest->node[j].handle != 0 && !forest->node[j].hole[page];
        assert_int_equal(world_status(forest->node[i].task).held, held);
        for (uint32_t page = 0; forest->node[i].handle != 0 && page < forest->pages; page++)
            if (!forest->node[i].hole[page])
                assert_int_equal(contents_of(forest, &forest->node[i], page),
                                 forest->node[i].contents[page]);
    }
    assert_true(pages_in_use(forest->world) <= distinct_pages(forest, alone));
}

/* ---- Steps ---- */

static void write_page(struct forest *forest, struct node *node, uint32_t page)
{
    const struct physmem_effect *reply =
        world_map_as(forest->world, node->task, node->handle, page, 1,
                     SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE);
    const struct physmem_map_item *item;

    assert_int_equal(reply->error, node->hole[page] ? ENOENT : 0);
    if (reply->error != 0)
        return;
    item = physmem_map_items(forest->world->physmem, reply->mapped.first);
    node->contents[page] = ++forest->contents;
    world_extent(forest->world, item->extent)->page[item->offset] = node->contents[page];
    world_range(forest->world, physmem_unmap_own, node->task, node->handle, page, 1);
}

/* Copy all pages from the parent. A hole on either side makes that nothing at all. */
static void copy_from_parent(struct forest *forest, struct node *node)
{
    const struct node *parent = &forest->node[node->parent];
    const struct physmem_piece piece = {0, 0, forest->pages};
    const struct physmem_effect *reply =
        world_copy(forest->world, node->task, parent->handle, node->handle, &piece, 1);
    uint32_t error = parent->handle == 0 ? ENOENT : 0;

    for (uint32_t page = 0; page < forest->pages && error == 0; page++)
        error = parent->hole[page] ? ENOENT : node->hole[page] ? ENOMEM : 0;
    assert_int_equal(reply->error, error);
    if (error == 0)
        memcpy(node->contents, parent->contents, sizeof(node->contents));
}

static void step(struct forest *forest, struct node *node, char what)
{
    uint32_t which = (uint32_t)(node - forest->node);
    const struct physmem_request request = world_request(forest->world, node->task);

    switch (what) {
    case 'C':
        copy_from_parent(forest, node);
        break;
    case 'W':
        write_page(forest, node, which % forest->pages);
        break;
    case 'R':
        world_range(forest->world, physmem_frames_deallocate, node->task, node->handle,
                    (which + 1) % forest->pages, 1);
        node->hole[(which + 1) % forest->pages] = true;
        break;
    default:
        physmem_container_destroy(forest->world->physmem, forest->world->now, &request,
                                  node->handle);
        world_run(forest->world);
        node->handle = 0;
    }
}

/* ---- Histories ---- */

/* All containers with frames, whose pages hold contents of their own; all tasks may copy from all. */
static void plant(struct forest *forest, bool alone)
{
    for (uint32_t i = 0; i < forest->nodes; i++) {
        struct node *node = &forest->node[i];

        node->task = forest->task[alone ? 0 : i];
        node->handle = world_container(forest->world, node->task, PAGES);
        node->next = 0;
        memset(node->hole, 0, sizeof(node->hole));
        memset(node->contents, 0, sizeof(node->contents));
        assert_int_equal(
            world_allocate(forest->world, node->task, node->handle, 0, forest->pages, PHYSMEM_ZERO)
                ->error,
            0);
        for (uint32_t page = 0; page < forest->pages; page++)
            write_page(forest, node, page);
    }
    for (uint32_t i = 0; !alone && i < forest->nodes; i++)
        for (uint32_t j = 0; j < forest->nodes; j++) {
            const struct physmem_permission permission = {.token = ++forest->tokens,
                                                          .rights = SLOT_READ};

            if (j == i)
                continue;
            world_share(forest->world, forest->node[i].task, forest->node[i].handle, &permission);
            assert_int_equal(world_adopt(forest->world, forest->node[j].task,
                                         forest->node[i].handle, permission.token)
                                 ->error,
                             0);
        }
}

/* Play the interleaving `order`: each entry names the container whose next step it is. */
static void play(struct forest *forest, const uint8_t *order, uint32_t length, bool alone)
{
    plant(forest, alone);
    compare(forest, alone);
    for (uint32_t i = 0; i < length; i++) {
        struct node *node = &forest->node[order[i]];

        step(forest, node, node->list[node->next++]);
        compare(forest, alone);
        forest->steps++;
    }
    for (uint32_t i = 0; i < forest->nodes; i++)
        assert_int_equal(forest->node[i].handle, 0); /* every list ends with D */
    assert_int_equal(pages_in_use(forest->world), 0);
    forest->histories++;
}

/* Whether a container copies from the same one as the container before it, and nobody copies from either:
 * nothing then tells which of them is which, but their lists. */
static bool is_like_the_last(const struct forest *forest, uint32_t node)
{
    if (node < 2 || forest->node[node - 1].parent != forest->node[node].parent)
        return false;
    for (uint32_t i = node + 1; i < forest->nodes && i < NODES; i++)
        if (forest->node[i].parent == node || forest->node[i].parent == node - 1)
            return false;
    return true;
}

/* Of two that are alike, lists and all, the one before takes its first step first. */
static bool has_to_wait(const struct forest *forest, uint32_t i)
{
    const struct node *node = &forest->node[i];

    return node->next == 0 && is_like_the_last(forest, i) && node[-1].next == 0 &&
           node[-1].list == node->list;
}

/* All interleavings, from the `length`-th entry of the order on. */
static void interleave(struct forest *forest, uint8_t *order, uint32_t length, bool alone)
{
    bool more = false;

    for (uint32_t i = 0; i < forest->nodes; i++) {
        struct node *node = &forest->node[i];

        if (node->list[node->next] == 0)
            continue;
        more = true;
        if (has_to_wait(forest, i))
            continue;
        node->next++;
        order[length] = (uint8_t)i;
        interleave(forest, order, length + 1, alone);
        node->next--;
    }
    if (!more) {
        uint32_t next[NODES];

        for (uint32_t i = 0; i < forest->nodes; i++)
            next[i] = forest->node[i].next;
        play(forest, order, length, alone);
        for (uint32_t i = 0; i < forest->nodes; i++)
            forest->node[i].next = next[i];
    }
}

/* All ways to give each container from `node` on a list, the first one of `roots`, others of `lists`. */
static void choose_lists(struct forest *forest, uint32_t node, const char *const roots[],
                         const char *const lists[], bool alone)
{
    const char *const *list = node == 0 ? roots : lists;
    uint8_t order[NODES * 8];

    if (node >= forest->nodes || node >= NODES) {
        for (uint32_t i = 0; i < forest->nodes; i++)
            forest->node[i].next = 0;
        if (forest->dealt++ % forest->parts == forest->part)
            interleave(forest, order, 0, alone);
        return;
    }
    while (is_like_the_last(forest, node) && *list != forest->node[node - 1].list)
        list++;
    for (; *list != NULL; list++) {
        forest->node[node].list = *list;
        choose_lists(forest, node + 1, roots, lists, alone);
    }
}

/* Whether a tree, which grows by a container that copies from `parent`, looks like one that is played anyway:
 * containers are counted from the root down, and of two that copy from the same one the first is copied from
 * first. */
static bool is_played_anyway(const struct forest *forest, uint32_t node, uint32_t parent)
{
    bool copied = false;

    if (node > 1 && parent < forest->node[node - 1].parent)
        return true;
    if (parent < 2 || forest->node[parent - 1].parent != forest->node[parent].parent)
        return false;
    for (uint32_t i = parent; i < node; i++)
        copied |= forest->node[i].parent == parent - 1;
    return !copied;
}

/* All trees: each container but the first is a copy of an earlier one. */
static void choose_parents(struct forest *forest, uint32_t node, const char *const roots[],
                           const char *const lists[], bool alone)
{
    if (node >= forest->nodes || node >= NODES) {
        choose_lists(forest, 0, roots, lists, alone);
        return;
    }
    for (uint32_t parent = 0; parent < node; parent++) {
        if (is_played_anyway(forest, node, parent))
            continue;
        forest->node[node].parent = parent;
        choose_parents(forest, node + 1, roots, lists, alone);
    }
}

static void play_all(struct forest *forest, uint32_t nodes, uint32_t pages,
                     const char *const roots[], const char *const lists[])
{
    forest->nodes = nodes;
    forest->pages = pages;
    choose_parents(forest, 1, roots, lists, true);
    choose_parents(forest, 1, roots, lists, false);
}

static const char *const roots[] = {"WD", "RD", "WRD", "D", NULL};
static const char *const lists[] = {"CWD", "CRD", "WCD", "CWRD", "CD", "RCD", NULL};
static const char *const few_roots[] = {"WD", "RD", NULL};
static const char *const few_lists[] = {"CWD", "CRD", NULL};
static const char *const one_root[] = {"WD", NULL};
static const char *const one_list[] = {"CD", NULL};

/* One of `parts` parts of all. */
static void play_part(struct forest *forest, uint32_t part, uint32_t parts)
{
    forest->part = part;
    forest->parts = parts;
    forest->dealt = 0;
    for (uint32_t pages = 1; pages <= PAGES; pages++) {
        for (uint32_t nodes = 1; nodes < NODES; nodes++)
            play_all(forest, nodes, pages, roots, lists);
        play_all(forest, NODES, pages, few_roots, few_lists);
    }
}

/* The part that is played each time, of so many. */
#define PARTS 512u

static void play_few(struct forest *forest)
{
    forest->part = 0;
    forest->parts = 1;
    for (uint32_t pages = 1; pages <= PAGES; pages++) {
        play_all(forest, 1, pages, roots, lists);
        play_all(forest, 2, pages, roots, lists);
    }
    if (RUNNING_ON_VALGRIND)
        return;
    play_all(forest, 3, PAGES, few_roots, few_lists);
    play_all(forest, NODES, 2, one_root, one_list);
    play_part(forest, 7, PARTS);
}

static void test_all_trees_in_all_orders(void **state)
{
    static struct forest forest;
    const char *wanted = getenv("SELFPAGE_TREES");
    unsigned part = 1, parts = 1;
    struct world *world = *state;

    forest = (struct forest){.world = world};
    for (uint32_t i = 0; i < NODES; i++) {
        forest.task[i] = world_task(world, "task");
        world_contract(world, forest.task[i], SP_GUARANTEED, i == 0 ? NODES * PAGES : PAGES);
    }
    if (wanted == NULL) {
        play_few(&forest);
    } else {
        if (strcmp(wanted, "all") != 0 &&
            (sscanf(wanted, "%u/%u", &part, &parts) != 2 || part == 0 || part > parts))
            fail_msg("SELFPAGE_TREES is 'all', or the part of how many: '3/16'");
        play_part(&forest, part - 1, parts);
    }
    print_message("%llu histories, %llu steps\n", (unsigned long long)forest.histories,
                  (unsigned long long)forest.steps);
    assert_true(forest.histories > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_trees_in_all_orders, setup, teardown),
    };

    return cmocka_run_group_tests_name("core/physmem/copy_trees", tests, NULL, NULL);
}
