#include "selfpage/record/tracer.h"

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

struct tracer_thread {
    struct tracee tracee;
    struct blinds
        *blinds; /* NULL: it has not executed a program yet, or one that is not recorded */
    bool fresh;  /* it has stopped for the first time, and whose child it is is not known yet */
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

static void emit(struct tracer *tracer, const struct tracer_thread *thread, uint64_t address,
                 bool write, uint64_t instruction)
{
    if (tracer->queued == tracer->queue_room) {
        size_t room = tracer->queue_room == 0 ? 2 * TRACE_BATCH : 2 * tracer->queue_room;
        struct trace_reference *grown = realloc(tracer->queue, room * sizeof(*grown));

        if (grown == NULL) {
            tracer->failed = true;
            return;
        }
        tracer->queue = grown;
        tracer->queue_room = room;
    }
    tracer->queue[tracer->queued++] = (struct trace_reference){
        .id = strands_id(thread->blinds->number, address / tracer->page_size),
        .next = TRACE_NEVER,
        .size = tracer->page_size,
        .write = write};
    tracer->last_instruction = instruction;
    tracer->last_thread = thread->tracee.tid;
}

/* A write to a page that was opened for reading: by the same instruction, it is the same reference. */
static void emit_write(struct tracer *tracer, const struct tracer_thread *thread, uint64_t address,
                       uint64_t instruction)
{
    uint64_t id = strands_id(thread->blinds->number, address / tracer->page_size);

    if (tracer->queued > 0 && tracer->queue[tracer->queued - 1].id == id &&
        tracer->last_instruction == instruction && tracer->last_thread == thread->tracee.tid)
        tracer->queue[tracer->queued - 1].write = true;
    else
        emit(tracer, thread, address, true, instruction);
}

/* The page where the first stack ends. */
static void emit_stack(struct tracer *tracer, struct tracer_thread *thread, uint64_t stack)
{
    uint64_t page = stack / BLINDS_PAGE;

    if (page == thread->stack || tracer->what == BLINDS_CODE ||
        blinds_guards(thread->blinds, stack))
        return;
    thread->stack = page;
    emit(tracer, thread, stack, true, 0);
}

/* ---- Threads ---- */

static struct tracer_thread *find(const struct tracer *tracer, pid_t tid)
{
    for (size_t i = 0; i < tracer->count; i++)
        if (tracer->threads[i]->tracee.tid == tid)
            return tracer->threads[i];
    return NULL;
}

static struct tracer_thread *add(struct tracer *tracer, pid_t tid)
{
    struct tracer_thread *thread = calloc(1, sizeof(*thread));

