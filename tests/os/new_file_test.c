/* A file has its name only once it is complete. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/new_file.h"

struct place {
    char directory[64];
    char path[128];
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    assert_non_null(place);
    snprintf(place->directory, sizeof(place->directory), "/tmp/selfpage-new-file-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->path, sizeof(place->path), "%s/file", place->directory);
    *state = place;
    return 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;

    unlink(place->path);
    assert_int_equal(rmdir(place->directory), 0); /* nothing else was left */
    free(place);
    return 0;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect(const char *path, const char *text)
{
    char found[100] = "";
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof(found) - 1, file), strlen(text));
    fclose(file);
    assert_string_equal(found, text);
}

static void what_was_there_stays_until_the_file_is_complete(void **state)
{
    const struct place *place = *state;
    struct new_file file;
    struct sp_error error;
    struct stat info;

    put(place->path, "old");
    assert_int_equal(chmod(place->path, 0640), 0);
    assert_int_equal(new_file_open(&file, place->path, &error), 0);
    assert_int_equal(write(file.fd, "new", 3), 3);
    expect(place->path, "old");
    assert_int_equal(new_file_finish(&file, &error), 0);
    expect(place->path, "new");
    new_file_fini(&file);
    assert_int_equal(stat(place->path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
}

static void a_file_that_is_given_up_leaves_nothing(void **state)
{
    const struct place *place = *state;
    struct new_file file;
    struct sp_error error;

    assert_int_equal(new_file_open(&file, place->path, &error), 0);
    assert_int_equal(write(file.fd, "new", 3), 3);
    new_file_fini(&file);
    assert_int_equal(access(place->path, F_OK), -1);
    put(place->path, "old");
    assert_int_equal(new_file_open(&file, place->path, &error), 0);
    new_file_fini(&file);
    expect(place->path, "old");
}

/* A link is followed from where it lies, not from where the program runs; also if it leads nowhere yet. */
static void a_link_leads_on_from_its_own_directory(void **state)
{
    const struct place *place = *state;
    char first[160], second[160];
    struct new_file file;
    struct sp_error error;

    snprintf(first, sizeof(first), "%s/first", place->directory);
    snprintf(second, sizeof(second), "%s/second", place->directory);
    assert_int_equal(symlink("second", first), 0);
    assert_int_equal(symlink("file", second), 0);
    assert_int_equal(new_file_open(&file, first, &error), 0);
    assert_int_equal(write(file.fd, "new", 3), 3);
    assert_int_equal(new_file_finish(&file, &error), 0);
    new_file_fini(&file);
    expect(place->path, "new");
    unlink(place->path);
    unlink(second);
    assert_int_equal(symlink("first", second), 0);
    assert_int_equal(new_file_open(&file, first, &error), -ELOOP);
    unlink(first);
    unlink(second);
    assert_int_equal(new_file_open(&file, "", &error), -ENOENT);
    assert_int_equal(new_file_open(&file, "/tmp/selfpage-missing/", &error), -EISDIR);
}

static void what_is_no_regular_file_is_written_to_as_it_is(void **state)
{
    const struct place *place = *state;
    struct new_file file;
    struct sp_error error;
    struct stat info;

    assert_int_equal(new_file_open(&file, "/dev/null", &error), 0);
    assert_int_equal(write(file.fd, "new", 3), 3);
    assert_int_equal(new_file_finish(&file, &error), 0);
    new_file_fini(&file);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(new_file_open(&file, place->directory, &error), -EISDIR);
    new_file_fini(&file);
    assert_int_equal(new_file_open(&file, "/missing/file", &error), -ENOENT);
    assert_non_null(strstr(error.text, "cannot write /missing/file"));
    new_file_fini(&file);
}

static void one_file_is_known_by_any_path(void **state)
{
    const struct place *place = *state;
    char other[200], link_path[200];
    int fd;

    put(place->path, "text");
    snprintf(other, sizeof(other), "%s/./file", place->directory);
    snprintf(link_path, sizeof(link_path), "%s/link", place->directory);
    assert_int_equal(link(place->path, link_path), 0);
    fd = open(place->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(new_file_is(other, fd) && new_file_is(link_path, fd));
    assert_true(new_file_is_input(other, link_path));
    assert_true(new_file_same(fd, fd));
    assert_false(new_file_is("/dev/null", fd));
    assert_false(new_file_is_input("/dev/null", "/dev/null")); /* nothing is lost there */
    close(fd);
    unlink(link_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_there_stays_until_the_file_is_complete, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_file_that_is_given_up_leaves_nothing, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(a_link_leads_on_from_its_own_directory, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_written_to_as_it_is, make_place,
                                        remove_place),
        cmocka_unit_test_setup_teardown(one_file_is_known_by_any_path, make_place, remove_place),
    };

    return cmocka_run_group_tests_name("os/new_file", tests, NULL, NULL);
}
