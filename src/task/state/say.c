#include "task/state/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "task/state/guard.h"

static SP_PRINTF(2, 0) void say_list(const struct sp_task *task, const char *format,
                                     va_list arguments)
{
    char line[512];
    int cancel = guard_forbid_cancel();
    int length =
        snprintf(line, sizeof(line), "selfpage: task '%s' (pid %d): ", task->name, (int)getpid());
    ssize_t written;

    length += vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
    if (length > (int)sizeof(line) - 2)
        length = (int)sizeof(line) - 2;
    check(length > 0 && length < (int)sizeof(line) - 1);
    line[length++] = '\n';
    do
        written = write(STDERR_FILENO, line, (size_t)length);
    while (written < 0 && errno == EINTR);
    guard_permit_cancel(cancel);
}

void say(const struct sp_task *task, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_list(task, format, arguments);
    va_end(arguments);
}

void say_end(const struct sp_task *task)
{
    static bool told; /* there is one task in a process */
    sp_task_ends *ends;
    void *arg;

    check(task != NULL);
    if (__atomic_exchange_n(&told, true, __ATOMIC_ACQ_REL))
        return;
    do { /* another thread may be in sp_on_end: a function with its own argument, or none */
        ends = __atomic_load_n(&task->on_end, __ATOMIC_SEQ_CST);
        arg = __atomic_load_n(&task->on_end_arg, __ATOMIC_SEQ_CST);
    } while (ends != __atomic_load_n(&task->on_end, __ATOMIC_SEQ_CST));
    if (ends != NULL)
        ends(arg);
}

void say_and_die(const struct sp_task *task, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_list(task, format, arguments);
    va_end(arguments);
    say_end(task);
    _exit(2);
}
