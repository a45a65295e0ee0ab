/* No path leads out of a directory, whoever walks it: the kernel, or this project's own walk, which
 * must come to the same answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "beneath.h"
#include "walk.h"

/* outside/secret, outside/root/... : what is served is outside/root. */
struct place {
    char outside[64];
    int root;
    int out;
};

static void make_file(int at, const char *name)
{
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, strlen(name)), (ssize_t)strlen(name));
    close(fd);
}

static int setup(void **state)
{
    static struct place place;
    const char *directory = getenv("TMPDIR");

    snprintf(place.outside, sizeof(place.outside), "%s/beneath.XXXXXX",
             directory != NULL && strlen(directory) < 40 ? directory : "/tmp");
    assert_non_null(mkdtemp(place.outside));
    place.out = open(place.outside, O_PATH | O_DIRECTORY);
    assert_true(place.out >= 0);
    assert_int_equal(mkdirat(place.out, "root", 0700), 0);
    place.root = openat(place.out, "root", O_PATH | O_DIRECTORY);
    assert_true(place.root >= 0);
    make_file(place.out, "secret");
    make_file(place.root, "a");
    assert_int_equal(mkdirat(place.root, "d", 0700), 0);
    assert_int_equal(mkdirat(place.root, "d/e", 0700), 0);
    make_file(place.root, "d/b");
    make_file(place.root, "d/e/c");
    assert_int_equal(symlinkat("../a", place.root, "d/up"), 0);
    assert_int_equal(symlinkat("d/e", place.root, "down"), 0);
    assert_int_equal(symlinkat("../secret", place.root, "out"), 0);
    assert_int_equal(symlinkat("../../secret", place.root, "d/out"), 0);
    assert_int_equal(symlinkat("/etc/passwd", place.root, "away"), 0);
    assert_int_equal(symlinkat("loop", place.root, "loop"), 0);
    assert_int_equal(symlinkat("absent", place.root, "dangling"), 0);
    assert_int_equal(symlinkat("..", place.root, "d/parent"), 0);
    *state = &place;
    return 0;
}

static int teardown(void **state)
{
    const struct place *place = *state;
    char command[128];

    close(place->root);
    close(place->out);
    snprintf(command, sizeof(command), "rm -rf '%s'", place->outside);
    return system(command);
}

/* What an attempt came to: the file, or the error. */
static uint64_t outcome(int fd)
{
    struct stat info;

    if (fd < 0)
        return (uint64_t)(int64_t)fd;
    assert_int_equal(fstat(fd, &info), 0);
    close(fd);
    return info.st_ino;
}

static void no_path_leads_out_of_a_walk(void **state)
{
    static const struct {
        const char *path;
        int error; /* 0: it is opened */
    } cases[] = {
        {"a", 0},
        {"", 0},
        {".", 0},
        {"d/../a", 0},
        {"d/up", 0},
        {"down/c", 0},
        {"d/e/../../a", 0},
        {"d/parent/a", 0},
        {"..", EXDEV},
        {"../root/a", EXDEV},
        {"d/../../root/a", EXDEV},
        {"/", EXDEV},
        {"out", EXDEV},
        {"d/out", EXDEV},
        {"away", EXDEV},
        {"loop", ELOOP},
        {"dangling", ENOENT},
        {"a/..", ENOTDIR},
        {"absent", ENOENT},
        {"d/parent/../a", EXDEV},
        {"a/", ENOTDIR},
        {"d//./e///c", 0},
    };
    const struct place *place = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = walk_open(place->root, cases[i].path, O_RDONLY, 0);

        if (fd >= 0 ? cases[i].error != 0 : -fd != cases[i].error)
            fail_msg("\"%s\": %d, not %d", cases[i].path, fd, -cases[i].error);
        if (fd >= 0)
            close(fd);
    }
}

static void a_new_file_is_made_inside_or_not_at_all(void **state)
{
    const struct place *place = *state;
    const int make = O_RDWR | O_CREAT;
    int fd = walk_open(place->root, "d/new", make | O_EXCL, 0600);

    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(faccessat(place->root, "d/new", R_OK, 0), 0);
    assert_int_equal(walk_open(place->root, "d/new", make | O_EXCL, 0600), -EEXIST);
    assert_int_equal(walk_open(place->root, "dangling", make | O_EXCL, 0600), -EEXIST);
    fd = walk_open(place->root, "dangling", make, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlinkat(place->root, "absent", 0), 0);
    assert_int_equal(unlinkat(place->root, "d/new", 0), 0);
    assert_int_equal(walk_open(place->root, "out", make, 0600), -EXDEV);
    assert_int_equal(walk_open(place->root, "../new", make, 0600), -EXDEV);
    assert_int_equal(walk_open(place->root, "d", make, 0600), -EISDIR);
    assert_int_equal(walk_open(place->root, "d/e/..", make, 0600), -EISDIR);
    assert_int_equal(faccessat(place->out, "new", F_OK, 0), -1);
}

static void a_walk_comes_where_the_kernel_comes(void **state)
{
    static const char *const parts[] = {"a",    "b",   "c",      "d",   "e",        "up",
                                        "down", "out", "away",   "..",  "dangling", "absent",
                                        ".",    "",    "parent", "loop"};
    static const int flags[] = {O_RDONLY, O_RDWR, O_RDONLY | O_DIRECTORY};
    const struct place *place = *state;
    struct random_source random = random_seeded(9);
    unsigned opened = 0;

    for (unsigned round = 0; round < (RUNNING_ON_VALGRIND ? 500u : 20000u); round++) {
        char path[200] = "";
        unsigned count = 1 + random_below(&random, 4);
        int flag = flags[random_below(&random, 3)];
        uint64_t kernel, walk;

        for (unsigned i = 0; i < count; i++) {
            strcat(path, parts[random_below(&random, sizeof(parts) / sizeof(parts[0]))]);
            if (i + 1 < count || random_below(&random, 8) == 0)
                strcat(path, "/");
        }
        kernel = outcome(beneath_open(place->root, path, flag, 0));
        walk = outcome(walk_open(place->root, path, flag, 0));
        if (kernel != walk)
            fail_msg("\"%s\": the kernel comes to %lld, the walk to %lld", path, (long long)kernel,
                     (long long)walk);
        opened += (int64_t)kernel >= 0;
    }
    assert_true(opened > (RUNNING_ON_VALGRIND ? 20 : 1000)); /* not only errors were compared */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_path_leads_out_of_a_walk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_new_file_is_made_inside_or_not_at_all, setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_comes_where_the_kernel_comes, setup, teardown),
    };

    return cmocka_run_group_tests_name("sim/fileserver/beneath", tests, NULL, NULL);
}
