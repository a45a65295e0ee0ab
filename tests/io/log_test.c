/* Log lines: limited by cause, clean, whole. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/log.h"

struct fixture {
    struct log log;
    char text[65536];
};

static void start(struct fixture *fixture)
{
    log_init(&fixture->log, "prog");
    assert_int_equal(fixture->log.fd, STDERR_FILENO);
    fixture->log.fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fixture->log.fd >= 0);
}

static const char *text_of(struct fixture *fixture)
{
    ssize_t size = pread(fixture->log.fd, fixture->text, sizeof(fixture->text) - 1, 0);

    assert_true(size >= 0);
    fixture->text[size] = '\0';
    return fixture->text;
}

static unsigned count(const char *text, const char *needle)
{
    unsigned found = 0;

    while ((text = strstr(text, needle)) != NULL) {
        text += strlen(needle);
        found++;
    }
    return found;
}

static void test_a_line(void **state)
{
    static struct fixture fixture;

    (void)state;
    start(&fixture);
    log_line(&fixture.log, "cause", "number %d\n of\x80 %s", 7, "it");
    assert_string_equal(text_of(&fixture), "prog: number 7? of? it\n");
    close(fixture.log.fd);
}

static void test_a_flood_is_cut(void **state)
{
    static struct fixture fixture;
    int i;

    (void)state;
    start(&fixture);
    for (i = 0; i < 1000; i++)
        log_line(&fixture.log, "flood", "bad %d", i);
    log_line(&fixture.log, "other", "still heard");
    assert_in_range(count(text_of(&fixture), "prog: bad"), LOG_BURST, LOG_BURST + 2);
    assert_int_equal(count(fixture.text, "still heard"), 1);
    /* A second later (in its own view) the next one says how many were left out. */
    fixture.log.causes[0].refill_ns -= LOG_REST_NS;
    log_line(&fixture.log, "flood", "bad again");
    assert_int_equal(count(text_of(&fixture), "lines like this left out) bad again"), 1);
    close(fixture.log.fd);
}

static void test_more_causes_than_places(void **state)
{
    static struct fixture fixture;
    static char names[3 * LOG_CAUSES][8];
    unsigned i;

    (void)state;
    start(&fixture);
    for (i = 0; i < 3 * LOG_CAUSES; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        log_line(&fixture.log, names[i], "cause %u.", i);
    }
    assert_in_range(count(text_of(&fixture), "cause"), LOG_CAUSES, LOG_CAUSES + LOG_BURST);
    close(fixture.log.fd);
}

static void test_a_long_line_is_cut(void **state)
{
    static struct fixture fixture;
    static char text[3000];
    size_t length;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    start(&fixture);
    log_line(&fixture.log, "cause", "%s", text);
    length = strlen(text_of(&fixture));
    assert_in_range(length, 500, 512);
    assert_int_equal(fixture.text[length - 1], '\n');
    assert_int_equal(count(fixture.text, "\n"), 1);
    close(fixture.log.fd);
}

/* Nobody reads: a server that waited for that would serve nobody any more. */
static void test_a_full_pipe_holds_nobody_up(void **state)
{
    char bytes[4096] = {0};
    struct log log;
    int ends[2], flags;

    (void)state;
    log_init(&log, "prog");
    assert_int_equal(pipe(ends), 0);
    flags = fcntl(ends[1], F_GETFL);
    assert_int_equal(fcntl(ends[1], F_SETFL, flags | O_NONBLOCK), 0);
    while (write(ends[1], bytes, sizeof(bytes)) > 0)
        continue;
    assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0); /* other writers want to wait */
    log.fd = ends[1];
    alarm(10);
    log_line(&log, "cause", "lost");
    log_trace(&log, "lost, too");
    alarm(0);
    assert_int_equal(log.causes[0].suppressed, 1);
    while (read(ends[0], bytes, sizeof(bytes)) == sizeof(bytes) && bytes[0] == 0 &&
           fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        continue;
    log_line(&log, "cause", "heard");
    memset(bytes, 0, sizeof(bytes));
    assert_true(read(ends[0], bytes, sizeof(bytes) - 1) > 0);
    assert_string_equal(bytes, "prog: (1 lines like this left out) heard\n");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line),
        cmocka_unit_test(test_a_flood_is_cut),
        cmocka_unit_test(test_more_causes_than_places),
        cmocka_unit_test(test_a_long_line_is_cut),
        cmocka_unit_test(test_a_full_pipe_holds_nobody_up),
    };

    return cmocka_run_group_tests_name("io/log", tests, NULL, NULL);
}
