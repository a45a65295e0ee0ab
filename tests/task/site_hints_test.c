/* Files of hints: what a line may say, which site it is about, and the files that code is mapped from. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scratch.h"
#include "task/effects/site_hints.h"
#include "task/effects/site_objects.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct scratch scratch;

static int setup(void **state)
{
    (void)state;
    scratch_init(&scratch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(scratch_path(&scratch, "hints"));
    scratch_fini(&scratch);
    return 0;
}

/* Read a file with this text. */
static int read_text(struct site_hints **hintsp, const char *text, struct sp_error *error)
{
    const char *path = scratch_path(&scratch, "hints");
    FILE *file = fopen(path, "w");

    *hintsp = NULL;
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return site_hints_read(hintsp, path, error);
}

/* What the hints of a text say about an instruction at this offset of a file. */
static struct fault_site ask(const char *text, const char *path, uint64_t offset)
{
    struct fault_object object = {.first = 0x10000, .end = 0x30000, .offset = 0x1000};
    struct fault_site site = {.code = 0x10000 + offset - 0x1000};
    struct site_hints *hints;
    struct sp_error error;
    unsigned char there;
    void *memory;

    errno = EIO; /* what was before is of no interest */
    if (read_text(&hints, text, &error) != 0)
        fail_msg("'%s': %s", text, error.text);
    snprintf(object.path, sizeof(object.path), "%s", path);
    site_hints_apply(hints, &object, &site);
    memory = hints;
    site_hints_free(&hints);
    assert_null(hints);
    /* Valgrind objects to msync of what is not there. */
    assert_true(mincore(memory, 1, &there) == -1 && errno == ENOMEM);
    return site;
}

static void expect(const char *text, const char *path, uint64_t offset, uint32_t pages,
                   int32_t stride)
{
    struct fault_site site = ask(text, path, offset);

    if (site.hint_pages != pages || site.hint_stride != stride)
        fail_msg("'%s': %u pages, stride %d", text, site.hint_pages, site.hint_stride);
}

static void a_line_is_read_as_it_may_be_written(void **state)
{
    static const struct {
        const char *text;
        uint32_t pages;
        int32_t stride;
    } lines[] = {
        {"ahead 1 1 a+0x1234\n", 1, 1},
        {"ahead 64 -1073741824 a+0x1234\n", 64, -1073741824},
        {"ahead 64 1073741824 a+1234\n", 64, 1073741824},
        {"ahead 7 3 a+0x1234", 7, 3}, /* the file ends with it */
        {" \tahead  7 \t3  a+0x1234 \t\r\n", 7, 3},
        {"# a comment\n\n \t \n#ahead 1 1 a+0x1234\nahead 7 3 a+0x1234\n# ahead 2 2 a+1234\n", 7,
         3},
        {"", 0, 0},
        {"ahead 7 3 a+0x1235\n", 0, 0},
        {"ahead 7 3 a+0x234\n", 0, 0},
        {"ahead 7 3 b+0x1234\n", 0, 0},
        {"ahead 7 3 dir+0x1234\n", 0, 0},
        {"ahead 7 3 a+0x1234\nahead 8 4 a+0x1234\nahead 9 5 b+0x1234\n", 8, 4}, /* the last holds */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        expect(lines[i].text, "/some/dir/a", 0x1234, lines[i].pages, lines[i].stride);
        expect(lines[i].text, "a", 0x1234, lines[i].pages, lines[i].stride);
    }
    expect("ahead 7 3 c++filt+0x1234\n", "/usr/bin/c++filt", 0x1234, 7, 3);
    expect("ahead 7 3 +a+0x1234\n", "/usr/bin/+a", 0x1234, 7, 3);
    /* The first and the last byte of the object. */
    expect("ahead 7 3 a+0x1000\n", "/a", 0x1000, 7, 3);
    expect("ahead 7 3 a+0x20fff\n", "/a", 0x20fff, 7, 3);
}

static void what_is_no_hint_is_refused_with_its_line(void **state)
{
    static const char *const lines[] = {
        "ahead",
        "ahead 1",
        "ahead 1 1",
        "ahead 1 1 ",
        "ahead 0 1 a+1",
        "ahead -1 1 a+1",
        "ahead 65 1 a+1",
        "ahead 1 0 a+1",
        "ahead 1 1073741825 a+1",
        "ahead 1 -1073741825 a+1",
        "ahead 1 1 a",
        "ahead 1 1 +1",
        "ahead 1 1 a+",
        "ahead 1 1 a+0xg",
        "ahead 1 1 a+1 b",
        "ahead 1 1 a+0x11111111111111111",
        "ahead 1 1 d/a+1",
        "behind 1 1 a+1",
        "1 1 a+1",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        char text[200];
        struct site_hints *hints;
        struct sp_error error;

        snprintf(text, sizeof(text), "# first\nahead 1 1 a+1\n%s\n", lines[i]);
        if (read_text(&hints, text, &error) != -EINVAL ||
            strstr(error.text, ", line 3: it should be") == NULL)
            fail_msg("'%s': %s", lines[i], error.text);
        site_hints_free(&hints);
    }
}

/* A line with a name of so many bytes, and what precedes it. */
static int read_long(const char *before, size_t length, const char *end, struct sp_error *error)
{
    char text[2000], name[1000];
    struct site_hints *hints;
    int result;

    memset(name, 'n', length);
    name[length] = '\0';
    snprintf(text, sizeof(text), "%s%s+1%s", before, name, end);
    result = read_text(&hints, text, error);
    site_hints_free(&hints);
    return result;
}

