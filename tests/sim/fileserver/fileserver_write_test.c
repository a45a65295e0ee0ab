/* Files that tasks write through a file server. */
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
#include "live.h"
#include "stage.h"

#define MAKE (SP_FILE_WRITE | SP_FILE_CREATE)
#define MOST 300000u

static int setup_read_only(void **state)
{
    return stage_setup_with(state, "--read-only");
}

/* What the file of this name holds on the disk. */
static size_t on_disk(const struct stage *stage, const char *name, char *bytes, size_t room)
{
    char path[512];
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "%s/%s", stage->root, name);
    file = fopen(path, "r");
    CHECK(file != NULL);
    size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

/* Random writes, reads and truncations, each against the same done to plain memory. */
static int write_at_random(void *arg)
{
    static char plain[MOST], bytes[MOST], read_back[MOST + 1];
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct random_source random = random_seeded(5);
    struct sp_file_info info;
    size_t size = 0;

    CHECK(sp_file_open_as(files, "d/new", MAKE | SP_FILE_EXCLUSIVE, &info, NULL) == 0);
    CHECK(info.form == SP_FILE_REGULAR && info.size == 0);
    for (unsigned step = 0; step < (RUNNING_ON_VALGRIND ? 40u : 400u); step++) {
        size_t offset = random_below(&random, random_below(&random, 2) ? 70000 : MOST);
        size_t count = random_below(&random, 3) == 0 ? 65536 : random_below(&random, 20000);

        if (random_below(&random, 3) == 0)
            offset -= offset % 65536;
        if (count > MOST - offset)
            count = MOST - offset;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (char)random_below(&random, 256);
        CHECK(sp_file_write(files, info.file, offset, bytes, count, NULL) == (int64_t)count);
        memcpy(plain + offset, bytes, count);
        if (count > 0 && offset + count > size)
            size = offset + count;
        if (random_below(&random, 40) == 0) {
            CHECK(sp_file_close(files, info.file, NULL) == 0);
            CHECK(sp_file_open_as(files, "d/new", SP_FILE_WRITE | SP_FILE_TRUNCATE, &info, NULL) ==
                  0);
            memset(plain, 0, sizeof(plain));
            size = 0;
        }
        if (step % 4 == 0) {
            CHECK(sp_file_read(files, info.file, 0, read_back, sizeof(read_back), NULL) ==
                  (int64_t)size);
            CHECK(memcmp(read_back, plain, size) == 0);
        }
    }
    CHECK(sp_file_sync(files, info.file, NULL) == 0);
    CHECK(on_disk(arg, "d/new", read_back, sizeof(read_back)) == size);
    CHECK(memcmp(read_back, plain, size) == 0);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_what_is_written_is_read_and_is_in_the_file(void **state)
{
    stage_expect_success(stage_begin(*state, "writer", write_at_random, *state));
}

static int open_for_writing(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;
    char byte = 'x';

    (void)arg;
    CHECK(sp_file_open_as(files, "x", 0, &info, NULL) == 0);
    CHECK(sp_file_write(files, info.file, 0, &byte, 1, NULL) == -EBADF);
    CHECK(sp_file_open_as(files, "x", MAKE | SP_FILE_EXCLUSIVE, &info, NULL) == -EEXIST);
    CHECK(sp_file_open_as(files, "d", MAKE, &info, NULL) == -EISDIR);
    CHECK(sp_file_open_as(files, "absent", SP_FILE_WRITE, &info, NULL) == -ENOENT);
    CHECK(sp_file_open_as(files, "absent/x", MAKE, &info, NULL) == -ENOENT);
    CHECK(sp_file_open_as(files, "out/x", MAKE, &info, NULL) == -EXDEV);
    CHECK(sp_file_open_as(files, "../x", MAKE, &info, NULL) == -EXDEV);
    CHECK(sp_file_open_as(files, "/tmp/x", MAKE, &info, NULL) == -EXDEV);
    CHECK(sp_file_open_as(files, "x", SP_FILE_CREATE, &info, NULL) == -EINVAL);
    CHECK(sp_file_open_as(files, "x", SP_FILE_WRITE | SP_FILE_EXCLUSIVE, &info, NULL) == -EINVAL);
    CHECK(sp_file_open_as(files, "x", 16, &info, NULL) == -EINVAL);
    CHECK(sp_file_open_as(files, "d/link", SP_FILE_WRITE, &info, NULL) == 0);
    CHECK(sp_file_write(files, info.file, UINT64_C(1) << 44, &byte, 1, NULL) == -EFBIG);
    CHECK(sp_file_write(files, 7, 0, &byte, 1, NULL) == -EBADF);
    CHECK(sp_file_sync(files, 7, NULL) == -EBADF);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_only_files_below_the_root_are_written(void **state)
{
    stage_expect_success(stage_begin(*state, "opener", open_for_writing, NULL));
}

static int write_to_what_may_not_be(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;
    char byte = 'x';

    (void)arg;
    CHECK(sp_file_open_as(files, "x", SP_FILE_WRITE, &info, NULL) == -EROFS);
    CHECK(sp_file_open_as(files, "new", MAKE, &info, NULL) == -EROFS);
    CHECK(sp_file_open(files, "x", &info, NULL) == 0);
    CHECK(sp_file_write(files, info.file, 0, &byte, 1, NULL) == -EBADF);
    CHECK(sp_file_sync(files, info.file, NULL) == 0);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_server_that_is_read_only_writes_nothing(void **state)
{
    const struct stage *stage = *state;
    char path[300];

    stage_expect_success(stage_begin(stage, "writer", write_to_what_may_not_be, NULL));
    snprintf(path, sizeof(path), "%s/new", stage->root);
    assert_int_equal(access(path, F_OK), -1);
}

#define ROUNDS 60u

/* Each byte of the file is the number of the round that wrote it, and two writers never mix in one
 * write of 64 KiB. */
static int write_in_turns(void *arg)
{
    static char bytes[65536];
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;

    CHECK(sp_file_open_as(files, "shared", MAKE, &info, NULL) == 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(bytes, *(const char *)arg + (int)(round % 20), sizeof(bytes));
        CHECK(sp_file_write(files, info.file, 0, bytes, sizeof(bytes), NULL) == sizeof(bytes));
        CHECK(sp_file_read(files, info.file, 0, bytes, sizeof(bytes), NULL) == sizeof(bytes));
        for (size_t i = 1; i < sizeof(bytes); i++)
            CHECK(bytes[i] == bytes[0]);
    }
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_write_of_a_chunk_comes_whole(void **state)
{
    static char of_one = 'A', of_other = 'a';
    struct sp_testing_task *one = stage_begin(*state, "one", write_in_turns, &of_one);
    struct sp_testing_task *other = stage_begin(*state, "other", write_in_turns, &of_other);

    stage_expect_success(one);
    stage_expect_success(other);
}

/* Where the kernel sees the first hole of "sparse" from `offset` on. */
static int64_t hole_on_disk(const struct stage *stage, uint64_t offset)
{
    char path[512];
    int64_t hole;
    int fd;

    snprintf(path, sizeof(path), "%s/sparse", stage->root);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    hole = lseek(fd, (off_t)offset, SEEK_HOLE);
    close(fd);
    return hole;
}

static int look_for_holes(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = stage_connect(task);
    struct sp_file_info info;

    CHECK(sp_file_open_as(files, "sparse", MAKE, &info, NULL) == 0);
    CHECK(sp_file_write(files, info.file, 0, "first", 5, NULL) == 5);
    CHECK(sp_file_write(files, info.file, 1u << 20, "last", 4, NULL) == 4);
    for (uint64_t offset = 0; offset <= 1u << 20; offset += 1u << 18)
        CHECK(sp_file_seek_hole(files, info.file, offset, NULL) == hole_on_disk(arg, offset));
    CHECK(sp_file_seek_hole(files, info.file, (1u << 20) + 4, NULL) == -ENXIO);
    CHECK(sp_file_seek_hole(files, info.file, UINT64_MAX, NULL) == -EFBIG);
    CHECK(sp_file_seek_hole(files, 7, 0, NULL) == -EBADF);
    CHECK(sp_file_open(files, "d", &info, NULL) == 0);
    CHECK(sp_file_seek_hole(files, info.file, 0, NULL) == -EISDIR);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_holes_are_where_the_file_has_them(void **state)
{
    stage_expect_success(stage_begin(*state, "task", look_for_holes, *state));
}

#define TEST(function, setup) cmocka_unit_test_setup_teardown(function, setup, stage_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_written_is_read_and_is_in_the_file, stage_setup),
        TEST(test_only_files_below_the_root_are_written, stage_setup),
        TEST(test_a_server_that_is_read_only_writes_nothing, setup_read_only),
        TEST(test_a_write_of_a_chunk_comes_whole, stage_setup),
        TEST(test_holes_are_where_the_file_has_them, stage_setup),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver_write", tests, NULL, NULL);
}
