/* selfpage-grep against grep, over random trees that mean it ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "base/random.h"
#include "stage.h"

#define OUTPUT_MOST (32u << 20)

/* ---- Trees ---- */

static const char *const words[] = {"foo", "bar",      "f",  "o",   "oo",
                                    "-x",  "\xc3\xa9", ".*", "[a]", "\t"};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* A name that is legal, and no more than that. */
static void random_name(struct random_source *random, char *name)
{
    static const char bytes[] = "ab:\n\\ -*'\"\x01\xe9.x";
    unsigned length = 1 + random_below(random, 5);

    for (unsigned i = 0; i < length; i++)
        name[i] = bytes[random_below(random, sizeof(bytes) - 1)];
    snprintf(name + length, 8, "%u", random_below(random, 1000));
}

static void write_line(struct random_source *random, FILE *file)
{
    unsigned count = random_below(random, 5);

    for (unsigned i = 0; i < count; i++)
        fputs(words[random_below(random, WORDS)], file);
}

static void write_many(struct random_source *random, FILE *file, unsigned count)
{
    for (unsigned k = 0; k < count; k++)
        fputc('a' + (int)random_below(random, 5), file);
}

/* A line that is longer than grep's first buffer, or nearly as long. Not in between: then its buffer grows by little, and
 * what is printed of the files after this one depends on where malloc puts it. */
static void write_long_line(struct random_source *random, FILE *file)
{
    write_many(random, file,
               random_below(random, 2) ? random_below(random, 94000)
                                       : 131072 + random_below(random, 200000));
}

/* Lines, then a NUL or a hole somewhere around where a piece of grep's may end. */
static void write_borders(struct random_source *random, FILE *file)
{
    static const unsigned borders[] = {32768, 98304, 131072, 196608, 294912};
    long border = borders[random_below(random, 5)] - 5000 + (long)random_below(random, 10000);

    while (ftell(file) < border) {
        write_line(random, file);
        if (random_below(random, 40) == 0)
            write_long_line(random, file);
        else
            write_many(random, file, random_below(random, 3000));
        fputc('\n', file);
    }
    if (random_below(random, 4) == 0)
        assert_int_equal(fseek(file, (long)random_below(random, 50000), SEEK_CUR), 0);
    else if (random_below(random, 4) != 0)
        fputc('\0', file);
    for (unsigned k = random_below(random, 4); k > 0; k--) {
        write_line(random, file);
        fputc('\n', file);
    }
    if (random_below(random, 8) == 0) /* a hole at its end */
        assert_true(fflush(file) == 0 &&
                    ftruncate(fileno(file), ftell(file) + (long)random_below(random, 9000)) == 0);
}

static void write_contents(struct random_source *random, FILE *file)
{
    unsigned lines = random_below(random, 12);
    unsigned kind = random_below(random, 20);

    if (kind == 0)
        return;
    if (kind == 4) {
        write_borders(random, file);
        return;
    }
    for (unsigned i = 0; i < lines; i++) {
        write_line(random, file);
        if (kind == 1 && random_below(random, 4) == 0)
            fputc('\0', file);
        if (kind == 2 && random_below(random, 3) == 0)
            write_long_line(random, file);
        if (kind == 3)
            fputc('\r', file);
        if (i + 1 < lines || kind > 3)
            fputc('\n', file);
    }
}

static void make_tree(struct random_source *random, const char *directory, unsigned depth);

static void make_file(struct random_source *random, const char *path)
{
    FILE *file = fopen(path, "wx");

    assert_non_null(file);
    write_contents(random, file);
    assert_int_equal(fclose(file), 0);
    if (random_below(random, 8) == 0)
        assert_int_equal(chmod(path, 0), 0);
}

static void make_entry(struct random_source *random, const char *path, unsigned depth)
{
    unsigned kind = random_below(random, 10);

    if (kind == 0)
        assert_int_equal(symlink(random_below(random, 2) ? "." : "absent", path), 0);
    else if (kind == 1)
        assert_int_equal(mknod(path, (random_below(random, 2) ? S_IFIFO : S_IFSOCK) | 0600, 0), 0);
    else if (kind < 4 && depth > 0)
        make_tree(random, path, depth - 1);
    else
        make_file(random, path);
}

static void make_tree(struct random_source *random, const char *directory, unsigned depth)
{
    unsigned count = random_below(random, 6);

    assert_int_equal(mkdir(directory, 0777), 0);
    for (unsigned i = 0; i < count; i++) {
        char name[32], *path;

        random_name(random, name);
        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            make_entry(random, path, depth);
        free(path);
    }
}

/* ---- Both greps ---- */

static void random_pattern(struct random_source *random, char *pattern)
{
    unsigned count = random_below(random, 4);

    pattern[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        strcat(pattern, words[random_below(random, WORDS)]);
        if (random_below(random, 5) == 0)
            strcat(pattern, "\n");
    }
}

static size_t slurp(const char *path, char *bytes)
{
    FILE *file = fopen(path, "r");
    size_t size;

    assert_non_null(file);
    size = fread(bytes, 1, OUTPUT_MOST, file);
    assert_true(size < OUTPUT_MOST);
    fclose(file);
    return size;
}

/* Print where two outputs differ. */
static void show_difference(const char *reference, const char *output)
{
    static char text[4000];
    char command[1100];

    snprintf(command, sizeof(command), "diff -a %.500s %.500s | cut -c1-200 | head -20", reference,
             output);
    stage_shell(text, sizeof(text), command);
    print_error("%s\n", text);
}

