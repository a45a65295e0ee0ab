/* A thread that this one traces (ptrace(2)), and system calls that it is made to execute. Everything that depends on the machine
 * is here; there is only x86-64.
 *
 * A stopped thread is given other registers, so that it executes one `syscall` instruction, the gate, and stops again. Its
 * own registers are put back by tracee_restore. The gate is one of the vDSO, which is mapped into every program. */
#ifndef SELFPAGE_RECORD_TRACEE_H
#define SELFPAGE_RECORD_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#define TRACEE_SIGNALS 8u /* that may come while a thread executes calls that are not its own */

/* A system call that a thread is about to execute, or has executed. */
struct tracee_call {
    int64_t number; /* as in <sys/syscall.h> */
    uint64_t args[6];
    int64_t result; /* a negative errno if it failed */
};

struct tracee {
    pid_t tid;
    uint64_t gate; /* address of a `syscall` instruction */
    bool gone;     /* it has ended while it executed calls that are not its own: */
    int status;    /* waitpid's status of that, which nobody else will see */
    /* Private. */
    bool taken; /* the thread's registers are in `own`, and it has others */
    struct tracee_registers {
        uint64_t words[27]; /* as ptrace has them */
    } own;
    siginfo_t signals[TRACEE_SIGNALS]; /* that have come meanwhile, first to last */
    unsigned signal_count;
};

/* Returns 0, or -ENOTSUP and an error that says which machines there are. */
int tracee_supported(struct sp_error *error);

/* Look for the gate of the program that the thread runs. Returns 0, or -ENOTSUP: there is none. */
int tracee_find_gate(struct tracee *tracee);

/* The call at whose entry or exit the thread has stopped. Returns 0, or -ESRCH if the thread is gone, as all of these do. */
int tracee_look(const struct tracee *tracee, struct tracee_call *call);

/* Where the thread is, and where its stack ends. */
int tracee_where(const struct tracee *tracee, uint64_t *instruction, uint64_t *stack);

/* The thread stands at the entry of a call: have it not executed. It stops at the exit then; tracee_again makes it come back
 * to the entry when it goes on. */
int tracee_skip(struct tracee *tracee);
int tracee_again(struct tracee *tracee, const struct tracee_call *call);

/* Have the thread change the rights of pages as mprotect(2) does. It may stand anywhere but at the entry of a call. Returns what
 * mprotect returns, or -ESRCH. */
int tracee_protect(struct tracee *tracee, uint64_t start, uint64_t size, int rights);

/* Give the thread its own registers back. With a signal that it is about to get (NULL: none), see that this is the one that it
 * gets. */
int tracee_restore(struct tracee *tracee, const siginfo_t *signal);

/* A signal that came meanwhile, and is the thread's. Returns false if there is none. */
bool tracee_signal(struct tracee *tracee, siginfo_t *signal);

#endif
