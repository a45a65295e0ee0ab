/* Private directories, and the removal of trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch/directory.h"
#include "launch/tree.h"

/* A directory for one test. */
struct place {
    char path[PATH_MAX];
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    const char *parent = getenv("TMPDIR");

    if (place == NULL)
        return -1;
    snprintf(place->path, sizeof place->path, "%s/sp-dir-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(place->path) == NULL)
        return -1;
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    int result = tree_remove(AT_FDCWD, place->path);

    free(place);
    return result;
}

static const char *join(char *buffer, const char *directory, const char *name)
{
    snprintf(buffer, PATH_MAX, "%.3000s/%.200s", directory, name);
    return buffer;
}

static void make_file(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int fd = open(join(path, directory, name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static void a_tree_is_removed_and_links_are_not_followed(void **state)
{
    const struct place *place = *state;
    char tree[PATH_MAX], path[PATH_MAX], link[PATH_MAX];

    make_file(place->path, "outside");
    assert_int_equal(mkdir(join(tree, place->path, "tree"), 0700), 0);
    for (int i = 0; i < 300; i++) { /* more than one buffer of getdents */
        char name[80];

        snprintf(name, sizeof name, "a-rather-long-name-for-a-file-%d", i);
        make_file(tree, name);
    }
    snprintf(path, sizeof path, "%.4000s/sub", tree);
    assert_int_equal(mkdir(path, 0700), 0);
    make_file(path, ".hidden");
    assert_int_equal(symlink("../..", join(link, path, "up")), 0);
    assert_int_equal(symlink("../outside", join(link, tree, "file")), 0);
    assert_int_equal(tree_remove(AT_FDCWD, tree), 0);
    assert_int_equal(access(tree, F_OK), -1);
    assert_int_equal(access(join(path, place->path, "outside"), F_OK), 0);
    assert_int_equal(tree_remove(AT_FDCWD, tree), 0);
}

/* What is nested too deep stays, and is said; what lies beside it goes. */
static void a_tree_that_is_too_deep_is_an_error(void **state)
{
    const struct place *place = *state;
    char tree[PATH_MAX], path[PATH_MAX];
    size_t length, half = 0;

    assert_int_equal(mkdir(join(tree, place->path, "tree"), 0700), 0);
    snprintf(path, sizeof path, "%s", tree);
    length = strlen(path);
    for (int i = 0; i < 40; i++) {
        length += (size_t)snprintf(path + length, sizeof path - length, "/%d", i);
        assert_int_equal(mkdir(path, 0700), 0);
        if (i == 20)
            half = length;
    }
    make_file(tree, "beside");
    assert_int_equal(tree_remove(AT_FDCWD, tree), -ELOOP);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access(join(path, tree, "beside"), F_OK), -1);
    snprintf(path, sizeof path, "%s", tree);
    length = strlen(path);
    for (int i = 0; i <= 20; i++)
        length += (size_t)snprintf(path + length, sizeof path - length, "/%d", i);
    assert_int_equal(length, half);
    assert_int_equal(tree_remove(AT_FDCWD, path), 0); /* from half way down it is not */
    assert_int_equal(tree_remove(AT_FDCWD, tree), 0);
}

static void a_directory_is_new_private_and_gone_at_the_end(void **state)
{
    const struct place *place = *state;
    struct directory one, two;
    struct sp_error error;
    struct stat status;

    setenv("XDG_RUNTIME_DIR", place->path, 1);
    assert_int_equal(directory_make(&one, NULL, &error), 0);
    assert_int_equal(directory_make(&two, NULL, &error), 0);
    assert_string_not_equal(one.path, two.path);
    assert_memory_equal(one.path, place->path, strlen(place->path));
    assert_memory_equal(one.physmem, one.path, strlen(one.path));
    assert_int_equal(stat(one.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    make_file(one.path, "anything");
    assert_int_equal(directory_remove(&one), 0);
    assert_int_equal(directory_remove(&two), 0);
    assert_int_equal(access(one.path, F_OK), -1);
    directory_fini(&one);
    directory_fini(&two);
}

static void an_unusable_place_is_passed_over(void **state)
{
    const struct place *place = *state;
    struct directory directory;
    struct sp_error error;
    const char *before = getenv("TMPDIR");
    char *saved = before != NULL ? strdup(before) : NULL;

    setenv("XDG_RUNTIME_DIR", "/nonexistent/runtime", 1);
    setenv("TMPDIR", place->path, 1);
    assert_int_equal(directory_make(&directory, NULL, &error), 0);
    assert_memory_equal(directory.path, place->path, strlen(place->path));
    directory_remove(&directory);
    directory_fini(&directory);
    if (saved != NULL)
        setenv("TMPDIR", saved, 1);
    else
        unsetenv("TMPDIR");
    free(saved);
}

static void a_name_too_long_for_a_socket_is_passed_over_or_refused(void **state)
{
    const struct place *place = *state;
    struct directory directory;
    struct sp_error error;
    char path[PATH_MAX], name[120];

    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mkdir(join(path, place->path, name), 0700), 0);
    setenv("XDG_RUNTIME_DIR", path, 1);
    assert_int_equal(directory_make(&directory, NULL, &error), 0); /* TMPDIR, or /tmp */
    assert_null(strstr(directory.path, name));
    assert_int_equal(directory_remove(&directory), 0);
    directory_fini(&directory);
    assert_int_equal(directory_make(&directory, path, &error), -ENAMETOOLONG);
    assert_non_null(strstr(error.text, "107"));
    assert_non_null(strstr(error.text, "a shorter name"));
}

static void a_chosen_directory_is_kept_and_not_shared(void **state)
{
    const struct place *place = *state;
    struct directory one, two;
    struct sp_error error;
    char chosen[PATH_MAX], path[PATH_MAX];

    join(chosen, place->path, "mine");
    assert_int_equal(directory_make(&one, chosen, &error), 0);
    assert_int_equal(directory_make(&two, chosen, &error), -EBUSY);
    assert_non_null(strstr(error.text, "another run"));
    make_file(one.path, DIRECTORY_PHYSMEM);
    make_file(one.path, DIRECTORY_SWAP_FILE);
    make_file(one.path, "result");
    one.keep_swap = true;
    assert_int_equal(directory_remove(&one), 0);
    assert_int_equal(access(one.physmem, F_OK), -1);
    assert_int_equal(access(one.swap_file, F_OK), 0);
    assert_int_equal(access(join(path, one.path, "result"), F_OK), 0);
    one.keep_swap = false;
    directory_remove(&one);
    assert_int_equal(access(one.swap_file, F_OK), -1);
    directory_fini(&one);
    assert_int_equal(directory_make(&two, chosen, &error), 0);
    directory_fini(&two);
}

static void a_chosen_directory_that_cannot_be_made_is_named(void **state)
{
    struct directory directory;
    struct sp_error error;

    (void)state;
    assert_int_equal(directory_make(&directory, "/nonexistent/there", &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/there"));
    assert_int_equal(directory_make(&directory, "/dev/null", &error), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_is_removed_and_links_are_not_followed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_tree_that_is_too_deep_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_is_new_private_and_gone_at_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_unusable_place_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_too_long_for_a_socket_is_passed_over_or_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_chosen_directory_is_kept_and_not_shared, setup, teardown),
        cmocka_unit_test(a_chosen_directory_that_cannot_be_made_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
