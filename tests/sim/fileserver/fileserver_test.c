/* A real file server, its clients, and clients that mean it ill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <selfpage/file.h>
#include <selfpage/testing.h>

#include "awaiting.h"
#include "live.h"
#include "wire_client.h"

#define PAGE  ((size_t)SP_PAGE_SIZE)
#define PAGES 40u /* of the large file */

/* Times that physmem is asked for something that must come about soon. */
#define LOOKS 100000u

struct stage {
    struct sp_testing *fixture;
    struct sp_testing_task *server;
    char root[256];
    char socket[256];
};

/* ---- A server with some files ---- */

static void write_file(const struct stage *stage, const char *name, const void *bytes, size_t size)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", stage->root, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const struct stage *stage, const char *name, const char *text)
{
    write_file(stage, name, text, strlen(text));
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
static char byte_of(size_t offset)
{
    return offset % 64 == 63 ? '\n' : (char)('a' + (offset / PAGE * 7 + offset) % 26);
}

static void make_files(const struct stage *stage)
{
    static char large[PAGES * 4096 - 100];
    static char late[200000];

    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = byte_of(i);
    memset(late, '\n', sizeof(late));
    memcpy(late + 10, "foo", 3);
    memcpy(late + 98304 + 10, "foo", 3);
    late[150000] = '\0';
    make_directory(stage, "d");
    make_directory(stage, "d/e");
    make_directory(stage, "empty");
    write_file(stage, "large", large, sizeof(large));
    write_file(stage, "d/late", late, sizeof(late));
    write_file(stage, "d/binary", "x\0foo\nfoo\n", 10);
    write_text(stage, "x", "a\nfoo bar\n\nfoo");
    write_text(stage, "d/e/y z", "zfoo\nZ\xc3\xa9 foo\n");
    write_text(stage, "d/e/\xc3\xa9", "one foo two\nthree\n");
    write_text(stage, "nothing", "");
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

static void start_server(struct stage *stage, const char *contract, const char *cache)
{
    const char *argv[] = {
        "selfpage-fileserver", "--socket", stage->socket, "--root", stage->root, "--cache", cache,
        "--verbose",           NULL};
    struct sp_error error;

    if (sp_testing_begin_program(stage->fixture, "files", contract, NULL, argv, &stage->server,
                                 &error) != 0)
        fail_msg("%s", error.text);
    AWAIT(stage->server, is_listening(stage));
}

static int setup_with(void **state, uint32_t frames)
{
    const struct sp_testing_options options = {.physmem_frames = frames,
                                               .swap_slots = SP_TESTING_NO_SWAP};
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
    start_server(&stage, "extra=256,min=16,drop=60s", "256");
    *state = &stage;
    return 0;
}

static int setup(void **state)
{
    return setup_with(state, 1024);
}

/* The server ends well, and every frame is back. */
static int teardown(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_physmem status = {.frames = 1};
    struct sp_testing_result result;

    kill(sp_testing_task_pid(stage->server), SIGTERM);
    sp_testing_wait(&stage->server, &result);
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

static struct sp_testing_task *begin(const struct stage *stage, const char *name,
                                     int (*function)(void *), void *arg)
{
    struct sp_testing_task *task;
    struct sp_error error;

    if (sp_testing_begin(stage->fixture, name, "guaranteed=24", NULL, function, arg, &task,
                         &error) != 0)
        fail_msg("%s", error.text);
    return task;
}

static void expect_success(struct sp_testing_task *task)
{
    struct sp_testing_result result;

    sp_testing_wait(&task, &result);
    if (result.exit_status != 0)
        fail_msg("ended with %d: %s", result.exit_status, result.output);
}

static struct sp_files *connect_or_exit(struct sp_task *task)
{
    struct sp_error error = {0};
    struct sp_files *files;

    if (sp_files_connect(task, NULL, &files, &error) != 0) {
        fprintf(stderr, "connect: %s\n", error.text);
        exit(1);
    }
    return files;
}

/* ---- Reading ---- */

static int read_large(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = connect_or_exit(task);
    struct sp_file_info info;
    struct sp_error error;
    static char bytes[PAGES * 4096];
    size_t size = PAGES * PAGE - 100;

    (void)arg;
    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    CHECK(info.form == SP_FILE_REGULAR && info.size == size);
    CHECK(sp_file_read(files, info.file, 0, bytes, sizeof(bytes), NULL) == (int64_t)size);
    for (size_t i = 0; i < size; i++)
        CHECK(bytes[i] == byte_of(i));
    CHECK(sp_file_read(files, info.file, 70000, bytes, 9, NULL) == 9);
    CHECK(bytes[0] == byte_of(70000) && bytes[8] == byte_of(70008));
    CHECK(sp_file_read(files, info.file, 65530, bytes, 12, NULL) == 12);
    CHECK(bytes[5] == byte_of(65535) && bytes[6] == byte_of(65536));
    CHECK(sp_file_read(files, info.file, size, bytes, 9, NULL) == 0);
    CHECK(sp_file_read(files, info.file, size - 2, bytes, 9, NULL) == 2);
    CHECK(sp_file_read(files, info.file, UINT64_C(1) << 43, bytes, 9, NULL) == 0);
    CHECK(sp_file_read(files, info.file, UINT64_C(1) << 44, bytes, 9, &error) == -EFBIG);
    CHECK(sp_file_close(files, info.file, NULL) == 0);
    CHECK(sp_file_close(files, info.file, &error) == -EBADF);
    CHECK(sp_file_read(files, info.file, 0, bytes, 9, &error) == -EBADF);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_ten_tasks_that_read_one_file_hold_its_pages_once(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task *task[10];
    struct sp_testing_physmem status;

    for (unsigned i = 0; i < 10; i++)
        task[i] = begin(stage, "reader", read_large, NULL);
    for (unsigned i = 0; i < 10; i++)
        expect_success(task[i]);
    assert_int_equal(sp_testing_physmem_status(stage->fixture, &status, NULL), 0);
    /* Bytes were moved once, into the cache's clean extents. */
    assert_int_equal(status.moved, PAGES);
    assert_true(status.copies > 10 * PAGES);
    assert_true(status.locks >= 10 * 3);
    assert_int_equal(status.locks_expired, 0);
}

/* ---- Round trips ---- */

#define CACHED_READS 50u

static void read_64k(struct sp_files *files, uint32_t file)
{
    static char bytes[65536];

    CHECK(sp_file_read(files, file, 65536, bytes, sizeof(bytes), NULL) == sizeof(bytes));
    CHECK(bytes[0] == byte_of(65536) && bytes[65535] == byte_of(2 * 65536 - 1));
}

/* What physmem, and the file server, have counted. */
static void ask_counters(struct wire_client *physmem, struct wire_client *files,
                         struct wire_message *told)
{
    struct wire_message message = {.type = WIRE_STATUS};

    CHECK(wire_client_call(physmem, &message, -1, &told[0]) == 0);
    while (told[0].type != WIRE_PHYSMEM_STATUS)
        CHECK(wire_client_receive(physmem, &told[0], NULL) == 0);
    CHECK(wire_client_call(files, &message, -1, &told[1]) == 0);
}

/* A server handles what was sent together in one pass of its loop, and here only one thing happens
 * at a time: passes are round trips. */
static int count_round_trips(void *arg)
{
    const struct stage *stage = arg;
    const char *path = getenv("SELFPAGE_PHYSMEM");
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = connect_or_exit(task);
    struct wire_client physmem, server;
    struct wire_message before[2], after[2];
    struct sp_file_info info;
    uint64_t passes, asked;

    CHECK(wire_client_open(&physmem, path, WIRE_ROLE_OBSERVER, 0, 0, "look", NULL) == 0);
    CHECK(wire_client_open(&server, stage->socket, WIRE_ROLE_OBSERVER, 0, 0, "look", NULL) == 0);
    CHECK(sp_file_open(files, "large", &info, NULL) == 0);
    read_64k(files, info.file);
    read_64k(files, info.file);
    ask_counters(&physmem, &server, before);
    for (unsigned i = 0; i < CACHED_READS; i++)
        read_64k(files, info.file);
    ask_counters(&physmem, &server, after);
    passes = after[0].physmem_status.passes - before[0].physmem_status.passes - 1;
    asked = after[1].files_status.messages - before[1].files_status.messages - 1;
    CHECK(after[1].files_status.hits - before[1].files_status.hits == CACHED_READS);
    CHECK(asked == CACHED_READS);
    if (passes + asked > 4 * CACHED_READS + 5) {
        fprintf(stderr, "%u reads took %u round trips\n", CACHED_READS, (unsigned)(passes + asked));
        exit(1);
    }
    wire_client_close(&server);
    wire_client_close(&physmem);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_cached_read_of_64_kib_takes_four_round_trips(void **state)
{
    expect_success(begin(*state, "counter", count_round_trips, *state));
}

/* ---- Names ---- */

static int open_what_cannot_be(void *arg)
{
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = connect_or_exit(task);
    static char name[2000];
    struct sp_file_info info;
    struct sp_error error;

    (void)arg;
    CHECK(sp_file_open(files, "absent", &info, &error) == -ENOENT);
    CHECK(sp_file_open(files, "x/y", &info, &error) == -ENOTDIR);
    CHECK(sp_file_open(files, "/etc/passwd", &info, &error) == -EXDEV);
    CHECK(sp_file_open(files, "../root/x", &info, &error) == -EXDEV);
    CHECK(sp_file_open(files, "d/../../root/x", &info, &error) == -EXDEV);
    CHECK(sp_file_open(files, "out/passwd", &info, &error) == -EXDEV);
    memset(name, 'a', sizeof(name) - 1);
    CHECK(sp_file_open(files, name, &info, &error) == -ENAMETOOLONG);
    for (unsigned i = 0; i < 4; i++)
        CHECK(sp_file_open(files, "d", &info, NULL) == 0 && info.form == SP_FILE_DIRECTORY);
    CHECK(sp_file_open(files, "", &info, &error) == -EMFILE);
    for (unsigned i = 0; i < 60; i++)
        CHECK(sp_file_open(files, "d/link", &info, NULL) == 0);
    CHECK(sp_file_open(files, "x", &info, &error) == -EMFILE);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_no_name_leads_out_of_the_root(void **state)
{
    expect_success(begin(*state, "escaper", open_what_cannot_be, NULL));
}

static int read_twice(void *arg)
{
    const int *ends = arg;
    struct sp_task *task = attach_or_exit(NULL);
    struct sp_files *files = connect_or_exit(task);
    struct sp_file_info info;
    char bytes[16] = "";

    CHECK(sp_file_open(files, "x", &info, NULL) == 0);
    CHECK(sp_file_read(files, info.file, 0, bytes, 5, NULL) == 5 &&
          memcmp(bytes, "a\nfoo", 5) == 0);
    CHECK(write(ends[1], "", 1) == 1 && read(ends[2], bytes, 1) == 1);
    CHECK(sp_file_read(files, info.file, 0, bytes, 16, NULL) == 3 && memcmp(bytes, "new", 3) == 0);
    sp_files_disconnect(&files);
    return sp_detach(&task);
}

static void test_a_file_that_has_changed_is_read_again(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task *task;
    int ends[4];
    char byte;

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ends + 2), 0);
    task = begin(stage, "reader", read_twice, ends);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    write_text(stage, "x", "new");
    assert_int_equal(write(ends[3], "", 1), 1);
    expect_success(task);
    close(ends[0]);
    close(ends[2]);
    close(ends[3]);
}

static uint32_t owed(const struct stage *stage, struct sp_testing_task_status *status)
{
    assert_int_equal(sp_testing_task_status(stage->fixture, "files", status, NULL), 0);
    return status->breached ? 0 : status->owed;
}

/* The cache is recalled, softly released, and recovered or read again. */
static void test_the_cache_gives_its_frames_back_when_they_are_recalled(void **state)
{
    struct stage *stage = *state;
    struct sp_testing_task_status status;
    struct sp_error error;

    for (unsigned round = 0; round < 3; round++) {
        expect_success(begin(stage, "reader", read_large, NULL));
        assert_int_equal(sp_testing_task_status(stage->fixture, "files", &status, NULL), 0);
        assert_true(status.held >= 48);
        if (sp_testing_recall(stage->fixture, "files", 20, &error) != 0)
            fail_msg("%s", error.text);
        AWAIT(stage->server, owed(stage, &status) == 0);
        assert_false(status.breached);
        assert_true(status.soft >= 20);
    }
    assert_int_equal(status.recalls_missed, 0);
    expect_success(begin(stage, "reader", read_large, NULL));
}

/* ---- grep ---- */

/* What a shell prints. */
static void run_shell(char *output, size_t room, const char *command)
{
    FILE *pipe = popen(command, "r");
    size_t size;

    assert_non_null(pipe);
    size = fread(output, 1, room - 1, pipe);
    output[size] = '\0';
    assert_true(pclose(pipe) >= 0);
}

static void compare_grep(struct stage *stage, const char *pattern, const char *path,
                         const char *processes)
{
    static char wanted[65536], got[65536];
    char command[2048], file[512];
    const char *argv[] = {"selfpage-grep", "--processes", processes, "--output", file,
                          pattern,         path,          NULL};
    struct sp_testing_result result;
    struct sp_error error;

    snprintf(file, sizeof(file), "%s/found", sp_testing_directory(stage->fixture));
    snprintf(command, sizeof(command),
             "cd %s && LC_ALL=C grep -rnF '%s' '%s' 2>/dev/null | LC_ALL=C sort", stage->root,
             pattern, path);
    run_shell(wanted, sizeof(wanted), command);
    if (sp_testing_run_program(stage->fixture, "guaranteed=24", NULL, argv, &result, &error) != 0)
        fail_msg("%s", error.text);
    if (result.exit_status > 1)
        fail_msg("grep ended with %d: %s", result.exit_status, result.output);
    snprintf(command, sizeof(command), "cat %s", file);
    run_shell(got, sizeof(got), command);
    if (strcmp(wanted, got) != 0)
        fail_msg("'%s' in '%s':\n%s\ninstead of:\n%s", pattern, path, got, wanted);
}

static void test_grep_prints_what_grep_prints(void **state)
{
    static const char *const cases[][3] = {
        {"foo", ".", "1"},       {"foo", ".", "3"},     {"foo", "d/", "2"},
        {"foo", "d", "1"},       {"foo", "x", "2"},     {"", "x", "1"},
        {"foo", "d/link", "1"},  {"absent", ".", "1"},  {"\xc3\xa9", ".", "1"},
        {"bar\nzfoo", ".", "1"}, {"foo", "empty", "1"}, {"f.o", ".", "1"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        compare_grep(*state, cases[i][0], cases[i][1], cases[i][2]);
}

/* ---- Hostile clients ---- */

static uint32_t ask(struct wire_client *client, struct wire_message *message,
                    struct wire_message *reply)
{
    assert_int_equal(wire_client_call(client, message, -1, reply), 0);
    return reply->error;
}

static uint32_t ask_read(struct wire_client *client, uint32_t file, uint32_t page, uint32_t slot)
{
    struct wire_message message = {.type = WIRE_FILE_READ}, reply;

    message.file_read.file = file;
    message.file_read.page = page;
    message.file_read.slot = slot;
    return ask(client, &message, &reply);
}

static uint32_t ask_buffer(struct wire_client *client, uint32_t container, uint64_t token)
{
    struct wire_message message = {.type = WIRE_FILE_BUFFER}, reply;

    message.file_buffer.container = container;
    message.file_buffer.token = token;
    return ask(client, &message, &reply);
}

/* A task that speaks to physmem and to the file server in raw messages. */
struct raw {
    struct wire_client physmem, control, files;
    uint32_t container;
    uint32_t server; /* number of the task */
};

static void raw_open(struct stage *stage, struct raw *raw)
{
    const char *physmem = sp_testing_socket(stage->fixture, SP_TESTING_PHYSMEM);
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;

    memset(raw, 0, sizeof(*raw));
    assert_int_equal(wire_client_open(&raw->physmem, physmem, WIRE_ROLE_TASK, 0, 0, "raw", NULL),
                     0);
    assert_int_equal(wire_client_open(&raw->control, physmem, WIRE_ROLE_CONTROL, raw->physmem.id,
                                      raw->physmem.key, "raw", NULL),
                     0);
    message.propose.kind = SP_GUARANTEED;
    message.propose.min = message.propose.frames = 32;
    message.propose.term_ns = SP_FOREVER;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
    message = (struct wire_message){.type = WIRE_CONTAINER_CREATE};
    message.container_create.slots = 32;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
    raw->container = reply.container.container;
    assert_int_equal(
        wire_client_open(&raw->files, stage->socket, WIRE_ROLE_TASK, 0, 0, "raw", &reply), 0);
    raw->server = reply.welcome.id;
    message = (struct wire_message){.type = WIRE_FILE_OPEN};
    message.file_open.bytes = 1;
    message.file_open.path_count = 1;
    message.file_open.path[0].value = 'x';
    assert_int_equal(ask(&raw->files, &message, &reply), 0);
    assert_int_equal(reply.file_opened.file, 1);
}

static void raw_close(struct raw *raw)
{
    wire_client_close(&raw->files);
    wire_client_close(&raw->control);
    wire_client_close(&raw->physmem);
}

static void raw_share(struct raw *raw, uint8_t rights, uint64_t lock_ns)
{
    struct wire_message message = {.type = WIRE_SHARE}, reply;

    message.share.container = raw->container;
    message.share.task = raw->server;
    message.share.rights = rights;
    message.share.lock_ns = lock_ns;
    assert_int_equal(ask(&raw->physmem, &message, &reply), 0);
}

static uint32_t raw_revoke(struct raw *raw)
{
    struct wire_message message = {.type = WIRE_REVOKE_SHARE}, reply;

    message.revoke_share.container = raw->container;
    return ask(&raw->physmem, &message, &reply);
}

static void test_a_client_that_lies_fails_its_own_reads(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_OPEN}, reply;
    struct raw raw;

    raw_open(stage, &raw);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOTCONN); /* where to? */
    assert_int_equal(ask_buffer(&raw.files, raw.container, 4711), ENOENT);
    assert_int_equal(ask_buffer(&raw.files, 0, 0), ENOENT);
    raw_share(&raw, WIRE_RIGHT_READ, 1000000000); /* it may not be written */
    assert_int_equal(ask_buffer(&raw.files, raw.container, 0), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), EPERM);
    assert_int_equal(raw_revoke(&raw), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOENT);
    raw_share(&raw, WIRE_RIGHT_WRITE, 0); /* it may not be locked */
    assert_int_equal(ask_buffer(&raw.files, raw.container, 0), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), EPERM);
    assert_int_equal(raw_revoke(&raw), 0);
    raw_share(&raw, WIRE_RIGHT_WRITE, 1000000000);
    assert_int_equal(ask_buffer(&raw.files, raw.container, 0), 0);
    assert_int_equal(ask_read(&raw.files, 1, 0, 0), ENOMEM); /* it has no frames */
    assert_int_equal(ask_read(&raw.files, 1, 1, 0), EINVAL);
    assert_int_equal(ask_read(&raw.files, 1, 0, 17), EINVAL);
    assert_int_equal(ask_read(&raw.files, 2, 0, 0), EBADF);
    assert_int_equal(ask_read(&raw.files, UINT32_MAX, 0, 0), EBADF);
    message.file_open.bytes = 9; /* more than the words hold */
    message.file_open.path_count = 1;
    assert_int_equal(ask(&raw.files, &message, &reply), EINVAL);
    message = (struct wire_message){.type = WIRE_ALLOCATE}; /* not for a file server */
    assert_int_equal(wire_client_send(&raw.files, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&raw.files), 0);
    raw_close(&raw);
    expect_success(begin(stage, "reader", read_large, NULL));
}

/* Clients that vanish, with the server in the middle of what they asked for. */
static void test_clients_that_vanish_take_nothing_with_them(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_FILE_READ}, allocate = {.type = WIRE_ALLOCATE};
    struct wire_message reply;
    struct raw raw;

    for (unsigned round = 0; round < 20; round++) {
        raw_open(stage, &raw);
        allocate.allocate.container = raw.container;
        allocate.allocate.count = 32;
        assert_int_equal(ask(&raw.physmem, &allocate, &reply), 0);
        raw_share(&raw, WIRE_RIGHT_WRITE, 1000000000);
        assert_int_equal(ask_buffer(&raw.files, raw.container, 0), 0);
        message.file_read.file = 1;
        for (unsigned i = 0; i < 10; i++)
            assert_int_equal(wire_client_send(&raw.files, &message, -1), 0);
        if (round % 2)
            wire_client_close(&raw.physmem);
        raw_close(&raw);
    }
    expect_success(begin(stage, "reader", read_large, NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ten_tasks_that_read_one_file_hold_its_pages_once),
        TEST(test_a_cached_read_of_64_kib_takes_four_round_trips),
        TEST(test_no_name_leads_out_of_the_root),
        TEST(test_a_file_that_has_changed_is_read_again),
        TEST(test_the_cache_gives_its_frames_back_when_they_are_recalled),
        TEST(test_grep_prints_what_grep_prints),
        TEST(test_a_client_that_lies_fails_its_own_reads),
        TEST(test_clients_that_vanish_take_nothing_with_them),
    };

    return cmocka_run_group_tests_name("sim/fileserver/fileserver", tests, NULL, NULL);
}
