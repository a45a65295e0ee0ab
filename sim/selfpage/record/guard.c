#include "selfpage/record/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/error.h"
#include "launch/spawn.h"
#include "selfpage/record/calls.h"
#include "selfpage/record/tracee.h"
#include "selfpage/trace/strands.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)

struct guard_thread {
    struct tracee tracee;
    struct space *space; /* NULL: it has not executed a program yet, or one that is not recorded */
    bool fresh; /* it has stopped for the first time, and whose child it is is not known yet */
    bool in_call;
    bool again;     /* the next entry is that of a call that was prepared already */
    bool any;       /* the next call is taken for one that uses anything */
    bool opener;    /* its call wants all to be open */
    bool stepping;  /* into a handler of a signal, and wants all to be open until it is there */
    bool mapped;    /* its call changes what is mapped */
    uint64_t *pins; /* pages that its call uses */
    size_t pin_count;
    uint64_t repeat_address, repeat_instruction,
        repeat_changes; /* of its last fault on an open page */
    uint64_t stack;     /* page where it ended when it was last seen */
};

/* ---- References ---- */

static void emit(struct guard *guard, const struct guard_thread *thread, uint64_t address,
                 bool write, uint64_t instruction)
{
    if (guard->queued == guard->queue_room) {
        size_t room = guard->queue_room == 0 ? 2 * TRACE_BATCH : 2 * guard->queue_room;
        struct trace_reference *grown = realloc(guard->queue, room * sizeof(*grown));

        if (grown == NULL) {
            guard->failed = true;
            return;
        }
        guard->queue = grown;
        guard->queue_room = room;
    }
    guard->queue[guard->queued++] = (struct trace_reference){
        .id = strands_id(thread->space->number, address / guard->page_size),
        .next = TRACE_NEVER,
        .size = guard->page_size,
        .write = write};
    guard->last_instruction = instruction;
    guard->last_thread = thread->tracee.tid;
}

/* A write to a page that was opened for reading: by the same instruction, it is the same reference. */
static void emit_write(struct guard *guard, const struct guard_thread *thread, uint64_t address,
                       uint64_t instruction)
{
    uint64_t id = strands_id(thread->space->number, address / guard->page_size);

    if (guard->queued > 0 && guard->queue[guard->queued - 1].id == id &&
        guard->last_instruction == instruction && guard->last_thread == thread->tracee.tid)
        guard->queue[guard->queued - 1].write = true;
    else
        emit(guard, thread, address, true, instruction);
}

/* The page where the first stack ends. */
static void emit_stack(struct guard *guard, struct guard_thread *thread, uint64_t stack)
{
    uint64_t page = stack / SPACE_PAGE;

    if (page == thread->stack || guard->what == SPACE_CODE || space_guards(thread->space, stack))
        return;
    thread->stack = page;
    emit(guard, thread, stack, true, 0);
}

/* ---- Threads ---- */

static struct guard_thread *find(const struct guard *guard, pid_t tid)
{
    for (size_t i = 0; i < guard->count; i++)
        if (guard->threads[i]->tracee.tid == tid)
            return guard->threads[i];
    return NULL;
}

static struct guard_thread *add(struct guard *guard, pid_t tid)
{
    struct guard_thread *thread = calloc(1, sizeof(*thread));

    if (guard->count == guard->room) {
        size_t room = guard->room == 0 ? 16 : 2 * guard->room;
        struct guard_thread **grown = realloc(guard->threads, room * sizeof(*grown));

        if (grown != NULL) {
            guard->threads = grown;
            guard->room = room;
        }
    }
    if (thread != NULL)
        thread->pins = calloc(guard->window, sizeof(*thread->pins));
    if (thread == NULL || thread->pins == NULL || guard->count == guard->room) {
        if (thread != NULL)
            free(thread->pins);
        free(thread);
        guard->failed = true;
        return NULL;
    }
    thread->tracee.tid = tid;
    guard->threads[guard->count++] = thread;
    return thread;
}

static void unpin(struct guard_thread *thread)
{
    for (size_t i = 0; i < thread->pin_count; i++)
        space_unpin(thread->space, thread->pins[i]);
    thread->pin_count = 0;
}

static void want_closed(struct guard_thread *thread)
{
    unsigned wanted = (unsigned)thread->opener + thread->stepping;

    if (wanted == 0)
        return;
    check(thread->space->openers >= wanted);
    thread->space->openers -= wanted;
    thread->opener = thread->stepping = false;
}

