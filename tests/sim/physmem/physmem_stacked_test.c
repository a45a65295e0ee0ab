/* Physmems on top of each other, as real processes: memory, recalls, revocations and deaths pass
 * through all levels. The test plays the tasks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include "physmem_peer.h"

#define LEVELS 3u
#define PAGE   4096u
#define SECOND UINT64_C(1000000000)

/* Servers 0 to levels - 1; each but the first is a task of the one before. */
struct tower {
    struct server_process server[LEVELS];
    struct wire_client observer[LEVELS];
    unsigned levels;
};

static struct tower tower;

/* Arguments of the first server; ends with NULL. */
static const char *const *first_args;

static void level_start(const char *contract)
{
    static const char *const names[LEVELS] = {"", "level1", "level2"};
    unsigned level = tower.levels;
    const char *args[] = {"--upstream", level > 0 ? tower.server[level - 1].socket : NULL,
                          "--contract", contract,
                          "--name",     names[level],
                          NULL};

    assert_int_equal(server_process_init(&tower.server[level]), 0);
    tower.levels++;
    if (level == 0)
        assert_int_equal(physmem_start(&tower.server[0], contract, first_args), 0);
    else
        assert_int_equal(server_process_start(&tower.server[level], PHYSMEM_PROGRAM, args), 0);
    assert_int_equal(wire_client_open(&tower.observer[level], tower.server[level].socket,
                                      WIRE_ROLE_OBSERVER, 0, 0, "test", NULL),
                     0);
}

static int tower_end(void **state)
{
    (void)state;
    while (tower.levels > 0) {
        tower.levels--;
        wire_client_close(&tower.observer[tower.levels]);
        server_process_fini(&tower.server[tower.levels]);
    }
    return 0;
}

/* Three servers, of which each lends on what the one before grants. */
static int tower_start(void **state)
{
    tower_end(state);
    level_start("600");
    level_start("guaranteed=300;extra=200,drop=4s");
    level_start("guaranteed=200;extra=200,drop=3s");
    return 0;
}

/* The servers that the test before has left whole, if there are any: to start some takes time under
 * Valgrind. */
static int tower_again(void **state)
{
    return tower.levels == LEVELS ? 0 : tower_start(state);
}

static struct wire_message status_of(unsigned level, const char *name)
{
    static struct wire_message status, task;

    assert_int_equal(
        physmem_status(&tower.observer[level], &status, name, name != NULL ? &task : NULL), 0);
    return name != NULL ? task : status;
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

/* Wait until a condition holds. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        for (unsigned waited = 0; !(condition); waited++) {                                        \
            assert_true(waited < SERVER_PATIENCE_MS / 2);                                          \
            nap();                                                                                 \
        }                                                                                          \
    } while (0)

static void peer_start(struct physmem_peer *peer, unsigned level, const char *name,
                       uint32_t guaranteed, uint32_t extra)
{
    assert_int_equal(physmem_peer_open(peer, &tower.server[level], name), 0);
    if (guaranteed > 0)
        assert_int_equal(physmem_propose(peer, SP_GUARANTEED, guaranteed, 0), 0);
    if (extra > 0)
        assert_int_equal(physmem_propose(peer, SP_EXTRA, extra, SECOND), 0);
    assert_int_equal(physmem_container(peer, 256), 0);
}

static void put(int fd, uint32_t page, char c)
{
    char bytes[PAGE];

    memset(bytes, c, sizeof(bytes));
    assert_int_equal(pwrite(fd, bytes, PAGE, (off_t)page * PAGE), PAGE);
}

static bool has(int fd, uint32_t page, char c)
{
    char bytes[PAGE];

    if (pread(fd, bytes, PAGE, (off_t)page * PAGE) != PAGE)
        return false;
    for (unsigned i = 0; i < PAGE; i++)
        if (bytes[i] != c)
            return false;
    return true;
}

static bool is_cut(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return st.st_size == 0;
}

static void expect_log(unsigned level, const char *words)
{
    char *log = server_process_log(&tower.server[level]);

    assert_non_null(log);
    if (strstr(log, words) == NULL)
        fail_msg("the log of level %u does not say \"%s\": %s", level, words, log);
    free(log);
}

/* Physmem above is lost: this level has ended with a message. */
static void expect_end(unsigned level)
{
    assert_int_equal(server_process_wait(&tower.server[level]), 2);
    expect_log(level, "the physmem above");
}

/* The next message over the control connection of this type. */
static struct wire_message hear(struct physmem_peer *peer, enum wire_type type)
{
    struct wire_message message;

