/* A real physmem and raw tasks: memory that comes, goes, and is taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "physmem_peer.h"

#define PAGE SP_PAGE_SIZE

#define HUGE_BYTES ((size_t)2 << 20)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1 */
#endif
#define MS UINT64_C(1000000)

struct stage {
    struct server_process server;
    struct wire_client observer;
};

static int start_with(void **state, const char *frames, const char *const more[])
{
    static struct stage stage;

    *state = &stage;
    if (server_process_init(&stage.server) != 0 || physmem_start(&stage.server, frames, more) != 0)
        return -1;
    return wire_client_open(&stage.observer, stage.server.socket, WIRE_ROLE_OBSERVER, 0, 0, "o",
                            NULL);
}

static int start(void **state, const char *const more[])
{
    return start_with(state, "128", more);
}

static int setup(void **state)
{
    return start(state, NULL);
}

static int setup_large(void **state)
{
    return start_with(state, "512", NULL);
}

static int setup_chaos(void **state)
{
    return start(state, (const char *[]){"--chaos-unmap", "500", "--seed", "7", NULL});
}

static int teardown(void **state)
{
    struct stage *stage = *state;
    bool good = stage->server.pid != 0 && physmem_books_agree(&stage->observer);

    wire_client_close(&stage->observer);
    if (stage->server.pid != 0 && server_process_stop(&stage->server) != 0)
        good = false;
    server_process_fini(&stage->server);
    return good ? 0 : -1;
}

/* A task with contracts and a container of 1000 slots. */
static void task_open(struct stage *stage, struct physmem_peer *peer, const char *name,
                      uint32_t guaranteed, uint32_t extra, uint64_t t_drop_ns)
{
    assert_int_equal(physmem_peer_open(peer, &stage->server, name), 0);
    if (guaranteed > 0)
        assert_int_equal(physmem_propose(peer, SP_GUARANTEED, guaranteed, 0), 0);
    if (extra > 0)
        assert_int_equal(physmem_propose(peer, SP_EXTRA, extra, t_drop_ns), 0);
    assert_int_equal(physmem_container(peer, 1000), 0);
}

static void expect_status(struct stage *stage, const char *name, uint32_t held, uint32_t owed)
{
    struct wire_message status, task;

    assert_int_equal(physmem_status(&stage->observer, &status, name, &task), 0);
    assert_int_equal(task.task_status.held, held);
    assert_int_equal(task.task_status.owed, owed);
}

/* A child that does not outlive the test. */
static pid_t fork_child(void)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
        _exit(99);
    return child;
}

/* Wait until a child has written a byte to this pipe, and close it. */
static void await_ready(int ready[2])
{
    char byte;

    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static void test_memory_comes_cleared(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer;
    struct wire_map item;
    char *memory;
    int fd;

    task_open(stage, &peer, "a", 16, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 250, 6, 0), 6);
    fd = physmem_map(&peer, 250, 6, &item);
    assert_true(fd >= 0);
    assert_int_equal(item.offset, 250);
    assert_int_equal(item.count, 6);
    memory = mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    for (unsigned i = 250; i < 256; i++)
        memory[i * PAGE] = 'x';
    assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, 250, 3), 3);
    assert_int_equal(physmem_allocate(&peer, 250, 3, WIRE_ALLOCATE_ZERO), 3);
    assert_int_equal(memory[250 * PAGE], 0);
    assert_int_equal(memory[253 * PAGE], 'x');
    /* Softly released and recovered, contents stay. */
    assert_int_equal(physmem_give_back(&peer, WIRE_RELEASE, 253, 3), 3);
    expect_status(stage, "a", 3, 0);
    assert_int_equal(physmem_give_back(&peer, WIRE_RECOVER, 253, 3), 3);
    assert_int_equal(memory[255 * PAGE], 'x');
    /* The descriptor cannot be grown, nor made immune. */
    assert_int_equal(ftruncate(fd, 257 * PAGE), -1);
    munmap(memory, 256 * PAGE);
    close(fd);
    physmem_peer_close(&peer);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
}

