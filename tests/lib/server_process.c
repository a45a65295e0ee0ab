/* Starting, watching and ending a server for a test. */
#include "server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48

/* Where the server finds the descriptor of --ready-fd. */
#define READY_FD 3

/* Set by server_process_limit; -1: no limit. */
static int limited_resource = -1;
static rlim_t limited_value;

/* Removes the directory once standard input, a pipe, ends. It must outlive a Ctrl-C at the
 * terminal. */
static const char guardian_script[] = "trap '' HUP INT TERM; read -r line; rm -rf -- \"$0\"";

static int guardian_start(struct server_process *server)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    server->guardian = fork();
    if (server->guardian == 0) {
        if (dup2(ends[0], STDIN_FILENO) >= 0)
            execl("/bin/sh", "sh", "-c", guardian_script, server->directory, (char *)NULL);
        _exit(127);
    }
    close(ends[0]);
    if (server->guardian < 0) {
        close(ends[1]);
        return -errno;
    }
    server->guard = ends[1];
    return 0;
}

int server_process_init(struct server_process *server)
{
    const char *temporary = getenv("TMPDIR");
    int length, error;

    memset(server, 0, sizeof(*server));
    server->log = -1;
    server->guard = -1;
    if (temporary == NULL || temporary[0] == '\0')
        temporary = "/tmp";
    /* 16 bytes are kept for the names of files in the directory. */
    length =
        snprintf(server->directory, sizeof(server->directory), "%s/selfpage-XXXXXX", temporary);
    if (length < 0 || (size_t)length > sizeof(server->directory) - 16)
        return -ENAMETOOLONG;
    if (mkdtemp(server->directory) == NULL)
        return -errno;
    server_process_path(server, "socket", server->socket);
    error = guardian_start(server);
    if (error < 0) {
        rmdir(server->directory);
        return error;
    }
    server->log = memfd_create("server-log", MFD_CLOEXEC);
    if (server->log < 0) {
        error = -errno;
        server_process_fini(server);
    }
    return error;
}

char *server_process_path(const struct server_process *server, const char *name, char *path)
{
    if (snprintf(path, SERVER_PATH, "%s/%s", server->directory, name) >= SERVER_PATH)
        path[0] = '\0';
    return path;
}

void server_process_limit(int resource, unsigned long value)
{
    limited_resource = resource;
    limited_value = value;
}

/* In the child: become the program. `ready` is the write end of the ready pipe, or -1. */
static void child_become(const struct server_process *server, const char *program, char **argv,
                         int ready, pid_t parent)
{
    const struct rlimit limit = {limited_value, limited_value};

    /* A test that died before the prctl is noticed by its child having another parent. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(127);
    if (limited_resource >= 0 && limited_value != RLIM_INFINITY &&
        setrlimit(limited_resource, &limit) < 0)
        _exit(127);
    if (dup2(server->log, STDERR_FILENO) < 0)
        _exit(127);
    if (ready == READY_FD ? fcntl(ready, F_SETFD, 0) < 0 : ready >= 0 && dup2(ready, READY_FD) < 0)
        _exit(127);
    execv(program, argv);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

static int process_spawn(struct server_process *server, const char *program, char **argv, int ready)
{
    pid_t parent = getpid();

    if (server->pid != 0)
        return -EBUSY;
    fflush(NULL);
    server->pid = fork();
    if (server->pid == 0)
        child_become(server, program, argv, ready, parent);
    if (server->pid < 0) {
        server->pid = 0;
        return -errno;
    }
    return 0;
}

/* Fill `argv` from `first` (ends with NULL) and `second` (may be NULL). */
static int argv_join(char **argv, const char *const first[], const char *const second[])
{
    size_t count = 0;

    for (size_t i = 0; first[i] != NULL; i++)
        argv[count++] = (char *)(uintptr_t)first[i];
    for (size_t i = 0; second != NULL && second[i] != NULL; i++) {
        if (count == ARGUMENTS_MAX)
            return -E2BIG;
        argv[count++] = (char *)(uintptr_t)second[i];
    }
    argv[count] = NULL;
    return 0;
}

int server_process_spawn(struct server_process *server, const char *program,
                         const char *const args[])
{
    const char *const first[] = {program, NULL};
    char *argv[ARGUMENTS_MAX + 1];
    int error = argv_join(argv, first, args);

    if (error < 0)
        return error;
    return process_spawn(server, program, argv, -1);
}

/* Wait for the byte that says "I listen"; end of file means that the server is gone. */
static int ready_wait(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    char byte;
    ssize_t got;

    do
        got = poll(&wait, 1, SERVER_PATIENCE_MS);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return -ETIMEDOUT;
    if (got < 0)
        return -errno;
    got = read(fd, &byte, 1);
    return got == 1 ? 0 : -ECHILD;
}

int server_process_start_for(struct server_process *server, const char *program, const char *option,
                             const char *socket, const char *const args[])
{
    const char *const first[] = {program, option, socket, "--ready-fd", "3", NULL};
    char *argv[ARGUMENTS_MAX + 1];
    int ends[2];
    int error = argv_join(argv, first, args);

    if (error < 0)
        return error;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    error = process_spawn(server, program, argv, ends[1]);
    close(ends[1]);
    if (error == 0)
        error = ready_wait(ends[0]);
    close(ends[0]);
    return error;
}

int server_process_start(struct server_process *server, const char *program,
                         const char *const args[])
{
    return server_process_start_for(server, program, "--socket", server->socket, args);
}

/* Reap the process if it ends in time: 1, 0 if it did not, or a negative errno. (Valgrind 3.19
 * knows no pidfd_open.) */
static int child_reap(pid_t pid, int *status)
{
    const struct timespec second = {.tv_sec = 1};
    sigset_t child, before;
    int reaped = 0;

    /* While it is blocked, a SIGCHLD between the look and the wait is not lost. */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &child, &before) < 0)
        return -errno;
    for (int waited = 0; reaped == 0 && waited <= SERVER_PATIENCE_MS; waited += 1000) {
        pid_t got = waitpid(pid, status, WNOHANG);

        if (got == pid)
            reaped = 1;
        else if (got < 0)
            reaped = -errno;
        else
            sigtimedwait(&child, NULL, &second);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return reaped;
}

int server_process_wait(struct server_process *server)
{
    int status = 0, reaped;

    if (server->pid == 0)
        return -ESRCH;
    reaped = child_reap(server->pid, &status);
    if (reaped <= 0) {
        server_process_kill(server);
        return reaped < 0 ? reaped : -ETIMEDOUT;
    }
    server->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int server_process_stop(struct server_process *server)
{
    if (server->pid == 0)
        return -ESRCH;
    if (kill(server->pid, SIGTERM) < 0)
        return -errno;
    return server_process_wait(server);
}

void server_process_kill(struct server_process *server)
{
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    server->pid = 0;
}

char *server_process_log(const struct server_process *server)
{
    struct stat status;
    char *text;
    ssize_t got;

    if (fstat(server->log, &status) < 0)
        return NULL;
    text = malloc((size_t)status.st_size + 1);
    if (text == NULL)
        return NULL;
    got = pread(server->log, text, (size_t)status.st_size, 0);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

void server_process_fini(struct server_process *server)
{
    server_process_kill(server);
    if (server->log >= 0)
        close(server->log);
    server->log = -1;
    if (server->guard >= 0) {
        close(server->guard);
        while (waitpid(server->guardian, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    server->guard = -1;
}