    do
        assert_int_equal(wire_client_receive(&peer->control, &message, NULL), 0);
    while (message.type != type);
    return message;
}

/* ---- Memory ---- */

static void test_memory_of_a_task_is_memory_of_the_first_physmem(void **state)
{
    struct physmem_peer peer;
    struct wire_map item;
    int fd;

    (void)state;
    peer_start(&peer, 2, "task", 100, 0);
    assert_int_equal(physmem_allocate(&peer, 10, 50, 0), 50);
    fd = physmem_map(&peer, 10, 50, &item);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < 50; i++)
        put(fd, item.offset + i, (char)('a' + i % 26));
    for (uint32_t i = 0; i < 50; i++)
        assert_true(has(fd, item.offset + i, (char)('a' + i % 26)));
    assert_int_equal(status_of(2, "task").task_status.held, 50);
    assert_int_equal(status_of(1, "level2").task_status.held, 200);
    assert_int_equal(status_of(0, "level1").task_status.held, 300);
    assert_int_equal(status_of(0, NULL).physmem_status.extents, 1);
    for (unsigned i = 0; i < LEVELS; i++)
        assert_true(physmem_books_agree(&tower.observer[i]));
    close(fd);
    physmem_peer_close(&peer);
}

/* What a task had is cleared before its pages are used again, also by itself. */
static void test_pages_that_were_given_back_read_as_zeros(void **state)
{
    struct physmem_peer peer;
    struct wire_map item;
    int fd;

    (void)state;
    peer_start(&peer, 2, "task", 100, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 20, 0), 20);
    fd = physmem_map(&peer, 0, 20, &item);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < 20; i++)
        put(fd, i, 'x');
    assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, 5, 10), 10);
    assert_int_equal(physmem_allocate(&peer, 5, 10, 0), 10);
    assert_true(has(fd, 5, '\0') && has(fd, 14, '\0') && has(fd, 4, 'x'));
    close(fd);
    physmem_peer_close(&peer);
}

/* A descriptor that a task keeps reaches nothing once it has gone, whatever others do. */
static void test_a_retained_descriptor_reaches_nobodys_memory(void **state)
{
    struct physmem_peer first, second;
    struct wire_map item;
    struct stat was, is;
    int kept, fd;

    (void)state;
    peer_start(&first, 2, "first", 100, 0);
    assert_int_equal(physmem_allocate(&first, 0, 100, 0), 100);
    kept = physmem_map(&first, 0, 100, &item);
    assert_true(kept >= 0);
    put(kept, 7, 's');
    assert_int_equal(fstat(kept, &was), 0);
    physmem_peer_close(&first);
    AWAIT(is_cut(kept));
    peer_start(&second, 2, "second", 150, 0);
    assert_int_equal(physmem_allocate(&second, 0, 150, 0), 150);
    fd = physmem_map(&second, 0, 150, &item);
    assert_true(fd >= 0 && has(fd, 7, '\0'));
    put(fd, 7, 't');
    assert_int_equal(fstat(fd, &is), 0);
    assert_true(was.st_ino != is.st_ino);
    assert_true(is_cut(kept));
    assert_int_equal(status_of(1, "level2").task_status.held, 200);
    close(fd);
    close(kept);
    physmem_peer_close(&second);
}