/* The next message, which brings an extent: its descriptor. */
static int receive_extent(struct physmem_peer *peer, uint32_t extent)
{
    struct wire_message message;
    int fd;

    assert_int_equal(wire_client_receive(&peer->request, &message, &fd), 0);
    assert_int_equal(message.type, WIRE_EXTENT);
    assert_int_equal(message.extent.extent, extent);
    assert_true(fd >= 0);
    return fd;
}

/* Map one slot. `fds`: the descriptors that came so far, by extent. */
static struct wire_map map_slot(struct physmem_peer *peer, uint32_t slot, uint8_t rights,
                                int fds[8])
{
    struct wire_message request = {.type = WIRE_MAP}, reply;
    struct wire_map item;

    request.map.container = peer->container;
    request.map.start = slot;
    request.map.count = 1;
    request.map.rights = rights;
    assert_int_equal(wire_client_call(&peer->request, &request, -1, &reply), 0);
    assert_int_equal(reply.error, 0);
    assert_int_equal(reply.mapped.items_count, 1);
    item = reply.mapped.items[0];
    assert_true(item.extent < 8);
    if (fds[item.extent] == 0)
        fds[item.extent] = receive_extent(peer, item.extent);
    return item;
}

static uint32_t copy_slots(struct physmem_peer *peer, uint32_t from, uint32_t to, uint32_t count)
{
    struct wire_message request = {.type = WIRE_COPY}, reply;

    request.copy.from = peer->container;
    request.copy.to = peer->container;
    request.copy.pieces_count = 1;
    request.copy.pieces[0] = (struct wire_piece){from, to, count};
    assert_int_equal(wire_client_call(&peer->request, &request, -1, &reply), 0);
    return reply.error;
}

static uint32_t unmap_slots(struct physmem_peer *peer, uint32_t start, uint32_t count)
{
    struct wire_message request = {.type = WIRE_UNMAP_OWN}, reply;

    request.unmap_own.container = peer->container;
    request.unmap_own.ranges_count = 1;
    request.unmap_own.ranges[0] = (struct wire_range){start, count};
    assert_int_equal(wire_client_call(&peer->request, &request, -1, &reply), 0);
    return reply.error;
}

static char byte_at(const int fds[8], const struct wire_map *item)
{
    char byte = 0;

    assert_int_equal(pread(fds[item->extent], &byte, 1, (off_t)(item->offset * PAGE)), 1);
    return byte;
}

