/* The trace of a live task: what its eviction policy saw and said, in the native format with flag
 * TRACE_NATIVE_EVENTS. Behind the header stand the number of pages and the length of a text, 4
 * bytes each, and the text: the policy, as the user named it.
 *
 * Events are encoded where they happen, under the task's lock, into one of two buffers; the control
 * thread writes a buffer that is half full, while the other is used. A task never waits for its
 * trace: where the disk is too slow, the trace ends early, and the task reports it.
 *
 * A trace that is new is written under its name, and stays as far as it goes if the process dies. One
 * that replaces a file does so when it is complete (os/new_file.h). */
#include "task/effects/live_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "os/descriptor.h"
#include "os/new_file.h"
#include "os/unlocked.h"
#include "record/code.h"
#include "task/state/events.h"
#include "task/state/hold.h"
#include "task/state/say.h"
#include "task/state/units.h"

#define BUFFER ((size_t)4 << 20)

struct live_trace {
    struct recorder_setup setup;
    struct sp_policy policy; /* the recorder */
    struct sp_task *task;
    int fd;                  /* to write to; -1: none */
    struct new_file replace; /* what `fd` belongs to if it replaces a file */
    pid_t writer;            /* no child of it finishes the file */
    uint64_t previous;       /* id of the last event */
    bool ended;              /* nothing more is taken */
    bool poked;              /* the control thread knows that it has something to write */
    unsigned current;
    size_t used[2];
    uint8_t buffer[2][BUFFER];
};

/* Under the task's lock. */
static void emit(void *context, enum recorder_kind kind, uint32_t number, bool bit)
{
    struct live_trace *trace = context;
    uint64_t id = (uint64_t)number << RECORDER_KIND_BITS | (uint64_t)kind;
    size_t *used = &trace->used[trace->current];

    check(trace->current < 2 && *used <= BUFFER);
    if (trace->ended)
        return;
    if (BUFFER - *used < TRACE_NATIVE_RECORD) {
        trace->ended = true;
        say(trace->task, "its trace cannot be written as fast as it comes, and ends here");
        return;
    }
    *used += trace_code_reference(trace->buffer[trace->current] + *used, &trace->previous, id, bit);
    if (*used > BUFFER / 2 && !trace->poked) {
        trace->poked = true;
        events_poke(trace->task);
    }
}

/* Write all of a buffer. False: the trace ends. */
static bool write_buffer(struct live_trace *trace, unsigned which)
{
    const uint8_t *at = trace->buffer[which];
    size_t left = trace->used[which];

    check(which < 2 && left <= BUFFER);
    while (left > 0) {
        ssize_t done = write(trace->fd, at, left);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            say(trace->task, "its trace cannot be written, and ends here: %s", strerror(errno));
            return false;
        }
        at += done;
        left -= (size_t)done;
    }
    trace->used[which] = 0;
    return true;
}

void live_trace_write(struct sp_task *task)
{
    struct live_trace *trace = task->live_trace;
    unsigned which;
    bool write_it, written;

    if (trace == NULL)
        return;
    hold_take(task);
    which = trace->current;
    check(which < 2);
    write_it = trace->poked;
    trace->poked = false;
    if (write_it)
        trace->current = 1 - which;
    hold_release(task);
    if (!write_it)
        return;
    written = write_buffer(trace, which);
    hold_take(task);
    trace->ended |= !written;
    hold_release(task);
}

/* Header, number of pages, policy. */
static int begin(struct live_trace *trace, uint32_t pages, const char *policy,
                 struct sp_error *error)
{
    uint8_t *at = trace->buffer[0];
    size_t length = strlen(policy);

    if (length > LIVE_TRACE_POLICY_MOST)
        return error_set(error, EINVAL, "the policy's name is too long for a trace");
    trace_code_header(at, (uint32_t)unit_bytes(trace->task), TRACE_NATIVE_EVENTS, 0, 0);
    trace_code_number(at + TRACE_NATIVE_HEADER, pages, 4);
    trace_code_number(at + TRACE_NATIVE_HEADER + 4, length, 4);
    memcpy(at + TRACE_NATIVE_HEADER + 8, policy, length);
    trace->used[0] = TRACE_NATIVE_HEADER + 8 + length;
    check(trace->used[0] <= BUFFER);
    return 0;
}

