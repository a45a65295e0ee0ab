/* A short story about a pager, told in the effects that it emits. */
#ifndef STORY_H
#define STORY_H

#include "core/pager/pager.h"
#include "policy/params.h"
#include "policy/registry.h"

#define RW (PAGE_READ | PAGE_WRITE)

#define STORY_EFFECTS_MAX 256u

struct story {
    struct pager pager;
    struct sp_stats stats;
    struct policy_choice choice;
    void *memory;
    struct pager_effect effect[STORY_EFFECTS_MAX]; /* taken, and not looked at yet */
    uint32_t effects;
    bool maps_fail;
};

/* A pager without regions, under a contract, for which physmem has given no frame yet. Its
 * container has as many slots as the contract has frames. story_end frees it. */
struct story *story_begin(const struct sp_policy *policy, uint32_t pages, uint32_t guaranteed,
                          uint32_t extra, uint32_t map_limit);

/* The same with guaranteed frames alone, and read-ahead of so many pages at most; others read nothing
 * ahead. */
struct story *story_begin_ahead(const struct sp_policy *policy, uint32_t pages, uint32_t frames,
                                uint32_t read_ahead);

/* The same with nothing read ahead, and so many slots. */
struct story *story_begin_slots(const struct sp_policy *policy, uint32_t pages, uint32_t frames,
                                uint32_t slots);

/* A story under FIFO with one region from page 0, and all its frames, which hold zeros. */
struct story *story_begin_region(enum sp_kind kind, uint32_t pages, uint32_t frames);

/* Take the effects of the last call. */
void story_take_effects(struct story *story);

/* Take them, and forget all that were not looked at. */
void story_forget_effects(struct story *story);

/* All books agree, and all effects have been looked at. */
void story_end(struct story *story);

/* The oldest effect not looked at yet is of this kind and, unless SP_NO_PAGE is given, about this
 * page. */
struct pager_effect story_expect(struct story *story, enum pager_effect_kind kind, sp_page page);
void story_expect_mapping(struct story *story, enum pager_effect_kind kind, sp_page page,
                          uint8_t protection);

enum pager_verdict story_reads(struct story *story, sp_page page);
enum pager_verdict story_writes(struct story *story, sp_page page);

/* Physmem gives `frames` frames in all, holding zeros or not. */
void story_get_frames(struct story *story, uint32_t frames, bool zero);

/* Touch pages from `first`, with frames at hand, and forget all effects. */
void story_touch(struct story *story, sp_page first, uint32_t pages, bool write);

#endif
