/* Starting and ending the swap server: the command line, the file, and what is left behind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "scale.h"
#include "swap_peer.h"

#define PROGRAM TEST_BINDIR "/selfpage-swap"

static int teardown(void **state)
{
    server_process_limit(-1, 0);
    return swap_teardown(state);
}

/* The server must refuse to start with status 2 and `text` in its message. */
static void refused(struct server_process *server, const char *const args[], const char *text)
{
    assert_int_equal(server_process_spawn(server, PROGRAM, args), 0);
    assert_int_equal(server_process_wait(server), 2);
    swap_expect_log(server, text, true);
}

static void test_command_line(void **state)
{
    static const struct {
        const char *args[8];
        const char *text;
    } cases[] = {
        {{NULL}, "--slots is missing"},
        {{"--slots", "8", NULL}, "--socket is missing"},
        {{"--slots", "8", "--socket", "s", NULL}, "--file is missing"},
        {{"--slots", "0", NULL}, "--slots: \"0\" is not a number from 1 to 67108864"},
        {{"--slots", "-1", NULL}, "--slots: \"-1\" is not"},
        {{"--slots", "99999999999999999999", NULL}, "is not a number"},
        {{"--slots", "8x", NULL}, "\"8x\" is not a number"},
        {{"--slots", NULL}, "--slots needs a value"},
        {{"--buffered", "--direct", NULL}, "exclude each other"},
        {{"--fail-writes", "1.5", NULL}, "--fail-writes: \"1.5\" is not a number from 0 to 1"},
        {{"--fail-reads", "nan", NULL}, "--fail-reads: \"nan\" is not"},
        {{"--wrong", NULL}, "unknown option --wrong"},
        {{"-x", NULL}, "unknown option -x"},
        {{"--slots", "8", "more", NULL}, "unexpected argument \"more\""},
        {{"--slots=8", "--socket=s", "--device=mem:", "--file=f", NULL},
         "--device and --file exclude"},
        {{"--slots=8", "--socket=s", "--device=tape:x", NULL}, "begins with no backend and colon"},
        {{"--slots=8", "--socket=s", "--device=file", NULL}, "begins with no backend and colon"},
        {{"--slots=8", "--socket=s", "--device=file:", NULL}, "needs a PATH after the colon"},
        {{"--slots=8", "--socket=s", "--device=mem:9", NULL}, "nothing may follow \"mem:\""},
        {{"--slots=8", "--socket=s", "--device=mem:", "--direct", NULL}, "leave out --direct"},
        {{"--slots=8", "--socket=s", "--device=mem:", "--sync", NULL},
         "cannot outlive a power loss"},
        {{"--slots=8", "--socket=s", "--device=mem:", "--keep", NULL}, "mem: keeps nothing"},
        {{"--slots=8", "--device=mem:", "--list-clients", NULL}, "mem: keeps nothing"},
        {{"--slots", "8", "--quota", "9", "--socket=s", "--file=f", NULL},
         "--quota 9 is more than --slots 8"},
    };
    struct server_process *server = *state;

    /* Valgrind takes a second to start each of them. */
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i += RUNNING_ON_VALGRIND ? 4 : 1)
        refused(server, cases[i].args, cases[i].text);
    for (unsigned i = 0; i < 2; i++) {
        const char *const args[] = {i == 0 ? "--help" : "--version", NULL};

        assert_int_equal(server_process_spawn(server, PROGRAM, args), 0);
        assert_int_equal(server_process_wait(server), 0);
    }
}