/* Begin in the place of a file. Its descriptor may be 0, 1 or 2, and is kept elsewhere. */
static int open_in_place(struct live_trace *trace, const char *file, struct sp_error *error)
{
    int result = new_file_open(&trace->replace, file, error);

    if (result != 0)
        return result;
    result = trace->replace.fd = descriptor_raise(trace->replace.fd);
    if (result < 0) {
        new_file_fini(&trace->replace);
        return error_set(error, -result, "SELFPAGE_TRACE: %s", strerror(-result));
    }
    trace->fd = result;
    return 0;
}

/* The file, or a new one in the directory, that is named. */
static int open_file(struct live_trace *trace, const char *path, struct sp_error *error)
{
    const struct sp_task *task = trace->task;
    char file[4096];
    struct stat info;
    bool directory = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    int length = snprintf(file, sizeof(file), directory ? "%s/%s-%ld.sptrace" : "%s", path,
                          task->name, (long)getpid());

    if (length >= (int)sizeof(file) || (directory && strchr(task->name, '/') != NULL))
        return error_set(error, EINVAL,
                         "SELFPAGE_TRACE: the path is too long, or the task's name "
                         "is none for a file");
    check(length > 0);
    trace->fd = descriptor_raise(open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (trace->fd >= 0)
        return 0;
    if (errno == EEXIST)
        return open_in_place(trace, file, error);
    return error_set(error, errno, "SELFPAGE_TRACE: cannot write %.150s: %s", file,
                     strerror(errno));
}

int live_trace_begin(struct sp_task *task, const char *policy, uint32_t pages,
                     struct sp_error *error)
{
    const char *path = getenv("SELFPAGE_TRACE");
    struct live_trace *trace;
    int result;

    if (path == NULL || path[0] == '\0')
        return 0;
    trace = unlocked_map(NULL, sizeof(*trace), MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (trace == NULL)
        return error_set(error, ENOMEM, "no memory for the trace");
    task->live_trace = trace;
    trace->task = task;
    trace->fd = trace->replace.fd = -1;
    trace->writer = getpid();
    result = begin(trace, pages, policy, error);
    if (result == 0)
        result = open_file(trace, path, error);
    if (result < 0)
        return result;
    memcpy(trace->setup.params, task->policy.params, sizeof(trace->setup.params));
    trace->setup.inner = task->policy.policy;
    trace->setup.emit = emit;
    trace->setup.context = trace;
    trace->policy = recorder_around(task->policy.policy);
    check(trace->fd >= 0 && trace->used[0] > 0);
    return 0;
}

const struct sp_policy *live_trace_policy(const struct sp_task *task, const double **params)
{
    check(task->policy.policy != NULL);
    *params = task->live_trace != NULL ? task->live_trace->setup.params : task->policy.params;
    return task->live_trace != NULL ? &task->live_trace->policy : task->policy.policy;
}

/* Close the file. It takes the place of an old one if it is complete. */
static void close_file(struct live_trace *trace, bool complete)
{
    struct sp_error error;

    if (trace->replace.fd < 0) {
        if (trace->fd >= 0)
            close(trace->fd);
        return;
    }
    if (trace->writer != getpid()) { /* its file is still being written */
        close(trace->replace.fd);
        return;
    }
    if (complete && new_file_finish(&trace->replace, &error) != 0)
        say(trace->task, "its trace does not replace the old one: %s", error.text);
    new_file_fini(&trace->replace);
}

void live_trace_end(struct sp_task *task, bool write_rest)
{
    struct live_trace *trace = task->live_trace;
    bool complete = false;

    if (trace == NULL)
        return;
    if (write_rest && !trace->ended) {
        emit(trace, RECORDER_END, 0, false);
        complete = write_buffer(trace, trace->current);
    }
    check(trace->used[0] <= BUFFER && trace->used[1] <= BUFFER);
    close_file(trace, complete);
    munmap(trace, sizeof(*trace));
    task->live_trace = NULL;
}