/* More pages than frames cost the task that touched them, not the servers between it and the first. */
static void test_an_overdraft_falls_back_on_its_task_only(void **state)
{
    struct physmem_peer cheat, honest;
    struct wire_map item;
    int fd, kept;

    (void)state;
    peer_start(&cheat, 2, "cheat", 40, 0);
    peer_start(&honest, 2, "honest", 40, 0);
    assert_int_equal(physmem_allocate(&honest, 0, 40, 0), 40);
    kept = physmem_map(&honest, 0, 40, &item);
    assert_true(kept >= 0);
    put(kept, 3, 'h');
    assert_int_equal(physmem_allocate(&cheat, 0, 20, 0), 20);
    fd = physmem_map(&cheat, 0, 20, &item);
    assert_true(fd >= 0);
    /* It may be caught, and its extent cut, while it writes. */
    for (uint32_t i = 0; i < 256 && pwrite(fd, "c", 1, (off_t)i * PAGE) == 1; i++)
        continue;
    hear(&cheat, WIRE_REVOKED);
    AWAIT(is_cut(fd));
    assert_true(has(kept, 3, 'h'));
    assert_int_equal(status_of(0, "level1").task_status.breached, 0);
    assert_int_equal(status_of(1, "level2").task_status.breached, 0);
    /* What was taken with the extent is held again: it is promised. */
    AWAIT(status_of(2, NULL).physmem_status.frames >= 200);
    close(fd);
    close(kept);
    physmem_peer_close(&cheat);
    physmem_peer_close(&honest);
}

/* ---- A real task ---- */

#define LINES (RUNNING_ON_VALGRIND ? 600u : 3000u)

/* Lines in a random order. */
static void lines_write(const char *path)
{
    FILE *file = fopen(path, "w");
    uint32_t x = 1;

    assert_non_null(file);
    for (unsigned i = 0; i < LINES; i++) {
        x = x * 1664525u + 1013904223u;
        fprintf(file, "%08x and some more text, so that the lines fill pages\n", x);
    }
    assert_int_equal(fclose(file), 0);
}

/* The bytes of a file; for free(). */
static char *bytes_of(const char *path, long *sizep)
{
    FILE *file = fopen(path, "r");
    char *bytes;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *sizep = ftell(file);
    rewind(file);
    bytes = malloc((size_t)*sizep + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)*sizep, file), *sizep);
    fclose(file);
    return bytes;
}

/* Run a program with fewer frames than it has pages, at this level. */
static void run_at(unsigned level, const struct server_process *swap, const char *path,
                   const char *const args[])
{
    struct server_process program;
    char *log;

    assert_int_equal(setenv("SELFPAGE_PHYSMEM", tower.server[level].socket, 1), 0);
    assert_int_equal(setenv("SELFPAGE_SWAP", swap->socket, 1), 0);
    assert_int_equal(setenv("SELFPAGE_CONTRACT", "guaranteed=24;extra=8", 1), 0);
    assert_int_equal(server_process_init(&program), 0);
    assert_int_equal(server_process_spawn(&program, path, args), 0);
    if (server_process_wait(&program) != 0) {
        log = server_process_log(&program);
        fail_msg("%s at level %u: %s", path, level, log != NULL ? log : "");
    }
    server_process_fini(&program);
}

/* Sort lines at this level. Returns the bytes. */
static char *sorted_at(unsigned level, const struct server_process *swap, long *sizep)
{
    char input[SERVER_PATH], output[SERVER_PATH];
    const char *args[] = {server_process_path(swap, "input", input),
                          server_process_path(swap, "output", output), NULL};

    lines_write(input);
    run_at(level, swap, TEST_BINDIR "/selfpage-sort", args);
    return bytes_of(output, sizep);
}

/* The same for a key-value store; and a page cache compares what it has read by itself. */
static char *stored_at(unsigned level, const struct server_process *swap, long *sizep)
{
    char input[SERVER_PATH], output[SERVER_PATH];
    const char *store[] = {"--records", "300",    "--operations",
                           "1500",      "--dump", server_process_path(swap, "dump", output),
                           NULL};
    const char *cache[] = {"--reads", "300", server_process_path(swap, "input", input), NULL};

    run_at(level, swap, TEST_BINDIR "/selfpage-pagecache", cache);
    run_at(level, swap, TEST_BINDIR "/selfpage-kvstore", store);
    return bytes_of(output, sizep);
}

