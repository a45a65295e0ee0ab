#include "world/physmem_shell.h"

#include <errno.h>

#include "base/assert.h"
#include "base/memory.h"

void physmem_shell_init(struct physmem_shell *shell, struct physmem *physmem,
                        const struct allocator *allocator)
{
    *shell = (struct physmem_shell){.physmem = physmem, .allocator = allocator};
}

void physmem_shell_fini(struct physmem_shell *shell)
{
    const struct allocator *allocator = shell->allocator;

    for (uint32_t i = 0; i < shell->extents; i++)
        memory_free(allocator, shell->extent[i], sizeof(*shell->extent[i]));
    for (uint32_t i = 0; i < shell->stacks; i++)
        memory_free(allocator, shell->stack[i].stack, shell->stack[i].size);
    memory_free(allocator, shell->extent, shell->extent_capacity * sizeof(*shell->extent));
    memory_free(allocator, shell->place, shell->place_capacity * sizeof(*shell->place));
    memory_free(allocator, shell->stack, shell->stack_capacity * sizeof(*shell->stack));
    *shell = (struct physmem_shell){.physmem = NULL};
}

/* ---- Extents ---- */

/* The descriptor of an extent to make: handles that exist at once differ in the part that
 * says which object they name. UINT32_MAX without memory. */
static uint32_t new_descriptor(struct physmem_shell *shell, uint32_t handle)
{
    uint32_t descriptor = (handle & HANDLES_MAX) - 1;

    if (memory_reserve(shell->allocator, &shell->extent, &shell->extent_capacity,
                       sizeof(*shell->extent), descriptor + 1) != 0 ||
        memory_reserve(shell->allocator, &shell->place, &shell->place_capacity,
                       sizeof(*shell->place), descriptor + 1) != 0)
        return UINT32_MAX;
    for (; shell->extents <= descriptor; shell->extents++) {
        shell->extent[shell->extents] = NULL;
        shell->place[shell->extents] = (struct physmem_shell_place){NULL};
    }
    ensure(shell->extent[descriptor] == NULL);
    return descriptor;
}

static void create_extent(struct physmem_shell *shell, uint64_t now,
                          const struct physmem_effect *effect)
{
    struct physmem_shell_extent *extent = NULL;
    uint32_t error = shell->create_error;
    uint32_t descriptor = 0;

    if (error == 0) {
        descriptor = new_descriptor(shell, effect->extent.extent);
        if (descriptor != UINT32_MAX)
            extent = memory_new(shell->allocator, sizeof(*extent));
        error = extent == NULL ? ENOMEM : 0;
    }
    if (error == 0) {
        extent->handle = effect->extent.extent;
        extent->pages = effect->extent.count;
        shell->extent[descriptor] = extent;
        shell->place[descriptor] = (struct physmem_shell_place){
            .page = extent->page, .handle = extent->handle, .pages = extent->pages};
    }
    physmem_extent_ready(shell->physmem, now, effect->extent.extent, error == 0 ? descriptor : 0,
                         error);
}

static struct physmem_shell_extent *extent_at(const struct physmem_shell *shell,
                                              uint32_t descriptor)
{
    ensure(descriptor < shell->extents && shell->extent[descriptor] != NULL);
    return shell->extent[descriptor];
}

/* The extent of an effect: physmem names only its own. */
static struct physmem_shell_extent *extent_of(const struct physmem_shell *shell,
                                              const struct physmem_effect *effect)
{
    struct physmem_shell_extent *extent = extent_at(shell, effect->extent.descriptor);

    ensure(extent->handle == effect->extent.extent);
    return extent;
}

static void punch_extent(struct physmem_shell *shell, const struct physmem_effect *effect)
{
    struct physmem_shell_extent *extent = extent_of(shell, effect);

    ensure(effect->extent.offset <= extent->pages &&
           effect->extent.count <= extent->pages - effect->extent.offset);
    memset(extent->page + effect->extent.offset, 0, effect->extent.count * sizeof(*extent->page));
}

static void copy_extent(struct physmem_shell *shell, const struct physmem_effect *effect)
{
    const struct physmem_shell_extent *from = extent_at(shell, effect->move.from_descriptor);
    struct physmem_shell_extent *to = extent_at(shell, effect->move.to_descriptor);

    ensure(from->handle == effect->move.from && to->handle == effect->move.to);
    ensure(effect->move.from_page + effect->move.count <= from->pages &&
           effect->move.to_page + effect->move.count <= to->pages);
    memcpy(to->page + effect->move.to_page, from->page + effect->move.from_page,
           effect->move.count * sizeof(*to->page));
}

static void audit_extent(struct physmem_shell *shell, uint64_t now,
                         const struct physmem_effect *effect)
{
    const struct physmem_shell_extent *extent = extent_of(shell, effect);
    uint64_t pages = 0;

    for (unsigned i = 0; i < EXTENT_PAGES; i++)
        pages += extent->page[i] != 0;
    physmem_audit_done(shell->physmem, now, effect->extent.extent, effect->extent.count, pages);
}

