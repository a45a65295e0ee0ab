#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/physmem/copies.h"
#include "core/physmem/state.h"
#include "expect.h"
#include "forest.h"

void forest_init(struct forest *forest, struct world *world)
{
    *forest = (struct forest){.world = world};
    for (uint32_t i = 0; i < NODES; i++) {
        forest->task[i] = world_task(world, "task");
        world_contract(world, forest->task[i], SP_GUARANTEED, i == 0 ? NODES * PAGES : PAGES);
    }
}

/* ---- What is there ---- */

const struct physmem_shell_extent *
forest_place(const struct forest *forest, const struct node *node, uint32_t page, uint32_t *at)
{
    const struct physmem *physmem = forest->world->physmem;
    const struct container *container = handles_object(&physmem->containers, node->handle);
    struct extent *home = container_extent(container, page);
    bool copy = extent_slot(home, page)->copy;

    *at = copy ? home->copied[page].page : page;
    return physmem_shell_extent(&forest->world->shell,
                                copy ? copies_extent(physmem, home, page)->handle : home->handle);
}

/* No extent is larger than what is copied or allocated at a time. */
uint32_t forest_pages_in_use(const struct forest *forest)
{
    const struct physmem_shell *shell = &forest->world->shell;
    uint32_t pages = 0;

    for (uint32_t i = 0; i < shell->extents; i++) {
        if (shell->extent[i] == NULL)
            continue;
        assert_true(shell->extent[i]->pages <= PAGES);
        for (uint32_t j = 0; j < shell->extent[i]->pages; j++)
            pages += shell->extent[i]->page[j] != 0;
    }
    return pages;
}

/* Pages that can be told apart: contents that some slot shows, or will when it is recovered. Between tasks contents
 * may be there once for each task: a descriptor must not show more than its task may see. */
static uint32_t distinct_pages(const struct forest *forest)
{
    uint32_t seen[NODES * PAGES], count = 0;

    for (uint32_t i = 0; i < forest->nodes; i++)
        for (uint32_t page = 0; page < forest->pages; page++) {
            const struct node *node = &forest->node[i];
            uint32_t j = 0;

            if (node->handle == 0 || node->hole[page] || node->contents[page] == 0)
                continue;
            while (j < count && (!forest->alone || seen[j] != node->contents[page]))
                j++;
            if (j == count)
                seen[count++] = node->contents[page];
        }
    return count;
}

void forest_compare(const struct forest *forest)
{
    uint32_t held[NODES] = {0};

    check_books(forest->world);
    for (uint32_t i = 0; i < forest->nodes; i++) {
        const struct node *node = &forest->node[i];

        for (uint32_t page = 0; node->handle != 0 && page < forest->pages; page++) {
            const struct physmem_shell_extent *extent;
            uint32_t at;

            held[forest->alone ? 0 : i] += !node->hole[page] && !node->soft[page];
            if (node->hole[page])
                continue;
            extent = forest_place(forest, node, page, &at);
            assert_int_equal(extent == NULL ? 0 : extent->page[at], node->contents[page]);
        }
    }
    for (uint32_t i = 0; i < NODES; i++)
        assert_int_equal(world_status(forest->task[i]).held, held[i]);
    assert_true(forest_pages_in_use(forest) <= distinct_pages(forest));
}

/* ---- Steps ---- */

static void write_page(struct forest *forest, struct node *node, uint32_t page)
{
    const struct physmem_effect *reply =
        world_map_as(forest->world, node->task, node->handle, page, 1,
                     SLOT_READ | SLOT_WRITE | PHYSMEM_FORCE_WRITE);
    const struct physmem_map_item *item;

    assert_int_equal(reply->error, node->hole[page] || node->soft[page] ? ENOENT : 0);
    if (reply->error != 0)
        return;
    item = physmem_map_items(forest->world->physmem, reply->mapped.first);
    /* Bytes that are not written stay what they were. */
    assert_int_equal(world_extent(forest->world, item->extent)->page[item->offset],
                     node->contents[page]);
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
        error = parent->hole[page] || parent->soft[page] ? ENOENT
                : node->hole[page] || node->soft[page]   ? ENOMEM
                                                         : 0;
    assert_int_equal(reply->error, error);
    if (error == 0)
        memcpy(node->contents, parent->contents, sizeof(node->contents));
}

static void allocate_page(struct forest *forest, struct node *node, uint32_t page)
{
    if (!node->hole[page])
        return;
    expect_allocated(world_allocate(forest->world, node->task, node->handle, page, 1, PHYSMEM_ZERO),
                     1);
    node->hole[page] = false;
    node->contents[page] = 0;
}

static void destroy(struct forest *forest, struct node *node)
{
    const struct physmem_request request = world_request(forest->world, node->task);

    physmem_container_destroy(forest->world->physmem, forest->world->now, &request, node->handle);
    world_run(forest->world);
    node->handle = 0;
}

void forest_step(struct forest *forest, struct node *node, char what)
{
    uint32_t which = (uint32_t)(node - forest->node), page = (which + 2) % forest->pages;

    switch (what) {
    case 'C':
        copy_from_parent(forest, node);
        break;
    case 'W':
        write_page(forest, node, (which + 1) % forest->pages);
        break;
    case 'w':
        write_page(forest, node, page);
        break;
    case 'R':
        world_range(forest->world, physmem_frames_deallocate, node->task, node->handle, page, 1);
        node->hole[page] = true;
        node->soft[page] = false;
        break;
    case 'S':
        world_range(forest->world, physmem_frames_release, node->task, node->handle, page, 1);
        node->soft[page] = !node->hole[page];
        break;
    case 'V':
        world_range(forest->world, physmem_frames_recover, node->task, node->handle, page, 1);
        node->soft[page] = false;
        break;
    case 'A':
        allocate_page(forest, node, page);
        break;
    default:
        assert_int_equal(what, 'D');
        destroy(forest, node);
    }
}

/* ---- The beginning ---- */

static void share_with_all(struct forest *forest, uint32_t owner)
{
    const struct node *node = &forest->node[owner];

    for (uint32_t i = 0; i < forest->nodes; i++) {
        const struct physmem_permission permission = {.token = ++forest->tokens,
                                                      .rights = SLOT_READ};

        if (i == owner)
            continue;
        world_share(forest->world, node->task, node->handle, &permission);
        assert_int_equal(
            world_adopt(forest->world, forest->node[i].task, node->handle, permission.token)->error,
            0);
    }
}

void forest_plant(struct forest *forest)
{
    for (uint32_t i = 0; i < forest->nodes; i++) {
        struct node *node = &forest->node[i];

        node->task = forest->task[forest->alone ? 0 : i];
        node->handle = world_container(forest->world, node->task, PAGES);
        memset(node->hole, 0, sizeof(node->hole));
        memset(node->soft, 0, sizeof(node->soft));
        memset(node->contents, 0, sizeof(node->contents));
        expect_allocated(
            world_allocate(forest->world, node->task, node->handle, 0, forest->pages, PHYSMEM_ZERO),
            forest->pages);
        for (uint32_t page = 0; page < forest->pages; page++)
            write_page(forest, node, page);
    }
    for (uint32_t i = 0; !forest->alone && i < forest->nodes; i++)
        share_with_all(forest, i);
}
