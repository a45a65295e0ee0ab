/* Finding programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch/program.h"

static void an_explicit_directory_is_the_only_one(void **state)
{
    struct sp_error error;
    char path[PATH_MAX];

    (void)state;
    setenv("SELFPAGE_BINDIR", "/bin", 1);
    assert_int_equal(program_find("/bin", "sh", path, sizeof path, &error), 0);
    assert_string_equal(path, "/bin/sh");
    assert_int_equal(program_find("/etc", "sh", path, sizeof path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "sh: no such program in /etc"));
}

static void the_environment_comes_next(void **state)
{
    struct sp_error error;
    char path[PATH_MAX];

    (void)state;
    setenv("SELFPAGE_BINDIR", "/bin", 1);
    assert_int_equal(program_find(NULL, "sh", path, sizeof path, &error), 0);
    assert_string_equal(path, "/bin/sh");
    assert_int_equal(program_find(NULL, "no-such-program", path, sizeof path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/bin (SELFPAGE_BINDIR)"));
}

static void then_the_directory_of_the_running_program(void **state)
{
    struct sp_error error;
    char path[PATH_MAX];

    (void)state;
    unsetenv("SELFPAGE_BINDIR");
    assert_int_equal(program_find(NULL, "test_launch_program", path, sizeof path, &error), 0);
    assert_non_null(strstr(path, "/tests/test_launch_program"));
    assert_int_equal(program_find(NULL, "no-such-program", path, sizeof path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/tests"));
    assert_non_null(strstr(error.text, "set SELFPAGE_BINDIR"));
}

/* The programs are where the shell finds `selfpage`, whatever another Selfpage has where this one was configured to go. Of directories without a full
 * path nothing is taken: they would be others in each directory. */
static void then_the_directories_of_path(void **state)
{
    struct sp_error error;
    char path[PATH_MAX];

    (void)state;
    unsetenv("SELFPAGE_BINDIR");
    setenv("PATH", "/nowhere:.:/etc::/bin:/usr/bin", 1);
    assert_int_equal(program_find(NULL, "sh", path, sizeof path, &error), 0);
    assert_string_equal(path, "/bin/sh");
    setenv("PATH", "bin:.:", 1);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(program_find(NULL, "sh", path, sizeof path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "PATH, " LAUNCH_BINDIR)); /* places in their order */
    unsetenv("PATH");
    assert_int_equal(program_find(NULL, "sh", path, sizeof path, &error), -ENOENT);
}

static void what_cannot_be_executed_is_no_program(void **state)
{
    struct sp_error error;
    char path[PATH_MAX];

    (void)state;
    assert_int_equal(program_find("/etc", "passwd", path, sizeof path, &error), -ENOENT);
    assert_int_equal(program_find("/", "etc", path, sizeof path, &error), -ENOENT);
    assert_int_equal(program_find("/bin", "sh", path, 6, &error), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_explicit_directory_is_the_only_one),
        cmocka_unit_test(the_environment_comes_next),
        cmocka_unit_test(then_the_directory_of_the_running_program),
        cmocka_unit_test(then_the_directories_of_path),
        cmocka_unit_test(what_cannot_be_executed_is_no_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
