/* A real physmem and tasks that mean it ill. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <valgrind/valgrind.h>

#include <selfpage/contract.h>

#include "physmem_peer.h"

#define PAGE 4096u

#define REFUSED 9 /* an exit status */

static int setup(void **state)
{
    static struct server_process server;

    *state = &server;
    return server_process_init(&server) != 0 || physmem_start(&server, "64", NULL) != 0;
}

static int teardown(void **state)
{
    int code = server_process_stop(*state);

    server_process_fini(*state);
    return code;
}

/* Propose a contract whose breach kills. Returns the reply's type; *text is its text. */
static int propose_to_be_killed(struct physmem_peer *peer, struct wire_message *reply)
{
    struct wire_message message = {.type = WIRE_PROPOSE};

    message.propose.kind = SP_GUARANTEED;
    message.propose.on_breach = SP_BREACH_KILL;
    message.propose.min = message.propose.frames = 8;
    message.propose.term_ns = SP_FOREVER;
    return wire_client_call(&peer->request, &message, -1, reply) == 0 ? reply->type : -1;
}

/* What the child of a process that has connected, and ended, does. Returns its exit status. */
static int orphan(struct physmem_peer *peer, int go)
{
    static struct wire_message reply;
    char byte;

    if (read(go, &byte, 1) != 0) /* until the process that connected is gone */
        return 2;
    if (propose_to_be_killed(peer, &reply) != WIRE_DONE)
        return 3;
    return reply.error != 0 && strstr(reply.done.text, "cannot be found") != NULL ? 0 : 4;
}

/* Its number may be somebody else's by the time of the breach. */
static void test_a_process_that_is_not_found_is_not_killed(void **state)
{
    static struct physmem_peer peer;
    int go[2], done[2], status;
    char byte = 9;
    pid_t child;

    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(done), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(go[1]);
        if (physmem_peer_open(&peer, *state, "orphan") != 0)
            _exit(1);
        if (fork() != 0)
            _exit(0);
        byte = (char)orphan(&peer, go[0]);
        _exit(write(done[1], &byte, 1) != 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(go[1]);
    assert_int_equal(read(done[0], &byte, 1), 1);
    assert_int_equal(byte, 0);
    close(go[0]);
    close(done[0]);
    close(done[1]);
}

static void test_a_process_that_is_found_is_killed_in_breach(void **state)
{
    static struct physmem_peer peer;
    static struct wire_message reply;
    struct wire_map item;
    int status, fd;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char *memory;

        if (RUNNING_ON_VALGRIND) /* which has no pidfd_send_signal: the contract is refused */
            _exit(physmem_peer_open(&peer, *state, "unkillable") == 0 &&
                          propose_to_be_killed(&peer, &reply) == WIRE_DONE &&
                          reply.error == EOPNOTSUPP
                      ? REFUSED
                      : 1);
        if (physmem_peer_open(&peer, *state, "overdrawn") != 0 ||
            propose_to_be_killed(&peer, &reply) != WIRE_OFFER ||
            physmem_container(&peer, 256) != 0 || physmem_allocate(&peer, 0, 8, 0) != 8)
            _exit(1);
        fd = physmem_map(&peer, 0, 8, &item);
        memory = mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
            _exit(2);
        memset(memory, 1, 256 * PAGE);
        pause();
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (RUNNING_ON_VALGRIND) {
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), REFUSED);
        return;
    }
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* Replies come when the memory is as they say, in the order of the requests. */
static void test_what_is_given_back_is_clear_when_the_reply_comes(void **state)
{
    struct wire_message allocate = {.type = WIRE_ALLOCATE}, reply;
    struct wire_message drop = {.type = WIRE_DEALLOCATE}, map = {.type = WIRE_MAP};
    struct physmem_peer peer;
    struct wire_map item;
    char byte;
    int fd;

    assert_int_equal(physmem_peer_open(&peer, *state, "t"), 0);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 32, 0), 0);
    assert_int_equal(physmem_container(&peer, 256), 0);
    assert_int_equal(physmem_allocate(&peer, 0, 32, 0), 32);
    fd = physmem_map(&peer, 0, 32, &item);
    assert_true(fd >= 0);
    for (unsigned round = 0; round < 200; round++) {
        byte = 1;
        assert_int_equal(pwrite(fd, &byte, 1, 5 * PAGE), 1);
        drop.deallocate.container = allocate.allocate.container = map.map.container =
            peer.container;
        drop.deallocate.ranges_count = 1;
        drop.deallocate.ranges[0] = (struct wire_range){5, 1};
        drop.seq = 1001;
        allocate.allocate.start = map.map.start = 5;
        allocate.allocate.count = map.map.count = 1;
        allocate.seq = 1002;
        map.map.rights = 3;
        map.seq = 1003;
        assert_int_equal(wire_client_send(&peer.request, &drop, -1), 0);
        assert_int_equal(wire_client_send(&peer.request, &allocate, -1), 0);
        assert_int_equal(wire_client_send(&peer.request, &map, -1), 0);
        for (uint32_t seq = 1001; seq <= 1003; seq++) {
            assert_int_equal(wire_client_receive(&peer.request, &reply, NULL), 0);
            assert_int_equal(reply.seq, seq);
            assert_int_equal(reply.error, 0);
        }
        assert_int_equal(pread(fd, &byte, 1, 5 * PAGE), 1);
        assert_int_equal(byte, 0);
    }
    close(fd);
    physmem_peer_close(&peer);
}