static void test_copies_share_a_page_that_nobody_can_write(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer;
    struct wire_message status;
    struct wire_map home, item, other;
    int fds[8] = {0};
    char page[PAGE];

    memset(page, 'x', PAGE);
    task_open(stage, &peer, "a", 16, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 8, 0), 8);
    home = map_slot(&peer, 1, WIRE_ACCESS_BOTH, fds);
    assert_int_equal(pwrite(fds[home.extent], page, PAGE, (off_t)(home.offset * PAGE)), PAGE);
    assert_int_equal(copy_slots(&peer, 0, 4, 4), EBUSY); /* slot 1 is mapped */
    assert_int_equal(unmap_slots(&peer, 1, 1), 0);
    assert_int_equal(copy_slots(&peer, 0, 4, 4), 0);
    /* What it retains shows nothing any more, or will soon: its own page is cleared when there is time. */
    while (byte_at(fds, &home) != 0)
        assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    item = map_slot(&peer, 5, WIRE_ACCESS_BOTH, fds);
    other = map_slot(&peer, 1, WIRE_ACCESS_READ, fds);
    assert_int_equal(item.rights, WIRE_RIGHT_READ);
    assert_true(item.extent == other.extent && item.offset == other.offset);
    assert_int_equal(byte_at(fds, &item), 'x');
    assert_int_equal(pwrite(fds[item.extent], "z", 1, (off_t)(item.offset * PAGE)), -1);
    assert_true(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[item.extent],
                     (off_t)(item.offset * PAGE)) == MAP_FAILED);
    assert_int_equal(ftruncate(fds[item.extent], 0), -1);
    /* The first writer gets a page of its own. */
    other = map_slot(&peer, 5, WIRE_ACCESS_FORCE_BOTH, fds);
    assert_int_equal(other.rights, WIRE_RIGHT_BOTH);
    assert_int_equal(other.extent, home.extent);
    assert_int_equal(byte_at(fds, &other), 'x');
    assert_int_equal(pwrite(fds[other.extent], "w", 1, (off_t)(other.offset * PAGE)), 1);
    assert_int_equal(byte_at(fds, &item), 'x');
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.copies, 4);
    assert_int_equal(status.physmem_status.moved, 5);
    assert_int_equal(status.physmem_status.broken, 1);
    assert_int_equal(status.physmem_status.shared, 3);
    /* What is written to a page that was moved reaches nobody. An audit ends the task for it, at some
     * time: then nothing is there any more. */
    assert_int_equal(pwrite(fds[home.extent], "y", 1, (off_t)(home.offset * PAGE)), 1);
    assert_true(pread(fds[item.extent], page, 1, (off_t)(item.offset * PAGE)) == 0 ||
                page[0] == 'x');
    for (unsigned i = 0; i < 8; i++)
        if (fds[i] > 0)
            close(fds[i]);
    physmem_peer_close(&peer);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
}

/* A slot that was copied, and then emptied, has its page at home again at once: what is written there
 * stays, although that page was to be cleared. */
static void test_a_page_that_is_in_use_again_is_not_cleared(void **state)
{
    struct wire_message status;
    struct stage *stage = *state;
    struct wire_map first, second, again;
    struct physmem_peer peer;
    int fds[8] = {0};

    task_open(stage, &peer, "a", 16, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 8, 0), 8);
    first = map_slot(&peer, 0, WIRE_ACCESS_BOTH, fds);
    second = map_slot(&peer, 1, WIRE_ACCESS_BOTH, fds);
    assert_int_equal(pwrite(fds[first.extent], "a", 1, (off_t)(first.offset * PAGE)), 1);
    assert_int_equal(pwrite(fds[second.extent], "b", 1, (off_t)(second.offset * PAGE)), 1);
    assert_int_equal(unmap_slots(&peer, 0, 2), 0);
    assert_int_equal(copy_slots(&peer, 0, 4, 2), 0);
    assert_int_equal(physmem_allocate(&peer, 1, 1, WIRE_ALLOCATE_SQUASH), 1);
    again = map_slot(&peer, 1, WIRE_ACCESS_BOTH, fds);
    assert_true(again.extent == second.extent && again.offset == second.offset);
    assert_int_equal(pwrite(fds[again.extent], "k", 1, (off_t)(again.offset * PAGE)), 1);
    while (byte_at(fds, &first) != 0)
        assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(byte_at(fds, &again), 'k');
    for (unsigned i = 0; i < 8; i++)
        if (fds[i] > 0)
            close(fds[i]);
    physmem_peer_close(&peer);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
}

