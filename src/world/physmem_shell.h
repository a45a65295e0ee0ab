/* What physmem's server does for the core of physmem, without a server: it backs extents, makes frame
 * stacks, and counts the pages of an extent for an audit.
 *
 * The driver of physmem takes each effect with physmem_next_effect and hands it to
 * physmem_shell_carry_out. Effects that are messages to a task are left alone: the caller delivers
 * them, at once or later.
 *
 * An extent is an array of pages, and the contents of a page are one number. 0 stands for a page that
 * nobody has touched since it was made or punched; such a page costs no memory, and an audit does not
 * count it. */
#ifndef WORLD_PHYSMEM_SHELL_H
#define WORLD_PHYSMEM_SHELL_H

#include "base/handles.h"
#include "core/containers/container.h"
#include "core/physmem/answer.h"
#include "core/physmem/physmem.h"
#include "core/physmem/request.h"
#include "core/physmem/status.h"
#include "core/physmem/task.h"
#include "shm/frame_stack.h"

/* One extent. */
struct physmem_shell_extent {
    uint32_t handle; /* by which physmem and tasks name it */
    uint32_t pages;
    uint64_t page[EXTENT_PAGES];
};

/* Where the pages of an extent lie: what is asked of most often, in a few bytes side by side. */
struct physmem_shell_place {
    uint64_t *page;  /* NULL: there is no extent */
    uint32_t handle; /* as above */
    uint32_t pages;
};

struct physmem_shell_stack {
    struct frame_stack *stack; /* NULL: this entry is free */
    size_t size;
    bool held; /* a task may still write to it */
    bool dead; /* and physmem does not any more */
};

struct physmem_shell {
    const struct allocator *allocator;
    struct physmem *physmem;
    uint32_t
        create_error; /* while it is not 0, making an extent or a stack fails with this errno */
    struct physmem_shell_extent **extent; /* by descriptor; NULL: that descriptor is free */
    struct physmem_shell_place *place;    /* the same */
    uint32_t extents;                     /* descriptors that are or were in use */
    uint32_t extent_capacity, place_capacity;
    struct physmem_shell_stack *stack;
    uint32_t stacks; /* entries that are or were in use */
    uint32_t stack_capacity;
};

/* A shell around `physmem`, with memory from `allocator`; both outlive it. */
void physmem_shell_init(struct physmem_shell *shell, struct physmem *physmem,
                        const struct allocator *allocator);

/* Free all extents and stacks. Physmem must not run after that. */
void physmem_shell_fini(struct physmem_shell *shell);

/* Carry out an effect at time `now`. An effect that concerns neither extents nor stacks does
 * nothing here. */
void physmem_shell_carry_out(struct physmem_shell *shell, uint64_t now,
                             const struct physmem_effect *effect);

/* The extent of this handle, or NULL. Valid until physmem destroys it. */
struct physmem_shell_extent *physmem_shell_extent(const struct physmem_shell *shell,
                                                  uint32_t handle);

/* A page of the extent of this handle; NULL if there is none. Valid as long as that. */
static inline uint64_t *physmem_shell_page(const struct physmem_shell *shell, uint32_t handle,
                                           uint32_t page)
{
    uint32_t descriptor = (handle & HANDLES_MAX) - 1;
    const struct physmem_shell_place *place = &shell->place[descriptor];

    return descriptor < shell->extents && place->handle == handle && page < place->pages
               ? &place->page[page]
               : NULL;
}

/* A task has mapped this stack: its memory stays until the task lets go of it, whatever physmem does. */
void physmem_shell_hold(struct physmem_shell *shell, const struct frame_stack *stack);
void physmem_shell_let_go(struct physmem_shell *shell, const struct frame_stack *stack);

/* A task writes to `count` pages from `first` on: each page then holds `contents`, which is not 0. */
void physmem_shell_touch(struct physmem_shell_extent *extent, uint32_t first, uint32_t count,
                         uint64_t contents);

#endif
