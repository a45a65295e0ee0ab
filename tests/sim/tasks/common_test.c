/* What the example tasks share: numbers in options, files, and Zipf's distribution. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <valgrind/valgrind.h>

#include "common.h"

/* ---- Options ---- */

/* The exit status of a child that parses this number. */
static int status_of_count(const char *text, uint64_t least, uint64_t most)
{
    int status, null;
    pid_t child = fork();

    if (child == 0) {
        null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        option_count("number", text, least, most);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_option_count(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1x",
                                      "1kk",
                                      "1.",
                                      "k",
                                      "2k",
                                      "9",
                                      "2000",
                                      "99999999999999999999",
                                      "18014398509481984k",
                                      "0x10"};

    (void)state;
    assert_int_equal(option_count("n", "10", 10, 1024), 10);
    assert_int_equal(option_count("n", "1k", 10, 1024), 1024);
    assert_int_equal(option_count("n", "3M", 0, UINT64_MAX), 3 << 20);
    assert_int_equal(option_count("n", "1G", 0, UINT64_MAX), 1 << 30);
    assert_int_equal(option_count("n", "18446744073709551615", 0, UINT64_MAX), UINT64_MAX);
    assert_true(option_real("r", "0.25", 0, 1) == 0.25);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (status_of_count(bad[i], 10, 1024) != EXIT_CANNOT)
            fail_msg("'%s' is accepted", bad[i]);
}

/* ---- Files ---- */

static int entries(const char *directory)
{
    DIR *dir = opendir(directory);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count - 2;
}

/* A directory for what a test writes. */
static void make_directory(char *directory, size_t size)
{
    const char *parent = getenv("TMPDIR");

    snprintf(directory, size, "%s/selfpage-output-XXXXXX", parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(directory));
}

static void test_output(void **state)
{
    char directory[4096], path[5000], back[8];
    enum { SIZE = 200000 };
    unsigned char *bytes = malloc(SIZE), *read_back = malloc(SIZE);
    struct output output;
    size_t size;
    int fd;

    (void)state;
    assert_non_null(bytes);
    assert_non_null(read_back);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 7 / 3);
    make_directory(directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/file", directory);

    output_open(&output, path);
    output_write(&output, bytes, 1);
    output_write(&output, bytes + 1, 70000);
    output_write(&output, bytes + 70001, SIZE - 70001);
    assert_int_not_equal(access(path, F_OK), 0);
    output_close(&output);
    assert_int_equal(entries(directory), 1);
    fd = file_open(path, &size);
    assert_int_equal(size, SIZE);
    assert_int_equal(file_read(fd, path, read_back, SIZE, 0), SIZE);
    assert_memory_equal(bytes, read_back, SIZE);
    assert_int_equal(file_read(fd, path, back, sizeof(back), SIZE - 3), 3);
    close(fd);

    output_open(&output, path); /* replaces it */
    output_close(&output);
    fd = file_open(path, &size);
    assert_int_equal(size, 0);
    close(fd);
    assert_int_equal(entries(directory), 1);
    unlink(path);
    rmdir(directory);
    free(bytes);
    free(read_back);
}

/* A pipe stays a pipe (as root, /dev/null would be a file from then on), and a link a link. */
static void test_output_to_what_is_no_file(void **state)
{
    char directory[4096], path[5000], back[8];
    struct output output;
    struct stat info;
    int reader;

    (void)state;
    make_directory(directory, sizeof(directory));
    snprintf(path, sizeof(path), "%s/pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    output_open(&output, path);
    output_write(&output, "ab", 2);
    output_close(&output);
    assert_int_equal(read(reader, back, sizeof(back)), 2);
    close(reader);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    unlink(path);

    snprintf(path, sizeof(path), "%s/file", directory);
    output_open(&output, path);
    output_close(&output);
    snprintf(path, sizeof(path), "%s/link", directory);
    assert_int_equal(symlink("file", path), 0);
    output_open(&output, path);
    output_write(&output, "abc", 3);
    output_close(&output);
    assert_int_equal(lstat(path, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 3);
    assert_int_equal(entries(directory), 2);
    unlink(path);
    snprintf(path, sizeof(path), "%s/file", directory);
    unlink(path);
    rmdir(directory);
}

/* ---- Choices ---- */

/* Chi-square of drawn ranks against the exact probabilities, and its critical value at 0.001 by
 * Wilson and Hilferty's approximation. Seeds are fixed, so this passes always or never. */
static void check_zipf(uint32_t count, double exponent)
{
    uint32_t draws = RUNNING_ON_VALGRIND ? 20000 : 200000;
    uint32_t *drawn = calloc(count, sizeof(*drawn));
    struct generator generator = {count};
    double total = 0, chi_square = 0, expected = 0, observed = 0, cells = 0, df, critical;
    struct zipf zipf;

    assert_non_null(drawn);
    zipf_init(&zipf, count, exponent);
    for (uint32_t i = 0; i < draws; i++) {
        uint32_t rank = zipf_rank(&zipf, &generator);

        assert_true(rank < count);
        drawn[rank]++;
    }
    for (uint32_t i = 0; i < count; i++)
        total += pow(i + 1, -exponent);
    for (uint32_t i = 0; i < count; i++) { /* rare ranks share a cell of at least 20 expected */
        expected += draws * pow(i + 1, -exponent) / total;
        observed += drawn[i];
        if (expected >= 20 || i == count - 1) {
            chi_square += (observed - expected) * (observed - expected) / fmax(expected, 5);
            cells++;
            expected = observed = 0;
        }
    }
    df = fmax(cells - 1, 1);
    critical = df * pow(1 - 2 / (9 * df) + 3.09 * sqrt(2 / (9 * df)), 3);
    if (chi_square > critical)
        fail_msg("%u items, exponent %g: chi-square %g > %g", count, exponent, chi_square,
                 critical);
    free(drawn);
}

static void test_zipf(void **state)
{
    (void)state;
    check_zipf(1, 1);
    check_zipf(2, 0.9);
    check_zipf(10, 0);
    check_zipf(1000, 0);
    check_zipf(1000, 0.5);
    check_zipf(1000, 0.99999999);
    check_zipf(1000, 1);
    check_zipf(5000, 0.9);
    check_zipf(1000, 2.5);
    check_zipf(1000000, 1.2);
}

static void test_zipf_items_are_scattered(void **state)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 8, 10, 997, 1000, 1024, 55555};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        bool *seen = calloc(counts[c], sizeof(*seen));
        struct zipf zipf;

        assert_non_null(seen);
        zipf_init(&zipf, counts[c], 1);
        for (uint32_t rank = 0; rank < counts[c]; rank++) {
            uint32_t item = (uint32_t)((uint64_t)rank * zipf.stride % counts[c]);

            assert_false(seen[item]);
            seen[item] = true;
        }
        free(seen);
    }
}

static void test_generator(void **state)
{
    struct generator generator = {0};

    (void)state;
    /* The first numbers of SplitMix64 with seed 0, as published with the algorithm. */
    assert_true(generator_bits(&generator) == UINT64_C(0xe220a8397b1dcdaf));
    assert_true(generator_bits(&generator) == UINT64_C(0x6e789e6aa1b965f4));
    assert_true(generator_bits(&generator) == UINT64_C(0x06c45d188009454f));
    for (int i = 0; i < 10000; i++) {
        double unit = generator_unit(&generator);

        assert_true(unit >= 0 && unit < 1);
        assert_true(generator_below(&generator, 7) < 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_option_count),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_to_what_is_no_file),
        cmocka_unit_test(test_generator),
        cmocka_unit_test(test_zipf),
        cmocka_unit_test(test_zipf_items_are_scattered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