/* Physmem can write no file, and so no extent, past this many bytes any more. */
static void limit_extents(const struct stage *stage, rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};

    assert_int_equal(prlimit(stage->server.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

/* Bytes that physmem cannot move are not replaced by zeros: their task ends, and nobody else. A page is there
 * already where they are to come, so that physmem writes to it. */
static void test_contents_that_cannot_be_moved_end_their_task(void **state)
{
    struct stage *stage = *state;
    struct wire_message request = {.type = WIRE_MAP}, reply;
    struct physmem_peer peer, other;
    struct wire_map home;
    int fds[8] = {0};

    task_open(stage, &peer, "a", 16, 0, 0);
    task_open(stage, &other, "other", 16, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 100, 2, 0), 2);
    home = map_slot(&peer, 100, WIRE_ACCESS_BOTH, fds);
    assert_int_equal(unmap_slots(&peer, 100, 1), 0);
    assert_int_equal(copy_slots(&peer, 100, 101, 1), 0);
    assert_int_equal(pwrite(fds[home.extent], "x", 1, (off_t)((home.offset + 1) * PAGE)), 1);
    limit_extents(stage, 0);
    request.map.container = peer.container;
    request.map.start = 101;
    request.map.count = 1;
    request.map.rights = WIRE_ACCESS_FORCE_BOTH;
    assert_int_not_equal(wire_client_call(&peer.request, &request, -1, &reply), 0);
    assert_int_equal(physmem_await_tasks(&stage->observer, 1), 0);
    assert_int_equal(physmem_allocate(&other, 0, 8, 0), 8);
    limit_extents(stage, RLIM_INFINITY);
    for (unsigned i = 0; i < 8; i++)
        if (fds[i] > 0)
            close(fds[i]);
    physmem_peer_close(&peer);
    physmem_peer_close(&other);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
}

static volatile sig_atomic_t expecting_bus;

static void on_bus(int number)
{
    (void)number;
    _exit(expecting_bus ? 42 : 43);
}

/* The rogue of the test below: takes extra frames, touches them, says so to `ready`, ignores the
 * recall until told that it was revoked, and touches them again. */
static void be_rogue(struct stage *stage, int ready)
{
    struct wire_message message;
    struct physmem_peer peer;
    struct wire_map item;
    volatile char *memory;
    int fd;

    signal(SIGBUS, on_bus);
    if (physmem_peer_open(&peer, &stage->server, "rogue") != 0 ||
        physmem_propose(&peer, SP_GUARANTEED, 4, 0) != 0 ||
        physmem_propose(&peer, SP_EXTRA, 100, 20 * MS) != 0 || physmem_container(&peer, 100) != 0 ||
        physmem_allocate(&peer, 0, 100, WIRE_ALLOCATE_EXTRA) != 100)
        _exit(1);
    fd = physmem_map(&peer, 0, 100, &item);
    memory = mmap(NULL, 100 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || memory == MAP_FAILED)
        _exit(2);
    memset((void *)memory, 1, 100 * PAGE);
    if (write(ready, "x", 1) != 1)
        _exit(8);
    do
        if (wire_client_receive(&peer.control, &message, NULL) != 0)
            _exit(3);
    while (message.type != WIRE_REVOKED);
    if (message.revoked.reason != SP_REASON_RECALL_MISSED || message.revoked.text[0] == '\0')
        _exit(4);
    /* The connection ends after the extents have been cut. */
    if (wire_client_expect_end(&peer.control) != 0)
        _exit(5);
    if (physmem_allocate(&peer, 0, 1, 0) != -EPIPE)
        _exit(6);
    expecting_bus = 1;
    memory[3 * PAGE] = 2; /* guaranteed frames are gone as well */
    _exit(7);
}

static void test_revocation_takes_every_mapping(void **state)
{
    struct stage *stage = *state;
    struct wire_message status, task;
    struct physmem_peer peer;
    int ready[2];
    char *log;
    pid_t child;
    int code;

    assert_int_equal(pipe(ready), 0);
    child = fork_child();
    if (child == 0)
        be_rogue(stage, ready[1]);
    await_ready(ready);
    task_open(stage, &peer, "a", 64, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 64, 0), 64); /* waits for the rogue's deadline */
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    assert_int_equal(WEXITSTATUS(code), 42);
    assert_int_equal(physmem_status(&stage->observer, &status, "rogue", &task), 0);
    assert_int_equal(task.task_status.breached, 1);
    assert_int_equal(task.task_status.recalls_missed, 1);
    assert_int_equal(status.physmem_status.breaches, 1);
    log = server_process_log(&stage->server);
    assert_non_null(strstr(log, "task rogue (process "));
    assert_non_null(strstr(log, "36 of 36 frames were not returned; it held 100 frames"));
    free(log);
    physmem_peer_close(&peer);
}

