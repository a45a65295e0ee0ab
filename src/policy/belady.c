/* Belady's MIN: the page leaves whose next reference is farthest away. No policy that loads a page
 * only when it is referenced, and then always, can take fewer misses.
 *
 * L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems
 * Journal 5(2), 1966; proof of optimality: Mattson et al. 1970 (OPT). The next victim may
 * change with every reference, so that hits and inserts take logarithmic time.
 *
 * Where only misses count, as in `selfpage replay`, replay/optimum.h finds as many without asking this policy. */
#include "policy/heap.h"
#include "policy/registry.h"

struct belady {
    struct sp_policy_env *env;
    struct heap heap; /* by the time of the next reference */
    uint64_t memory[];
};

static size_t belady_size(const struct sp_policy_config *config)
{
    return sizeof(struct belady) + heap_size(config->pages);
}

static void belady_init(void *self, const struct sp_policy_config *config)
{
    struct belady *belady = self;

    belady->env = config->env;
    heap_init(&belady->heap, belady->memory);
}

/* An engine that does not know the future makes this a policy without preference, not a crash. */
static uint64_t belady_next(struct belady *belady, sp_page page)
{
    if (belady->env->next_reference == NULL)
        return UINT64_MAX;
    return belady->env->next_reference(belady->env, page);
}

static void belady_insert(void *self, sp_page page, enum sp_access access)
{
    struct belady *belady = self;

    (void)access;
    heap_add(&belady->heap, page, belady_next(belady, page));
}

static void belady_hit(void *self, sp_page page, enum sp_access access)
{
    struct belady *belady = self;

    (void)access;
    heap_change(&belady->heap, page, belady_next(belady, page));
}

static sp_page belady_victim(void *self, sp_page incoming)
{
    struct belady *belady = self;

    (void)incoming;
    return heap_top(&belady->heap);
}

static void belady_remove(void *self, sp_page page, enum sp_removal why)
{
    struct belady *belady = self;

    (void)why;
    heap_remove(&belady->heap, page);
}

const struct sp_policy policy_belady = {
    .abi = SP_POLICY_ABI,
    .flags = SP_POLICY_NEEDS_FUTURE,
    .name = "belady",
    .summary = "the optimum: knows the future",
    .source = "Belady 1966",
    .size = belady_size,
    .init = belady_init,
    .insert = belady_insert,
    .hit = belady_hit,
    .victim = belady_victim,
    .remove = belady_remove,
    .live_form = "lru",
};
