/* The memory of a traced program, most of which is closed (PROT_NONE), so that a reference to it shows as a fault.
 *
 * A window of pages is open: those that were referenced last, first in, first out. A page is opened for reading first, and
 * for writing by a second fault. Three kinds of pages are never closed, and not seen: the first stack, since the kernel writes to it
 * when a signal comes; pages that the kernel was told to use at any time (`kept`: a thread's robust list, its number, its rseq);
 * and those that the kernel itself maps ([vdso]).
 *
 * All of it can be opened at once, for a system call that may use anything (space_open), and closed again.
 *
 * Every change is an mprotect that a stopped thread is made to execute, for which the functions take it; they return -ESRCH
 * when it is gone. */
#ifndef SELFPAGE_RECORD_SPACE_H
#define SELFPAGE_RECORD_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <selfpage/error.h>

#include "selfpage/record/calls.h"
#include "selfpage/record/tracee.h"

#define SPACE_PAGE 4096u /* bytes that can be closed */

/* What is closed. */
enum space_what { SPACE_ALL, SPACE_DATA, SPACE_CODE };

struct space_region {
    uint64_t start, end;
    int rights; /* that the program gave it */
};

struct space_slot {
    uint64_t page;       /* its address; 0: none */
    uint32_t next_plus1; /* of the same bucket */
    uint32_t pins;       /* calls that use it now */
    bool written;        /* open for writing, too */
};

struct space {
    uint64_t number;
    unsigned users; /* threads and, until it has run, a child */
    int memory;     /* descriptor of /proc/PID/mem; -1: not open */
    enum space_what what;
    bool open;                    /* all of it */
    unsigned openers;             /* threads that want it open */
    uint64_t changes;             /* by which two faults can be told apart */
    uint64_t brk;                 /* 0: not known yet */
    struct space_region *regions; /* by address; what is not in here is never closed */
    size_t count, room;
    uint64_t *kept; /* pages */
    size_t kept_count, kept_room;
    struct space_slot *slots; /* the window */
    uint32_t *buckets_plus1;
    uint32_t window, hand, pinned;
};

/* What a fault was. */
enum space_fault {
    SPACE_FOREIGN,  /* none of a page that is closed: the program's own */
    SPACE_REPEAT,   /* the page is open meanwhile */
    SPACE_OPENED,   /* a reference: now it is open for reading */
    SPACE_WRITABLE, /* a write to a page that was open for reading: now it is open for both */
};

/* A space for a program that begins, with a window of so many pages. NULL: no memory. */
struct space *space_new(uint64_t number, uint32_t window, enum space_what what);

/* A copy for a child that was forked: the same pages are open. It has one user. NULL: no memory. */
struct space *space_copy(const struct space *space, uint64_t number);

/* One user less: the last one frees it. */
void space_leave(struct space *space);

/* See what the process `pid`, which has just begun, has mapped. Nothing is closed yet. Returns 0 or a negative errno and an
 * error. */
int space_look(struct space *space, pid_t pid, struct sp_error *error);

int space_open(struct space *space, struct tracee *tracee);
int space_close(struct space *space, struct tracee *tracee);

/* A thread has referred to a closed page at `address`. Returns an enum space_fault, or -ESRCH. */
int space_fault(struct space *space, struct tracee *tracee, uint64_t address);

/* True if space_pin would have to open the page. */
bool space_needs(const struct space *space, uint64_t page, bool writes);

/* Open a page that a call uses, until space_unpin. Returns 1: it was closed; 0: not; -ENOSPC: too many are in use. */
int space_pin(struct space *space, struct tracee *tracee, uint64_t page, bool writes);
void space_unpin(struct space *space, uint64_t page);

/* The kernel will use a page at any time: it stays open. */
int space_keep(struct space *space, struct tracee *tracee, uint64_t page);

/* A call that changes what is mapped has been executed; the thread stands at its exit. */
int space_mapped(struct space *space, struct tracee *tracee, const struct tracee_call *call);

/* True if the page is one of those that are closed. */
bool space_guards(const struct space *space, uint64_t address);

#endif