static void test_killed_task_returns_its_frames(void **state)
{
    struct stage *stage = *state;
    struct wire_message status, task;
    int ready[2];
    pid_t child;
    int code;

    assert_int_equal(pipe(ready), 0);
    child = fork_child();
    if (child == 0) {
        struct physmem_peer peer;
        struct wire_map item;

        if (physmem_peer_open(&peer, &stage->server, "victim") != 0 ||
            physmem_propose(&peer, SP_GUARANTEED, 100, 0) != 0 ||
            physmem_container(&peer, 100) != 0 || physmem_allocate(&peer, 0, 100, 0) != 100 ||
            physmem_map(&peer, 0, 100, &item) < 0)
            _exit(1);
        if (write(ready[1], "x", 1) != 1)
            _exit(2);
        for (;;)
            pause();
    }
    await_ready(ready);
    expect_status(stage, "victim", 100, 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
    assert_int_equal(physmem_status(&stage->observer, &status, "victim", &task), 0);
    assert_int_equal(status.physmem_status.free, 128);
    assert_int_equal(status.physmem_status.extents, 0);
    assert_int_equal(status.physmem_status.guaranteed, 0);
    assert_int_equal(status.physmem_status.breaches, 0); /* dying is no breach */
    assert_int_equal(task.task_status.breached, 0);
}

static void test_recall_is_answered_over_the_control_connection(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_RECALL_TASK}, reply;
    struct physmem_peer peer;

    task_open(stage, &peer, "a", 8, 40, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 30, WIRE_ALLOCATE_EXTRA), 30);
    strcpy(message.recall_task.name, "a");
    message.recall_task.frames = 1000; /* the guarantee is not touched */
    assert_int_equal(wire_client_call(&stage->observer, &message, -1, &reply), 0);
    assert_int_equal(reply.error, 0);
    assert_int_equal(reply.done.count, 22);
    assert_int_equal(wire_client_call(&stage->observer, &message, -1, &reply), 0);
    assert_int_equal(reply.error, EINVAL); /* nothing is left to recall */
    strcpy(message.recall_task.name, "nobody");
    assert_int_equal(wire_client_call(&stage->observer, &message, -1, &reply), 0);
    assert_int_equal(reply.error, ENOENT);

    assert_int_equal(wire_client_receive(&peer.control, &message, NULL), 0);
    assert_int_equal(message.type, WIRE_RECALL);
    assert_int_equal(message.recall.frames, 22);
    assert_int_equal(message.recall.grace, SP_DEFAULT_T_DROP_NS);
    message = (struct wire_message){.type = WIRE_DEALLOCATE};
    message.deallocate.container = peer.container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){8, 22};
    assert_int_equal(wire_client_call(&peer.control, &message, -1, &reply), 0);
    assert_int_equal(reply.done.count, 22);
    expect_status(stage, "a", 8, 0);
    physmem_peer_close(&peer);
}

