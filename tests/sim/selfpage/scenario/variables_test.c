/* ${NAME}. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "selfpage/scenario/variables.h"

static void names_are_replaced(void **state)
{
    static const struct {
        const char *text, *expanded;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"${A}", "one"},
        {"x${A}${B}y", "xone${A}y"}, /* what a value holds is not expanded again */
        {"${EMPTY}", ""},
        {"$A $$ $${A} 5$", "$A $ ${A} 5$"},
    };
    struct strings variables = {0};

    (void)state;
    assert_int_equal(variables_define(&variables, "A=zero", NULL), 0);
    assert_int_equal(variables_define(&variables, "A=one", NULL), 0);
    assert_int_equal(variables_define(&variables, "B=${A}", NULL), 0);
    assert_int_equal(variables_define(&variables, "EMPTY=", NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *expanded = variables_expand(&variables, cases[i].text, NULL);

        assert_non_null(expanded);
        assert_string_equal(expanded, cases[i].expanded);
        free(expanded);
    }
    strings_fini(&variables);
}

static void mistakes_are_named(void **state)
{
    struct strings variables = {0};
    struct sp_error error;

    (void)state;
    assert_null(variables_expand(&variables, "a ${NONE} b", &error));
    assert_non_null(strstr(error.text, "${NONE} is not defined"));
    assert_null(variables_expand(&variables, "a ${NONE", &error));
    assert_non_null(strstr(error.text, "} is missing"));
    assert_int_equal(variables_define(&variables, "novalue", &error), -EINVAL);
    assert_int_equal(variables_define(&variables, "=x", &error), -EINVAL);
    assert_int_equal(variables_define(&variables, "a b=x", &error), -EINVAL);
    assert_non_null(strstr(error.text, "\"a b=x\""));
    strings_fini(&variables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_replaced),
        cmocka_unit_test(mistakes_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
