/* Random operations on five address spaces: after each, the model and the mapping database agree about
 * every page, and the books hold. SELFPAGE_STEPS says how many; ten million take a quarter of a minute. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "heap.h"
#include "model.h"
#include "scale.h"

#define PAGE(page) ((uint64_t)(page)*SP_L4_PAGE)

static struct random_source source;

static unsigned below(unsigned limit)
{
    return (unsigned)random_below(&source, limit);
}

/* A random region within the pages of a model, now and then everything there is. */
static sp_fpage any_fpage(void)
{
    uint64_t size = UINT64_C(1) << below(5);
    sp_fpage fpage = SP_FPAGE_NIL;

    assert_int_equal(sp_fpage_make(PAGE(below(MODEL_PAGES / (unsigned)size) * size), PAGE(size),
                                   below(4) > 0 ? SP_L4_RIGHTS : below(8), &fpage),
                     0);
    return fpage;
}

static void assert_same(const struct sp_l4 *l4, struct model *model, int space, int page)
{
    const struct model_page *right = &model->page[space][page];
    struct sp_l4_mapping mapping;
    int result = sp_l4_lookup(l4, (uint32_t)space, PAGE(page), &mapping);

    assert_int_equal(result == 0, right->mapped);
    if (!right->mapped)
        return;
    assert_int_equal(mapping.frame, right->frame);
    assert_int_equal(mapping.rights, right->rights);
    if (right->parent_space >= 0) {
        assert_int_equal(mapping.parent, right->parent_space);
        assert_int_equal(mapping.parent_address, PAGE(right->parent_page));
    }
}

static void step(struct sp_l4 *l4, struct model *model)
{
    int space = (int)below(MODEL_SPACES);

    switch (below(4)) {
    case 0:
    case 1: {
        struct sp_l4_item item = {any_fpage(), PAGE(below(MODEL_PAGES)), below(4) == 0};
        int to = 1 + (int)below(MODEL_SPACES - 1);
        sp_fpage window = any_fpage();
        uint32_t mapped;

        item.grant = item.grant && space != 0;
        assert_int_equal(sp_l4_map(l4, (uint32_t)space, (uint32_t)to, &item, window, &mapped), 0);
        assert_int_equal(mapped, model_map(model, space, to, &item, window));
        break;
    }
    case 2: {
        sp_fpage fpage = any_fpage();
        bool flush = below(2) == 0;
        unsigned right = model_unmap(model, space, fpage, flush);

        assert_int_equal(sp_l4_unmap(l4, (uint32_t)space, &fpage, 1, flush), 0);
        assert_int_equal(sp_fpage_rights(fpage), right);
        break;
    }
    default: {
        int page = (int)below(MODEL_PAGES);
        unsigned rights = 1 + below(SP_L4_RIGHTS);

        assert_int_equal(sp_l4_access(l4, (uint32_t)space, PAGE(page), rights),
                         model_access(model, space, page, rights));
    }
    }
}

static void model_and_database_agree(void **state)
{
    struct sp_l4_options options = {.memory = &heap, .frames = MODEL_FRAMES};
    const char *wanted = getenv("SELFPAGE_STEPS");
    unsigned long steps = wanted != NULL ? strtoul(wanted, NULL, 10) : 200000;
    struct model model;
    struct sp_l4 *l4;
    uint32_t space;

    (void)state;
    source = random_seeded(scale_seed(1));
    model_init(&model);
    assert_int_equal(sp_l4_create(&l4, &options), 0);
    for (int s = 1; s < MODEL_SPACES; s++) {
        assert_int_equal(sp_l4_space_create(l4, &space), 0);
        assert_int_equal(space, s);
    }
    for (unsigned long i = 0; i < steps; i++) {
        step(l4, &model);
        for (int s = 0; s < MODEL_SPACES; s++)
            for (int p = 0; p < MODEL_PAGES; p++)
                assert_same(l4, &model, s, p);
        if (i % 64 == 0)
            assert_null(sp_l4_check(l4));
    }
    sp_l4_destroy(&l4);
    assert_int_equal(heap_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(model_and_database_agree)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
