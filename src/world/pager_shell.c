#include "world/pager_shell.h"

#define PROTECTION (PAGE_READ | PAGE_WRITE)

void pager_shell_init(struct pager_shell *shell, struct pager *pager,
                      const struct pager_shell_world *world)
{
    uint32_t pages = pager->config.pages;

    check(pages > 0);
    *shell = (struct pager_shell){.pager = pager, .world = *world, .pages = pages};
}

static void map(struct pager_shell *shell, const struct pager_effect *effect)
{
    uint8_t *bits = pager_shell_bits(shell, effect->page);

    ensure(*bits == 0);
    shell->pieces += effect->page != shell->mapped_page + 1 ||
                     effect->slot != shell->mapped_slot + 1 ||
                     effect->slot % shell->pager->config.extent_pages == 0;
    shell->mapped_page = effect->page;
    shell->mapped_slot = effect->slot;
    *bits = PAGER_SHELL_MAPPED | effect->protection;
}

static void protect(struct pager_shell *shell, const struct pager_effect *effect)
{
    uint8_t *bits = pager_shell_bits(shell, effect->page);

    ensure((*bits & PAGER_SHELL_MAPPED) != 0);
    *bits = (uint8_t)((*bits & ~PROTECTION) | effect->protection);
    if (effect->protection != 0)
        return;
    *bits &= (uint8_t)~PAGER_SHELL_REFERENCED;
    shell->watches += effect->page != shell->protected_page + 1;
    shell->protected_page = effect->page;
}

static void arm(struct pager_shell *shell, const struct pager_effect *effect)
{
    uint8_t *bits = pager_shell_bits(shell, effect->page);

    ensure((*bits & PROTECTION) != 0 && (effect->watched || (*bits & PAGER_SHELL_WATCHED) == 0));
    if (!effect->watched)
        *bits |= PAGER_SHELL_WATCHED;
    *bits &= (uint8_t)~PAGER_SHELL_REFERENCED;
}

static void unmap(struct pager_shell *shell, sp_page page)
{
    uint8_t *bits = pager_shell_bits(shell, page);

    ensure((*bits & PAGER_SHELL_MAPPED) != 0);
    *bits = 0;
}

bool pager_shell_carry_out(struct pager_shell *shell, const struct pager_effect *effect)
{
    switch (effect->kind) {
    case EFFECT_MAP:
        map(shell, effect);
        return true;
    case EFFECT_PROTECT:
        protect(shell, effect);
        return true;
    case EFFECT_ARM:
        arm(shell, effect);
        return true;
    case EFFECT_UNMAP:
        unmap(shell, effect->page);
        return true;
    case EFFECT_CLEAR:
        if (shell->world.clear != NULL)
            shell->world.clear(shell->world.arg, effect->slot);
        return true;
    case EFFECT_STORE:
    case EFFECT_LOAD:
    case EFFECT_REFILL:
    case EFFECT_ALLOCATE:
    case EFFECT_GRANT:
    case EFFECT_FREE_SWAP:
    case EFFECT_RETURN:
        break;
    }
    return false;
}

bool pager_shell_referenced(void *arg, sp_page page)
{
    const struct pager_shell *shell = arg;

    ensure((*pager_shell_bits(shell, page) & PROTECTION) != 0);
    return (*pager_shell_bits(shell, page) & PAGER_SHELL_REFERENCED) != 0;
}

const char *pager_shell_check(const struct pager_shell *shell)
{
    for (sp_page page = 0; page < shell->pages; page++) {
        const struct pager_page *p = &shell->pager->page[page];

        if (p->going)
            continue; /* it is unmapped later, or already */
        if (((p->flags & PAGE_MAPPED) != 0) != pager_shell_is_mapped(shell, page))
            return "the kernel and the pager disagree about what is mapped";
        if ((p->kernel & PROTECTION) != p->protection)
            return "the kernel and the pager disagree about a mapping";
    }
    return NULL;
}