/* The same on regions that files of a file server back, which is a task of the last physmem. */
static void check_served(const struct server_process *swap, const char *sorted, long size)
{
    char output[SERVER_PATH], plain[SERVER_PATH], dump[SERVER_PATH];
    const char *server[] = {"--root",     swap->directory,          "--cache", "64",
                            "--contract", "guaranteed=16;extra=64", NULL};
    const char *sort[] = {"--served", "input", server_process_path(swap, "output", output), NULL};
    const char *cache[] = {"--served", "--reads", "300", "input", NULL};
    const char *store[] = {"--records", "12", "--operations", "300", "--dump",
                           NULL,        NULL, NULL,           NULL};
    struct server_process files;
    char *bytes, *other;
    long got, wanted;

    assert_int_equal(setenv("SELFPAGE_PHYSMEM", tower.server[LEVELS - 1].socket, 1), 0);
    assert_int_equal(server_process_init(&files), 0);
    assert_int_equal(server_process_start(&files, TEST_BINDIR "/selfpage-fileserver", server), 0);
    assert_int_equal(setenv("SELFPAGE_FILES", files.socket, 1), 0);
    run_at(LEVELS - 1, swap, TEST_BINDIR "/selfpage-sort", sort);
    bytes = bytes_of(output, &got);
    assert_int_equal(got, size);
    assert_memory_equal(bytes, sorted, size);
    free(bytes);
    run_at(LEVELS - 1, swap, TEST_BINDIR "/selfpage-pagecache", cache);
    store[5] = server_process_path(swap, "plain", plain);
    run_at(0, swap, TEST_BINDIR "/selfpage-kvstore", store);
    store[5] = server_process_path(swap, "dump", dump);
    store[6] = "--served";
    store[7] = "input";
    run_at(LEVELS - 1, swap, TEST_BINDIR "/selfpage-kvstore", store);
    bytes = bytes_of(plain, &wanted);
    other = bytes_of(dump, &got);
    assert_int_equal(got, wanted);
    assert_memory_equal(other, bytes, wanted);
    free(bytes);
    free(other);
    assert_int_equal(server_process_stop(&files), 0);
    server_process_fini(&files);
}

static void test_programs_make_the_same_bytes_on_every_level(void **state)
{
    const char *args[] = {"--slots", "2048", "--device", "mem:", NULL};
    char *bytes[LEVELS], *dump[LEVELS];
    long size[LEVELS], dumped[LEVELS];
    struct server_process swap;

    (void)state;
    assert_int_equal(server_process_init(&swap), 0);
    assert_int_equal(server_process_start(&swap, TEST_BINDIR "/selfpage-swap", args), 0);
    for (unsigned i = 0; i < LEVELS; i++) {
        bytes[i] = sorted_at(i, &swap, &size[i]);
        dump[i] = stored_at(i, &swap, &dumped[i]);
    }
    assert_true(size[0] > (long)LINES * 40);
    for (long at = 0, next; at < size[0]; at = next) {
        next = (char *)memchr(bytes[0] + at, '\n', (size_t)(size[0] - at)) - bytes[0] + 1;
        assert_true(next >= size[0] || memcmp(bytes[0] + at, bytes[0] + next, 8) <= 0);
    }
    for (unsigned i = 1; i < LEVELS; i++) {
        assert_int_equal(size[i], size[0]);
        assert_memory_equal(bytes[i], bytes[0], size[0]);
        assert_int_equal(dumped[i], dumped[0]);
        assert_memory_equal(dump[i], dump[0], dumped[0]);
    }
    check_served(&swap, bytes[0], size[0]);
    for (unsigned i = 0; i < LEVELS; i++) {
        free(bytes[i]);
        free(dump[i]);
        assert_true(physmem_books_agree(&tower.observer[i]));
    }
    server_process_fini(&swap);
}

/* ---- Recalls ---- */

/* Have the first server recall from the second. */
static void recall_from_top(uint32_t frames)
{
    struct wire_message message = {.type = WIRE_RECALL_TASK, .recall_task.frames = frames}, reply;

    memcpy(message.recall_task.name, "level1", sizeof("level1"));
    assert_int_equal(wire_client_call(&tower.observer[0], &message, -1, &reply), 0);
    assert_int_equal(reply.error, 0);
    assert_int_equal(reply.done.count, frames);
}

