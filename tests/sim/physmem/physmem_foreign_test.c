/* A hostile client and a hostile server of another user id, written against the wire: what they retain
 * and what they do at any moment changes nobody's bytes, shows them nothing, and keeps no frame. Skipped
 * where the test may not change its user. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <selfpage/contract.h>

#include "base/random.h"
#include "foreign.h"
#include "ring.h"

/* ---- What is retained ---- */

static sigjmp_buf bus;

static void on_bus(int number)
{
    siglongjmp(bus, number);
}

/* Write through a mapping, of which nothing may be left. */
static void scribble(volatile char *memory)
{
    signal(SIGBUS, on_bus);
    if (sigsetjmp(bus, 1) == 0)
        for (unsigned i = 0; i < PAGE; i++)
            memory[i] = 'x';
}

/* Try all that a descriptor which can only read might give. */
static void try_reading_descriptor(int fd, off_t offset)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST(open(path, O_RDWR) < 0 && errno == EACCES);
    MUST(open(path, O_RDONLY) < 0 && errno == EACCES);
    MUST(pwrite(fd, "x", 1, offset) < 0);
    MUST(ftruncate(fd, 0) < 0);
    MUST(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, PAGE) < 0);
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0);
    MUST(fchmod(fd, 0666) < 0);
    MUST(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset) == MAP_FAILED);
}

/* A client that keeps all that it had of slot 0, and of a page that it was given to read. */
static void retain(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer;
    struct wire_map home, given;
    int fds[16] = {0}, pipes[2], fd;
    struct iovec piece;
    char path[64], *memory;
    struct word word;
    uint64_t token;

    (void)arg;
    MUST(open_peer(stage, &peer, "client"));
    MUST(sharing_map(&peer, 0, WIRE_ACCESS_FORCE_BOTH, fds, &home) == 0);
    fd = fds[home.extent & 15];
    memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)home.offset * PAGE);
    MUST(memory != MAP_FAILED);
    memset(memory, 'c', PAGE);
    MUST(pipe(pipes) == 0);
    piece = (struct iovec){memory, PAGE};
    MUST(vmsplice(pipes[1], &piece, 1, 0) == PAGE);
    MUST(sharing_unmap(&peer, 0, 1) == 0);
    MUST(share(&peer, 10000 * MS, &token) == 0);
    tell(end, peer.container, token);
    MUST(hear(end, &word)); /* the host has copied from slot 0, and to slot 2 */
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    MUST(open(path, O_RDWR) < 0 && errno == EACCES);
    MUST(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0);
    (void)!pwrite(fd, "xxxx", 4, (off_t)home.offset * PAGE);
    (void)!pwrite(fd, "xxxx", 4, (off_t)(home.offset + 2) * PAGE);
    scribble(memory);
    tell(end, 0, 0);
    MUST(hear(end, &word)); /* it has unlocked */
    MUST(sharing_map(&peer, 2, WIRE_ACCESS_READ, fds, &given) == 0);
    MUST(pread(fds[given.extent & 15], path, 4, (off_t)given.offset * PAGE) == 4);
    MUST(memcmp(path, "hhhh", 4) == 0);
    try_reading_descriptor(fds[given.extent & 15], (off_t)given.offset * PAGE);
    /* Its own write goes to a page of its own. */
    MUST(sharing_map(&peer, 2, WIRE_ACCESS_FORCE_BOTH, fds, &given) == 0);
    MUST(pwrite(fds[given.extent & 15], "xxxx", 4, (off_t)given.offset * PAGE) == 4);
    /* And it cuts off all that it can. */
    for (unsigned i = 0; i < 16; i++)
        if (fds[i] > 0)
            (void)!ftruncate(fds[i], 0);
    tell(end, 0, 0);
    MUST(hear(end, &word));
}