/* ---- What a task tells of itself ---- */

static void test_a_task_that_lies_about_its_regions_is_shown_lying(void **state)
{
    struct wire_message open = {.type = WIRE_STACK_OPEN}, ask = {.type = WIRE_ASK_TASK_DETAIL};
    struct wire_message reply, stack;
    struct wire_client observer;
    struct physmem_peer peer;
    unsigned char *memory;
    int fd = -1;

    assert_int_equal(physmem_peer_open(&peer, *state, "liar"), 0);
    assert_int_equal(physmem_propose(&peer, SP_GUARANTEED, 8, 0), 0);
    assert_int_equal(physmem_container(&peer, 64), 0);
    open.stack_open.container = peer.container;
    open.stack_open.places = 16;
    assert_int_equal(wire_client_call(&peer.request, &open, -1, &reply), 0);
    assert_int_equal(reply.error, 0);
    assert_int_equal(wire_client_receive(&peer.request, &stack, &fd), 0);
    assert_int_equal(stack.type, WIRE_STACK);
    memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    memset(memory, 0xff, PAGE);
    assert_int_equal(wire_client_open(&observer, ((struct server_process *)*state)->socket,
                                      WIRE_ROLE_OBSERVER, 0, 0, "observer", NULL),
                     0);
    ask.ask_task_detail.task = peer.request.id;
    assert_int_equal(wire_client_call(&observer, &ask, -1, &reply), 0);
    assert_int_equal(reply.type, WIRE_TASK_DETAIL);
    assert_int_equal(reply.task_detail.regions_count, WIRE_REGIONS);
    assert_int_equal(reply.task_detail.regions[0].kind, WIRE_KIND_UNKNOWN);
    assert_int_equal(reply.task_detail.contracts[0].frames, 8); /* what physmem knows is not its */
    ask.ask_task_detail.task = peer.request.id + 1000;
    assert_int_equal(wire_client_call(&observer, &ask, -1, &reply), 0);
    assert_int_equal(reply.error, ENOENT);
    munmap(memory, PAGE);
    close(fd);
    wire_client_close(&observer);
    physmem_peer_close(&peer);
}

#define FEW_FILES 400u
#define TRIES     16u

/* Ask to have a page stored. Returns the reply's error. */
static uint32_t swap_out(struct physmem_peer *peer)
{
    static struct wire_message message, reply;

    message = (struct wire_message){.type = WIRE_SWAP_OUT};
    message.swap_out.container = peer->container;
    message.swap_out.count = 1;
    assert_int_equal(wire_client_call(&peer->request, &message, -1, &reply), 0);
    return reply.error;
}

/* An account with a swap server has descriptors of physmem's, even if nobody answers there: a user with many tasks leaves
 * some to others. The last test here: the limit is for good. */
static void test_a_user_has_a_share_of_the_accounts_with_swap(void **state)
{
    static const char *const nobody[] = {"--swap", "/nowhere/swap.sock", NULL};
    static struct physmem_peer peer[TRIES];
    const struct rlimit few = {FEW_FILES, FEW_FILES};
    struct server_process server;

    (void)state;
    if (RUNNING_ON_VALGRIND || setrlimit(RLIMIT_NOFILE, &few) != 0)
        skip();
    assert_int_equal(server_process_init(&server), 0);
    assert_int_equal(physmem_start(&server, "64", nobody), 0);
    for (uint32_t i = 0; i < TRIES; i++) {
        assert_int_equal(physmem_peer_open(&peer[i], &server, "many"), 0);
        assert_int_equal(physmem_propose(&peer[i], SP_GUARANTEED, 1, 0), 0);
        assert_int_equal(physmem_container(&peer[i], 8), 0);
        assert_int_equal(physmem_allocate(&peer[i], 0, 1, 0), 1);
        assert_int_equal(swap_out(&peer[i]), i < TRIES - 1 ? EPIPE : EMFILE);
    }
    physmem_peer_close(&peer[0]);
    while (swap_out(&peer[TRIES - 1]) == EMFILE)
        continue;
    assert_int_equal(swap_out(&peer[TRIES - 1]), EPIPE);
    for (uint32_t i = 1; i < TRIES; i++)
        physmem_peer_close(&peer[i]);
    assert_int_equal(server_process_stop(&server), 0);
    server_process_fini(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_that_is_not_found_is_not_killed),
        cmocka_unit_test(test_a_process_that_is_found_is_killed_in_breach),
        cmocka_unit_test(test_what_is_given_back_is_clear_when_the_reply_comes),
        cmocka_unit_test(test_a_task_that_lies_about_its_regions_is_shown_lying),
        cmocka_unit_test(test_a_user_has_a_share_of_the_accounts_with_swap),
    };

    return cmocka_run_group_tests_name("sim/physmem/physmem_hostile", tests, setup, teardown);
}