/* Have a task hold extra frames that are extra on every level, since a neighbour on the level between
 * has what is promised there. */
static uint32_t take_extra(struct physmem_peer *peer, struct physmem_peer *neighbour)
{
    int64_t got, held = 0;

    peer_start(neighbour, 1, "neighbour", 95, 0);
    assert_int_equal(physmem_allocate(neighbour, 0, 95, 0), 95);
    while (held < 240) {
        got = physmem_allocate(peer, (uint32_t)held, (uint32_t)(240 - held),
                               WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL);
        if (got > 0)
            held += got;
        else
            nap(); /* more is on its way from above */
    }
    AWAIT(status_of(0, "level1").task_status.held > 310);
    return (uint32_t)held;
}

static void test_a_recall_at_the_top_arrives_below_in_time_and_is_answered(void **state)
{
    struct physmem_peer peer, neighbour;
    struct wire_message recall;
    uint32_t held, owed;

    (void)state;
    peer_start(&peer, 2, "task", 0, 250);
    held = take_extra(&peer, &neighbour);
    owed = status_of(0, "level1").task_status.held - 300;
    recall_from_top(owed);
    while (status_of(0, "level1").task_status.owed > 0) {
        struct pollfd fd = {.fd = peer.control.fd, .events = POLLIN};

        if (poll(&fd, 1, 2) == 0)
            continue;
        recall = hear(&peer, WIRE_RECALL);
        assert_int_equal(recall.recall.grace_unit, SP_GRACE_TIME);
        assert_true(recall.recall.grace <= SECOND);
        assert_true(recall.recall.frames <= held);
        held -= recall.recall.frames;
        assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, held, recall.recall.frames),
                         recall.recall.frames);
    }
    assert_int_equal(status_of(0, "level1").task_status.recalls_met, 1);
    assert_int_equal(status_of(0, "level1").task_status.recalls_missed, 0);
    assert_int_equal(status_of(0, "level1").task_status.held, 300);
    assert_int_equal(status_of(2, "task").task_status.breached, 0);
    for (unsigned i = 0; i < LEVELS; i++)
        assert_true(physmem_books_agree(&tower.observer[i]));
    physmem_peer_close(&peer);
    physmem_peer_close(&neighbour);
}

/* A task that does not answer loses what it has; the servers above it are in time all the same. */
static void test_a_task_that_does_not_answer_makes_no_server_late(void **state)
{
    struct physmem_peer peer, other, neighbour;

    (void)state;
    peer_start(&other, 2, "other", 50, 0);
    assert_int_equal(physmem_allocate(&other, 0, 50, 0), 50);
    peer_start(&peer, 2, "task", 0, 250);
    take_extra(&peer, &neighbour);
    recall_from_top(status_of(0, "level1").task_status.held - 300);
    hear(&peer, WIRE_REVOKED);
    AWAIT(status_of(0, "level1").task_status.owed == 0);
    assert_int_equal(status_of(0, "level1").task_status.recalls_missed, 0);
    assert_int_equal(status_of(1, "level2").task_status.recalls_missed, 0);
    assert_int_equal(status_of(2, "other").task_status.held, 50);
    physmem_peer_close(&peer);
    physmem_peer_close(&other);
    physmem_peer_close(&neighbour);
}

/* ---- Ends ---- */

/* A task with memory on each level. */
struct witnesses {
    struct physmem_peer peer[LEVELS];
    int fd[LEVELS];
};

static void witnesses_start(struct witnesses *witnesses)
{
    static const char *const names[LEVELS] = {"task0", "task1", "task2"};
    struct wire_map item;

    for (unsigned i = 0; i < LEVELS; i++) {
        peer_start(&witnesses->peer[i], i, names[i], 50, 0);
        assert_int_equal(physmem_allocate(&witnesses->peer[i], 0, 50, 0), 50);
        witnesses->fd[i] = physmem_map(&witnesses->peer[i], 0, 50, &item);
        assert_true(witnesses->fd[i] >= 0);
        put(witnesses->fd[i], 1, 'w');
    }
}

