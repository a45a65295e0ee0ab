/* What a program refers to, seen by its faults: most of its memory is closed (blinds.h), and this process traces it (ptrace(2)), with
 * everything that it starts and forks. A program under it runs a few times as long as alone, where one under Valgrind
 * runs a hundred times as long.
 *
 * WHAT IS LOST? References to the pages of the window, which are open; to the first stack, but for the page where it ends whenever
 * the program stops anyway; and whatever is referred to while a system call that calls.h does not know is being executed.
 * What a system call itself reads and writes counts as references. */
#ifndef SELFPAGE_RECORD_TRACER_H
#define SELFPAGE_RECORD_TRACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <selfpage/error.h>

#include "selfpage/record/blinds.h"
#include "trace/trace.h"

#define TRACER_WINDOW       64u /* pages that are open, unless another number is asked for */
#define TRACER_WINDOW_LEAST 16u /* one instruction and one call have to find their pages open */
#define TRACER_WINDOW_MOST  4096u

struct tracer_thread;

struct tracer {
    uint32_t window;
    uint32_t page_size; /* of ids, in bytes, BLINDS_PAGE or more */
    enum blinds_what what;
    pid_t root;   /* the program */
    bool ended;   /* it has, as `status` says */
    bool leaving; /* so that the rest is let go */
    bool failed;  /* there was no memory for what is being traced */
    int status;   /* as waitpid has it */
    int told; /* a descriptor from which the error comes with which the program could not be executed */
    uint64_t images; /* programs so far */
    bool one;        /* do not trace what it starts */
    struct tracer_thread **threads;
    size_t count, room;
    struct trace_reference *queue; /* seen, and not read yet */
    size_t queued, queue_room;
    uint64_t last_instruction; /* that made the last reference of the queue */
    pid_t last_thread;
};

/* Start the program, NULL-terminated arguments with it. Release with tracer_fini in any case. Returns 0, or a negative errno and an
 * error that says what the kernel or the machine does not offer, or why the program cannot be executed. */
int tracer_start(struct tracer *tracer, char *const *program, struct sp_error *error);

/* Read up to `most` references, as trace_read does: runs the program until there are some, or it has ended. Ids are page
 * numbers, told apart by program as strands_id does. */
ssize_t tracer_read(void *tracer, struct trace_reference *references, size_t most,
                    struct sp_error *error);

/* End the program, if it still runs, and let go of the rest. */
void tracer_fini(struct tracer *tracer);

#endif
