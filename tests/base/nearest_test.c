/* The known word that a mistyped one is nearest to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/nearest.h"

static const char *nearest_of(const char *word)
{
    static const char *const known[] = {"frames", "reserve", "policy", "policies", "at"};
    struct nearest search = NEAREST_START(word);

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        nearest_offer(&search, known[i]);
    return search.best;
}

static void a_word_with_few_mistakes_is_recognised(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("frames"), "frames");
    assert_string_equal(nearest_of("frame"), "frames");
    assert_string_equal(nearest_of("farmes"), "frames"); /* swapped letters are one mistake */
    assert_string_equal(nearest_of("rezerve"), "reserve");
    assert_string_equal(nearest_of("polici"), "policy");
    assert_string_equal(nearest_of("policie"), "policies");
}

static void another_word_is_near_to_none(void **state)
{
    (void)state;
    assert_null(nearest_of("swap"));
    assert_null(nearest_of("ta")); /* one mistake in two letters is too much */
    assert_null(nearest_of(""));
    assert_null(
        nearest_of("frames_frames_frames_frames_frames_frames_frames_frames_frames_frames"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_with_few_mistakes_is_recognised),
        cmocka_unit_test(another_word_is_near_to_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