static void witnesses_end(struct witnesses *witnesses)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        close(witnesses->fd[i]);
        physmem_peer_close(&witnesses->peer[i]);
    }
}

static void test_when_the_first_dies_all_end_and_their_tasks_lose_everything(void **state)
{
    struct witnesses witnesses;

    (void)state;
    witnesses_start(&witnesses);
    server_process_kill(&tower.server[0]);
    hear(&witnesses.peer[1], WIRE_REVOKED);
    hear(&witnesses.peer[2], WIRE_REVOKED);
    expect_end(1);
    expect_end(2);
    AWAIT(is_cut(witnesses.fd[1]) && is_cut(witnesses.fd[2]));
    witnesses_end(&witnesses);
}

static void
test_when_one_in_the_middle_dies_what_is_below_ends_and_what_is_above_is_whole(void **state)
{
    struct witnesses witnesses;

    (void)state;
    witnesses_start(&witnesses);
    server_process_kill(&tower.server[1]);
    hear(&witnesses.peer[2], WIRE_REVOKED);
    expect_end(2);
    AWAIT(is_cut(witnesses.fd[1]) && is_cut(witnesses.fd[2]));
    assert_true(has(witnesses.fd[0], 1, 'w'));
    AWAIT(status_of(0, NULL).physmem_status.free == 550);
    assert_true(physmem_books_agree(&tower.observer[0]));
    witnesses_end(&witnesses);
}

static void test_when_the_last_dies_the_others_have_its_frames_again(void **state)
{
    struct witnesses witnesses;

    (void)state;
    witnesses_start(&witnesses);
    server_process_kill(&tower.server[2]);
    AWAIT(is_cut(witnesses.fd[2]));
    assert_true(has(witnesses.fd[0], 1, 'w') && has(witnesses.fd[1], 1, 'w'));
    AWAIT(status_of(1, NULL).physmem_status.free == 250);
    assert_int_equal(status_of(0, "level1").task_status.held, 300);
    witnesses_end(&witnesses);
}

/* A revocation needs nobody between: what is below a server that hangs is gone all the same. */
static void test_a_revocation_takes_everything_below_even_a_server_that_hangs(void **state)
{
    struct physmem_peer peer;
    struct wire_map item;
    int fd;

    (void)state;
    tower_end(NULL);
    level_start("600");
    level_start("guaranteed=100,breach=revoke;extra=400,drop=2s,breach=revoke");
    peer_start(&peer, 1, "task", 0, 250);
    while (status_of(0, "level1").task_status.held <= 110) {
        physmem_allocate(&peer, 0, 200, WIRE_ALLOCATE_EXTRA | WIRE_ALLOCATE_PARTIAL);
        nap();
    }
    fd = physmem_map(&peer, 0, 1, &item);
    assert_true(fd >= 0);
    put(fd, 0, 'p');
    assert_int_equal(kill(tower.server[1].pid, SIGSTOP), 0);
    recall_from_top(5);
    AWAIT(is_cut(fd));
    assert_int_equal(status_of(0, "level1").task_status.breached, 1);
    assert_int_equal(kill(tower.server[1].pid, SIGCONT), 0);
    hear(&peer, WIRE_REVOKED);
    expect_end(1);
    expect_log(1, "has revoked everything");
    close(fd);
    physmem_peer_close(&peer);
}

/* A term above that ends is renewed, and no contract here lasts longer than it. */
static void test_a_term_above_is_renewed_in_time(void **state)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;
    struct physmem_peer peer;

    (void)state;
    tower_end(NULL);
    level_start("600");
    level_start("guaranteed=100,term=1s");
    assert_int_equal(physmem_peer_open(&peer, &tower.server[1], "task"), 0);
    message.propose.min = message.propose.frames = 50;
    message.propose.term_ns = SP_FOREVER;
    for (unsigned i = 0; i < 3; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
        assert_int_equal(wire_client_call(&peer.request, &message, -1, &reply), 0);
        assert_int_equal(reply.offer.answer, SP_COUNTERED);
        assert_in_range(reply.offer.term_ns, 1, SECOND);
    }
    assert_int_equal(status_of(0, "level1").task_status.guaranteed, 100);
    physmem_peer_close(&peer);
}

