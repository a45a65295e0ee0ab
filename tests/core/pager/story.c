/* See pager_story.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "story.h"

void story_take_effects(struct story *story)
{
    struct pager_effect effect;

    while (pager_next_effect(&story->pager, &effect)) {
        assert_true(story->effects < STORY_EFFECTS_MAX);
        story->effect[story->effects++] = effect;
        if (effect.kind == EFFECT_MAP && story->maps_fail)
            pager_mapping_failed(&story->pager, effect.page);
    }
}

void story_forget_effects(struct story *story)
{
    story_take_effects(story);
    story->effects = 0;
}

static struct story *begin(struct pager_config config, uint32_t guaranteed, uint32_t extra)
{
    const struct sp_policy *policy = config.policy;
    struct story *story = calloc(1, sizeof(*story));
    struct sp_error error;
    size_t size = (pager_size(&config) + 63) / 64 * 64;

    assert_non_null(story);
    assert_int_equal(policy_params_adopt(&story->choice, policy, NULL, &error), 0);
    config.params = story->choice.params;
    config.stats = &story->stats;
    story->memory = aligned_alloc(64, size);
    assert_non_null(story->memory);
    memset(story->memory, 0, size);
    memset(&story->pager, 0xa5, sizeof(story->pager)); /* whatever was there before */
    pager_init(&story->pager, &config, story->memory);
    pager_growth_allow(&story->pager, guaranteed, extra);
    return story;
}

struct story *story_begin(const struct sp_policy *policy, uint32_t pages, uint32_t guaranteed,
                          uint32_t extra, uint32_t map_limit)
{
    struct pager_config config = {.pages = pages,
                                  .slots = guaranteed + extra,
                                  .extent_pages = 256,
                                  .map_limit = map_limit,
                                  .seed = 1,
                                  .policy = policy};

    return begin(config, guaranteed, extra);
}

struct story *story_begin_ahead(const struct sp_policy *policy, uint32_t pages, uint32_t frames,
                                uint32_t read_ahead)
{
    struct pager_config config = {.pages = pages,
                                  .slots = frames,
                                  .extent_pages = 256,
                                  .map_limit = UINT32_MAX,
                                  .read_ahead = read_ahead,
                                  .seed = 1,
                                  .policy = policy};

    return begin(config, frames, 0);
}

struct story *story_begin_slots(const struct sp_policy *policy, uint32_t pages, uint32_t frames,
                                uint32_t slots)
{
    struct pager_config config = {.pages = pages,
                                  .slots = slots,
                                  .extent_pages = 256,
                                  .map_limit = UINT32_MAX,
                                  .seed = 1,
                                  .policy = policy};

    return begin(config, frames, 0);
}

void story_end(struct story *story)
{
    const char *wrong = pager_check(&story->pager);

    if (wrong != NULL)
        fail_msg("%s", wrong);
    story_take_effects(story);
    assert_int_equal(story->effects, 0);
    free(story->memory);
    free(story);
}

struct pager_effect story_expect(struct story *story, enum pager_effect_kind kind, sp_page page)
{
    struct pager_effect effect;

    story_take_effects(story);
    effect = story->effect[0];
    assert_true(story->effects > 0);
    assert_int_equal(effect.kind, kind);
    if (page != SP_NO_PAGE)
        assert_int_equal(effect.page, page);
    memmove(&story->effect[0], &story->effect[1], --story->effects * sizeof(effect));
    return effect;
}

void story_expect_mapping(struct story *story, enum pager_effect_kind kind, sp_page page,
                          uint8_t protection)
{
    assert_int_equal(story_expect(story, kind, page).protection, protection);
}

enum pager_verdict story_reads(struct story *story, sp_page page)
{
    enum pager_verdict verdict = pager_fault(&story->pager, page, false);

    story_take_effects(story);
    return verdict;
}

enum pager_verdict story_writes(struct story *story, sp_page page)
{
    enum pager_verdict verdict = pager_fault(&story->pager, page, true);

    story_take_effects(story);
    return verdict;
}

void story_get_frames(struct story *story, uint32_t frames, bool zero)
{
    struct pager *pager = &story->pager;

    while (pager->held < frames) {
        pager_growth_allocated(pager, pager->held, frames - pager->held, RW, zero);
        pager_growth_possible(pager);
        story_take_effects(story);
    }
}

struct story *story_begin_region(enum sp_kind kind, uint32_t pages, uint32_t frames)
{
    struct story *story = story_begin(&policy_fifo, pages, frames, 0, UINT32_MAX);

    assert_int_equal(
        pager_regions_create(&story->pager, pages, kind, false, kind == SP_REMANUFACTURABLE), 0);
    story_get_frames(story, frames, true);
    return story;
}

void story_touch(struct story *story, sp_page first, uint32_t pages, bool write)
{
    for (uint32_t i = 0; i < pages; i++)
        assert_int_equal(write ? story_writes(story, first + i) : story_reads(story, first + i),
                         PAGER_DONE);
    story_forget_effects(story);
}