/* One task never reads its control connection. It loses everything; another does not notice. */
static void test_control_connection_never_read(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer deaf, other;
    char *log;

    task_open(stage, &deaf, "deaf", 8, 100, 10 * MS);
    task_open(stage, &other, "other", 100, 0, 0);
    assert_int_equal(physmem_allocate(&deaf, 0, 100, WIRE_ALLOCATE_EXTRA), 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(physmem_allocate(&other, i, 1, 0), 1);
    assert_int_equal(physmem_await_breach(&stage->observer, "deaf", SP_REASON_RECALL_MISSED), 0);
    expect_status(stage, "other", 100, 0);
    log = server_process_log(&stage->server);
    assert_non_null(strstr(log, "task deaf"));
    assert_null(strstr(log, "task other"));
    free(log);
    physmem_peer_close(&deaf);
    physmem_peer_close(&other);
}

static void test_control_connection_closed(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer deaf, other;

    task_open(stage, &deaf, "deaf", 8, 100, 0);
    task_open(stage, &other, "other", 100, 0, 0);
    assert_int_equal(physmem_allocate(&deaf, 0, 100, WIRE_ALLOCATE_EXTRA), 100);
    wire_client_close(&deaf.control);
    assert_int_equal(physmem_allocate(&other, 0, 100, 0), 100);
    assert_int_equal(physmem_await_breach(&stage->observer, "deaf", SP_REASON_NOT_RECEIVING), 0);
    physmem_peer_close(&deaf);
    physmem_peer_close(&other);
}

/* A task that returns a page and touches it again through the mapping it kept. */
static void test_overdraft(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer;
    struct wire_map item;
    volatile char *memory;
    int fd;

    task_open(stage, &peer, "cheat", 8, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 8, 0), 8);
    fd = physmem_map(&peer, 0, 8, &item);
    assert_true(fd >= 0);
    memory = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    for (unsigned i = 0; i < 8; i++)
        memory[i * PAGE] = 1;
    assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, 5, 1), 1);
    (void)memory[5 * PAGE]; /* merely reading it allocates it */
    assert_int_equal(physmem_await_breach(&stage->observer, "cheat", SP_REASON_OVERDRAFT), 0);
    munmap((void *)memory, 8 * PAGE);
    close(fd);
    physmem_peer_close(&peer);
}

/* A huge page reaches beyond the end of its extent: 512 pages in place of 256. */
static void test_memory_beyond_the_end_of_an_extent_is_an_overdraft(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer;
    struct wire_map item;
    char *room, *memory;
    int fd;

    if (getenv("SELFPAGE_EMULATED") != NULL)
        skip(); /* qemu-user does not pass MADV_COLLAPSE on, and says that it has */
    task_open(stage, &peer, "collapses", 256, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 256, 0), 256);
    fd = physmem_map(&peer, 0, 256, &item);
    assert_true(fd >= 0);
    room = mmap(NULL, 2 * HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(room != MAP_FAILED);
    memory = (char *)(((uintptr_t)room + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));
    memory = mmap(memory, HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    assert_true(memory != MAP_FAILED);
    memset(memory, 1, 256 * PAGE);
    if (item.count == 256 && madvise(memory, HUGE_BYTES, MADV_COLLAPSE) == 0)
        assert_int_equal(physmem_await_breach(&stage->observer, "collapses", SP_REASON_OVERDRAFT),
                         0);
    munmap(room, 2 * HUGE_BYTES);
    close(fd);
    physmem_peer_close(&peer);
}

/* Physmem unmaps at random; the task answers, and is not in breach. */
static void test_chaos(void **state)
{
    struct stage *stage = *state;
    struct wire_message message, status, task;
    struct physmem_peer peer;
    struct wire_map item;
    unsigned answered = 0;
    int fd;

    task_open(stage, &peer, "a", 64, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 64, 0), 64);
    fd = physmem_map(&peer, 0, 64, &item);
    assert_true(fd >= 0);
    while (answered < 50) {
        struct wire_message answer = {.type = WIRE_UNMAPPED};
        struct wire_message again = {.type = WIRE_MAP}, reply;

        assert_int_equal(wire_client_receive(&peer.control, &message, NULL), 0);
        assert_int_equal(message.type, WIRE_UNMAP);
        assert_int_equal(message.unmap.container, peer.container);
        assert_int_equal(message.unmap.ranges_count, 1);
        assert_in_range(message.unmap.ranges[0].count, 1, 64);
        assert_true(message.unmap.ranges[0].start + message.unmap.ranges[0].count <= 64);
        answer.unmapped.id = message.unmap.id;
        assert_int_equal(wire_client_send(&peer.control, &answer, -1), 0);
        again.map.container = peer.container;
        again.map.count = 64;
        again.map.rights = WIRE_RIGHT_READ;
        assert_int_equal(wire_client_call(&peer.request, &again, -1, &reply), 0);
        assert_int_equal(reply.error, 0);
        answered++;
    }
    assert_int_equal(physmem_status(&stage->observer, &status, "a", &task), 0);
    assert_int_equal(task.task_status.breached, 0);
    assert_true(task.task_status.unmaps >= 50);
    /* An answer to what was not asked ends the control connection. */
    message = (struct wire_message){.type = WIRE_UNMAPPED};
    message.unmapped.id = UINT64_MAX;
    assert_int_equal(wire_client_send(&peer.control, &message, -1), 0);
    assert_int_equal(wire_client_expect_end(&peer.control), 0);
    close(fd);
    physmem_peer_close(&peer);
}

