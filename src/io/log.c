#include "io/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/clock.h"

/* Longest line, with its newline. */
#define LINE_MAX_BYTES 512

void log_init(struct log *log, const char *program)
{
    memset(log, 0, sizeof(*log));
    log->program = program;
    log->fd = STDERR_FILENO;
}

/* The entry of `name`; those that come when the table is full share its last entry. */
static struct log_cause *cause_find(struct log *log, const char *name, uint64_t now_ns)
{
    struct log_cause *cause;
    unsigned i;

    for (i = 0; i < LOG_CAUSES - 1; i++)
        if (log->causes[i].name == NULL || strcmp(log->causes[i].name, name) == 0)
            break;
    cause = &log->causes[i];
    if (cause->name == NULL) {
        cause->name = name;
        cause->refill_ns = now_ns;
        cause->lines = LOG_BURST;
    }
    return cause;
}

/* Take one of the lines that the cause may write: false if it has none. */
static bool cause_spend(struct log_cause *cause, uint64_t now_ns)
{
    uint64_t earned = (now_ns - cause->refill_ns) / LOG_REST_NS;

    cause->refill_ns += earned * LOG_REST_NS;
    cause->lines = earned < LOG_BURST - cause->lines ? cause->lines + (uint32_t)earned : LOG_BURST;
    if (cause->lines == 0) {
        cause->suppressed++;
        return false;
    }
    cause->lines--;
    return true;
}

/* Append to a line; what does not fit is cut. Returns the new length. */
static size_t append(char *line, size_t length, const char *format, va_list arguments)
    SP_PRINTF(3, 0);

static size_t append(char *line, size_t length, const char *format, va_list arguments)
{
    size_t left = LINE_MAX_BYTES - 1 - length; /* the newline's place is kept */
    int added = vsnprintf(line + length, left, format, arguments);

    if (added < 0)
        return length;
    return length + ((size_t)added < left ? (size_t)added : left - 1);
}

static size_t append_text(char *line, size_t length, const char *format, ...) SP_PRINTF(3, 4);

static size_t append_text(char *line, size_t length, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    length = append(line, length, format, arguments);
    va_end(arguments);
    return length;
}

/* Write without ever waiting for the reader. Returns false if the line was not taken. */
static bool write_at_once(int fd, const char *line, size_t length)
{
    struct iovec part = {.iov_base = (void *)line, .iov_len = length};
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    ssize_t written;

    /* A full pipe refuses. Files that do not support the flag (terminals, some others, pipes before Linux 6.4) are
     * asked for room first: a stopped terminal has none, and neither has a full pipe. */
    do
        written = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);
    while (written < 0 && errno == EINTR);
    if (written >= 0)
        return true;
    if (poll(&entry, 1, 0) != 1 || (entry.revents & POLLOUT) == 0)
        return false;
    do
        written = write(fd, line, length);
    while (written < 0 && errno == EINTR);
    return written >= 0;
}

/* Finish a line: no control characters, a newline. Returns its length. */
static size_t line_end(char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] < ' ' || line[i] > '~')
            line[i] = '?';
    line[length++] = '\n';
    return length;
}

void log_line(struct log *log, const char *cause, const char *format, ...)
{
    uint64_t now_ns = clock_now_ns();
    struct log_cause *entry = cause_find(log, cause, now_ns);
    char line[LINE_MAX_BYTES];
    va_list arguments;
    size_t length;

    if (!cause_spend(entry, now_ns))
        return;
    length = append_text(line, 0, "%s: ", log->program);
    if (entry->suppressed > 0)
        length = append_text(line, length, "(%u lines like this left out) ", entry->suppressed);
    va_start(arguments, format);
    length = append(line, length, format, arguments);
    va_end(arguments);
    if (write_at_once(log->fd, line, line_end(line, length)))
        entry->suppressed = 0;
    else
        entry->suppressed++;
}

void log_trace(struct log *log, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list arguments;
    size_t length = append_text(line, 0, "%s: ", log->program);

    va_start(arguments, format);
    length = append(line, length, format, arguments);
    va_end(arguments);
    write_at_once(log->fd, line, line_end(line, length)); /* what is not taken is lost */
}