static void a_line_that_is_too_long_is_none(void **state)
{
    char before[600] = "ahead 1 1 ";
    size_t blanks = strlen(before);
    struct sp_error error;

    (void)state;
    assert_int_equal(read_long(before, FAULT_TABLE_PATH - 1, "\n", &error), 0);
    assert_int_equal(read_long(before, FAULT_TABLE_PATH, "\n", &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 1: it should be"));
    memset(before + blanks, ' ', sizeof(before) - blanks - 1);
    before[507] = '\0'; /* with n, +, 1 and the end of the line there are 511 bytes */
    assert_int_equal(read_long(before, 1, "", &error), 0);
    assert_int_equal(read_long(before, 1, "\n", &error), 0);
    before[507] = ' ';
    before[508] = '\0';
    assert_int_equal(read_long(before, 1, "\n", &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 1 is too long"));
}

static void there_may_be_256_hints(void **state)
{
    char text[256 * 32 + 100] = "";
    size_t length = 0;
    struct site_hints *hints;
    struct sp_error error;

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "ahead %u 1 a+0x%x\n",
                                   i % 64 + 1, 0x1000 + i);
    expect(text, "/a", 0x1000, 1, 1);
    expect(text, "/a", 0x1000 + 255, 64, 1);
    snprintf(text + length, sizeof(text) - length, "# and one more\nahead 1 1 b+1\n");
    assert_int_equal(read_text(&hints, text, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 256 hints"));
    site_hints_free(&hints);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct site_hints *hints = NULL;
    struct sp_error error;
    unsigned fds = count_fds();

    (void)state;
    assert_int_equal(site_hints_read(&hints, "/missing/hints", &error), -ENOENT);
    assert_non_null(strstr(error.text, "SELFPAGE_HINTS: cannot read /missing/hints"));
    assert_null(hints);
    assert_int_equal(site_hints_read(&hints, scratch.directory, &error), -EISDIR);
    assert_non_null(strstr(error.text, "SELFPAGE_HINTS: cannot read /"));
    site_hints_free(&hints);
    assert_int_equal(count_fds(), fds);
}

/* ---- Objects ---- */

/* The object of a function, and the place of it in its file. */
static void expect_object(const struct fault_table *table, void *function, const char *name)
{
    const struct fault_object *object = fault_table_object_at(table, (uintptr_t)function);
    unsigned char mapped[16], stored[16];
    FILE *file;

    assert_non_null(object);
    if (strstr(object->path, name) == NULL)
        fail_msg("%s in %s", name, object->path);
    memcpy(mapped, function, sizeof(mapped));
    file = fopen(object->path, "r");
    assert_non_null(file);
    assert_int_equal(
        fseek(file, (long)((uintptr_t)function - object->first + object->offset), SEEK_SET), 0);
    assert_int_equal(fread(stored, sizeof(stored), 1, file), 1);
    fclose(file);
    assert_memory_equal(mapped, stored, sizeof(mapped));
}

static void code_is_found_in_the_file_that_it_was_mapped_from(void **state)
{
    struct fault_table *table = calloc(1, sizeof(*table));
    unsigned fds = count_fds();
    uint32_t objects;
    static int data = 1;

    (void)state;
    assert_non_null(table);
    fault_table_begin(table, "task", 4096);
    site_objects_look(table);
    assert_int_equal(count_fds(), fds);
    assert_null(fault_table_check(table, sizeof(*table)));
    expect_object(table, (void *)(uintptr_t)site_objects_look, "site_hints");
    expect_object(table, dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), "libc");
    expect_object(table, dlsym(RTLD_DEFAULT, "_cmocka_run_group_tests"), "cmocka");
    /* Neither data nor stacks nor anything without a file. */
    assert_null(fault_table_object_at(table, (uintptr_t)&data));
    assert_null(fault_table_object_at(table, (uintptr_t)&objects));
    for (uint32_t i = 0; i < table->objects; i++)
        assert_true(table->object[i].path[0] == '/' &&
                    table->object[i].first < table->object[i].end);
    objects = table->objects;
    site_objects_look(table);
    assert_int_equal(table->objects, objects);
    free(table);
}

/* Lines that lie in two reads are lines, too; and any descriptor will do. */
static void code_is_found_behind_many_other_mappings(void **state)
{
    enum { MAPPINGS = 600 };
    struct fault_table *table = calloc(1, sizeof(*table));
    char *memory = mmap(NULL, MAPPINGS * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int input = dup(0);
    unsigned fds;

    (void)state;
    assert_true(table != NULL && memory != MAP_FAILED);
    for (size_t i = 0; i < MAPPINGS; i += 2)
        assert_int_equal(mprotect(memory + i * 4096, 4096, PROT_READ), 0);
    close(0);
    fds = count_fds();
    fault_table_begin(table, "task", 4096);
    site_objects_look(table);
    assert_int_equal(count_fds(), fds);
    if (input >= 0) {
        dup2(input, 0);
        close(input);
    }
    munmap(memory, MAPPINGS * 4096);
    assert_null(fault_table_check(table, sizeof(*table)));
    expect_object(table, (void *)(uintptr_t)site_objects_look, "site_hints");
    expect_object(table, dlsym(RTLD_DEFAULT, "gnu_get_libc_version"), "libc");
    expect_object(table, dlsym(RTLD_DEFAULT, "_cmocka_run_group_tests"), "cmocka");
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_as_it_may_be_written),
        cmocka_unit_test(what_is_no_hint_is_refused_with_its_line),
        cmocka_unit_test(a_line_that_is_too_long_is_none),
        cmocka_unit_test(there_may_be_256_hints),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
        cmocka_unit_test(code_is_found_in_the_file_that_it_was_mapped_from),
        cmocka_unit_test(code_is_found_behind_many_other_mappings),
    };

    return cmocka_run_group_tests_name("task_site_hints", tests, setup, teardown);
}
