/* See outside.h. The state is the strict policy's own, a byte a page, and the inner policy's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "outside.h"

struct strict {
    void *inner;
    uint32_t pages;
    uint32_t frames;
    uint32_t count;
    uint32_t skipped;
    sp_page named; /* by victim, and not removed yet; SP_NO_PAGE */
    struct {
        bool there;
        bool skipped;
    } page[];
};

static const struct sp_policy *inner;

static size_t own_size(uint32_t pages)
{
    size_t size = sizeof(struct strict) + 2 * (size_t)pages;

    return (size + 63) / 64 * 64;
}

static size_t strict_size(const struct sp_policy_config *config)
{
    assert_null(config->env);
    return own_size(config->pages) + inner->size(config);
}

static void strict_init(void *self, const struct sp_policy_config *config)
{
    struct strict *strict = self;
    const unsigned char *bytes = self;
    size_t size = own_size(config->pages);

    assert_int_equal((uintptr_t)self % 64, 0);
    assert_non_null(config->env);
    assert_true(config->frames >= 1);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], 0);
    strict->inner = (unsigned char *)self + size;
    strict->pages = config->pages;
    strict->named = SP_NO_PAGE;
    if (inner->init != NULL)
        inner->init(strict->inner, config);
}

static void strict_insert(void *self, sp_page page, enum sp_access access)
{
    struct strict *strict = self;

    assert_true(page < strict->pages);
    assert_false(strict->page[page].there);
    assert_int_equal(strict->named, SP_NO_PAGE);
    assert_true(access == SP_READ || access == SP_WRITE);
    strict->page[page].there = true;
    strict->count++;
    if (strict->page[page].skipped)
        strict->skipped--;
    strict->page[page].skipped = false;
    inner->insert(strict->inner, page, access);
}

static void strict_hit(void *self, sp_page page, enum sp_access access)
{
    struct strict *strict = self;

    assert_true(page < strict->pages && strict->page[page].there);
    assert_int_equal(strict->named, SP_NO_PAGE);
    if (inner->hit != NULL)
        inner->hit(strict->inner, page, access);
}

static sp_page strict_victim(void *self, sp_page incoming)
{
    struct strict *strict = self;
    sp_page page;

    assert_true(strict->count > 0);
    assert_int_equal(strict->named, SP_NO_PAGE);
    assert_true(incoming == SP_NO_PAGE || !strict->page[incoming].there);
    page = inner->victim(strict->inner, incoming);
    if (page < strict->pages && strict->page[page].there)
        strict->named = page;
    return page;
}

static void strict_remove(void *self, sp_page page, enum sp_removal why)
{
    struct strict *strict = self;

    assert_true(page < strict->pages && strict->page[page].there);
    assert_true(strict->named == SP_NO_PAGE || strict->named == page);
    if (strict->named == page)
        assert_true(why == SP_EVICTED || why == SP_SKIPPED);
    assert_true(why <= SP_SKIPPED);
    strict->named = SP_NO_PAGE;
    strict->page[page].there = false;
    strict->count--;
    if (why == SP_SKIPPED) {
        strict->page[page].skipped = true;
        strict->skipped++;
    }
    inner->remove(strict->inner, page, why);
}

static void strict_resize(void *self, uint32_t frames)
{
    struct strict *strict = self;

    assert_true(frames >= 1);
    strict->frames = frames;
    if (inner->resize != NULL)
        inner->resize(strict->inner, frames);
}

static void strict_hint(void *self, sp_page page, enum sp_hint hint)
{
    struct strict *strict = self;

    assert_true(page < strict->pages && strict->page[page].there);
    if (inner->hint != NULL)
        inner->hint(strict->inner, page, hint);
}

const struct sp_policy *strict_policy(const struct sp_policy *of)
{
    static const struct sp_policy strict = {.abi = SP_POLICY_ABI,
                                            .flags = SP_POLICY_LIVE | SP_POLICY_SAMPLES,
                                            .name = "strict",
                                            .size = strict_size,
                                            .init = strict_init,
                                            .insert = strict_insert,
                                            .hit = strict_hit,
                                            .victim = strict_victim,
                                            .remove = strict_remove,
                                            .resize = strict_resize,
                                            .hint = strict_hint};

    inner = of;
    return &strict;
}

bool strict_policy_has(const void *self, sp_page page)
{
    const struct strict *strict = self;

    return strict->page[page].there;
}

uint32_t strict_policy_count(const void *self)
{
    const struct strict *strict = self;

    return strict->count;
}

void strict_policy_call_ended(const void *self)
{
    const struct strict *strict = self;

    assert_int_equal(strict->skipped, 0);
    assert_int_equal(strict->named, SP_NO_PAGE);
}