/* ---- Beginnings ---- */

static void expect_refusal(const char *const args[], const char *words)
{
    struct server_process server;
    char *log;

    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(server_process_start(&server, PHYSMEM_PROGRAM, args), -ECHILD);
    assert_int_equal(server_process_wait(&server), 2);
    log = server_process_log(&server);
    assert_non_null(log);
    if (strstr(log, words) == NULL)
        fail_msg("it does not say \"%s\": %s", words, log);
    free(log);
    server_process_fini(&server);
}

static void test_what_cannot_be_is_refused_with_a_reason(void **state)
{
    const char *above = tower.server[0].socket;

    (void)state;
    expect_refusal((const char *[]){"--upstream", above, NULL}, "belong together");
    expect_refusal(
        (const char *[]){"--upstream", above, "--contract", "extra=5", "--frames", "9", NULL},
        "exclude each other");
    expect_refusal((const char *[]){"--upstream", above, "--contract", "guaranteed=400", NULL},
                   "the sum of guarantees");
    expect_refusal((const char *[]){"--upstream", above, "--contract", "extra=40,drop=9a", NULL},
                   "must be a time");
    expect_refusal(
        (const char *[]){"--upstream", above, "--contract", "guaranteed=40,order=2", NULL},
        "order must be 0");
    expect_refusal((const char *[]){"--upstream", "/nowhere/s", "--contract", "extra=5", NULL},
                   "/nowhere/s");
    expect_refusal((const char *[]){"--upstream", above, "--contract", "guaranteed=40", "--reserve",
                                    "40", NULL},
                   "leaves none");
    assert_true(physmem_books_agree(&tower.observer[0]));
}

/* The first server takes mappings at random. The questions arrive at tasks of the last one, in the numbers
 * of their own slots; the answers make those above, whose deadlines they meet. */
static int tower_in_chaos(void **state)
{
    static const char *const args[] = {"--chaos-unmap", "2000", NULL};

    tower_end(state);
    first_args = args;
    tower_start(state);
    first_args = NULL;
    return 0;
}

static void test_mappings_that_are_taken_at_the_top_are_taken_below(void **state)
{
    struct physmem_peer peer;
    struct wire_map item;
    unsigned pages = 0;
    int fd;

    (void)state;
    peer_start(&peer, 2, "task", 100, 0);
    assert_int_equal(physmem_allocate(&peer, 10, 50, 0), 50);
    fd = physmem_map(&peer, 10, 50, &item);
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < 50; i++)
        put(fd, item.offset + i, (char)('a' + i % 26));
    for (unsigned answered = 0; answered < 30; answered++) {
        const struct wire_message unmap = hear(&peer, WIRE_UNMAP);
        const struct wire_range *range = &unmap.unmap.ranges[0];
        struct wire_message answer = {.type = WIRE_UNMAPPED};
        struct wire_message again = {.type = WIRE_MAP}, reply;

        assert_int_equal(unmap.unmap.container, peer.container);
        assert_true(range->start >= 10 && range->count <= 50 && range->start + range->count <= 60);
        pages += range->count;
        answer.unmapped.id = unmap.unmap.id;
        answer.unmapped.referenced = range->count;
        assert_int_equal(wire_client_send(&peer.control, &answer, -1), 0);
        /* The task maps them again: the rights come from the top. */
        again.map.container = peer.container;
        again.map.start = 10;
        again.map.count = 50;
        again.map.rights = WIRE_ACCESS_BOTH;
        assert_int_equal(wire_client_call(&peer.request, &again, -1, &reply), 0);
        assert_int_equal(reply.error, 0);
    }
    assert_true(pages >= 30);
    for (uint32_t i = 0; i < 50; i++)
        assert_true(has(fd, item.offset + i, (char)('a' + i % 26)));
    for (unsigned level = 0; level < LEVELS; level++)
        assert_int_equal(status_of(level, NULL).physmem_status.breaches, 0);
    assert_true(status_of(0, "level1").task_status.unmaps > 0);
    assert_true(status_of(1, "level2").task_status.unmaps > 0);
    assert_true(status_of(2, "task").task_status.unmaps >= 30);
    close(fd);
    physmem_peer_close(&peer);
}