/* The thread has nothing to do with its space any more. */
static void leave_space(struct guard_thread *thread)
{
    if (thread->space == NULL)
        return;
    unpin(thread);
    want_closed(thread);
    space_leave(thread->space);
    thread->space = NULL;
}

static void forget(struct guard *guard, struct guard_thread *thread)
{
    leave_space(thread);
    for (size_t i = 0; i < guard->count; i++)
        if (guard->threads[i] == thread) {
            guard->threads[i] = guard->threads[--guard->count];
            break;
        }
    free(thread->pins);
    free(thread);
}

/* ---- Going on ---- */

/* True if the program has a handler for the signal. */
static bool is_caught(pid_t tid, int number)
{
    char path[64], line[256];
    unsigned long long caught = 0;
    FILE *status;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
    status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (sscanf(line, "SigCgt: %llx", &caught) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return number > 0 && number <= 64 && (caught >> (number - 1) & 1) != 0;
}

/* Let the thread go for good. */
static void let_go(struct guard *guard, struct guard_thread *thread, const siginfo_t *signal)
{
    if (thread->space != NULL)
        (void)space_open(thread->space, &thread->tracee);
    (void)tracee_restore(&thread->tracee, signal);
    ptrace(PTRACE_DETACH, thread->tracee.tid, NULL, (long)(signal != NULL ? signal->si_signo : 0));
    forget(guard, thread);
}

/* Let the thread go on as it is. */
static void resume(const struct guard_thread *thread)
{
    ptrace(PTRACE_SYSCALL, thread->tracee.tid, NULL, NULL);
}

/* Let the thread go on, with a signal (NULL: none). It does not stand at the entry of a call, unless the call is prepared. */
static void go_on(struct guard *guard, struct guard_thread *thread, const siginfo_t *signal)
{
    struct space *space = thread->space;
    enum __ptrace_request request = PTRACE_SYSCALL;
    siginfo_t kept;

    if (signal == NULL && tracee_signal(&thread->tracee, &kept))
        signal = &kept;
    if (guard->leaving) {
        let_go(guard, thread, signal);
        return;
    }
    if (space != NULL && signal != NULL && is_caught(thread->tracee.tid, signal->si_signo)) {
        /* The kernel writes to the stack of the handler: stop again when it has. */
        thread->stepping = true;
        space->openers++;
        request = PTRACE_SINGLESTEP;
        if (space_open(space, &thread->tracee) != 0)
            return;
    } else if (space != NULL && signal == NULL && space->openers == 0 && space->open &&
               space_close(space, &thread->tracee) != 0) {
        return; /* it is gone, which waitpid will say */
    }
    if (tracee_restore(&thread->tracee, signal) == 0)
        ptrace(request, thread->tracee.tid, NULL, (long)(signal != NULL ? signal->si_signo : 0));
}

/* Let a thread that stands at the entry of a call execute it. */
static void execute(struct guard_thread *thread)
{
    thread->in_call = true;
    resume(thread);
}

/* ---- Calls ---- */

static bool needs_opening(const struct guard_thread *thread, const struct calls_use *use)
{
    for (size_t i = 0; i < use->count; i++) {
        const struct calls_range *range = &use->ranges[i];

        for (uint64_t at = range->start & ~(uint64_t)(SPACE_PAGE - 1);
             at < range->start + range->size; at += SPACE_PAGE)
            if (range->keeps || space_needs(thread->space, at, range->writes))
                return true;
    }
    return false;
}

/* Open what a call uses. Returns 0; -ENOSPC: that is too much; -ESRCH. */
static int open_use(struct guard *guard, struct guard_thread *thread, const struct calls_use *use)
{
    for (size_t i = 0; i < use->count; i++) {
        const struct calls_range *range = &use->ranges[i];

        for (uint64_t at = range->start & ~(uint64_t)(SPACE_PAGE - 1);
             at < range->start + range->size; at += SPACE_PAGE) {
            int result = range->keeps
                             ? space_keep(thread->space, &thread->tracee, at)
                             : space_pin(thread->space, &thread->tracee, at, range->writes);

            if (result < 0)
                return result;
            if (thread->pin_count == guard->window)
                return -ENOSPC;
            if (!range->keeps)
                thread->pins[thread->pin_count++] = at;
            if (result > 0)
                emit(guard, thread, at, range->writes, 0);
        }
    }
    return 0;
}

/* The thread stands at the entry of a call, which may have to wait until what it uses is open. */
static void enter_call(struct guard *guard, struct guard_thread *thread)
{
    struct tracee_call call;
    struct calls_use use;
    int result = 0;

    if (thread->space == NULL || thread->again || tracee_look(&thread->tracee, &call) != 0) {
        thread->again = false;
        execute(thread);
        return;
    }
    calls_describe(&call, thread->space->memory, &use);
    if (thread->any || guard->leaving)
        use.kind = CALLS_ANY;
    thread->mapped = use.kind == CALLS_MAPS;
    if (use.kind == CALLS_MAPS || (use.kind == CALLS_RANGED && use.count == 0)) {
        execute(thread);
        return;
    }
    if (use.kind == CALLS_RANGED && !needs_opening(thread, &use) &&
        open_use(guard, thread, &use) == 0) {
        execute(thread);
        return;
    }
    unpin(thread);
    if (tracee_skip(&thread->tracee) != 0)
        return;
    if (use.kind == CALLS_RANGED)
        result = open_use(guard, thread, &use);
    if (use.kind == CALLS_ANY || result == -ENOSPC) {
        unpin(thread);
        thread->opener = true;
        thread->space->openers++;
        result = space_open(thread->space, &thread->tracee);
    }
    if (result != 0 || tracee_again(&thread->tracee, &call) != 0)
        return;
    thread->again = true;
    go_on(guard, thread, NULL);
}

/* True if a signal ends or restarts the call: until it has been delivered, the kernel's answer may not be disturbed. */
static bool is_restarted(const struct tracee_call *call)
{
    return call->result <= -512 && call->result >= -516;
}

static void leave_call(struct guard *guard, struct guard_thread *thread)
{
    struct tracee_call call;
    bool was_any = thread->opener;

    thread->in_call = false;
    if (thread->space == NULL) {
        go_on(guard, thread, NULL);
        return;
    }
    unpin(thread);
    want_closed(thread);
    thread->any = false;
    if (tracee_look(&thread->tracee, &call) != 0)
        return;
    if (is_restarted(&call) && !guard->leaving) {
        resume(thread);
        return;
    }
    if (thread->mapped && space_mapped(thread->space, &thread->tracee, &call) != 0)
        return;
    thread->mapped = false;
    if (call.result == -EFAULT && !was_any && call.number >= 0) { /* it used more than is known */
        thread->any = true;
        if (tracee_again(&thread->tracee, &call) != 0)
            return;
    }
    go_on(guard, thread, NULL);
}

/* ---- Faults ---- */

/* A fault on a page that is open: another thread's fault may have opened it. If nothing has changed since the last time, it is
 * the program's own. */
static bool is_own(struct guard_thread *thread, uint64_t address, uint64_t instruction)
{
    bool same = thread->repeat_address == address && thread->repeat_instruction == instruction &&
                thread->repeat_changes == thread->space->changes;

    thread->repeat_address = address;
    thread->repeat_instruction = instruction;
    thread->repeat_changes = thread->space->changes;
    return same;
}

static void take_fault(struct guard *guard, struct guard_thread *thread)
{
    uint64_t address, instruction, stack;
    siginfo_t info;
    bool own = true;

    if (ptrace(PTRACE_GETSIGINFO, thread->tracee.tid, NULL, &info) != 0 ||
        tracee_where(&thread->tracee, &instruction, &stack) != 0)
        return;
    if (thread->space != NULL && info.si_code == SEGV_ACCERR) {
        address = (uint64_t)(uintptr_t)info.si_addr;
        switch (space_fault(thread->space, &thread->tracee, address)) {
        case SPACE_OPENED:
            emit_stack(guard, thread, stack);
            emit(guard, thread, address, false, instruction);
            own = false;
            break;
        case SPACE_WRITABLE:
            emit_write(guard, thread, address, instruction);
            own = false;
            break;
        case SPACE_REPEAT:
            own = is_own(thread, address, instruction);
            break;
        case SPACE_FOREIGN:
            break;
        default:
            return;
        }
    }
    go_on(guard, thread, own ? &info : NULL);
}

/* ---- Events ---- */

static bool is_64_bits(pid_t pid)
{
    char path[64], header[5] = "";
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return true; /* it may be executable and not readable */
    if (read(fd, header, sizeof(header)) != (ssize_t)sizeof(header))
        header[4] = 0;
    close(fd);
    return header[4] == 2;
}

/* A process executes a program: its memory is another one, and all of its other threads are gone. */
static void take_exec(struct guard *guard, struct guard_thread *thread)
{
    struct sp_error ignored;
    unsigned long before = 0;
    struct guard_thread *old;

    ptrace(PTRACE_GETEVENTMSG, thread->tracee.tid, NULL, &before);
    old = find(guard, (pid_t)before);
    if (old != NULL && old != thread)
        forget(guard, old);
    leave_space(thread);
    thread->in_call = true;
    thread->mapped = thread->any = thread->again = false;
    if (is_64_bits(thread->tracee.tid) && tracee_find_gate(&thread->tracee) == 0) {
        thread->space = space_new(guard->images, guard->window, guard->what);
        if (thread->space == NULL || space_look(thread->space, thread->tracee.tid, &ignored) != 0)
            guard->failed = true;
        else
            guard->images++;
    }
    resume(thread);
}

/* Where the memory of a forked child is read: its own. */
static void open_memory(struct space *space, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    space->memory = open(path, O_RDONLY | O_CLOEXEC);
}

/* A thread has a child: a thread, or a process with the same memory until it executes a program, or one with a copy. */
static void take_child(struct guard *guard, struct guard_thread *thread, bool forked)
{
    unsigned long tid = 0;
    struct guard_thread *child;

    ptrace(PTRACE_GETEVENTMSG, thread->tracee.tid, NULL, &tid);
    child = find(guard, (pid_t)tid);
    if (child == NULL)
        child = add(guard, (pid_t)tid);
    if (child != NULL && thread->space != NULL) {
        child->tracee.gate = thread->tracee.gate;
        child->space = forked ? space_copy(thread->space, guard->images) : thread->space;
        if (child->space == NULL) {
            guard->failed = true;
        } else if (forked) {
            open_memory(child->space, (pid_t)tid);
            guard->images++;
        } else {
            child->space->users++;
        }
    }
    if (child != NULL && child->fresh) {
        child->fresh = false;
        resume(child);
    }
    resume(thread); /* it is still within the call */
}

/* A stop that is no signal: of a new thread, or of a process that a signal stops. */
static void take_stop(struct guard *guard, struct guard_thread *thread, int number)
{
    if (!guard->leaving &&
        (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU))
        ptrace(PTRACE_LISTEN, thread->tracee.tid, NULL, NULL);
    else if (guard->leaving)
        go_on(guard, thread, NULL);
    else
        resume(thread);
}

static void take_signal(struct guard *guard, struct guard_thread *thread, int number)
{
    bool stepped = thread->stepping;
    siginfo_t info;

    if (stepped)
        want_closed(thread);
    if (number == SIGSEGV)
        take_fault(guard, thread);
    else if (stepped && number == SIGTRAP)
        go_on(guard, thread, NULL);
    else if (ptrace(PTRACE_GETSIGINFO, thread->tracee.tid, NULL, &info) == 0)
        go_on(guard, thread, &info);
}

/* The program has ended: what it has started goes on without this process. */
static void take_end(struct guard *guard, int status)
{
    guard->ended = guard->leaving = true;
    guard->status = status;
    for (size_t i = 0; i < guard->count; i++)
        ptrace(PTRACE_INTERRUPT, guard->threads[i]->tracee.tid, NULL, NULL);
}

static void take_event(struct guard *guard, struct guard_thread *thread, int status)
{
    switch (status >> 16) {
    case PTRACE_EVENT_EXEC:
        take_exec(guard, thread);
        break;
    case PTRACE_EVENT_FORK:
        take_child(guard, thread, true);
        break;
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        take_child(guard, thread, false);
        break;
    case PTRACE_EVENT_STOP:
        take_stop(guard, thread, WSTOPSIG(status));
        break;
    default:
        resume(thread);
    }
}

static void take_death(struct guard *guard, pid_t tid, int status)
{
    struct guard_thread *thread = find(guard, tid);

    if (thread != NULL)
        forget(guard, thread);
    if (tid == guard->root)
        take_end(guard, status);
}

/* Threads that have ended while they executed calls that are not their own. */
static void take_deaths(struct guard *guard)
{
    for (size_t i = guard->count; i-- > 0;) {
        const struct tracee *tracee = &guard->threads[i]->tracee;

        if (tracee->gone) {
            take_death(guard, tracee->tid, tracee->status);
            i = guard->count;
        }
    }
}

static void take_status(struct guard *guard, pid_t tid, int status)
{
    struct guard_thread *thread = find(guard, tid);

    if (!WIFSTOPPED(status)) {
        take_death(guard, tid, status);
        return;
    }
    if (thread == NULL) { /* its parent's event is still to come */
        thread = add(guard, tid);
        if (thread != NULL)
            thread->fresh = true;
        return;
    }
    if (status >> 16 != 0)
        take_event(guard, thread, status);
    else if (WSTOPSIG(status) != SYSCALL_STOP)
        take_signal(guard, thread, WSTOPSIG(status));
    else if (thread->in_call)
        leave_call(guard, thread);
    else
        enter_call(guard, thread);
}

/* ---- Reading ---- */

static int end_badly(struct guard *guard, struct sp_error *error)
{
    int number = 0;

    if (guard->failed)
        return error_set(error, ENOMEM, "no memory for what is recorded");
    if (guard->images == 0 && guard->told >= 0 &&
        read(guard->told, &number, sizeof(number)) == (ssize_t)sizeof(number))
        return error_set(error, number, "cannot run it: %s", strerror(number));
    return 0;
}

ssize_t guard_read(void *context, struct trace_reference *references, size_t most,
                   struct sp_error *error)
{
    struct guard *guard = context;
    size_t count;
    int status;
    pid_t tid;

    /* The last reference of the queue may still become a write. */
    while (guard->queued <= TRACE_BATCH && (!guard->ended || guard->count > 0) && !guard->failed) {
        tid = waitpid(-1, &status, __WALL);
        if (tid > 0)
            take_status(guard, tid, status);
        else if (errno != EINTR)
            break;
        take_deaths(guard);
    }
    if (guard->failed || (guard->ended && guard->images == 0))
        return end_badly(guard, error);
    count = guard->queued - (guard->queued > 1 && !guard->ended);
    count = count < most ? count : most;
    memcpy(references, guard->queue, count * sizeof(*references));
    guard->queued -= count;
    memmove(guard->queue, guard->queue + count, guard->queued * sizeof(*references));
    return (ssize_t)count;
}

/* ---- Starting and ending ---- */

struct starting {
    char *const *program;
    int go[2];   /* a byte: it is traced */
    int tell[2]; /* its errno */
};

/* In the child: wait until it is traced, then execute the program. */
static int become(void *arg)
{
    const struct starting *starting = arg;
    char byte;
    int number;

    close(starting->go[1]);
    if (read(starting->go[0], &byte, 1) != 1)
        return 127;
    execvp(starting->program[0], starting->program);
    number = errno;
    (void)!write(starting->tell[1], &number, sizeof(number));
    return 127;
}

static int seize(const struct guard *guard, struct sp_error *error)
{
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

    if (!guard->one)
        options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SEIZE, guard->root, NULL, options | PTRACE_O_TRACECLONE) == 0)
        return 0;
    return error_set(
        error, errno,
        "--fast needs ptrace(2), which this kernel, container or sandbox does not allow: %s. "
        "Record without it",
        strerror(errno));
}