static void test_what_another_user_retains_changes_and_shows_nothing(void **state)
{
    struct stage *stage = *state;
    struct wire_message reply;
    struct word word;
    uint32_t own;

    SKIP_UNLESS_ROOT();
    own = stage->host.container;
    put(stage, 0, 'h');
    put(stage, 1, 's');
    attacker_start(stage, retain, 0);
    assert_true(hear(stage->end, &word));
    assert_int_equal(sharing_adopt(&stage->host, word.container, word.token), 0);
    assert_int_equal(sharing_lock(&stage->host, word.container, 10000 * MS, &reply), 0);
    assert_int_equal(sharing_copy(&stage->host, word.container, 0, own, 2, 1), 0);
    assert_int_equal(sharing_copy(&stage->host, own, 0, word.container, 2, 1), 0);
    tell(stage->end, 0, 0);
    {
        struct word ignored;

        assert_true(hear(stage->end, &ignored));
    }
    expect(stage, 2, 'c');
    assert_int_equal(unlock(&stage->host, word.container), 0);
    tell(stage->end, 0, 0);
    {
        struct word ignored;

        assert_true(hear(stage->end, &ignored));
    }
    /* What the attacker has cut off hurts itself; the host's copies of what is left are answered. */
    (void)sharing_copy(&stage->host, word.container, 5, own, 5, 2);
    expect(stage, 0, 'h');
    expect(stage, 1, 's');
    expect(stage, 2, 'c');
    tell(stage->end, 0, 0);
    attacker_end(stage);
    expect_all_frames_back(stage);
    expect(stage, 2, 'c');
}

/* ---- What the kernel keeps for it ---- */

/* Bytes that are all the same; 0: they are not. */
static char only_byte(const char *page)
{
    for (unsigned i = 1; i < PAGE; i++)
        if (page[i] != page[0])
            return 0;
    return page[0];
}

/* A client that has a ring pin its page, and a pipe keep it, and lets the kernel write and read there whenever it
 * can no more. */
static void pin(struct stage *stage, int end, unsigned arg)
{
    static struct physmem_peer peer;
    static char page[PAGE];
    struct wire_map home;
    int fds[16] = {0}, pipes[2], fd, own, result;
    struct word word;
    struct ring ring;
    uint64_t token;
    char *memory;
    loff_t at;

    (void)arg;
    MUST(open_peer(stage, &peer, "pins"));
    MUST(sharing_map(&peer, 0, WIRE_ACCESS_FORCE_BOTH, fds, &home) == 0);
    fd = fds[home.extent & 15];
    at = (loff_t)home.offset * PAGE;
    memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);
    MUST(memory != MAP_FAILED);
    memset(memory, 'c', PAGE);
    result = ring_open(&ring, memory, PAGE);
    if (result < 0) {
        tell(end, 0, 0);
        return;
    }
    own = memfd_create("own", MFD_CLOEXEC);
    memset(page, 'x', PAGE);
    MUST(own >= 0 && pwrite(own, page, PAGE, 0) == PAGE);
    MUST(pipe(pipes) == 0 && splice(fd, &at, pipes[1], NULL, PAGE, 0) == PAGE);
    MUST(sharing_unmap(&peer, 0, 1) == 0);
    MUST(share(&peer, 10000 * MS, &token) == 0);
    tell(end, peer.container, token);
    MUST(hear(end, &word)); /* the host has copied from slot 0 */
    MUST(ring_move(&ring, own, memory, PAGE, false) == PAGE);
    tell(end, 0, 0);
    MUST(hear(end, &word)); /* it has looked */
    MUST(physmem_give_back(&peer, WIRE_DEALLOCATE, 0, SLOTS) == SLOTS);
    tell(end, 0, 0);
    MUST(hear(end, &word)); /* and has taken all frames, and written there */
    MUST(ring_move(&ring, own, memory, PAGE, true) == PAGE);
    MUST(pread(own, page, PAGE, 0) == PAGE && only_byte(page) == 'x');
    MUST(ring_move(&ring, own, memory, PAGE, false) == PAGE);
    MUST(read(pipes[0], page, PAGE) == PAGE && (only_byte(page) == 'x' || only_byte(page) == 'c'));
    tell(end, 0, 0);
    MUST(hear(end, &word));
    ring_close(&ring);
}

