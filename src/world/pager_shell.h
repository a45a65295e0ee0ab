/* What surrounds a pager that runs without a process: a kernel, which is what the addresses of its pages map. It
 * carries out the effects of the pager that concern the task alone; world/pager_work.h takes down the others.
 *
 *   while (pager_next_effect(&pager, &effect))
 *       if (!pager_shell_carry_out(&shell, &effect))
 *           ... physmem, swap, or a callback: at once, or later
 *
 * Scenarios in virtual time (src/play), policies without processes (src/rehearsal) and the tests of the pager
 * (tests/core/pager/outside.h) have this shell; what differs is how the others keep them waiting.
 *
 * A mapping goes to what lies at its slot: what takes the place of that comes only when no page has the slot any more
 * (pages_hear of play/pages.h). */
#ifndef WORLD_PAGER_SHELL_H
#define WORLD_PAGER_SHELL_H

#include "base/assert.h"
#include "core/pager/pager.h"
#include "world/pager_work.h"

/* What the kernel knows of a page, beside its protection (PAGE_READ, PAGE_WRITE). */
#define PAGER_SHELL_MAPPED     0x04u
#define PAGER_SHELL_WATCHED    0x08u /* its area is one where references to each page are told apart */
#define PAGER_SHELL_REFERENCED 0x10u /* since it was mapped or armed */

struct pager_shell_world {
    /* Fill the slot's frame with zeros. NULL: nobody looks at contents. */
    void (*clear)(void *arg, uint32_t slot);
    void *arg;
};

/* INVARIANTS, while no effect waits: a page has PAGER_SHELL_MAPPED as its pager_page has PAGE_MAPPED, and
 * the same protection; pager_shell_check looks at that. A page without PAGER_SHELL_MAPPED has no bit at all. */
struct pager_shell {
    struct pager *pager;
    struct pager_shell_world world;
    uint32_t pages;
    uint32_t mapped_page, mapped_slot; /* the last that were mapped */
    uint64_t
        pieces; /* mapped so far: neighbours, whose slots are neighbours in one extent, are one piece */
    uint32_t protected_page;
    uint64_t watches; /* protected from all references so far: neighbours are one */
};

/* A kernel in which nothing is mapped, for a pager that has been initialised. It outlives the shell. */
void pager_shell_init(struct pager_shell *shell, struct pager *pager,
                      const struct pager_shell_world *world);

/* What the kernel knows of a page: PAGE_READ, PAGE_WRITE and PAGER_SHELL_*. It lies beside what the pager knows of it: whoever
 * needs the one soon needs the other. */
static inline uint8_t *pager_shell_bits(const struct pager_shell *shell, sp_page page)
{
    check(page < shell->pages);
    return &shell->pager->page[page].kernel;
}

/* Carry out an effect that concerns the task alone. False: it does not. */
bool pager_shell_carry_out(struct pager_shell *shell, const struct pager_effect *effect);

/* Take all effects that wait in the pager: carry out those that concern the task alone, add the others to `work`. */
static inline void pager_shell_collect(struct pager_shell *shell, struct pager_work *work)
{
    struct pager_effect effect;

    while (pager_next_effect(shell->pager, &effect))
        if (!pager_shell_carry_out(shell, &effect))
            pager_work_note(work, &effect);
}

/* For pager_config.referenced; `arg` is the shell. */
bool pager_shell_referenced(void *arg, sp_page page);

/* NULL if the kernel and the pager agree about every page, but for those that are going; otherwise what is wrong. */
const char *pager_shell_check(const struct pager_shell *shell);

static inline bool pager_shell_is_mapped(const struct pager_shell *shell, sp_page page)
{
    return (*pager_shell_bits(shell, page) & PAGER_SHELL_MAPPED) != 0;
}

/* Whether the program may read, or write, the page without a fault. */
static inline bool pager_shell_permits(const struct pager_shell *shell, sp_page page, bool write)
{
    uint8_t needed = write ? PAGE_READ | PAGE_WRITE : PAGE_READ;

    return (*pager_shell_bits(shell, page) & needed) == needed;
}

/* A reference that the kernel permits, of the program, or of the kernel, which looks at neighbours of a page. */
static inline void pager_shell_refer(struct pager_shell *shell, sp_page page)
{
    check(pager_shell_is_mapped(shell, page));
    *pager_shell_bits(shell, page) |= PAGER_SHELL_REFERENCED;
}

/* The kernel refuses a mapping that it made just now: the caller then says so to the pager. */
static inline void pager_shell_refuse(struct pager_shell *shell, sp_page page)
{
    check(*pager_shell_bits(shell, page) >> 2 == PAGER_SHELL_MAPPED >> 2);
    *pager_shell_bits(shell, page) = 0;
}

#endif