int guard_start(struct guard *guard, char *const *program, struct sp_error *error)
{
    struct starting starting = {program, {-1, -1}, {-1, -1}};
    struct spawn spawn = {SPAWN_DEFAULTS};
    int result = tracee_supported(error);

    spawn.input = STDIN_FILENO;

    guard->told = -1;
    if (result != 0)
        return result;
    if (pipe2(starting.go, O_CLOEXEC) != 0 || pipe2(starting.tell, O_CLOEXEC) != 0)
        return error_set(error, errno, "cannot make a pipe: %s", strerror(errno));
    guard->told = starting.tell[0];
    result = spawn_function(&spawn, become, &starting, &guard->root, error);
    if (result == 0) {
        result = seize(guard, error);
        if (result != 0)
            kill(guard->root, SIGKILL);
        else if (add(guard, guard->root) == NULL)
            result = error_set(error, ENOMEM, "no memory for a thread");
        else
            (void)!write(starting.go[1], "", 1);
    }
    close(starting.go[0]);
    close(starting.go[1]);
    close(starting.tell[1]);
    return result;
}

void guard_fini(struct guard *guard)
{
    if (guard->root > 0 && !guard->ended) {
        kill(guard->root, SIGKILL);
        while (waitpid(guard->root, &guard->status, __WALL) < 0 && errno == EINTR)
            continue;
    }
    while (guard->count > 0)
        forget(guard, guard->threads[0]);
    if (guard->told >= 0)
        close(guard->told);
    free(guard->threads);
    free(guard->queue);
}
