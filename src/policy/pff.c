/* Page fault frequency: a program that faults often keeps its pages; when it faults rarely, those
 * it did not use since the last fault leave.
 *
 * W. W. Chu and H. Opderbeck, "Program behavior and the page-fault-frequency replacement
 * algorithm", IEEE Computer 9(11), 1976. At a fault, if more than `interval` references have come
 * since the one before, all pages that were not referenced since leave and the bits of the others
 * are cleared; otherwise the program gets another frame. Here the contract says how many frames
 * there are:
 *
 *   rare faults       the hand goes on as CLOCK's, clearing bits, to the next page that was not
 * used frequent faults   there is no other frame, so that the page that came first leaves; no bit
 * is cleared
 *
 * A fault that finds no free frame is a call of victim. Only in a replay does time pass between
 * faults as it does for the program; in a live task the clock counts the faults themselves. */
#include "policy/registry.h"

#include <selfpage/page_list.h>

enum { PFF_INTERVAL };

struct pff {
    struct sp_policy_env *env;
    uint64_t interval;
    uint64_t fault;      /* when the last one was */
    struct sp_list ring; /* the hand points at the back */
    struct sp_link links[];
};

static const struct sp_policy_param pff_params[] = {
    [PFF_INTERVAL] = {"interval", 3.0, 0.0, 1e9,
                      "references between faults above which they are rare"},
    {NULL},
};

static size_t pff_size(const struct sp_policy_config *config)
{
    return sizeof(struct pff) + (size_t)config->pages * sizeof(struct sp_link);
}

static void pff_init(void *self, const struct sp_policy_config *config)
{
    struct pff *pff = self;

    pff->env = config->env;
    pff->interval = (uint64_t)config->params[PFF_INTERVAL];
}

static void pff_insert(void *self, sp_page page, enum sp_access access)
{
    struct pff *pff = self;

    (void)access;
    pff->fault = pff->env->time;
    sp_list_push_front(&pff->ring, pff->links, page);
}

static sp_page pff_victim(void *self, sp_page incoming)
{
    struct pff *pff = self;
    bool rare = pff->env->time - pff->fault > pff->interval;
    sp_page page = sp_list_back(&pff->ring);

    (void)incoming;
    for (uint32_t left = rare ? pff->ring.count : 0; left > 0; left--) {
        if (!pff->env->referenced(pff->env, page))
            break;
        sp_list_to_front(&pff->ring, pff->links, page);
        page = sp_list_back(&pff->ring);
    }
    return page;
}

static void pff_remove(void *self, sp_page page, enum sp_removal why)
{
    struct pff *pff = self;

    (void)why;
    sp_list_remove(&pff->ring, pff->links, page);
}

/* A page that will not be needed goes under the hand with its bit clear. */
static void pff_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct pff *pff = self;

    if (hint == SP_HINT_WILL_NEED)
        return;
    sp_list_remove(&pff->ring, pff->links, page);
    sp_list_push_back(&pff->ring, pff->links, page);
    pff->env->referenced(pff->env, page);
}

const struct sp_policy policy_pff = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_FORGETS,
    .name = "pff",
    .summary = "page fault frequency: frequent faults keep what there is",
    .source = "Chu and Opderbeck 1976",
    .params = pff_params,
    .size = pff_size,
    .init = pff_init,
    .insert = pff_insert,
    .victim = pff_victim,
    .remove = pff_remove,
    .hint = pff_hint,
    .live_form = "ws",
};
