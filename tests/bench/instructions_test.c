/* bench/instructions tells a figure that rose by more than 2 % from one that did not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEP "soft_fault"

static char file[] = "/tmp/selfpage-instructions-XXXXXX";

/* Run it for STEP, with `options`; returns the exit status. */
static int run(const char *options)
{
    char command[4096];
    int status;

    snprintf(command, sizeof(command), "%s/bench/instructions --bin %s --only %s --file %s %s%s",
             TEST_SOURCEDIR, TEST_BINDIR, STEP, file, options, " > /dev/null");
    status = system(command);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Change the stored figure of STEP by a factor. */
static void scale(double factor)
{
    char text[4096], name[64];
    double figure;
    FILE *stored = fopen(file, "r");
    size_t length;
    char *at;

    assert_non_null(stored);
    length = fread(text, 1, sizeof(text) - 1, stored);
    fclose(stored);
    text[length] = '\0';
    at = strstr(text, STEP ": ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "%63s %lf", name, &figure), 2);
    snprintf(at, (size_t)(text + sizeof(text) - at), STEP ": %.1f\n", figure * factor);
    stored = fopen(file, "w");
    assert_non_null(stored);
    fputs(text, stored);
    fclose(stored);
}

static void a_rise_of_more_than_two_percent_fails(void **state)
{
    (void)state;
    if (run("--update") == 77)
        skip();
    assert_int_equal(run(""), 0);
    scale(1 / 1.01);
    assert_int_equal(run(""), 0);
    scale(1 / 1.03);
    assert_int_equal(run(""), 1);
    assert_int_equal(run("--update"), 0);
    assert_int_equal(run(""), 0);
}

static void figures_of_another_compiler_are_not_compared(void **state)
{
    FILE *stored = fopen(file, "w");

    (void)state;
    assert_non_null(stored);
    fputs("compiler: another one\nmachine: another one\n" STEP ": 1.0\n", stored);
    fclose(stored);
    assert_int_equal(run(""), 77);
}

/* The programs of a build without SELFPAGE_LTO take more instructions, and are no slower for a change. */
static void figures_of_another_way_to_link_are_not_compared(void **state)
{
    char command[256];

    (void)state;
    if (run("--update") == 77)
        skip();
    assert_int_equal(run(""), 0);
    snprintf(command, sizeof(command), "sed -i 's/^optimised: .*/optimised: another way/' %s",
             file);
    assert_int_equal(system(command), 0);
    assert_int_equal(run(""), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rise_of_more_than_two_percent_fails),
        cmocka_unit_test(figures_of_another_compiler_are_not_compared),
        cmocka_unit_test(figures_of_another_way_to_link_are_not_compared),
    };
    int fd = mkstemp(file), failed;

    if (fd < 0)
        return 2;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    return failed;
}