/* What grep prints, to a file; its exit status. */
static int run_grep(const struct stage *stage, const char *pattern, const char *path,
                    const char *output)
{
    char *raw, *sorted;
    int status = 0, sort;
    pid_t child;

    assert_true(asprintf(&raw, "%s.raw", output) > 0);
    assert_true(asprintf(&sorted, "LC_ALL=C sort '%s' > '%s'", raw, output) > 0);
    child = fork();
    if (child == 0) {
        int out = open(raw, O_WRONLY | O_CREAT | O_TRUNC, 0600), null = open("/dev/null", O_RDWR);

        if (chdir(stage->root) != 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 || dup2(null, 0) < 0 ||
            setenv("LC_ALL", "C", 1) != 0)
            _exit(99);
        execlp("grep", "grep", "-rnF", "--", pattern, path, NULL);
        _exit(99);
    }
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    sort = system(sorted);
    assert_int_equal(sort, 0);
    free(raw);
    free(sorted);
    return WEXITSTATUS(status);
}

static void compare(const struct stage *stage, unsigned seed, const char *pattern, const char *path,
                    const char *processes)
{
    static char wanted[OUTPUT_MOST], got[OUTPUT_MOST];
    char reference[512], output[512];
    const char *argv[] = {"selfpage-grep", "--processes", processes, "--output", output, "--",
                          pattern,         path,          NULL};
    struct sp_testing_result result;
    struct sp_error error;
    size_t size;
    int status;

    snprintf(reference, sizeof(reference), "%s/reference", sp_testing_directory(stage->fixture));
    snprintf(output, sizeof(output), "%s/found", sp_testing_directory(stage->fixture));
    status = run_grep(stage, pattern, path, reference);
    if (sp_testing_run_program(stage->fixture, "guaranteed=24", NULL, argv, &result, &error) != 0)
        fail_msg("%s", error.text);
    size = slurp(reference, wanted);
    if (result.exit_status != status || slurp(output, got) != size ||
        memcmp(got, wanted, size) != 0) {
        show_difference(reference, output);
        fail_msg("tree %u, pattern '%s', path '%s': grep's exit status is %d, this one's %d; "
                 "%s",
                 seed, pattern, path, status, result.exit_status, result.output);
    }
}

static void test_grep_prints_what_grep_prints(void **state)
{
    static const char *const processes[] = {"1", "2", "5"};
    const struct stage *stage = *state;
    const char *more = getenv("SELFPAGE_GREP_TREES");
    unsigned trees = more != NULL ? (unsigned)atoi(more) : RUNNING_ON_VALGRIND ? 2 : 40;

    for (unsigned seed = 1; seed <= trees; seed++) {
        struct random_source random = random_seeded(seed);
        char tree[512], path[64], pattern[100];

        snprintf(path, sizeof(path), "t%u%s", seed, random_below(&random, 4) == 0 ? "/" : "");
        snprintf(tree, sizeof(tree), "%s/t%u", stage->root, seed);
        make_tree(&random, tree, 2);
        random_pattern(&random, pattern);
        compare(stage, seed, pattern, path, processes[random_below(&random, 3)]);
    }
}

static void test_what_is_named_may_be_anything(void **state)
{
    static const char *const paths[] = {".",       "d/link",  "d/e",  "d/e/",   "./d",
                                        "nothing", "large",   "d//e", "absent", "empty/",
                                        "x",       "d/e/y z", "d//",  "d/.//",  ".///"};
    const struct stage *stage = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        compare(stage, 0, "foo", paths[i], "2");
}

#define LONG 160000u

/* Two files, with a line for which grep's buffer grows, and a NUL behind it. In the first one that it looks at, the NUL is in
 * a later piece than the first line, which is printed; in the second one it is not. So it is with several processes, too. */
static void test_a_long_line_changes_how_the_files_behind_it_are_read(void **state)
{
    static char bytes[LONG + 8];
    const struct stage *stage = *state;

    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes, "foo\n", 4);
    memcpy(bytes + LONG, "\nfoo\0foo", 8);
    stage_write_file(stage, "d/e/one", bytes, sizeof(bytes));
    compare(stage, 0, "foo", "d/e", "1");
    stage_write_file(stage, "d/e/two", bytes, sizeof(bytes));
    compare(stage, 0, "foo", "d/e", "1");
    compare(stage, 0, "foo", "d/e", "2");
}

#define HUGE_MOST (10u << 20)

/* Lines that are as long as files are: one that ends with what is looked for, one without it, and a short one. */
static void test_a_line_of_ten_mebibytes_is_a_line(void **state)
{
    static char bytes[2 * HUGE_MOST + 8];
    const struct stage *stage = *state;
    const size_t length = RUNNING_ON_VALGRIND ? HUGE_MOST / 8 : HUGE_MOST;

    memset(bytes, 'a', sizeof(bytes));
    memcpy(bytes + length - 4, "foo\n", 4);
    memcpy(bytes + 2 * length, "\nfoo", 4);
    stage_write_file(stage, "d/e/one", bytes, 2 * length + 4);
    stage_write_file(stage, "d/e/two", bytes, 2 * length);
    compare(stage, 0, "foo", "d/e", "1");
    compare(stage, 0, "foo", "d/e", "2");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, stage_setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_grep_prints_what_grep_prints),
        TEST(test_what_is_named_may_be_anything),
        TEST(test_a_long_line_changes_how_the_files_behind_it_are_read),
        TEST(test_a_line_of_ten_mebibytes_is_a_line),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver_grep", tests, NULL, NULL);
}