/* How many entries the server's directory has. */
static unsigned directory_count(const struct server_process *server)
{
    DIR *directory = opendir(server->directory);
    const struct dirent *entry;
    unsigned count = 0;

    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* A server on this device stores a page, gives it back, and leaves no file. */
static void device_serves(struct server_process *server, const char *device)
{
    const char *const args[] = {"--slots", "8", "--device", device, NULL};
    struct swap_peer peer;
    uint32_t page = 0, slot;

    assert_int_equal(server_process_start(server, PROGRAM, args), 0);
    assert_int_equal(directory_count(server), 1); /* the socket */
    peer_open(&peer, server, 0, 1, 1);
    peer_fill(&peer, 0, 7);
    assert_int_equal(peer_store(&peer, &page, 1, &slot, NULL), 0);
    peer_fill(&peer, 0, 8);
    assert_int_equal(peer_load(&peer, &slot, &page, 1, NULL), 0);
    assert_int_equal(peer_tag(&peer, 0), 7);
    peer_close(&peer);
    swap_stop(server);
    assert_int_equal(directory_count(server), 0);
}

static void test_devices_serve(void **state)
{
    struct server_process *server = *state;
    char path[SERVER_PATH], device[SERVER_PATH + 8];

    device_serves(server, "mem:");
    snprintf(device, sizeof(device), "file:%s", server_process_path(server, "device", path));
    device_serves(server, device);
}

static void test_nothing_is_left(void **state)
{
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t page = 0, slot;

    swap_start(server, "64", NULL);
    /* The socket and no file. */
    assert_int_equal(directory_count(server), 1);
    peer_open(&peer, server, 0, 1, 1);
    assert_int_equal(peer_store(&peer, &page, 1, &slot, NULL), 0);
    swap_stop(server);
    assert_int_equal(directory_count(server), 0);
    peer_close(&peer);
    /* A socket that a killed server has left is no obstacle. */
    swap_start(server, "64", NULL);
    server_process_kill(server);
    assert_int_equal(directory_count(server), 1);
    swap_start(server, "64", NULL);
    assert_int_equal(kill(server->pid, SIGINT), 0);
    assert_int_equal(server_process_wait(server), 0);
    assert_int_equal(directory_count(server), 0);
}

static void file_make(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void test_foreign_files_are_left_alone(void **state)
{
    struct server_process *server = *state;
    char device[SERVER_PATH];
    const char *const plain[] = {"--slots", "8",    "--socket", server->socket,
                                 "--file",  device, NULL};
    const char *const keep[] = {"--slots", "8",    "--socket", server->socket,
                                "--file",  device, "--keep",   NULL};
    struct stat status;

    server_process_path(server, "device", device);
    file_make(device, "letters to grandmother");
    refused(server, plain, "exists: it is left alone");
    refused(server, keep, "is not a swap file of selfpage: it is left alone");
    assert_int_equal(stat(device, &status), 0);
    assert_int_equal(status.st_size, 22);
    assert_int_equal(truncate(device, 0), 0);
    refused(server, keep, "is not a swap file of selfpage");
    unlink(device);
    assert_int_equal(mkdir(device, 0700), 0);
    refused(server, plain, "exists: it is left alone");
    refused(server, keep, "cannot open");
    rmdir(device);
    assert_int_equal(symlink("/etc/passwd", device), 0);
    refused(server, keep, "cannot open");
    assert_int_equal(unlink(device), 0);
    assert_int_equal(mkfifo(device, 0600), 0);
    refused(server, keep, "is not a regular file");
    /* The server that could not start did not take the socket's path either. */
    assert_int_equal(directory_count(server), 1);
}

static void test_bad_places(void **state)
{
    struct server_process *server = *state;
    char device[SERVER_PATH];
    char longer[256];
    const char *const nowhere[] = {"--slots", "8",           "--socket", server->socket,
                                   "--file",  "/nowhere/at", NULL};
    const char *const far[] = {"--slots", "8", "--socket", longer, "--file", device, NULL};

    server_process_path(server, "device", device);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    refused(server, nowhere, "cannot create /nowhere/at: No such file or directory");
    refused(server, far, "socket");
    assert_int_equal(directory_count(server), 0);
}

/* Stands for a full file system, which needs root to make. */
static void test_file_too_large(void **state)
{
    struct server_process *server = *state;
    char device[SERVER_PATH];
    const char *const plain[] = {"--slots", "1024", "--socket", server->socket,
                                 "--file",  device, NULL};
    const char *const keep[] = {"--slots", "1024", "--socket", server->socket,
                                "--file",  device, "--keep",   NULL};

    server_process_path(server, "device", device);
    server_process_limit(RLIMIT_FSIZE, 1 << 20);
    refused(server, plain, "device would have 4 MiB, more than this process");
    refused(server, keep, "more than this process");
    assert_int_equal(directory_count(server), 0);
}

/* Where hardly any file may be open libuv aborts, if it comes that far. */
static void test_few_open_files(void **state)
{
    struct server_process *server = *state;
    const char *const args[] = {"--slots",  "8",    "--socket", server->socket,
                                "--device", "mem:", NULL};

    if (scale_is_slow()) /* Valgrind and the emulator need files of their own */
        skip();
    server_process_limit(RLIMIT_NOFILE, 5);
    refused(server, args, "the limit of open files is 5; at least 32 are needed");
}

/* More than the disk has: it is not even tried, and the message says how much is free. */
static void test_no_room(void **state)
{
    struct server_process *server = *state;
    char device[SERVER_PATH];
    const char *const args[] = {"--slots", "67108864", "--socket", server->socket,
                                "--file",  device,     NULL};
    struct statvfs system;

    assert_int_equal(statvfs(server->directory, &system), 0);
    if ((uint64_t)system.f_bavail * system.f_frsize > UINT64_C(250) << 30)
        skip();
    server_process_path(server, "device", device);
    refused(server, args, "device: 262144 MiB are needed, ");
    assert_int_equal(directory_count(server), 0);
}

static void test_verbose(void **state)
{
    const char *const args[] = {"--verbose", "--buffered", NULL};
    struct server_process *server = *state;
    struct swap_peer peer;
    uint32_t page = 0, slot;

    swap_start(server, "8", args);
    peer_open(&peer, server, 0, 1, 1);
    assert_int_equal(peer_store(&peer, &page, 1, &slot, NULL), 0);
    peer_close(&peer);
    while (swap_status(server).swap_status.clients > 0)
        continue;
    swap_stop(server);
    swap_expect_log(server, "device: buffered", true);
    swap_expect_log(server, "client 1 (peer) joins", true);
    swap_expect_log(server, "client 1 (peer) leaves", true);
    swap_expect_log(server, "1 pages stored, 0 loaded, 0 freed, 0 failed, 0 corrupt; 0 of 8", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_command_line, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_devices_serve, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_files_are_left_alone, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_places, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_too_large, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_few_open_files, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, swap_setup, teardown),
        cmocka_unit_test_setup_teardown(test_verbose, swap_setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