/* ---- Extents ---- */

#define SPREADING 10u

/* A task with contracts under which it may lose frames, that puts a frame into each of as many extents as it gets, up to
 * 20. Returns how many. */
static unsigned spread_frames(struct physmem_peer *peer)
{
    struct wire_message message = {.type = WIRE_PROPOSE}, reply;
    struct wire_map item;
    unsigned extents = 0;
    int fd = 0;

    assert_int_equal(physmem_peer_open(peer, &tower.server[1], "spreads"), 0);
    message.propose.kind = SP_GUARANTEED;
    message.propose.min = message.propose.frames = 30;
    message.propose.term_ns = SP_FOREVER;
    message.propose.on_breach = SP_BREACH_REPOSSESS;
    assert_int_equal(wire_client_call(&peer->request, &message, -1, &reply), 0);
    assert_int_equal(reply.offer.answer, SP_ACCEPTED);
    assert_int_equal(physmem_container(peer, 20 * 256), 0);
    while (extents < 20 && fd >= 0) {
        assert_int_equal(physmem_allocate(peer, extents * 256, 1, 0), 1);
        fd = physmem_map(peer, extents * 256, 1, &item);
        assert_true(fd >= 0 || fd == -EMFILE);
        if (fd >= 0)
            close(fd);
        extents += fd >= 0;
    }
    return extents;
}

/* The one above lets this physmem have 28 extents. */
static void test_tasks_that_spread_their_frames_leave_extents_for_others(void **state)
{
    struct physmem_peer peer[SPREADING];

    tower_end(state);
    level_start("600");
    level_start("guaranteed=400");
    for (unsigned i = 0; i < SPREADING; i++) {
        unsigned extents = spread_frames(&peer[i]);

        assert_in_range(extents, i == 0 ? 2 : 1, 4);
    }
    for (unsigned i = 0; i < SPREADING; i++)
        physmem_peer_close(&peer[i]);
}

int main(void)
{
#define TOWER_TEST(name) cmocka_unit_test_setup(name, tower_start)
#define LEFT_WHOLE(name) cmocka_unit_test_setup(name, tower_again)
    const struct CMUnitTest tests[] = {
        TOWER_TEST(test_memory_of_a_task_is_memory_of_the_first_physmem),
        LEFT_WHOLE(test_pages_that_were_given_back_read_as_zeros),
        LEFT_WHOLE(test_a_retained_descriptor_reaches_nobodys_memory),
        LEFT_WHOLE(test_an_overdraft_falls_back_on_its_task_only),
        LEFT_WHOLE(test_programs_make_the_same_bytes_on_every_level),
        LEFT_WHOLE(test_what_cannot_be_is_refused_with_a_reason),
        LEFT_WHOLE(test_a_recall_at_the_top_arrives_below_in_time_and_is_answered),
        TOWER_TEST(test_a_task_that_does_not_answer_makes_no_server_late),
        TOWER_TEST(test_when_the_first_dies_all_end_and_their_tasks_lose_everything),
        TOWER_TEST(test_when_one_in_the_middle_dies_what_is_below_ends_and_what_is_above_is_whole),
        TOWER_TEST(test_when_the_last_dies_the_others_have_its_frames_again),
        cmocka_unit_test_setup(test_mappings_that_are_taken_at_the_top_are_taken_below,
                               tower_in_chaos),
        cmocka_unit_test(test_a_revocation_takes_everything_below_even_a_server_that_hangs),
        cmocka_unit_test(test_a_term_above_is_renewed_in_time),
        cmocka_unit_test(test_tasks_that_spread_their_frames_leave_extents_for_others),
    };

    return cmocka_run_group_tests_name("physmem/stacked", tests, NULL, tower_end);
}
