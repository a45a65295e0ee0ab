/* nbdkit, for tests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "nbd_server.h"

/* The first descriptor that is passed on: systemd's protocol says so. */
#define FIRST_FD 3

bool nbd_server_exists(void)
{
#ifdef TEST_NBDKIT
    return true;
#else
    return false;
#endif
}

#ifndef TEST_NBDKIT
#define TEST_NBDKIT "nbdkit"
#endif

static void listen_unix(struct nbd_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    snprintf(address.sun_path, sizeof(address.sun_path), "%s",
             scratch_path(&server->scratch, "nbd"));
    snprintf(server->unix_uri, sizeof(server->unix_uri), "nbd+unix:///?socket=%.90s",
             address.sun_path);
    server->listener[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener[0], (const struct sockaddr *)&address, sizeof(address)),
                     0);
    assert_int_equal(listen(server->listener[0], 64), 0);
}

static void listen_tcp(struct nbd_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener[1], (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(server->listener[1], 64), 0);
    assert_int_equal(getsockname(server->listener[1], (struct sockaddr *)&address, &size), 0);
    snprintf(server->tcp_uri, sizeof(server->tcp_uri), "nbd://127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
}

/* In the child. */
static void server_exec(const struct nbd_server *server)
{
    const char *argument[NBD_SERVER_ARGUMENTS + 4] = {TEST_NBDKIT, "-f", "--threads", "64"};
    int high[2], null = open("/dev/null", O_RDWR);
    char pid[16];

    for (unsigned i = 0; server->argument[i] != NULL; i++)
        argument[4 + i] = server->argument[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 2; i++)
        high[i] = fcntl(server->listener[i], F_DUPFD, FIRST_FD + 2);
    for (int i = 0; i < 2; i++)
        dup2(high[i], FIRST_FD + i);
    dup2(null, 1);
    dup2(null, 2);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    execv(TEST_NBDKIT, (char *const *)(uintptr_t)argument);
    _exit(127);
}

void nbd_server_start(struct nbd_server *server)
{
    assert_int_equal(server->pid, 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0)
        server_exec(server);
}

void nbd_server_init(struct nbd_server *server, const char *const argument[])
{
    *server = (struct nbd_server){0};
    for (unsigned i = 0; argument[i] != NULL; i++) {
        assert_true(i + 1 < NBD_SERVER_ARGUMENTS);
        server->argument[i] = argument[i];
    }
    scratch_init(&server->scratch);
    listen_unix(server);
    listen_tcp(server);
    nbd_server_start(server);
}

void nbd_server_kill(struct nbd_server *server)
{
    assert_true(server->pid > 0);
    kill(server->pid, SIGKILL);
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

void nbd_server_await(struct nbd_server *server)
{
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

void nbd_server_revive(struct nbd_server *server)
{
    if (waitpid(server->pid, NULL, WNOHANG) == 0)
        return;
    server->pid = 0;
    nbd_server_start(server);
}

void nbd_server_fini(struct nbd_server *server)
{
    if (server->pid > 0)
        nbd_server_kill(server);
    close(server->listener[0]);
    close(server->listener[1]);
    unlink(scratch_path(&server->scratch, "nbd"));
    scratch_fini(&server->scratch);
}
