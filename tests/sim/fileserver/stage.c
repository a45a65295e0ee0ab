#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "awaiting.h"
#include "live.h"
#include "wire_client.h"

/* Times that physmem is asked for something that must come about soon. */
#define LOOKS 100000u

/* ---- A server with some files ---- */

void stage_write_file(const struct stage *stage, const char *name, const void *bytes, size_t size)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", stage->root, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void stage_write_text(const struct stage *stage, const char *name, const char *text)
{
    stage_write_file(stage, name, text, strlen(text));
}

static void make_directory(const struct stage *stage, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", stage->root, name);
    assert_int_equal(mkdir(path, 0777), 0);
}

static void make_link(const struct stage *stage, const char *to, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", stage->root, name);
    assert_int_equal(symlink(to, path), 0);
}

/* The byte of the large file at a place. */
char stage_byte(size_t offset)
{
    return offset % 64 == 63 ? '\n' : (char)('a' + (offset / PAGE * 7 + offset) % 26);
}

static void make_files(const struct stage *stage)
{
    static char large[PAGES * 4096 - 100];
    static char late[200000];

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = stage_byte(i);
    memset(late, '\n', sizeof(late));
    memcpy(late + 10, "foo", 3);
    memcpy(late + 98304 + 10, "foo", 3);
    late[150000] = '\0';
    make_directory(stage, "d");
    make_directory(stage, "d/e");
    make_directory(stage, "empty");
    stage_write_file(stage, "large", large, sizeof(large));
    stage_write_file(stage, "d/late", late, sizeof(late));
    stage_write_file(stage, "d/binary", "x\0foo\nfoo\n", 10);
    stage_write_text(stage, "x", "a\nfoo bar\n\nfoo");
    stage_write_text(stage, "d/e/y z", "zfoo\nZ\xc3\xa9 foo\n");
    stage_write_text(stage, "d/e/\xc3\xa9", "one foo two\nthree\n");
    stage_write_text(stage, "nothing", "");
    make_link(stage, "../x", "d/link");
    make_link(stage, "/etc", "out");
}

/* Whether somebody listens there. */
static bool is_listening(const struct stage *stage)
{
    struct wire_client client;
    bool listening =
        wire_client_open(&client, stage->socket, WIRE_ROLE_TASK, 0, 0, "probe", NULL) == 0;

    if (listening)
        wire_client_close(&client);
    return listening;
}

static void start_server(struct stage *stage, const char *contract, const char *cache,
                         const char *option)
{
    const char *argv[] = {
        "selfpage-fileserver", "--socket", stage->socket, "--root", stage->root, "--cache", cache,
        "--verbose",           option,     NULL};
    struct sp_error error;

    if (sp_testing_begin_program(stage->fixture, "files", contract, NULL, argv, &stage->server,
                                 &error) != 0)
        fail_msg("%s", error.text);
    AWAIT(stage->server, is_listening(stage));
}

int stage_setup_with(void **state, const char *option)
{
    const struct sp_testing_options options = {.physmem_frames = 1024, .swap_slots = 1024};
    static struct stage stage;
    struct sp_error error;

    memset(&stage, 0, sizeof(stage));
    if (sp_testing_start(&stage.fixture, &options, &error) != 0) {
        print_error("%s\n", error.text);
        return -1;
    }
    snprintf(stage.root, sizeof(stage.root), "%s/root", sp_testing_directory(stage.fixture));
    snprintf(stage.socket, sizeof(stage.socket), "%s/files", sp_testing_directory(stage.fixture));
    if (mkdir(stage.root, 0777) != 0 || setenv("SELFPAGE_FILES", stage.socket, 1) != 0)
        return -1;
    make_files(&stage);
    start_server(&stage, "extra=256,min=16,drop=60s", "256", option);
    *state = &stage;
    return 0;
}

int stage_setup(void **state)
{
    return stage_setup_with(state, NULL);
}

/* The server ends well, and every frame is back. */
int stage_teardown(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_physmem status = {.frames = 1};
    struct sp_testing_result result;

    if (stage->over)
        return sp_testing_stop(&stage->fixture, NULL) != 0 ? -1 : 0;
    kill(sp_testing_task_pid(stage->server), SIGTERM);
    sp_testing_wait(&stage->server, &result);
    if (stage->killed && result.signal == SIGKILL)
        result.exit_status = 0;
    if (result.exit_status != 0)
        print_error("the file server ended with %d: %s\n", result.exit_status, result.output);
    /* Physmem may not have noticed yet that the task is gone. */
    for (unsigned i = 0; i < LOOKS && status.free != status.frames; i++)
        if (sp_testing_physmem_status(stage->fixture, &status, NULL) != 0)
            return -1;
    if (status.free != status.frames || status.breaches != 0) {
        print_error("%u of %u frames are free, %u breaches\n", status.free, status.frames,
                    (unsigned)status.breaches);
        result.exit_status = 1;
    }
    return sp_testing_stop(&stage->fixture, NULL) != 0 || result.exit_status != 0 ? -1 : 0;
}

struct sp_testing_task *stage_begin(const struct stage *stage, const char *name,
                                    int (*function)(void *), void *arg)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin(stage->fixture, name, "guaranteed=24", NULL, function, arg, &task,
                         &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

void stage_expect_success(struct sp_testing_task *task)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("ended with %d: %s", result.exit_status, result.output);
}

struct sp_files *stage_connect(struct sp_task *task)
{
    struct sp_error error = {0};
    struct sp_files *files;

    if (sp_files_connect(task, NULL, &files, &error) != 0) {
        fprintf(stderr, "connect: %s\n", error.text);
        exit(1);
    }
    return files;
}

/* What a shell prints. */
void stage_shell(char *output, size_t room, const char *command)
{
    FILE *pipe = popen(command, "r");
    size_t size;

    assert_non_null(pipe);
    size = fread(output, 1, room - 1, pipe);
    output[size] = '\0';
    assert_true(pclose(pipe) >= 0);
}
