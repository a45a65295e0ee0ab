/* The greeting, and what is wrong with its answer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "client/hello.h"

static void test_a_hello_says_who_connects(void **state)
{
    const struct hello hello = {WIRE_ROLE_CONTROL, 7, 9, "a\tname that is longer than the field"};
    unsigned char bytes[WIRE_MESSAGE_MAX];
    struct wire_message message;

    (void)state;
    hello_fill(&message, &hello);
    assert_int_equal(message.type, WIRE_HELLO);
    assert_int_equal(message.hello.version, WIRE_VERSION);
    assert_int_equal(message.hello.role, WIRE_ROLE_CONTROL);
    assert_int_equal(message.hello.id, 7);
    assert_true(message.hello.key == 9);
    assert_string_equal(message.hello.name, "a?name that is longer than the ");
    assert_true(wire_encode(&message, bytes, sizeof(bytes)) > 0);
}

static void check(const struct wire_message *answer, int code, const char *text)
{
    struct sp_error error = {0};

    assert_int_equal(hello_check(answer, "physmem", &error), code);
    assert_int_equal(hello_check(answer, "physmem", NULL), code);
    if (code != 0 && strstr(error.text, text) == NULL)
        fail_msg("'%s' does not say '%s'", error.text, text);
}

static void test_only_a_welcome_of_this_version_is_good(void **state)
{
    struct wire_message answer = {.type = WIRE_WELCOME};

    (void)state;
    answer.welcome.version = WIRE_VERSION;
    check(&answer, 0, NULL);
    answer.welcome.version = WIRE_VERSION + 1;
    check(&answer, -EPROTO, "physmem speaks version");
    answer =
        (struct wire_message){.type = WIRE_DONE, .error = EBUSY, .done.text = "the task has one"};
    check(&answer, -EBUSY, "physmem refuses the connection: the task has one");
    answer.done.text[0] = '\0';
    check(&answer, -EBUSY, strerror(EBUSY));
    answer.error = EPROTO;
    check(&answer, -EPROTO, "install both from one release");
    answer = (struct wire_message){.type = WIRE_NOTICE};
    check(&answer, -EPROTO, "answers HELLO with NOTICE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hello_says_who_connects),
        cmocka_unit_test(test_only_a_welcome_of_this_version_is_good),
    };

    return cmocka_run_group_tests_name("client/hello", tests, NULL, NULL);
}