/* Frames come back one here, one there; a block of eight can be made all the same, and frames that
 * had to move for it keep their contents. */
static void test_blocks_are_made(void **state)
{
    struct stage *stage = *state;
    struct physmem_peer peer;
    struct wire_message status;
    struct wire_map item;
    unsigned char *page;
    int fd;

    task_open(stage, &peer, "a", 128, 0, 0);
    assert_int_equal(physmem_allocate(&peer, 0, 128, 0), 128);
    fd = physmem_map(&peer, 0, 128, &item);
    assert_true(fd >= 0);
    page = mmap(NULL, 128 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    for (uint32_t i = 0; i < 128; i++)
        page[i * PAGE] = (unsigned char)i;
    for (uint32_t i = 0; i < 128; i += 4)
        assert_int_equal(physmem_give_back(&peer, WIRE_DEALLOCATE, i, 1), 1);
    assert_int_equal(physmem_allocate_blocks(&peer, 200, 32, 3, 0), 32);
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.free, 0);
    assert_in_range(status.physmem_status.compacted, 1, 3 * 32);
    for (uint32_t i = 0; i < 128; i++)
        if (i % 4 != 0)
            assert_int_equal(page[i * PAGE], i);
    munmap(page, 128 * PAGE);
    close(fd);
    physmem_peer_close(&peer);
}

/* Many tasks come, take, and go in disorder; nothing is left. */
static void test_many_tasks(void **state)
{
    enum { TASKS = 100 };
    struct stage *stage = *state;
    static struct physmem_peer peer[TASKS];
    struct wire_message status;

    for (unsigned i = 0; i < TASKS; i++) {
        task_open(stage, &peer[i], "one of many", 1, 0, 0);
        assert_int_equal(physmem_allocate(&peer[i], i, 1, 0), 1);
    }
    assert_int_equal(physmem_await_tasks(&stage->observer, TASKS), 0);
    assert_true(physmem_books_agree(&stage->observer));
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.free, 28);
    for (unsigned i = 0; i < TASKS; i++)
        physmem_peer_close(&peer[i * 37 % TASKS]);
    assert_int_equal(physmem_await_tasks(&stage->observer, 0), 0);
    assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    assert_int_equal(status.physmem_status.free, 128);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_memory_comes_cleared),
        TEST(test_copies_share_a_page_that_nobody_can_write),
        TEST(test_a_page_that_is_in_use_again_is_not_cleared),
        TEST(test_contents_that_cannot_be_moved_end_their_task),
        TEST(test_revocation_takes_every_mapping),
        TEST(test_killed_task_returns_its_frames),
        TEST(test_recall_is_answered_over_the_control_connection),
        TEST(test_control_connection_never_read),
        TEST(test_control_connection_closed),
        TEST(test_overdraft),
        cmocka_unit_test_setup_teardown(test_memory_beyond_the_end_of_an_extent_is_an_overdraft,
                                        setup_large, teardown),
        cmocka_unit_test_setup_teardown(test_chaos, setup_chaos, teardown),
        TEST(test_blocks_are_made),
        TEST(test_many_tasks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
