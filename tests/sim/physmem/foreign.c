#include "foreign.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <selfpage/contract.h>

/* ---- The attacker's side: it has no cmocka ---- */

void tell(int end, uint32_t container, uint64_t token)
{
    const struct word word = {container, 0, token};

    if (send(end, &word, sizeof(word), MSG_NOSIGNAL) != (ssize_t)sizeof(word))
        _exit(3);
}

/* False: the other side has ended. */
bool hear(int end, struct word *word)
{
    return recv(end, word, sizeof(*word), MSG_WAITALL) == (ssize_t)sizeof(*word);
}

static void become_foreign(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    MUST(setgroups(0, NULL) == 0 && setgid(FOREIGN) == 0 && setuid(FOREIGN) == 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Run an attack in a process of the other user. */
void attacker_start(struct stage *stage, attack *run, unsigned arg)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    stage->attacker = fork();
    assert_true(stage->attacker >= 0);
    if (stage->attacker == 0) {
        close(ends[0]);
        become_foreign();
        run(stage, ends[1], arg);
        _exit(0);
    }
    close(ends[1]);
    stage->end = ends[0];
}

/* It has ended by itself, having seen what it must. */
void attacker_end(struct stage *stage)
{
    int status = -1;

    close(stage->end);
    assert_int_equal(waitpid(stage->attacker, &status, 0), stage->attacker);
    stage->attacker = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- Requests, for both sides ---- */

uint32_t share(struct physmem_peer *owner, uint64_t lock_ns, uint64_t *tokenp)
{
    struct wire_message reply;
    uint32_t error = sharing_share(owner, WIRE_RIGHT_BOTH, lock_ns, &reply);

    *tokenp = reply.shared.token;
    return error;
}

uint32_t unlock(struct physmem_peer *peer, uint32_t container)
{
    struct wire_message reply;

    return sharing_unlock(peer, container, &reply);
}

bool open_peer(const struct stage *stage, struct physmem_peer *peer, const char *name)
{
    return physmem_peer_open(peer, &stage->server, name) == 0 &&
           physmem_propose(peer, SP_GUARANTEED, 64, 0) == 0 && physmem_container(peer, 32) == 0 &&
           physmem_allocate(peer, 0, SLOTS, 0) == SLOTS;
}

/* ---- The host's side ---- */

int setup_with(void **state, const char *const more[])
{
    static struct stage stage;

    *state = &stage;
    memset(&stage, 0, sizeof(stage));
    if (geteuid() != 0)
        return 0;
    if (server_process_init(&stage.server) != 0 || physmem_start(&stage.server, "256", more) != 0 ||
        chmod(stage.server.directory, 0711) != 0 || chmod(stage.server.socket, 0666) != 0 ||
        wire_client_open(&stage.observer, stage.server.socket, WIRE_ROLE_OBSERVER, 0, 0, "",
                         NULL) != 0 ||
        !open_peer(&stage, &stage.host, "host"))
        return -1;
    return 0;
}

int setup(void **state)
{
    return setup_with(state, NULL);
}

int teardown(void **state)
{
    struct stage *stage = *state;
    int code;

    if (geteuid() != 0)
        return 0;
    if (stage->attacker > 0) {
        kill(stage->attacker, SIGKILL);
        waitpid(stage->attacker, NULL, 0);
    }
    for (unsigned i = 0; i < 16; i++)
        if (stage->fds[i] > 0)
            close(stage->fds[i]);
    physmem_peer_close(&stage->host);
    wire_client_close(&stage->observer);
    code = server_process_stop(&stage->server);
    server_process_fini(&stage->server);
    return code;
}

void put(struct stage *stage, uint32_t slot, char byte)
{
    struct wire_map item;
    char page[PAGE];

    memset(page, byte, PAGE);
    assert_int_equal(sharing_map(&stage->host, slot, WIRE_ACCESS_FORCE_BOTH, stage->fds, &item), 0);
    assert_int_equal(pwrite(stage->fds[item.extent & 15], page, PAGE, (off_t)item.offset * PAGE),
                     PAGE);
    assert_int_equal(sharing_unmap(&stage->host, slot, 1), 0);
}

/* All of the host's slot holds this byte. */
void expect(struct stage *stage, uint32_t slot, char byte)
{
    struct wire_map item;
    char page[PAGE];

    assert_int_equal(sharing_map(&stage->host, slot, WIRE_ACCESS_READ, stage->fds, &item), 0);
    assert_int_equal(pread(stage->fds[item.extent & 15], page, PAGE, (off_t)item.offset * PAGE),
                     PAGE);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(page[i], byte);
    assert_int_equal(sharing_unmap(&stage->host, slot, 1), 0);
}

/* The attacker is gone, and so is all that it had. */
void expect_all_frames_back(struct stage *stage)
{
    struct wire_message status;

    assert_int_equal(physmem_await_tasks(&stage->observer, 1), 0);
    do
        assert_int_equal(physmem_status(&stage->observer, &status, NULL, NULL), 0);
    while (status.physmem_status.free != FRAMES - SLOTS);
    assert_true(physmem_books_agree(&stage->observer));
}

/* ---- Time ---- */

int by_time(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}
