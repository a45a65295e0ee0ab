/* Starting physmem and swap. */
#include "launch/launched.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>

#include "base/error.h"
#include "launch/child.h"
#include "os/sock.h"

/* How long a server that has closed its pipe without a word may take to end. */
enum { SERVER_DYING_MS = 10000 };

int launched_log_memory(struct launched_log *log)
{
    char path[40];

    log->read = -1;
    log->write = memfd_create("selfpage-log", MFD_CLOEXEC);
    if (log->write < 0 || fcntl(log->write, F_SETFL, O_APPEND) != 0)
        return -errno;
    snprintf(path, sizeof path, "/proc/self/fd/%d", log->write);
    log->read = open(path, O_RDONLY | O_CLOEXEC); /* with a position of its own */
    return log->read < 0 ? -errno : 0;
}

int launched_log_pipe(struct launched_log *log)
{
    int fds[2];

    *log = (struct launched_log){-1, -1};
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    *log = (struct launched_log){.write = fds[1], .read = fds[0]};
    return fcntl(log->read, F_SETFL, O_NONBLOCK) != 0 ? -errno : 0;
}

void launched_log_fini(struct launched_log *log)
{
    if (log->write >= 0)
        close(log->write);
    if (log->read >= 0)
        close(log->read);
    *log = (struct launched_log){-1, -1};
}

int launched_start(struct launched *server, const char *name, struct spawn *spawn,
                   const struct launched_log *log, struct sp_error *error)
{
    int ready[2], result;

    *server = (struct launched){.name = name, .ready = -1};
    if (pipe2(ready, O_CLOEXEC) != 0)
        return error_set(error, errno, "pipe: %s", strerror(errno));
    spawn->passed = ready[1];
    spawn->error = log->write;
    result = spawn_program(spawn, &server->pid, error);
    close(ready[1]);
    if (result != 0) {
        close(ready[0]);
        return result;
    }
    server->ready = ready[0];
    return 0;
}

/* The last line of a log; "" if it is empty. */
static void log_last_line(const struct launched_log *log, char *line, size_t size)
{
    char buffer[4096], *end, *start;
    size_t have = 0;
    ssize_t got;

    while ((got = read(log->read, buffer + have, sizeof buffer - 1 - have)) > 0) {
        have += (size_t)got;
        if (have > sizeof buffer / 2) { /* only the end is wanted */
            memmove(buffer, buffer + have / 2, have - have / 2);
            have -= have / 2;
        }
    }
    buffer[have] = '\0';
    end = buffer + have;
    while (end > buffer && end[-1] == '\n')
        *--end = '\0';
    start = strrchr(buffer, '\n');
    snprintf(line, size, "%.*s", (int)size - 1, start != NULL ? start + 1 : buffer);
}

/* The message for a server that ended instead of listening. */
static int server_explain(struct launched *server, const struct launched_log *log, int status,
                          struct sp_error *error)
{
    char line[SP_ERROR_TEXT], how[64];

    if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(how, sizeof how, "ended with exit status %d", WEXITSTATUS(status));
    log_last_line(log, line, sizeof line);
    return error_set(error, ECHILD, "%s %s while starting%s%s", server->name, how,
                     *line != '\0' ? ": " : "", line);
}

/* 1: it listens, 0: it closed the pipe without a word, -ETIMEDOUT. */
static int server_read_ready(const struct launched *server, unsigned timeout_ms)
{
    ssize_t size;
    char byte;

    if (sock_wait(server->ready, POLLIN, (int)timeout_ms) <= 0)
        return -ETIMEDOUT;
    do
        size = read(server->ready, &byte, 1);
    while (size < 0 && errno == EINTR);
    return size == 1;
}

int launched_await(struct launched *server, const struct launched_log *log, unsigned timeout_ms,
                   struct sp_error *error)
{
    int listens = server_read_ready(server, timeout_ms), status = 0;

    close(server->ready);
    server->ready = -1;
    if (listens == 1)
        return 0;
    if (listens == 0) {
        child_end(server->pid, 0, SERVER_DYING_MS, &status);
        server->pid = 0;
        return server_explain(server, log, status, error);
    }
    child_end(server->pid, SIGKILL, SERVER_DYING_MS, &status);
    server->pid = 0;
    return error_set(error, ETIMEDOUT, "%s did not listen within %u ms; it was killed",
                     server->name, timeout_ms);
}