static void test_pages_that_a_ring_pins_and_a_pipe_keeps_are_nobody_elses(void **state)
{
    struct stage *stage = *state;
    struct word word, ignored;

    SKIP_UNLESS_ROOT();
    attacker_start(stage, pin, 0);
    assert_true(hear(stage->end, &word));
    if (word.container == 0) {
        attacker_end(stage);
        print_message("there is no io_uring here, or it may not pin\n");
        skip();
    }
    assert_int_equal(sharing_adopt(&stage->host, word.container, word.token), 0);
    assert_int_equal(sharing_copy(&stage->host, word.container, 0, stage->host.container, 2, 1), 0);
    tell(stage->end, 0, 0);
    assert_true(hear(stage->end, &ignored));
    expect(stage, 2, 'c');
    tell(stage->end, 0, 0);
    assert_true(hear(stage->end, &ignored));
    assert_int_equal(physmem_allocate(&stage->host, SLOTS, SLOTS, 0), SLOTS);
    for (uint32_t slot = 3; slot < 2 * SLOTS; slot++)
        put(stage, slot, 'h');
    tell(stage->end, 0, 0);
    assert_true(hear(stage->end, &ignored));
    expect(stage, 2, 'c');
    for (uint32_t slot = 3; slot < 2 * SLOTS; slot++)
        expect(stage, slot, 'h');
    assert_int_equal(physmem_give_back(&stage->host, WIRE_DEALLOCATE, SLOTS, SLOTS), SLOTS);
    tell(stage->end, 0, 0);
    attacker_end(stage);
    expect_all_frames_back(stage);
    expect(stage, 2, 'c');
}

/* Write to a page of an extent from one that never comes: the kernel holds the lock of the extent for ever. */
static pid_t hold_lock(const struct stage *stage, int extent)
{
    pid_t holder = fork();

    MUST(holder >= 0);
    if (holder == 0) {
        int file;
        char *page;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(stage->stuck.device);
        file = open(stage->stuck.path, O_RDONLY);
        MUST(file >= 0);
        page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
        MUST(page != MAP_FAILED);
        (void)!pwrite(extent, page, PAGE, 0);
        _exit(0);
    }
    return holder;
}

/* A client whose extent is locked for ever, and that then asks for all that needs the lock. */
static void lock_out(struct stage *stage, int end, unsigned arg)
{
    struct wire_message message = {.type = WIRE_MAP, .seq = 4711}, reply;
    static struct physmem_peer peer;
    struct wire_map home;
    struct word word;
    int fds[16] = {0}, extent;

    (void)arg;
    close(stage->stuck.device);
    MUST(open_peer(stage, &peer, "locks"));
    MUST(sharing_map(&peer, 0, WIRE_ACCESS_FORCE_BOTH, fds, &home) == 0);
    extent = fds[home.extent & 15];
    MUST(pwrite(extent, "l", 1, (off_t)home.offset * PAGE) == 1);
    MUST(sharing_unmap(&peer, 0, 1) == 0);
    MUST(sharing_copy(&peer, peer.container, 0, peer.container, 8, 8) == 0);
    /* What it was copied from is cleared some time later: before the lock, or what comes next waits for that, too. */
    while (lseek(extent, 0, SEEK_DATA) >= 0)
        MUST(sharing_unmap(&peer, 0, 1) == 0);
    MUST(sharing_copy(&peer, peer.container, 0, peer.container, 8, 8) == 0);
    (void)hold_lock(stage, extent);
    tell(end, 0, 0);
    MUST(hear(end,
              &word)); /* it is locked: from here on any answer to this client may wait for ever */
    message.map.container = peer.container;
    message.map.count = 1;
    message.map.rights = WIRE_ACCESS_FORCE_BOTH;
    MUST(wire_client_send(&peer.request, &message, -1) == 0);
    message = (struct wire_message){.type = WIRE_DEALLOCATE, .seq = 4712};
    message.deallocate.container = peer.container;
    message.deallocate.ranges_count = 1;
    message.deallocate.ranges[0] = (struct wire_range){0, SLOTS};
    MUST(wire_client_send(&peer.request, &message, -1) == 0);
    tell(end, 0, 0);
    MUST(hear(end, &word));
    MUST(wire_client_poll(&peer.request, &reply, NULL) != 0); /* its own requests wait */
}

#define ROUNDS 200u

