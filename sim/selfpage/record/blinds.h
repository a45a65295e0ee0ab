/* Blinds before the memory of a traced program, most of which is closed (PROT_NONE), so that a reference to it shows as a fault.
 *
 * A window of pages is open: those that were referenced last, first in, first out. A page is opened for reading first, and
 * for writing by a second fault. Three kinds of pages are never closed, and not seen: the first stack, since the kernel writes to it
 * when a signal comes; pages that the kernel was told to use at any time (`kept`: a thread's robust list, its number, its rseq);
 * and those that the kernel itself maps ([vdso]).
 *
 * All of it can be opened at once, for a system call that may use anything (blinds_open), and closed again.
 *
 * Every change is an mprotect that a stopped thread is made to execute, for which the functions take it; they return -ESRCH
 * when it is gone. */
#ifndef SELFPAGE_RECORD_BLINDS_H
#define SELFPAGE_RECORD_BLINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "selfpage/record/calls.h"
#include "selfpage/record/tracee.h"

#define BLINDS_PAGE 4096u /* bytes that can be closed */

/* What is closed. */
enum blinds_what { BLINDS_ALL, BLINDS_DATA, BLINDS_CODE };

struct blinds_region {
    uint64_t start, end;
    int rights; /* that the program gave it */
};

struct blinds_slot {
    uint64_t page;       /* its address; 0: none */
    uint32_t next_plus1; /* of the same bucket */
    uint32_t pins;       /* calls that use it now */
    bool written;        /* open for writing, too */
};

struct blinds {
    uint64_t number;
    unsigned users; /* threads and, until it has run, a child */
    int memory;     /* descriptor of /proc/PID/mem; -1: not open */
    enum blinds_what what;
    bool open;                     /* all of it */
    unsigned openers;              /* threads that want it open */
    uint64_t changes;              /* by which two faults can be told apart */
    uint64_t brk;                  /* 0: not known yet */
    struct blinds_region *regions; /* by address; what is not in here is never closed */
    size_t count, room;
    uint64_t *kept; /* pages */
    size_t kept_count, kept_room;
    struct blinds_slot *slots; /* the window */
    uint32_t *buckets_plus1;
    uint32_t window, hand, pinned;
};

/* What a fault was. */
enum blinds_fault {
    BLINDS_FOREIGN,  /* none of a page that is closed: the program's own */
    BLINDS_REPEAT,   /* the page is open meanwhile */
    BLINDS_OPENED,   /* a reference: now it is open for reading */
    BLINDS_WRITABLE, /* a write to a page that was open for reading: now it is open for both */
};

/* Blinds for a program that begins, with a window of so many pages. NULL: no memory. */
struct blinds *blinds_new(uint64_t number, uint32_t window, enum blinds_what what);

/* A copy for a child that was forked: the same pages are open. It has one user. NULL: no memory. */
struct blinds *blinds_copy(const struct blinds *blinds, uint64_t number);

/* One user less: the last one frees it. */
void blinds_leave(struct blinds *blinds);

/* See what the process `pid`, which has just begun, has mapped. Nothing is closed yet. Returns 0 or a negative errno and an
 * error. */
int blinds_look(struct blinds *blinds, pid_t pid, struct sp_error *error);

int blinds_open(struct blinds *blinds, struct tracee *tracee);
int blinds_close(struct blinds *blinds, struct tracee *tracee);

/* A thread has referred to a closed page at `address`. Returns an enum blinds_fault, or -ESRCH. */
int blinds_fault(struct blinds *blinds, struct tracee *tracee, uint64_t address);

/* True if blinds_pin would have to open the page. */
bool blinds_needs(const struct blinds *blinds, uint64_t page, bool writes);

/* Open a page that a call uses, until blinds_unpin. Returns 1: it was closed; 0: not; -ENOSPC: too many are in use. */
int blinds_pin(struct blinds *blinds, struct tracee *tracee, uint64_t page, bool writes);
void blinds_unpin(struct blinds *blinds, uint64_t page);

/* The kernel will use a page at any time: it stays open. */
int blinds_keep(struct blinds *blinds, struct tracee *tracee, uint64_t page);

/* A call that changes what is mapped has been executed; the thread stands at its exit. */
int blinds_mapped(struct blinds *blinds, struct tracee *tracee, const struct tracee_call *call);

/* True if the page is one of those that are closed. */
bool blinds_guards(const struct blinds *blinds, uint64_t address);

#endif