static void cut_extent(struct physmem_shell *shell, const struct physmem_effect *effect)
{
    struct physmem_shell_extent *extent = extent_of(shell, effect);

    ensure(effect->extent.count > 0 && effect->extent.count < extent->pages);
    memset(extent->page + effect->extent.count, 0,
           (extent->pages - effect->extent.count) * sizeof(*extent->page));
    extent->pages = effect->extent.count;
    shell->place[effect->extent.descriptor].pages = extent->pages;
}

static void destroy_extent(struct physmem_shell *shell, const struct physmem_effect *effect)
{
    struct physmem_shell_extent *extent = extent_of(shell, effect);

    memory_free(shell->allocator, extent, sizeof(*extent));
    shell->extent[effect->extent.descriptor] = NULL;
    shell->place[effect->extent.descriptor] = (struct physmem_shell_place){NULL};
}

struct physmem_shell_extent *physmem_shell_extent(const struct physmem_shell *shell,
                                                  uint32_t handle)
{
    uint32_t descriptor = (handle & HANDLES_MAX) - 1;

    if (descriptor >= shell->extents || shell->extent[descriptor] == NULL ||
        shell->extent[descriptor]->handle != handle)
        return NULL;
    return shell->extent[descriptor];
}

void physmem_shell_touch(struct physmem_shell_extent *extent, uint32_t first, uint32_t count,
                         uint64_t contents)
{
    for (uint32_t i = first; i < first + count; i++)
        extent->page[i] = contents;
}

/* ---- Frame stacks ---- */

/* The entry of a stack, or (NULL) one that is free; NULL if there is none. */
static struct physmem_shell_stack *stack_entry(struct physmem_shell *shell,
                                               const struct frame_stack *stack)
{
    for (uint32_t i = 0; i < shell->stacks; i++)
        if (shell->stack[i].stack == stack)
            return &shell->stack[i];
    if (stack != NULL || memory_reserve(shell->allocator, &shell->stack, &shell->stack_capacity,
                                        sizeof(*shell->stack), shell->stacks + 1) != 0)
        return NULL;
    shell->stack[shell->stacks] = (struct physmem_shell_stack){NULL};
    return &shell->stack[shell->stacks++];
}

static void create_stack(struct physmem_shell *shell, uint64_t now,
                         const struct physmem_effect *effect)
{
    const struct physmem_request request = {effect->task, effect->seq, effect->control};
    struct physmem_shell_stack *entry = NULL;
    struct frame_stack *stack = NULL;
    uint32_t error = shell->create_error;

    if (error == 0) {
        entry = stack_entry(shell, NULL);
        if (entry != NULL) {
            entry->size = frame_stack_size(effect->stack.places);
            stack = entry->stack = memory_new(shell->allocator, entry->size);
        }
        error = stack == NULL ? ENOMEM : 0;
    }
    physmem_stack_ready(shell->physmem, now, &request, stack, effect->stack.places, 0, error);
}

static void free_stack(struct physmem_shell *shell, struct physmem_shell_stack *entry)
{
    memory_free(shell->allocator, entry->stack, entry->size);
    *entry = (struct physmem_shell_stack){NULL};
}

static void destroy_stack(struct physmem_shell *shell, const struct physmem_effect *effect)
{
    struct physmem_shell_stack *entry = stack_entry(shell, effect->stack.stack);

    ensure(entry != NULL && entry->stack != NULL && !entry->dead);
    entry->dead = true;
    if (!entry->held)
        free_stack(shell, entry);
}

void physmem_shell_hold(struct physmem_shell *shell, const struct frame_stack *stack)
{
    struct physmem_shell_stack *entry = stack_entry(shell, stack);

    ensure(entry != NULL && !entry->held);
    entry->held = true;
}

void physmem_shell_let_go(struct physmem_shell *shell, const struct frame_stack *stack)
{
    struct physmem_shell_stack *entry = stack_entry(shell, stack);

    ensure(entry != NULL && entry->held);
    entry->held = false;
    if (entry->dead)
        free_stack(shell, entry);
}

/* ---- Effects ---- */

void physmem_shell_carry_out(struct physmem_shell *shell, uint64_t now,
                             const struct physmem_effect *effect)
{
    switch ((int)effect->kind) {
    case PHYSMEM_EXTENT_CREATE:
        create_extent(shell, now, effect);
        break;
    case PHYSMEM_EXTENT_PUNCH:
        punch_extent(shell, effect);
        break;
    case PHYSMEM_EXTENT_COPY:
        copy_extent(shell, effect);
        break;
    case PHYSMEM_EXTENT_AUDIT:
        audit_extent(shell, now, effect);
        break;
    case PHYSMEM_EXTENT_CUT:
        cut_extent(shell, effect);
        break;
    case PHYSMEM_EXTENT_DESTROY:
        destroy_extent(shell, effect);
        break;
    case PHYSMEM_STACK_CREATE:
        create_stack(shell, now, effect);
        break;
    case PHYSMEM_STACK_DESTROY:
        destroy_stack(shell, effect);
        break;
    }
}