static void test_a_lock_on_an_extent_that_never_ends_holds_up_its_own_task_only(void **state)
{
    struct stage *stage = *state;
    static uint64_t time[ROUNDS];
    struct wire_message status;
    struct word ignored;
    int code;

    SKIP_UNLESS_ROOT();
    if (RUNNING_ON_VALGRIND) {
        print_message("Valgrind looks into files that are mapped, and would be stuck itself\n");
        skip();
    }
    code = stuck_file_prepare();
    if (code == 0)
        code = stuck_file_open(&stage->stuck, stage->server.directory);
    if (code < 0) {
        print_message("no FUSE file system can be mounted here: %s\n", strerror(-code));
        skip();
    }
    attacker_start(stage, lock_out, 0);
    assert_true(hear(stage->end, &ignored));
    while (atomic_load(&stage->stuck.reads) == 0)
        assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    tell(stage->end, 0, 0);
    assert_true(hear(stage->end, &ignored));
    put(stage, 0, 'h');
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t own = stage->host.container;
        uint64_t start = now_ns();

        assert_int_equal(sharing_copy(&stage->host, own, 0, own, 4, 4), 0);
        put(stage, 4, 'w');
        assert_int_equal(physmem_give_back(&stage->host, WIRE_DEALLOCATE, 5, 2), 2);
        assert_int_equal(physmem_allocate(&stage->host, 5, 2, 0), 2);
        time[i] = (now_ns() - start) / 6; /* requests */
    }
    expect(stage, 0, 'h');
    expect(stage, 4, 'w');
    qsort(time, ROUNDS, sizeof(time[0]), by_time);
    print_message("a request beside it takes %.2f ms, %.2f ms at most\n",
                  (double)time[ROUNDS / 2] / 1e6, (double)time[ROUNDS - 1] / 1e6);
    assert_true(time[ROUNDS / 2] < 5 * MS);
    tell(stage->end, 0, 0);
    attacker_end(stage);
    expect_all_frames_back(stage);
    stuck_file_close(&stage->stuck);
    expect_all_frames_back(stage);
    expect(stage, 0, 'h');
}

/* ---- What is forged ---- */

/* With the numbers of the host's containers, and tokens that it was not given. */
static void forge(struct stage *stage, int end, unsigned arg)
{
    static const uint8_t types[] = {WIRE_DEALLOCATE, WIRE_RELEASE, WIRE_RECOVER, WIRE_UNMAP_OWN};
    struct random_source random = random_seeded(arg);
    struct wire_message message, reply;
    static struct physmem_peer peer;
    struct word word;

    MUST(hear(end, &word));
    MUST(open_peer(stage, &peer, "forger"));
    for (unsigned i = 0; i < 64; i++)
        MUST(sharing_adopt(&peer, word.container, word.token ^ UINT64_C(1) << i) == ENOENT);
    for (unsigned i = 0; i < 200; i++)
        MUST(sharing_adopt(&peer, word.container,
                           ((uint64_t)random_below(&random, UINT32_MAX) << 32 |
                            random_below(&random, UINT32_MAX))) == ENOENT);
    MUST(sharing_adopt(&peer, word.container, 0) == ENOENT && sharing_adopt(&peer, 0, 0) == ENOENT);
    MUST(sharing_copy(&peer, word.container, 0, peer.container, 0, 1) == ENOENT);
    MUST(sharing_copy(&peer, peer.container, 0, word.container, 0, 1) == ENOENT);
    MUST(sharing_lock(&peer, word.container, MS, &reply) == ENOENT);
    MUST(unlock(&peer, word.container) == ENOENT);
    for (unsigned i = 0; i < sizeof(types); i++) {
        message = (struct wire_message){.type = types[i]};
        message.deallocate.container = word.container;
        message.deallocate.ranges_count = 1;
        message.deallocate.ranges[0] = (struct wire_range){0, SLOTS};
        MUST(sharing_call(&peer, &message, &reply) == ENOENT);
    }
    message = (struct wire_message){.type = WIRE_MAP};
    message.map.container = word.container;
    message.map.count = 1;
    message.map.rights = WIRE_ACCESS_READ;
    MUST(sharing_call(&peer, &message, &reply) == ENOENT);
    message = (struct wire_message){.type = WIRE_CONTAINER_DESTROY};
    message.container_destroy.container = word.container;
    MUST(sharing_call(&peer, &message, &reply) == ENOENT);
    message = (struct wire_message){.type = WIRE_SHARE};
    message.share.container = word.container;
    message.share.rights = WIRE_RIGHT_BOTH;
    MUST(sharing_call(&peer, &message, &reply) == ENOENT);
}

/* Descriptors of other processes are not to be had through /proc. */
static void look_in_proc(struct stage *stage, int end, unsigned arg)
{
    char path[64];

    (void)end;
    for (int fd = 0; fd < 64; fd++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d",
                 (int)(arg == 0 ? stage->server.pid : getppid()), fd);
        MUST(open(path, O_RDONLY) < 0);
    }
}