    if (tracer->count == tracer->room) {
        size_t room = tracer->room == 0 ? 16 : 2 * tracer->room;
        struct tracer_thread **grown = realloc(tracer->threads, room * sizeof(*grown));

        if (grown != NULL) {
            tracer->threads = grown;
            tracer->room = room;
        }
    }
    if (thread != NULL)
        thread->pins = calloc(tracer->window, sizeof(*thread->pins));
    if (thread == NULL || thread->pins == NULL || tracer->count == tracer->room) {
        if (thread != NULL)
            free(thread->pins);
        free(thread);
        tracer->failed = true;
        return NULL;
    }
    thread->tracee.tid = tid;
    tracer->threads[tracer->count++] = thread;
    return thread;
}

static void unpin(struct tracer_thread *thread)
{
    for (size_t i = 0; i < thread->pin_count; i++)
        blinds_unpin(thread->blinds, thread->pins[i]);
    thread->pin_count = 0;
}

static void want_closed(struct tracer_thread *thread)
{
    unsigned wanted = (unsigned)thread->opener + thread->stepping;

    if (wanted == 0)
        return;
    check(thread->blinds->openers >= wanted);
    thread->blinds->openers -= wanted;
    thread->opener = thread->stepping = false;
}

/* The thread has nothing to do with its blinds any more. */
static void leave_space(struct tracer_thread *thread)
{
    if (thread->blinds == NULL)
        return;
    unpin(thread);
    want_closed(thread);
    blinds_leave(thread->blinds);
    thread->blinds = NULL;
}

static void forget(struct tracer *tracer, struct tracer_thread *thread)
{
    leave_space(thread);
    for (size_t i = 0; i < tracer->count; i++)
        if (tracer->threads[i] == thread) {
            tracer->threads[i] = tracer->threads[--tracer->count];
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
static void let_go(struct tracer *tracer, struct tracer_thread *thread, const siginfo_t *signal)
{
    if (thread->blinds != NULL)
        (void)blinds_open(thread->blinds, &thread->tracee);
    (void)tracee_restore(&thread->tracee, signal);
    ptrace(PTRACE_DETACH, thread->tracee.tid, NULL, (long)(signal != NULL ? signal->si_signo : 0));
    forget(tracer, thread);
}

/* Let the thread go on as it is. */
static void resume(const struct tracer_thread *thread)
{
    ptrace(PTRACE_SYSCALL, thread->tracee.tid, NULL, NULL);
}

/* Let the thread go on, with a signal (NULL: none). It does not stand at the entry of a call, unless the call is prepared. */
static void go_on(struct tracer *tracer, struct tracer_thread *thread, const siginfo_t *signal)
{
    struct blinds *blinds = thread->blinds;
    enum __ptrace_request request = PTRACE_SYSCALL;
    siginfo_t kept;

    if (signal == NULL && tracee_signal(&thread->tracee, &kept))
        signal = &kept;
    if (tracer->leaving) {
        let_go(tracer, thread, signal);
        return;
    }
    if (blinds != NULL && signal != NULL && is_caught(thread->tracee.tid, signal->si_signo)) {
        /* The kernel writes to the stack of the handler: stop again when it has. */
        thread->stepping = true;
        blinds->openers++;
        request = PTRACE_SINGLESTEP;
        if (blinds_open(blinds, &thread->tracee) != 0)
            return;
    } else if (blinds != NULL && signal == NULL && blinds->openers == 0 && blinds->open &&
               blinds_close(blinds, &thread->tracee) != 0) {
        return; /* it is gone, which waitpid will say */
    }
    if (tracee_restore(&thread->tracee, signal) == 0)
        ptrace(request, thread->tracee.tid, NULL, (long)(signal != NULL ? signal->si_signo : 0));
}

/* Let a thread that stands at the entry of a call execute it. */
static void execute(struct tracer_thread *thread)
{
    thread->in_call = true;
    resume(thread);
}

/* ---- Calls ---- */

static bool needs_opening(const struct tracer_thread *thread, const struct calls_use *use)
{
    for (size_t i = 0; i < use->count; i++) {
        const struct calls_range *range = &use->ranges[i];

        for (uint64_t at = range->start & ~(uint64_t)(BLINDS_PAGE - 1);
             at < range->start + range->size; at += BLINDS_PAGE)
            if (range->keeps || blinds_needs(thread->blinds, at, range->writes))
                return true;
    }
    return false;
}

/* Open what a call uses. Returns 0; -ENOSPC: that is too much; -ESRCH. */
static int open_use(struct tracer *tracer, struct tracer_thread *thread,
                    const struct calls_use *use)
{
    for (size_t i = 0; i < use->count; i++) {
        const struct calls_range *range = &use->ranges[i];

        for (uint64_t at = range->start & ~(uint64_t)(BLINDS_PAGE - 1);
             at < range->start + range->size; at += BLINDS_PAGE) {
            int result = range->keeps
                             ? blinds_keep(thread->blinds, &thread->tracee, at)
                             : blinds_pin(thread->blinds, &thread->tracee, at, range->writes);

            if (result < 0)
                return result;
            if (thread->pin_count == tracer->window)
                return -ENOSPC;
            if (!range->keeps)
                thread->pins[thread->pin_count++] = at;
            if (result > 0)
                emit(tracer, thread, at, range->writes, 0);
        }
    }
    return 0;
}

/* The thread stands at the entry of a call, which may have to wait until what it uses is open. */
static void enter_call(struct tracer *tracer, struct tracer_thread *thread)
{
    struct tracee_call call;
    struct calls_use use;
    int result = 0;

    if (thread->blinds == NULL || thread->again || tracee_look(&thread->tracee, &call) != 0) {
        thread->again = false;
        execute(thread);
        return;
    }
    calls_describe(&call, thread->blinds->memory, &use);
    if (thread->any || tracer->leaving)
        use.kind = CALLS_ANY;
    thread->mapped = use.kind == CALLS_MAPS;
    if (use.kind == CALLS_MAPS || (use.kind == CALLS_RANGED && use.count == 0)) {
        execute(thread);
        return;
    }
    if (use.kind == CALLS_RANGED && !needs_opening(thread, &use) &&
        open_use(tracer, thread, &use) == 0) {
        execute(thread);
        return;
    }
    unpin(thread);
    if (tracee_skip(&thread->tracee) != 0)
        return;
    if (use.kind == CALLS_RANGED)
        result = open_use(tracer, thread, &use);
    if (use.kind == CALLS_ANY || result == -ENOSPC) {
        unpin(thread);
        thread->opener = true;
        thread->blinds->openers++;
        result = blinds_open(thread->blinds, &thread->tracee);
    }
    if (result != 0 || tracee_again(&thread->tracee, &call) != 0)
        return;
    thread->again = true;
    go_on(tracer, thread, NULL);
}

/* True if a signal ends or restarts the call: until it has been delivered, the kernel's answer may not be disturbed. */
static bool is_restarted(const struct tracee_call *call)
{
    return call->result <= -512 && call->result >= -516;
}

static void leave_call(struct tracer *tracer, struct tracer_thread *thread)
{
    struct tracee_call call;
    bool was_any = thread->opener;

    thread->in_call = false;
    if (thread->blinds == NULL) {
        go_on(tracer, thread, NULL);
        return;
    }
    unpin(thread);
    want_closed(thread);
    thread->any = false;
    if (tracee_look(&thread->tracee, &call) != 0)
        return;
    if (is_restarted(&call) && !tracer->leaving) {
        resume(thread);
        return;
    }
    if (thread->mapped && blinds_mapped(thread->blinds, &thread->tracee, &call) != 0)
        return;
    thread->mapped = false;
    if (call.result == -EFAULT && !was_any && call.number >= 0) { /* it used more than is known */
        thread->any = true;
        if (tracee_again(&thread->tracee, &call) != 0)
            return;
    }
    go_on(tracer, thread, NULL);
}

/* ---- Faults ---- */

/* A fault on a page that is open: another thread's fault may have opened it. If nothing has changed since the last time, it is
 * the program's own. */
static bool is_own(struct tracer_thread *thread, uint64_t address, uint64_t instruction)
{
    bool same = thread->repeat_address == address && thread->repeat_instruction == instruction &&
                thread->repeat_changes == thread->blinds->changes;

    thread->repeat_address = address;
    thread->repeat_instruction = instruction;
    thread->repeat_changes = thread->blinds->changes;
    return same;
}

static void take_fault(struct tracer *tracer, struct tracer_thread *thread)
{
    uint64_t address, instruction, stack;
    siginfo_t info;
    bool own = true;

    if (ptrace(PTRACE_GETSIGINFO, thread->tracee.tid, NULL, &info) != 0 ||
        tracee_where(&thread->tracee, &instruction, &stack) != 0)
        return;
    if (thread->blinds != NULL && info.si_code == SEGV_ACCERR) {
        address = (uint64_t)(uintptr_t)info.si_addr;
        switch (blinds_fault(thread->blinds, &thread->tracee, address)) {
        case BLINDS_OPENED:
            emit_stack(tracer, thread, stack);
            emit(tracer, thread, address, false, instruction);
            own = false;
            break;
        case BLINDS_WRITABLE:
            emit_write(tracer, thread, address, instruction);
            own = false;
            break;
        case BLINDS_REPEAT:
            own = is_own(thread, address, instruction);
            break;
        case BLINDS_FOREIGN:
            break;
        default:
            return;
        }
    }
    go_on(tracer, thread, own ? &info : NULL);
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
static void take_exec(struct tracer *tracer, struct tracer_thread *thread)
{
    struct sp_error ignored;
    unsigned long before = 0;
    struct tracer_thread *old;

    ptrace(PTRACE_GETEVENTMSG, thread->tracee.tid, NULL, &before);
    old = find(tracer, (pid_t)before);
    if (old != NULL && old != thread)
        forget(tracer, old);
    leave_space(thread);
    thread->in_call = true;
    thread->mapped = thread->any = thread->again = false;
    if (is_64_bits(thread->tracee.tid) && tracee_find_gate(&thread->tracee) == 0) {
        thread->blinds = blinds_new(tracer->images, tracer->window, tracer->what);
        if (thread->blinds == NULL ||
            blinds_look(thread->blinds, thread->tracee.tid, &ignored) != 0)
            tracer->failed = true;
        else
            tracer->images++;
    }
    resume(thread);
}

/* Where the memory of a forked child is read: its own. */
static void open_memory(struct blinds *blinds, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    blinds->memory = open(path, O_RDONLY | O_CLOEXEC);
}

/* A thread has a child: a thread, or a process with the same memory until it executes a program, or one with a copy. */
static void take_child(struct tracer *tracer, struct tracer_thread *thread, bool forked)
{
    unsigned long tid = 0;
    struct tracer_thread *child;

    ptrace(PTRACE_GETEVENTMSG, thread->tracee.tid, NULL, &tid);
    child = find(tracer, (pid_t)tid);
    if (child == NULL)
        child = add(tracer, (pid_t)tid);
    if (child != NULL && thread->blinds != NULL) {
        child->tracee.gate = thread->tracee.gate;
        child->blinds = forked ? blinds_copy(thread->blinds, tracer->images) : thread->blinds;
        if (child->blinds == NULL) {
            tracer->failed = true;
        } else if (forked) {
            open_memory(child->blinds, (pid_t)tid);
            tracer->images++;
        } else {
            child->blinds->users++;
        }
    }
    if (child != NULL && child->fresh) {
        child->fresh = false;
        resume(child);
    }
    resume(thread); /* it is still within the call */
}

/* A stop that is no signal: of a new thread, or of a process that a signal stops. */
static void take_stop(struct tracer *tracer, struct tracer_thread *thread, int number)
{
    if (!tracer->leaving &&
        (number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU))
        ptrace(PTRACE_LISTEN, thread->tracee.tid, NULL, NULL);
    else if (tracer->leaving)
        go_on(tracer, thread, NULL);
    else
        resume(thread);
}

static void take_signal(struct tracer *tracer, struct tracer_thread *thread, int number)
{
    bool stepped = thread->stepping;
    siginfo_t info;

    if (stepped)
        want_closed(thread);
    if (number == SIGSEGV)
        take_fault(tracer, thread);
    else if (stepped && number == SIGTRAP)
        go_on(tracer, thread, NULL);
    else if (ptrace(PTRACE_GETSIGINFO, thread->tracee.tid, NULL, &info) == 0)
        go_on(tracer, thread, &info);
}

/* The program has ended: what it has started goes on without this process. */
static void take_end(struct tracer *tracer, int status)
{
    tracer->ended = tracer->leaving = true;
    tracer->status = status;
    for (size_t i = 0; i < tracer->count; i++)
        ptrace(PTRACE_INTERRUPT, tracer->threads[i]->tracee.tid, NULL, NULL);
}

static void take_event(struct tracer *tracer, struct tracer_thread *thread, int status)
{
    switch (status >> 16) {
    case PTRACE_EVENT_EXEC:
        take_exec(tracer, thread);
        break;
    case PTRACE_EVENT_FORK:
        take_child(tracer, thread, true);
        break;
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        take_child(tracer, thread, false);
        break;
    case PTRACE_EVENT_STOP:
        take_stop(tracer, thread, WSTOPSIG(status));
        break;
    default:
        resume(thread);
    }
}

static void take_death(struct tracer *tracer, pid_t tid, int status)
{
    struct tracer_thread *thread = find(tracer, tid);

    if (thread != NULL)
        forget(tracer, thread);
    if (tid == tracer->root)
        take_end(tracer, status);
}

/* Threads that have ended while they executed calls that are not their own. */
static void take_deaths(struct tracer *tracer)
{
    for (size_t i = tracer->count; i-- > 0;) {
        const struct tracee *tracee = &tracer->threads[i]->tracee;

        if (tracee->gone) {
            take_death(tracer, tracee->tid, tracee->status);
            i = tracer->count;
        }
    }
}

static void take_status(struct tracer *tracer, pid_t tid, int status)
{
    struct tracer_thread *thread = find(tracer, tid);

    if (!WIFSTOPPED(status)) {
        take_death(tracer, tid, status);
        return;
    }
    if (thread == NULL) { /* its parent's event is still to come */
        thread = add(tracer, tid);
        if (thread != NULL)
            thread->fresh = true;
        return;
    }
    if (status >> 16 != 0)
        take_event(tracer, thread, status);
    else if (WSTOPSIG(status) != SYSCALL_STOP)
        take_signal(tracer, thread, WSTOPSIG(status));
    else if (thread->in_call)
        leave_call(tracer, thread);
    else
        enter_call(tracer, thread);
}

/* ---- Reading ---- */

static int end_badly(struct tracer *tracer, struct sp_error *error)
{
    int number = 0;

    if (tracer->failed)
        return error_set(error, ENOMEM, "no memory for what is recorded");
    if (tracer->images == 0 && tracer->told >= 0 &&
        read(tracer->told, &number, sizeof(number)) == (ssize_t)sizeof(number))
        return error_set(error, number, "cannot run it: %s", strerror(number));
    return 0;
}

ssize_t tracer_read(void *context, struct trace_reference *references, size_t most,
                    struct sp_error *error)
{
    struct tracer *tracer = context;
    size_t count;
    int status;
    pid_t tid;

    /* The last reference of the queue may still become a write. */
    while (tracer->queued <= TRACE_BATCH && (!tracer->ended || tracer->count > 0) &&
           !tracer->failed) {
        tid = waitpid(-1, &status, __WALL);
        if (tid > 0)
            take_status(tracer, tid, status);
        else if (errno != EINTR)
            break;
        take_deaths(tracer);
    }
    if (tracer->failed || (tracer->ended && tracer->images == 0))
        return end_badly(tracer, error);
    count = tracer->queued - (tracer->queued > 1 && !tracer->ended);
    count = count < most ? count : most;
    memcpy(references, tracer->queue, count * sizeof(*references));
    tracer->queued -= count;
    memmove(tracer->queue, tracer->queue + count, tracer->queued * sizeof(*references));
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

static int seize(const struct tracer *tracer, struct sp_error *error)
{
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;

    if (!tracer->one)
        options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    if (ptrace(PTRACE_SEIZE, tracer->root, NULL, options | PTRACE_O_TRACECLONE) == 0)
        return 0;
    return error_set(
        error, errno,
        "--fast needs ptrace(2), which this kernel, container or sandbox does not allow: %s. "
        "Record without it",
        strerror(errno));
}

int tracer_start(struct tracer *tracer, char *const *program, struct sp_error *error)
{
    struct starting starting = {program, {-1, -1}, {-1, -1}};
    struct spawn spawn = {SPAWN_DEFAULTS};
    int result = tracee_supported(error);

    spawn.input = STDIN_FILENO;

    tracer->told = -1;
    if (result != 0)
        return result;
    if (pipe2(starting.go, O_CLOEXEC) != 0 || pipe2(starting.tell, O_CLOEXEC) != 0)
        return error_set(error, errno, "cannot make a pipe: %s", strerror(errno));
    tracer->told = starting.tell[0];
    result = spawn_function(&spawn, become, &starting, &tracer->root, error);
    if (result == 0) {
        result = seize(tracer, error);
        if (result != 0)
            kill(tracer->root, SIGKILL);
        else if (add(tracer, tracer->root) == NULL)
            result = error_set(error, ENOMEM, "no memory for a thread");
        else
            (void)!write(starting.go[1], "", 1);
    }
    close(starting.go[0]);
    close(starting.go[1]);
    close(starting.tell[1]);
    return result;
}

void tracer_fini(struct tracer *tracer)
{
    if (tracer->root > 0 && !tracer->ended) {
        kill(tracer->root, SIGKILL);
        while (waitpid(tracer->root, &tracer->status, __WALL) < 0 && errno == EINTR)
            continue;
    }
    while (tracer->count > 0)
        forget(tracer, tracer->threads[0]);
    if (tracer->told >= 0)
        close(tracer->told);
    free(tracer->threads);
    free(tracer->queue);
}
