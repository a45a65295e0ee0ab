/* Single steps of a live task, for bench/instructions to count the instructions of:
 *
 *   bench_steps STEP COUNT
 *
 * does STEP COUNT times, with the servers that SELFPAGE_PHYSMEM and SELFPAGE_SWAP name. What comes
 * before and after the steps is the same for every COUNT, so that the difference between two runs
 * is that of the steps alone. Exit status: 0 done, 2 not. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include <selfpage/selfpage.h>

#include "watcher.h"

/* Pages of the regions whose pages are all resident; what a COUNT may be at most. */
#define PAGES 4096u

/* Frames of the task that evicts; it has twice as many pages. */
#define FEW_FRAMES 256u

struct step {
    const char *name;
    const char *contract;
    const struct sp_policy *policy;
    struct sp_region_options region;
    void (*run)(struct sp_task *task, unsigned char *base, uint32_t count);
};

static void touch(unsigned char *base, uint32_t page)
{
    *(volatile unsigned char *)(base + (size_t)page * SP_PAGE_SIZE) = 1;
}

static void touch_all(unsigned char *base, uint32_t pages)
{
    for (uint32_t i = 0; i < pages; i++)
        touch(base, i);
}

/* All pages are resident, and watched. */
static void soft_faults(struct sp_task *task, unsigned char *base, uint32_t count)
{
    touch_all(base, PAGES);
    if (sp_advise(task, base, PAGES, SP_HINT_DONT_NEED) != 0)
        errx(2, "sp_advise failed");
    touch_all(base, count);
}

/* All frames are in the task's hands, and free. */
static void first_touches(struct sp_task *task, unsigned char *base, uint32_t count)
{
    touch_all(base, PAGES);
    if (sp_discard(task, base, PAGES) < 0)
        errx(2, "sp_discard failed");
    touch_all(base, count);
}

/* Every page has been written out before. */
static void evictions(struct sp_task *task, unsigned char *base, uint32_t count)
{
    (void)task;
    for (uint32_t round = 0; round < 4; round++)
        touch_all(base, 2 * FEW_FRAMES);
    for (uint32_t i = 0; i < count; i++)
        touch(base, i % (2 * FEW_FRAMES));
}

/* Two messages to physmem, and two answers, a step. */
static void negotiations(struct sp_task *task, unsigned char *base, uint32_t count)
{
    const struct sp_terms terms = {.kind = SP_GUARANTEED, .frames = 16, .term_ns = SP_FOREVER};
    struct sp_offer offer;
    struct sp_error error;

    (void)base;
    for (uint32_t i = 0; i < count; i++)
        if (sp_propose(task, &terms, &offer, &error) != 0 || offer.answer != SP_ACCEPTED ||
            sp_close_contract(task, offer.contract, &error) != 0)
            errx(2, "physmem did not agree");
}

static const struct step steps[] = {
    {"soft_fault",
     "guaranteed=4608",
     &watcher_policy,
     {.pages = PAGES, .kind = SP_DISCARDABLE},
     soft_faults},
    {"first_touch",
     "guaranteed=4608",
     NULL,
     {.pages = PAGES, .kind = SP_DISCARDABLE, .flags = SP_REGION_UNDEFINED},
     first_touches},
    {"evict_swap", "guaranteed=256", NULL, {.pages = 2 * FEW_FRAMES}, evictions},
    {"negotiate", "guaranteed=64", NULL, {.pages = 64, .kind = SP_DISCARDABLE}, negotiations},
};

static const struct step *find(const char *name)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (strcmp(steps[i].name, name) == 0)
            return &steps[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct step *step = argc == 3 ? find(argv[1]) : NULL;
    int count = argc == 3 ? atoi(argv[2]) : 0;
    struct sp_attach_options options = {.name = "steps", .policy = "fifo"};
    struct sp_task *task;
    struct sp_error error;
    void *base;

    if (step == NULL || count <= 0 || (unsigned)count > PAGES)
        errx(2, "usage: bench_steps STEP COUNT, with a COUNT up to %u", PAGES);
    options.contract = step->contract;
    if (step->policy != NULL) {
        options.policy = NULL;
        options.policy_ops = step->policy;
    }
    if (sp_attach(&task, &options, &error) != 0 ||
        sp_region_create(task, &step->region, &base, &error) != 0)
        errx(2, "%s", error.text);
    step->run(task, base, (uint32_t)count);
    return sp_detach(&task) == 0 ? 0 : 2;
}