static void test_what_another_user_forges_opens_nothing(void **state)
{
    struct stage *stage = *state;
    uint64_t token;

    SKIP_UNLESS_ROOT();
    put(stage, 0, 'h');
    assert_int_equal(share(&stage->host, 0, &token), 0);
    attacker_start(stage, forge, 7);
    tell(stage->end, stage->host.container, token);
    attacker_end(stage);
    expect_all_frames_back(stage);
    for (unsigned whose = 0; whose < 2; whose++) {
        attacker_start(stage, look_in_proc, whose);
        attacker_end(stage);
    }
    expect(stage, 0, 'h');
}

/* ---- Deaths, and a lock for ever ---- */

#define STEPS 8u

/* A server that fills the host's container, and is gone after some steps. */
static void serve_and_die(struct stage *stage, int end, unsigned steps)
{
    struct wire_message reply;
    static struct physmem_peer peer;
    struct word word;
    int fds[16] = {0};
    struct wire_map item;

    MUST(hear(end, &word));
    for (unsigned step = 0; step < steps; step++) {
        switch (step) {
        case 0:
            MUST(open_peer(stage, &peer, "server"));
            break;
        case 1:
            MUST(sharing_map(&peer, 0, WIRE_ACCESS_FORCE_BOTH, fds, &item) == 0);
            MUST(pwrite(fds[item.extent & 15], "s", 1, (off_t)item.offset * PAGE) == 1);
            MUST(sharing_unmap(&peer, 0, 1) == 0);
            break;
        case 2:
            MUST(sharing_adopt(&peer, word.container, word.token) == 0);
            break;
        case 3:
            MUST(sharing_lock(&peer, word.container, UINT64_MAX, &reply) == 0);
            break;
        case 4:
            MUST(sharing_copy(&peer, word.container, 0, peer.container, 4, 4) == 0);
            break;
        case 5:
            MUST(sharing_copy(&peer, peer.container, 0, word.container, 8, 1) == 0);
            break;
        case 6:
            MUST(unlock(&peer, word.container) == 0);
            break;
        default:
            MUST(sharing_copy(&peer, word.container, 0, peer.container, 0, 8) == 0);
        }
    }
}

static void test_a_server_of_another_user_may_die_after_any_step(void **state)
{
    struct stage *stage = *state;

    SKIP_UNLESS_ROOT();
    for (unsigned steps = 0; steps <= STEPS; steps++) {
        int64_t allocated;
        uint64_t token;

        for (uint32_t slot = 0; slot < SLOTS; slot++)
            put(stage, slot, (char)('a' + slot));
        assert_int_equal(share(&stage->host, 60000 * MS, &token), 0);
        attacker_start(stage, serve_and_die, steps);
        tell(stage->end, stage->host.container, token);
        attacker_end(stage);
        /* Its lock went with it, a minute before its time. */
        assert_int_equal(physmem_await_tasks(&stage->observer, 1), 0);
        allocated = physmem_allocate(&stage->host, SLOTS, 1, 0);
        assert_int_equal(allocated, 1);
        assert_int_equal(physmem_give_back(&stage->host, WIRE_DEALLOCATE, SLOTS, 1), 1);
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            if (steps <= 5 || slot != 8)
                expect(stage, slot, (char)('a' + slot));
        expect_all_frames_back(stage);
        /* A token that was not shown is not good for a new one. */
        {
            struct wire_message message = {.type = WIRE_REVOKE_SHARE}, reply;

            message.revoke_share.container = stage->host.container;
            assert_int_equal(sharing_call(&stage->host, &message, &reply), 0);
        }
    }
}

static void lock_for_ever(struct stage *stage, int end, unsigned arg)
{
    struct wire_message reply;
    static struct physmem_peer peer;
    struct word word;

    (void)arg;
    MUST(hear(end, &word));
    MUST(open_peer(stage, &peer, "server"));
    MUST(sharing_adopt(&peer, word.container, word.token) == 0);
    MUST(sharing_lock(&peer, word.container, UINT64_MAX, &reply) == 0);
    MUST(reply.version_is.lock_ns == 50 * MS);
    tell(end, 0, 0);
    MUST(!hear(end, &word)); /* the host closes its end when it has what it wants */
    MUST(unlock(&peer, word.container) == ETIME);
}

static void test_a_lock_of_another_user_ends_when_its_owner_said(void **state)
{
    struct stage *stage = *state;
    struct word word;
    int64_t allocated;
    uint64_t token;

    SKIP_UNLESS_ROOT();
    put(stage, 0, 'h');
    assert_int_equal(share(&stage->host, 50 * MS, &token), 0);
    attacker_start(stage, lock_for_ever, 0);
    tell(stage->end, stage->host.container, token);
    assert_true(hear(stage->end, &word));
    do
        allocated = physmem_allocate(&stage->host, 20, 1, 0);
    while (allocated == -EBUSY);
    assert_int_equal(allocated, 1);
    assert_int_equal(physmem_give_back(&stage->host, WIRE_DEALLOCATE, 20, 1), 1);
    expect(stage, 0, 'h');
    attacker_end(stage);
    expect_all_frames_back(stage);
}

/* ---- Bystanders ---- */

#define FLOOD  40000u
#define AHEAD  300u /* requests that are on their way at once */
#define ASKING 20u  /* questions of a bystander that are */

/* Requests of another user that physmem may take before it takes one of a bystander's that is there: what
 * it reads at once, 16 KiB, and no more than eight times. */
#define BOUND (8u * 16384u / 38u)

/* Copies a page to itself, as fast as the socket takes it. */
static void flood(struct stage *stage, int end, unsigned arg)
{
    struct wire_message message = {.type = WIRE_COPY}, reply;
    static struct physmem_peer peer;
    struct word word;

    (void)arg;
    MUST(open_peer(stage, &peer, "flood"));
    MUST(sharing_copy(&peer, peer.container, 0, peer.container, 1, 1) == 0);
    tell(end, 0, 0);
    message.copy.from = peer.container;
    message.copy.to = peer.container;
    message.copy.pieces_count = 1;
    message.copy.pieces[0] = (struct wire_piece){0, 1, 1};
    for (unsigned i = 0; i < FLOOD; i++) {
        message.seq = 1 + i;
        MUST(wire_client_send(&peer.request, &message, -1) == 0);
        if (i >= AHEAD)
            MUST(wire_client_receive(&peer.request, &reply, NULL) == 0 && reply.error == 0);
    }
    for (unsigned i = 0; i < AHEAD; i++)
        MUST(wire_client_receive(&peer.request, &reply, NULL) == 0 && reply.error == 0);
    tell(end, 1, 0);
    MUST(!hear(end, &word));
}

/* The next figure of copies that physmem tells. */
static uint64_t next_copies(struct stage *stage)
{
    struct wire_message reply;

    do
        assert_int_equal(wire_client_receive(&stage->observer, &reply, NULL), 0);
    while (reply.type != WIRE_PHYSMEM_STATUS);
    return reply.physmem_status.copies;
}

static void
test_a_flood_of_another_user_goes_before_a_bystander_a_few_requests_at_a_time(void **state)
{
    struct stage *stage = *state;
    struct wire_message message = {.type = WIRE_STATUS};
    uint64_t most = 0, copies = 0;
    unsigned rounds = 0;
    struct word word;

    SKIP_UNLESS_ROOT();
    attacker_start(stage, flood, 0);
    assert_true(hear(stage->end, &word));
    while (copies < FLOOD / 2) {
        uint64_t before;

        assert_true(rounds++ < FLOOD);

        for (unsigned i = 0; i < ASKING; i++) {
            message.seq = 1000 + i;
            assert_int_equal(wire_client_send(&stage->observer, &message, -1), 0);
        }
        /* When the first is answered the others are there, too, on any machine that is not stopped in
         * the midst of sending them; so the first half does not count. */
        for (unsigned i = 0; i < ASKING / 2; i++)
            before = next_copies(stage);
        for (unsigned i = ASKING / 2; i < ASKING; i++) {
            copies = next_copies(stage);
            if (copies - before > most)
                most = copies - before;
            before = copies;
        }
    }
    assert_in_range(most, 0, BOUND);
    assert_true(hear(stage->end, &word));
    attacker_end(stage);
    expect_all_frames_back(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_another_user_retains_changes_and_shows_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_pages_that_a_ring_pins_and_a_pipe_keeps_are_nobody_elses, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_lock_on_an_extent_that_never_ends_holds_up_its_own_task_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_another_user_forges_opens_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_server_of_another_user_may_die_after_any_step, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_lock_of_another_user_ends_when_its_owner_said, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_flood_of_another_user_goes_before_a_bystander_a_few_requests_at_a_time, setup,
            teardown),
    };

    return cmocka_run_group_tests_name("physmem/foreign", tests, NULL, NULL);
}
